//! The `lakegate` command.

use std::process::ExitCode;

/// Batches are large and short-lived and freed by other threads than made them, which the system's allocator keeps
/// memory for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lakegate::command::main()
}
