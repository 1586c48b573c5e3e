//! The header `Ledger-Lease`: the lease under which a worker reports.

use axum::http::HeaderMap;

use crate::http::answer::Error;
use crate::ledger::LeaseToken;

/// The name of the header.
pub const LEASE: &str = "ledger-lease";

/// The lease token that the request names; `None` without the header.
///
/// # Errors
///
/// 400 for several headers, and for a value that is no lease token.
pub fn lease_token(headers: &HeaderMap) -> Result<Option<LeaseToken>, Error> {
    let mut values = headers.get_all(LEASE).iter();
    let (Some(value), more) = (values.next(), values.next()) else { return Ok(None) };
    if more.is_some() {
        return Err(Error::bad_request("expected one header `Ledger-Lease`"));
    }
    let token = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    token.map(Some).ok_or_else(|| {
        Error::bad_request("header `Ledger-Lease`: expected a token that the ledger gave with a lease, `jll_…`")
    })
}
