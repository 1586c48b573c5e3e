//! `GET /webhooks`: the webhooks of the organisation, for administrators. The page changes none: commands and the API do.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::refusal::Refusal;
use super::shell::{Shell, answer};
use super::visitor::Visitor;
use crate::access::Capability;
use crate::http::{App, Error, Params};
use crate::webhooks::Webhook;

#[derive(Template)]
#[template(path = "webhooks.html", config = "src/page/askama.toml")]
struct WebhooksPage {
    shell: Shell,
    webhooks: Vec<WebhookRow>,
    /// The newest position of the log.
    head: u64,
}

struct WebhookRow {
    id: String,
    url: String,
    /// Which events it sends, in words.
    sends: String,
    state: &'static str,
    position: u64,
    failures: u32,
    last_error: String,
    next_try: String,
}

/// The page of webhooks.
pub(super) async fn page(State(app): State<App>, visitor: Visitor, params: Params) -> Result<Response, Refusal> {
    visitor.0.require(Capability::Webhooks)?;
    params.finish()?;
    let head = app.ledger.head();
    let webhooks = app.webhooks.list(visitor.principal().org, head).await.map_err(Error::from)?;
    let rows = webhooks.iter().map(WebhookRow::from).collect();
    let page = WebhooksPage { shell: visitor.shell("Webhooks"), webhooks: rows, head: head.get() };
    Ok(answer(StatusCode::OK, &page))
}

impl From<&Webhook> for WebhookRow {
    fn from(webhook: &Webhook) -> WebhookRow {
        let types = if webhook.types.is_empty() { "all types".to_owned() } else { webhook.types.join(", ") };
        let kind = webhook.kind.map(|kind| format!(" of {kind} jobs")).unwrap_or_default();
        WebhookRow {
            id: webhook.id.to_string(),
            url: webhook.receiver.to_string(),
            sends: format!("{types}{kind}"),
            state: webhook.state.as_str(),
            position: webhook.position.get(),
            failures: webhook.failures,
            last_error: webhook.last_error.clone().unwrap_or_default(),
            next_try: webhook.next_try.map(|time| time.to_string()).unwrap_or_default(),
        }
    }
}
