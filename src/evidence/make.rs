//! What an evidence bundle is made of. The same state of the log gives the same bytes.

use std::collections::HashMap;
use std::io::{BufWriter, Seek, Write};

use serde_json::Value;

use super::archive::Archive;
use super::timeline;
use crate::history::{self, job_facts};
use crate::job::{Conflict, Event, Job, JobKey, Position, plural};
use crate::ledger::{Identity, ProveError, consistency, receipt, receipt_of_many};
use crate::log::{self, Published, Reader, Row, StreamId};
use crate::model::{JobModel, SHOWN_OUTPUT, line};
use crate::tree::Size;
use crate::wire::{Leaf, LedgerKeyAdded};

/// The files that are the same in every bundle, with their bytes.
pub const BUNDLE_TEXTS: [(&str, &[u8]); 3] = [
    ("README.txt", include_bytes!("README.txt")),
    ("policy.txt", include_bytes!("policy.txt")),
    ("verify.py", include_bytes!("verify.py")),
];

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// There is no such job.
    #[error("no such job in this organisation")]
    NoSuchJob,
    /// Nothing could be proven.
    #[error(
        "no checkpoint was ever signed in this copy of the log; `jobledger recover` continues it under a name of its own, and signs"
    )]
    NoCheckpoint,
    /// The job is newer than what was signed.
    #[error("the newest checkpoint covers {}, and none of this job", plural(.0, "event", "events"))]
    NotCovered(Size),
    /// A held checkpoint that this log has not reached.
    #[error("expected the size of a checkpoint up to {newest}, the newest of this log, found {found}")]
    Since {
        /// That of the newest checkpoint.
        newest: Size,
        /// What was asked for.
        found: Size,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The job's events.
    #[error(transparent)]
    History(#[from] history::Error),
    /// The tree.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The file.
    #[error("cannot write the bundle")]
    Write(#[from] std::io::Error),
    /// The log's own events.
    #[error("the ledger's own events cannot be read: {0}")]
    Identity(String),
}

impl EvidenceError {
    /// An event that does not fit the job that it is of.
    pub(super) fn misfit(position: Position) -> impl FnOnce(Conflict) -> EvidenceError {
        move |cause| history::Error::Misfit { position, cause }.into()
    }
}

/// One of the ledger's own events, and who the ledger was with it.
struct Own {
    position: Position,
    leaf: Vec<u8>,
    data: Vec<u8>,
    salt: Vec<u8>,
    identity: Identity,
    adds_a_key: bool,
}

/// What a bundle is about.
struct Subject<'l, 'c> {
    log: &'l Reader<'c>,
    key: &'l JobKey,
    stream: StreamId,
    checkpoint: Published,
    /// The newest position that the checkpoint covers.
    upto: Position,
}

/// Writes everything that proves the job's history to somebody who trusts the ledger's key and nothing else, under the newest
/// checkpoint; with proofs that the log continues the ones of the sizes `since`. Answers the newest position that is covered.
///
/// All of it is read in one transaction. Memory holds one event at a time, and the job.
pub fn write_evidence(
    log: &Reader<'_>,
    key: &JobKey,
    since: &[Size],
    out: impl Write + Seek,
) -> Result<Position, EvidenceError> {
    log.snapshot(|| {
        let subject = Subject::find(log, key, since)?;
        subject.write(since, BufWriter::with_capacity(1 << 16, out))?;
        Ok(subject.upto)
    })
}

/// The newest position that a bundle of the job would cover, without making one. Fails where the bundle would.
pub fn covered(log: &Reader<'_>, key: &JobKey, since: &[Size]) -> Result<Position, EvidenceError> {
    log.snapshot(|| {
        let subject = Subject::find(log, key, since)?;
        let mut first = None;
        log.scan_job(subject.stream, Position::GENESIS, subject.upto, 1, |row| {
            first = Some(row.position);
            Ok::<_, EvidenceError>(())
        })?;
        first.map(|_| subject.upto).ok_or(EvidenceError::NotCovered(subject.checkpoint.size))
    })
}

impl<'l, 'c> Subject<'l, 'c> {
    fn find(log: &'l Reader<'c>, key: &'l JobKey, since: &[Size]) -> Result<Subject<'l, 'c>, EvidenceError> {
        let checkpoint = log.checkpoint()?.ok_or(EvidenceError::NoCheckpoint)?;
        if let Some(found) = since.iter().find(|size| **size > checkpoint.size) {
            return Err(EvidenceError::Since { newest: checkpoint.size, found: *found });
        }
        let stream = log.stream(key.org, &key.id)?.ok_or(EvidenceError::NoSuchJob)?;
        let upto = Position::new(checkpoint.size.get() - 1);
        Ok(Subject { log, key, stream, checkpoint, upto })
    }

    fn write(&self, since: &[Size], out: impl Write + Seek) -> Result<(), EvidenceError> {
        let (job, output) = self.job()?;
        let own = self.own()?;
        let recorded = self.log.recorded(job.position)?.map_or(0, |time| time.micros() / 1_000_000);
        let time = u64::try_from(recorded).unwrap_or(0);
        let mut archive = Archive::new(out, folder_name(self.key), time);

        let [readme, policy, verifier] = BUNDLE_TEXTS;
        archive.small(readme.0, readme.1)?;
        archive.small("checkpoint", &self.checkpoint.note)?;
        for size in since {
            let hashes = consistency(self.log, *size, self.checkpoint.size)?;
            let lines: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
            archive.small(&format!("consistency/{size}"), lines.as_bytes())?;
        }
        archive.file("data.ndjson", |out| self.lines(out, |row| row.data.unwrap_or(b"null").to_vec()))?;
        archive.small("job.json", &line(&JobModel::whole(&job, output)))?;
        archive.file("leaves.ndjson", |out| self.lines(out, |row| row.leaf.to_vec()))?;
        self.write_own(&own, &mut archive)?;
        archive.small(policy.0, policy.1)?;
        let mut known = HashMap::new();
        for position in self.positions()? {
            let proof = receipt_of_many(self.log, &self.checkpoint, position, &mut known)?;
            archive.small(&format!("proofs/{position}.tlog-proof"), proof.to_string().as_bytes())?;
        }
        archive
            .file("salts.txt", |out| self.lines(out, |row| row.salt.map_or("null".into(), hex::encode).into_bytes()))?;
        archive.file("timeline.html", |out| timeline::write(self.log, self.key, self.upto, &job, out))?;
        archive.small(verifier.0, verifier.1)?;
        let claimed = own.last().map(|own| own.identity.keys.iter().map(|key| format!("{key}\n")).collect::<String>());
        archive.small("vkey.claimed", claimed.unwrap_or_default().as_bytes())?;
        Ok(archive.finish()?)
    }

    /// The job as the checkpoint covers it, and as much of its hook's output as a job shows.
    fn job(&self) -> Result<(Job, String), EvidenceError> {
        let (mut job, mut output) = (None, String::new());
        job_facts(self.log, self.key, Position::GENESIS, self.upto, |fact| {
            if let Event::HookOutput(chunk) = &fact.event
                && output.len() < SHOWN_OUTPUT
            {
                output.push_str(chunk.output.as_deref().unwrap_or_default());
            }
            let position = fact.position;
            job = Some(Job::fold(job.take(), fact).map_err(EvidenceError::misfit(position))?);
            Ok::<_, EvidenceError>(())
        })?;
        output.truncate(output.floor_char_boundary(SHOWN_OUTPUT));
        Ok((job.ok_or(EvidenceError::NotCovered(self.checkpoint.size))?, output))
    }

    fn positions(&self) -> Result<Vec<Position>, EvidenceError> {
        let mut positions = Vec::new();
        self.each(|row| {
            positions.push(row.position);
            Ok(())
        })?;
        Ok(positions)
    }

    /// A line for each of the job's events.
    fn lines(&self, out: &mut dyn Write, line: impl Fn(Row<'_>) -> Vec<u8>) -> Result<(), EvidenceError> {
        self.each(|row| {
            out.write_all(&line(row))?;
            Ok(out.write_all(b"\n")?)
        })
    }

    fn each(&self, each: impl FnMut(Row<'_>) -> Result<(), EvidenceError>) -> Result<(), EvidenceError> {
        self.log.scan_job(self.stream, Position::GENESIS, self.upto, Position::MAX.get(), each)
    }

    /// The ledger's own events: its name and its keys. They hold nothing of any organisation.
    fn own(&self) -> Result<Vec<Own>, EvidenceError> {
        let (mut own, mut identity) = (Vec::new(), None);
        self.log.scan_own(|row| {
            let (position, leaf) = (row.position, row.leaf.to_vec());
            if position > self.upto {
                return Ok(());
            }
            let unreadable = |why: String| EvidenceError::Identity(why);
            let event_type = Leaf::parse(&leaf).map_err(|error| unreadable(error.to_string()))?.event_type.into_owned();
            let (data, salt) = row.data.zip(row.salt).ok_or_else(|| unreadable("their data is gone".into()))?;
            identity = Identity::after(identity.take(), &event_type, data).map_err(unreadable)?;
            let identity = identity.clone().ok_or_else(|| unreadable("the first one is missing".into()))?;
            let adds_a_key = event_type == LedgerKeyAdded::TYPE;
            own.push(Own { position, leaf, data: data.to_vec(), salt: salt.to_vec(), identity, adds_a_key });
            Ok::<_, EvidenceError>(())
        })?;
        Ok(own)
    }

    fn write_own<W: Write + Seek>(&self, own: &[Own], archive: &mut Archive<W>) -> Result<(), EvidenceError> {
        let lines = |line: fn(&Own) -> Vec<u8>| -> Vec<u8> {
            own.iter().flat_map(|own| [line(own), b"\n".to_vec()].concat()).collect()
        };
        archive.small("ledger/data.ndjson", &lines(|own| own.data.clone()))?;
        archive.small("ledger/leaves.ndjson", &lines(|own| own.leaf.clone()))?;
        for Own { position, .. } in own {
            let proof = receipt(self.log, &self.checkpoint, *position)?;
            archive.small(&format!("ledger/proofs/{position}.tlog-proof"), proof.to_string().as_bytes())?;
        }
        archive.small("ledger/salts.txt", &lines(|own| hex::encode(&own.salt).into_bytes()))?;
        for Own { position, identity, .. } in own.iter().filter(|own| own.adds_a_key) {
            // Under the first checkpoint with the new key in it: those before have signed that one, and so vouch for it.
            if let Some(first) = self.log.checkpoint_over(*position, &identity.origin)? {
                let proof = receipt(self.log, &first, *position)?;
                archive.small(&format!("ledger/vouched/{position}.tlog-proof"), proof.to_string().as_bytes())?;
            }
        }
        Ok(())
    }
}

/// A job may be called `..`, and not every system takes a colon in a name.
pub fn folder_name(key: &JobKey) -> String {
    format!("evidence-{}", key.id.as_str().replace(':', "_"))
}

/// A value as JSON, with a long one cut.
pub(super) fn shown(value: &Value, most: usize) -> String {
    let text = value.to_string();
    if text.len() <= most {
        return text;
    }
    format!("{}… ({} bytes)", &text[..text.floor_char_boundary(most)], text.len())
}
