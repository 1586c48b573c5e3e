//! The types of the fields in the stored shapes. Each refuses a value that may not be stored while it is read, so the
//! error has the field's path.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::job::RawJson;
use crate::json;
use crate::mask::counted_len;

/// Maximum length, in bytes, of a text for people: 16 KiB.
pub(super) const MAX_TEXT: usize = 16 * 1024;
/// Maximum length, in bytes, of a chunk of hook output: 1 MiB.
pub(super) const MAX_CHUNK: usize = 1024 * 1024;
/// The largest count, 2^53. Readers that take JSON numbers as doubles (RFC 8259, section 6) lose larger whole numbers.
pub(super) const MAX_COUNT: u64 = 1 << 53;

/// Text of at most `MAX` bytes. A mask counts as one byte.
#[derive(Debug, Clone)]
pub(super) struct Text<const MAX: usize>(pub String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX && counted_len(&text) > MAX {
            return Err(D::Error::custom(format!("expected at most {MAX} bytes of text, found {}", text.len())));
        }
        Ok(Text(text))
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<const MAX: u64, const MIN: u64 = 0>(pub u64);

impl<const MAX: u64, const MIN: u64> Whole<MAX, MIN> {
    /// The number, of a type whose `MAX` fits 32 bits.
    pub(super) fn as_u32(self) -> u32 {
        const { assert!(MAX <= u32::MAX as u64) };
        self.0 as u32
    }
}

/// A count of records.
pub(super) type Count = Whole<MAX_COUNT>;
/// A percentage.
pub(super) type Percent = Whole<100>;

impl<'de, const MAX: u64, const MIN: u64> Deserialize<'de> for Whole<MAX, MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const MAX: u64, const MIN: u64>;
        impl<const MAX: u64, const MIN: u64> Visitor<'_> for Number<MAX, MIN> {
            type Value = Whole<MAX, MIN>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Whole<MAX, MIN>, E> {
                match (MIN..=MAX).contains(&n) {
                    true => Ok(Whole(n)),
                    false => Err(E::invalid_value(serde::de::Unexpected::Unsigned(n), &self)),
                }
            }
        }
        deserializer.deserialize_u64(Number)
    }
}

impl<const MAX: u64, const MIN: u64> Serialize for Whole<MAX, MIN> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// A value that is written as a string and parsed from it: an enum of words, an id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelled<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Spelled<T> {
            type Value = Word<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Word<T>, E> {
                text.parse().map(Word).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Spelled(PhantomData))
    }
}

impl<T: fmt::Display> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A value that is written as a JSON object. Serde alone would also read a struct from an array of its members in
/// order.
#[derive(Debug, Clone)]
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// An object of strings with each name once. A plain map would silently keep the second of two values with one name.
#[derive(Debug, Clone, Default)]
pub(super) struct TextMap(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for TextMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = TextMap;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<TextMap, A::Error> {
                let mut names = BTreeMap::new();
                while let Some((name, text)) = pairs.next_entry::<String, String>()? {
                    if names.insert(name, text).is_some() {
                        return Err(A::Error::custom("expected each name once"));
                    }
                }
                Ok(TextMap(names))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Any JSON value, as its compact text.
#[derive(Debug, Clone)]
pub(super) struct CompactJson(pub RawJson);

impl<'de> Deserialize<'de> for CompactJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(CompactJson(RawJson(Arc::from(json::compact(raw.get())))))
    }
}

impl Serialize for CompactJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}
