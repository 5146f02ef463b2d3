//! How much is taken of a stranger.

/// The largest numbers that a decoder takes. All are checked before anything is allocated for them.
///
/// The defaults are those for a source of tables, whose batches are consumed one by one.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The head of one message. A column takes some hundred bytes of the schema's head and some dozen of a batch's.
    pub head_bytes: usize,
    /// The body of one message, as it comes. gRPC messages of Spark have 128 MiB at most.
    pub body_bytes: usize,
    /// The rows of one batch.
    pub rows: usize,
    /// The values of one batch, unfolded.
    pub batch_bytes: usize,
    /// The values of all batches together, for those who keep them.
    pub total_bytes: usize,
    /// The values of all dictionaries that are kept for the batches to come.
    pub dictionary_bytes: usize,
    /// Columns, and the columns inside of them.
    pub fields: usize,
    /// How deep columns may lie in columns.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 << 20,
            body_bytes: 256 << 20,
            rows: 16 << 20,
            batch_bytes: 512 << 20,
            total_bytes: usize::MAX,
            dictionary_bytes: 64 << 20,
            fields: 20_000,
            depth: 32,
        }
    }
}
