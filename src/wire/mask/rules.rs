//! What secrets look like.
//!
//! Shapes that are unmistakable by themselves, and values that stand behind a name. Boundaries are ASCII (`(?-u:\b)`): a
//! Unicode one would cost a second, slow reading of every text that is not ASCII. Each pattern takes as much as it can, so
//! that what is left beside a mark cannot be found by a second reading.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// One pattern of a rule.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    /// What stands in `[masked:<name>]`; several patterns may share it.
    pub name: &'a str,
    /// The first group that takes part is the secret; without groups, the whole is.
    pub pattern: &'a str,
    /// What else must hold of the secret.
    pub secret: fn(&str) -> bool,
}

const fn rule(name: &'static str, pattern: &'static str) -> Rule<'static> {
    Rule { name, pattern, secret: always }
}

/// The ledger's own rules; where two find something at the same place, the earlier one counts.
pub(super) const RULES: &[Rule<'static>] = &[
    // A PEM block; then one whose end is missing; then one whose beginning is. `\n` may be two characters, as in the key
    // files of Google's service accounts.
    rule(
        "private-key",
        concat!(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:",
            r"(?:[^-]|-[^-])*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
            r"|(?:(?:\s|\\[rn])+[A-Za-z-]+: [^\r\n\\]*)*(?:(?:\s|\\[rn])+[A-Za-z0-9+/=]{16,})+",
            r"(?:(?:\s|\\[rn])+[A-Za-z0-9+/=]+\z)?)",
        ),
    ),
    rule(
        "private-key",
        r"(?:[A-Za-z0-9+/=]{16,}(?:\s|\\[rn])+)+(?:[A-Za-z0-9+/=]+(?:\s|\\[rn])+)?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    ),
    rule(
        "authorization",
        r#"(?i-u:authorization\\?["']?[ \t]*[:=][ \t]*\\?["']?(?:bearer|basic|token|apikey)[ \t]+)([^\s"',;\\]+)"#,
    ),
    Rule { name: "authorization", pattern: r"(?i-u:\bbearer[ \t]+)([A-Za-z0-9._~+/-]{16,}=*)", secret: has_digit },
    Rule { name: "authorization", pattern: r"(?i-u:\bbasic[ \t]+)([A-Za-z0-9+/]{4,}={0,2})", secret: is_credentials },
    // Signed ones have two JSON parts, encrypted ones five parts of which the first is JSON.
    rule(
        "jwt",
        concat!(
            r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.(?:eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
            r"|[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)",
        ),
    ),
    // The id of an access key, with the key itself where that follows, as in a list of credentials.
    rule("aws", r#"(?-u:\b)(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)(?:[\s,:"']{1,4}[A-Za-z0-9/+]{40}(?-u:\b))?"#),
    rule(
        "aws",
        r#"(?i-u:secret[_-]?access[_-]?key(?:\\?["'])?[ \t]*[:=][ \t]*(?:\\?["'])?)([A-Za-z0-9/+]{40,}={0,2})"#,
    ),
    rule(
        "gcp",
        r"(?-u:\b)(?:AIza[A-Za-z0-9_-]{35,}|ya29\.[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]+)*|GOCSPX-[A-Za-z0-9_-]{20,})",
    ),
    rule("azure", r"(?i-u:(?:account|sharedaccess)key[ \t]*=[ \t]*)([A-Za-z0-9+/]{20,}={0,2})"),
    rule("azure", r"(?-u:\b)sig=([A-Za-z0-9%+/]{30,}={0,2})"),
    rule("github", r"(?-u:\b)(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    rule("gitlab", r"(?-u:\b)gl(?:pat|ptt|cbt|dt|rt|ft|soat|agent|imt)-[A-Za-z0-9_-]{20,}"),
    rule("slack", r"(?-u:\b)(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}"),
    rule("slack", r"hooks\.slack\.com/services/([A-Za-z0-9/]{20,})"),
    rule("stripe", r"(?-u:\b)(?:[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{20,}={0,2})"),
    rule("vault", r"(?-u:\b)hv[sbr]\.[A-Za-z0-9_-]{20,}"),
    // Tokens of this ledger.
    rule("ledger-token", r"(?-u:\b)jl_[A-Za-z0-9_-]{43,}"),
    // To the last `@` before the host: passwords have them. What RFC 3986 wants escaped in one ends it, or else a port and a
    // path with an `@` in it would be one.
    rule("url-password", r#"://[^\s/:@"'<>]*:([^\s/?#"'<>]+)@"#),
    rule(
        "password",
        concat!(
            r#"(?i-u:passw(?:or)?d|passphrase)(?:\\?["'][ \t]*[:=]|[ \t]*=)[ \t]*"#,
            r#"(?:\\"([^"\\\r\n]+)|"((?:[^"\\\r\n]|\\.)+)|'([^'\r\n]+)|([^\s;"'<>=\\][^\s;"'<>]*))"#,
        ),
    ),
    // The short form of connection strings; in an environment it is a folder.
    rule(
        "password",
        r#"(?i-u:\bpwd[ \t]*=[ \t]*)(?:"([^"/\r\n][^"\r\n]*)|'([^'/\r\n][^'\r\n]*)|([^\s;"'<>=/][^\s;"'<>]*))"#,
    ),
    Rule {
        name: "api-key",
        pattern: concat!(
            r"(?i-u:\btoken|(?:access|auth|bearer|id|private|refresh|session)[_-]?token|api[_-]?key|client[_-]?secret|secret[_-]?key)",
            r#"(?:\\?["'])?[ \t]*[:=][ \t]*(?:\\?["'])?([A-Za-z0-9_.~+/-]{16,}={0,2})"#,
        ),
        secret: has_digit,
    },
];

pub(super) fn always(_: &str) -> bool {
    true
}

/// Random text of some length has a digit; words have none.
fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

/// Whether it is what RFC 7617 puts behind `Basic`: a name and a password with a colon between, in Base64. Without that,
/// "basic configuration" would be a secret.
fn is_credentials(text: &str) -> bool {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let read = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(text);
    read.is_ok_and(|bytes| bytes.contains(&b':') && !bytes.iter().any(u8::is_ascii_control))
}
