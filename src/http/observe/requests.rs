//! What `/metrics` says of requests: how many by route and status, and how long their answers took.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::templates::{Route, Templates};

/// Upper bounds of the buckets of the histogram, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];
/// Methods that have a series of their own.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: Route,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: Route,
}

/// The counters and times of requests, by route.
pub struct Requests {
    templates: Templates,
    answered: Family<Answered, Counter>,
    seconds: Family<Timed, Histogram, fn() -> Histogram>,
}

impl Requests {
    /// Counters for the routes with these paths in the API description.
    pub fn new<'p>(paths: impl Iterator<Item = &'p str>) -> Requests {
        Requests {
            templates: Templates::new(paths),
            answered: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }

    /// Registers the counters under the names that `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Requests by method, route and status";
        registry.register("jobledger_http_requests", help, self.answered.clone());
        let help =
            "Time from a request's head to its answer's, by route; that of a stream ends where the stream begins";
        registry.register("jobledger_http_request_duration_seconds", help, self.seconds.clone());
    }

    pub(super) fn route(&self, path: &str) -> Route {
        self.templates.of(path)
    }

    pub(super) fn count(&self, method: &Method, route: &Route, status: StatusCode, took: Duration) {
        let method = METHODS.iter().find(|known| **known == method.as_str()).copied().unwrap_or("other");
        self.answered.get_or_create(&Answered { method, route: route.clone(), status: status.as_u16() }).inc();
        self.seconds.get_or_create(&Timed { route: route.clone() }).observe(took.as_secs_f64());
    }
}
