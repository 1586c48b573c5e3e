//! The `jobledger` command.

fn main() -> std::process::ExitCode {
    jobledger::cli::main()
}
