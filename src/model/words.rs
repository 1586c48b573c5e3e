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
    /// What sort of job it is: which documented API shows it, if any.
    KindName = Kind::ALL.iter().map(|word| word.as_str());
    /// Where a job stands.
    StatusName = Status::ALL.iter().map(|word| word.as_str());
    /// Where an item stands.
    ItemStatusName = ItemStatus::ALL.iter().map(|word| word.as_str());
    /// Who keeps credentials.
    ProviderName = Provider::ALL.iter().map(|word| word.as_str());
    /// The type of a background job.
    TaskTypeName = TaskType::ALL.iter().map(|word| word.as_str());
}
