//! What describes the API: `/openapi.json`, `/docs`, `/schema/…`, and the schemas that stand for stored shapes.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use include_dir::{Dir, include_dir};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::app::App;
use super::error::{Error, Problem};
use crate::job::Event;
use crate::model::{KindName, described};

static EVENT_SCHEMAS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schema/events");

/// The head of the API description; the paths come with the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "jobledger",
        description = "An append-only, event-sourced ledger of access-governance jobs. Workers append events; three documented job \
                       APIs, the ledger's own reads and server-sent-event tails show what became of them. Every read of what may \
                       change carries `Ledger-Position`, the position that it shows.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "ledger", description = "The ledger's own API"),
        (name = "dbrole", description = "Database-role jobs"),
        (name = "task", description = "Background jobs"),
        (name = "rule", description = "Authorization-rule jobs"),
        (name = "tree", description = "What the ledger has signed, and proofs of it: C2SP tlog-tiles, tlog-checkpoint, tlog-proof"),
        (name = "operation", description = "Operation"),
        (name = "session", description = "Browsers"),
        (name = "description", description = "This description"),
    ),
    paths(super::tree::hashes, super::tree::entries),
    components(schemas(EventType, Problem)),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
pub struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token made by `jobledger token create`"))
            .build();
        openapi.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// What a browser may load for `/docs`: what this server has, and the pictures that its style sheet carries in itself.
const FROM_HERE_ONLY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What caches may do with an answer that is the same for everyone: keep it, and ask whether it is still good.
const FOR_EVERYONE: &str = "no-cache";

/// `/docs`: the description as a page that needs nothing from outside. By itself it would show a badge that another host
/// draws.
pub fn reference() -> Router<App> {
    let config = Config::from("/openapi.json").use_base_layout().validator_url("none").try_it_out_enabled(false);
    Router::from(SwaggerUi::new("/docs").config(config)).route_layer(map_response(async |mut page: Response| {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FROM_HERE_ONLY));
        page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVERYONE));
        page
    }))
}

/// The API description (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", tag = "description", security(()),
    responses((status = 200, description = "The description", body = Object, content_type = "application/json")))]
pub async fn openapi(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, FOR_EVERYONE)], app.openapi.clone()).into_response()
}

/// The JSON Schema of an event's data.
#[utoipa::path(get, path = "/schema/events/{name}", tag = "description", security(()),
    params(("name" = String, Path, description = "`<type>.v<N>.json`", example = "job.created.v1.json")),
    responses(
        (status = 200, description = "The schema", body = Object, content_type = "application/schema+json"),
        (status = 404, description = "No such schema"),
    ))]
pub async fn event_schema(Path(name): Path<String>) -> Result<Response, Error> {
    match EVENT_SCHEMAS.get_file(&name) {
        Some(file) => {
            let headers = [(CONTENT_TYPE, "application/schema+json"), (CACHE_CONTROL, FOR_EVERYONE)];
            Ok((headers, file.contents()).into_response())
        }
        None => {
            Err(Error::new(StatusCode::NOT_FOUND, "no-such-schema", "no such schema; names are `<type>.v<N>.json`"))
        }
    }
}

/// The parameters of every single-job read.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what `Params::reading` takes")]
pub struct ReadingParams {
    /// A position or an RFC 3339 time of recording (inclusive): the answer as the ledger stood then.
    #[param(example = "2025-02-28T12:34:56Z")]
    as_of: Option<String>,
    /// Answer only when the views show this position.
    min_position: Option<u64>,
    /// The job's organisation, for auditors.
    org: Option<uuid::Uuid>,
}

/// What every single-job read may answer besides what its own document says.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "describes what `single_job` answers")]
pub enum LiveAnswers {
    /// Live, and `Last-Event-ID` is at or past the job's end
    #[response(status = 204)]
    Ended,
    /// The views are not there yet
    #[response(status = 503)]
    Late,
}

/// What a read with an `ETag` may answer besides.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "describes what `single_job` answers")]
pub enum Revisioned {
    /// The caller's `If-None-Match` names this revision
    #[response(status = 304)]
    Known,
}

/// A CloudEvent as a producer sends it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "specversion": "1.0", "id": "1", "source": "/workers/sync-1", "type": "job.created", "subject": "job-124",
    "data": {"kind": "task", "spec": {"job_type": "full_sync"}}
}))]
#[allow(dead_code, reason = "describes what `wire::single` reads")]
pub struct CloudEventIn {
    /// Always "1.0".
    #[schema(example = "1.0", pattern = "^1\\.0$")]
    specversion: String,
    /// Unique for ever together with `source`.
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]+$")]
    id: String,
    /// The producer.
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]+$", example = "/workers/sync-1")]
    source: String,
    /// What happened.
    r#type: ProducedType,
    /// The job; only `job.created` may leave it out, and then the ledger mints one.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:-]+$")]
    subject: Option<String>,
    /// When it happened; the ledger's clock where absent.
    time: Option<chrono::DateTime<chrono::Utc>>,
    /// `application/json` where present.
    #[schema(pattern = "^application/json$")]
    datacontenttype: Option<String>,
    /// As `/schema/events/<type>.v1.json` says.
    #[schema(nullable = false)]
    data: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One event or a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes what `application/json` may hold")]
pub enum CloudEventInOrBatch {
    /// One event.
    One(CloudEventIn),
    /// 1 to 1000 events.
    Batch(Vec<CloudEventIn>),
}

/// A CloudEvent as the ledger shows it.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes what `wire::cloudevent` writes")]
pub struct CloudEvent {
    /// Always "1.0".
    specversion: String,
    /// The producer's id.
    id: String,
    /// The producer.
    source: String,
    /// What happened.
    r#type: String,
    /// The job; absent on the ledger's own events.
    subject: Option<String>,
    /// When it happened.
    time: chrono::DateTime<chrono::Utc>,
    /// Always `application/json`.
    datacontenttype: String,
    /// The schema of `data`, on this server.
    dataschema: String,
    /// Its place in the log, decimal.
    #[schema(pattern = "^[0-9]+$")]
    position: String,
    /// When the ledger recorded it, six digits.
    recordedtime: chrono::DateTime<chrono::Utc>,
    /// Who the ledger saw do it.
    actor: String,
    /// The organisation; absent on the ledger's own events.
    orgid: Option<uuid::Uuid>,
    /// The job's kind; absent on the ledger's own events.
    jobkind: Option<KindName>,
    /// As `dataschema` says; `"[redacted]"` where it was erased.
    data: serde_json::Value,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes what `Events::answer` writes")]
pub struct EventPage {
    /// In order; may be short, or empty, with a `next`.
    events: Vec<CloudEvent>,
    /// `after` of the next page; null at the head.
    #[schema(minimum = 0)]
    next: Option<u64>,
    /// The newest position, or that of `as_of`.
    #[schema(minimum = 0)]
    head: u64,
}

described! {
    /// An event that a producer may send.
    ProducedType = Event::TYPES.iter().copied();
    /// An event that can be filtered for.
    EventType = super::events::types();
}
