//! Which texts are masked, and which stay.

use jobledger::mask::{Mask, OwnRule};
use jobledger::wire;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::secrets::{self, letters};

/// A note's text as the ledger stores it with `mask`.
fn stored(text: &str, mask: &Mask) -> String {
    let data = json!({ "text": text }).to_string();
    let parsed = wire::parse("job.noted", &data, &|_| unreachable!("no actions"), mask).unwrap();
    let stored: Value = serde_json::from_slice(&parsed.data).unwrap();
    stored["text"].as_str().unwrap().to_owned()
}

#[test]
fn real_shapes_are_masked_and_the_text_around_them_stays() {
    for secret in secrets::all() {
        let masked = stored(&secret.text, &Mask::default());
        assert_eq!(masked, secret.masked(), "{}: {}", secret.rule, secret.text);
        assert_eq!(stored(&masked, &Mask::default()), masked, "{}", secret.rule);
    }
}

#[test]
fn several_secrets_in_one_text_are_each_masked() {
    let all = secrets::all();
    let texts: Vec<&str> = all.iter().filter(|secret| secret.rule != "private-key").map(|s| s.text.as_str()).collect();
    let masked = stored(&texts.join("\n\n"), &Mask::default());
    for secret in all.iter().filter(|secret| secret.rule != "private-key") {
        assert!(secret.secret.len() < 8 || !masked.contains(&secret.secret), "{}", secret.text);
    }
    assert_eq!(stored(&masked, &Mask::default()), masked);
}

#[test]
fn texts_that_are_no_secrets_stay() {
    let image = format!("data:image/png;base64,{}", letters(4000));
    for text in [
        "the password reset mail was sent to ann@example.com",
        "password: must have 12 characters",
        "a wrong password was given 3 times",
        "if password == expected { retry() }",
        "token bucket of 100 tokens, 3 left; the token expired",
        "token: none",
        "basic authentication is required, a bearer of bad news, Basic configuration loaded",
        "Authorization: required by policy",
        "bearer authentication-and-authorization",
        "https://example.com:8443/a/b?x=1&user=ann@example.com#top",
        "http://host:80/path/ann@example.com and ssh://git@example.com:22/repo.git",
        "postgres://app@db.example.com:5432/app, redis://cache:6379/0",
        "arn:aws:iam::123456789012:role/Admin, arn:aws:rds:eu-west-1:123456789012:db:customers",
        "AIDAIOSFODNN7EXAMPLE is a user's id, AKIA is only a prefix",
        "67d7d053-3caf-430e-97ba-6d4933d3fd5b",
        "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "PWD=/home/app OLDPWD=/",
        "secret_id: dbsecrets/data/hoop_ro_127.0.0.1, secret_keys: HOST PORT USER PASSWORD DB",
        "expected a PEM file that begins with -----BEGIN PRIVATE KEY-----, found none",
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ2\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        "eyJhIjoxfQ is a JSON object in Base64",
        "Größe: 10 €, 北京, 👍",
        "sk_test is a prefix; glpat- too; xoxb",
        "[masked:jwt] stays, and [masked:] and [masked:Not a rule] too, and [masked:",
        &image,
        "",
    ] {
        assert_eq!(stored(text, &Mask::default()), text);
    }
}

#[test]
fn every_free_text_is_masked_wherever_it_stands() {
    let token = ["gh", "p_", &letters(36)].concat();
    let text = format!("found {token} in it");
    for (event_type, data) in [
        ("job.started", json!({ "message": text })),
        ("job.progress", json!({ "message": text, "current_step": text })),
        ("job.item_result", json!({ "item": "a", "status": "failed", "message": text })),
        ("job.hook_output", json!({ "output": text })),
        ("job.completed", json!({ "message": text })),
        ("job.failed", json!({ "message": text })),
        ("job.cancelled", json!({ "reason": text })),
        ("job.noted", json!({ "text": text })),
    ] {
        let given = data.to_string();
        let parsed = wire::parse(event_type, &given, &|_| unreachable!("no actions"), &Mask::default()).unwrap();
        let (stored, texts) = (String::from_utf8(parsed.data).unwrap(), given.matches(&token).count());
        assert!(!stored.contains(&token), "{stored}");
        assert_eq!(stored.matches("found [masked:github] in it").count(), texts, "{stored}");
        assert_eq!(parsed.masked.len(), texts);
        // The folded event has the same masked texts as the stored data.
        assert_eq!(wire::decode(event_type, 1, stored.as_bytes()).unwrap(), parsed.event);
    }
}

#[test]
fn a_text_at_its_limit_may_grow_when_it_is_masked_and_be_sent_again() {
    let full = "PASSWORD=p\n".repeat(16 * 1024 / 11);
    let masked = stored(&full, &Mask::default());
    assert!(masked.len() > 16 * 1024 && !masked.contains("=p"), "{}", masked.len());
    assert_eq!(stored(&masked, &Mask::default()), masked);
    wire::decode("job.noted", 1, json!({ "text": masked }).to_string().as_bytes()).unwrap();
    let over = json!({ "text": format!("PASSWORD=p{}", "x".repeat(16 * 1024)) }).to_string();
    wire::parse("job.noted", &over, &|_| unreachable!("no actions"), &Mask::default()).unwrap_err();
}

#[test]
fn rules_are_chosen_by_name() {
    let text = format!("{} {}", secrets::jwt(), ["gh", "p_", &letters(36)].concat());
    for (choice, masked) in [
        ("all", (true, true)),
        ("none", (false, false)),
        ("all,-jwt", (false, true)),
        ("-jwt", (false, true)),
        ("jwt", (true, false)),
        ("none, jwt,github", (true, true)),
        ("all,-names", (true, true)),
    ] {
        let stored = stored(&text, &Mask::new(choice, &[]).unwrap());
        assert_eq!((stored.contains("[masked:jwt]"), stored.contains("[masked:github]")), masked, "{choice}");
    }
    let choice = |choice: &str| Mask::new(choice, &[]).unwrap_err().to_string();
    for bad in ["", "jwts", "all,-nothing", "all,", "--jwt"] {
        assert!(choice(bad).contains("private-key, authorization, jwt"), "{bad}: {}", choice(bad));
    }
}

#[test]
fn an_added_rule_masks_its_whole_match_or_its_group() {
    let own = |name: &str, pattern: &str| OwnRule { name: name.into(), pattern: pattern.into() };
    let badge = [own("badge", "BDG-[0-9]{4}"), own("pin", "(?i)pin is ([0-9]+)")];
    let mask = Mask::new("all", &badge).unwrap();
    assert_eq!(stored("BDG-1234, PIN is 77.", &mask), "[masked:badge], PIN is [masked:pin].");
    assert_eq!(stored("BDG-1234, PIN is 77.", &Mask::new("all,-pin", &badge).unwrap()), "[masked:badge], PIN is 77.");
    // Even a rule that would find the marks.
    let greedy = Mask::new("all", &[own("any", "[a-z]+")]).unwrap();
    let masked = stored("some words", &greedy);
    assert_eq!((masked.as_str(), stored(&masked, &greedy).as_str()), ("[masked:any] [masked:any]", masked.as_str()));
    for (rule, says) in [
        (own("jwt", "x"), "`jwt`"),
        (own("Badge", "x"), "`Badge`"),
        (own("", "x"), "name"),
        (own("all", "x"), "`all`"),
        (own("-a", "x"), "`-a`"),
        (own("a", "("), "`a`"),
        (own("a", "x*"), "empty"),
    ] {
        let why = Mask::new("all", &[rule]).unwrap_err().to_string();
        assert!(why.contains(says), "{why}");
    }
}

/// Pieces that secrets are made of, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let mut pieces: Vec<String> = secrets::all().into_iter().flat_map(|s| [s.masked(), s.secret, s.text]).collect();
    pieces.extend(
        [
            "password=",
            "://a:",
            "@",
            "bearer ",
            "basic ",
            "\"",
            "'",
            "\\n",
            "\n",
            " ",
            ";",
            "=",
            ".",
            "[masked:",
            "]",
            "é",
        ]
        .map(String::from),
    );
    prop::collection::vec(prop::sample::select(pieces), 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn masking_is_idempotent(text in pieces()) {
        prop_assume!(text.len() < 16 * 1024);
        let once = stored(&text, &Mask::default());
        prop_assert_eq!(&stored(&once, &Mask::default()), &once);
    }
}
