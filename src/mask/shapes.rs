//! Secrets that a prefix alone does not tell: their parts, their length or the text around them decide.

use std::ops::Range;

use super::rule::Rule;
use super::scan::{Class, Scan};

/// Masks a JSON Web Token, which begins with `eyJ`. A signed token begins with two parts in JSON (RFC 7515); an
/// encrypted one has five parts, the first in JSON (RFC 7516).
pub(super) fn jwt(scan: &mut Scan<'_>, keyword: Range<usize>) {
    if scan.bytes(keyword.clone()) != b"eyJ" || !scan.begins_word(keyword.start) {
        return;
    }
    let head = scan.run(Class::Url64, keyword.end);
    if head < keyword.end + 8 || scan.byte(head) != b'.' {
        return;
    }
    let second = scan.run(Class::Url64, head + 1);
    let end = if scan.bytes(head + 1..second).starts_with(b"eyJ") && second >= head + 12 {
        if scan.byte(second) == b'.' { scan.run(Class::Url64, second + 1) } else { second }
    } else {
        let mut end = second;
        for _ in 0..3 {
            let part = scan.run(Class::Url64, end + 1);
            if scan.byte(end) != b'.' || part == end + 1 {
                return;
            }
            end = part;
        }
        end
    };
    scan.mask(Rule::Jwt, keyword.start..end);
}

/// Masks the id of an access key of AWS, and the key itself if it follows, as in a list of credentials.
pub(super) fn access_key(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let end = keyword.start + 20;
    let is_id = |text: &[u8]| text.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if end > scan.len()
        || !is_id(scan.bytes(keyword.start..end))
        || !scan.begins_word(keyword.start)
        || !scan.ends_word(end)
    {
        return;
    }
    let mut key = end;
    while key < end + 4 && matches!(scan.byte(key), b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'"' | b'\'') {
        key += 1;
    }
    let key_end = scan.run(Class::Base64, key);
    let end = if key > end && key_end == key + 40 { key_end } else { end };
    scan.mask(Rule::Aws, keyword.start..end);
}

/// Masks `X-Amz-Signature=`, `X-Goog-Signature=` and `&Signature=` of signed URLs, and `Signature=` of signed requests.
pub(super) fn signature(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let before = scan.run_back(Class::Url64, keyword.start, 16);
    let vendor = scan.str(before..keyword.start);
    let rule = if vendor.eq_ignore_ascii_case("x-goog-") { Rule::Gcp } else { Rule::Aws };
    let quoted = scan.quote(keyword.end).map_or(0, |(len, _)| len);
    let sign = scan.skip_blanks(keyword.end + quoted);
    if !matches!(scan.byte(sign), b'=' | b':') || !vendor.is_empty() && !vendor.ends_with('-') {
        return;
    }
    let at = scan.skip_blanks(sign + 1);
    let at = at + scan.quote(at).map_or(0, |(len, _)| len);
    let end = super::header::padded(scan, Class::Query, at);
    let text = scan.examined(&(at..end));
    if end - at >= 26 && text.bytes().any(|b| b.is_ascii_digit()) {
        scan.mask(rule, at..end);
    }
}

/// Masks the value of `sig=` in a shared access signature of Azure. `keyword` is `sig=`.
pub(super) fn sas(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let end = super::header::padded(scan, Class::Query, keyword.end);
    if scan.bytes(keyword.clone()) == b"sig=" && scan.begins_word(keyword.start) && end - keyword.end >= 30 {
        scan.mask(Rule::Azure, keyword.end..end);
    }
}

/// Masks a personal access token of Azure DevOps: 84 characters; the 77th to the 80th are `AZDO`.
pub(super) fn devops(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let (start, end) = (scan.run_back(Class::Alnum, keyword.start, 77), keyword.end + 4);
    if keyword.start - start == 76 && scan.run(Class::Alnum, keyword.end) == end {
        scan.mask(Rule::Azure, start..end);
    }
}

/// Masks a client secret of Entra ID: three characters, a digit, `Q~`, and 31 to 34 more.
pub(super) fn entra(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let start = scan.run_back(Class::Loose, keyword.start, 5);
    let end = scan.run(Class::Loose, keyword.end);
    let first = start + usize::from(scan.byte(start) == b'=');
    if keyword.start - first == 4
        && scan.before(keyword.start).is_ascii_digit()
        && (31..=40).contains(&(end - keyword.end))
    {
        scan.mask(Rule::Azure, first..end);
    }
}

/// Masks a token of Vault before version 1.10: `s.` and 24 letters and digits.
pub(super) fn old_vault(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let end = scan.run(Class::Alnum, keyword.end);
    let begins = scan.begins_word(keyword.start) && !matches!(scan.before(keyword.start), b'.' | b'/' | b'-');
    if !begins
        || scan.bytes(keyword.clone()) != b"s."
        || end - keyword.end != 24
        || matches!(scan.byte(end), b'_' | b'(' | b'.' | b'[')
    {
        return;
    }
    let text = scan.bytes(keyword.end..end);
    let has = |class: fn(&u8) -> bool| text.iter().any(class);
    if has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) {
        scan.mask(Rule::Vault, keyword.start..end);
    }
}

/// Masks the token of a Telegram bot: its number, a colon, and 35 characters that begin with `AA`.
pub(super) fn telegram(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let start = scan.run_back(Class::Digit, keyword.start, 17);
    let end = scan.run(Class::Url64, keyword.start + 1);
    if scan.bytes(keyword.clone()) == b":AA"
        && (5..=16).contains(&(keyword.start - start))
        && (34..=36).contains(&(end - keyword.start - 1))
    {
        scan.mask(Rule::Telegram, start..end);
    }
}

/// Masks the tokens of Discord bots, Airtable and Terraform, which have parts joined by dots. `keyword` begins at a dot.
pub(super) fn dotted(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let dot = keyword.start;
    let is_atlas = scan.byte(dot + 1) == b'a' && scan.bytes(dot..scan.len().min(dot + 9)) == b".atlasv1.";
    if is_atlas {
        let start = scan.run_back(Class::Alnum, dot, 15);
        let end = super::header::padded(scan, Class::Url64, dot + 9);
        if dot - start == 14 && end - dot >= 60 {
            scan.mask(Rule::Vendor, start..end);
        }
    } else if scan.byte(dot + 7) == b'.' || scan.byte(dot + 8) == b'.' {
        discord(scan, dot);
    } else if dot >= 17 && scan.bytes(dot - 17..dot).starts_with(b"pat") {
        let end = scan.run(Class::Hex, dot + 1);
        let start = scan.run_back(Class::Alnum, dot, 18);
        if start == dot - 17 && end - dot == 65 {
            scan.mask(Rule::Vendor, start..end);
        }
    }
}

/// Masks a Discord bot's token: its number in Base64, a time and a code. The number has 17 to 20 digits, so its Base64
/// begins with `M`, `N` or `O`.
fn discord(scan: &mut Scan<'_>, dot: usize) {
    let second = scan.run(Class::Url64, dot + 1);
    if scan.byte(second) != b'.' || !(7..=8).contains(&(second - dot)) {
        return;
    }
    let end = scan.run(Class::Url64, second + 1);
    let start = scan.run_back(Class::Url64, dot, 29);
    let id = scan.bytes(start..dot);
    let is_id =
        (23..=28).contains(&id.len()) && matches!(id[0], b'M' | b'N' | b'O') && id.iter().any(u8::is_ascii_lowercase);
    if is_id && (27..=40).contains(&(end - second - 1)) {
        scan.mask(Rule::Discord, start..end);
    }
}

/// The beginnings of webhook URLs. The rest of the URL is the secret: with the whole URL a stranger can post.
pub(super) const WEBHOOKS: &[(&str, Rule)] = &[
    ("hooks.slack.com/services/", Rule::Slack),
    ("hooks.slack.com/workflows/", Rule::Slack),
    ("hooks.slack.com/triggers/", Rule::Slack),
    ("discord.com/api/webhooks/", Rule::Discord),
    ("discordapp.com/api/webhooks/", Rule::Discord),
    ("webhook.office.com/webhookb2/", Rule::Vendor),
    ("hooks.zapier.com/hooks/catch/", Rule::Vendor),
];

/// Masks a webhook's URL from its secret part on.
pub(super) fn webhook(scan: &mut Scan<'_>, at: usize, rule: Rule) {
    let end = match rule {
        Rule::Slack => scan.run(Class::Token68, at),
        _ => scan.run(Class::Url, at),
    };
    if end - at >= 14 {
        scan.mask(rule, at..end);
    }
}

/// Masks keys of Twilio (`SK`) and Octopus (`API-`): an exact number of characters of one class.
pub(super) fn exact(scan: &mut Scan<'_>, keyword: Range<usize>) {
    if !scan.begins_word(keyword.start) {
        return;
    }
    let (class, len) = match scan.bytes(keyword.clone()) {
        b"SK" => (Class::Hex, 32),
        b"API-" => (Class::Alnum, 26),
        _ => return,
    };
    let end = scan.run(class, keyword.end);
    let text = scan.examined(&(keyword.end..end));
    let fits = text.bytes().any(|b| b.is_ascii_digit())
        && (class == Class::Hex || !text.bytes().any(|b| b.is_ascii_lowercase()));
    if end - keyword.end == len && scan.ends_word(end) && fits {
        scan.mask(Rule::Vendor, keyword.start..end);
    }
}
