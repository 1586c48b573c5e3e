//! Only the owner may read a data folder, because it holds the events of every organisation and the key that signs.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Folder;

/// The permissions of the owner's group and of all other users, in a mode.
const OTHERS: u32 = 0o077;

/// Makes the folder 0700 and the ledger's files in it 0600, if an older jobledger made them otherwise, and logs it. If the folder
/// belongs to another user, the start logs that and continues.
pub(in crate::ledger) fn close_to_others(folder: &Folder) {
    let mut files = Closed::default();
    files.close(folder.path(), 0o700);
    files.close_all(folder.path(), super::start::is_ledgers);
    // The folder of an anchor elsewhere may hold files of something else.
    let anchor = folder.path().join("anchor");
    if anchor.is_dir() {
        files.close(&anchor, 0o700);
        files.close_all(&anchor, |_| true);
    }
    let path = folder.path().display();
    if let Some(mode) = files.first {
        let files = files.count;
        tracing::warn!(%path, mode = format!("{mode:o}"), files, "other users could read the folder; now only its owner can");
    }
    if let Some(error) = files.refused {
        tracing::warn!(%path, %error, "other users can read the folder, and that cannot be changed");
    }
}

#[derive(Default)]
struct Closed {
    count: usize,
    /// The mode of the first file that was changed.
    first: Option<u32>,
    refused: Option<std::io::Error>,
}

impl Closed {
    fn close_all(&mut self, folder: &Path, is_ours: impl Fn(&str) -> bool) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let ours = entry.file_name().to_str().is_some_and(&is_ours);
            if ours && entry.path().is_file() {
                self.close(&entry.path(), 0o600);
            }
        }
    }

    fn close(&mut self, path: &Path, mode: u32) {
        let found = path.metadata().map(|found| found.permissions().mode() & 0o777);
        match found.and_then(|found| match found & OTHERS {
            0 => Ok(None),
            _ => std::fs::set_permissions(path, Permissions::from_mode(mode)).map(|()| Some(found)),
        }) {
            Ok(None) => {}
            Ok(Some(found)) => {
                self.count += 1;
                self.first.get_or_insert(found);
            }
            // A file that was removed since the folder was read, such as the WAL of the views.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => drop(self.refused.get_or_insert(error)),
        }
    }
}
