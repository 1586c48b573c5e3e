//! Every error code with its status: one table. The codes are part of the API and never change; `docs/guide.md` and the OpenAPI
//! description name them.

use axum::http::StatusCode;

/// A stable code of an error, and the status that it is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The status.
    pub status: StatusCode,
    /// The code, as programs read it.
    pub name: &'static str,
}

macro_rules! codes {
    ($($status:ident { $($name:ident $text:literal)+ })+) => {
        impl Code {$($(
            #[doc = concat!("`", $text, "`")]
            pub const $name: Code = Code { status: StatusCode::$status, name: $text };
        )+)+}
    };
}

codes! {
    BAD_REQUEST {
        BAD_REQUEST "bad-request"
        BAD_PARAMETER "bad-parameter"
        BEYOND_HEAD "beyond-head"
        NOT_A_CLOUDEVENT "not-a-cloudevent"
    }
    UNAUTHORIZED { UNAUTHORIZED "unauthorized" }
    FORBIDDEN {
        FORBIDDEN "forbidden"
        SOURCE_NOT_YOURS "source-not-yours"
        SOURCE_OWNED "source-owned"
    }
    NOT_FOUND {
        NOT_FOUND "not-found"
        NO_SUCH_JOB "no-such-job"
        NO_SUCH_EVENT "no-such-event"
        NO_SUCH_TILE "no-such-tile"
        NO_SUCH_SCHEMA "no-such-schema"
        NO_SUCH_WEBHOOK "no-such-webhook"
        NO_CHECKPOINT "no-checkpoint"
        NOT_COVERED "not-covered"
    }
    METHOD_NOT_ALLOWED { METHOD_NOT_ALLOWED "method-not-allowed" }
    NOT_ACCEPTABLE { NOT_ACCEPTABLE "not-acceptable" }
    REQUEST_TIMEOUT { BODY_TIMEOUT "body-timeout" }
    CONFLICT {
        LIFECYCLE "lifecycle"
        LEASE_LOST "lease-lost"
        NOT_REPEATABLE "not-repeatable"
        ID_REUSED "id-reused"
    }
    PRECONDITION_FAILED { PRECONDITION_FAILED "precondition-failed" }
    PAYLOAD_TOO_LARGE { TOO_LARGE "too-large" }
    URI_TOO_LONG { URI_TOO_LONG "uri-too-long" }
    UNSUPPORTED_MEDIA_TYPE {
        UNSUPPORTED_MEDIA_TYPE "unsupported-media-type"
        UNSUPPORTED_ENCODING "unsupported-encoding"
    }
    RANGE_NOT_SATISFIABLE { RANGE_NOT_SATISFIABLE "range-not-satisfiable" }
    UNPROCESSABLE_ENTITY {
        INVALID "invalid"
        SECRET "secret"
        JOB_FULL "job-full"
        BUNDLE_TOO_LARGE "bundle-too-large"
        TOO_MANY_WEBHOOKS "too-many-webhooks"
    }
    REQUEST_HEADER_FIELDS_TOO_LARGE { HEADERS_TOO_LARGE "headers-too-large" }
    INTERNAL_SERVER_ERROR {
        INTERNAL "internal"
        REBUILD_FAILED "rebuild-failed"
    }
    SERVICE_UNAVAILABLE {
        OVERLOADED "overloaded"
        VIEWS_BEHIND "views-behind"
        READ_ONLY "read-only"
        STOPPING "stopping"
        NO_LEADER "no-leader"
        STREAM_SILENT "stream-silent"
        OUTCOME_UNKNOWN "outcome-unknown"
        ERASURE_PENDING "erasure-pending"
        JOB_UNREADABLE "job-unreadable"
        NOT_REACHED "not-reached"
        READS_BUSY "reads-busy"
        UNSETTLED "unsettled"
        ACCESS_UNAVAILABLE "access-unavailable"
        WEBHOOKS_UNAVAILABLE "webhooks-unavailable"
        TOO_MANY_TAILS "too-many-tails"
        TOO_MANY_EXPORTS "too-many-exports"
        TOO_MANY_BUNDLES "too-many-bundles"
        TOO_MANY_ANSWERS "too-many-answers"
        TOO_MANY_CLAIMS "too-many-claims"
    }
}
