//! A transcript: commands that ran in one folder, with their output.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex_automata::meta::Regex;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};
use tempfile::TempDir;

use crate::support::cli::{Done, cli};

/// What differs from run to run, in the order in which it is replaced, and what stands for it. The times of the events that
/// these tests append are of 2025 and stay.
const REDACTED: [(&str, &str); 7] = [
    (r"jl_[A-Za-z0-9_-]{40,}", "[TOKEN]"),
    (r"jobledger/[0-9a-f-]{36}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{43,44}=?", "[KEY]"),
    (r"jobledger/[0-9a-f-]{36}", "[ORIGIN]"),
    (r"[0-9a-f]{64}", "[DIGEST]"),
    (r"[A-Za-z0-9+/]{43}=", "[ROOT]"),
    (r"20(2[6-9]|[3-9][0-9])-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "[TIME]"),
    (r"127\.0\.0\.1:[0-9]{5}", "[ADDRESS]"),
];

/// Where the transcripts lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots")
}

/// Commands that run in a temporary folder, and their output so far.
pub struct Transcript {
    folder: TempDir,
    text: String,
}

impl Transcript {
    pub fn new() -> Transcript {
        Transcript { folder: tempfile::tempdir().unwrap(), text: String::new() }
    }

    /// The folder in which the commands run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that later commands read; it is no part of the transcript.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder().join(name), content).unwrap();
    }

    /// Runs `jobledger` with these words as arguments.
    pub fn type_line(&mut self, words: &str) -> Done {
        self.type_with(words, "")
    }

    /// Runs `jobledger` with these words as arguments and `input` as stdin.
    pub fn type_with(&mut self, words: &str, input: &str) -> Done {
        let done = cli(words.split_whitespace()).current_dir(self.folder()).run_with(input);
        self.text += &format!("$ {}\n{}", format!("jobledger {words}").trim_end(), done.stdout);
        if !done.stderr.is_empty() {
            self.text += &format!("[stderr]\n{}", done.stderr);
        }
        if done.code != 0 {
            self.text += &format!("[exit code {}]\n", done.code);
        }
        self.text.push('\n');
        done
    }

    /// Compares everything so far with the file `name`.
    #[track_caller]
    pub fn compare(&self, name: &str) {
        let path = folder().join(name).with_extension("txt");
        let expected = Data::read_from(&path, Some(DataFormat::Text)).raw();
        let found = Data::text(redacted(self.text.trim_end().to_owned() + "\n")).raw();
        Assert::new().action_env(snapbox::assert::DEFAULT_ACTION_ENV).eq(found, expected);
    }
}

/// The text without the parts that differ from run to run.
fn redacted(mut text: String) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> =
        LazyLock::new(|| REDACTED.iter().map(|(rule, name)| (Regex::new(rule).unwrap(), *name)).collect());
    for (rule, name) in RULES.iter() {
        let found: Vec<_> = rule.find_iter(&text).map(|found| found.range()).collect();
        for range in found.into_iter().rev() {
            text.replace_range(range, name);
        }
    }
    text
}
