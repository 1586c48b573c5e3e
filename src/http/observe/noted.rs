//! What the server notes about a request while it answers it. Lines of the log and of the access log tell it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use parking_lot::Mutex;

use super::ids;
use crate::access::{Principal, Role};
use crate::blocking;
use crate::job::OrgId;

/// The header in which a proxy names its client. Any client can send it too, so it proves nothing.
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

tokio::task_local! {
    /// The request for which this task works, or this thread.
    static REQUEST: Arc<Noted>;
}

/// A request, and the notes about it.
pub(super) struct Noted {
    pub(super) id: HeaderValue,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) peer: SocketAddr,
    pub(super) forwarded: Option<HeaderValue>,
    pub(super) started: Instant,
    pub(super) told: Mutex<Told>,
}

/// The facts about a request that become known while the server answers it.
#[derive(Default)]
pub(super) struct Told {
    pub(super) by: Option<(String, Role, OrgId)>,
    pub(super) of_others: bool,
    pub(super) refused: bool,
}

impl Noted {
    /// The request of `peer`, of which nothing is noted yet.
    pub(super) fn new<B>(request: &Request<B>, peer: SocketAddr) -> Arc<Noted> {
        Arc::new(Noted {
            id: ids::of(request),
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer,
            forwarded: request.headers().get(FORWARDED).cloned(),
            started: Instant::now(),
            told: Mutex::default(),
        })
    }

    /// Awaits `work` for this request.
    pub(super) fn during<F: Future>(self: Arc<Noted>, work: F) -> impl Future<Output = F::Output> {
        REQUEST.scope(self, work)
    }

    /// Does `work` for this request.
    pub(super) fn within<T>(self: Arc<Noted>, work: impl FnOnce() -> T) -> T {
        REQUEST.sync_scope(self, work)
    }

    /// Runs `log`, whose lines name this request.
    ///
    /// The span is made for these lines. Most requests log nothing, and a span for each request would cost a twelfth of a read.
    pub(super) fn name_in<T>(&self, log: impl FnOnce() -> T) -> T {
        let (id, path) = (self.id.to_str().unwrap_or(""), self.uri.path());
        tracing::error_span!("request", id, method = %self.method, path).in_scope(log)
    }
}

/// Runs `log`. Its lines name the request for which this task or thread works, if it works for one.
pub fn in_request(log: impl FnOnce()) {
    match REQUEST.try_with(Arc::clone) {
        Ok(request) => request.name_in(log),
        Err(_) => log(),
    }
}

/// Runs `work` on a thread that may block, as `blocking::off_thread` does, for the request of this task.
pub async fn off_thread<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let request = REQUEST.try_with(Arc::clone);
    blocking::off_thread(move || match request {
        Ok(request) => request.within(work),
        Err(_) => work(),
    })
    .await
}

/// Notes that the request comes with the token of `principal`, or with a session of this token.
pub fn asked_by(principal: &Principal) {
    note(|told| told.by = Some((principal.name.clone(), principal.role, principal.org)));
}

/// Notes that the answer has data of other organisations.
pub fn reads_of_others() {
    note(|told| told.of_others = true);
}

/// Notes that the request was refused, although its answer has the status of a success.
pub fn refused() {
    note(|told| told.refused = true);
}

fn note(fact: impl FnOnce(&mut Told)) {
    let _ = REQUEST.try_with(|request| fact(&mut request.told.lock()));
}
