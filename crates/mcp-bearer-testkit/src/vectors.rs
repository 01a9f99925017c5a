//! The cases under `vectors/`, as data: one set of files that the verifier, the HTTP layer and the
//! program all run.
//!
//! A file is never repaired: an unknown member, a missing one or a name used twice stops the test.
//! The files say what a verifier should answer; nothing here decides that.
//!
//! ```
//! use mcp_bearer_testkit::vectors;
//!
//! for file in vectors::all() {
//!     for case in &file.cases {
//!         assert!(!case.step.is_empty(), "{}: {}", file.path, case.name);
//!     }
//! }
//! ```

pub mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One file of token cases: what they share, and the cases.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VectorFile {
    /// Its path below `vectors/`, such as `claims/exp.json`. Not a member of the file.
    #[serde(skip)]
    pub path: String,
    /// What the file is about.
    pub about: String,
    /// The time of verification, in seconds since the Unix epoch.
    pub now: u64,
    /// The longest token allowed, in bytes; 16 KiB when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_bytes: Option<usize>,
    /// Whom to trust and for what. If there are several, `iss` chooses among them first (step 4a),
    /// and each has one issuer.
    pub settings: Vec<Setting>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// The keys of one issuer, or of several that share them, and what their tokens must say.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The keys.
    pub keys: Keys,
    /// The expected issuers; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuers: Option<Vec<String>>,
    /// The expected audiences; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
    /// The allowed algorithms.
    pub algorithms: Vec<String>,
    /// The scopes that the operation needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The tolerance in seconds; 60 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway: Option<u64>,
    /// The less usual rules.
    #[serde(default, skip_serializing_if = "PolicyOptions::is_default")]
    pub policy: PolicyOptions,
}

/// Where the keys come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Keys {
    /// A JWK Set, as JSON.
    Jwks(Value),
    /// One public key in PEM.
    PublicKey(String),
    /// A shared secret, as text.
    Secret(String),
    /// A JWK Set as JSON, and a shared secret as text beside it.
    JwksAndSecret(Value, String),
    /// None, for this reason: the JWKS is not available.
    Unavailable(String),
}

/// The less usual settings of a policy, each described at its builder method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyOptions {
    /// `at+jwt` only.
    #[serde(skip_serializing_if = "is_false")]
    pub token_type_rfc9068: bool,
    /// Types that are accepted in addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_accept_types: Vec<String>,
    /// The maximum age in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// Tokens without `exp` are accepted.
    #[serde(skip_serializing_if = "is_false")]
    pub accept_tokens_that_never_expire: bool,
    /// An `iat` in the future is accepted.
    #[serde(skip_serializing_if = "is_false")]
    pub accept_tokens_issued_in_the_future: bool,
    /// `at_hash` and `c_hash` are tolerated.
    #[serde(skip_serializing_if = "is_false")]
    pub accept_identity_token_shape: bool,
    /// Claims by name, with their allowed values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub required_claims: BTreeMap<String, Vec<Value>>,
    /// Claims by name, each with values of which it must contain one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub required_claims_containing: BTreeMap<String, Vec<Value>>,
    /// The allowed clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_client_ids: Option<Vec<String>>,
    /// The claims that hold scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_claims: Option<Vec<ClaimPlace>>,
    /// The scopes of all of them count.
    #[serde(skip_serializing_if = "is_false")]
    pub accept_scopes_beyond_consent: bool,
    /// Which scope includes which.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scope_implies: BTreeMap<String, Vec<String>>,
}

/// A claim: its name, or the names that lead to a member inside it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ClaimPlace {
    /// A claim of this name.
    Name(String),
    /// A member of a nested object.
    Path(Vec<String>),
}

impl ClaimPlace {
    /// The names, outermost first.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Name(name) => vec![name.clone()],
            Self::Path(names) => names.clone(),
        }
    }
}

/// One token and its required outcome.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A name, unique in its file.
    pub name: String,
    /// The row of the step table: `1` to `19`, `4a`, or `scopes` for what is required after
    /// verification.
    pub step: String,
    /// The token, literally.
    pub token: String,
    /// The required outcome.
    pub expect: Expect,
}

/// The required outcome for a token.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// It is accepted, and says exactly this.
    Accept(Accepted),
    /// It is refused.
    Reject(Rejected),
}

/// What an accepted token says. An absent member means that the token does not say it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `client_id`, `azp`, `cid` or `appid`; without FastMCP's fallback to `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The scopes in order.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// `exp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<f64>,
}

/// How a token is refused.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// The kind in snake case.
    pub kind: String,
    /// A part of the operator's sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A row of the wire table: what the peer sees of a rejection.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeCase {
    /// The kind of the rejection, in snake case.
    pub kind: String,
    /// The scopes of the operation, if it needs any.
    pub scopes: Option<String>,
    /// The URL of the RFC 9728 document, if a route serves it.
    pub resource_metadata: Option<String>,
    /// The status.
    pub status: u16,
    /// The whole value of `WWW-Authenticate`.
    pub www_authenticate: Option<String>,
    /// The value of `Retry-After` if the keys come in 30 s and a clock is set in 60 s.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: String,
}

/// Values of `Authorization` headers, and the token in them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationCase {
    /// A unique name.
    pub name: String,
    /// The values of all `Authorization` headers of one request; each character is one byte (ISO
    /// 8859-1).
    pub headers: Vec<String>,
    /// The required outcome for them.
    pub expect: Credential,
}

/// What `Authorization` headers hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    /// This token, valid or not.
    Token(String),
    /// No Bearer credential.
    MissingCredential,
    /// A Bearer credential with characters that no token has.
    Malformed,
    /// More than one credential.
    BadCredential,
}

/// Every setting, with a value that changes the outcome of a token: the file
/// `settings/effects.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// What the file is about.
    pub about: String,
    /// The time of verification, in seconds since the Unix epoch.
    pub now: u64,
    /// Files by name. A value `file:NAME` is the path of one, `text:NAME` its contents.
    pub files: BTreeMap<String, String>,
    /// The settings by name, with one or more cases per setting.
    pub cases: Vec<Effect>,
}

/// What one setting does.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// Its name in Rust.
    pub setting: String,
    /// The other settings, by their names in Rust.
    pub base: BTreeMap<String, Value>,
    /// Its value: a length of time in seconds, pairs as an object.
    pub value: Value,
    /// The token.
    pub token: String,
    /// The outcome of the token without the setting: `accepted`, `cached`, the kind of its
    /// rejection (`keys_unavailable` if keys would have to be fetched), or `does not start`. After
    /// `insufficient_scope`, ` asking for ` and the scopes of the challenge if they differ from the
    /// required ones.
    pub without: String,
    /// Its outcome with the setting.
    pub with: String,
}

/// Every file of token cases, in the order of their paths.
///
/// # Panics
/// When a file cannot be read, has an unknown member, or uses a name twice.
pub fn all() -> Vec<VectorFile> {
    let mut paths = Vec::new();
    collect(&folder(), &mut paths);
    paths.sort();
    let files: Vec<VectorFile> = paths.iter().map(|path| read(path)).collect();
    assert!(!files.is_empty(), "no vectors below {}", folder().display());
    files
}

/// The rows of the wire table.
///
/// # Panics
/// As [`all`].
pub fn challenges() -> Vec<ChallengeCase> {
    parse(&folder().join("wire").join("challenges.json"))
}

/// The values of `Authorization` headers.
///
/// # Panics
/// As [`all`].
pub fn authorizations() -> Vec<AuthorizationCase> {
    parse(&folder().join("wire").join("authorization.json"))
}

/// What each setting does.
///
/// # Panics
/// As [`all`].
pub fn effects() -> Effects {
    parse(&folder().join("settings").join("effects.json"))
}

/// The folder `vectors/`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}

impl VectorFile {
    /// The file's name and the case's, for messages.
    pub fn label(&self, case: &Case) -> String {
        format!("{}: {}", self.path, case.name)
    }

    /// The arguments of `mcp-bearer verify` after the command's name, if the command line can
    /// express the whole setting. `jwks` is where the caller has put [`Keys::text`]. The token is
    /// not among them.
    pub fn cli_arguments(&self, keys: &Path) -> Option<Vec<String>> {
        let [setting] = self.settings.as_slice() else {
            return None;
        };
        if self.token_bytes.is_some() {
            return None;
        }
        let mut arguments = Vec::new();
        let mut say = |name: &str, value: &str| {
            arguments.push(name.to_owned());
            arguments.push(value.to_owned());
        };
        say(setting.keys.option()?, keys.to_str().expect("a UTF-8 path"));
        say("--at", &self.now.to_string());
        say("--format", "json");
        for (name, list) in [
            ("--issuer", &setting.issuers),
            ("--audience", &setting.audiences),
        ] {
            for value in list.iter().flatten() {
                say(name, value);
            }
        }
        for algorithm in &setting.algorithms {
            say("--algorithm", algorithm);
        }
        for scope in &setting.scopes {
            say("--scope", scope);
        }
        if let Some(leeway) = setting.leeway {
            say("--leeway", &format!("{leeway}s"));
        }
        let policy = &setting.policy;
        if let Some(age) = policy.max_age {
            say("--max-age", &format!("{age}s"));
        }
        if policy.token_type_rfc9068 {
            say("--token-type", "rfc9068");
        }
        for (flag, claims) in [
            ("--required-claim", &policy.required_claims),
            (
                "--required-claim-containing",
                &policy.required_claims_containing,
            ),
        ] {
            for (claim, values) in claims {
                say(flag, &format!("{claim}={}", Value::from(values.clone())));
            }
        }
        for client in policy.allowed_client_ids.iter().flatten() {
            say("--allowed-client-id", client);
        }
        for typ in &policy.also_accept_types {
            say("--also-accept-type", typ);
        }
        for claim in policy.scope_claims.iter().flatten() {
            let text = match claim {
                ClaimPlace::Name(name) => name.clone(),
                ClaimPlace::Path(names) => Value::from(names.clone()).to_string(),
            };
            say("--scope-claim", &text);
        }
        for (scope, implied) in &policy.scope_implies {
            say("--scope-implies", &format!("{scope}={}", implied.join(" ")));
        }
        for (name, given) in [
            (
                "--accept-tokens-that-never-expire",
                policy.accept_tokens_that_never_expire,
            ),
            (
                "--accept-identity-token-shape",
                policy.accept_identity_token_shape,
            ),
            (
                "--accept-tokens-issued-in-the-future",
                policy.accept_tokens_issued_in_the_future,
            ),
            (
                "--accept-scopes-beyond-consent",
                policy.accept_scopes_beyond_consent,
            ),
        ] {
            if given {
                arguments.push(name.to_owned());
            }
        }
        for (name, list) in [
            ("--any-issuer", &setting.issuers),
            ("--any-audience", &setting.audiences),
        ] {
            if list.is_none() {
                arguments.push(name.to_owned());
            }
        }
        Some(arguments)
    }
}

impl Keys {
    /// The contents of the key file of `--jwks`, `--public-key` or `--secret-file`; nothing if
    /// there are no keys.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Jwks(value) => Some(value.to_string()),
            Self::PublicKey(text) | Self::Secret(text) => Some(text.clone()),
            Self::JwksAndSecret(..) | Self::Unavailable(_) => None,
        }
    }

    fn option(&self) -> Option<&'static str> {
        match self {
            Self::Jwks(_) => Some("--jwks"),
            Self::PublicKey(_) => Some("--public-key"),
            Self::Secret(_) => Some("--secret-file"),
            // This takes two files.
            Self::JwksAndSecret(..) | Self::Unavailable(_) => None,
        }
    }
}

impl PolicyOptions {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Case {
    /// Whether the token can be given as one line of standard input.
    pub fn is_one_line(&self) -> bool {
        !self.token.contains(['\n', '\r'])
    }

    /// Whether the token is possible in an `Authorization` header at all (RFC 6750 section 2.1):
    /// one or more characters of the alphabet, `=` only at the end. Otherwise the HTTP layer
    /// answers `malformed`, 401.
    pub fn is_credential(&self) -> bool {
        let body = self.token.trim_end_matches('=');
        let in_alphabet = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
        !body.is_empty() && body.chars().all(in_alphabet)
    }

    /// The refusal's kind; nothing for a token that is accepted.
    pub fn rejected(&self) -> Option<&Rejected> {
        match &self.expect {
            Expect::Reject(rejected) => Some(rejected),
            Expect::Accept(_) => None,
        }
    }

    /// What the token says if it is accepted.
    pub fn accepted(&self) -> Option<&Accepted> {
        match &self.expect {
            Expect::Accept(accepted) => Some(accepted),
            Expect::Reject(_) => None,
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Token cases are in folders; some folders hold other things.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().expect("a name");
        if path.is_dir()
            && !["keys", "operations", "settings", "wire"]
                .contains(&name.to_string_lossy().as_ref())
        {
            collect(&path, paths);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
}

fn read(path: &Path) -> VectorFile {
    let mut file: VectorFile = parse(path);
    let below = path.strip_prefix(folder()).expect("below the folder");
    file.path = below.to_string_lossy().replace('\\', "/");
    let mut names = BTreeSet::new();
    for case in &file.cases {
        assert!(names.insert(&case.name), "{}: twice", file.label(case));
    }
    assert!(!file.settings.is_empty(), "{}: no setting", file.path);
    file
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_member_is_fatal() {
        let good = r#"{"name":"a","step":"1","token":"","expect":{"reject":{"kind":"malformed"}}}"#;
        assert!(serde_json::from_str::<Case>(good).is_ok());
        let bad = good.replacen('{', r#"{"stpe":"1","#, 1);
        assert!(serde_json::from_str::<Case>(&bad).is_err());
        let bad = good.replace(r#""kind""#, r#""detial":"x","kind""#);
        assert!(serde_json::from_str::<Case>(&bad).is_err());
        let bad = good.replace("reject", "accept");
        assert!(serde_json::from_str::<Case>(&bad).is_err());
    }

    #[test]
    fn a_credential_is_token68() {
        let case = |token: &str| Case {
            name: String::new(),
            step: String::new(),
            token: token.to_owned(),
            expect: Expect::Accept(Accepted::default()),
        };
        for good in ["a", "a.b.c", "a==", "~+/-_."] {
            assert!(case(good).is_credential(), "{good}");
        }
        for bad in ["", "=", "a=b", "a b", "é", "a\n", "a,b"] {
            assert!(!case(bad).is_credential(), "{bad}");
        }
    }
}
