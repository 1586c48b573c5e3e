//! `jobledger export` and `jobledger import`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Error, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::client::{Remote, expect_type};
use super::output::say;
use super::server::{Parameter, Server};
use super::target::Target;
use super::{Data, Failure, Outcome, progress};
use crate::job::{JobId, JobKey, OrgId, Position, plural};
use crate::ledger::{ExportError, Folder, ImportError, export, export_signed, import};
use crate::log::Reader;
use crate::wire::Lines;

/// Write every event as a line that restores it, from a data folder or from a running server
///
/// Reads a data folder, even while a server runs, or asks a server with a token of the role auditor.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger export --data ledger --checkpoint -o log.ndjson
  jobledger export --url https://ledger.example --after 41 -o - | gzip > newer.ndjson.gz")]
pub(super) struct Export {
    #[command(flatten)]
    target: Target,

    /// Only events after this position; without --after all events, the genesis event too
    #[arg(long, value_name = "POSITION")]
    after: Option<Position>,

    /// Only this job's events
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,

    /// The job's organisation
    #[arg(long, env = "JOBLEDGER_ORG", default_value_t = OrgId::default(), value_name = "UUID")]
    org: OrgId,

    /// Add the newest checkpoint as a last line, so that `jobledger verify export` can check the signer; older versions of
    /// jobledger refuse such a file
    #[arg(long, conflicts_with_all = ["after", "job"])]
    checkpoint: bool,

    /// Where to write; - is stdout, the default
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self) -> Outcome {
        match &self.target {
            Target::Folder(data) => self.local(&Folder::new(data)),
            Target::Server(remote) => self.remote(remote.clone()),
        }
    }

    fn remote(&self, remote: Remote) -> Outcome {
        let server = Server::new(remote)?;
        let query = self.query();
        let lines = match self.output.as_deref().filter(|path| !is_stdout(path)) {
            None => {
                let mut out = BufWriter::new(std::io::stdout().lock());
                return remote_export(&server, &query, &mut out).map(|_| ());
            }
            Some(path) => to_file(path, |file| remote_export(&server, &query, &mut BufWriter::new(file)))?,
        };
        // The last line may be the checkpoint, which is no event.
        say!("exported {}", plural(lines - u64::from(self.checkpoint).min(lines), "event", "events"));
        Ok(())
    }

    /// The parameters of the server's route for these options.
    fn query(&self) -> Vec<Parameter> {
        let from = self.after.map(|after| ("from", after.next().to_string()));
        let job = self.job.as_ref().map(|job| [("job", job.to_string()), ("org", self.org.to_string())]);
        let checkpoint = self.checkpoint.then(|| ("checkpoint", "true".to_owned()));
        from.into_iter().chain(job.into_iter().flatten()).chain(checkpoint).collect()
    }

    fn local(&self, folder: &Folder) -> Outcome {
        let conn = Reader::open(&folder.log())?;
        let log = Reader::new(&conn);
        let bar = progress::bar(log.head()?.get(), "events");
        let key = self.job.clone().map(|id| JobKey { org: self.org, id });
        let write = |out: &mut dyn Write| {
            let mut out = BufWriter::with_capacity(1 << 20, out);
            let progress = |position: Position| bar.set_position(position.get());
            match self.checkpoint {
                true => export_signed(&log, &mut out, progress),
                false => export(&log, self.after, key.as_ref(), &mut out, progress),
            }
        };
        let file = self.output.as_deref().filter(|path| !is_stdout(path));
        let written = match file {
            None => write(&mut std::io::stdout().lock()),
            Some(path) => to_file(path, |file| write(file)),
        };
        bar.finish_and_clear();
        match written {
            Ok(events) => {
                if file.is_some() {
                    say!("exported {}", plural(events, "event", "events"));
                }
                Ok(())
            }
            Err(error @ (ExportError::NoSuchJob(_) | ExportError::NoCheckpoint)) => {
                Err(Failure::Refused(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes the export of a running server. Returns the number of lines: one for each event, and one for a checkpoint.
pub(super) fn remote_export(server: &Server, query: &[Parameter], out: &mut impl Write) -> Result<u64, Failure> {
    let answer = server.get("/ledger/export", query)?;
    expect_type(&answer, "application/x-ndjson")?;
    let bar = progress::bar(0, "events");
    let (mut lines, mut written) = (Lines::new(BufReader::new(answer.into_body().into_reader())), 0);
    // A stream that breaks off ends with an error, because its length is not announced but chunked.
    while let Some(line) = lines.next_line()? {
        out.write_all(line.bytes)?;
        out.write_all(b"\n")?;
        written += 1;
        bar.set_position(written);
    }
    bar.finish_and_clear();
    out.flush()?;
    Ok(written)
}

/// Whether the path of an output file means stdout.
pub(super) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes into a temporary file beside `path`, and renames it once it is whole: no reader sees a part of a file under that
/// name. Writes directly into a device or a pipe. If `path` is a link, replaces the file that the link leads to.
pub(super) fn to_file<T, E: From<std::io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    let named = |error: Error| Error::new(error.kind(), format!("`{}`: {error}", path.display()));
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        let mut file = File::options().write(true).open(path).map_err(named)?;
        return write(&mut file);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    // A name of its own for each run: two exports to one file at once do not mix.
    let mut partial = tempfile::Builder::new();
    let mut partial = partial.prefix(name).suffix(".partial").tempfile_in(parent).map_err(named)?;
    let written = write(partial.as_file_mut())?;
    partial.as_file().sync_all()?;
    partial.persist(path).map_err(|failed| named(failed.error))?;
    Folder::sync(parent)?;
    Ok(written)
}

/// Restore an export exactly into an empty folder, or continue an earlier copy of the same ledger
///
/// The copy is read-only until `jobledger recover` continues it under a new name and key. The command checks the whole export
/// before it writes a byte, and refuses a file that is no export or is of another ledger.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger import --data copy log.ndjson
  jobledger import --data copy newer.ndjson")]
pub(super) struct Import {
    #[command(flatten)]
    data: Data,

    /// The export
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Import {
    pub(super) fn run(self) -> Outcome {
        let size = self.file.metadata().map_or(0, |file| file.len());
        // The command reads the export twice: to check it, then to write it.
        let bar = progress::bytes(2 * size);
        let imported = import(&self.data.folder(), &self.file, |read| bar.inc(read));
        bar.finish_and_clear();
        match imported {
            Ok(imported) => {
                let events = plural(imported.events, "event", "events");
                say!("imported {events}; the newest position is {}", imported.head);
                Ok(())
            }
            Err(error @ (ImportError::Line { .. } | ImportError::Empty | ImportError::Live(_))) => {
                Err(Failure::Refused(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }
}
