//! The rows of a job's items. The table `item` has the newest results, and `snapshot_item` has replaced results.

use std::sync::OnceLock;

use rusqlite::{Connection, Row};

use super::Error;
use super::columns::{Columns, ItemColumn as C, number, signed, text, write};
use super::snapshot::Replaced;
use crate::job::{Credentials, Detail, Item, RawJson, Time};

/// Reads a row of [`C::LIST`].
pub(super) fn read_item(row: &Row<'_>) -> Result<Item, Error> {
    let row = Columns::of(row);
    Ok(Item {
        id: row.word(C::Item)?,
        status: row.word(C::Status)?,
        message: row.get(C::Message)?,
        detail: read_detail(&row)?,
        at: row.time(C::At)?,
        since: row.number(C::Since)?,
    })
}

fn read_detail(row: &Columns<'_, '_, C>) -> Result<Option<Detail>, Error> {
    let Some(provider) = row.word_if(C::Provider)? else {
        return Ok(row.get::<Option<String>>(C::Detail)?.map(|json| Detail::Json(RawJson(json.into()))));
    };
    let keys: String = row.get(C::SecretKeys)?;
    Ok(Some(Detail::Credentials(Credentials {
        provider,
        secret_id: row.get(C::SecretId)?,
        secret_keys: serde_json::from_str(&keys).map_err(|error| Error::Damaged(error.to_string()))?,
    })))
}

/// Writes the newest result of the item at `place` of the job.
pub(super) fn write_newest(conn: &Connection, job: i64, place: usize, item: &Item) -> Result<(), rusqlite::Error> {
    static SQL: OnceLock<String> = OnceLock::new();
    write_item(conn, &SQL, "INSERT OR REPLACE INTO item (job, seq", &[job, place as i64], item)
}

/// Writes a result that a snapshot shows and a later event replaced.
pub(super) fn write_replaced(conn: &Connection, job: i64, replaced: &Replaced) -> Result<(), rusqlite::Error> {
    static SQL: OnceLock<String> = OnceLock::new();
    let Replaced { place, until, item } = replaced;
    let keys = [job, *place as i64, *until as i64];
    write_item(conn, &SQL, "INSERT INTO snapshot_item (job, seq, until", &keys, item)
}

fn write_item(
    conn: &Connection,
    sql: &OnceLock<String>,
    insert: &str,
    keys: &[i64],
    item: &Item,
) -> Result<(), rusqlite::Error> {
    let (info, json) = match &item.detail {
        Some(Detail::Credentials(info)) => (Some(info), None),
        Some(Detail::Json(json)) => (None, Some(&*json.0)),
        None => (None, None),
    };
    let secret_keys = info.map(|info| serde_json::to_string(&info.secret_keys).expect("keys are text"));
    let cells = [
        (C::Item, text(Some(item.id.as_str()))),
        (C::Status, text(Some(item.status.as_str()))),
        (C::Message, text(item.message.as_deref())),
        (C::Provider, text(info.map(|info| info.provider.as_str()))),
        (C::SecretId, text(info.map(|info| info.secret_id.as_str()))),
        (C::SecretKeys, text(secret_keys.as_deref())),
        (C::Detail, text(json)),
        (C::At, signed(item.at.map(Time::nanos))),
        (C::Since, number(item.since)),
    ];
    let compose = |names: &[&str]| {
        let values = vec!["?"; keys.len() + names.len()].join(", ");
        format!("{insert}, {}) VALUES ({values})", names.join(", "))
    };
    write(conn, sql, compose, keys, &cells).map(drop)
}
