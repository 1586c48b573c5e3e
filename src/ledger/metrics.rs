//! The ledger's counters, for `/metrics`.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::append::{AppendError, Appended};
use crate::mask::Mask;

/// The label of a count of requests to append: how the request ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    outcome: &'static str,
}

/// The label of a count of secrets: the rule that masked or refused them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SecretRule {
    rule: String,
}

/// The ledger's counters. Names carry their units.
#[derive(Debug)]
pub struct Metrics {
    events: Counter,
    requests: Family<Outcome, Counter>,
    secrets: Family<SecretRule, Counter>,
    commit_events: Histogram,
    commit_seconds: Histogram,
    /// Events folded to answer reads of the past.
    pub folded: Counter,
    /// Lists of running background jobs that were made.
    pub running_lists: Counter,
    /// Renderings of large jobs.
    pub large_renderings: Counter,
    /// Commits whose outcome is unknown.
    pub failed_commits: Counter,
    /// Failed attempts to write or read the anchor.
    pub failed_anchors: Counter,
    /// Events that the checkpoint in the anchor covers.
    pub anchor_size: Gauge,
    /// Events of the newest checkpoint that the anchor's does not cover.
    pub anchor_lag: Gauge,
    /// Appends that wait for the writer thread.
    pub queued: Gauge,
    /// Newest position.
    pub head: Gauge,
    /// Seconds that the clock is behind the newest event's `recordedtime`.
    pub clock_behind: Gauge,
    /// Jobs that are set aside because their events do not fold.
    pub set_aside: Gauge,
    /// Events that the newest checkpoint covers.
    pub tree_size: Gauge,
    /// Events that the views are behind.
    pub view_lag: Gauge,
    /// Open tails.
    pub tails: Gauge,
    /// Claims under way, those that wait for a job included.
    pub claims: Gauge,
    /// Leases that last.
    pub leases: Gauge,
    /// Jobs that the ledger ended because no report of their worker came.
    pub lost: Counter,
    /// Failed jobs that the ledger repeated.
    pub repeated: Counter,
    /// Bytes of large request bodies that are held.
    pub body_bytes: Gauge,
    /// Bytes of `log.db-wal`.
    pub wal_bytes: Gauge,
}

impl Metrics {
    pub(super) fn new(mask: &Mask) -> Metrics {
        let secrets = Family::default();
        for rule in mask.rules() {
            // Every counter starts at 0, so that the first secret shows as a rise.
            drop(secrets.get_or_create(&SecretRule { rule: rule.to_owned() }));
        }
        Metrics {
            events: Counter::default(),
            requests: Family::default(),
            secrets,
            commit_events: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            commit_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            folded: Counter::default(),
            running_lists: Counter::default(),
            large_renderings: Counter::default(),
            failed_commits: Counter::default(),
            failed_anchors: Counter::default(),
            anchor_size: Gauge::default(),
            anchor_lag: Gauge::default(),
            queued: Gauge::default(),
            head: Gauge::default(),
            clock_behind: Gauge::default(),
            set_aside: Gauge::default(),
            tree_size: Gauge::default(),
            view_lag: Gauge::default(),
            tails: Gauge::default(),
            claims: Gauge::default(),
            leases: Gauge::default(),
            lost: Counter::default(),
            repeated: Counter::default(),
            body_bytes: Gauge::default(),
            wal_bytes: Gauge::default(),
        }
    }

    /// Registers every counter under the name that `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("jobledger_events_appended", "Events appended", self.events.clone());
        registry.register("jobledger_append_requests", "Requests to append, by outcome", self.requests.clone());
        let help = "Secrets masked or refused on their way in, by rule; a retry counts again";
        registry.register("jobledger_secrets_stopped", help, self.secrets.clone());
        registry.register("jobledger_commit_events", "Events in a commit", self.commit_events.clone());
        registry.register("jobledger_commit_seconds", "Time of a commit, sync included", self.commit_seconds.clone());
        registry.register("jobledger_commits_failed", "Commits of unknown outcome", self.failed_commits.clone());
        let help = "Events folded to answer reads of the past";
        registry.register("jobledger_past_events_folded", help, self.folded.clone());
        let help = "Lists of running background jobs made; a list serves every read until it changes";
        registry.register("jobledger_running_lists", help, self.running_lists.clone());
        let help = "Large jobs rendered; a rendering serves every read of the same revision";
        registry.register("jobledger_large_renderings", help, self.large_renderings.clone());
        registry.register("jobledger_queue_requests", "Requests waiting for the writer", self.queued.clone());
        registry.register("jobledger_head", "Newest position", self.head.clone());
        registry.register(
            "jobledger_clock_behind_seconds",
            "How far the clock is behind the newest event",
            self.clock_behind.clone(),
        );
        registry.register(
            "jobledger_jobs_set_aside",
            "Jobs that are set aside because their events do not fold",
            self.set_aside.clone(),
        );
        registry.register("jobledger_tree_size", "Events under the newest checkpoint", self.tree_size.clone());
        let help = "Events under the checkpoint in the anchor; 0 while the ledger does not write it";
        registry.register("jobledger_anchor_size", help, self.anchor_size.clone());
        let help = "Events under the newest checkpoint that the anchor's does not cover";
        registry.register("jobledger_anchor_lag_events", help, self.anchor_lag.clone());
        let help = "Failed attempts to write or read the anchor; the next attempt follows at once";
        registry.register("jobledger_anchor_failures", help, self.failed_anchors.clone());
        registry.register("jobledger_view_lag_events", "Events that the views are behind", self.view_lag.clone());
        registry.register("jobledger_tails_open", "Open tails", self.tails.clone());
        let help = "Claims under way, those that wait for a job included";
        registry.register("jobledger_claims_open", help, self.claims.clone());
        registry.register("jobledger_leases", "Leases that last", self.leases.clone());
        let help = "Jobs that the ledger ended because no report of their worker came";
        registry.register("jobledger_workers_lost", help, self.lost.clone());
        registry.register("jobledger_jobs_repeated", "Failed jobs that the ledger repeated", self.repeated.clone());
        let help = "Bytes of large request bodies in the memory that they share";
        registry.register("jobledger_body_bytes", help, self.body_bytes.clone());
        registry.register("jobledger_wal_bytes", "Size of log.db-wal", self.wal_bytes.clone());
    }

    /// Counts a secret that this rule masked or refused.
    pub fn stopped(&self, rule: &str) {
        self.secrets.get_or_create(&SecretRule { rule: rule.to_owned() }).inc();
    }

    pub(super) fn committed(&self, events: u64, took: Duration) {
        self.events.inc_by(events);
        self.commit_events.observe(events as f64);
        self.commit_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn answered(&self, answer: &Result<Appended, AppendError>) {
        let outcome = match answer {
            Ok(appended) if appended.all_known() => "known",
            Ok(_) => "appended",
            Err(_) => "refused",
        };
        self.requests.get_or_create(&Outcome { outcome }).inc();
    }
}
