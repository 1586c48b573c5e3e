//! The file of servers and tokens that `jobledger login` writes: `jobledger/servers.toml` in the user's folder of settings.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Most bytes of the file, 1 MiB.
const MOST_BYTES: u64 = 1 << 20;
/// The longest name of a server.
const LONGEST_NAME: usize = 64;

/// Servers by name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logins {
    /// The server that commands ask if none is named: that of the newest login.
    pub default: Option<String>,
    #[serde(default)]
    pub servers: BTreeMap<String, Login>,
}

/// One server, and the token for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    pub url: String,
    pub token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginsError {
    #[error("neither XDG_CONFIG_HOME nor HOME names a folder for `jobledger/servers.toml`")]
    NoFolder,
    #[error("cannot use `{}`: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot use `{}`: expected at most {MOST_BYTES} bytes", .0.display())]
    Long(PathBuf),
    #[error("cannot use `{}`: others may read the tokens in it; run `chmod 600` on it", .0.display())]
    Open(PathBuf),
    #[error("cannot use `{}`: {source}", path.display())]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
}

/// A text that names no server.
#[derive(Debug, thiserror::Error)]
#[error("expected 1 to {LONGEST_NAME} of A-Z a-z 0-9 . _ -")]
pub(super) struct NotAName;

/// The folder that the environment variable names, or that folder in the home of the user (XDG Base Directory Specification).
pub(super) fn user_folder(variable: &str, in_home: &str) -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder(variable).or_else(|| Some(folder("HOME")?.join(in_home)))
}

/// Reads the name of a server.
pub(super) fn name(text: &str) -> Result<String, NotAName> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(NotAName),
    }
}

impl Logins {
    /// Where the file is; `None` if the environment names no folder.
    pub(super) fn path() -> Option<PathBuf> {
        Some(user_folder("XDG_CONFIG_HOME", ".config")?.join("jobledger/servers.toml"))
    }

    /// Reads the file. Without a file there are no servers.
    ///
    /// # Errors
    /// The file is not as [`Logins::save`] writes it, or others may read it.
    pub(super) fn load() -> Result<Logins, LoginsError> {
        let Some(path) = Logins::path() else { return Ok(Logins::default()) };
        let wrong = |source| LoginsError::File { path: path.clone(), source };
        let about = match std::fs::metadata(&path) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Logins::default()),
            Err(error) => return Err(wrong(error)),
        };
        match () {
            () if about.mode() & 0o077 != 0 => return Err(LoginsError::Open(path)),
            () if about.len() > MOST_BYTES => return Err(LoginsError::Long(path)),
            () => {}
        }
        let text = std::fs::read_to_string(&path).map_err(wrong)?;
        toml::from_str(&text).map_err(|source| LoginsError::Toml { path, source: Box::new(source) })
    }

    /// Replaces the file by one that only its owner may read. Returns its path.
    pub(super) fn save(&self) -> Result<PathBuf, LoginsError> {
        let path = Logins::path().ok_or(LoginsError::NoFolder)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let text = toml::to_string(self).expect("texts and paths that came from texts");
        let written = || {
            std::fs::create_dir_all(folder)?;
            // Its mode is 0600 from the beginning.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok::<_, std::io::Error>(())
        };
        written().map_err(|source| LoginsError::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// The server with this address.
    pub(super) fn at(&self, url: &str) -> Option<&Login> {
        let same = |login: &&Login| login.url.trim_end_matches('/') == url.trim_end_matches('/');
        // The newest login first, because it may have the newer of two tokens.
        let newest = self.default.as_ref().and_then(|name| self.servers.get(name));
        newest.filter(same).or_else(|| self.servers.values().find(same))
    }
}
