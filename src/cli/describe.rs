//! `jobledger completions` and `jobledger man`: the command line for shells and for `man`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::output::say;
use super::{Cli, Failure, Outcome};

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger completions bash > ~/.local/share/bash-completion/completions/jobledger
  jobledger completions zsh > ~/.zfunc/_jobledger")]
pub(super) struct Completions {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "jobledger", &mut script);
        put(&script)
    }
}

/// Print a manual page, or write all of them into a folder
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger man token create | man -l -
  jobledger man --output ~/.local/share/man/man1")]
pub(super) struct ManPages {
    /// The command; default: the page of jobledger itself
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write a page for each command into this folder; - is stdout
    #[arg(long, short, value_name = "DIR", conflicts_with = "command")]
    output: Option<PathBuf>,
}

impl ManPages {
    pub(super) fn run(self) -> Outcome {
        let mut all = Cli::command().disable_help_subcommand(true);
        all.build();
        match self.output.filter(|folder| folder.as_os_str() != "-") {
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                clap_mangen::generate_to(all, &folder)?;
                say!("wrote the pages into `{}`", folder.display());
                Ok(())
            }
            None => {
                let mut page = Vec::new();
                Man::new(named(&all, &self.command)?.clone()).render(&mut page)?;
                put(&page)
            }
        }
    }
}

/// The command of these words.
fn named<'c>(all: &'c Command, words: &[String]) -> Result<&'c Command, Failure> {
    let step = |command: &'c Command, word: &String| command.find_subcommand(word);
    let found = words.iter().try_fold(all, step);
    found.ok_or_else(|| Failure::Refused(format!("no command `{}`", words.join(" "))))
}

/// Writes bytes on stdout as they are: shells and `man` read them.
fn put(bytes: &[u8]) -> Outcome {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
