//! The rules that the ledger brings.

/// Declares the rules and their names, in the order in which lists show them.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal,)+) => {
        /// A rule that finds secrets in text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Rule {
            $($(#[$doc])* $rule,)+
        }

        impl Rule {
            pub(super) const ALL: &[Rule] = &[$(Rule::$rule),+];
            pub(super) const COUNT: usize = Rule::ALL.len();

            /// The rule's name in `[masked:<name>]`.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Rule::$rule => $name,)+
                }
            }
        }
    };
}

rules! {
    /// Private keys in PEM, also in Base64 or cut off; keys of age and PuTTY.
    PrivateKey = "private-key",
    /// `Authorization: …`, `Bearer …`, `Basic …`.
    Authorization = "authorization",
    /// JSON Web Tokens.
    Jwt = "jwt",
    /// `Cookie:`, `Set-Cookie:`.
    Cookie = "cookie",
    Aws = "aws",
    Gcp = "gcp",
    /// Azure and Azure DevOps.
    Azure = "azure",
    GitHub = "github",
    GitLab = "gitlab",
    Slack = "slack",
    Stripe = "stripe",
    Vault = "vault",
    OpenAi = "openai",
    Anthropic = "anthropic",
    HuggingFace = "huggingface",
    SendGrid = "sendgrid",
    Mailgun = "mailgun",
    Npm = "npm",
    PyPi = "pypi",
    Docker = "docker",
    Shopify = "shopify",
    Telegram = "telegram",
    Discord = "discord",
    DigitalOcean = "digitalocean",
    Databricks = "databricks",
    Linear = "linear",
    Atlassian = "atlassian",
    /// Tokens of other vendors.
    Vendor = "vendor",
    /// Tokens of this ledger.
    LedgerToken = "ledger-token",
    /// `scheme://user:password@host`.
    UrlPassword = "url-password",
    /// Passwords after a name, an option or an SQL clause, and in `.pgpass` and `.netrc`.
    Password = "password",
    /// Password hashes as `crypt` and PostgreSQL write them.
    PasswordHash = "password-hash",
    /// Tokens and keys after a name.
    ApiKey = "api-key",
}
