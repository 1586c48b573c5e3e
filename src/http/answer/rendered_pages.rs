//! Pages of jobs: rendered once for each version of the views, and shared by every reader.

use bytes::Bytes;

use crate::cache::RedactableCache;
use crate::job::Position;
use crate::ledger::{Ledger, ReadError, Shown, ViewsVersion};
use crate::memory::Budget;
use crate::views::{JobList, JobQuery};

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageName {
    /// The route, which decides how the page is rendered.
    pub route: &'static str,
    /// The filters.
    pub query: JobQuery,
    /// Most jobs on the page.
    pub limit: usize,
}

/// A rendered page.
#[derive(Debug, Clone)]
struct RenderedPage {
    version: ViewsVersion,
    body: Bytes,
}

/// A cache of pages. A page holds until the views change; a later page of the same name replaces it. A page that
/// depends on the time is not kept.
#[derive(Debug)]
pub struct Pages(RedactableCache<PageName, RenderedPage>);

impl Pages {
    /// No pages yet.
    pub fn new(budget: Budget) -> Pages {
        Pages(RedactableCache::new(budget))
    }

    /// The page as `render` renders it, at least as new as every answer before the call, and as `min`.
    ///
    /// # Errors
    ///
    /// Those of [`Ledger::jobs`].
    pub async fn get(
        &self,
        ledger: &Ledger,
        name: PageName,
        min: Option<Position>,
        render: impl FnOnce(&JobList) -> Bytes,
    ) -> Result<Shown<Bytes>, ReadError> {
        if name.query.depends_on_time() {
            let list = ledger.jobs(&name.query, name.limit, min).await?;
            return Ok(Shown { value: render(&list.value), position: list.position, now: list.now });
        }
        let redaction = ledger.newest_redaction();
        let before = ledger.views_version_at(min).await?;
        if let Some(version) = before
            && let Some(page) = self.0.get(redaction, &name).filter(|page| page.version == version)
        {
            return Ok(Shown { value: page.body, position: version.position, now: ledger.now() });
        }
        let list = ledger.jobs(&name.query, name.limit, min).await?;
        let body = render(&list.value);
        // If the version is the same after the read, the page was read in that version.
        if let Some(version) = before.filter(|version| ledger.views_version() == Some(*version)) {
            self.0.insert(redaction, name, RenderedPage { version, body: body.clone() }, body.len());
        }
        Ok(Shown { value: body, position: list.position, now: list.now })
    }
}
