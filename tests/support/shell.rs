//! Lines of shell, as an auditor types them.

use std::path::Path;
use std::process::{Command, Output};

/// Runs a line of shell in `folder`.
pub fn shell(folder: &Path, line: &str) -> Output {
    Command::new("bash").args(["-c", line]).current_dir(folder).output().unwrap()
}

/// The stdout of a command, as text.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The first of `tools` that is not on this machine.
pub fn lacking(tools: &[&'static str]) -> Option<&'static str> {
    let missing = |tool: &&str| !shell(Path::new("/"), &format!("command -v {tool}")).status.success();
    tools.iter().copied().find(missing)
}
