//! A PostgreSQL server of its own in a temporary folder, and `pgbench` as its client.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::load::Round;

/// The tables: events, and a row a job that each event moves.
const TABLES: &str = "\
    CREATE TABLE event (position bigserial PRIMARY KEY, job int NOT NULL, source text NOT NULL, id text NOT NULL, \
    type text NOT NULL, data jsonb NOT NULL, recorded timestamptz NOT NULL DEFAULT now(), UNIQUE (source, id)); \
    CREATE TABLE job (id int PRIMARY KEY, status text NOT NULL, processed int NOT NULL)";

/// One durable append: the event and its job's row, in one statement. `%JOBS%` is the number of jobs.
const APPEND: &str = r#"\set job random(1, %JOBS%)
WITH event AS (INSERT INTO event (job, source, id, type, data) VALUES (:job, '/workers/sync-1', gen_random_uuid()::text,
'job.progress', '{"current_step":"Processing accounts of the directory","records_processed":17}') RETURNING job)
UPDATE job SET processed = processed + 1 FROM event WHERE job.id = event.job;
"#;

/// The server. Dropping this value stops it and removes its folder.
pub struct Postgres {
    bin: PathBuf,
    /// Holds `data`, the socket and the script.
    folder: tempfile::TempDir,
    /// PostgreSQL refuses to run as root; root runs it as the user `postgres`.
    is_root: bool,
}

impl Postgres {
    /// Starts a server with `jobs` jobs and the settings that Debian's package has, but for more memory; `None` if the packages
    /// `postgresql` and `postgresql-contrib` of Debian are not installed.
    pub fn start(jobs: usize) -> Option<Postgres> {
        let bin = newest_bin(Path::new("/usr/lib/postgresql"))?;
        let folder = super::folder();
        let is_root = output(Command::new("id").arg("-u")).trim() == "0";
        if is_root {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("our own folder");
        }
        let postgres = Postgres { bin, folder, is_root };
        let (data, at) = (postgres.path("data"), postgres.folder.path().display().to_string());
        output(postgres.server("initdb").args(["-D", &data, "-A", "trust", "-U", "postgres"]));
        // A socket alone: no port can be taken.
        let settings = format!(
            "-c listen_addresses= -c unix_socket_directories={at} -c shared_buffers=1GB -c max_wal_size=4GB -c max_connections=300"
        );
        output(postgres.server("pg_ctl").args([
            "-D",
            &data,
            "-l",
            &postgres.path("log"),
            "-o",
            &settings,
            "-w",
            "start",
        ]));
        let fill = format!("INSERT INTO job SELECT n, 'running', 0 FROM generate_series(1, {jobs}) AS n");
        output(postgres.client("psql").args(["-q", "-c", TABLES, "-c", &fill]));
        let script = APPEND.replace("%JOBS%", &jobs.to_string());
        std::fs::write(postgres.path("append.sql"), script).expect("our own folder");
        Some(postgres)
    }

    /// Appends `each` events on each connection, one after the other, all connections at once.
    pub fn round(&self, connections: usize, each: usize) -> Round {
        let prefix = self.path("latencies");
        let (clients, each_one) = (connections.to_string(), each.to_string());
        let threads = connections.min(2).to_string();
        let report = output(
            self.client("pgbench")
                .args(["-n", "-M", "prepared", "-c", &clients, "-j", &threads, "-t", &each_one])
                .args(["-f", &self.path("append.sql"), "-l", &format!("--log-prefix={prefix}")]),
        );
        let latencies = self.take_latencies();
        assert_eq!(latencies.len(), connections * each, "pgbench logs each transaction");
        // Without the time that the connections take to open, which the other clients do not count either.
        let rate = report.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
        let took = latencies.len() as f64 / rate.expect("pgbench prints the rate");
        Round { requests: latencies.len(), took: Duration::from_secs_f64(took), latencies }
    }

    /// The latencies that `pgbench` logged, sorted. Removes its files.
    fn take_latencies(&self) -> Vec<Duration> {
        let mut latencies = Vec::new();
        for file in std::fs::read_dir(self.folder.path()).expect("our own folder") {
            let path = file.expect("our own folder").path();
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("latencies")) {
                continue;
            }
            let lines = std::fs::read_to_string(&path).expect("a file of pgbench");
            // The third number of a line is the time of a transaction in microseconds.
            let micros = lines.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
            latencies.extend(micros.map(Duration::from_micros));
            std::fs::remove_file(&path).expect("our own folder");
        }
        latencies.sort();
        latencies
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A command that runs as the server's user.
    fn server(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        if !self.is_root {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    }

    /// A command that connects to the server.
    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.env("PGHOST", self.folder.path()).env("PGUSER", "postgres").env("PGDATABASE", "postgres");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.path("data");
        let _ = self.server("pg_ctl").args(["-D", &data, "-m", "fast", "-w", "stop"]).output();
    }
}

/// The folder of the newest version that has a server and `pgbench`.
fn newest_bin(versions: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(versions).ok()?.flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_string_lossy().parse::<u32>().ok());
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((number(&version.path())?, version.path().join("bin"))))
        .filter(|(_, bin)| bin.join("pg_ctl").exists() && bin.join("pgbench").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

/// The standard output of a command that must succeed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
