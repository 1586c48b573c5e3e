//! The triggers of `log.db` refuse every change that the code must never make. The tests try each change by SQL.

use jobledger::access::Role;
use rusqlite::Connection;
use serde_json::json;

use crate::support::rows::{EventRow, open};
use crate::support::{TestServer, event, noted, started, task_job};

/// A closed log: job `b` at 1, job `a` at 2, 3 and 5, job `b` again at 4.
fn log() -> (TestServer, Connection) {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("b"), task_job("a"), started("a"), started("b"), noted("a", "secret")])).expect(201);
    worker.append(&event("job.cancelled", "a", json!({}))).expect(201);
    server.stop();
    let conn = open(&server.path().join("log.db"));
    (server, conn)
}

/// Everything in the log, as text.
fn dump(conn: &Connection) -> Vec<String> {
    ["event", "job", "source", "org", "node", "checkpoint"]
        .iter()
        .flat_map(|table| {
            let mut statement = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                Ok((0..columns).map(|n| format!("{:?} ", row.get_ref(n).unwrap())).collect::<String>())
            };
            statement.query_map([], row).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        })
        .collect()
}

/// Runs `attempt`. Checks that it was refused for the reason `why` and changed nothing.
#[track_caller]
fn refused(conn: &Connection, why: &str, attempt: impl FnOnce(&Connection) -> Result<usize, rusqlite::Error>) {
    let before = dump(conn);
    let error = attempt(conn).expect_err("a refusal").to_string();
    assert!(error.contains(why), "expected a refusal for `{why}`, found: {error}");
    assert_eq!(dump(conn), before);
}

#[test]
fn the_log_refuses_every_update() {
    let (_server, conn) = log();
    let changes = [
        "position = 100",
        "leaf = x'7b7d'",
        "data = x'7b7d'",
        "data = NULL",
        "salt = zeroblob(32)",
        "org = 0",
        "job = 1",
        "job = NULL",
        "prev = 4",
        "prev = NULL",
        "source = source + 1",
        "id = 'x'",
        "type = 'job.failed'",
        "version = 2",
        "kind = 'rule'",
        "kind = NULL",
        "recorded = recorded + 1",
        "id = id",
    ];
    for change in changes {
        let sql = format!("UPDATE event SET {change} WHERE position = 5");
        refused(&conn, "events are never changed", |conn| conn.execute(&sql, []));
    }
    refused(&conn, "events are never changed", |conn| {
        conn.execute("UPDATE OR REPLACE event SET position = 3 WHERE position = 5", [])
    });
    // Not even what a redaction does, without one in the log.
    refused(&conn, "events are never changed", |conn| conn.execute("UPDATE event SET data = NULL, salt = NULL", []));
    refused(&conn, "jobs are never changed", |conn| conn.execute("UPDATE job SET subject = 'x'", []));
    refused(&conn, "sources are never changed", |conn| conn.execute("UPDATE source SET uri = 'x'", []));
    refused(&conn, "organisations are never changed", |conn| conn.execute("UPDATE org SET uuid = uuid || 'x'", []));
    refused(&conn, "nodes are never changed", |conn| conn.execute("UPDATE node SET hash = zeroblob(32)", []));
    refused(&conn, "checkpoints are never changed", |conn| conn.execute("UPDATE checkpoint SET size = size + 1", []));
}

#[test]
fn the_log_refuses_to_delete_or_replace() {
    let (_server, conn) = log();
    refused(&conn, "events are never deleted", |conn| conn.execute("DELETE FROM event WHERE position = 6", []));
    refused(&conn, "events are never deleted", |conn| conn.execute("DELETE FROM event", []));
    refused(&conn, "jobs are never deleted", |conn| conn.execute("DELETE FROM job", []));
    refused(&conn, "sources are never deleted", |conn| conn.execute("DELETE FROM source", []));
    refused(&conn, "organisations are never deleted", |conn| conn.execute("DELETE FROM org", []));
    refused(&conn, "nodes are never deleted", |conn| conn.execute("DELETE FROM node WHERE number = 3", []));
    refused(&conn, "checkpoints are never deleted", |conn| conn.execute("DELETE FROM checkpoint", []));
    for verb in ["INSERT OR REPLACE", "REPLACE", "INSERT"] {
        refused(&conn, "an event follows the newest", |conn| EventRow::at(conn, 6).write(conn, verb));
    }
    // At the right place, but with the name of an earlier event.
    let next = EventRow::next(&conn, "job.noted", 1, r#"{"text":"x"}"#);
    let named = EventRow { id: EventRow::at(&conn, 5).id, ..next };
    refused(&conn, "events are never deleted", |conn| named.write(conn, "INSERT OR REPLACE"));
    refused(&conn, "UNIQUE constraint failed", |conn| named.write(conn, "INSERT"));
    // A node is written once.
    let again = "INSERT INTO node SELECT number, level, idx, zeroblob(32) FROM node WHERE number = 3";
    refused(&conn, "UNIQUE constraint failed: node.number", |conn| conn.execute(again, []));
    for (table, columns) in [
        ("job", "id, org, subject, kind"),
        ("source", "id, org, uri"),
        ("org", "id, uuid"),
        ("node", "number, level, idx, hash"),
        ("checkpoint", "number, size, note"),
    ] {
        let sql = format!("INSERT OR REPLACE INTO {table} ({columns}) SELECT {columns} FROM {table} LIMIT 1");
        refused(&conn, "are never deleted", |conn| conn.execute(&sql, []));
    }
}

#[test]
fn an_event_follows_the_newest_in_place_and_time() {
    let (_server, conn) = log();
    let next = EventRow::next(&conn, "job.noted", 1, r#"{"text":"x"}"#);
    let not_following = [
        ("a gap", EventRow { position: 8, ..next.clone() }),
        ("a place that is taken", EventRow { position: 3, prev: Some(2), ..next.clone() }),
        ("before the beginning", EventRow { position: -1, prev: Some(-2), ..next.clone() }),
        ("a falling time", EventRow { recorded: next.recorded - 1, ..next.clone() }),
        ("another job's event", EventRow { prev: Some(4), ..next.clone() }),
        ("an event that is not there", EventRow { prev: Some(7), ..next.clone() }),
    ];
    for (what, row) in not_following {
        let error = row.write(&conn, "INSERT").expect_err(what).to_string();
        assert!(error.contains("an event follows the newest"), "{what}: {error}");
    }
    // The same row without a fault is taken, so it was the fault that was refused.
    assert_eq!(next.write(&conn, "INSERT").unwrap(), 1);
}

#[test]
fn a_history_does_not_fork() {
    let (_server, conn) = log();
    let next = EventRow::next(&conn, "job.noted", 1, r#"{"text":"x"}"#);
    // Beside an event that has a follower already, and a second first one.
    for prev in [2, 3, 5, 0] {
        let row = EventRow { prev: Some(prev), ..next.clone() };
        for verb in ["INSERT", "INSERT OR REPLACE"] {
            refused(&conn, "its own job's newest", |conn| row.write(conn, verb));
        }
    }
}

#[test]
fn the_log_refuses_an_incomplete_row() {
    let (_server, conn) = log();
    let next = EventRow::next(&conn, "job.noted", 1, r#"{"text":"x"}"#);
    let broken = [
        EventRow { prev: None, ..next.clone() },
        EventRow { job: None, prev: Some(0), ..next.clone() },
        EventRow { kind: None, ..next.clone() },
        EventRow { org: 0, ..next.clone() },
        EventRow { data: None, ..next.clone() },
        EventRow { salt: None, ..next.clone() },
        EventRow { salt: Some(vec![0; 31]), ..next.clone() },
        EventRow { leaf: Vec::new(), ..next.clone() },
        EventRow { leaf: vec![b'x'; 16 * 1024 + 1], ..next.clone() },
        EventRow { job: None, prev: None, kind: None, ..next },
    ];
    for (n, row) in broken.iter().enumerate() {
        refused(&conn, "CHECK constraint failed", |conn| row.write(conn, "INSERT").inspect(|_| panic!("row {n}")));
    }
    refused(&conn, "CHECK constraint failed", |conn| {
        conn.execute("INSERT INTO job (org, subject, kind) VALUES (0, 'x', 'task')", [])
    });
}

#[test]
fn a_recorded_redaction_lets_one_update_pass() {
    let (_server, conn) = log();
    let redaction = EventRow::next(&conn, "job.redacted", 1, r#"{"position":5,"reason":"a secret"}"#);
    assert_eq!(redaction.write(&conn, "INSERT").unwrap(), 1);
    let kept = EventRow::at(&conn, 5);
    // The triggers refuse half of the update, a larger update, and an update of another event.
    for sql in [
        "UPDATE event SET data = NULL WHERE position = 5",
        "UPDATE event SET salt = NULL WHERE position = 5",
        "UPDATE event SET data = x'7b7d', salt = zeroblob(32) WHERE position = 5",
        "UPDATE event SET data = NULL, salt = NULL, leaf = x'7b7d' WHERE position = 5",
        "UPDATE event SET data = NULL, salt = NULL, recorded = recorded + 1 WHERE position = 5",
        "UPDATE event SET data = NULL, salt = NULL WHERE position = 4",
        "UPDATE event SET data = NULL, salt = NULL WHERE position = 3",
    ] {
        refused(&conn, "events are never changed", |conn| conn.execute(sql, []));
    }
    assert_eq!(conn.execute("UPDATE event SET data = NULL, salt = NULL WHERE position = 5", []).unwrap(), 1);
    let redacted = EventRow::at(&conn, 5);
    assert_eq!((redacted.data, redacted.salt), (None, None));
    assert_eq!((redacted.leaf, redacted.id, redacted.prev), (kept.leaf, kept.id, kept.prev));
    // The triggers refuse to restore the data.
    let sql = "UPDATE event SET data = x'7b7d', salt = zeroblob(32) WHERE position = 5";
    refused(&conn, "events are never changed", |conn| conn.execute(sql, []));
}
