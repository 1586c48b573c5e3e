//! Authentication: a bearer token, or a browser's session cookie.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use crate::access::{Capability, Principal};
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::connection::ConnectionHandle;
use crate::http::observe::{asked_by, reads_of_others};
use crate::job::{JobKey, OrgId};

/// The name of the session cookie.
pub const COOKIE_NAME: &str = "jobledger_session";

/// The principal of a request, and its connection. A handler with this extractor answers 401 to a request without a valid token
/// or session.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal, ConnectionHandle);

impl Caller {
    /// The connection of the request; over HTTP/2 its stream.
    pub fn connection(&self) -> &ConnectionHandle {
        &self.1
    }

    /// Checks that the caller's role has the capability.
    ///
    /// # Errors
    ///
    /// 403 with the role that is needed.
    pub fn require(&self, capability: Capability) -> Result<(), Error> {
        if self.0.role.may(capability) {
            if capability == Capability::AllOrganisations {
                reads_of_others();
            }
            return Ok(());
        }
        let needs = match capability {
            Capability::Append => "appending needs the role worker or admin",
            Capability::Redact => "redacting (`job.redacted`) needs the role admin",
            Capability::Tasks => {
                "background jobs need the role admin; `/ledger/jobs` shows the same jobs to every role"
            }
            Capability::CreateRoleJobs => {
                "creating a database-role job here needs the role admin; a worker appends `job.created` to `/ledger/events`"
            }
            Capability::Webhooks => "webhooks need the role admin",
            Capability::Rebuild => "rebuilding the views needs the role admin",
            Capability::Metrics => {
                "metrics count all organisations and need the role admin or auditor; `--metrics-listen` shows them without a token"
            }
            Capability::AllOrganisations => "reading all organisations needs the role auditor",
            Capability::ReadLedger | Capability::ReadJobs => "the role may not read this",
        };
        Err(Error::forbidden(format!("the token `{}` has the role {}; {needs}", self.0.name, self.0.role)))
    }

    /// The job with this id in the caller's own organisation, whether it exists or not.
    ///
    /// # Errors
    ///
    /// 404 for a text that is no job's id.
    pub fn own_job(&self, id: &str) -> Result<JobKey, Error> {
        let id = id.parse().map_err(|_| Error::no_such_job())?;
        Ok(JobKey { org: self.0.org, id })
    }

    /// The organisation of a single job: the caller's own, or the one that an auditor names with `org`.
    ///
    /// # Errors
    ///
    /// 404 for another organisation if the caller is no auditor: to the caller, its jobs do not exist.
    pub fn org_of_job(&self, named: Option<OrgId>) -> Result<OrgId, Error> {
        match named {
            Some(org) if org != self.0.org && !self.0.role.may(Capability::AllOrganisations) => {
                Err(Error::no_such_job())
            }
            Some(org) => {
                if org != self.0.org {
                    reads_of_others();
                }
                Ok(org)
            }
            None => Ok(self.0.org),
        }
    }

    /// Whether the caller may see events of `org`, or of the ledger itself (`None`).
    pub fn may_see(&self, org: Option<OrgId>) -> bool {
        let own = org == Some(self.0.org);
        if !own && self.0.role.may(Capability::AllOrganisations) {
            reads_of_others();
            return true;
        }
        own
    }

    /// The organisation that a list is limited to. `None` means all organisations, for an auditor who names none.
    ///
    /// # Errors
    ///
    /// 404 for another organisation if the caller is no auditor.
    pub fn org_of_list(&self, named: Option<OrgId>) -> Result<Option<OrgId>, Error> {
        match (self.0.role.may(Capability::AllOrganisations), named) {
            (true, named) => {
                if named != Some(self.0.org) {
                    reads_of_others();
                }
                Ok(named)
            }
            (false, Some(org)) if org != self.0.org => Err(Error::no_such_job()),
            (false, _) => Ok(Some(self.0.org)),
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Caller, Error> {
        let now = app.ledger.now();
        let found = if parts.headers.contains_key(AUTHORIZATION) {
            match bearer(&parts.headers) {
                Some(token) => app.access.authenticate(token, now).await?,
                None => None,
            }
        } else if let Some(session) = session_cookie(&parts.headers) {
            if parts.method != Method::GET && parts.method != Method::HEAD {
                app.origins.check(&parts.headers)?;
            }
            app.access.session(session, now).await?
        } else {
            None
        };
        let found = found.ok_or_else(Error::unauthorized)?;
        asked_by(&found);
        let line = parts.extensions.get::<ConnectionHandle>().cloned().unwrap_or_default();
        Ok(Caller(found, line))
    }
}

/// `None` if the request has no valid token or session, and while `access.db` cannot be read.
impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Caller>, Infallible> {
        Ok(<Caller as FromRequestParts<App>>::from_request_parts(parts, app).await.ok())
    }
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of the session cookie.
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}
