//! The documents: their links lead somewhere, their words are plain, and what they show on a terminal is what a terminal shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use regex_automata::meta::Regex;

use crate::support::cli::cli;
use crate::support::shell::lacking;
use crate::support::skipped;

/// The longest wait for one command of a document.
const PATIENCE: Duration = Duration::from_secs(60);
/// The address at which the documents start a ledger. The tests take a free port instead.
const ADDRESS: &str = "127.0.0.1:8347";
/// The data folder of the documents. The tests take a temporary folder instead.
const FOLDER: &str = "/tmp/ledger";
/// Words that hide who acts; the glossary and CONTRIBUTING.md say what to write instead.
const BANNED: [&str; 6] = ["whoever", "nobody", "somebody", "anybody", "whatever", "that which"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document by its path from the root, with its text.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            match root().join(&path).is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter_map(|line| line.strip_prefix('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|n| format!("{slug}-{n}"));
        let free = std::iter::once(slug.clone()).chain(numbered).find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

/// The targets of a document's links that lead to a file or a heading.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = prose(text).flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// `path`, seen from the folder of `document`, without `..`.
fn resolved(document: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in document.parent().unwrap().join(path).components() {
        match part {
            Component::ParentDir => assert!(whole.pop(), "{path} leads out of the repository"),
            part => whole.push(part),
        }
    }
    whole
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let documents = documents();
    let mut linked = BTreeSet::from([PathBuf::from("README.md")]);
    for (path, text) in &documents {
        for link in links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { resolved(path, file) };
            assert!(root().join(&target).is_file(), "{}: `{link}` leads to no file", path.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(root().join(&target)).unwrap();
                assert!(anchors(&text).contains(anchor), "{}: `{link}` leads to no heading", path.display());
            }
            linked.insert(target);
        }
    }
    let unlinked: Vec<&PathBuf> = documents.keys().filter(|path| !linked.contains(*path)).collect();
    assert!(unlinked.is_empty(), "no document links to {unlinked:?}");
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let path = Regex::new(r"\b(src|tests|schema|benches|docs|replay-fixtures)/[A-Za-z0-9_./-]*[A-Za-z0-9_/-]").unwrap();
    for (document, text) in documents() {
        // A link names a path from the document's folder, and an address one of a server.
        for word in text.split([' ', '\n', '`', '(', ')', '|']).filter(|word| !word.starts_with('/')) {
            let found = path.find(word).filter(|found| found.start() == 0).map(|found| &word[found.range()]);
            let target = found.map(|found| (found, resolved(&document, found)));
            let is_there = |(found, near): &(&str, PathBuf)| root().join(found).exists() || root().join(near).exists();
            assert!(
                target.iter().all(is_there),
                "{}: nothing is at `{}`",
                document.display(),
                found.unwrap_or_default()
            );
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = document("README.md").lines().count();
    assert!(lines <= 180, "README.md has {lines} lines; move some to docs/");
}

#[test]
fn no_sentence_hides_who_acts() {
    for (path, text) in documents() {
        for line in prose(&text) {
            let lower = line.to_lowercase();
            let banned = BANNED.iter().find(|banned| lower.contains(*banned));
            // CONTRIBUTING.md names the words in quotes.
            let quoted = |word: &str| lower.contains(&format!("\"{word}\""));
            assert!(banned.is_none_or(|word| quoted(word)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_guide_has_every_command() {
    let guide = document("docs/guide.md");
    let help = cli(["--help"]).run().expect(0).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"serve"), "{help}");
    for name in names.iter().filter(|name| **name != "help") {
        let rows = guide.lines().filter(|line| line.starts_with("| `"));
        let listed = rows
            .filter_map(|row| row.split('|').nth(1))
            .any(|cell| cell.split('`').skip(1).step_by(2).any(|command| command.split(' ').next() == Some(name)));
        assert!(listed, "docs/guide.md has no row for `{name}`");
    }
}

#[test]
fn the_guide_or_the_page_on_proof_has_every_route() {
    let pages = document("docs/guide.md") + &document("docs/proof.md");
    let described: serde_json::Value = serde_json::from_str(&document("schema/openapi.json")).unwrap();
    for path in described["paths"].as_object().unwrap().keys() {
        let shown = pages.contains(&format!("{path}`")) || pages.contains(&format!("{path}?"));
        let schema = path.starts_with("/schema/") || path.starts_with("/ledger/tile/");
        assert!(shown || schema, "no page has the route {path}");
    }
}

/// A command that a document shows, and what it shows as the output. `…` stands for any text.
struct Typed {
    command: String,
    shown: String,
}

/// The commands in the blocks of a document that are marked `console`.
fn typed(path: &str) -> Vec<Typed> {
    let text = document(path);
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut all: Vec<Typed> = Vec::new();
    for block in blocks {
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{path}: expected a command: {line}"));
            let mut typed = Typed { command: command.to_owned(), shown: String::new() };
            // A quote that is open goes on in the next line.
            while typed.command.matches('\'').count() % 2 == 1 {
                typed.command += "\n";
                typed.command += lines.next().unwrap_or_else(|| panic!("{path}: a quote stays open: {line}"));
            }
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                typed.shown += line;
                typed.shown += "\n";
            }
            all.push(typed);
        }
    }
    assert!(!all.is_empty(), "{path} shows no command");
    all
}

/// A shell that types the commands of a document, one after the other.
struct Session {
    folder: tempfile::TempDir,
    shell: Child,
    codes: Receiver<String>,
    typed: usize,
    address: Option<String>,
    masks: Regex,
}

impl Session {
    fn start() -> Session {
        let folder = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_jobledger")).parent().unwrap();
        let path = std::env::join_paths(
            [program.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut shell = Command::new("bash")
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", path.unwrap())
            .env("JOBLEDGER_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (send, codes) = channel();
        let answers = BufReader::new(shell.stdout.take().unwrap());
        std::thread::spawn(move || answers.lines().map_while(Result::ok).try_for_each(|code| send.send(code)));
        // Times, ids, keys, hashes and durations differ from run to run.
        let masks = r"\d{4}-\d\d-\d\dT[0-9:.]+Z|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\+[0-9a-f]{8}\+|[A-Za-z0-9+/]{43,}=*|[0-9a-f]{64}|_ms.:\d+";
        let mut session = Session { folder, shell, codes, typed: 0, address: None, masks: Regex::new(masks).unwrap() };
        session.run("trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT");
        session
    }

    /// Runs a command, and answers its exit code and what it wrote to stdout.
    fn run(&mut self, command: &str) -> (String, String) {
        self.typed += 1;
        let out = format!("{}.out", self.typed);
        let line = format!("{{ {command}\n}} > {out} 2> {}.err; echo $?\n", self.typed);
        self.shell.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let code = self.codes.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not end: {command}"));
        (code, fs::read_to_string(self.folder.path().join(out)).unwrap())
    }

    /// Types a command, and fails unless it writes what the document shows.
    fn type_in(&mut self, typed: &Typed) {
        let command = self.here(&typed.command);
        let (code, mut written) = self.run(&command);
        if command.ends_with('&') {
            written = self.first_line();
            self.address = written.trim().strip_prefix("listening on http://").map(str::to_owned);
        }
        let shown = self.here(&typed.shown);
        let (expected, found) = (self.masked(&shown), self.masked(&written));
        let err = fs::read_to_string(self.folder.path().join(format!("{}.err", self.typed))).unwrap();
        assert_eq!(code, "0", "{command}\n{written}\n{err}");
        assert!(
            agrees(expected.trim_end(), found.trim_end()),
            "{command}\n--- shown\n{shown}--- found\n{written}{err}"
        );
    }

    /// What a command in the background writes first.
    fn first_line(&self) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let written = fs::read_to_string(self.folder.path().join(format!("{}.out", self.typed))).unwrap();
            if written.ends_with('\n') {
                return written;
            }
            assert!(Instant::now() < until, "the server says nothing");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `text` with the folder and the address of this run.
    fn here(&self, text: &str) -> String {
        let folder = self.folder.path().join("ledger");
        let text = text.replace(FOLDER, folder.to_str().unwrap());
        match &self.address {
            Some(address) => text.replace(ADDRESS, address),
            None => text,
        }
    }

    /// `text` without what differs from run to run.
    fn masked(&self, text: &str) -> String {
        let text = text.replace(ADDRESS, "ADDRESS");
        let text = self.address.as_ref().map_or(text.clone(), |address| text.replace(address.as_str(), "ADDRESS"));
        let (mut masked, mut from) = (String::new(), 0);
        for found in self.masks.find_iter(&text) {
            masked += &text[from..found.start()];
            masked += "…";
            from = found.end();
        }
        masked + &text[from..]
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The end of its input ends the shell, whose trap ends the server.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Whether `found` is what `shown` shows, where `…` stands for any text.
fn agrees(shown: &str, found: &str) -> bool {
    let mut pieces = shown.split('…').map(|piece| piece.trim_matches('\n'));
    let Some(mut rest) = found.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
        last = Some(piece);
    }
    last.map_or(rest.is_empty(), |last| rest.is_empty() || last.is_empty() || found.ends_with(last))
}

/// Types the commands of `pages` in one shell.
fn runs(pages: &[&str]) {
    if let Some(tool) = lacking(&["curl", "openssl", "sha256sum", "xxd"]) {
        return skipped(tool);
    }
    let mut session = Session::start();
    for typed in pages.iter().flat_map(|page| typed(page)) {
        session.type_in(&typed);
    }
}

#[test]
fn the_readme_shows_what_happens() {
    runs(&["README.md"]);
}

#[test]
fn the_workers_page_shows_what_happens() {
    runs(&["docs/guide.md", "docs/guide/worker.md"]);
}

#[test]
fn the_watchers_page_shows_what_happens() {
    runs(&["docs/guide.md", "docs/guide/watcher.md"]);
}

#[test]
fn the_auditors_page_shows_what_happens() {
    runs(&["docs/guide.md", "docs/guide/auditor.md"]);
}

#[test]
fn the_page_on_proof_shows_what_happens() {
    runs(&["docs/guide.md", "docs/proof.md"]);
}
