//! `POST /authorization/rules/jobs`: creates a job from the document that `GET` shows, without the members that the ledger sets.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::model::{RuleActionType, RuleJob};
use crate::access::Capability;
use crate::http::{App, Caller, Creation, Error, NewJob, Params, create_job, read_document};
use crate::job::Spec;
use crate::wire::Reject;

const CREATION: Creation = Creation {
    path: "/authorization/rules/jobs",
    documents: &["application/vnd.sas.authorization.rule.job+json", "application/json"],
    answers: &["application/vnd.sas.authorization.rule.job+json", "application/json"],
    data,
    place: |pointer| pointer.strip_prefix("/data/spec").unwrap_or("").to_owned(),
    answer,
};

/// A rule job to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewRuleJob)]
struct Document<'a> {
    /// The version of the representation, always 2.
    #[schema(minimum = 2, maximum = 2)]
    version: Option<u64>,
    /// Always `notStarted`.
    #[schema(pattern = "^notStarted$")]
    status: Option<String>,
    /// Always `pending`.
    #[schema(pattern = "^pending$")]
    state: Option<String>,
    /// What to do with which rules, in order.
    #[serde(borrow)]
    #[schema(value_type = Vec<ActionDocument>, min_items = 1, max_items = 10_000)]
    actions: Vec<&'a RawValue>,
    #[schema(ignore)]
    id: Option<IgnoredAny>,
    #[schema(ignore)]
    created_by: Option<IgnoredAny>,
    /// A client may send an empty list.
    #[schema(ignore)]
    links: Option<Vec<IgnoredAny>>,
}

/// An action of a rule job to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRuleJobAction)]
struct ActionDocument<'a> {
    /// The action's id, unique in the job; without it the ledger makes one.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    id: Option<&'a RawValue>,
    /// The rule, stored as it is given. `update` and `delete` need its `id`.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    rule: &'a RawValue,
    /// The operation on the rule.
    #[serde(borrow, rename = "type")]
    #[schema(value_type = RuleActionType)]
    action: &'a RawValue,
    /// `notStarted` or `pending`.
    #[schema(pattern = "^(notStarted|pending)$")]
    status: Option<String>,
    /// Always `pending`.
    #[schema(pattern = "^pending$")]
    state: Option<String>,
    /// A number for the program that runs the job.
    #[serde(borrow)]
    #[schema(value_type = Option<i64>)]
    priority: Option<&'a RawValue>,
}

/// Create a rule job.
///
/// The document is that of a rule job without the members that the ledger sets: `id`, `createdBy`, `links`. `createdBy` becomes the
/// name on the token. Each request creates a job.
#[utoipa::path(
    post, path = "/authorization/rules/jobs", tag = "rule", operation_id = "create_rule_job",
    request_body(
        content = Document, content_type = "application/vnd.sas.authorization.rule.job+json",
        description = "A rule job; `application/json` is accepted too",
    ),
    responses(
        (status = 202, description = "The job is in the log, pending",
            content((RuleJob = "application/vnd.sas.authorization.rule.job+json"), (RuleJob = "application/json")),
            headers(("Location" = String, description = "The path of the job"))),
        (status = 400, description = "The document is no such job; `message` names the member"),
        (status = 403, description = "The role may not append"),
        (status = 406, description = "`Accept` allows none of the content types"),
        (status = 408, description = "The body took too long"),
        (status = 413, description = "A body over 16 MiB, or actions over 8 MiB"),
        (status = 415, description = "Another content type, or a content encoding other than gzip and zstd"),
        (status = 503, description = "Overloaded, read-only, stopping, or the outcome is unknown"),
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Response, Error> {
    caller.require(Capability::Append)?;
    create_job(app, caller, params, request, CREATION).await
}

/// The data of `job.created`.
#[derive(Serialize)]
struct Data<'a> {
    kind: &'static str,
    spec: Actions<'a>,
}

#[derive(Serialize)]
struct Actions<'a> {
    actions: Vec<Action<'a>>,
}

/// An action as the spec has it.
#[derive(Serialize)]
struct Action<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(rename = "type")]
    action: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'a RawValue>,
    rule: &'a RawValue,
}

fn data(document: &str) -> Result<String, Reject> {
    let document: Document<'_> = read_document("", document)?;
    if document.version.is_some_and(|version| version != 2) {
        return Err(invalid("/version".to_owned(), "expected 2"));
    }
    expect_word("/status", document.status.as_deref(), &["notStarted"])?;
    expect_word("/state", document.state.as_deref(), &["pending"])?;
    let of_the_ledger = [
        ("/id", document.id.is_some()),
        ("/createdBy", document.created_by.is_some()),
        ("/links", document.links.is_some_and(|links| !links.is_empty())),
    ];
    if let Some((place, _)) = of_the_ledger.iter().find(|(_, is_given)| *is_given) {
        return Err(invalid((*place).to_owned(), "only the ledger sets this member; leave it out"));
    }
    let actions = document.actions.iter().enumerate().map(|(n, action)| Action::read(n, action.get()));
    let actions = actions.collect::<Result<_, Reject>>()?;
    let data = Data { kind: "rule", spec: Actions { actions } };
    Ok(serde_json::to_string(&data).expect("what was read as JSON is JSON"))
}

impl<'a> Action<'a> {
    /// Reads the action with index `n`. The reader of the event checks the values that the spec has.
    fn read(n: usize, action: &'a str) -> Result<Action<'a>, Reject> {
        let root = format!("/actions/{n}");
        let ActionDocument { id, rule, action, status, state, priority } = read_document(&root, action)?;
        expect_word(&format!("{root}/status"), status.as_deref(), &["notStarted", "pending"])?;
        expect_word(&format!("{root}/state"), state.as_deref(), &["pending"])?;
        Ok(Action { id, action, priority, rule })
    }
}

/// Checks a state that a client may send along: that of a job before its start.
fn expect_word(place: &str, found: Option<&str>, expected: &[&str]) -> Result<(), Reject> {
    match found {
        Some(found) if !expected.contains(&found) => {
            let expected = expected.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
            Err(invalid(place.to_owned(), format!("expected {expected}, or none, for a job that is not started")))
        }
        _ => Ok(()),
    }
}

fn invalid(place: String, detail: impl Into<String>) -> Reject {
    Reject::Invalid { pointer: place.into(), detail: detail.into() }
}

fn answer(job: &NewJob<'_>) -> Vec<u8> {
    let Spec::Rule(spec) = &job.created.spec else { unreachable!("the data names the kind `rule`") };
    serde_json::to_vec(&RuleJob::pending(job.id, job.created_by, spec)).expect("the model is JSON")
}
