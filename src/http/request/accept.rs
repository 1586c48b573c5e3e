//! Content negotiation by `Accept` (RFC 9110, section 12.5.1), without media type parameters.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// The offer with the highest quality in `Accept`, the first of equals; `None` if the request accepts none of them. A request
/// without `Accept` gets the first offer.
pub fn choose<'o>(headers: &HeaderMap, offered: &[&'o str]) -> Option<&'o str> {
    let ranges: Vec<(String, f32)> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(range)
        .collect();
    if ranges.is_empty() {
        return offered.first().copied();
    }
    let mut best: Option<(&str, f32)> = None;
    for offer in offered {
        let quality = quality(&ranges, offer);
        if quality > best.map_or(0.0, |(_, best)| best) {
            best = Some((offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

/// Parses `type/subtype;q=0.5` into the lower-cased range and its quality. Ignores all parameters but `q`.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';');
    let range = parts.next()?.trim().to_ascii_lowercase();
    if range.is_empty() {
        return None;
    }
    let quality = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
    Some((range, quality))
}

/// The quality of the most specific range that covers `offer`.
fn quality(ranges: &[(String, f32)], offer: &str) -> f32 {
    let essence = offer.split(';').next().unwrap_or(offer).trim();
    let family = essence.split('/').next().unwrap_or("");
    let covers = |range: &str| match range.strip_suffix("/*") {
        _ if range == essence => Some(3),
        Some("*") => Some(1),
        Some(of) if of == family => Some(2),
        _ => None,
    };
    let best = ranges.iter().filter_map(|(range, q)| covers(range).map(|how| (how, *q)));
    best.max_by_key(|(how, _)| *how).map_or(0.0, |(_, q)| q)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(ACCEPT, accept.parse().unwrap());
        }
        choose(&headers, &["application/json", "application/x-ndjson", "text/event-stream"])
    }

    #[test]
    fn the_best_offer_is_taken() {
        assert_eq!(chosen(""), Some("application/json"));
        assert_eq!(chosen("*/*"), Some("application/json"));
        assert_eq!(chosen("text/event-stream"), Some("text/event-stream"));
        assert_eq!(chosen("application/json;q=0.1, application/x-ndjson"), Some("application/x-ndjson"));
        assert_eq!(chosen("application/*;q=0.2, text/*"), Some("text/event-stream"));
        assert_eq!(chosen("text/event-stream;q=0, */*"), Some("application/json"));
        assert_eq!(chosen("image/png"), None);
    }
}
