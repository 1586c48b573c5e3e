//! An error with its causes, as one line of text.

use std::error::Error;

/// The error and its causes, outermost first, with `: ` between them.
pub fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
