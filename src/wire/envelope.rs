//! The attributes of a CloudEvent as a producer sends them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json;

/// What a producer may send.
const KEPT: [&str; 8] = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"];
/// What the ledger adds.
const OURS: [&str; 6] = ["dataschema", "position", "recordedtime", "actor", "orgid", "jobkind"];

/// The attributes as they were read; `None` for one that is absent or null, which is the same (CloudEvents JSON format 1.0.2,
/// section 2.2).
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    pub specversion: Option<Cow<'a, str>>,
    pub id: Option<Cow<'a, str>>,
    pub source: Option<Cow<'a, str>>,
    pub event_type: Option<Cow<'a, str>>,
    pub subject: Option<Cow<'a, str>>,
    pub time: Option<Cow<'a, str>>,
    pub datacontenttype: Option<Cow<'a, str>>,
    pub data: Option<&'a RawValue>,
}

/// Why the attribute `name` is refused.
pub(super) fn not_kept(name: &str) -> String {
    if OURS.contains(&name) {
        format!("attribute `{name}` is set by the ledger alone; leave it out")
    } else {
        format!("{}; the ledger keeps no extension attributes", json::unknown("attribute", name, &KEPT))
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Attributes)
    }
}

struct Attributes;

impl<'de> Visitor<'de> for Attributes {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Envelope<'de>, A::Error> {
        let mut read = Envelope::default();
        while let Some(Text(name)) = members.next_key()? {
            let slot = match &*name {
                "specversion" => &mut read.specversion,
                "id" => &mut read.id,
                "source" => &mut read.source,
                "type" => &mut read.event_type,
                "subject" => &mut read.subject,
                "time" => &mut read.time,
                "datacontenttype" => &mut read.datacontenttype,
                "data" => {
                    members.next_value_seed(Once(&name, &mut read.data))?;
                    continue;
                }
                _ => {
                    members.next_value_seed(Unset(&name))?;
                    continue;
                }
            };
            members.next_value_seed(Once(&name, slot))?;
        }
        Ok(read)
    }
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Cow<'a, str> {
        text.0
    }
}

/// Reads a value into its place, which nothing was read into before.
struct Once<'n, 's, T>(&'n str, &'s mut Option<T>);

impl<'de> DeserializeSeed<'de> for Once<'_, '_, Cow<'de, str>> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        let text = Option::<Text<'de>>::deserialize(value)?;
        self.put(text.map(Cow::from))
    }
}

impl<'de> DeserializeSeed<'de> for Once<'_, '_, &'de RawValue> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        let data = Option::<&'de RawValue>::deserialize(value)?;
        self.put(data)
    }
}

impl<T> Once<'_, '_, T> {
    fn put<E: Error>(self, value: Option<T>) -> Result<(), E> {
        let Once(name, slot) = self;
        if slot.is_some() {
            return Err(E::custom(format!("expected `{name}` once")));
        }
        *slot = value;
        Ok(())
    }
}

/// Reads the value of an attribute that the ledger does not keep: null, or an error at its place.
struct Unset<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Unset<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        match Option::<IgnoredAny>::deserialize(value)? {
            None => Ok(()),
            Some(_) => Err(D::Error::custom(not_kept(self.0))),
        }
    }
}
