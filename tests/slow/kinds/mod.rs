//! The workers of `examples/kinds`, against real databases, a directory and a vault. The Python programs beside this file
//! hold the tests; each starts its own servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::python;
use crate::support::shell::{said, shell};
use crate::support::skipped;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The variable that names a Python with the packages of `requirements.txt`.
const PYTHON: &str = "JOBLEDGER_TEST_KINDS";

/// Whether this machine has a program. Debian keeps servers out of the path.
fn has(program: &str) -> bool {
    let find = format!("PATH=$PATH:/usr/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':'); command -v {program}");
    shell(Path::new("/"), &find).status.success()
}

/// The Python of the tests. If it or one of `programs` is missing, says so on stderr and returns `None`.
fn prepared(programs: &[&str]) -> Option<PathBuf> {
    let python = python(PYTHON, "kinds");
    if !["bao", "mypy"].iter().all(|program| python.with_file_name(program).exists()) {
        skipped("a Python in target/kinds with tests/slow/kinds/requirements.txt");
        return None;
    }
    if let Some(missing) = programs.iter().find(|program| !has(program)) {
        skipped(missing);
        return None;
    }
    Some(python)
}

/// Runs one of the Python programs.
#[track_caller]
fn run(tests: &str, programs: &[&str]) {
    let Some(python) = prepared(programs) else { return };
    let mut command = Command::new(&python);
    command.arg(format!("{ROOT}/tests/slow/kinds/{tests}")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("JOBLEDGER_TEST_PROGRAM", env!("CARGO_BIN_EXE_jobledger"));
    command.env("JOBLEDGER_TEST_BAO", python.with_file_name("bao"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", said(&output), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn database_roles_are_provisioned_on_postgresql_and_mariadb() {
    run("roles.py", &["initdb", "postgres", "psql", "mariadb-install-db", "mariadbd", "mariadb"]);
}

#[test]
fn identities_are_synchronised_from_a_file_and_a_directory() {
    run("sync.py", &["slapd", "ldapsearch", "ldapmodify"]);
}

#[test]
fn rules_are_applied_by_priority() {
    run("rules.py", &[]);
}

#[test]
fn the_job_of_a_killed_worker_is_done_by_another() {
    run("leases.py", &[]);
}

#[test]
fn the_client_and_the_workers_have_types() {
    let Some(python) = prepared(&[]) else { return };
    let line = "\"$0\" --strict --cache-dir=/dev/null --python-version=3.10 clients/python examples/import.py && \
                cd examples/kinds && \"$0\" --strict --cache-dir=/dev/null --python-version=3.10 .";
    let mut mypy = Command::new("bash");
    mypy.args(["-c", line]).arg(python.with_file_name("mypy")).current_dir(ROOT);
    let output = mypy.env("MYPYPATH", format!("{ROOT}/clients/python")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn pip_installs_the_client_from_its_folder() {
    let Some(python) = prepared(&[]) else { return };
    let dir = tempfile::tempdir().unwrap();
    // pip builds inside the folder, so it gets a copy. What builds it is in the Python of the tests.
    let line = "cp -r \"$1\" client && \"$0\" -m pip --quiet --disable-pip-version-check install --no-index \
                --no-build-isolation --target installed ./client && rm -r client && ls installed && \
                PYTHONPATH=installed \"$0\" -c 'import jobledger; print(jobledger.Ledger.claim.__name__)'";
    let mut pip = Command::new("bash");
    pip.args(["-c", line]).arg(python).arg(format!("{ROOT}/clients/python")).current_dir(dir.path());
    let output = pip.output().unwrap();
    let installed = said(&output);
    assert!(output.status.success(), "{installed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(installed.contains("jobledger-") && installed.ends_with("\nclaim\n"), "{installed}");
}

#[test]
fn the_client_is_short_and_needs_the_standard_library_alone() {
    let client = std::fs::read_to_string(format!("{ROOT}/clients/python/jobledger.py")).unwrap();
    assert!(client.lines().count() < 250, "{} lines", client.lines().count());
    let project = std::fs::read_to_string(format!("{ROOT}/clients/python/pyproject.toml")).unwrap();
    assert!(!project.contains("dependencies"), "{project}");
}
