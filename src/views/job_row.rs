//! A job's row in `job` or `snapshot`: read into a [`Summary`], and written from one.

use std::sync::OnceLock;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::Error;
use super::columns::{Cell, Columns, JobColumn as C, count, number, signed, text, write};
use crate::job::{
    Counts, Hook, HookExit, Job, JobId, JobKey, JobType, Labels, Lease, Position, Retry, State, Status, Summary, Tally,
    Time, Worker,
};

/// Reads a row of [`C::LIST`].
pub(super) fn read_summary(row: &Row<'_>) -> Result<Summary, Error> {
    let row = Columns::of(row);
    let labels = match row.get::<Option<String>>(C::Labels)? {
        Some(json) => serde_json::from_str(&json).map_err(|error| Error::Damaged(error.to_string()))?,
        None => Labels::new(),
    };
    Ok(Summary {
        key: JobKey { org: row.word(C::Org)?, id: row.word(C::Subject)? },
        created_position: row.position(C::Id)?,
        position: row.position(C::Position)?,
        recorded_at: Time::from_nanos(row.get(C::RecordedAt)?),
        events: row.number(C::Events)?,
        bytes: row.number(C::Bytes)?,
        kind: row.word(C::Kind)?,
        job_type: row.word_if(C::JobType)?,
        created_at: Time::from_nanos(row.get(C::CreatedAt)?),
        created_by: row.get(C::CreatedBy)?,
        labels,
        state: read_state(&row)?,
        message: row.get(C::Message)?,
        current_step: row.get(C::CurrentStep)?,
        tally: Tally {
            percent: row.number(C::Percent)? as u8,
            counts: Counts {
                processed: row.count(C::RecordsProcessed)?,
                total: row.count(C::TotalRecords)?,
                created: row.count(C::RecordsCreated)?,
                updated: row.count(C::RecordsUpdated)?,
                deleted: row.count(C::RecordsDeleted)?,
            },
        },
        hook: read_hook(&row)?,
        not_before: row.time(C::NotBefore)?,
        retry: read_retry(&row)?,
        retried_as: row.word_if(C::RetriedAs)?,
        worker: read_worker(&row)?,
    })
}

fn read_retry(row: &Columns<'_, '_, C>) -> Result<Option<Retry>, Error> {
    let pair = row.count(C::RetryMax)?.zip(row.count(C::RetryBackoff)?);
    Ok(pair.map(|(max, backoff)| Retry { max: max as u32, backoff_sec: backoff as u32 }))
}

fn read_worker(row: &Columns<'_, '_, C>) -> Result<Option<Worker>, Error> {
    let Some(name) = row.get::<Option<String>>(C::Worker)? else { return Ok(None) };
    let lease = row.count(C::LeaseSec)?.zip(row.count(C::LeaseSince)?);
    let lease = lease.map(|(seconds, since)| Lease { seconds: seconds as u32, since: Position::new(since) });
    Ok(Some(Worker { name, lease, lost: row.count(C::WorkerLost)? == Some(1) }))
}

fn read_state(row: &Columns<'_, '_, C>) -> Result<State, Error> {
    let status = row.word(C::Status)?;
    let cancelled = match (row.get::<Option<String>>(C::CancelledBy)?, row.count(C::CancelledPosition)?) {
        (Some(by), Some(position)) => Some((by, Position::new(position))),
        _ => None,
    };
    Ok(match (status, row.time(C::StartedAt)?, row.time(C::EndedAt)?, cancelled) {
        (Status::Pending, None, None, None) => State::Pending,
        (Status::Running, Some(started_at), None, None) => State::Running { started_at },
        (Status::Completed, Some(started_at), Some(ended_at), None) => State::Completed { started_at, ended_at },
        (Status::Failed, started_at, Some(ended_at), None) => State::Failed { started_at, ended_at },
        (Status::Cancelled, started_at, Some(ended_at), Some((by, position))) => {
            State::Cancelled { started_at, ended_at, by, reason: row.get(C::CancelledReason)?, position }
        }
        (status, ..) => return Err(Error::Damaged(format!("a {status} job lacks columns that such a job must have"))),
    })
}

fn read_hook(row: &Columns<'_, '_, C>) -> Result<Option<Hook>, Error> {
    let Some(head) = row.get::<Option<String>>(C::HookHead)? else { return Ok(None) };
    let exit = match (row.get::<Option<i64>>(C::HookExitCode)?, row.count(C::HookSeconds)?) {
        (Some(code), Some(seconds)) => Some(HookExit { code: code as i32, seconds }),
        _ => None,
    };
    Ok(Some(Hook { head, len: row.number(C::HookLen)?, exit }))
}

/// Writes the row of a new job; `false` if the job has a row already.
pub(super) fn insert(conn: &Connection, job: &Summary, parts: Parts) -> Result<bool, rusqlite::Error> {
    static SQL: OnceLock<String> = OnceLock::new();
    let org = job.key.org.to_string();
    let labels = (!job.labels.is_empty()).then(|| serde_json::to_string(&job.labels).expect("labels are text"));
    let mut cells = vec![
        (C::Id, number(job.created_position.get())),
        (C::Org, text(Some(&org))),
        (C::Subject, text(Some(job.key.id.as_str()))),
        (C::Kind, text(Some(job.kind.as_str()))),
        (C::JobType, text(job.job_type.as_ref().map(JobType::as_str))),
        (C::CreatedAt, ValueRef::Integer(job.created_at.nanos())),
        (C::CreatedBy, text(Some(&job.created_by))),
        (C::Labels, text(labels.as_deref())),
        (C::NotBefore, signed(job.not_before.map(Time::nanos))),
        (C::RetryMax, count(job.retry.map(|retry| retry.max.into()))),
        (C::RetryBackoff, count(job.retry.map(|retry| retry.backoff_sec.into()))),
    ];
    cells.extend(state_cells(job));
    cells.extend(progress_cells(job, parts));
    let compose = |names: &[&str]| {
        let (names, values) = (names.join(", "), vec!["?"; names.len()].join(", "));
        format!("INSERT INTO job ({names}) VALUES ({values}) ON CONFLICT (org, subject) DO NOTHING")
    };
    Ok(write(conn, &SQL, compose, &[], &cells)? > 0)
}

/// Writes the state into the job's row, with the worker and the job that repeats this one. A statement of its own, because the status is indexed: SQLite writes the index again whenever
/// a statement sets the status, even to the same value.
pub(super) fn update_state(conn: &Connection, job: &Summary) -> Result<(), rusqlite::Error> {
    static SQL: OnceLock<String> = OnceLock::new();
    update(conn, &SQL, job, &state_cells(job))
}

/// Writes the columns that any event may change into the job's row.
pub(super) fn update_progress(conn: &Connection, job: &Summary, parts: Parts) -> Result<(), rusqlite::Error> {
    static SQL: OnceLock<String> = OnceLock::new();
    update(conn, &SQL, job, &progress_cells(job, parts))
}

fn update(
    conn: &Connection,
    sql: &OnceLock<String>,
    job: &Summary,
    cells: &[Cell<'_, C>],
) -> Result<(), rusqlite::Error> {
    let compose = |names: &[&str]| {
        let assigned: Vec<String> = names.iter().enumerate().map(|(n, name)| format!("{name} = ?{}", n + 2)).collect();
        format!("UPDATE job SET {} WHERE id = ?1", assigned.join(", "))
    };
    write(conn, sql, compose, &[job.created_position.get() as i64], cells).map(drop)
}

fn state_cells(job: &Summary) -> [Cell<'_, C>; 11] {
    let (state, worker) = (&job.state, job.worker.as_ref());
    let lease = worker.and_then(|worker| worker.lease);
    let (by, reason, position) = match state {
        State::Cancelled { by, reason, position, .. } => (Some(by.as_str()), reason.as_deref(), Some(position.get())),
        _ => (None, None, None),
    };
    [
        (C::Status, text(Some(state.status().as_str()))),
        (C::StartedAt, signed(state.started_at().map(Time::nanos))),
        (C::EndedAt, signed(state.ended_at().map(Time::nanos))),
        (C::CancelledBy, text(by)),
        (C::CancelledReason, text(reason)),
        (C::CancelledPosition, count(position)),
        (C::RetriedAs, text(job.retried_as.as_ref().map(JobId::as_str))),
        (C::Worker, text(worker.map(|worker| worker.name.as_str()))),
        (C::WorkerLost, count(worker.map(|worker| worker.lost.into()))),
        (C::LeaseSec, count(lease.map(|lease| lease.seconds.into()))),
        (C::LeaseSince, count(lease.map(|lease| lease.since.get()))),
    ]
}

fn progress_cells(job: &Summary, parts: Parts) -> [Cell<'_, C>; 19] {
    let counts = job.tally.counts;
    let hook = job.hook.as_ref();
    let exit = hook.and_then(|hook| hook.exit);
    [
        (C::Position, number(job.position.get())),
        (C::RecordedAt, ValueRef::Integer(job.recorded_at.nanos())),
        (C::Events, number(job.events)),
        (C::Bytes, number(job.bytes)),
        (C::Message, text(job.message.as_deref())),
        (C::CurrentStep, text(job.current_step.as_deref())),
        (C::Percent, number(job.tally.percent.into())),
        (C::RecordsProcessed, count(counts.processed)),
        (C::TotalRecords, count(counts.total)),
        (C::RecordsCreated, count(counts.created)),
        (C::RecordsUpdated, count(counts.updated)),
        (C::RecordsDeleted, count(counts.deleted)),
        (C::HookHead, text(hook.map(|hook| hook.head.as_str()))),
        (C::HookLen, count(hook.map(|hook| hook.len))),
        (C::HookExitCode, signed(exit.map(|exit| exit.code.into()))),
        (C::HookSeconds, count(exit.map(|exit| exit.seconds))),
        (C::Items, number(parts.items)),
        (C::Notes, number(parts.notes)),
        (C::Redactions, number(parts.redactions)),
    ]
}

/// How many parts a job has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub items: u64,
    pub notes: u64,
    pub redactions: u64,
}

impl Parts {
    /// Counts the parts of a job.
    pub(super) fn of(job: &Job) -> Parts {
        let [items, notes, redactions] = [job.items.len(), job.notes.len(), job.redactions.len()].map(|n| n as u64);
        Parts { items, notes, redactions }
    }
}

/// Reads how many parts the row's job has.
pub(super) fn read_parts(row: &Row<'_>) -> Result<Parts, Error> {
    let row = Columns::of(row);
    Ok(Parts { items: row.number(C::Items)?, notes: row.number(C::Notes)?, redactions: row.number(C::Redactions)? })
}

/// The number of the job's row, by which the rows of all other tables refer to the job.
pub(super) fn row_of(job: &Job) -> i64 {
    job.created_position.get() as i64
}
