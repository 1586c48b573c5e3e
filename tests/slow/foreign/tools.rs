//! The verifiers from other projects: how the tests find and run them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::python::python;
use crate::support::cli::Done;
use crate::support::skipped;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slow/foreign");
/// Where Debian's `golang-golang-x-mod-dev` lies.
const GOPATH: &str = "/usr/share/gocode";
/// The variable that names a Python with the packages of `requirements.txt`.
const PYTHON: &str = "JOBLEDGER_TEST_PYTHON";

/// Both verifiers, ready to run.
pub struct Tools {
    go: PathBuf,
    python: PathBuf,
}

/// The verifiers. If a tool is missing, says which one on stderr and returns `None`.
pub fn tools() -> Option<&'static Tools> {
    static TOOLS: OnceLock<Result<Tools, &str>> = OnceLock::new();
    let found = TOOLS.get_or_init(|| {
        let go = go().ok_or("Debian's golang-go and golang-golang-x-mod-dev")?;
        let python =
            python_with_verifiers().ok_or("a Python in target/verifiers with tests/slow/foreign/requirements.txt")?;
        Ok(Tools { go, python })
    });
    found.as_ref().map_err(|needs| skipped(needs)).ok()
}

impl Tools {
    /// Runs `verify.go` on a mirror.
    pub fn go(&self, mirror: &Path, key: &str) -> Done {
        run(Command::new(&self.go).arg(mirror).arg(key))
    }

    /// Runs `root.py` on a mirror.
    pub fn python(&self, mirror: &Path, key: &str) -> Done {
        run(Command::new(&self.python).arg(format!("{HERE}/root.py")).arg(mirror).arg(key))
    }
}

/// Compiles `verify.go`, once in a test run.
fn go() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog");
    if Command::new("go").arg("version").output().is_err() || !library.exists() {
        return None;
    }
    let program = target.join("verify-go");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg("verify.go").current_dir(HERE);
    build.envs([("GO111MODULE", "off"), ("GOPATH", GOPATH), ("GOPROXY", "off"), ("GOFLAGS", ""), ("CGO_ENABLED", "0")]);
    run(build.env("GOCACHE", target.join("go-cache"))).expect(0);
    Some(program)
}

fn python_with_verifiers() -> Option<PathBuf> {
    let python = python(PYTHON, "verifiers");
    let has = Command::new(&python).args(["-c", "import cryptography, pymerkle"]).output();
    has.is_ok_and(|has| has.status.success()).then_some(python)
}

fn run(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
