//! The Pythons that `.ci/run` makes for tests, each with the packages of one `requirements.txt`.

use std::path::{Path, PathBuf};

/// The Python that the environment's `variable` names, or else the one that `.ci/run` makes in `target/FOLDER`.
pub fn python(variable: &str, folder: &str) -> PathBuf {
    let made = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(folder).join("bin/python");
    std::env::var_os(variable).map_or_else(made, PathBuf::from)
}
