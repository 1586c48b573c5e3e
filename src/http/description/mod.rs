//! The OpenAPI description of every route: its head, shared parameters and answers, and schemas that no other type gives.
//!
//! Not here: what one route alone takes and answers (beside its handler), and the routes that serve the description (`routes`).

mod complete;
mod schemas;
mod shared;

pub use complete::{complete, routes_with_errors};
pub use schemas::{CloudEvent, CloudEventInOrBatch, EventPage, EventType, ListOrder};
pub use shared::{ETagAnswers, EventReadAnswers, JobFilterParams, SingleJobAnswers, SingleJobParams};

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::http::answer::Problem;
use crate::http::routes::tree;
use crate::model::{JobChange, ListChange, ListSnapshot};

/// The head of the API description; the paths come with the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "jobledger",
        description = "An append-only, event-sourced ledger of access-governance jobs. Workers append events; three documented job \
                       APIs, the ledger's own reads and server-sent-event tails show what became of them. Every read of what may \
                       change carries `Ledger-Position`, the position that it shows. On a node of a cluster a request with \
                       `Ledger-Position` waits until the node has that position, and `Ledger-Consistency: strong` asks for \
                       everything that any node answered before.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "ledger", description = "The ledger's own API"),
        (name = "dbrole", description = "Database-role jobs"),
        (name = "task", description = "Background jobs"),
        (name = "rule", description = "Authorization-rule jobs"),
        (name = "webhooks", description = "Events by HTTP POST, for receivers that hold no stream"),
        (name = "tree", description = "What the ledger has signed, and proofs of it: C2SP tlog-tiles, tlog-checkpoint, tlog-proof"),
        (name = "operation", description = "Operation"),
        (name = "session", description = "Browsers"),
        (name = "description", description = "This description"),
    ),
    paths(tree::hashes, tree::entries),
    components(schemas(EventType, ListOrder, Problem, ListSnapshot, ListChange, JobChange)),
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
