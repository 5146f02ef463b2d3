//! The catalogue of attacks, over the wire: through the simple protocol, the extended one with text and with binary
//! results, and COPY. Each statement is judged by every byte that comes back, by tables that physically hold only what
//! the actor may see, and by a second world that differs in what the actor may not see.

mod hazards;
mod identity;
mod literals;
mod order;
mod statements;
mod taken_out;
mod twins;
mod without_scan;
mod world;
