//! Given, when, then: helpers for the lifecycle's tests. Given past events, when another event is reported, it is recorded or refused.

use std::sync::Arc;

use jobledger::job::{
    Action, ActionType, Attempt, Cancelled, Completed, Conflict, Counts, Created, DbRoleSpec, Decision, Event, Fact,
    Failed, GenericSpec, HookExit, HookOutput, ItemResult, ItemStatus, Job, JobKey, Kind, Noted, OrgId, Position,
    Progress, RawJson, Redacted, Refusal, Retried, RuleSpec, Spec, Started, TaskSpec, TaskType, Time, decide,
};

/// The time of the first event in each test. Later events follow at intervals of a second.
pub fn dawn() -> Time {
    "2025-02-28T12:00:00Z".parse().unwrap()
}

/// A job after some events, and the time of its next event.
#[derive(Debug, Clone)]
pub struct Given {
    pub key: JobKey,
    pub job: Option<Job>,
    time: Option<Time>,
    now: Option<Time>,
    lease: Option<Position>,
    actor: &'static str,
}

/// A job to which `events` happened, each of them legal.
pub fn given(events: impl IntoIterator<Item = Event>) -> Given {
    let id = "67d7d053-3caf-430e-97ba-6d4933d3fd5b".parse().unwrap();
    let nothing = Given {
        key: JobKey { org: OrgId::default(), id },
        job: None,
        time: None,
        now: None,
        lease: None,
        actor: "worker",
    };
    events.into_iter().fold(nothing, |given, event| given.when(event).recorded())
}

impl Given {
    /// The same job under the id `id`.
    pub fn named(mut self, id: &str) -> Given {
        self.key.id = id.parse().unwrap();
        self
    }

    /// The next event happens at `time`, not a second after the newest one.
    pub fn at(self, time: Time) -> Given {
        Given { time: Some(time), ..self }
    }

    /// The ledger's clock shows `now`, and not the time of the event.
    pub fn when_the_clock_says(self, now: Time) -> Given {
        Given { now: Some(now), ..self }
    }

    /// The sender of the next event holds the lease that began at `since`.
    pub fn under_lease(self, since: u64) -> Given {
        Given { lease: Some(Position::new(since)), ..self }
    }

    /// The next events have the actor `actor`.
    pub fn by(self, actor: &'static str) -> Given {
        Given { actor, ..self }
    }

    /// The job, which must exist.
    pub fn job(self) -> Job {
        self.job.expect("a job")
    }

    /// Asks `decide` about `event`.
    pub fn when(mut self, event: Event) -> When {
        let position = self.job.as_ref().map_or(Position::new(1), |job| job.position.next());
        let seconds = i64::try_from(position.get() - 1).unwrap();
        let time = self.time.take().unwrap_or_else(|| dawn().plus(seconds * 1_000_000_000));
        let now = self.now.take().unwrap_or(time);
        let answer =
            decide(self.job.as_ref(), &self.key, Attempt { event: &event, time, now, lease: self.lease.take() });
        let fact = Fact { key: self.key.clone(), position, time, recorded: time, actor: self.actor.into(), event };
        When { given: self, fact, answer }
    }
}

/// The answer to a reported event. Each method expects one sort of answer, and returns the part that tests compare.
#[derive(Debug)]
pub struct When {
    pub given: Given,
    pub fact: Fact,
    pub answer: Result<Decision, Refusal>,
}

impl When {
    /// The result of folding the event, even if the decision was a refusal.
    pub fn folded(&self) -> Result<Job, Conflict> {
        Job::fold(self.given.job.clone(), self.fact.clone())
    }

    #[track_caller]
    pub fn recorded(self) -> Given {
        assert_eq!(self.answer, Ok(Decision::Record), "{:?}", self.fact.event);
        let job = self.folded().unwrap();
        Given { job: Some(job), ..self.given }
    }

    /// Expects that the job was cancelled before: nothing is recorded, and the fold refuses the event.
    #[track_caller]
    pub fn repeated(self) -> Position {
        let Ok(Decision::AlreadyCancelled(position)) = self.answer else { panic!("{:?}", self.answer) };
        assert!(self.folded().is_err());
        position
    }

    /// Expects a refusal because of the job's state, and the same refusal by the fold.
    #[track_caller]
    pub fn conflict(self) -> Conflict {
        let folded = self.folded().unwrap_err();
        match self.answer {
            Err(Refusal::Lifecycle(conflict)) => assert_eq!(conflict, folded),
            Err(Refusal::NoSuchJob(id)) => assert_eq!((id.as_str(), folded.state), (self.given.key.id.as_str(), None)),
            other => panic!("{other:?}"),
        }
        folded
    }

    /// Expects a refusal because of a part of the job. Returns the reason.
    #[track_caller]
    pub fn part(self) -> String {
        let Err(Refusal::RuledOut { state, event, reason }) = self.answer else { panic!("{:?}", self.answer) };
        assert_eq!(Some(state), self.given.job.map(|job| job.state.status()));
        assert_eq!(event, self.fact.event.event_type());
        reason
    }

    /// Expects a refusal because the sender holds no lease of the job. Returns the reason.
    #[track_caller]
    pub fn lost(self) -> String {
        let Err(Refusal::LeaseLost { state, event, reason }) = self.answer else { panic!("{:?}", self.answer) };
        assert_eq!(Some(state), self.given.job.map(|job| job.state.status()));
        assert_eq!(event, self.fact.event.event_type());
        reason
    }

    /// Expects a refusal because the job has no room. Returns the pointer of the member.
    #[track_caller]
    pub fn full(self) -> &'static str {
        let Err(Refusal::Full { pointer, .. }) = self.answer else { panic!("{:?}", self.answer) };
        pointer
    }

    /// Expects a refusal of the event by itself. Returns the pointer of the member.
    #[track_caller]
    pub fn invalid(self) -> &'static str {
        let Err(Refusal::Invalid { pointer, .. }) = self.answer else { panic!("{:?}", self.answer) };
        pointer
    }
}

/// `job.created` of a kind; a rule job has the actions `a` and `b`.
pub fn created(kind: Kind) -> Event {
    created_with(match kind {
        Kind::DbRole => Spec::DbRole(DbRoleSpec::default()),
        Kind::Task => Spec::Task(TaskSpec { job_type: TaskType::FullSync, total_records: None }),
        Kind::Rule => Spec::Rule(RuleSpec { actions: ["a", "b"].map(action).into() }),
        Kind::Generic => {
            let job_type = "certificates.renew".parse().unwrap();
            Spec::Generic(GenericSpec { job_type, parameters: None, total_records: None })
        }
    })
}

pub fn created_with(spec: Spec) -> Event {
    // Only the code that stores and shows the spec looks at its text.
    let spec_json = RawJson(Arc::from("{}"));
    Event::Created(Box::new(Created {
        spec,
        spec_json,
        created_by: None,
        labels: Default::default(),
        not_before: None,
        retry: None,
    }))
}

fn action(id: &str) -> Action {
    Action { id: id.parse().unwrap(), action: ActionType::Create, priority: None, rule: RawJson(Arc::from("{}")) }
}

pub fn started() -> Event {
    Event::Started(Started::default())
}

/// `job.progress` with these counts.
pub fn counted(processed: Option<u64>, total: Option<u64>) -> Event {
    Event::Progress(Progress { counts: Counts { processed, total, ..Counts::default() }, ..Progress::default() })
}

pub fn item(id: &str, status: ItemStatus) -> Event {
    Event::ItemResult(ItemResult { item: id.parse().unwrap(), status, message: None, detail: None })
}

pub fn hook(output: &str) -> Event {
    Event::HookOutput(HookOutput { output: Some(output.into()), ..HookOutput::default() })
}

pub fn hook_ended(code: i32) -> Event {
    Event::HookOutput(HookOutput { exit: Some(HookExit { code, seconds: 1 }), ..HookOutput::default() })
}

pub fn completed() -> Event {
    Event::Completed(Completed::default())
}

pub fn failed() -> Event {
    Event::Failed(Failed { message: "no".into() })
}

pub fn cancelled() -> Event {
    Event::Cancelled(Cancelled { reason: Some("enough".into()) })
}

pub fn redacted(position: u64) -> Event {
    Event::Redacted(Redacted { position: Position::new(position), reason: "asked for".into() })
}

pub fn noted() -> Event {
    Event::Noted(Noted { text: "a remark".into() })
}

pub fn retried(id: &str) -> Event {
    Event::Retried(Retried { retried_as: id.parse().unwrap() })
}

/// `job.started` by a worker with a lease of 30 s.
pub fn leased(worker: &str) -> Event {
    Event::Started(Started { worker: Some(worker.into()), lease_sec: Some(30), ..Started::default() })
}
