//! The buckets of a cluster: small tables in NATS, for the lease and for the members.

use std::time::Duration;

use async_nats::jetstream::kv::{Config, Store};
use async_nats::jetstream::stream::StorageType;
use async_nats::{Client, jetstream};

use super::NatsError;

/// Most copies of a bucket.
const REPLICAS: usize = 3;

/// Opens a bucket; `doing` says which one.
///
/// # Errors
///
/// There is no such bucket, or the servers do not answer.
pub async fn open_bucket(client: &Client, name: String, doing: &'static str) -> Result<Store, NatsError> {
    jetstream::new(client.clone()).get_key_value(name).await.map_err(NatsError::doing(doing))
}

/// Makes a bucket with `replicas` copies, 3 at the most, unless it is there. An entry lapses after `lapse`; never, if that is zero.
///
/// # Errors
///
/// The bucket is there and set otherwise, or the servers refuse.
pub async fn create_bucket(
    client: &Client,
    name: String,
    replicas: usize,
    lapse: Duration,
    doing: &'static str,
) -> Result<Store, NatsError> {
    let config = Config {
        bucket: name,
        max_age: lapse,
        history: 1,
        num_replicas: replicas.min(REPLICAS),
        storage: StorageType::File,
        ..Config::default()
    };
    jetstream::new(client.clone()).create_key_value(config).await.map_err(NatsError::doing(doing))
}
