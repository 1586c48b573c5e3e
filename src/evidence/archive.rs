//! A tar whose bytes follow from its files alone: one owner, one mode, one time, no extensions of the format.

use std::io::{Error, Seek, Write};

use tar::{Builder, Header};

/// Files in one folder, written in the order in which they come.
pub(super) struct Archive<W: Write + Seek> {
    tar: Builder<W>,
    folder: String,
    /// Seconds since 1970: the time of every file.
    time: u64,
}

impl<W: Write + Seek> Archive<W> {
    /// An empty one.
    pub(super) fn new(out: W, folder: String, time: u64) -> Archive<W> {
        Archive { tar: Builder::new(out), folder, time }
    }

    /// Adds a file that is in memory.
    pub(super) fn small(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut header = self.header();
        header.set_size(bytes.len() as u64);
        self.tar.append_data(&mut header, format!("{}/{name}", self.folder), bytes)
    }

    /// Adds a file as `write` writes it: its size is filled in behind it.
    pub(super) fn file<E: From<Error>>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut header = self.header();
        let mut entry = self.tar.append_writer(&mut header, format!("{}/{name}", self.folder))?;
        write(&mut entry)?;
        Ok(entry.finish()?)
    }

    /// Ends it.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.tar.into_inner()?.flush()
    }

    fn header(&self) -> Header {
        // A folder's name and a file's fit into the two fields of `ustar`, which everybody reads.
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.time);
        header
    }
}
