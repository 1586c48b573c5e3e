//! Writes on a node that does not lead: the node sends the request to the leader as it came, and gives the leader's answer back. The
//! node and the leader both check the caller's own token. Before the caller gets the answer, the node itself has what the answer tells
//! of.
//!
//! Not here: a node that leads (`routes`), which node leads (`cluster`), and reads (`across`).

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::timeout;
use tower::Service;

use crate::access::Capability;
use crate::cluster::{Agent, Cluster};
use crate::http::across::{catch_up, has_position, is_current, is_strong, number, position};
use crate::http::answer::{Code, Error, KeepBody};
use crate::http::app::App;
use crate::http::observe::in_request;
use crate::http::request::Caller;
use crate::http::request::body::{self, ReceivedBody};
use crate::http::routes::claims;
use crate::http::routes::session::MAX_FORM;
use crate::http::signed_in::SessionChange;
use crate::ledger::{Node, Role};
use crate::stream::Sequence;

/// The node that forwarded a request. A request is forwarded once.
const FORWARDED: HeaderName = HeaderName::from_static("ledger-forwarded");
/// The newest message of the stream that the leader had when it answered. The node that forwarded the request waits for it.
const MESSAGE: HeaderName = HeaderName::from_static("ledger-message");
/// Marks the answer of a node that does not lead: nothing was recorded.
const NO_LEADER: HeaderName = HeaderName::from_static("ledger-no-leader");
/// How long a request waits for a leader.
const LEADER: Duration = Duration::from_secs(5);
/// Pause before the leader is looked up again.
const PAUSE: Duration = Duration::from_millis(100);
/// Most bytes of the leader's answer.
const MAX_ANSWER: usize = 64 << 20;
/// How long an answer may take. A claim waits up to a minute for a job.
const ANSWER: Duration = Duration::from_secs(90);
/// Headers of one connection, or that a client writes anew (RFC 9110, section 7.6.1).
const OF_ONE_CONNECTION: [HeaderName; 7] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// Where every role signs in and out, and where no session is needed.
const SESSION: &str = "/session";
/// Where a request may wait for a minute.
const CLAIMS: &str = "/ledger/claims";
/// The write that concerns one node alone: its views.
const LOCAL: &str = "/ledger/rebuild";

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
    let is_forwarded = request.headers().contains_key(FORWARDED);
    if let Err(refused) = is_current(node, request.uri().path()) {
        let mut answer = refused.into_response();
        if is_forwarded {
            // The other node asks again as long as it waits for a leader.
            answer.headers_mut().insert(NO_LEADER, 1.into());
        }
        return Ok(answer);
    }
    let request = match is_due(node, &request) {
        false => request,
        true => match admit(&app, request).await {
            Ok(Admitted::ToLeader(write)) => {
                return Ok(forward(&app, write).await.unwrap_or_else(IntoResponse::into_response));
            }
            Ok(Admitted::Refused(request)) => request,
            Err(refused) => return Ok(refused.into_response()),
        },
    };
    if let Err(refused) = catch_up(&app, request.headers()).await {
        return Ok(refused.into_response());
    }
    let mut answer = routes.call(request).await?;
    if is_forwarded {
        let is_refused = answer.extensions().get::<Arc<Error>>().is_some_and(|error| error.code == Code::NO_LEADER);
        if is_refused {
            answer.headers_mut().insert(NO_LEADER, 1.into());
        } else {
            answer.headers_mut().entry(crate::http::POSITION).or_insert(app.ledger.head().get().into());
            answer.headers_mut().insert(MESSAGE, node.state().durable.sequence.into());
        }
    }
    Ok(answer)
}

/// Whether the request is to be sent to the leader.
fn is_due(node: &Node, request: &Request) -> bool {
    matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
        && request.uri().path() != LOCAL
        && node.state().role != Role::Leads
}

/// A write that came to a node which does not lead.
enum Admitted {
    /// The write of a caller that may write, or a sign-in, with all of its body.
    ToLeader(Write),
    /// The write of an unknown caller, or of a role that may write nothing. The node's own routes refuse it, as the leader's would,
    /// before they read its body.
    Refused(Request),
}

/// A write, with all of its body.
struct Write {
    parts: Parts,
    body: ReceivedBody,
}

/// Reads the body of a caller that may write, within the limits that hold on the leader too.
///
/// # Errors
///
/// Another node forwarded the request, or the body breaks off, is too large or too late, or finds no room.
async fn admit(app: &App, request: Request) -> Result<Admitted, Error> {
    if request.headers().contains_key(FORWARDED) {
        return Err(Error::no_leader());
    }
    let (mut parts, body) = request.into_parts();
    let caller = <Caller as FromRequestParts<App>>::from_request_parts(&mut parts, app).await;
    let body = match caller {
        Ok(caller) if caller.0.role.may(Capability::Append) => body::read(&app.limits.bodies, &caller, body).await?,
        _ if parts.uri.path() == SESSION => body::read_small(body, MAX_FORM).await?.into(),
        _ => return Ok(Admitted::Refused(Request::from_parts(parts, body))),
    };
    Ok(Admitted::ToLeader(Write { parts, body }))
}

/// Sends the write to the leader, and gives its answer back.
async fn forward(app: &App, write: Write) -> Result<Response, Error> {
    let (Some(node), Some(cluster)) = (app.ledger.node(), &app.cluster) else { return Err(Error::no_leader()) };
    let Write { mut parts, body } = write;
    // The leader compares `Host` with the origin of the page that sent the request.
    OF_ONE_CONNECTION.iter().for_each(|name| drop(parts.headers.remove(name)));
    let name = HeaderValue::from_str(&node.name).expect("a node's name is letters and digits");
    parts.headers.insert(FORWARDED, name);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let sent = Sent { method: parts.method.clone(), path, headers: parts.headers, body: body.bytes.clone() };
    let mut stopping = app.stopping.clone();
    let mut answer = tokio::select! {
        answer = send_until_heard(node, cluster, &sent) => answer?,
        _ = stopping.wait_for(|stopping| *stopping), if parts.uri.path() == CLAIMS => return Err(claims::stops()),
    };
    if let Some(position) = position(answer.headers()) {
        // Without it the caller would not find what it wrote on this node. The leader has recorded it all the same.
        let _ = has_position(app, position).await;
    }
    if let Some(message) = number(answer.headers_mut().remove(MESSAGE).as_ref()) {
        has_message(node, message).await;
    }
    if let Some(changed) = SessionChange::of(&sent.headers, answer.headers()) {
        changed.arrives(app).await;
    }
    Ok(answer)
}

/// Waits until this node has a message of the stream, for 5 s at most: the leader has recorded it all the same.
async fn has_message(node: &Node, message: Sequence) {
    let _ = timeout(LEADER, node.watch().wait_for(|state| state.durable.sequence >= message)).await;
}

/// Sends the request to the leader, as soon as there is one that takes it.
async fn send_until_heard(node: &Node, cluster: &Cluster, sent: &Sent) -> Result<Response, Error> {
    let deadline = Instant::now() + LEADER;
    loop {
        let leader = node.state().leader.filter(|leader| leader.name != node.name);
        if let Some(leader) = leader {
            match sent.to(cluster.agent(), &leader.url).await {
                Ok(answer) if !answer.headers().contains_key(NO_LEADER) => return Ok(answer),
                Ok(_) => {}
                Err(NotForwarded::Unsent(error)) => {
                    let error = &*error as &dyn StdError;
                    in_request(|| tracing::debug!(error, "the leader cannot be reached"));
                }
                Err(NotForwarded::Unanswered(error)) => {
                    let error = &*error as &dyn StdError;
                    in_request(|| tracing::warn!(error, "the leader did not answer a write"));
                    let detail = "the leader did not answer: send the same events with the same ids again; before you repeat another change, look whether it was made";
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
struct Sent {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Why there is no answer of the leader.
enum NotForwarded {
    /// The leader has not got the request.
    Unsent(Box<dyn StdError + Send + Sync>),
    /// The leader may have got it.
    Unanswered(Box<dyn StdError + Send + Sync>),
}

impl Sent {
    /// Sends the request to the node at `url`.
    async fn to(&self, agent: &Agent, url: &str) -> Result<Response, NotForwarded> {
        let mut request = axum::http::Request::builder().method(&self.method).uri(format!("{url}{}", self.path));
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&self.headers);
        }
        let request = request.body(Full::new(self.body.clone())).map_err(|error| NotForwarded::Unsent(error.into()))?;
        match timeout(ANSWER, receive(agent, request)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(NotForwarded::Unanswered(elapsed.into())),
        }
    }
}

/// Sends a request, and reads all of the answer.
async fn receive(agent: &Agent, request: axum::http::Request<Full<Bytes>>) -> Result<Response, NotForwarded> {
    let answer = agent.request(request).await.map_err(|error| match error.is_connect() {
        true => NotForwarded::Unsent(error.into()),
        false => NotForwarded::Unanswered(error.into()),
    })?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(NotForwarded::Unanswered)?;
    let mut answer = Response::from_parts(parts, Body::from(body.to_bytes()));
    // The leader has rendered it already.
    answer.extensions_mut().insert(KeepBody);
    OF_ONE_CONNECTION.iter().for_each(|name| drop(answer.headers_mut().remove(name)));
    Ok(answer)
}
