//! `POST /dbroles/jobs`: creates a job from the body that hoop's own API takes. The spec has a place for the ARN of the instance
//! alone; the other members become labels, which a worker reads beside the spec.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Capability;
use crate::http::{App, Caller, Creation, Error, Params, create_job, read_document};
use crate::wire::Reject;

const CREATION: Creation = Creation {
    path: "/dbroles/jobs",
    documents: &["application/json"],
    answers: &["application/json"],
    data,
    place,
    answer: |job| serde_json::to_vec(&CreatedJob { job_id: job.id.as_str() }).expect("text is JSON"),
};

/// The database roles to provision, as hoop's clients ask for them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDbRoleJob)]
struct Document<'a> {
    /// The agent that reaches the database, a UUID.
    #[schema(format = Uuid, example = "a1b2c3d4-e5f6-7890-abcd-ef1234567890")]
    agent_id: String,
    /// The beginning of the names of the connections to create.
    #[schema(min_length = 1, max_length = 256, example = "prod-postgres-")]
    connection_prefix_name: String,
    /// What to do besides provisioning the roles, each step once.
    job_steps: Vec<Step>,
    /// The vault in which to store the credentials; without it they are stored in the database.
    #[serde(borrow)]
    #[schema(value_type = Option<Vault>)]
    vault_provider: Option<&'a RawValue>,
    /// The database instance in AWS.
    #[serde(borrow)]
    #[schema(value_type = Aws)]
    aws: &'a RawValue,
}

/// A step of a job besides provisioning the roles.
#[derive(Deserialize, Serialize, ToSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DbRoleJobStep)]
enum Step {
    CreateConnections,
    SendWebhook,
}

/// Where a vault stores the credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDbRoleJobVault)]
struct Vault {
    /// The path in the vault.
    #[schema(min_length = 1, max_length = 256, example = "dbsecrets/data")]
    secret_id: String,
}

/// A database instance in AWS.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDbRoleJobAws)]
struct Aws<'a> {
    /// The ARN of the instance, of seven parts.
    #[schema(example = "arn:aws:rds:us-west-2:123456789012:db:my-instance")]
    instance_arn: String,
    /// The security group that lets the agent in.
    #[serde(borrow)]
    #[schema(value_type = Option<SecurityGroup>)]
    default_security_group: Option<&'a RawValue>,
}

/// A security group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDbRoleJobSecurityGroup)]
struct SecurityGroup {
    /// The addresses from which the agent connects, in CIDR notation.
    #[schema(min_length = 1, max_length = 256, example = "192.168.1.0/24")]
    ingress_cidr: String,
}

/// The job that was created.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedDbRoleJob)]
struct CreatedJob<'a> {
    /// Its id, a UUID.
    #[schema(format = Uuid)]
    job_id: &'a str,
}

/// Create a DB Role Job.
///
/// The spec of the job has the ARN of the instance, and `db_engine` is empty, because the body names no engine. `agent_id`,
/// `connection_prefix_name`, `job_steps`, `vault_provider.secret_id` and `aws.default_security_group.ingress_cidr` become labels of
/// these names. Each request creates a job.
#[utoipa::path(
    post, path = "/dbroles/jobs", tag = "dbrole", operation_id = "create_db_role_job",
    request_body(content = Document, content_type = "application/json"),
    responses(
        (status = 202, description = "The job is in the log, pending", body = CreatedJob,
            headers(("Location" = String, description = "The path of the job"))),
        (status = 400, description = "The body is no such job; `message` names the member"),
        (status = 403, description = "The role may not create these jobs here"),
        (status = 406, description = "`Accept` does not allow JSON"),
        (status = 408, description = "The body took too long"),
        (status = 413, description = "A body over 16 MiB"),
        (status = 415, description = "Another content type than `application/json`, or a content encoding other than gzip and zstd"),
        (status = 503, description = "Overloaded, read-only, stopping, or the outcome is unknown"),
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Response, Error> {
    caller.require(Capability::CreateRoleJobs)?;
    create_job(app, caller, params, request, CREATION).await
}

/// The data of `job.created`.
#[derive(Serialize)]
struct Data<'a> {
    kind: &'static str,
    spec: Spec<'a>,
    labels: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Spec<'a> {
    db_arn: &'a str,
    db_engine: &'static str,
}

fn data(document: &str) -> Result<String, Reject> {
    let document: Document<'_> = read_document("", document)?;
    let aws: Aws<'_> = read_document("/aws", document.aws.get())?;
    check_arn(&aws.instance_arn)?;
    let agent = Uuid::try_parse(&document.agent_id);
    let agent = agent.map_err(|_| invalid("/agent_id", "expected a UUID"))?;
    let mut labels = BTreeMap::from([
        ("agent_id", agent.hyphenated().to_string()),
        ("connection_prefix_name", filled("/connection_prefix_name", document.connection_prefix_name)?),
        ("job_steps", steps(&document.job_steps)?),
    ]);
    if let Some(vault) = document.vault_provider {
        let Vault { secret_id } = read_document("/vault_provider", vault.get())?;
        labels.insert("vault_provider.secret_id", filled("/vault_provider/secret_id", secret_id)?);
    }
    if let Some(group) = aws.default_security_group {
        let root = "/aws/default_security_group";
        let SecurityGroup { ingress_cidr } = read_document(root, group.get())?;
        let cidr = filled("/aws/default_security_group/ingress_cidr", ingress_cidr)?;
        labels.insert("aws.default_security_group.ingress_cidr", cidr);
    }
    let spec = Spec { db_arn: &aws.instance_arn, db_engine: "" };
    Ok(serde_json::to_string(&Data { kind: "dbrole", spec, labels }).expect("text is JSON"))
}

/// The place in the document of a pointer into the event. A label has the path of its member, with dots, as its name.
fn place(pointer: &str) -> String {
    match pointer.strip_prefix("/data/labels/") {
        Some(label) => format!("/{}", label.replace('.', "/")),
        None if pointer == "/data/spec/db_arn" => "/aws/instance_arn".to_owned(),
        None => String::new(),
    }
}

/// The words of the steps with commas between them.
fn steps(steps: &[Step]) -> Result<String, Reject> {
    let is_again = |(n, step): (usize, &Step)| steps[..n].contains(step);
    if steps.iter().enumerate().any(is_again) {
        return Err(invalid("/job_steps", "expected each step once"));
    }
    let word = |step: &Step| match step {
        Step::CreateConnections => "create-connections",
        Step::SendWebhook => "send-webhook",
    };
    Ok(steps.iter().map(word).collect::<Vec<_>>().join(","))
}

/// Checks that an ARN names an account and an instance, as hoop's server does.
fn check_arn(arn: &str) -> Result<(), Reject> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, _, _, account, _, instance] if !account.is_empty() && !instance.is_empty() => Ok(()),
        _ => Err(invalid("/aws/instance_arn", "expected an ARN such as `arn:aws:rds:REGION:ACCOUNT:db:INSTANCE`")),
    }
}

fn filled(place: &'static str, text: String) -> Result<String, Reject> {
    if text.is_empty() { Err(invalid(place, "expected a text that is not empty")) } else { Ok(text) }
}

fn invalid(place: &'static str, detail: &str) -> Reject {
    Reject::Invalid { pointer: place.into(), detail: detail.to_owned() }
}
