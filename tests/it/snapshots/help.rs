//! The help of every command, short (`-h`) and long (`--help`).

use super::Transcript;
use crate::cli_help::commands;

/// The name of the snapshot of a command.
fn name(path: &[String]) -> String {
    ["jobledger".to_owned()].iter().chain(path).cloned().collect::<Vec<_>>().join("-")
}

/// The names of all snapshots.
pub fn names() -> Vec<String> {
    commands().iter().map(|command| name(&command.path)).collect()
}

#[test]
fn the_help_of_every_command() {
    for command in commands() {
        let mut typed = Transcript::new();
        for flag in ["-h", "--help"] {
            typed.type_line(format!("{} {flag}", command.path.join(" ")).trim_start());
        }
        typed.compare(&format!("help/{}", name(&command.path)));
    }
}
