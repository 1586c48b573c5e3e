//! Finds the addresses of a receiver, and passes over those that are not public.

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::webhooks::is_public;

/// A name leads to no public address.
#[derive(Debug, thiserror::Error)]
#[error(
    "the receiver has a loopback or private address, which the server calls only with `serve --webhook-allow-private`"
)]
pub(super) struct NotPublic;

/// Finds the public addresses of a name. The connection goes to an address that was checked here, so a name that leads to
/// another address at each look-up gets no further.
#[derive(Debug, Default)]
pub(super) struct PublicOnly(DefaultResolver);

impl Resolver for PublicOnly {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let mut public = self.empty();
        found.iter().filter(|found| is_public(found.ip())).for_each(|found| public.push(*found));
        if public.is_empty() { Err(ureq::Error::Other(Box::new(NotPublic))) } else { Ok(public) }
    }
}
