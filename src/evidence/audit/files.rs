//! Reads the files of a bundle, in a tar or in the folder that the tar unpacks to. A bundle may be forged, so every read is
//! bounded, and nothing is unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use crate::evidence::contents::{BUNDLE_FILES, Part};
use crate::wire::{Line, LineError, Lines};

/// The longest file that is read as a whole, 256 KiB: a proof with its leaf, or a checkpoint.
const MAX_SMALL: u64 = 256 << 10;
/// Most files in a tar. A bundle of more events must be unpacked first.
const MAX_FILES: usize = 1 << 20;

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file or folder cannot be read.
    #[error("cannot read the bundle")]
    Read(#[from] std::io::Error),
    /// The tar has an entry that no bundle has.
    #[error("expected a tar of plain files in one folder, each once; found `{0}`")]
    Unexpected(String),
    /// The tar ends inside a file.
    #[error("the tar ends inside `{0}`")]
    Cut(String),
    /// The tar has too many files.
    #[error("expected at most {MAX_FILES} files in the tar; unpack it and give the folder")]
    Many,
    /// A file is missing.
    #[error("the bundle lacks `{0}`")]
    Lacks(String),
    /// A line of a file cannot be read.
    #[error("cannot read `{name}`")]
    Line {
        /// The file's name.
        name: &'static str,
        /// Why.
        #[source]
        cause: LineError,
    },
    /// A line of the files of entries is no entry.
    #[error("expected an event in line {0} of the bundle's files")]
    NoEntry(u64),
    /// A file is too long.
    #[error("expected at most {limit} bytes in `{name}`, found more")]
    Long {
        /// The file's name.
        name: String,
        /// The limit, in bytes.
        limit: u64,
    },
}

/// The files of a bundle, by their names.
#[derive(Debug)]
pub struct BundleFiles(Container);

#[derive(Debug)]
enum Container {
    Folder(PathBuf),
    Tar { tar: File, files: BTreeMap<String, Extent> },
}

/// The bytes of a file in a tar.
#[derive(Debug, Clone, Copy)]
struct Extent {
    start: u64,
    length: u64,
}

impl BundleFiles {
    /// Opens the bundle at `path`, a tar or a folder.
    pub fn open(path: &Path) -> Result<BundleFiles, BundleError> {
        match path.is_dir() {
            true => Ok(BundleFiles(Container::Folder(path.to_owned()))),
            false => BundleFiles::of(File::open(path)?),
        }
    }

    /// Opens the bundle in a tar.
    pub fn of(mut tar: File) -> Result<BundleFiles, BundleError> {
        tar.rewind()?;
        let files = index(&tar)?;
        Ok(BundleFiles(Container::Tar { tar, files }))
    }

    /// A short file; `None` if the bundle has no file of this name.
    pub(super) fn small(&self, name: &str) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_SMALL + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_SMALL {
            return Err(BundleError::Long { name: name.to_owned(), limit: MAX_SMALL });
        }
        Ok(Some(bytes))
    }

    /// The first `most` bytes of a file; `None` if the bundle has no file of this name.
    pub(super) fn begins(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// A short file.
    ///
    /// # Errors
    /// [`BundleError::Lacks`] if the bundle has no file of this name.
    pub(super) fn needed(&self, name: &str) -> Result<Vec<u8>, BundleError> {
        self.small(name)?.ok_or_else(|| BundleError::Lacks(name.to_owned()))
    }

    /// Checks that the files are there which every bundle has.
    ///
    /// # Errors
    /// [`BundleError::Lacks`] names the first that is not.
    pub fn check_names(&self) -> Result<(), BundleError> {
        for file in BUNDLE_FILES.iter().filter(|file| file.needed) {
            self.file(file.name)?.ok_or_else(|| BundleError::Lacks(file.name.to_owned()))?;
        }
        Ok(())
    }

    /// The lines of a file.
    ///
    /// # Errors
    /// [`BundleError::Lacks`] if the bundle does not have the file.
    pub(super) fn lines(&self, part: Part) -> Result<FileLines, BundleError> {
        let name = part.name();
        let file = self.file(name)?.ok_or_else(|| BundleError::Lacks(name.to_owned()))?;
        Ok(FileLines { name, lines: Lines::new(BufReader::with_capacity(1 << 16, file)) })
    }

    fn file(&self, name: &str) -> Result<Option<Range>, BundleError> {
        match &self.0 {
            Container::Folder(folder) => {
                let path = folder.join(name);
                if !path.is_file() {
                    return Ok(None);
                }
                Ok(Some(Range { file: File::open(path)?, at: 0, end: u64::MAX }))
            }
            Container::Tar { tar, files } => {
                let Some(Extent { start, length }) = files.get(name).copied() else { return Ok(None) };
                Ok(Some(Range { file: tar.try_clone()?, at: start, end: start + length }))
            }
        }
    }
}

/// A range of a file. It has its own position, so several ranges of one file are read side by side.
struct Range {
    file: File,
    at: u64,
    end: u64,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A file of lines in a bundle.
pub(super) struct FileLines {
    name: &'static str,
    lines: Lines<BufReader<Range>>,
}

impl FileLines {
    /// The next line; `None` at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<Line<'_>>, BundleError> {
        let name = self.name;
        self.lines.next_line().map_err(|cause| BundleError::Line { name, cause })
    }
}

/// Finds the files in a tar. Links are refused, and no extension of the format is read, so each name and length is that of the
/// file's own header.
fn index(file: &File) -> Result<BTreeMap<String, Extent>, BundleError> {
    let length = file.metadata()?.len();
    let mut archive = tar::Archive::new(file);
    let (mut files, mut folders) = (BTreeMap::new(), BTreeSet::new());
    for entry in archive.entries_with_seek()?.raw(true) {
        let entry = entry?;
        let shown = String::from_utf8_lossy(&entry.path_bytes()).chars().take(100).collect::<String>();
        let unexpected = || BundleError::Unexpected(shown.clone());
        match entry.header().entry_type() {
            tar::EntryType::Directory => continue,
            tar::EntryType::Regular => {}
            _ => return Err(unexpected()),
        }
        let start = entry.raw_file_position();
        // A forged length may be any number.
        if start.checked_add(entry.size()).is_none_or(|end| end > length) {
            return Err(BundleError::Cut(shown));
        }
        let (folder, name) = split_path(&entry.path_bytes()).ok_or_else(unexpected)?;
        folders.insert(folder);
        if folders.len() > 1 || files.insert(name, Extent { start, length: entry.size() }).is_some() {
            return Err(unexpected());
        }
        if files.len() > MAX_FILES {
            return Err(BundleError::Many);
        }
    }
    Ok(files)
}

/// The folder of a file in a tar, and the file's name in that folder.
fn split_path(path: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(path).ok()?;
    let (folder, name) = text.split_once('/')?;
    let plain = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
    let one_spelling = text.split('/').all(|part| !part.is_empty() && part != ".");
    (plain && one_spelling).then(|| (folder.to_owned(), name.to_owned()))
}
