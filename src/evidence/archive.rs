//! A tar whose bytes depend on its files alone: every entry has the same owner, mode and time, and no extension of the format.

use std::io::{Error, Seek, Write};

use tar::{Builder, Header};

/// Files in one folder, written one after the other.
pub(super) struct Archive<W: Write + Seek> {
    tar: Builder<W>,
    folder: String,
    time: u64,
}

impl<W: Write + Seek> Archive<W> {
    /// An empty archive. Every file gets the time `time`, in seconds since 1970.
    pub(super) fn new(out: W, folder: String, time: u64) -> Archive<W> {
        Archive { tar: Builder::new(out), folder, time }
    }

    /// Adds a file that is in memory.
    pub(super) fn small(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut header = self.header();
        header.set_size(bytes.len() as u64);
        self.tar.append_data(&mut header, format!("{}/{name}", self.folder), bytes)
    }

    /// Adds a file that `write` writes. Its size goes into the header afterwards, so `out` seeks.
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

    /// Ends the archive.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.tar.into_inner()?.flush()
    }

    fn header(&self) -> Header {
        // The names of folder and file fit into the two fields of `ustar`, which every tool reads.
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.time);
        header
    }
}
