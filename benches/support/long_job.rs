//! Jobs of very many events, for reads of their past.

use jobledger::job::OrgId;
use jobledger::ledger::{Append, Ledger};
use jobledger::mask::Mask;
use jobledger::wire;

use super::work::time_ordered;

/// What most events of a long job report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// Progress alone.
    Progress,
    /// Progress, and 100 bytes of hook output in every tenth event.
    Output,
    /// Results of up to 10,000 items.
    Items,
}

/// A job of many events, one after the other in the log.
pub struct LongJob {
    pub id: String,
    /// The position of its first event.
    pub first: u64,
    pub events: u64,
}

impl LongJob {
    /// Appends a running job of `events` events.
    pub async fn append(ledger: &Ledger, reports: Reports, events: u64) -> LongJob {
        const BATCH: u64 = 500;
        let id = time_ordered().to_string();
        let first = ledger.head().next().get();
        for start in (0..events).step_by(BATCH as usize) {
            let events = (start..events.min(start + BATCH)).map(|n| event(&id, reports, n));
            let events = events.map(|event| wire::single(event.as_bytes(), &Mask::default()).expect("valid")).collect();
            let append = Append { org: OrgId::default(), actor: "bench".into(), events, guard: None, lease: None };
            ledger.append(append).await.expect("the events are taken");
        }
        LongJob { id, first, events }
    }

    /// The position of its last event.
    pub fn last(&self) -> u64 {
        self.first + self.events - 1
    }

    /// A position of the job, at random.
    pub fn position(&self) -> u64 {
        self.first + fastrand::u64(..self.events)
    }
}

fn event(job: &str, reports: Reports, n: u64) -> String {
    let id = time_ordered();
    let (event, data) = match (n, reports) {
        (0, _) => ("created", r#"{"kind":"generic","spec":{"job_type":"bench"}}"#.to_owned()),
        (1, _) => ("started", "{}".to_owned()),
        (_, Reports::Output) if n.is_multiple_of(10) => {
            ("hook_output", format!(r#"{{"output":"{n:>90} accounts\n"}}"#))
        }
        (_, Reports::Items) => (
            "item_result",
            format!(
                r#"{{"item":"account-{}","status":"completed","message":"written in pass {n}"}}"#,
                n * 7919 % 10_000
            ),
        ),
        _ => ("progress", format!(r#"{{"current_step":"Processing accounts","records_processed":{n}}}"#)),
    };
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/workers/sync-1","type":"job.{event}","subject":"{job}","data":{data}}}"#
    )
}
