//! `/ledger/webhooks`: the webhooks of the caller's organisation, added, listed, removed and replayed.
//!
//! Not here: what a delivery sends, and when (`deliveries`).

mod new;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use self::new::NewWebhookBody;
use crate::access::Capability;
use crate::http::answer::{Error, JsonLine};
use crate::http::app::App;
use crate::http::request::body::{json_object, read_small};
use crate::http::request::{Caller, Params, Segment};
use crate::model::WebhookModel;

/// The largest body: 64 KiB.
const MAX_BODY: usize = 64 << 10;

/// The webhooks of an organisation.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookList {
    /// The oldest first.
    webhooks: Vec<WebhookModel>,
}

/// List the webhooks of the organisation.
#[utoipa::path(
    get, path = "/ledger/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses(
        (status = 200, description = "Every webhook, parked ones too, without its secret", body = WebhookList),
        (status = 400, description = "A parameter, which the route does not take"),
        (status = 403, description = "The role may not"),
        (status = 503, description = "The webhooks cannot be read just now; try again"),
    )
)]
pub async fn list(State(app): State<App>, caller: Caller, params: Params) -> Result<JsonLine<WebhookList>, Error> {
    caller.require(Capability::Webhooks)?;
    params.finish()?;
    let webhooks = app.webhooks.list(caller.0.org, app.ledger.head()).await?;
    Ok(JsonLine(WebhookList { webhooks: webhooks.iter().map(WebhookModel::new).collect() }))
}

/// Add a webhook, which sends the events from now on to a receiver.
///
/// Each event goes by one `POST`, in the order of the log, at least once: the CloudEvent as reads show it, signed as Standard
/// Webhooks describes it (`webhook-id`, `webhook-timestamp`, `webhook-signature`). A 2xx within 15 s takes the event. After a
/// failure the same event is sent again, first after 5 s, then after pauses that double up to an hour; after a day of failures
/// the webhook is parked, and a replay starts it again.
#[utoipa::path(
    post, path = "/ledger/webhooks", tag = "webhooks", operation_id = "add_webhook",
    request_body(content = NewWebhookBody, content_type = "application/json", description = "The receiver, and which events it gets"),
    responses(
        (status = 201, description = "Added. Only this answer has the `secret` that signs", body = WebhookModel),
        (status = 400, description = "Not JSON, or a parameter, which the route does not take"),
        (status = 403, description = "The role may not"),
        (status = 408, description = "The body took too long"),
        (status = 413, description = "A body over 64 KiB"),
        (status = 422, description = "A member is wrong, which `pointer` names; or there are 100 webhooks already (`too-many-webhooks`)"),
        (status = 503, description = "The webhooks cannot be written just now; try again. On a cluster also: no node leads, or the outcome is unknown (`outcome-unknown`); look at the list before you try again"),
    )
)]
pub async fn add(State(app): State<App>, caller: Caller, params: Params, body: Body) -> Result<Response, Error> {
    caller.require(Capability::Webhooks)?;
    let body = read_small(body, MAX_BODY).await?;
    params.finish()?;
    let new = json_object::<NewWebhookBody>(&body)?.checked(caller.0.org, app.webhooks.allows_private())?;
    let webhook = app.webhooks.add(&app.ledger, new).await?;
    Ok((StatusCode::CREATED, JsonLine(WebhookModel::with_secret(&webhook))).into_response())
}

/// Remove a webhook.
///
/// No message is sent after the answer; one that is under way may still arrive.
#[utoipa::path(
    delete, path = "/ledger/webhooks/{id}", tag = "webhooks", operation_id = "remove_webhook",
    params(("id" = String, Path, description = "The webhook")),
    responses(
        (status = 204, description = "Removed"),
        (status = 400, description = "A parameter, which the route does not take"),
        (status = 403, description = "The role may not"),
        (status = 404, description = "The organisation has no such webhook"),
        (status = 503, description = "The webhooks cannot be written just now; try again. On a cluster also: no node leads, or the outcome is unknown (`outcome-unknown`); look at the list before you try again"),
    )
)]
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    params: Params,
) -> Result<StatusCode, Error> {
    caller.require(Capability::Webhooks)?;
    params.finish()?;
    app.webhooks.remove(&app.ledger, caller.0.org, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Start a webhook again, parked or not.
///
/// The next event is tried at once. With `from` the webhook sends again all its events from that position on. Each has the same
/// `webhook-id` as before.
#[utoipa::path(
    post, path = "/ledger/webhooks/{id}/replay", tag = "webhooks", operation_id = "replay_webhook",
    params(
        ("id" = String, Path, description = "The webhook"),
        ("from" = Option<u64>, Query, description = "The position of the first event to send; default: the first that the receiver has not taken"),
    ),
    responses(
        (status = 200, description = "The webhook, active", body = WebhookModel),
        (status = 400, description = "A parameter is not what was expected, or `from` is beyond the head"),
        (status = 403, description = "The role may not"),
        (status = 404, description = "The organisation has no such webhook"),
        (status = 503, description = "The webhooks cannot be written just now; try again. On a cluster also: no node leads, or the outcome is unknown (`outcome-unknown`); look at the list before you try again"),
    )
)]
pub async fn replay(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    mut params: Params,
) -> Result<JsonLine<WebhookModel>, Error> {
    caller.require(Capability::Webhooks)?;
    let from = params.one("from")?;
    params.finish()?;
    let webhook = app.webhooks.replay(&app.ledger, caller.0.org, id, from).await?;
    Ok(JsonLine(WebhookModel::new(&webhook)))
}
