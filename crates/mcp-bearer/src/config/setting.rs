//! The only table of settings: the name of each setting in each place where it can be given.
//!
//! A new setting needs a row here, a field of a draft and its line in `set`.

use mcp_bearer_core::Rule;

/// Where a setting can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Entrance {
    /// A method of [`IssuerBuilder`](crate::config::IssuerBuilder) and similar types.
    Rust,
    /// An option of the program `mcp-bearer`.
    Flag,
    /// A variable of the environment or of a `.env` file.
    Variable,
    /// A variable that FastMCP also has.
    FastMcpVariable,
    /// A key of a TOML file, with the table that it is in.
    Toml,
    /// An argument of the Python classes.
    Python,
}

/// What a value looks like in any entrance. Programs describe their own keys by it too
/// ([`OtherKey`](super::OtherKey)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// On or off; off by default.
    Switch,
    /// One text; the word describes it.
    Text(&'static str),
    /// The name of a file.
    Path,
    /// One text or several; the word describes each.
    Texts(&'static str),
    /// A length of time.
    Duration,
    /// A whole number; the word names what is counted.
    Number(&'static str),
    /// Names with one value or several each; the word shows one pair as an option of the program
    /// takes it.
    Pairs(&'static str),
    /// Something that only code can give.
    Code,
}

/// What a setting is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Group {
    /// Where an issuer's keys come from: exactly one source of public keys, or a shared secret, or
    /// both.
    Keys,
    /// Which issuers' tokens are accepted, and for which audience.
    Decisions,
    /// Further rules for tokens.
    Rules,
    /// How keys are fetched.
    Fetching,
    /// The server as a whole, whatever the issuer.
    Server,
    /// The layer in front of a server; a provider alone does not use it.
    Layer,
}

impl Group {
    /// Whether each of several issuers has its own settings here.
    #[must_use]
    pub const fn is_of_issuer(self) -> bool {
        !matches!(self, Self::Server | Self::Layer)
    }
}

struct Row {
    about: &'static str,
    group: Group,
    shape: Shape,
    names: [Option<&'static str>; 6],
}

/// A name with its prefix, or with the table of its group; `-` if there is none.
macro_rules! name {
    ($prefix:literal -) => { None };
    ($prefix:literal $name:tt if) => { None };
    ($prefix:literal $name:tt if FastMCP) => { name!($prefix $name) };
    ($prefix:literal $name:literal) => { Some(concat!($prefix, $name)) };
    (Server $name:tt) => { name!("" $name) };
    (Layer $name:tt) => { name!("" $name) };
    ($group:ident $name:tt) => { name!("issuer." $name) };
}

/// Rows of: what a setting is; its identifier, group and shape; its names for Rust, the program
/// (`--`), variables (`MCP_BEARER_`), TOML and Python. `-` if it cannot be given; `FastMCP` if that
/// also has the variable.
macro_rules! settings {
    ($($(#[doc = $about:literal])+ $setting:ident $group:ident ($shape:expr)
        [$rust:tt $flag:tt $variable:tt $toml:tt $python:tt $($fast_mcp:ident)?])+) => {
        /// One setting of an issuer or of a server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Setting {
            $($(#[doc = $about])+ $setting,)+
        }

        impl Setting {
            /// Every setting, in the order in which they are documented and reported.
            pub const ALL: &'static [Self] = &[$(Self::$setting),+];

            const fn row(self) -> Row {
                use Shape::{Code, Duration, Pairs, Path, Switch, Text, Texts};
                match self {
                    $(Self::$setting => Row {
                        about: concat!($($about),+),
                        group: Group::$group,
                        shape: $shape,
                        names: [
                            name!("" $rust),
                            name!("--" $flag),
                            name!("MCP_BEARER_" $variable),
                            name!("FASTMCP_AUTH_BEARER_" $variable if $($fast_mcp)?),
                            name!($group $toml),
                            name!("" $python),
                        ],
                    },)+
                }
            }
        }
    };
}

settings! {
    /// A public key in PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`. It is used whatever
    /// `kid` a token names.
    PublicKey Keys (Text("PEM")) ["public_key" - "PUBLIC_KEY" "public_key" "public_key" FastMCP]
    /// A public key in PEM, in a file that is read again when it changes.
    PublicKeyFile Keys (Path)
        ["public_key_file" "public-key" "PUBLIC_KEY_FILE" "public_key_file" "public_key_file"]
    /// A JWK Set in JSON (RFC 7517 section 5).
    Jwks Keys (Text("JSON")) ["jwks_json" - "JWKS" "jwks" "jwks"]
    /// A JWK Set in a file that is read again when it changes.
    JwksFile Keys (Path) ["jwks_file" "jwks" "JWKS_FILE" "jwks_file" "jwks_file"]
    /// A file with a JWK Set or a public key in PEM, read again when it changes.
    KeyFile Keys (Path) ["key_file" - - - -]
    /// The address of a JWK Set: https, or http on loopback.
    JwksUri Keys (Text("URL")) ["jwks_uri" "jwks-uri" "JWKS_URI" "jwks_uri" "jwks_uri" FastMCP]
    /// An issuer whose metadata leads to its keys (RFC 8414, OpenID Connect Discovery). It is also
    /// the expected `iss`, unless another one is given.
    Discover Keys (Text("ISSUER")) ["discover" "discover" "DISCOVER" "discover" "discover"]
    /// The secret shared with the issuer, for HS256, HS384 and HS512: alone, or beside one source
    /// of public keys. Anyone who can verify with it can also sign with it.
    SharedSecret Keys (Text("SECRET")) ["shared_secret" - "SHARED_SECRET" "shared_secret" "secret"]
    /// The same secret in a file: its bytes, without the line end after printable text.
    SharedSecretFile Keys (Path)
        ["shared_secret_file" "secret-file" "SHARED_SECRET_FILE" "shared_secret_file" "secret_file"]
    /// Keys over HTTP with settings of their own.
    RemoteKeys Keys (Code) ["remote_keys" - - - -]
    /// Any other source of keys.
    KeySource Keys (Code) ["key_source" - - - -]

    /// `iss` must be this, byte for byte; with several names, one of them.
    Issuer Decisions (Texts("ISSUER")) ["issuer" "issuer" "ISSUER" "issuer" "issuer" FastMCP]
    /// Accepts any `iss`, or none: only the key shows who signed.
    AnyIssuer Decisions (Switch) ["any_issuer" "any-issuer" "ANY_ISSUER" "any_issuer" "any_issuer"]
    /// `aud` must hold this, byte for byte: the URL of the MCP server; with several, one of them.
    Audience Decisions (Texts("AUDIENCE"))
        ["audience" "audience" "AUDIENCE" "audiences" "audience" FastMCP]
    /// Accepts tokens made for any server: one that another server received can be replayed here.
    AnyAudience Decisions (Switch) ["any_audience" "any-audience" "ANY_AUDIENCE" "any_audience" "any_audience"]

    /// The allowed algorithms; RS256 unless given, or HS256 with a shared secret alone. With a
    /// secret beside public keys, those of both must be listed.
    Algorithms Rules (Texts("ALGORITHM"))
        ["algorithms" "algorithm" "ALGORITHMS" "algorithms" "algorithm"]
    /// The scopes that every request needs.
    RequiredScopes Rules (Texts("SCOPE"))
        ["required_scopes" "scope" "REQUIRED_SCOPES" "required_scopes" "required_scopes" FastMCP]
    /// The tolerance between the issuer's clock and this one, at most 300 s; 60 s unless given.
    Leeway Rules (Duration) ["leeway" "leeway" "LEEWAY_SECONDS" "leeway" "leeway"]
    /// The largest age of a token by `iat`, which is then required.
    MaxAge Rules (Duration) ["max_age" "max-age" "MAX_AGE_SECONDS" "max_age" "max_age"]
    /// The `typ` that a token must have: `any`, or `rfc9068` for `at+jwt` alone; `any` unless
    /// given.
    TokenType Rules (Text("TYPE"))
        ["token_type" "token-type" "TOKEN_TYPE" "token_type" "token_type"]
    /// Another `typ` that is accepted like `JWT`, for issuers with their own type. It never counts
    /// as `at+jwt`.
    AcceptedTypes Rules (Texts("TYPE"))
        ["also_accept_type" "also-accept-type" "ALSO_ACCEPT_TYPES" "also_accept_types" "also_accept_types"]
    /// Claims that must be present and equal to a value; with an array, to one of its values.
    RequiredClaims Rules (Pairs("NAME=JSON"))
        ["required_claim" "required-claim" "REQUIRED_CLAIMS" "required_claims" "required_claims"]
    /// Claims that must be present and contain a value: an array with it among its elements, or the
    /// value itself; with an array of values, one of them.
    RequiredClaimsContaining Rules (Pairs("NAME=JSON"))
        ["required_claim_containing" "required-claim-containing" "REQUIRED_CLAIMS_CONTAINING"
         "required_claims_containing" "required_claims_containing"]
    /// The allowed clients (`client_id`, `azp`, `cid` or `appid`, which is then required).
    AllowedClientIds Rules (Texts("CLIENT"))
        ["allowed_client_ids" "allowed-client-id" "ALLOWED_CLIENT_IDS"
         "allowed_client_ids" "allowed_client_ids"]
    /// The claims that scopes are read from, the first one present being used; `scope`, then `scp`
    /// unless given. A nested claim is a JSON array of names, as in `["realm_access","roles"]`.
    ScopeClaims Rules (Texts("CLAIM"))
        ["scope_claims" "scope-claim" "SCOPE_CLAIMS" "scope_claims" "scope_claims"]
    /// Uses the scopes of all those claims, not only of the first one present. A user's roles then
    /// count even if the user has not consented to them for this client.
    AcceptScopesBeyondConsent Rules (Switch)
        ["accept_scopes_beyond_consent" "accept-scopes-beyond-consent" "ACCEPT_SCOPES_BEYOND_CONSENT"
         "accept_scopes_beyond_consent" "accept_scopes_beyond_consent"]
    /// Scopes that include others: a token with the first has the others too.
    ScopeImplies Rules (Pairs("SCOPE=SCOPES"))
        ["scope_implies" "scope-implies" "SCOPE_IMPLIES" "scope_implies" "scope_implies"]
    /// What clients put before a scope when they request it: with `api://ID/`, they request
    /// `api://ID/read` to get a token that holds `read`. Challenges and `scopes_supported` name
    /// that.
    RequestedScopePrefix Rules (Text("PREFIX"))
        ["requested_scope_prefix" "requested-scope-prefix" "REQUESTED_SCOPE_PREFIX"
         "requested_scope_prefix" "requested_scope_prefix"]
    /// Scopes, each with the one that clients must request to get a token that holds it. It takes
    /// precedence over the prefix.
    RequestedScopes Rules (Pairs("SCOPE=SCOPE"))
        ["requested_scope" "requested-scope" "REQUESTED_SCOPES" "requested_scopes" "requested_scopes"]
    /// Accepts tokens without `exp`: a stolen one works forever.
    AcceptTokensThatNeverExpire Rules (Switch)
        ["accept_tokens_that_never_expire" "accept-tokens-that-never-expire" "ACCEPT_TOKENS_THAT_NEVER_EXPIRE"
         "accept_tokens_that_never_expire" "require_expiry"]
    /// Accepts tokens whose `iat` is in the future, for issuers whose clock is ahead by more than
    /// the leeway.
    AcceptTokensIssuedInTheFuture Rules (Switch)
        ["accept_tokens_issued_in_the_future" "accept-tokens-issued-in-the-future"
         "ACCEPT_TOKENS_ISSUED_IN_THE_FUTURE" "accept_tokens_issued_in_the_future"
         "accept_tokens_issued_in_the_future"]
    /// Accepts tokens with `at_hash` or `c_hash`, the marks of an ID token: an ID token may then
    /// pass for an access token.
    AcceptIdentityTokenShape Rules (Switch)
        ["accept_identity_token_shape" "accept-identity-token-shape" "ACCEPT_IDENTITY_TOKEN_SHAPE"
         "accept_identity_token_shape" "accept_identity_token_shape"]
    /// Verifies RSA signatures with AWS-LC alone, also where the processor has AVX-512 IFMA. The
    /// verdicts are the same but take longer.
    WithoutRsaKernel Rules (Switch)
        ["without_rsa_kernel" "without-rsa-kernel" "WITHOUT_RSA_KERNEL"
         "without_rsa_kernel" "without_rsa_kernel"]

    /// Trusts the certificates in this PEM file when keys are fetched, and no others.
    CaFile Fetching (Path) ["ca_file" "ca-file" "CA_FILE" "ca_file" "ca_file"]
    /// The proxy for https (`http://host:port`). Proxies that the environment names are not used.
    Proxy Fetching (Text("URL")) ["proxy" "proxy" "PROXY" "proxy" "proxy"]
    /// Connects to public unicast addresses only: for issuers that someone else names.
    SsrfGuard Fetching (Switch) ["ssrf_guard" "ssrf-guard" "SSRF_GUARD" "ssrf_guard" "ssrf_safe"]
    /// Allows http beyond loopback. Anyone on the path can then replace the keys and mint tokens.
    InsecureAllowHttp Fetching (Switch)
        ["insecure_allow_http" "insecure-allow-http" "INSECURE_ALLOW_HTTP"
         "insecure_allow_http" "insecure_allow_http"]
    /// The longest lifetime that an issuer may give its keys: 60 s to 24 h, 1 h unless given.
    MaxFreshness Fetching (Duration)
        ["max_freshness" "max-freshness" "MAX_FRESHNESS_SECONDS" "max_freshness" "max_freshness"]
    /// How long past their lifetime keys are used while the issuer cannot be reached: at most 7
    /// days, 24 h unless given.
    StalenessBound Fetching (Duration)
        ["staleness_bound" "staleness-bound" "STALENESS_BOUND_SECONDS"
         "staleness_bound" "staleness_bound"]
    /// Fetches by other means than the HTTP client of this crate.
    Fetch Fetching (Code) ["fetch" - - - "fetch"]

    /// The identifier of the MCP server (RFC 9728): its URL as clients know it, and the audience
    /// unless one is given.
    Resource Server (Text("URL")) ["resource" "resource" "RESOURCE" "resource" "resource"]
    /// Keeps verified tokens for some minutes, for clients that send one token with every request.
    TokenCache Server (Switch)
        ["with_token_cache" "token-cache" "TOKEN_CACHE" "token_cache" "token_cache"]
    /// The issuers that clients may get a token from, by their https URLs.
    AuthorizationServers Server (Code) ["authorization_servers" - - - "authorization_servers"]
    /// The scopes worth asking for.
    ScopesSupported Server (Code) ["scopes_supported" - - - -]

    /// The keys that bind a server's sessions to their principals, each of at least 32 random
    /// characters. The first one signs, all of them verify; replicas share them.
    SessionKeys Layer (Texts("KEY"))
        ["session_keys" - "SESSION_KEYS" "session_keys" "session_keys"]
    /// The same keys in a file, one per line. It is read once.
    SessionKeysFile Layer (Path)
        ["session_keys_file" "session-keys-file" "SESSION_KEYS_FILE" "session_keys_file" "session_keys_file"]
    /// The header that holds the token instead of `Authorization`: the signed assertion of a proxy
    /// in front.
    TokenHeader Layer (Text("NAME"))
        ["token_header" "token-header" "TOKEN_HEADER" "token_header" "token_header"]
    /// Accepts a token only with the body that it was signed for (claim `body_sha256`): for servers
    /// behind a proxy that signs a token for each request, such as the gateway's assertions.
    RequireBodyHash Layer (Switch)
        ["require_body_hash" "require-body-hash" "REQUIRE_BODY_HASH" "require_body_hash" "require_body_hash"]
}

impl Setting {
    /// Its name there; `None` if it cannot be given.
    ///
    /// ```
    /// use mcp_bearer::config::{Entrance, Setting};
    /// assert_eq!(Setting::Leeway.name(Entrance::Flag), Some("--leeway"));
    /// assert_eq!(Setting::Leeway.name(Entrance::Variable), Some("MCP_BEARER_LEEWAY_SECONDS"));
    /// assert_eq!(Setting::KeySource.name(Entrance::Flag), None);
    /// ```
    #[must_use]
    pub const fn name(self, entrance: Entrance) -> Option<&'static str> {
        let [rust, flag, variable, fast_mcp, toml, python] = self.row().names;
        match entrance {
            Entrance::Rust => rust,
            Entrance::Flag => flag,
            Entrance::Variable => variable,
            Entrance::FastMcpVariable => fast_mcp,
            Entrance::Toml => toml,
            Entrance::Python => python,
        }
    }

    /// The setting with this name.
    #[must_use]
    pub fn named(name: &str, entrance: Entrance) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|setting| setting.name(entrance) == Some(name))
    }

    /// What it means, in a sentence or two.
    #[must_use]
    pub const fn about(self) -> &'static str {
        self.row().about.trim_ascii()
    }

    /// What its values look like.
    #[must_use]
    pub const fn shape(self) -> Shape {
        self.row().shape
    }

    /// What it is about.
    #[must_use]
    pub const fn group(self) -> Group {
        self.row().group
    }
}

/// Exhaustive: a rule of the core without a name in every entrance does not compile.
impl From<Rule> for Setting {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Issuers => Self::Issuer,
            Rule::Audiences => Self::Audience,
            Rule::Algorithms => Self::Algorithms,
            Rule::Leeway => Self::Leeway,
            Rule::MaxAge => Self::MaxAge,
            Rule::RequiredClaims => Self::RequiredClaims,
            Rule::RequiredClaimsContaining => Self::RequiredClaimsContaining,
            Rule::AllowedClientIds => Self::AllowedClientIds,
            Rule::AcceptedTypes => Self::AcceptedTypes,
            Rule::ScopeClaims => Self::ScopeClaims,
            Rule::ScopeImplies => Self::ScopeImplies,
            Rule::RequestedScopePrefix => Self::RequestedScopePrefix,
            Rule::RequestedScopes => Self::RequestedScopes,
            Rule::Resource => Self::Resource,
            Rule::AuthorizationServers => Self::AuthorizationServers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entrance, Setting, Shape};

    const ENTRANCES: [Entrance; 6] = [
        Entrance::Rust,
        Entrance::Flag,
        Entrance::Variable,
        Entrance::FastMcpVariable,
        Entrance::Toml,
        Entrance::Python,
    ];

    #[test]
    fn a_name_belongs_to_one_setting_and_has_the_form_of_its_entrance() {
        for entrance in ENTRANCES {
            for setting in Setting::ALL {
                let Some(name) = setting.name(entrance) else {
                    continue;
                };
                assert_eq!(Setting::named(name, entrance), Some(*setting), "{name}");
                let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                let seconds = setting.shape() == Shape::Duration;
                let variable = |prefix: &str| {
                    let own = name.strip_prefix(prefix).unwrap_or_default();
                    own == own.to_uppercase() && own.ends_with("_SECONDS") == seconds
                };
                assert!(
                    match entrance {
                        Entrance::Rust | Entrance::Python => name.chars().all(snake),
                        Entrance::Flag => name.starts_with("--") && !name.contains('_'),
                        Entrance::Variable => variable("MCP_BEARER_"),
                        Entrance::FastMcpVariable => variable("FASTMCP_AUTH_BEARER_"),
                        Entrance::Toml => name
                            .strip_prefix("issuer.")
                            .unwrap_or(name)
                            .chars()
                            .all(snake),
                    },
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn what_text_can_express_has_a_name_in_every_entrance() {
        use Setting::{Jwks, KeyFile, PublicKey, SessionKeys, SharedSecret};
        for setting in Setting::ALL {
            let entrances = ENTRANCES.into_iter().filter(|entrance| {
                let own = match (setting, entrance) {
                    // FastMCP has only these five names.
                    (_, Entrance::FastMcpVariable) => false,
                    // Settings that only code can give, and the method that sets either of two.
                    (_, _) if setting.shape() == Shape::Code => false,
                    (KeyFile, entrance) => *entrance == Entrance::Rust,
                    // Other users can see the options of a program, so a file is used instead.
                    (PublicKey | Jwks | SharedSecret | SessionKeys, Entrance::Flag) => false,
                    _ => true,
                };
                own && setting.name(*entrance).is_none()
            });
            assert_eq!(entrances.collect::<Vec<_>>(), [], "{setting:?}");
        }
        let fast_mcp = Setting::ALL.iter().filter(|setting| {
            let name = setting.name(Entrance::FastMcpVariable);
            name.is_some()
        });
        assert_eq!(fast_mcp.count(), 5);
    }
}
