//! An append with everything that needs no position: salts and digests, computed off the writer thread.

use std::cell::RefCell;

use zeroize::Zeroize;

use super::Guard;
use crate::job::{JobId, JobKey, OrgId};
use crate::ledger::leases::HeldLease;
use crate::wire::{Incoming, SALT_LEN, datadigest};

/// An append, ready for the writer thread.
pub(in crate::ledger) struct PreparedAppend {
    pub org: OrgId,
    pub actor: String,
    pub events: Vec<PreparedEvent>,
    pub guard: Option<Guard>,
    pub lease: Option<HeldLease>,
    /// Jobs whose events do not fold, as the loader thread found.
    pub unfoldable: Vec<JobKey>,
}

impl PreparedAppend {
    /// The jobs that the events name. Neighbours that name the same job count once. Leaves out an event
    /// that names no job: such an event gets a new job.
    pub(in crate::ledger) fn jobs(&self) -> impl Iterator<Item = JobKey> + '_ {
        let mut last: Option<&JobId> = None;
        let ids = self.events.iter().filter_map(|event| event.incoming.subject.as_ref());
        ids.filter(move |id| last.replace(id) != Some(id)).map(|id| JobKey { org: self.org, id: id.clone() })
    }
}

/// A producer's event with the salt and the digest of its data.
pub(in crate::ledger) struct PreparedEvent {
    pub incoming: Incoming,
    pub salt: [u8; SALT_LEN],
    pub digest: String,
}

impl PreparedEvent {
    pub(in crate::ledger) fn new(incoming: Incoming) -> PreparedEvent {
        let salt = salt();
        let digest = datadigest(&salt, &incoming.data);
        PreparedEvent { incoming, salt, digest }
    }
}

/// A fresh salt. Each thread fetches randomness for 32 salts at once, and overwrites a salt that it gives out.
pub(in crate::ledger) fn salt() -> [u8; SALT_LEN] {
    /// Salts that one call to the operating system fills.
    const MANY: usize = 32;
    thread_local! {
        static UNUSED: RefCell<Vec<[u8; SALT_LEN]>> = RefCell::new(Vec::with_capacity(MANY));
    }
    UNUSED.with_borrow_mut(|unused| {
        if unused.is_empty() {
            unused.resize(MANY, [0; SALT_LEN]);
            getrandom::fill(unused.as_flattened_mut()).expect("the operating system gives randomness");
        }
        let last = unused.last_mut().expect("just filled");
        let salt = *last;
        last.zeroize();
        unused.pop();
        salt
    })
}
