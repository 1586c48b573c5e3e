//! Writes on a node that does not lead: the node sends the request to the leader as it came, and gives the leader's answer back. The
//! leader checks the caller's own token. Before the caller gets the answer, the node itself has what the answer tells of.
//!
//! Not here: a node that leads (`routes`), which node leads (`cluster`), and reads (`across`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tower::Service;
use ureq::Agent;

use crate::blocking::off_thread;
use crate::cluster::Cluster;
use crate::http::across::{catch_up, has_position, is_heard, is_strong, position};
use crate::http::answer::{Code, Error, KeepBody};
use crate::http::app::App;
use crate::http::request::body::MAX_BODY;
use crate::http::signed_in::SessionChange;
use crate::ledger::{Node, Role};

/// The node that forwarded a request. A request is forwarded once.
const FORWARDED: HeaderName = HeaderName::from_static("ledger-forwarded");
/// Marks the answer of a node that does not lead: nothing was recorded.
const NO_LEADER: HeaderName = HeaderName::from_static("ledger-no-leader");
/// How long a request waits for a leader.
const LEADER: Duration = Duration::from_secs(5);
/// Pause before the leader is looked up again.
const PAUSE: Duration = Duration::from_millis(100);
/// Most bytes of the leader's answer.
const MAX_ANSWER: u64 = 64 << 20;
/// Writes that concern one node alone: webhooks, and views.
const LOCAL: [&str; 2] = ["/ledger/webhooks", "/ledger/rebuild"];

/// Answers a request on a node of a cluster: forwards a write if another node leads.
///
/// A read waits until this node has what the request asks for. The answer to a forwarded write names the position that the other node
/// waits for.
pub async fn answer(app: App, mut routes: Router, request: Request) -> Result<Response, Infallible> {
    let Some(node) = app.ledger.node() else {
        return match is_strong(request.headers()) {
            Ok(_) => routes.call(request).await,
            Err(refused) => Ok(refused.into_response()),
        };
    };
    if let Err(refused) = is_heard(node, request.uri().path()) {
        return Ok(refused.into_response());
    }
    if is_due(node, &request) {
        return Ok(forward(&app, request).await.unwrap_or_else(IntoResponse::into_response));
    }
    if let Err(refused) = catch_up(&app, request.headers()).await {
        return Ok(refused.into_response());
    }
    let is_forwarded = request.headers().contains_key(FORWARDED);
    let mut answer = routes.call(request).await?;
    if is_forwarded {
        let is_refused = answer.extensions().get::<Arc<Error>>().is_some_and(|error| error.code == Code::NO_LEADER);
        let (name, value) = if is_refused { (NO_LEADER, 1) } else { (crate::http::POSITION, app.ledger.head().get()) };
        answer.headers_mut().entry(name).or_insert(value.into());
    }
    Ok(answer)
}

/// Whether the request is to be sent to the leader.
fn is_due(node: &Node, request: &Request) -> bool {
    let path = request.uri().path();
    let is_local =
        LOCAL.iter().any(|local| path.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && !is_local
        && node.state().role != Role::Leads
}

/// Sends the request to the leader, and gives its answer back.
async fn forward(app: &App, request: Request) -> Result<Response, Error> {
    let (Some(node), Some(cluster)) = (app.ledger.node(), &app.cluster) else { return Err(Error::no_leader()) };
    if request.headers().contains_key(FORWARDED) {
        return Err(Error::no_leader());
    }
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| Error::new(Code::TOO_LARGE, "the body is too large"))?;
    // The leader compares `Host` with the origin of the page that sent the request.
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    let name = HeaderValue::from_str(&node.name).expect("a node's name is letters and digits");
    parts.headers.insert(FORWARDED, name);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let sent = Sent { method: parts.method, path, headers: parts.headers, body };
    let answer = send_until_heard(node, cluster, &sent).await?;
    if let Some(position) = position(answer.headers()) {
        // Without it the caller would not find what it wrote on this node. The leader has recorded it all the same.
        let _ = has_position(app, position).await;
    }
    if let Some(changed) = SessionChange::of(&sent.headers, answer.headers()) {
        changed.arrives(app).await;
    }
    Ok(answer)
}

/// Sends the request to the leader, as soon as there is one that takes it.
async fn send_until_heard(node: &Node, cluster: &Cluster, sent: &Sent) -> Result<Response, Error> {
    let deadline = Instant::now() + LEADER;
    loop {
        let leader = node.state().leader.filter(|leader| leader.name != node.name);
        if let Some(leader) = leader {
            let (agent, sent) = (cluster.agent().clone(), sent.clone());
            match off_thread(move || sent.to(&agent, &leader.url)).await {
                Ok(answer) if !answer.headers().contains_key(NO_LEADER) => return Ok(answer),
                Ok(_) | Err(NotForwarded::Unsent) => {}
                Err(NotForwarded::Unanswered(error)) => {
                    tracing::warn!(error = &*error as &dyn std::error::Error, "the leader did not answer a write");
                    let detail = "the leader did not answer; send the same events with the same ids again";
                    return Err(Error::new(Code::OUTCOME_UNKNOWN, detail));
                }
            }
        }
        if Instant::now() >= deadline {
            return Err(Error::no_leader());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A request on its way to the leader.
#[derive(Clone)]
struct Sent {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Why there is no answer of the leader.
enum NotForwarded {
    /// The leader has not got the request.
    Unsent,
    /// The leader may have got it.
    Unanswered(Box<ureq::Error>),
}

impl Sent {
    /// Sends the request to the node at `url`. Blocks.
    fn to(self, agent: &Agent, url: &str) -> Result<Response, NotForwarded> {
        let mut request = axum::http::Request::builder().method(self.method).uri(format!("{url}{}", self.path));
        if let Some(headers) = request.headers_mut() {
            *headers = self.headers;
        }
        let request = request.body(self.body.to_vec()).map_err(|_| NotForwarded::Unsent)?;
        let answer = agent.run(request).map_err(not_forwarded)?;
        let (parts, mut body) = answer.into_parts();
        let bytes = body.with_config().limit(MAX_ANSWER).read_to_vec().map_err(not_forwarded)?;
        let mut answer = Response::from_parts(parts, Body::from(bytes));
        // The leader has rendered it already.
        answer.extensions_mut().insert(KeepBody);
        for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            answer.headers_mut().remove(name);
        }
        Ok(answer)
    }
}

fn not_forwarded(error: ureq::Error) -> NotForwarded {
    use std::io::ErrorKind::ConnectionRefused;
    match &error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) | ureq::Error::ConnectionFailed => {
            NotForwarded::Unsent
        }
        ureq::Error::HostNotFound | ureq::Error::BadUri(_) | ureq::Error::Http(_) => NotForwarded::Unsent,
        ureq::Error::Io(cause) if cause.kind() == ConnectionRefused => NotForwarded::Unsent,
        _ => NotForwarded::Unanswered(error.into()),
    }
}
