//! Where a command reads a job's events: a data folder, beside a running server too, an export, or a running server.

use std::io::{BufReader, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;
use tempfile::NamedTempFile;

use super::client::Remote;
use super::evidence::{asked, no_bundle, received};
use super::server::{Server, job_path};
use super::target::{Origin, Target};
use super::{Failure, Outcome};
use crate::evidence::{BundleError, job_entries};
use crate::history::{ExportResidues, job_facts};
use crate::job::{Fact, JobId, JobKey, OrgId, Position, Time};
use crate::ledger::{AsOf, Folder, PointInTime, ReadError, system_clock};
use crate::log::Reader;
use crate::wire::{self, Entry, ExportedLine, Leaf, Lines, NotAnExportLine, NotShown, entry_of};

/// The events of jobs.
pub(super) enum History<'a> {
    /// In a log.
    Log(Connection),
    /// In an export.
    Export(&'a Path),
    /// In the events of one job that a server sent, one a line.
    Sent(NamedTempFile, Form),
}

impl History<'_> {
    pub(super) fn open<'a>(origin: &'a Origin, job: &JobId, org: Option<OrgId>) -> Result<History<'a>, Failure> {
        match origin {
            Origin::File(file) => Ok(History::Export(file)),
            Origin::Ledger(Target::Folder(data)) => Ok(History::Log(Reader::open(&Folder::new(data).log())?)),
            Origin::Ledger(Target::Server(remote)) => sent_events(remote, job, org),
        }
    }

    /// The organisation of the events that a server sent: that of the token, if none was named.
    pub(super) fn org(&self) -> Result<Option<OrgId>, Failure> {
        let History::Sent(file, form) = self else { return Ok(None) };
        let mut org = None;
        lines(file.path(), *form, |_, leaf, _, wrong| {
            org = leaf.org().map_err(|error| wrong(error.to_string()))?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(org)
    }

    /// The position and time of a moment; `None` is the newest event. `name` is the option that gives the moment, for errors.
    pub(super) fn place(&self, name: &'static str, moment: Option<AsOf>) -> Result<PointInTime, Failure> {
        match self {
            History::Log(conn) => {
                let found = PointInTime::find(moment, name, &Reader::new(conn), system_clock()());
                found.map_err(|error| match error {
                    ReadError::Beyond { .. } => Failure::Refused(error.to_string()),
                    error => error.into(),
                })
            }
            History::Export(file) => in_lines(file, Form::Export, moment),
            History::Sent(file, form) => in_lines(file.path(), *form, moment),
        }
    }

    /// Gives `each` the job's facts after `after` and up to `upto`, in order.
    pub(super) fn facts(
        &self,
        key: &JobKey,
        after: Position,
        upto: Position,
        mut each: impl FnMut(Fact) -> Outcome,
    ) -> Outcome {
        match self {
            History::Log(conn) => job_facts(&Reader::new(conn), key, after, upto, each),
            History::Export(file) => facts_of(file, Form::Export, key, after, upto, &mut each),
            History::Sent(file, form) => facts_of(file.path(), *form, key, after, upto, &mut each),
        }
    }
}

/// Fetches the events of a job. The route of events shows none of what remains of redacted data; the job's evidence bundle has it.
fn sent_events(remote: &Remote, job: &JobId, org: Option<OrgId>) -> Result<History<'static>, Failure> {
    let named: Vec<_> = org.map(|org| ("org", org.to_string())).into_iter().collect();
    let answer = Server::new(remote.clone())?.ndjson(&format!("{}/events", job_path(job)), &named)?;
    let mut file = NamedTempFile::new()?;
    std::io::copy(&mut answer.into_body().into_reader(), file.as_file_mut())?;
    if !has_redacted(file.path())? {
        return Ok(History::Sent(file, Form::Shown));
    }
    let bundle = received(asked(remote, job, org, &[])?, &mut tempfile::tempfile()?)?;
    let mut file = NamedTempFile::new()?;
    let mut out = BufWriter::new(file.as_file_mut());
    let mut written = Ok(());
    job_entries(&bundle, |entry| {
        written = out.write_all(&entry.to_bytes()).and_then(|()| out.write_all(b"\n"));
        Ok::<_, BundleError>(())
    })
    .map_err(no_bundle)?;
    written.and_then(|()| out.flush())?;
    drop(out);
    Ok(History::Sent(file, Form::Export))
}

/// Whether a line of events as a server shows them is one of redacted data. A line that is no event is found when it is read.
fn has_redacted(file: &Path) -> Result<bool, Failure> {
    let mut lines = Lines::new(BufReader::new(std::fs::File::open(file)?));
    while let Some(line) = lines.next_line()? {
        if line.text().is_ok_and(|text| matches!(entry_of(text), Err(NotShown::Redacted(_)))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines of an export.
    Export,
    /// Events as a server shows them.
    Shown,
}

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
enum BadLine {
    #[error(transparent)]
    Export(#[from] NotAnExportLine),
    #[error(transparent)]
    Shown(#[from] NotShown),
}

impl Form {
    /// The event of a line; `None` for a line that is no event.
    fn read(self, text: &str) -> Result<Option<Entry>, BadLine> {
        match self {
            Form::Shown => Ok(Some(entry_of(text)?)),
            Form::Export => match ExportedLine::parse(text)? {
                ExportedLine::Entry(entry) => Ok(Some(entry)),
                _ => Ok(None),
            },
        }
    }

    /// The name of the file in errors.
    fn name(self, file: &Path) -> String {
        match self {
            Form::Export => format!("`{}`", file.display()),
            Form::Shown => "the answer of the server".into(),
        }
    }
}

fn facts_of(
    file: &Path,
    form: Form,
    key: &JobKey,
    after: Position,
    upto: Position,
    each: &mut impl FnMut(Fact) -> Outcome,
) -> Outcome {
    let mut residues = ExportResidues::of(file);
    lines(file, form, |line, leaf, position, wrong| {
        // An export may hold many jobs. Only this job's events are parsed.
        let ours = leaf.subject.as_deref() == Some(key.id.as_str()) && leaf.org().ok().flatten() == Some(key.org);
        if position > upto {
            return Ok(ControlFlow::Break(()));
        }
        if ours && position > after {
            let data = match &line.content {
                Some((_, data)) => Some(data.as_slice()),
                None => residues.find(position, leaf)?,
            };
            let fact = wire::fact(position, &line.leaf, data).map_err(|error| wrong(crate::chain(&error)))?;
            fact.map_or(Ok(()), &mut *each)?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// The position and time of a moment in a file. A file may hold one job only, so it does not show the events between its lines or
/// after its end.
fn in_lines(file: &Path, form: Form, moment: Option<AsOf>) -> Result<PointInTime, Failure> {
    let mut last: Option<PointInTime> = None;
    lines(file, form, |_, leaf, position, wrong| {
        let time = leaf.recorded().map_err(|error| wrong(error.to_string()))?;
        let past = match moment {
            None => false,
            Some(AsOf::Position(upto)) => position > upto,
            Some(AsOf::Time(upto)) => time > upto,
        };
        if past {
            return Ok(ControlFlow::Break(()));
        }
        last = Some(PointInTime { position, time });
        Ok(ControlFlow::Continue(()))
    })?;
    let last = last.unwrap_or(PointInTime { position: Position::GENESIS, time: Time::from_micros(0) });
    Ok(match moment {
        None => last,
        Some(AsOf::Position(position)) => PointInTime { position, ..last },
        Some(AsOf::Time(time)) => PointInTime { time, ..last },
    })
}

/// Gives `each` the events of a file, until `each` breaks. `each` also gets a function that makes the error for a wrong line.
fn lines(
    file: &Path,
    form: Form,
    mut each: impl FnMut(&Entry, &Leaf<'_>, Position, &dyn Fn(String) -> Failure) -> Result<ControlFlow<()>, Failure>,
) -> Outcome {
    let cannot_read = |error: &dyn std::error::Error| {
        Failure::CouldNotRun(format!("cannot read {}: {}", form.name(file), crate::chain(error)))
    };
    let mut found = Lines::new(BufReader::new(std::fs::File::open(file).map_err(|error| cannot_read(&error))?));
    while let Some(line) = found.next_line().map_err(|error| cannot_read(&error))? {
        let wrong = |why: String| Failure::Refused(format!("{}, line {}: {why}", form.name(file), line.number));
        let line = line
            .text()
            .map_err(|error| error.to_string())
            .and_then(|text| form.read(text).map_err(|error| error.to_string()));
        let Some(line) = line.map_err(wrong)? else { continue };
        let leaf = Leaf::parse(&line.leaf).map_err(|error| wrong(error.to_string()))?;
        let position = leaf.position().map_err(|error| wrong(error.to_string()))?;
        if each(&line, &leaf, position, &wrong)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}
