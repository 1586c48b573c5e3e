//! The real binary: a command that runs to its end, and a server that is stopped with the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread::JoinHandle;

use super::client::Client;
use super::wait::{PATIENCE, until, until_some};

/// How a command ended. A signal that ends it counts as 128 and its number, as in a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Fails with everything that was said unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Done {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Fails unless the exit code is `code` and stderr has every one of `words`.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) {
        let done = self.expect(code);
        for word in words {
            assert!(done.stderr.contains(word), "expected {word:?} in: {}", done.stderr);
        }
    }

    /// The lines of stdout as JSON.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

/// A command that is about to run. Nothing of this machine's environment reaches it.
pub struct Cli(Command);

/// `jobledger` with these arguments.
pub fn cli<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Cli {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobledger"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Cli(command)
}

/// Runs `jobledger COMMAND --data FOLDER MORE…` to its end; `command` may be two words.
pub fn on(folder: &Path, command: &str, more: &[&str]) -> Done {
    cli(command.split(' ')).arg("--data").arg(folder).args(more).run()
}

/// Makes a token in `folder` with `jobledger token create`; its name is the role's.
#[track_caller]
pub fn token(folder: &Path, role: &str) -> String {
    on(folder, "token create", &["--name", role, "--role", role]).expect(0).stdout.trim_end().to_owned()
}

/// Whether the tests run as root, for whom no mode of a file counts.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0)
}

impl Cli {
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Cli {
        self.0.arg(arg);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Cli {
        self.0.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Cli {
        self.0.env(name, value);
        self
    }

    /// Runs it in this folder.
    pub fn current_dir(mut self, folder: &Path) -> Cli {
        self.0.current_dir(folder);
        self
    }

    /// Gives it another stderr than the pipe that [`Running`] reads.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Cli {
        self.0.stderr(to);
        self
    }

    /// Gives it another stdout than the pipe that [`Running`] reads.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Cli {
        self.0.stdout(to);
        self
    }

    /// Runs it as a user who owns nothing, if that is allowed: root may change users, and other users own little. `program` is
    /// a copy that this user may run.
    pub fn by_other_user(self, program: &Path) -> Cli {
        /// The id that no file has (`nobody`).
        const NOBODY: u32 = 65534;
        let mut command = Command::new(program);
        command.args(self.0.get_args()).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_root() {
            std::os::unix::process::CommandExt::gid(&mut command, NOBODY);
            std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
        }
        Cli(command)
    }

    /// Runs it to its end.
    pub fn run(self) -> Done {
        self.start().wait()
    }

    /// Runs it to its end with `input` as stdin.
    pub fn run_with(mut self, input: impl Into<Vec<u8>>) -> Done {
        self.0.stdin(Stdio::piped());
        let mut running = self.start();
        let (mut stdin, input) = (running.child.stdin.take().unwrap(), input.into());
        // A command that refuses early closes its end, which is none of the writer's business.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let done = running.wait();
        writer.join().unwrap();
        done
    }

    /// Starts it, and reads what it says as it says it.
    pub fn start(mut self) -> Running {
        // A process that another test starts holds a copied program open for writing, from its fork to its exec.
        let mut child = until_some("the program is free", || match self.0.spawn() {
            Err(busy) if busy.kind() == std::io::ErrorKind::ExecutableFileBusy => None,
            spawned => Some(spawned.unwrap()),
        });
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (send, lines) = channel();
        let stdout = std::thread::spawn(move || {
            for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()) {
                // The test may have stopped listening.
                let _ = send.send(line.unwrap());
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            if let Some(err) = err {
                BufReader::new(err).read_to_string(&mut text).unwrap();
            }
            text
        });
        Running { child, lines, stdout: Some(stdout), stderr: Some(stderr) }
    }
}

/// A command that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    stdout: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// The next line of stdout; `None` when there will be none.
    #[track_caller]
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the command says nothing"),
        }
    }

    /// The next line of stdout, if it was said already. A command that will say no more fails the test.
    #[track_caller]
    pub fn line_if_any(&self) -> Option<String> {
        match self.lines.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the command has ended"),
        }
    }

    /// Waits until something shows that the command is so far, and fails the test if it ends before.
    #[track_caller]
    pub fn until(&mut self, so_far: impl Fn() -> bool) {
        until("the command gets so far", || {
            let there = so_far();
            assert!(there || self.child.try_wait().unwrap().is_none(), "the command has ended");
            there
        });
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Waits for its end; stdout is what the test did not take line by line.
    #[track_caller]
    pub fn wait(mut self) -> Done {
        let mut stdout = String::new();
        // Its end closes stdout, so the lines end with it.
        while let Some(line) = self.line() {
            stdout += &line;
            stdout.push('\n');
        }
        let status = self.child.wait().unwrap();
        let code =
            status.code().unwrap_or_else(|| 128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap());
        self.stdout.take().unwrap().join().unwrap();
        Done { code, stdout, stderr: self.stderr.take().unwrap().join().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Mostly it has ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `jobledger serve` on a port. SIGTERM ends it with the test.
pub struct Serving {
    pub url: String,
    running: Option<Running>,
}

impl Serving {
    /// On a free port.
    #[track_caller]
    pub fn start(folder: &Path) -> Serving {
        Serving::on(folder, "127.0.0.1:0")
    }

    /// At this address.
    #[track_caller]
    pub fn on(folder: &Path, address: &str) -> Serving {
        Serving::of(cli(["serve", "--create", "--listen", address, "--data"]).arg(folder))
    }

    /// As `command` says.
    #[track_caller]
    pub fn of(command: Cli) -> Serving {
        let running = command.start();
        let Some(line) = running.line() else { panic!("no first line: {}", running.wait().stderr) };
        let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Serving { url, running: Some(running) }
    }

    /// A client with this token.
    pub fn client(&self, token: &str) -> Client {
        Client::new(&self.url, Some(token))
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        self.running.as_ref().unwrap().signal(name);
    }

    /// Ends it with a signal, by name, and answers how it ended.
    #[track_caller]
    pub fn end(mut self, signal: &str) -> Done {
        self.running.as_ref().unwrap().signal(signal);
        self.ended()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| running.child.try_wait().unwrap().is_none())
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn ended(&mut self) -> Done {
        self.running.take().unwrap().wait()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal("TERM");
            if !std::thread::panicking() {
                running.wait().expect(0);
            }
        }
    }
}
