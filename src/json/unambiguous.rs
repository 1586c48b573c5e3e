//! JSON on which all readers agree: an object has each name once, and values are not nested deeper than readers go.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::beginning;
use super::read::{ReadError, read_with};

/// Maximum number of levels of nesting: about half of the 127 that serde_json reads, because answers wrap a stored
/// value in a few levels more.
const MAX_DEPTH: u8 = 64;

/// Checks that every reader takes `text` for the same value; `root` is the pointer of `text` in the whole body.
///
/// # Errors
/// A [`ReadError`] if `text` is not JSON, has a name twice in one object, or is nested deeper than 64 levels.
pub(crate) fn check_unambiguous(root: &str, text: &str) -> Result<(), ReadError> {
    read_with(root, text, Unambiguous { levels: MAX_DEPTH })
}

/// Reads a value and keeps nothing.
#[derive(Clone)]
struct Unambiguous {
    /// How many levels the value may have.
    levels: u8,
}

impl Unambiguous {
    fn below<E: Error>(&self) -> Result<Unambiguous, E> {
        let levels = self.levels.checked_sub(1);
        let levels = levels.ok_or_else(|| E::custom(format!("expected at most {MAX_DEPTH} levels of nesting")))?;
        Ok(Unambiguous { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.below()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(self.below()?)?;
            if names.contains(&name) {
                let name = beginning(&name);
                return Err(A::Error::custom(format!("expected each name once, found `{name}` again")));
            }
            names.insert(name);
        }
        Ok(())
    }
}
