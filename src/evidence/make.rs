//! Writes a bundle. The same state of the log gives the same bytes.

use std::collections::HashMap;
use std::io::{BufWriter, Seek, Write};

use super::archive::Archive;
use super::contents::{BUNDLE_FILES, Check, Part};
use super::timeline;
use crate::history::{self, job_facts};
use crate::job::{Conflict, Event, Job, JobKey, Position, plural};
use crate::ledger::{Identity, ProveError, consistency, receipt, receipt_of_many};
use crate::log::{self, Published, Reader, Row, StreamId};
use crate::model::{JobModel, SHOWN_OUTPUT, line};
use crate::tree::{IdentityError, Size};
use crate::wire::{BadLeaf, Leaf, LedgerKeyAdded};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The organisation has no such job.
    #[error("no such job in this organisation")]
    NoSuchJob,
    /// The log has no checkpoint, so nothing is proven.
    #[error(
        "no checkpoint was ever signed in this copy of the log; `jobledger recover` continues it under a name of its own, and signs"
    )]
    NoCheckpoint,
    /// The newest checkpoint is older than the job.
    #[error("the newest checkpoint covers {}, and none of this job", plural(.0, "event", "events"))]
    NotCovered(Size),
    /// A checkpoint held outside covers more events than the newest one.
    #[error("expected the size of a checkpoint up to {newest}, the newest of this log, found {found}")]
    Since {
        /// How many events the newest checkpoint covers.
        newest: Size,
        /// The size that was asked for.
        found: Size,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The job's events cannot be folded.
    #[error(transparent)]
    History(#[from] history::Error),
    /// The tree has no proof.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The archive cannot be written.
    #[error("cannot write the bundle")]
    Write(#[from] std::io::Error),
    /// A leaf cannot be read.
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    /// One of the ledger's own events has no data.
    #[error("event {0}, which is the ledger's own, has no data")]
    NoOwnData(Position),
    /// The ledger's own events do not give the log a name and a key.
    #[error("the ledger's own events cannot be read: {0}")]
    Identity(#[from] IdentityError),
}

impl EvidenceError {
    /// Names the position of an event that does not fit its job.
    pub(super) fn misfit(position: Position) -> impl FnOnce(Conflict) -> EvidenceError {
        move |cause| history::Error::misfit(position)(cause).into()
    }
}

/// Writes the bundle of the job: everything that proves its history under the newest checkpoint to a reader who trusts only
/// the ledger's key, with a proof that the log continues each checkpoint of a size in `since`. Returns the newest position
/// that the bundle covers.
///
/// One transaction reads everything. Memory holds one event at a time, and the job.
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

/// The newest position that a bundle of the job would cover, without making one.
///
/// # Errors
/// Those of [`write_evidence`], if they show before a byte is written.
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

/// The name of a bundle's folder. A job may be called `..`, and some systems take no colon in a name.
pub fn folder_name(key: &JobKey) -> String {
    format!("evidence-{}", key.id.as_str().replace(':', "_"))
}

/// The job of a bundle, and the checkpoint that the bundle is under.
struct Subject<'l, 'c> {
    log: &'l Reader<'c>,
    key: &'l JobKey,
    stream: StreamId,
    checkpoint: Published,
    /// The newest position that the checkpoint covers.
    upto: Position,
}

/// One of the ledger's own events, and the log's identity after it.
struct OwnEvent {
    position: Position,
    leaf: Vec<u8>,
    data: Vec<u8>,
    salt: Vec<u8>,
    identity: Identity,
    adds_a_key: bool,
}

impl<'l, 'c> Subject<'l, 'c> {
    /// Finds the job and the newest checkpoint. Refuses a size in `since` that this checkpoint does not reach.
    fn find(log: &'l Reader<'c>, key: &'l JobKey, since: &[Size]) -> Result<Subject<'l, 'c>, EvidenceError> {
        let checkpoint = log.checkpoint()?.ok_or(EvidenceError::NoCheckpoint)?;
        if let Some(found) = since.iter().find(|size| **size > checkpoint.size) {
            return Err(EvidenceError::Since { newest: checkpoint.size, found: *found });
        }
        let stream = log.stream(key.org, &key.id)?.ok_or(EvidenceError::NoSuchJob)?;
        let upto = Position::new(checkpoint.size.last());
        Ok(Subject { log, key, stream, checkpoint, upto })
    }

    /// Writes the files of [`BUNDLE_FILES`] in their order. Each has the time of the job's newest event, so the same log gives the same
    /// bytes.
    fn write(&self, since: &[Size], out: impl Write + Seek) -> Result<(), EvidenceError> {
        let (job, mut output) = self.job()?;
        let own = self.own()?;
        let recorded = self.log.recorded(job.position)?.map_or(0, |time| time.micros() / 1_000_000);
        let mut archive = Archive::new(out, folder_name(self.key), u64::try_from(recorded).unwrap_or(0));
        for file in &BUNDLE_FILES {
            let name = file.name;
            match file.part {
                Part::Readme | Part::Policy | Part::Verifier => {
                    if let Check::Bytes(bytes) = file.check {
                        archive.small(name, bytes)?;
                    }
                }
                Part::Checkpoint => archive.small(name, &self.checkpoint.note)?,
                Part::Consistency => self.consistency(since, &mut archive)?,
                Part::Data => archive.file(name, |out| self.lines(out, |row| row.data.unwrap_or(b"null").to_vec()))?,
                Part::Job => archive.small(name, &line(&JobModel::whole(&job, std::mem::take(&mut output))))?,
                Part::Leaves => archive.file(name, |out| self.lines(out, |row| row.leaf.to_vec()))?,
                Part::LedgerData => archive.small(name, &lines(&own, |own| own.data.clone()))?,
                Part::LedgerLeaves => archive.small(name, &lines(&own, |own| own.leaf.clone()))?,
                Part::LedgerProofs => self.own_proofs(&own, &mut archive)?,
                Part::LedgerSalts => archive.small(name, &lines(&own, |own| hex::encode(&own.salt).into_bytes()))?,
                Part::LedgerVouched => self.vouched(&own, &mut archive)?,
                Part::Proofs => self.proofs(&mut archive)?,
                Part::Salts => archive.file(name, |out| {
                    self.lines(out, |row| row.salt.map_or("null".into(), hex::encode).into_bytes())
                })?,
                Part::Timeline => {
                    archive.file(name, |out| timeline::write(self.log, self.key, self.upto, &job, out))?
                }
                Part::ClaimedKeys => {
                    let keys = own.last().map(|own| own.identity.keys.as_slice()).unwrap_or_default();
                    let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
                    archive.small(name, text.as_bytes())?;
                }
            }
        }
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

    /// The ledger's own events. They name the log and its keys, and hold nothing of any organisation.
    fn own(&self) -> Result<Vec<OwnEvent>, EvidenceError> {
        let (mut own, mut known) = (Vec::new(), None);
        self.log.scan_own(|row| {
            let position = row.position;
            if position > self.upto {
                return Ok(());
            }
            let (data, salt) = row.data.zip(row.salt).ok_or(EvidenceError::NoOwnData(position))?;
            let event_type = Leaf::parse(row.leaf)?.event_type;
            let identity = Identity::after(known.take(), &event_type, data)?;
            known = Some(identity.clone());
            own.push(OwnEvent {
                position,
                leaf: row.leaf.to_vec(),
                data: data.to_vec(),
                salt: salt.to_vec(),
                identity,
                adds_a_key: event_type == LedgerKeyAdded::TYPE,
            });
            Ok::<_, EvidenceError>(())
        })?;
        Ok(own)
    }

    fn each(&self, each: impl FnMut(Row<'_>) -> Result<(), EvidenceError>) -> Result<(), EvidenceError> {
        self.log.scan_job(self.stream, Position::GENESIS, self.upto, Position::MAX.get(), each)
    }

    /// Writes a line for each of the job's events.
    fn lines(&self, out: &mut dyn Write, line: impl Fn(Row<'_>) -> Vec<u8>) -> Result<(), EvidenceError> {
        self.each(|row| {
            out.write_all(&line(row))?;
            Ok(out.write_all(b"\n")?)
        })
    }

    fn consistency<W: Write + Seek>(&self, since: &[Size], archive: &mut Archive<W>) -> Result<(), EvidenceError> {
        for size in since {
            let hashes = consistency(self.log, *size, self.checkpoint.size)?;
            let lines: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
            archive.small(&Part::Consistency.numbered(size), lines.as_bytes())?;
        }
        Ok(())
    }

    fn proofs<W: Write + Seek>(&self, archive: &mut Archive<W>) -> Result<(), EvidenceError> {
        let (mut positions, mut known) = (Vec::new(), HashMap::new());
        self.each(|row| {
            positions.push(row.position);
            Ok(())
        })?;
        for position in positions {
            let proof = receipt_of_many(self.log, &self.checkpoint, position, &mut known)?;
            archive.small(&Part::Proofs.numbered(position), proof.to_string().as_bytes())?;
        }
        Ok(())
    }

    fn own_proofs<W: Write + Seek>(&self, own: &[OwnEvent], archive: &mut Archive<W>) -> Result<(), EvidenceError> {
        for OwnEvent { position, .. } in own {
            let proof = receipt(self.log, &self.checkpoint, *position)?;
            archive.small(&Part::LedgerProofs.numbered(position), proof.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Writes a receipt for each event that adds a key. The receipt has the first checkpoint that covers the event. An older key signed
    /// this checkpoint too, and so vouches for the new key.
    fn vouched<W: Write + Seek>(&self, own: &[OwnEvent], archive: &mut Archive<W>) -> Result<(), EvidenceError> {
        for OwnEvent { position, identity, .. } in own.iter().filter(|own| own.adds_a_key) {
            if let Some(first) = self.log.checkpoint_over(*position, &identity.origin)? {
                let proof = receipt(self.log, &first, *position)?;
                archive.small(&Part::LedgerVouched.numbered(position), proof.to_string().as_bytes())?;
            }
        }
        Ok(())
    }
}

fn lines(own: &[OwnEvent], line: impl Fn(&OwnEvent) -> Vec<u8>) -> Vec<u8> {
    own.iter().flat_map(|own| [line(own), b"\n".to_vec()].concat()).collect()
}
