//! CloudEvents in binary mode (CloudEvents HTTP binding 1.0.2, section 3.1): attributes in headers, data in the body.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::envelope::{Envelope, refusal_of_attribute};
use super::incoming::{Incoming, utf8};
use super::reject::Reject;
use crate::json::{beginning, token};
use crate::mask::Mask;

/// Reads one event in binary mode. `attributes` are the `ce-` headers, their names without that prefix; `content_type`
/// is the header of that name, which is the data's.
///
/// # Errors
/// A [`Reject`] if a header or the body is malformed, or the event is not one that the ledger accepts.
pub fn binary<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a [u8])>,
    content_type: Option<&'a str>,
    body: &[u8],
    mask: &Mask,
) -> Result<Incoming, Reject> {
    let data = (!body.is_empty())
        .then(|| serde_json::from_str::<&RawValue>(utf8(body)?).map_err(|error| Reject::not_json(&error)))
        .transpose()?;
    let mut envelope = Envelope { data, datacontenttype: content_type.map(Cow::Borrowed), ..Envelope::default() };
    for (name, value) in attributes {
        let value = unquoted(value).as_deref().and_then(percent_decoded);
        let value = value
            .ok_or_else(|| Reject::malformed("", format!("expected percent-encoded UTF-8 in header `ce-{name}`")))?;
        let Some(attribute) = envelope.text_mut(name) else {
            return Err(Reject::malformed(format!("/{}", token(&beginning(name))), refusal_of_attribute(name)));
        };
        if attribute.replace(Cow::Owned(value)).is_some() {
            return Err(Reject::malformed("", format!("expected header `ce-{name}` once")));
        }
    }
    envelope.check(mask).map_err(|reject| reject.masked(mask))
}

/// A header's value without the double quotes and backslashes that section 3.1.3.2 allows around it. `None` if the
/// quotes are not balanced.
fn unquoted(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let [b'"', inner @ ..] = value else { return Some(Cow::Borrowed(value)) };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    loop {
        match rest.next()? {
            b'"' => return rest.as_slice().is_empty().then_some(Cow::Owned(bytes)),
            b'\\' => bytes.push(*rest.next()?),
            byte => bytes.push(*byte),
        }
    }
}

/// `value`, percent-decoded once (section 3.1.3.2); `None` if an escape is cut off or the result is not UTF-8. `percent_decode`
/// leaves a `%` without two digits as it is, so the escapes are checked first.
fn percent_decoded(value: &[u8]) -> Option<String> {
    let escape = |rest: &[u8]| rest.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let is_whole = value.split(|byte| *byte == b'%').skip(1).all(escape);
    let text = percent_encoding::percent_decode(value).decode_utf8().ok()?;
    is_whole.then(|| text.into_owned())
}
