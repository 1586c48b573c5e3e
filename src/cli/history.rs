//! Where a command reads a job's events: a data folder, beside a running server too, or an export.

use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;

use super::{Failure, Outcome};
use crate::history::{ExportResidues, job_facts};
use crate::job::{Fact, JobKey, Position, Time};
use crate::ledger::{AsOf, Folder, PointInTime, ReadError, system_clock};
use crate::log::Reader;
use crate::wire::{self, Entry, ExportedLine, Leaf, Lines};

/// The events of jobs.
pub(super) enum History<'a> {
    /// In a log.
    Log(Connection),
    /// In an export.
    Export(&'a Path),
}

impl History<'_> {
    pub(super) fn open<'a>(data: Option<&Path>, export: Option<&'a Path>) -> Result<History<'a>, Failure> {
        match (export, data) {
            (Some(file), _) => Ok(History::Export(file)),
            (None, Some(data)) => Ok(History::Log(Reader::open(&Folder::new(data).log())?)),
            (None, None) => Err(Failure::CouldNotRun("expected --data or --file".into())),
        }
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
            History::Export(file) => in_export(file, moment),
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
            History::Export(file) => exported_facts(file, key, after, upto, &mut each),
        }
    }
}

fn exported_facts(
    file: &Path,
    key: &JobKey,
    after: Position,
    upto: Position,
    each: &mut impl FnMut(Fact) -> Outcome,
) -> Outcome {
    let mut residues = ExportResidues::of(file);
    lines(file, |line, leaf, position, wrong| {
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

/// The position and time of a moment in an export. An export may hold one job only, so it does not show the events between its
/// lines or after its end.
fn in_export(file: &Path, moment: Option<AsOf>) -> Result<PointInTime, Failure> {
    let mut last: Option<PointInTime> = None;
    lines(file, |_, leaf, position, wrong| {
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

/// Gives `each` the lines of an export, until `each` breaks. `each` also gets a function that makes the error for a wrong line.
fn lines(
    file: &Path,
    mut each: impl FnMut(&Entry, &Leaf<'_>, Position, &dyn Fn(String) -> Failure) -> Result<ControlFlow<()>, Failure>,
) -> Outcome {
    let cannot_read = |error: &dyn std::error::Error| {
        Failure::CouldNotRun(format!("cannot read `{}`: {}", file.display(), crate::chain(error)))
    };
    let mut read = Lines::new(BufReader::new(std::fs::File::open(file).map_err(|error| cannot_read(&error))?));
    while let Some(line) = read.next_line().map_err(|error| cannot_read(&error))? {
        let wrong = |why: String| Failure::Refused(format!("`{}`, line {}: {why}", file.display(), line.number));
        let line = line
            .text()
            .map_err(|error| error.to_string())
            .and_then(|text| ExportedLine::parse(text).map_err(|error| error.to_string()));
        let ExportedLine::Entry(line) = line.map_err(wrong)? else { continue };
        let leaf = Leaf::parse(&line.leaf).map_err(|error| wrong(error.to_string()))?;
        let position = leaf.position().map_err(|error| wrong(error.to_string()))?;
        if each(&line, &leaf, position, &wrong)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}
