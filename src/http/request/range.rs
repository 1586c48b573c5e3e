//! `Range` (RFC 9110, section 14.2): one range of bytes.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::RANGE;

/// What `Range` asks for of a text of a given length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByteRange {
    /// The whole: there is no such header, or one that a server ignores, such as several ranges or another unit.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Bytes that the text does not have.
    Beyond,
}

impl ByteRange {
    /// The range that these headers ask for of a text of `len` bytes.
    pub fn of(headers: &HeaderMap, len: u64) -> ByteRange {
        let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
        let range = asked.and_then(|text| text.trim().strip_prefix("bytes=")?.split_once('-'));
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let part = match range {
            None => return ByteRange::Whole,
            Some((first, last)) if first.trim().is_empty() => match number(last) {
                Some(count) => len.saturating_sub(count)..len,
                None => return ByteRange::Whole,
            },
            Some((first, last)) => match (number(first), number(last)) {
                (Some(first), None) if last.trim().is_empty() => first..len,
                (Some(first), Some(last)) if first <= last => first..len.min(last.saturating_add(1)),
                _ => return ByteRange::Whole,
            },
        };
        if part.is_empty() { ByteRange::Beyond } else { ByteRange::Part(part) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_taken() {
        let of = |text: &str, len| {
            let headers = HeaderMap::from_iter([(RANGE, text.parse().unwrap())]);
            ByteRange::of(&headers, len)
        };
        for (text, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..10),
            ("bytes=2-5", 2..6),
            ("bytes=2-50", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
            ("bytes= 2 - 5 ", 2..6),
            ("bytes=9-18446744073709551615", 9..10),
        ] {
            assert_eq!(of(text, 10), ByteRange::Part(part), "{text}");
        }
        for text in ["lines=0-1", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,4-5", "bytes=0-1-2"] {
            assert_eq!(of(text, 10), ByteRange::Whole, "{text}");
        }
        for (text, len) in [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)]
        {
            assert_eq!(of(text, len), ByteRange::Beyond, "{text}");
        }
        assert_eq!(ByteRange::of(&HeaderMap::new(), 10), ByteRange::Whole);
    }
}
