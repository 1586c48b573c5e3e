//! The attributes of a CloudEvent as a producer sends them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json;

/// The attributes that a producer may send, and `data`.
const ACCEPTED: [&str; 8] = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"];
/// The attributes that the ledger adds.
const ADDED: [&str; 6] = ["dataschema", "position", "recordedtime", "actor", "orgid", "jobkind"];

/// The attributes of one event, not checked yet. `None` stands for an absent attribute and for null, which mean the
/// same (CloudEvents JSON format 1.0.2, section 2.2).
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

impl<'a> Envelope<'a> {
    /// The field for the attribute `name`, if that is one whose value is a text in every mode; `datacontenttype` and
    /// `data` have a place of their own in binary mode.
    pub(super) fn text_mut(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.event_type,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            _ => return None,
        })
    }
}

/// The message that refuses the attribute `name`.
pub(super) fn refusal_of_attribute(name: &str) -> String {
    if ADDED.contains(&name) {
        format!("only the ledger sets the attribute `{name}`; leave it out")
    } else {
        format!("{}; the ledger keeps no extension attributes", json::unknown("attribute", name, &ACCEPTED))
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
            match &*name {
                "data" => members.next_value_seed(Once(&name, &mut read.data))?,
                "datacontenttype" => members.next_value_seed(Once(&name, &mut read.datacontenttype))?,
                _ => match read.text_mut(&name) {
                    Some(text) => members.next_value_seed(Once(&name, text))?,
                    None => members.next_value_seed(Refused(&name))?,
                },
            }
        }
        Ok(read)
    }
}

/// A string, borrowed if it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Cow<'a, str> {
        text.0
    }
}

/// Reads the value of the attribute with this name into its field; an error if the field has a value already.
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
        let Once(name, field) = self;
        if field.is_some() {
            return Err(E::custom(format!("expected `{name}` once")));
        }
        *field = value;
        Ok(())
    }
}

/// Reads the value of an attribute that a producer may not send. Null is the same as absent; any other value is an
/// error, whose path is that of the attribute.
struct Refused<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Refused<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        match Option::<IgnoredAny>::deserialize(value)? {
            None => Ok(()),
            Some(_) => Err(D::Error::custom(refusal_of_attribute(self.0))),
        }
    }
}
