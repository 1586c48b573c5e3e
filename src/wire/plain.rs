//! JSON that every reader takes for the same: each name once in an object, and not nested deeper than readers go.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep values may be nested in one another: about half of what serde_json reads (127), because what is stored is
/// wrapped a few times more before somebody reads it.
pub(super) const MAX_DEPTH: u8 = 64;

/// Reads a value and keeps nothing of it; an error where it is not plain.
pub(super) struct Plain {
    /// How many levels it may have.
    levels: u8,
}

impl Default for Plain {
    fn default() -> Plain {
        Plain { levels: MAX_DEPTH }
    }
}

impl Plain {
    fn below<E: Error>(&self) -> Result<Plain, E> {
        let levels = self.levels.checked_sub(1);
        let levels = levels.ok_or_else(|| E::custom(format!("expected at most {MAX_DEPTH} levels of nesting")))?;
        Ok(Plain { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain {
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
                let name: String = name.chars().take(64).collect();
                return Err(A::Error::custom(format!("expected each name once, found `{name}` again")));
            }
            names.insert(name);
        }
        Ok(())
    }
}
