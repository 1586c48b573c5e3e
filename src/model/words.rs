//! The words of the code, as the API describes them.

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::job::{ItemStatus, Kind, Provider, Status, TaskType};

/// Makes schemas of closed lists of words.
macro_rules! described {
    ($(#[doc = $doc:literal] $name:ident = $words:expr;)+) => {$(
        #[doc = $doc]
        #[derive(Serialize)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let object = ObjectBuilder::new().schema_type(Type::String).description(Some($doc.trim()));
                object.enum_values(Some($words)).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

pub(crate) use described;

described! {
    /// The kind of a job. It says which documented API shows the job.
    KindName = Kind::ALL.iter().map(|word| word.as_str());
    /// The state of a job.
    StatusName = Status::ALL.iter().map(|word| word.as_str());
    /// The status of an item.
    ItemStatusName = ItemStatus::ALL.iter().map(|word| word.as_str());
    /// A secrets manager.
    ProviderName = Provider::ALL.iter().map(|word| word.as_str());
    /// The type of a background job.
    TaskTypeName = TaskType::ALL.iter().map(|word| word.as_str());
}
