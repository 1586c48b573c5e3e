//! The forms in which programs print secrets, rule by rule: texts that are masked, and similar texts that stay.
//!
//! In a text `«…»` is the secret. `{36}` stands for 36 random letters and digits, `{h32}` for hexadecimal digits, `{d10}` for
//! decimal ones and `{u26}` for large letters and digits; a `~` is nothing, so that no scanner takes this file
//! for a leak, and U+0001 is a `~`.

use jobledger::mask::Mask;
use jobledger::wire;
use serde_json::{Value, json};

use crate::support::secrets;

/// A note's text as the ledger stores it.
fn stored(text: &str) -> String {
    let data = json!({ "text": text }).to_string();
    let parsed = wire::parse("job.noted", &data, &|_| unreachable!("no actions"), &Mask::default()).unwrap();
    let stored: Value = serde_json::from_slice(&parsed.data).unwrap();
    stored["text"].as_str().unwrap().to_owned()
}

/// `template` with random characters put in.
fn filled(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        let end = rest[at..].find('}').map_or(rest.len(), |n| at + n + 1);
        match random(&rest[at + 1..end - 1]) {
            Some(random) => text.push_str(&random),
            None => text.push_str(&rest[at..end]),
        }
        rest = &rest[end..];
    }
    text.push_str(rest);
    text.replace('~', "").replace('\u{1}', "~")
}

fn random(of: &str) -> Option<String> {
    let letters = |n: &str| Some(secrets::letters(n.parse().ok()?));
    match of.split_at_checked(1)? {
        ("h", n) => {
            letters(n).map(|text| text.bytes().map(|b| char::from(b"0123456789abcdef"[usize::from(b % 16)])).collect())
        }
        ("d", n) => letters(n).map(|text| text.bytes().map(|b| char::from(b'0' + b % 10)).collect()),
        ("u", n) => letters(n).map(|text| text.to_ascii_uppercase()),
        _ => letters(of),
    }
}

/// Checks that `rule` masks the marked secrets of each text, and that masking again changes nothing.
pub fn assert_masked(rule: &str, templates: &[&str]) {
    let mut wrong = Vec::new();
    for template in templates {
        let marked = filled(template);
        let mark = format!("[masked:{rule}]");
        let mut expected = String::new();
        for (n, part) in marked.split(['«', '»']).enumerate() {
            expected.push_str(if n % 2 == 0 { part } else { &mark });
        }
        let given = marked.replace(['«', '»'], "");
        for text in [&given, &expected] {
            let stored = stored(text);
            if stored != expected {
                wrong.push(format!("  given    {text:?}\n  expected {expected:?}\n  found    {stored:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

pub fn assert_stay(templates: &[&str]) {
    let texts = templates.iter().map(|template| filled(template));
    let wrong: Vec<_> = texts.map(|text| (stored(&text), text)).filter(|(stored, text)| stored != text).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn headers_cookies_and_signatures() {
    assert_masked(
        "authorization",
        &[
            "> Authorization: Bearer «{24}»",
            "curl -H 'Authorization: Bot «{30}.{6}.{27}»'",
            "\"headers\": {\"Authorization\": \"Bearer «{40}»\"}",
            "authorization: «{32}»",
            "{\"auths\":{\"registry\":{\"auth\":\"«YXBwOmh1bnRlcjI=»\"}}}",
        ],
    );
    assert_masked(
        "cookie",
        &[
            "> Cookie: sid=«{24}»; theme=dark; csrf=«{16}»\n> Accept: */*",
            "< Set-Cookie: session=«{32}»; Path=/; HttpOnly",
            "{\"Cookie\": \"sid=«{24}»\"}",
            "curl -b 'sid=«{24}»' https://example.com",
        ],
    );
    assert_masked(
        "aws",
        &[
            "https://b.s3.amazonaws.com/k?X-Amz-Expires=60&X-Amz-Signature=«{h64}»&x=1",
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=«{h64}»",
            "https://d.cloudfront.net/a?Expires=1&Signature=«{40}__»&Key-Pair-Id=K",
            "aws configure set aws_secret_access_key «wJalrXUtnFEMI/K7MDENG~/bPxRfiCYEXAMPLEKEY»",
        ],
    );
    assert_masked("gcp", &["https://storage.googleapis.com/b/k?X-Goog-Signature=«{h64}»"]);
    assert_masked(
        "api-key",
        &[
            "github_token = «{32}»",
            "//registry.npmjs.org/:_authToken=«67d7d053-3caf-430e-97ba-6d4933d3fd5b»",
            "X-Vault-Token: «{24}»",
            "PRIVATE-TOKEN: «{20}»",
            "api_key_v2: «{24}»",
            "secretValue=«{16}»",
            "AZURE_DEVOPS_EXT_PAT=«{52}»",
            "https://example.com/?access_token=«{24}»&x=1",
            "tool --token «{24}» --verbose",
        ],
    );
    assert_stay(&[
        "token=session-expired-after-30-minutes",
        "token: none, token: expired, token=${TOKEN}, api_key=<your-api-key>, secret: vault:secret/data/app#key1",
        "Authorization: Bearer $TOKEN",
        "Authorization: required by policy, bearer of bad news",
        "cookie: none; Cookie: theme=dark; Set-Cookie: sid=; Max-Age=0; the cookie banner",
        "signature=valid, Signature: ok, the signature of the method",
        "cache_key=deps-v1-linux-x64, primary_key: id1234567890abcd, public_key=server-2024.pem",
        "token_type=Bearer, next_token_id=12345678901234567890",
        "secret_arn=arn:aws:secretsmanager:eu-west-1:123456789012:secret:app",
        "SECRET_FILE=/run/secrets/db1, token file: /var/run/secrets/token1",
    ]);
}

#[test]
fn keys_in_other_notations() {
    let pem = secrets::pem("RSA PRIVATE KEY", "\n");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &pem);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    assert_masked(
        "private-key",
        &[
            &format!("    client-key-data: «{encoded}»\n  user: a"),
            &format!("«{}»\n$ exit", lines.join("\n")),
            "AGE: «AGE-SECRET-KEY-~1{u58}»",
            "Private-Lines: 2\n«{64}\n{30}»\nPrivate-MAC: x",
        ],
    );
    let certificate = pem.replace("RSA PRIVATE KEY", "CERTIFICATE");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate);
    assert_stay(&[
        &format!("client-certificate-data: {encoded}"),
        "age1{58} is a recipient, Private-Lines: none, -----BEGIN RSA PRIVATE KEY-----",
        "PuTTY-User-Key-File-2: ssh-rsa",
    ]);
}

#[test]
fn tokens_of_vendors() {
    for (rule, templates) in [
        ("openai", &["key «sk~-proj-{40}», ", "«sk~-{48}»"][..]),
        ("anthropic", &["«sk~-ant-api03-{93}AA»"]),
        ("huggingface", &["HF «hf~_{34}»"]),
        ("sendgrid", &["with «SG~.{22}.{43}», sent"]),
        ("mailgun", &["api:«key~-{h32}»"]),
        ("npm", &["«npm~_{36}» is revoked"]),
        ("pypi", &["«pypi~-AgEIcHlwaS5vcmc{60}»"]),
        ("docker", &["-p «dckr~_pat_{27}»"]),
        ("azure", &["pat «{76}AZ~DO{4}»", "entra «{3}8Q\u{1}{34}»"]),
        ("shopify", &["«shpat~_{h32}», «shpss~_{h32}»"]),
        ("telegram", &["https://api.telegram.org/bot«{d10}:A~A{33}»/getMe"]),
        ("discord", &["as «M~{23}.{6}.{27}»", "https://discord.com/api/webhooks/«{d18}/{68}»"]),
        ("digitalocean", &["«dop~_v1_{h64}»"]),
        ("databricks", &["«dapi~{h32}»"]),
        ("linear", &["«lin~_api_{40}»"]),
        ("atlassian", &["«ATATT~3xFfGF0{180}=1A2B3C4D»"]),
        ("vault", &["«s~.{24}» and «hvs~.{90}»"]),
        ("gitlab", &["«GR~1348941{20}», «glrt~-{20}»", "«glpat~-{27}.01.{9}»."]),
        ("slack", &["«xo~xc-{d12}-{d12}-{24}»"]),
        ("github", &["«gh~s_{36}»"]),
        ("gcp", &["«1//~0{60}»"]),
        ("password-hash", &["app:«$2y$10$~{53}»:1", "«SCRAM-SHA-256$~4096:{22}$stored:{43}»"]),
        (
            "vendor",
            &[
                "«glsa~_{32}_{h8}»",
                "«pplx~-{48}»",
                "«PMAK~-{h24}-{h34}»",
                "«pul~-{h40}»",
                "«sq0atp~-{22}»",
                "«shippo~_live_{h40}»",
                "SID «S~K{h32}»",
                "«{14}.atlas~v1.{64}»",
                "«pat{14}.{h64}»",
                "«tskey~-auth-{17}-{32}»",
                "«API~-{u26}»",
            ],
        ),
    ] {
        assert_masked(rule, templates);
    }
    assert_stay(&[
        "sk-learn, task-{h32}, disk-{h40}, hf_transfer, npm_config_registry, pypi-server, dckr, linear_api_version",
        "key-{h40} is a cache's, cache-key-{h32} too, SG.short, s.toString, s.getElementsByTagNameNS(x)",
        "12:AA:BB:CC:DD:EE:FF, AA:BB, bot:AAAA",
        "a.b.c.d, 1.2.3.4, example.com.internal.example.org, v1.20.300, README.md",
        "SKU12345, SKIPPED, API-VERSION, API-2024-01-31, dapibus, ATATTACK, GR134",
        "{h64}, {h40}, {h32}: digests; {76}: a text in base64",
        "https://discord.com/api/webhooks, https://hooks.slack.com/services/, $2 and $5$, $6.50",
    ]);
}

#[test]
fn names_with_look_alike_letters_are_refused() {
    for name in
        ["pass", "dbPass", "passwordHash", "secretValue", "api_key_v2", "p\u{430}ssword", "\u{ff54}oken", "passw0rd"]
    {
        let rule = json!({ "id": "a", "type": "create", "rule": { name: "hunter2" } });
        let data = json!({ "kind": "rule", "spec": { "actions": [rule] } }).to_string();
        let refused = wire::parse("job.created", &data, &|_| unreachable!("named"), &Mask::default()).unwrap_err();
        assert!(matches!(refused, wire::Reject::Secret { .. }), "{name}: {refused:?}");
    }
    for name in ["bypass", "first_pass", "password_policy", "token_type", "keys"] {
        let rule = json!({ "id": "a", "type": "create", "rule": { name: "hunter2" } });
        let data = json!({ "kind": "rule", "spec": { "actions": [rule] } }).to_string();
        wire::parse("job.created", &data, &|_| unreachable!("named"), &Mask::default()).unwrap();
    }
}
