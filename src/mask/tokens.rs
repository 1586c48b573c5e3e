//! Tokens with a telling prefix: their vendor's prefix, and a number of random characters after it.
//!
//! The prefixes and lengths are facts from the vendors' documentation and from the public rule sets of gitleaks and
//! detect-secrets.

use std::ops::Range;

use super::header::padded;
use super::rule::Rule;
use super::scan::{Class, Scan};

/// A kind of token: its prefix and the characters that must follow.
pub(super) struct Token {
    rule: Rule,
    /// The prefix. Case matters.
    pub prefix: &'static str,
    class: Class,
    /// Minimum number of characters after the prefix.
    min: usize,
    /// A condition on those characters, as far as they are examined.
    holds: fn(&str) -> bool,
}

const fn token(rule: Rule, prefix: &'static str, class: Class, min: usize) -> Token {
    Token { rule, prefix, class, min, holds: always }
}

const fn token_if(rule: Rule, prefix: &'static str, class: Class, min: usize, holds: fn(&str) -> bool) -> Token {
    Token { rule, prefix, class, min, holds }
}

use Class::{Alnum, Base64, Crypt, Dotted, Hex, Loose, Query, Scram, Url64};
use Rule::Vendor;

/// The tokens that are searched for.
pub(super) const TOKENS: &[Token] = &[
    token(Rule::PrivateKey, "AGE-SECRET-KEY-1", Alnum, 40),
    token(Rule::Aws, "ABSK", Base64, 100),
    token(Rule::Aws, "bedrock-api-key-", Base64, 20),
    token(Rule::Gcp, "AIza", Url64, 35),
    token(Rule::Gcp, "ya29.", Dotted, 20),
    token(Rule::Gcp, "GOCSPX-", Url64, 20),
    token(Rule::Gcp, "1//0", Url64, 40),
    token(Rule::GitHub, "ghp_", Alnum, 36),
    token(Rule::GitHub, "gho_", Alnum, 36),
    token(Rule::GitHub, "ghu_", Alnum, 36),
    token(Rule::GitHub, "ghs_", Alnum, 36),
    token(Rule::GitHub, "ghr_", Alnum, 36),
    token(Rule::GitHub, "github_pat_", Url64, 22),
    token(Rule::GitLab, "glpat-", Dotted, 20),
    token(Rule::GitLab, "gldt-", Dotted, 20),
    token(Rule::GitLab, "glcbt-", Dotted, 20),
    token(Rule::GitLab, "glptt-", Dotted, 20),
    token(Rule::GitLab, "glft-", Dotted, 20),
    token(Rule::GitLab, "glimt-", Dotted, 20),
    token(Rule::GitLab, "glagent-", Dotted, 20),
    token(Rule::GitLab, "gloas-", Dotted, 20),
    token(Rule::GitLab, "glrt-", Dotted, 20),
    token(Rule::GitLab, "glrtr-", Dotted, 20),
    token(Rule::GitLab, "glsoat-", Dotted, 20),
    token(Rule::GitLab, "glffct-", Dotted, 20),
    token(Rule::GitLab, "glwt-", Dotted, 20),
    token(Rule::GitLab, "GR1348941", Url64, 20),
    token(Rule::Slack, "xoxa-", Url64, 10),
    token(Rule::Slack, "xoxb-", Url64, 10),
    token(Rule::Slack, "xoxc-", Url64, 10),
    token(Rule::Slack, "xoxd-", Query, 10),
    token(Rule::Slack, "xoxe-", Url64, 10),
    token(Rule::Slack, "xoxo-", Url64, 10),
    token(Rule::Slack, "xoxp-", Url64, 10),
    token(Rule::Slack, "xoxr-", Url64, 10),
    token(Rule::Slack, "xoxs-", Url64, 10),
    token(Rule::Slack, "xapp-", Url64, 10),
    token(Rule::Stripe, "sk_live_", Alnum, 16),
    token(Rule::Stripe, "sk_test_", Alnum, 16),
    token(Rule::Stripe, "sk_prod_", Alnum, 16),
    token(Rule::Stripe, "rk_live_", Alnum, 16),
    token(Rule::Stripe, "rk_test_", Alnum, 16),
    token(Rule::Stripe, "rk_prod_", Alnum, 16),
    token(Rule::Stripe, "whsec_", Base64, 20),
    token(Rule::Vault, "hvs.", Url64, 20),
    token(Rule::Vault, "hvb.", Url64, 20),
    token(Rule::Vault, "hvr.", Url64, 20),
    token(Rule::Vault, "b.AAAAAQ", Url64, 60),
    token_if(Rule::OpenAi, "sk-", Alnum, 32, has_digit),
    token_if(Rule::OpenAi, "sk-proj-", Url64, 32, has_digit),
    token_if(Rule::OpenAi, "sk-svcacct-", Url64, 32, has_digit),
    token_if(Rule::OpenAi, "sk-admin-", Url64, 32, has_digit),
    token_if(Rule::OpenAi, "sk-None-", Url64, 32, has_digit),
    token_if(Rule::Anthropic, "sk-ant-", Url64, 24, has_digit),
    token(Rule::HuggingFace, "hf_", Alnum, 30),
    token(Rule::HuggingFace, "api_org_", Alnum, 30),
    token_if(Rule::SendGrid, "SG.", Dotted, 60, |text| text.contains('.')),
    token_if(Rule::Mailgun, "key-", Hex, 32, |text| text.len() == 32 && is_small(text)),
    token(Rule::Npm, "npm_", Alnum, 36),
    token(Rule::PyPi, "pypi-AgE", Url64, 50),
    token(Rule::Docker, "dckr_pat_", Url64, 20),
    token(Rule::Docker, "dckr_oat_", Url64, 20),
    token(Rule::Shopify, "shpat_", Hex, 32),
    token(Rule::Shopify, "shpca_", Hex, 32),
    token(Rule::Shopify, "shppa_", Hex, 32),
    token(Rule::Shopify, "shpss_", Hex, 32),
    token(Rule::Discord, "mfa.", Url64, 80),
    token(Rule::DigitalOcean, "dop_v1_", Hex, 64),
    token(Rule::DigitalOcean, "doo_v1_", Hex, 64),
    token(Rule::DigitalOcean, "dor_v1_", Hex, 64),
    token(Rule::Databricks, "dapi", Hex, 32),
    token(Rule::Linear, "lin_api_", Alnum, 32),
    token(Rule::Linear, "lin_oauth_", Alnum, 32),
    token(Rule::Atlassian, "ATATT3", Loose, 60),
    token(Rule::Atlassian, "ATCTT3", Loose, 60),
    token(Rule::Atlassian, "ATBB", Alnum, 32),
    token(Rule::LedgerToken, "jl_", Url64, 43),
    token(Vendor, "A3-", Url64, 30),
    token(Vendor, "ops_eyJ", Base64, 200),
    token_if(Vendor, "p8e-", Alnum, 32, has_digit),
    token_if(Vendor, "LTAI", Alnum, 16, has_digit),
    token(Vendor, "AKCp", Alnum, 60),
    token(Vendor, "cmVmdGtu", Alnum, 50),
    token(Vendor, "v1.0-", Url64, 140),
    token(Vendor, "CLOJARS_", Alnum, 60),
    token(Vendor, "dp.pt.", Dotted, 40),
    token(Vendor, "dp.st.", Dotted, 40),
    token(Vendor, "dp.ct.", Dotted, 40),
    token(Vendor, "dp.sa.", Dotted, 40),
    token(Vendor, "dp.scim.", Dotted, 40),
    token(Vendor, "dp.audit.", Dotted, 40),
    token(Vendor, "duffel_test_", Url64, 40),
    token(Vendor, "duffel_live_", Url64, 40),
    token(Vendor, "dt0c01.", Dotted, 80),
    token(Vendor, "dt0s01.", Dotted, 80),
    token(Vendor, "EZAK", Alnum, 54),
    token(Vendor, "EZTK", Alnum, 54),
    token(Vendor, "EAA", Alnum, 100),
    token(Vendor, "EAAA", Url64, 56),
    token(Vendor, "FLWSECK_TEST-", Url64, 12),
    token(Vendor, "FLWSECK-", Url64, 32),
    token(Vendor, "fo1_", Url64, 43),
    token(Vendor, "fm1r_", Base64, 100),
    token(Vendor, "fm1a_", Base64, 100),
    token(Vendor, "fm2_", Base64, 100),
    token(Vendor, "fio-u-", Url64, 60),
    token(Vendor, "figd_", Url64, 36),
    token(Vendor, "glc_", Base64, 32),
    token(Vendor, "glsa_", Url64, 38),
    token_if(Vendor, "gsk_", Alnum, 40, has_digit),
    token_if(Vendor, "pat.", Dotted, 60, has_digit),
    token_if(Vendor, "sat.", Dotted, 60, has_digit),
    token(Vendor, "HRKU-AA", Url64, 50),
    token(Vendor, "ico-", Alnum, 32),
    token(Vendor, "lsv2_pt_", Url64, 40),
    token(Vendor, "lsv2_sk_", Url64, 40),
    token(Vendor, "nfp_", Alnum, 36),
    token_if(Vendor, "ntn_", Alnum, 40, has_digit),
    token(Vendor, "NRAK-", Alnum, 27),
    token(Vendor, "NRII-", Url64, 32),
    token_if(Vendor, "oy2", Alnum, 43, has_digit),
    token(Vendor, "PMAK-", Url64, 50),
    token(Vendor, "phx_", Alnum, 40),
    token(Vendor, "pnu_", Alnum, 36),
    token(Vendor, "pplx-", Alnum, 48),
    token(Vendor, "pscale_tkn_", Dotted, 32),
    token(Vendor, "pscale_pw_", Dotted, 32),
    token(Vendor, "pscale_oauth_", Dotted, 32),
    token(Vendor, "pul-", Hex, 40),
    token_if(Vendor, "r8_", Alnum, 37, has_digit),
    token(Vendor, "rdme_", Alnum, 70),
    token(Vendor, "rubygems_", Hex, 48),
    token(Vendor, "s-s4t2ud-", Hex, 64),
    token(Vendor, "s-s4t2af-", Hex, 64),
    token(Vendor, "sgp_", Url64, 40),
    token(Vendor, "sha256~", Url64, 43),
    token(Vendor, "shippo_live_", Hex, 40),
    token(Vendor, "shippo_test_", Hex, 40),
    token(Vendor, "sk-or-v1-", Hex, 64),
    token(Vendor, "sl.", Url64, 130),
    token(Vendor, "sm_aat_", Alnum, 16),
    token(Vendor, "sm_pat_", Alnum, 16),
    token(Vendor, "sm_sat_", Alnum, 16),
    token(Vendor, "sntrys_", Query, 50),
    token(Vendor, "sntryu_", Hex, 64),
    token(Vendor, "sq0atp-", Url64, 22),
    token(Vendor, "sq0csp-", Url64, 40),
    token(Vendor, "sqp_", Hex, 40),
    token(Vendor, "squ_", Hex, 40),
    token(Vendor, "sqa_", Hex, 40),
    token(Vendor, "tfp_", Dotted, 44),
    token(Vendor, "tk-us-", Url64, 48),
    token_if(Vendor, "tskey-", Url64, 20, has_digit),
    token(Vendor, "xai-", Alnum, 60),
    token(Vendor, "xkeysib-", Url64, 64),
    token(Vendor, "xsmtpsib-", Url64, 64),
    token(Vendor, "AQVN", Url64, 35),
    token(Rule::PasswordHash, "SCRAM-SHA-256$", Scram, 40),
    token(Rule::PasswordHash, "$2a$", Crypt, 55),
    token(Rule::PasswordHash, "$2b$", Crypt, 55),
    token(Rule::PasswordHash, "$2y$", Crypt, 55),
    token(Rule::PasswordHash, "$5$", Crypt, 43),
    token(Rule::PasswordHash, "$6$", Crypt, 86),
    token(Rule::PasswordHash, "$y$", Crypt, 43),
    token(Rule::PasswordHash, "$apr1$", Crypt, 22),
    token(Rule::PasswordHash, "$argon2i$", Crypt, 40),
    token(Rule::PasswordHash, "$argon2d$", Crypt, 40),
    token(Rule::PasswordHash, "$argon2id$", Crypt, 40),
];

fn always(_: &str) -> bool {
    true
}

/// A random text of this length has a digit; a word has none.
fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

fn is_small(text: &str) -> bool {
    !text.bytes().any(|b| b.is_ascii_uppercase())
}

/// Masks a token whose prefix stands at `at`.
pub(super) fn examine(scan: &mut Scan<'_>, at: Range<usize>, token: &Token) {
    let sign = token.prefix.starts_with('$');
    let begins = if sign { scan.before(at.start) != b'$' } else { scan.begins_word(at.start) };
    // In `cache-key-…` and `disk-…` the prefix is part of a word.
    let is_part = token.prefix.len() <= 4 && scan.before(at.start) == b'-';
    if scan.bytes(at.clone()) != token.prefix.as_bytes() || !begins || is_part {
        return;
    }
    let mut end = match token.class {
        Base64 | Url64 => padded(scan, token.class, at.end),
        class => scan.run(class, at.end),
    };
    while end > at.end && scan.byte(end - 1) == b'.' {
        end -= 1;
    }
    if end < at.end + token.min {
        return;
    }
    let text = scan.examined(&(at.end..end));
    if (token.holds)(text) {
        scan.mask(token.rule, at.start..end);
    }
}
