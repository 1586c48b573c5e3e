//! Invented secrets in the shapes of real ones. The code puts them together from parts, so a scan of this repository for secrets
//! finds none.

/// A secret, the rule that finds the secret, and a text that contains it.
pub struct Secret {
    pub rule: &'static str,
    pub secret: String,
    pub text: String,
}

/// `n` letters and digits that look random.
pub fn letters(n: usize) -> String {
    (1..=n as u64).map(|i| char::from(b"aZ0kQ7xW3bN9mRf5TgY2"[(i * i * 7 + i / 3) as usize % 20])).collect()
}

fn digits(n: usize) -> String {
    (1..=n as u64).map(|i| char::from(b"0123456789"[(i * i * 3) as usize % 10])).collect()
}

/// A key in PEM, lines parted by `newline`.
pub fn pem(kind: &str, newline: &str) -> String {
    let body: Vec<String> = (0..12).map(|n| letters(64 + n)[n..].to_owned()).collect();
    let (begin, end) = (format!("{0}BEGIN {kind}{0}", "-".repeat(5)), format!("{0}END {kind}{0}", "-".repeat(5)));
    [&[begin], &body[..], &[format!("{}==", letters(22)), end]].concat().join(newline)
}

/// A signed token (RFC 7519).
pub fn jwt() -> String {
    let part = |json: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, json);
    format!(
        "{}.{}.{}",
        part(r#"{"alg":"HS256","typ":"JWT"}"#),
        part(r#"{"sub":"1234567890","admin":true}"#),
        letters(43)
    )
}

/// `name:password` as `Basic` has it.
pub fn basic() -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, ["svc", "hunter2!"].join(":"))
}

/// Real shapes of every rule.
pub fn all() -> Vec<Secret> {
    let mut all = Vec::new();
    let mut add = |rule, secret: String, (before, after): (&str, &str)| {
        all.push(Secret { rule, text: format!("{before}{secret}{after}"), secret });
    };
    for kind in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
        add("private-key", pem(kind, "\n"), ("writing the key\n", "\ndone - it is in place\n"));
    }
    let encrypted =
        pem("RSA PRIVATE KEY", "\n").replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B2C3D\n\n", 1);
    add("private-key", encrypted, ("", "\n"));
    add("private-key", pem("PRIVATE KEY", "\r\n"), ("", "\r\n"));
    // A service account's file, as `cat` shows it.
    let service_account = pem("PRIVATE KEY", "\\n");
    add(
        "private-key",
        service_account,
        ("{\"type\": \"service_account\", \"private_key\": \"", "\\n\", \"client_id\": \"1\"}"),
    );
    let whole = pem("RSA PRIVATE KEY", "\n");
    let (front, back) = whole.split_at(whole.len() / 2);
    add("private-key", front.to_owned(), ("$ cat id_rsa\n", ""));
    add("private-key", back.to_owned(), ("", "\n$ exit\n"));

    add("authorization", letters(24), ("> Authorization: Bearer ", "\n> Accept: */*"));
    add("authorization", "short".into(), ("curl -H 'authorization: bearer ", "' https://example.com"));
    add("authorization", basic(), ("Proxy-Authorization: Basic ", "\r\n"));
    add("authorization", letters(40), ("\"Authorization\": \"Bearer ", "\"}"));
    add("authorization", letters(32), ("sent bearer ", ", answered 401"));
    add("authorization", basic(), ("with basic ", " it works"));
    add("authorization", letters(20), ("{\\\"Authorization\\\": \\\"token ", "\\\"}"));

    add("jwt", jwt(), ("token is ", ""));
    add("cookie", jwt(), ("cookie: session=", "; path=/"));
    let encrypted = [&jwt()[..20], "", &letters(16), &letters(40), &letters(22)].join(".");
    add("jwt", encrypted, ("(", ")"));

    let id = ["AK", "IA", "IOSFODNN7EXAMPLE"].concat();
    let key = ["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"].concat();
    add("aws", id.clone(), ("caller ", " is not authorised"));
    add("aws", ["AS", "IA", "IOSFODNN7EXAMPLE"].concat(), ("AWS_ACCESS_KEY_ID=", "\n"));
    add("aws", key.clone(), ("aws_secret_access_key = ", "\n"));
    add("aws", key.clone(), ("\"SecretAccessKey\": \"", "\","));
    add("aws", [id, key].join(","), ("Access key ID,Secret access key\n", "\n"));

    add("gcp", ["AI", "za", &letters(35)].concat(), ("?key=", "&x=1"));
    add("gcp", ["ya", "29.", &letters(60)].concat(), ("access ", ""));
    add("gcp", ["GOC", "SPX-", &letters(28)].concat(), ("", "\n"));
    let storage = format!("{}==", letters(86));
    add(
        "azure",
        storage.clone(),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=", ";EndpointSuffix=core.windows.net"),
    );
    add(
        "azure",
        storage[42..].to_owned(),
        ("Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=", ""),
    );
    add("azure", format!("{}%3D", letters(43)), ("https://a.blob.core.windows.net/c?sv=2022-11-02&sr=b&sig=", "&sp=r"));

    for prefix in ["ghp", "gho", "ghu", "ghs", "ghr"] {
        add("github", [prefix, "_", &letters(36)].concat(), ("remote: ", " is expired"));
    }
    add("github", ["github", "_pat_", &letters(22), "_", &letters(59)].concat(), ("", ""));
    add("gitlab", ["gl", "pat-", &letters(20)].concat(), ("PRIVATE: ", ""));
    add("gitlab", ["gl", "rt-", &letters(20)].concat(), ("runner ", " registered"));
    add("slack", ["xo", "xb-", &digits(12), "-", &digits(12), "-", &letters(24)].concat(), ("", ""));
    add(
        "slack",
        ["T", &digits(8), "/B", &digits(8), "/", &letters(24)].concat(),
        ("https://hooks.slack.com/services/", " answered 404"),
    );
    add("stripe", ["sk", "_live_", &letters(24)].concat(), ("key ", "."));
    add("stripe", ["rk", "_test_", &letters(24)].concat(), ("key ", "."));
    add("vault", ["hv", "s.", &letters(24)].concat(), ("VAULT: ", "\n"));
    add("ledger-token", ["j", "l_", &letters(43)].concat(), ("WORKER is ", "\n"));

    add("url-password", "hunter2".into(), ("cannot reach postgres://app:", "@db.example.com:5432/app"));
    add("url-password", "p@ss:w0rd".into(), ("mongodb+srv://app:", "@cluster0.example.net/?retryWrites=true"));
    add("url-password", "only".into(), ("redis://:", "@cache:6379/0"));
    add("url-password", "héslo".into(), ("amqp://größe:", "@mq//vhost"));
    add("password", "hunter2".into(), ("Server=db;Database=app;User Id=sa;Password=", ";Encrypt=true"));
    add("password", "p".into(), ("PGPASSWORD=", " psql -h db"));
    add("password", "with blank; and more".into(), ("host=db password='", "' user=app"));
    add("password", "say \\\"friend\\\" twice".into(), ("{\"user\": \"a\", \"password\": \"", "\", \"port\": 1}"));
    add("password", "hunter2".into(), ("{\\\"password\\\":\\\"", "\\\"}"));
    add("password", "hunter2".into(), ("Driver={SQL};Server=db;Uid=sa;Pwd=", ";"));
    add("password", "correct-horse".into(), ("mysqldump --password=", " --all"));
    add("api-key", letters(32), ("X-Api-Key: ", "\n"));
    add("api-key", letters(40), ("client_secret=", "&grant_type=client_credentials"));
    add("api-key", letters(24), ("{\"access_token\": \"", "\", \"expires_in\": 3600}"));
    all
}

impl Secret {
    /// The text with the secret masked, as the ledger stores it.
    pub fn masked(&self) -> String {
        self.text.replacen(&self.secret, &format!("[masked:{}]", self.rule), 1)
    }
}
