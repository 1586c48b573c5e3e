//! The files of a bundle, in a tar or in the folder that it unpacks to. Whoever made it may mean harm: what is read at a time
//! is bounded, and nothing is unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

/// The longest line of a file that is read line by line: an event's data has at most 8 MiB, and masking may make it longer.
const MAX_LINE: u64 = 32 << 20;
/// The longest file that is read as a whole: a proof with its leaf, or a checkpoint.
const MAX_SMALL: u64 = 256 << 10;
/// Most files in a tar: a job with more events is to be unpacked first.
const MAX_FILES: usize = 1 << 20;

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file or folder.
    #[error("cannot read the bundle")]
    Read(#[from] std::io::Error),
    /// It is a tar that nobody needs to make.
    #[error("expected a tar of plain files in one folder, each once; found `{0}`")]
    Unexpected(String),
    /// It ends too early.
    #[error("the tar ends within `{0}`")]
    Cut(String),
    /// There are too many files.
    #[error("expected at most {MAX_FILES} files in the tar; unpack it and give the folder")]
    Many,
    /// A file is missing.
    #[error("the bundle lacks `{0}`")]
    Lacks(String),
    /// A file, or a line of one, is too long.
    #[error("expected at most {limit} bytes at once in `{name}`, found more")]
    Long {
        /// Which file.
        name: String,
        /// The limit.
        limit: u64,
    },
}

/// The files of a bundle, by their names in it.
#[derive(Debug)]
pub struct BundleFiles {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    /// Where each file lies in the tar: its first byte, and how many there are.
    Tar {
        tar: File,
        files: BTreeMap<String, (u64, u64)>,
    },
}

impl BundleFiles {
    /// Finds the files in `path`.
    pub fn open(path: &Path) -> Result<BundleFiles, BundleError> {
        match path.is_dir() {
            true => Ok(BundleFiles { place: Place::Folder(path.to_owned()) }),
            false => BundleFiles::of(File::open(path)?),
        }
    }

    /// Finds the files in a tar.
    pub fn of(mut tar: File) -> Result<BundleFiles, BundleError> {
        tar.rewind()?;
        let files = index(&tar)?;
        Ok(BundleFiles { place: Place::Tar { tar, files } })
    }

    /// A short file; `None` where there is none of this name.
    pub(super) fn small(&self, name: &str) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_SMALL + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_SMALL {
            return Err(BundleError::Long { name: name.to_owned(), limit: MAX_SMALL });
        }
        Ok(Some(bytes))
    }

    /// The first `most` bytes of a file; `None` where there is none of this name.
    pub(super) fn begins(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// A short file that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<Vec<u8>, BundleError> {
        self.small(name)?.ok_or_else(|| BundleError::Lacks(name.to_owned()))
    }

    /// Fails unless the files of every bundle are there.
    pub fn is_a_bundle(&self) -> Result<(), BundleError> {
        for name in ["checkpoint", "leaves.ndjson", "data.ndjson", "salts.txt", "ledger/leaves.ndjson"] {
            self.file(name)?.ok_or_else(|| BundleError::Lacks(name.to_owned()))?;
        }
        Ok(())
    }

    /// A file that must be there, line by line.
    pub(super) fn lines(&self, name: &str) -> Result<Lines, BundleError> {
        let file = self.file(name)?.ok_or_else(|| BundleError::Lacks(name.to_owned()))?;
        Ok(Lines { name: name.to_owned(), file: BufReader::with_capacity(1 << 16, file) })
    }

    fn file(&self, name: &str) -> Result<Option<Part>, BundleError> {
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(name);
                if !path.is_file() {
                    return Ok(None);
                }
                Ok(Some(Part { file: File::open(path)?, at: 0, end: u64::MAX }))
            }
            Place::Tar { tar, files } => {
                let Some((at, length)) = files.get(name) else { return Ok(None) };
                Ok(Some(Part { file: tar.try_clone()?, at: *at, end: at + length }))
            }
        }
    }
}

/// A part of a file, read from its beginning to its end wherever other readers of the same file are.
struct Part {
    file: File,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// What comes next in a file of lines.
pub(super) enum Line {
    /// A line, without its newline.
    Whole(Vec<u8>),
    /// Half a line: the file ends before its newline.
    Cut,
    /// Nothing.
    End,
}

/// A file's lines.
pub(super) struct Lines {
    name: String,
    file: BufReader<Part>,
}

impl Lines {
    /// The next line.
    pub(super) fn next(&mut self) -> Result<Line, BundleError> {
        let mut line = Vec::new();
        (&mut self.file).take(MAX_LINE + 1).read_until(b'\n', &mut line)?;
        if line.len() as u64 > MAX_LINE {
            return Err(BundleError::Long { name: self.name.clone(), limit: MAX_LINE });
        }
        Ok(match line.pop() {
            None => Line::End,
            Some(b'\n') => Line::Whole(line),
            Some(_) => Line::Cut,
        })
    }
}

/// Where each file lies in a tar. Nothing is followed and no extension of the format is read, so a name or a length is what
/// stands in the file's own header.
fn index(file: &File) -> Result<BTreeMap<String, (u64, u64)>, BundleError> {
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
        let at = entry.raw_file_position();
        // Before anything goes there: a length may be any number.
        if at.checked_add(entry.size()).is_none_or(|end| end > length) {
            return Err(BundleError::Cut(shown));
        }
        let (folder, name) = place(&entry.path_bytes()).ok_or_else(unexpected)?;
        folders.insert(folder);
        if folders.len() > 1 || files.insert(name, (at, entry.size())).is_some() {
            return Err(unexpected());
        }
        if files.len() > MAX_FILES {
            return Err(BundleError::Many);
        }
    }
    Ok(files)
}

/// The folder of a file in a tar, and its name in there.
fn place(path: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(path).ok()?;
    let (folder, name) = text.split_once('/')?;
    let plain = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
    let one_spelling = text.split('/').all(|part| !part.is_empty() && part != ".");
    (plain && one_spelling).then(|| (folder.to_owned(), name.to_owned()))
}
