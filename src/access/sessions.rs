//! The writes of a server into `access.db`: browser sessions, and the last use of tokens.

use std::collections::HashMap;

use rusqlite::params;

use super::error::{AccessError, attempt};
use super::principal::Principal;
use super::store::Access;
use super::token::{Secret, session_hash};
use crate::job::Time;

/// How long a browser stays signed in, in seconds: 12 h.
pub const SESSION_SECONDS: u32 = 12 * 3600;
/// Most sessions of one token. One more ends the oldest.
pub const MAX_SESSIONS_OF_TOKEN: u32 = 20;
/// Most sessions in all. One more ends the oldest.
pub const MAX_SESSIONS: u32 = 10_000;

impl Access {
    /// Makes a session, and ends the oldest sessions beyond the limits. The returned secret goes into a cookie.
    ///
    /// If the principal's secret has ended meanwhile, the session is not stored, and no request may use it.
    pub(super) fn sign_in(&self, principal: &Principal, now: Time) -> Result<Secret, AccessError> {
        let session = Secret::session();
        self.change("sign in", |file| {
            file.execute("DELETE FROM session WHERE expires_at <= ?1", [now.micros()])?;
            let sql = "INSERT INTO session (hash, secret, expires_at) SELECT ?1, hash, ?3 FROM secret WHERE hash = ?2";
            let until = now.plus(i64::from(SESSION_SECONDS) * 1_000_000_000);
            let values = params![session_hash(session.reveal()), principal.secret, until.micros()];
            file.execute(sql, values)?;
            let sql = "DELETE FROM session WHERE id IN (SELECT session.id FROM session \
                       JOIN secret ON secret.hash = session.secret WHERE secret.token = ?1 \
                       ORDER BY session.id DESC LIMIT -1 OFFSET ?2)";
            file.execute(sql, params![principal.id, MAX_SESSIONS_OF_TOKEN])?;
            let sql = "DELETE FROM session WHERE id IN (SELECT id FROM session ORDER BY id DESC LIMIT -1 OFFSET ?1)";
            file.execute(sql, [MAX_SESSIONS])?;
            Ok(session)
        })
    }

    /// Deletes a session. An unknown session is no error.
    pub(super) fn sign_out(&self, session: &[u8; 32]) -> Result<(), AccessError> {
        attempt("sign out", || self.conn.execute("DELETE FROM session WHERE hash = ?1", [session])).map(|_| ())
    }

    /// Stores when tokens were last used, by token. Writes nothing for none.
    pub(super) fn write_used(&self, used: &HashMap<i64, Time>) -> Result<(), AccessError> {
        if used.is_empty() {
            return Ok(());
        }
        self.change("note the use of tokens", |file| {
            let sql = "UPDATE token SET used_at = max(ifnull(used_at, 0), ?2) WHERE id = ?1";
            for (id, at) in used {
                file.execute(sql, params![id, at.micros()])?;
            }
            Ok(())
        })
    }
}
