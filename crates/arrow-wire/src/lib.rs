//! Arrow IPC of others into record batches.
//!
//! The decoder of arrow-ipc is made for bytes of friends: it panics on messages that contradict themselves, and
//! allocates what a compressed buffer claims to unfold to. Here no number of a message is used before it is checked,
//! what unfolds is charged to a budget before it is allocated, and arrays are validated in full. [`StreamDecoder`]
//! reads a stream of messages in pieces as they come, [`MessageDecoder`] messages that something else has cut out (as
//! Flight does), and [`unfold_lz4_frames`] the frames around a whole stream. Which numbers are too large is said by
//! [`Limits`], whose fault it is by [`Sender`].
//!
//! The crate is pure and synchronous: no I/O, no clock, no DataFusion. Start reading at `message.rs`.

mod array;
mod buffers;
mod fault;
mod limits;
mod lz4;
mod message;
mod schema;
mod stream;
#[cfg(test)]
mod tests;

pub use fault::Sender;
pub use limits::Limits;
pub use lz4::unfold_lz4_frames;
pub use message::{Content, MessageDecoder};
pub use stream::StreamDecoder;
