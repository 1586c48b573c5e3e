//! The shared files of a cluster: the tokens, sessions and webhooks, which every node has beside the log. The node that leads sends its
//! own to the others.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access::{Access, AccessError, TokenCopy};
use crate::ledger::Folder;
use crate::stream::{FilesBody, StreamKey};
use crate::webhooks::{WebhookCopy, WebhookError, WebhookFile};

/// What the shared files hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFiles {
    /// The tokens and sessions.
    pub tokens: TokenCopy,
    /// The webhooks, with their secrets; `None` if the node cannot read its own. The others then keep theirs.
    pub webhooks: Option<WebhookCopy>,
}

/// Why the shared files cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The tokens.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The webhooks.
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
}

impl SharedFiles {
    /// Reads the files in a folder. Waits for SQLite.
    ///
    /// # Errors
    ///
    /// The tokens cannot be read. Webhooks that cannot be read are missing in the result, because a revoked token must not wait for them.
    pub fn read(folder: &Folder) -> Result<SharedFiles, AccessError> {
        let webhooks = match folder.webhooks() {
            path if path.exists() => WebhookFile::open_to_read(&path).and_then(|file| file.copy()),
            _ => Ok(WebhookCopy::default()),
        };
        let webhooks = webhooks.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "the webhooks cannot be read for other nodes");
        });
        Ok(SharedFiles { tokens: Access::open(&folder.access())?.copy()?, webhooks: webhooks.ok() })
    }

    /// Replaces what the files in a folder hold. A ledger without webhooks gets no file of them.
    pub(in crate::ledger) fn take_over(&self, folder: &Folder) -> Result<(), FilesError> {
        Access::open(&folder.access())?.take_over(&self.tokens)?;
        let path = folder.webhooks();
        if let Some(webhooks) = self.webhooks.as_ref().filter(|webhooks| !webhooks.is_empty() || path.exists()) {
            WebhookFile::open(&path)?.take_over(webhooks)?;
        }
        Ok(())
    }

    /// The body of a message that brings the files.
    pub(in crate::ledger) fn to_body(&self, key: &StreamKey) -> Vec<u8> {
        let mut nonce = [0; StreamKey::NONCE];
        getrandom::fill(&mut nonce).expect("the operating system gives randomness");
        let files = Zeroizing::new(serde_json::to_vec(self).expect("text and numbers are JSON"));
        FilesBody::encrypted(&files, nonce, key)
    }
}
