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
    /// Fails unless the exit code is `code`; the failure shows stdout and stderr.
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

/// A command that has not started yet. It gets no environment variables of the test's process.
pub struct Cli(Command);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_jobledger");

/// `jobledger` with these arguments.
pub fn cli<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Cli {
    cli_of(PROGRAM, args)
}

/// Another program, such as an older `jobledger`, with these arguments.
pub fn cli_of<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Cli {
    let mut command = Command::new(program);
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Cli(command)
}

/// `program` with these arguments, started by a shell that first runs `limits`, such as `ulimit -n 100`.
pub fn cli_under<A: AsRef<OsStr>>(limits: &str, program: &str, args: impl IntoIterator<Item = A>) -> Cli {
    cli_of("/bin/sh", ["-c", &format!(r#"{limits}; exec "$0" "$@""#), program]).args(args)
}

/// Runs `jobledger COMMAND --data FOLDER MORE…` and waits for its end. `command` may be two words.
pub fn on(folder: &Path, command: &str, more: &[&str]) -> Done {
    cli(command.split(' ')).arg("--data").arg(folder).args(more).run()
}

/// Makes a token in `folder` with `jobledger token create`. The token has the name of its role.
#[track_caller]
pub fn token(folder: &Path, role: &str) -> String {
    on(folder, "token create", &["--name", role, "--role", role]).expect(0).stdout.trim_end().to_owned()
}

/// Whether the tests run as root, who may read and write files of any mode.
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

    /// Makes the command run in this folder.
    pub fn current_dir(mut self, folder: &Path) -> Cli {
        self.0.current_dir(folder);
        self
    }

    /// Takes stdin from `from`. Without this call stdin is empty.
    pub fn stdin(mut self, from: impl Into<Stdio>) -> Cli {
        self.0.stdin(from);
        self
    }

    /// Sends stderr to `to` instead of the pipe that [`Running`] reads.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Cli {
        self.0.stderr(to);
        self
    }

    /// Sends stdout to `to` instead of the pipe that [`Running`] reads.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Cli {
        self.0.stdout(to);
        self
    }

    /// The same command, run from `program`, a copy that any user may run. If the tests run as root, the command runs as a user who
    /// owns no file.
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

    /// Starts the command and waits for its end.
    pub fn run(self) -> Done {
        self.start().wait()
    }

    /// Starts the command with `input` as stdin and waits for its end.
    pub fn run_with(mut self, input: impl Into<Vec<u8>>) -> Done {
        self.0.stdin(Stdio::piped());
        let mut running = self.start();
        let (mut stdin, input) = (running.child.stdin.take().unwrap(), input.into());
        // A command that refuses early closes stdin, and the write then fails. The test judges the exit code alone.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let done = running.wait();
        writer.join().unwrap();
        done
    }

    /// Starts the command, and reads stdout and stderr while it runs.
    pub fn start(mut self) -> Running {
        // A process that another test starts may hold a copied program open for writing, from its fork to its exec. The program
        // cannot start meanwhile.
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

/// A command that runs. Dropping the value kills the command.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    stdout: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Waits for the next line of stdout. Returns `None` at the end of stdout.
    #[track_caller]
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the command says nothing"),
        }
    }

    /// The next line of stdout, if the command has written it already. Fails if stdout has ended.
    #[track_caller]
    pub fn line_if_any(&self) -> Option<String> {
        match self.lines.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the command has ended"),
        }
    }

    /// Waits until `so_far` returns true. Fails if the command ends before.
    #[track_caller]
    pub fn until(&mut self, so_far: impl Fn() -> bool) {
        until("the command gets so far", || {
            let there = so_far();
            assert!(there || self.child.try_wait().unwrap().is_none(), "the command has ended");
            there
        });
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Waits for the command's end. The `stdout` of the result lacks the lines that the test took with [`Running::line`].
    #[track_caller]
    pub fn wait(mut self) -> Done {
        let mut stdout = String::new();
        // The lines end when the command ends, because its end closes stdout.
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
        // Both fail if the command has ended, which is the usual case.
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
    /// Starts a server for `folder` on a free port.
    #[track_caller]
    pub fn start(folder: &Path) -> Serving {
        Serving::on(folder, "127.0.0.1:0")
    }

    /// Starts a server for `folder` at `address`.
    #[track_caller]
    pub fn on(folder: &Path, address: &str) -> Serving {
        Serving::of(cli(["serve", "--create", "--listen", address, "--data"]).arg(folder))
    }

    /// Starts the server that `command` describes, and waits until it listens.
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

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().child.id()
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        self.running.as_ref().unwrap().signal(name);
    }

    /// Sends the server a signal, by name, and waits for its end.
    #[track_caller]
    pub fn end(mut self, signal: &str) -> Done {
        self.running.as_ref().unwrap().signal(signal);
        self.ended()
    }

    /// Whether the server has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| running.child.try_wait().unwrap().is_none())
    }

    /// Waits for the server's end, without a signal.
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
