//! The `jobledger` command.

/// Threads of one request free what another allocated, and glibc's allocator pays for that with locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    jobledger::cli::main()
}
