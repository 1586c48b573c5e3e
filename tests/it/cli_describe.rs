//! `jobledger completions` and `jobledger man`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::cli_help::commands;
use crate::support::cli::cli;
use crate::support::shell::lacking;

#[test]
fn each_shell_gets_completions_that_name_every_command() {
    let commands: Vec<String> = commands().into_iter().filter_map(|command| command.path.into_iter().next()).collect();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = cli(["completions", shell]).run().expect(0).stdout;
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell} does not know `{command}`");
        }
    }
    cli(["completions", "tcsh"]).run().refused(2, &["tcsh", "bash"]);
}

#[test]
fn bash_reads_its_completions() {
    if let Some(tool) = lacking(&["bash"]) {
        return crate::support::skipped(tool);
    }
    let script = cli(["completions", "bash"]).run().expect(0).stdout;
    let mut bash = Command::new("bash").arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let asks = "COMP_WORDS=(jobledger wai) COMP_CWORD=1; _jobledger jobledger wai jobledger; echo ${COMPREPLY[@]}\n";
    write!(bash.stdin.take().unwrap(), "{script}\n{asks}").unwrap();
    let answer = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), "wait\n");
}

#[test]
fn a_manual_page_is_printed_or_all_are_written() {
    let page = cli(["man"]).run().expect(0).stdout;
    assert!(page.contains(".TH jobledger 1") && page.contains("tail"), "{page}");
    let page = cli(["man", "token", "create"]).run().expect(0).stdout;
    assert!(page.contains("\\-\\-reuse\\-name"), "{page}");
    assert_eq!(cli(["man", "--output", "-"]).run().expect(0), cli(["man"]).run().expect(0));
    cli(["man", "tokens"]).run().refused(1, &["`tokens`"]);
    let dir = tempfile::tempdir().unwrap();
    cli(["man", "--output"]).arg(dir.path().join("man1")).run().expect(0);
    let pages = std::fs::read_dir(dir.path().join("man1")).unwrap().count();
    assert_eq!(pages, commands().len());
}
