//! Runs the commands of a document in a real shell, and compares the output with the document.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use regex_automata::meta::Regex;

/// The longest wait for one command of a document.
const PATIENCE: Duration = Duration::from_secs(60);
/// The address at which the documents start a ledger. The tests take a free port instead.
const ADDRESS: &str = "127.0.0.1:8347";
/// The data folder of the documents. The tests take a temporary folder instead.
const FOLDER: &str = "/tmp/ledger";

/// A command in a document, and the output that the document shows. `…` stands for any text.
pub struct Typed {
    command: String,
    shown: String,
}

/// The commands in the blocks of a document that are marked `console`. `path` names the document in a failure.
pub fn typed(path: &str, text: &str) -> Vec<Typed> {
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

/// A shell that runs the commands of a document, one after the other.
pub struct Session {
    folder: tempfile::TempDir,
    shell: Child,
    codes: Receiver<String>,
    typed: usize,
    address: Option<String>,
    masks: Regex,
}

impl Session {
    pub fn start() -> Session {
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

    /// Runs a command. Returns its exit code and its stdout.
    fn run(&mut self, command: &str) -> (String, String) {
        self.typed += 1;
        let out = format!("{}.out", self.typed);
        let line = format!("{{ {command}\n}} > {out} 2> {}.err; echo $?\n", self.typed);
        self.shell.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let code = self.codes.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not end: {command}"));
        (code, fs::read_to_string(self.folder.path().join(out)).unwrap())
    }

    /// Runs a command, and fails unless it prints the output that the document shows.
    pub fn type_in(&mut self, typed: &Typed) {
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

    /// The first line that a command in the background writes.
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

    /// `text` without the parts that differ from run to run.
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

/// Whether `found` matches `shown`, in which `…` stands for any text.
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
