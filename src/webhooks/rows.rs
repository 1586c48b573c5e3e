//! Webhooks as rows of `webhooks.db`.

use std::str::FromStr;

use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row};

use super::receiver::Receiver;
use super::signature::Secret;
use super::webhook::{State, Webhook, WebhookId};
use crate::job::{BadId, EventType, Kind, Time};

const COLUMNS: &str =
    "id, org, url, types, kind, created_at, position, state, failures, last_error, next_try_at, secret, revision";

/// The webhooks that `condition` chooses, the oldest first.
pub(super) fn select(conn: &Connection, condition: &str, params: impl Params) -> Result<Vec<Webhook>, rusqlite::Error> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM webhook WHERE {condition} ORDER BY number"))?;
    statement.query_map(params, webhook)?.collect()
}

fn webhook(row: &Row<'_>) -> Result<Webhook, rusqlite::Error> {
    let types: String = row.get(3)?;
    Ok(Webhook {
        id: WebhookId::stored(row.get(0)?),
        org: row.get(1)?,
        receiver: Receiver::stored(row.get(2)?),
        types: types.split_whitespace().map(str::to_owned).collect(),
        kind: row.get_ref(4)?.as_str_or_null()?.map(|text| parsed::<Kind>(4, text)).transpose()?,
        created: Time::from_micros(row.get(5)?),
        position: row.get(6)?,
        state: parsed::<State>(7, row.get_ref(7)?.as_str()?)?,
        failures: row.get(8)?,
        last_error: row.get(9)?,
        next_try: row.get::<_, Option<i64>>(10)?.map(Time::from_micros),
        secret: Secret::stored(row.get(11)?),
        revision: row.get(12)?,
    })
}

/// The types as the column holds them.
pub(super) fn types_column(types: &[EventType]) -> String {
    types.iter().map(|one| format!("{one} ")).collect()
}

fn parsed<T: FromStr<Err = BadId>>(column: usize, text: &str) -> Result<T, rusqlite::Error> {
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
