//! JSON pointers (RFC 6901).

use std::borrow::Cow;

use serde_path_to_error::{Path, Segment};

/// The longest pointer in an answer, 4 KiB. Names of members are a producer's text and can be as long as a body.
const MAX_POINTER: usize = 4 * 1024;

/// The reference token of a member's `name` (RFC 6901, section 3): `~` and `/` are escaped.
pub(crate) fn token(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) }
}

/// Appends a reference token to `pointer`; if the pointer would become longer than 4 KiB, leaves it and returns
/// `false`.
pub(crate) fn push_token(pointer: &mut String, token: &str) -> bool {
    let fits = pointer.len() + 1 + token.len() <= MAX_POINTER;
    if fits {
        pointer.push('/');
        pointer.push_str(token);
    }
    fits
}

/// The pointer of `path` below `root`. If it would be too long, the pointer of the innermost enclosing value that fits.
pub(super) fn of_path(root: &str, path: &Path) -> String {
    let mut pointer = root.to_owned();
    for segment in path.iter() {
        let token = match segment {
            Segment::Seq { index } => Cow::Owned(index.to_string()),
            Segment::Map { key: name } | Segment::Enum { variant: name } => token(name),
            Segment::Unknown => continue,
        };
        if !push_token(&mut pointer, &token) {
            break;
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_has_at_most_4_kib() {
        let mut pointer = "/data".to_owned();
        assert!(push_token(&mut pointer, &token("a/b")) && !push_token(&mut pointer, &"n".repeat(MAX_POINTER)));
        assert_eq!(pointer, "/data/a~1b");
    }
}
