//! The requests of workers.

use fastrand::Rng;
use jobledger::job::OrgId;
use jobledger::ledger::Append;
use jobledger::mask::Mask;
use jobledger::wire;
use serde_json::{Value, json};

/// A request that may be sent again, to the byte.
#[derive(Clone, Debug)]
pub struct Request {
    /// The ids of its events.
    pub ids: Vec<String>,
    /// The jobs that exist once the request is answered.
    pub makes: Option<String>,
    /// Whether a part of the request is impossible, so that the ledger must refuse the whole.
    pub impossible: bool,
    body: Vec<u8>,
}

impl Request {
    pub fn append(&self, mask: &Mask) -> Append {
        let events = wire::batch(&self.body, mask).expect("well-formed");
        Append { org: OrgId::default(), actor: "worker".into(), events, guard: None, lease: None }
    }
}

/// Makes requests. Each event has an id of its own.
pub struct Worker {
    rng: Rng,
    made: u64,
    jobs: Vec<String>,
    answered: Vec<Request>,
}

impl Worker {
    pub fn new(rng: Rng) -> Worker {
        Worker { rng, made: 0, jobs: Vec::new(), answered: Vec::new() }
    }

    /// Notes that the log has the request.
    pub fn answered(&mut self, request: Request) {
        self.jobs.extend(request.makes.clone());
        self.answered.push(request);
    }

    /// A job that exists, at random.
    pub fn any_job(&mut self) -> Option<String> {
        self.rng.choice(&self.jobs).cloned()
    }

    /// The requests of one commit.
    pub fn commit(&mut self) -> Vec<Request> {
        (0..self.rng.usize(1..=3)).map(|_| self.request()).collect()
    }

    pub fn request(&mut self) -> Request {
        self.made += 1;
        let (job, known) = (self.rng.choice(&self.jobs).cloned(), self.rng.choice(&self.answered).cloned());
        match (self.rng.u8(0..10), job, known) {
            (0..4, Some(job), _) => self.noted(&job, 1),
            (4, Some(job), _) => self.noted(&job, 20),
            (5, Some(job), _) => self.noted_by_mistake(&job),
            (6, _, Some(known)) => known,
            (7, ..) => {
                let output = self.rng.usize(1..12_000);
                self.life(output)
            }
            _ => self.life(10),
        }
    }

    /// All events of a short job in one request, so that a part of a request would be visible.
    fn life(&self, output: usize) -> Request {
        let job = format!("job-{}", self.made);
        let spec = json!({"kind": "task", "spec": {"job_type": "enrichment"}});
        let output = json!({"output": "o".repeat(output)});
        let mut request = self.of(vec![
            ("job.created", &job, spec),
            ("job.started", &job, json!({})),
            ("job.hook_output", &job, output),
            ("job.completed", &job, json!({})),
        ]);
        request.makes = Some(job);
        request
    }

    fn noted(&self, job: &str, times: usize) -> Request {
        self.of((0..times).map(|n| ("job.noted", job, json!({"text": format!("remark {n}")}))).collect())
    }

    fn noted_by_mistake(&self, job: &str) -> Request {
        let text = json!({"text": "a remark"});
        let request = self.of(vec![("job.noted", job, text.clone()), ("job.noted", "nobody", text)]);
        Request { impossible: true, ..request }
    }

    fn of(&self, events: Vec<(&str, &str, Value)>) -> Request {
        let ids: Vec<String> = (0..events.len()).map(|n| format!("{}/{n}", self.made)).collect();
        let events = events.into_iter().zip(&ids).map(|((event_type, job, data), id)| {
            json!({"specversion": "1.0", "id": id, "source": "/power", "type": event_type, "subject": job, "data": data})
        });
        let body = Value::Array(events.collect()).to_string().into_bytes();
        Request { ids, makes: None, impossible: false, body }
    }
}
