//! The shapes of events that report about an existing job, but for `job.item_result`.

use serde::{Deserialize, Serialize};

use super::{into_count, into_text, text_mut};
use crate::job::{
    Cancelled, Completed, Counts, Event, Failed, HookExit, HookOutput, JobId, Noted, Position, Progress, Redacted,
    Retried, Started, Stream,
};
use crate::wire::fields::{CompactJson, Count, MAX_CHUNK, MAX_COUNT, MAX_TEXT, Percent, Text, Whole, Word};
use crate::wire::reject::Reject;
use crate::wire::shape::Shape;

/// The counts of a shape. A macro, because serde cannot refuse unknown members of a shape that flattens another one.
macro_rules! counts {
    ($shape:expr) => {
        Counts {
            processed: into_count($shape.records_processed),
            total: into_count($shape.total_records),
            created: into_count($shape.records_created),
            updated: into_count($shape.records_updated),
            deleted: into_count($shape.records_deleted),
        }
    };
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<MAX_TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Percent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_step: Option<Text<MAX_TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_processed: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_created: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_updated: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_deleted: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<MAX_TEXT>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookOutput1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Text<MAX_CHUNK>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Word<Stream>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time_sec: Option<Whole<{ MAX_COUNT }>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completed1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<MAX_TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_processed: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_created: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_updated: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_deleted: Option<Count>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed1 {
    message: Text<MAX_TEXT>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelled1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Text<MAX_TEXT>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted1 {
    text: Text<MAX_TEXT>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retried1 {
    retried_as: Word<JobId>,
}

/// `job.redacted` as a producer sends it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted1 {
    position: Count,
    reason: Text<MAX_TEXT>,
}

/// `job.redacted` as it is stored: the ledger adds the residue of the redacted data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactedWithResidue1 {
    position: Count,
    reason: Text<MAX_TEXT>,
    pub residue: CompactJson,
}

impl Shape for Started1 {
    fn texts(&mut self) -> Vec<&mut String> {
        text_mut(&mut self.message).into_iter().collect()
    }

    fn into_event(self) -> Event {
        let (message, total_records) = (into_text(self.message), into_count(self.total_records));
        Event::Started(Started { message, total_records, ..Started::default() })
    }
}

impl Shape for Progress1 {
    fn texts(&mut self) -> Vec<&mut String> {
        text_mut(&mut self.current_step).into_iter().chain(text_mut(&mut self.message)).collect()
    }

    fn check(&self) -> Result<(), Reject> {
        let is_empty = self.progress.is_none()
            && self.current_step.is_none()
            && self.message.is_none()
            && counts!(self) == Counts::default();
        if is_empty { Err(Reject::invalid("/data", "expected at least one member, found none")) } else { Ok(()) }
    }

    fn into_event(self) -> Event {
        Event::Progress(Progress {
            percent: self.progress.map(|p| u8::try_from(p.0).expect("a percentage is at most 100")),
            current_step: into_text(self.current_step),
            counts: counts!(self),
            message: into_text(self.message),
        })
    }
}

impl Shape for HookOutput1 {
    fn texts(&mut self) -> Vec<&mut String> {
        text_mut(&mut self.output).into_iter().collect()
    }

    fn check(&self) -> Result<(), Reject> {
        match (self.exit_code, self.execution_time_sec) {
            (Some(_), None) => {
                Err(Reject::invalid("/data/execution_time_sec", "expected together with `exit_code`, found none"))
            }
            (None, Some(_)) => {
                Err(Reject::invalid("/data/exit_code", "expected together with `execution_time_sec`, found none"))
            }
            _ => Ok(()),
        }
    }

    fn into_event(self) -> Event {
        let exit = self.exit_code.zip(self.execution_time_sec);
        Event::HookOutput(HookOutput {
            output: into_text(self.output),
            stream: self.stream.map(|stream| stream.0),
            exit: exit.map(|(code, seconds)| HookExit { code, seconds: seconds.0 }),
        })
    }
}

impl Shape for Completed1 {
    fn texts(&mut self) -> Vec<&mut String> {
        text_mut(&mut self.message).into_iter().collect()
    }

    fn into_event(self) -> Event {
        Event::Completed(Completed { message: into_text(self.message), counts: counts!(self) })
    }
}

impl Shape for Failed1 {
    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.message.0]
    }

    fn into_event(self) -> Event {
        Event::Failed(Failed { message: self.message.0 })
    }
}

impl Shape for Cancelled1 {
    fn texts(&mut self) -> Vec<&mut String> {
        text_mut(&mut self.reason).into_iter().collect()
    }

    fn into_event(self) -> Event {
        Event::Cancelled(Cancelled { reason: into_text(self.reason) })
    }
}

impl Shape for Noted1 {
    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.text.0]
    }

    fn into_event(self) -> Event {
        Event::Noted(Noted { text: self.text.0 })
    }
}

impl Shape for Redacted1 {
    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.reason.0]
    }

    fn check(&self) -> Result<(), Reject> {
        if self.reason.0.trim().is_empty() {
            return Err(Reject::invalid("/data/reason", "expected why the data is redacted, found an empty text"));
        }
        Ok(())
    }

    fn into_event(self) -> Event {
        Event::Redacted(Redacted { position: Position::new(self.position.0), reason: self.reason.0 })
    }
}

impl Shape for Retried1 {
    fn texts(&mut self) -> Vec<&mut String> {
        // The id of a job is part of leaves, so it can never be redacted.
        Vec::new()
    }

    fn into_event(self) -> Event {
        Event::Retried(Retried { retried_as: self.retried_as.0 })
    }
}

impl RedactedWithResidue1 {
    /// The data as the producer sent it.
    pub fn without_residue(self) -> Redacted1 {
        Redacted1 { position: self.position, reason: self.reason }
    }
}
