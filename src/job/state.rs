//! The fold: a job and what each event makes of it. It exists once; what decides, what the views store, what is rendered
//! and what is replayed are this `Job`.

use std::ops::Deref;

use super::event::{Event, HookExit, HookOutput, Redacted};
use super::id::{JobKey, JobType, Position};
use super::item::{Item, Items};
use super::lifecycle::{Conflict, Moment, State, Step, step};
use super::progress::Tally;
use super::size;
use super::spec::{Kind, Labels, RawJson, Spec};
use super::time::Time;

/// How much hook output the fold keeps, in bytes; the whole is read from the log.
pub const HOOK_HEAD: usize = 4096;

/// A job without its parts: what lists show, and what one row of the views holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Its name.
    pub key: JobKey,
    /// The position of `job.created`: the order of every list.
    pub created_position: Position,
    /// The position of its newest event: its revision.
    pub position: Position,
    /// How many events it has.
    pub events: u64,
    /// About how many bytes its spec, labels, items, notes and redactions take as JSON.
    pub bytes: u64,
    /// Which documented API shows it.
    pub kind: Kind,
    /// What a background or generic job is about; `None` for other kinds.
    pub job_type: Option<JobType>,
    /// When it was created.
    pub created_at: Time,
    /// Whom it was created for.
    pub created_by: String,
    /// For finding.
    pub labels: Labels,
    /// Where it stands.
    pub state: State,
    /// The newest message of started, progress, completed or failed.
    pub message: Option<String>,
    /// The newest step reported.
    pub current_step: Option<String>,
    /// Counts and percentage.
    pub tally: Tally,
    /// Its hook, once that wrote something or ended.
    pub hook: Option<Hook>,
}

/// Everything that is known of one job at one position. Reads as its [`Summary`], which it adds the parts to.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The job without its parts.
    pub summary: Summary,
    /// What it is to do.
    pub spec: Spec,
    /// The spec as it is stored.
    pub spec_json: RawJson,
    /// Its parts.
    pub items: Items,
    /// Remarks, oldest first.
    pub notes: Vec<Note>,
    /// Erasures, oldest first.
    pub redactions: Vec<Redaction>,
}

impl Summary {
    /// The percentage to show: a completed job shows 100 whatever was reported last.
    pub fn percent(&self) -> u8 {
        if matches!(self.state, State::Completed { .. }) { 100 } else { self.tally.percent }
    }

    /// Bytes of its texts that each event may replace.
    pub fn text_len(&self) -> usize {
        let reason = match &self.state {
            State::Cancelled { reason, .. } => reason,
            _ => &None,
        };
        let texts = [&self.message, &self.current_step, reason].into_iter().flatten().map(String::len).sum::<usize>();
        texts + self.hook.as_ref().map_or(0, |hook| hook.head.len())
    }

    /// Whole milliseconds from start to end, or to `now` while it runs; `None` for a job never started.
    pub fn elapsed_ms(&self, now: Time) -> Option<u64> {
        Some(self.state.ended_at().unwrap_or(now).millis_since(self.state.started_at()?))
    }
}

impl Deref for Job {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        &self.summary
    }
}

/// A job's hook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hook {
    /// The first [`HOOK_HEAD`] bytes of its output, less what would cut a character.
    pub head: String,
    /// How much it wrote in all, in bytes.
    pub len: u64,
    /// How it ended.
    pub exit: Option<HookExit>,
}

impl Hook {
    fn take(&mut self, chunk: &HookOutput) {
        let text = chunk.output.as_deref().unwrap_or("");
        // Once something was left out the head is closed: a shorter character must not slip in behind the gap.
        if self.head.len() as u64 == self.len {
            self.head.push_str(&text[..text.floor_char_boundary(HOOK_HEAD - self.head.len())]);
        }
        self.len += text.len() as u64;
        self.exit = chunk.exit.or(self.exit);
    }
}

/// A remark on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was said.
    pub text: String,
    /// Who said it.
    pub by: String,
    /// When.
    pub at: Time,
}

/// An erasure: what was erased, by whom, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// The event whose data is gone.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// Who erased it.
    pub by: String,
    /// When.
    pub at: Time,
}

/// An event of one job as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The job.
    pub key: JobKey,
    /// The event's place in the log.
    pub position: Position,
    /// When it happened.
    pub time: Time,
    /// Who did it.
    pub actor: String,
    /// What happened.
    pub event: Event,
}

/// Which stored rows an event touched besides the job's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the job's own row.
    Job,
    /// The item at this place.
    Item(usize),
    /// The newest note.
    Note,
    /// The newest redaction. What it erased may be in any other row: the job is to be folded again.
    Redaction,
}

impl Job {
    /// The job that `fact` (a `job.created`) begins.
    pub fn begin(fact: Fact) -> Result<Job, Conflict> {
        let moment = Moment { time: fact.time, actor: &fact.actor, position: fact.position };
        let (Step::Enter(state), Event::Created(created)) = (step(None, &fact.event, moment)?, &fact.event) else {
            return Err(Conflict { state: None, event: fact.event.type_name() });
        };
        let created = created.clone();
        let (items, job_type, total): (Vec<Item>, _, _) = match &created.spec {
            Spec::Rule(rule) => (rule.actions.iter().map(|a| Item::pending(a.id.clone())).collect(), None, None),
            Spec::Task(task) => (Vec::new(), Some(task.job_type.into()), task.total_records),
            Spec::Generic(generic) => (Vec::new(), Some(generic.job_type.clone()), generic.total_records),
            Spec::DbRole(_) => (Vec::new(), None, None),
        };
        let labels = created.labels.iter().map(|(name, value)| size::json_len(name) + size::json_len(value) + 2);
        let bytes =
            created.spec_json.0.len() as u64 + labels.sum::<u64>() + items.iter().map(size::of_item).sum::<u64>();
        let summary = Summary {
            key: fact.key,
            created_position: fact.position,
            position: fact.position,
            events: 1,
            bytes,
            kind: created.spec.kind(),
            job_type,
            created_at: fact.time,
            created_by: created.created_by.unwrap_or(fact.actor),
            labels: created.labels,
            state,
            message: None,
            current_step: None,
            tally: Tally::of_total(total),
            hook: None,
        };
        Ok(Job {
            summary,
            spec: created.spec,
            spec_json: created.spec_json,
            items: Items::from_list(items),
            notes: Vec::new(),
            redactions: Vec::new(),
        })
    }

    /// Takes the job's next event. Costs O(1), however many items, notes or output the job has.
    ///
    /// Events are refused only for what the state machine refuses; counts and texts were checked when they were decided.
    pub fn apply(&mut self, fact: Fact) -> Result<Change, Conflict> {
        let moment = Moment { time: fact.time, actor: &fact.actor, position: fact.position };
        match step(Some(&self.summary.state), &fact.event, moment)? {
            Step::Enter(state) => self.summary.state = state,
            Step::Stay => {}
            Step::Repeat(_) => {
                return Err(Conflict { state: Some(self.summary.state.status()), event: fact.event.type_name() });
            }
        }
        self.summary.position = fact.position;
        self.summary.events += 1;
        self.summary.tally = self.summary.tally.after(&fact.event);
        Ok(match fact.event {
            Event::Created(_) | Event::Cancelled(_) => Change::Job,
            Event::Started(started) => self.say(started.message),
            Event::Progress(progress) => {
                self.summary.current_step = progress.current_step.or(self.summary.current_step.take());
                self.say(progress.message)
            }
            Event::Completed(completed) => self.say(completed.message),
            Event::Failed(failed) => self.say(Some(failed.message)),
            Event::ItemResult(result) => {
                let before = self.items.get(&result.item).map_or(0, size::of_item);
                let place = self.items.report(result, fact.time, self.summary.events);
                self.summary.bytes = self.bytes - before + size::of_item(&self.items.as_slice()[place]);
                Change::Item(place)
            }
            Event::HookOutput(chunk) => {
                self.summary.hook.get_or_insert_default().take(&chunk);
                Change::Job
            }
            Event::Noted(noted) => {
                let note = Note { text: noted.text, by: fact.actor, at: fact.time };
                self.summary.bytes += size::of_note(&note);
                self.notes.push(note);
                Change::Note
            }
            Event::Redacted(Redacted { position, reason }) => {
                let redaction = Redaction { position, reason, by: fact.actor, at: fact.time };
                self.summary.bytes += size::of_redaction(&redaction);
                self.redactions.push(redaction);
                Change::Redaction
            }
        })
    }

    /// The job after `fact`, whichever event of its life that is.
    pub fn evolve(job: Option<Job>, fact: Fact) -> Result<Job, Conflict> {
        match job {
            None => Job::begin(fact),
            Some(mut job) => job.apply(fact).map(|_| job),
        }
    }

    /// About how many bytes the job takes in memory, never less than its texts have: what a cache counts. Costs O(1).
    pub fn weight(&self) -> usize {
        let parts = 500 * self.items.len() + 100 * (self.notes.len() + self.redactions.len());
        // The spec is there twice, as its text and taken apart, which takes more than the text where its parts are small.
        2048 + self.summary.text_len() + parts + self.bytes as usize + 2 * self.spec_json.0.len()
    }

    fn say(&mut self, message: Option<String>) -> Change {
        if message.is_some() {
            self.summary.message = message;
        }
        Change::Job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(output: &str) -> HookOutput {
        HookOutput { output: Some(output.into()), ..HookOutput::default() }
    }

    #[test]
    fn the_head_is_cut_on_a_character_and_stays_closed() {
        let mut hook = Hook::default();
        hook.take(&chunk(&"x".repeat(HOOK_HEAD - 1)));
        hook.take(&chunk("é"));
        hook.take(&chunk("y"));
        assert_eq!(hook.head.len(), HOOK_HEAD - 1);
        assert_eq!(hook.len, HOOK_HEAD as u64 + 2);
    }

    #[test]
    fn a_head_filled_exactly_keeps_every_byte() {
        let mut hook = Hook::default();
        hook.take(&chunk(&"x".repeat(HOOK_HEAD - 2)));
        hook.take(&chunk("é"));
        assert_eq!((hook.head.len() as u64, hook.len), (4096, 4096));
    }
}
