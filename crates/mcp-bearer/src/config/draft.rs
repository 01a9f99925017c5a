//! Collects what an operator decides, in any order and by any entrance.
//!
//! A draft holds secrets: they are wiped when it is dropped, and its `Debug` shows none.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer_core::operation::{OperationRulesDraft, RuleField};
use mcp_bearer_core::{Algorithm, ClaimPath, Expected, TokenType};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::parse::{
    algorithms, claim_paths, requested_scopes, required_claims, scope_implies, token_type,
};
use super::problem::{Fact, Problem, Span};
use super::setting::{Entrance, Setting};
use super::value::Value;
use crate::keys::{Fetch, KeySource, RemoteKeysBuilder};
use crate::token_cache::TokenCacheSize;

/// The settings of one issuer, all optional. [`check`](Self::check) reports what is missing.
///
/// ```
/// use mcp_bearer::config::{IssuerDraft, Keys};
/// let mut draft = IssuerDraft::default();
/// draft.keys = Some(Keys::JwksUri("https://idp.example.com/jwks.json".into()));
/// draft.issuers = Some("https://idp.example.com/".into());
/// let error = draft.check().unwrap_err();
/// assert!(error.to_string().starts_with("no audience: "));
/// draft.audiences = Some("https://mcp.example.com/mcp".into());
/// let provider = draft.check()?;
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct IssuerDraft {
    /// Where public keys come from.
    pub keys: Option<Keys>,
    /// The secret shared with the issuer: instead of public keys, or in addition to them.
    pub secret: Option<Secret>,
    /// What `iss` must be.
    pub issuers: Option<Expected>,
    /// What `aud` must contain.
    pub audiences: Option<Expected>,

    /// The allowed algorithms.
    pub algorithms: Option<Vec<Algorithm>>,
    /// The scopes that every request needs.
    pub required_scopes: Vec<String>,
    /// The tolerance between the issuer's clock and ours.
    pub leeway: Option<Duration>,
    /// The largest age by `iat`.
    pub max_age: Option<Duration>,
    /// The `typ` that is required.
    pub token_type: Option<TokenType>,
    /// Claims that must be present, each with its allowed values.
    pub required_claims: Vec<(ClaimPath, Vec<Json>)>,
    /// Claims that must be present, each with the values of which it must contain one.
    pub required_claims_containing: Vec<(ClaimPath, Vec<Json>)>,
    /// The clients that are allowed.
    pub allowed_client_ids: Option<Vec<String>>,
    /// Further `typ`s that are accepted.
    pub accepted_types: Vec<String>,
    /// The claims that scopes are read from.
    pub scope_claims: Option<Vec<ClaimPath>>,
    /// Whether the scopes of all those claims count, or only of the first one present.
    pub accept_scopes_beyond_consent: bool,
    /// Scopes, each with those that it includes.
    pub scope_implies: Vec<(String, Vec<String>)>,
    /// The prefix that clients put before a scope when they request it.
    pub requested_scope_prefix: Option<String>,
    /// Scopes, each with the one that clients must request to get it.
    pub requested_scopes: Vec<(String, String)>,
    /// Whether tokens without `exp` are accepted.
    pub accept_tokens_that_never_expire: bool,
    /// Whether tokens whose `iat` is in the future are accepted.
    pub accept_tokens_issued_in_the_future: bool,
    /// Whether tokens with the marks of an ID token are accepted.
    pub accept_identity_token_shape: bool,
    /// Whether AWS-LC alone verifies RSA signatures.
    pub without_rsa_kernel: bool,

    /// The certificates to trust when keys are fetched.
    pub ca_file: Option<PathBuf>,
    /// The proxy for https. It may hold a password.
    pub proxy: Option<Zeroizing<String>>,
    /// Whether keys are fetched from public addresses only.
    pub ssrf_guard: bool,
    /// Whether keys may be fetched over http beyond loopback.
    pub insecure_allow_http: bool,
    /// The longest lifetime of fetched keys.
    pub max_freshness: Option<Duration>,
    /// How long past their lifetime keys are used.
    pub staleness_bound: Option<Duration>,
    /// What fetches keys instead of the HTTP client of this crate.
    pub fetch: Option<Arc<dyn Fetch>>,

    pub(super) found: Found,
}

/// A secret shared with an issuer.
#[derive(Clone)]
#[non_exhaustive]
pub enum Secret {
    /// The secret itself.
    Bytes(Zeroizing<Vec<u8>>),
    /// A file that contains it, read once.
    File(PathBuf),
}

/// Where the public keys of an issuer come from.
#[derive(Clone)]
#[non_exhaustive]
pub enum Keys {
    /// A public key in PEM.
    PublicKey(String),
    /// A public key in PEM, in a file that is read again when it changes.
    PublicKeyFile(PathBuf),
    /// A JWK Set in JSON.
    JwksJson(String),
    /// A JWK Set in a file that is read again when it changes.
    JwksFile(PathBuf),
    /// A file with either of the two.
    File(PathBuf),
    /// The address of a JWK Set.
    JwksUri(String),
    /// The issuer whose metadata leads to its keys. It is also the expected issuer unless
    /// [`issuers`](IssuerDraft::issuers) names another.
    Discover(String),
    /// Keys over HTTP, configured separately.
    Remote(Box<RemoteKeysBuilder>),
    /// Any other source of keys.
    Source(Arc<dyn KeySource>),
}

/// The settings of a server: those of its issuers, and those of the server itself.
///
/// ```
/// use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
/// let mut draft = ServerDraft::from_entrance(Entrance::Flag);
/// draft.set(Setting::Discover, Value::text("https://idp.example.com/"));
/// draft.set(Setting::Leeway, Value::Switch(true));
/// let error = draft.check().unwrap_err();
/// let words = error.own_words().join("\n");
/// assert!(words.starts_with("no audience: give the URL of the MCP server"), "{words}");
/// assert!(words.ends_with("--leeway: must be a string"), "{words}");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerDraft {
    /// The issuers.
    pub issuers: Vec<IssuerDraft>,
    /// The identifier of the MCP server (RFC 9728), and the audience of the issuers that name none.
    pub resource: Option<String>,
    /// How many verified tokens are kept; none by default.
    pub cache: Option<TokenCacheSize>,
    /// What single operations need. Only [`check_server`](Self::check_server) uses it and what
    /// follows.
    pub rules: OperationRulesDraft,
    /// Where the keys that bind sessions come from; by default each process has its own key.
    pub session_keys: Option<SessionKeySource>,
    /// The header that holds the token instead of `Authorization`.
    pub token_header: Option<String>,
    /// Whether a token must have been signed for the body that it comes with.
    pub require_body_hash: bool,

    pub(super) entrance: Entrance,
    pub(super) file: Option<Arc<str>>,
    pub(super) found: Found,
}

/// Where the keys that bind sessions come from.
#[derive(Clone)]
#[non_exhaustive]
pub enum SessionKeySource {
    /// The keys; the first one signs.
    Keys(Vec<Zeroizing<Vec<u8>>>),
    /// A file with one key per line.
    File(PathBuf),
}

/// What an entrance found: values that do not fit their settings, and the places of values in a
/// file.
#[derive(Clone, Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    pub(super) places: Vec<(Setting, Span)>,
    /// The table as a whole.
    pub(super) table: Option<Span>,
    /// Whether the keys are discovered because no keys were configured.
    pub(super) discovered: bool,
    /// The missing decisions that the entrance accepts as "any".
    pub(super) unchecked: Vec<Setting>,
    /// Where the rules for operations are, and their members.
    pub(super) rules: Vec<RulePlaces>,
}

/// Where one rule and its members are in a file.
#[derive(Clone, Default)]
pub(super) struct RulePlaces {
    pub(super) table: Option<Span>,
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "only a layer is made of rules")
    )]
    pub(super) members: Vec<(RuleField, Span)>,
}

impl ServerDraft {
    /// A draft whose settings will come by this entrance. It has the one issuer that flags,
    /// variables and Python describe, or none if there can be several.
    #[must_use]
    pub fn from_entrance(entrance: Entrance) -> Self {
        let several = matches!(entrance, Entrance::Rust | Entrance::Toml);
        let one = (!several).then(IssuerDraft::default);
        Self {
            issuers: one.into_iter().collect(),
            resource: None,
            cache: None,
            rules: OperationRulesDraft::default(),
            session_keys: None,
            token_header: None,
            require_body_hash: false,
            entrance,
            file: None,
            found: Found::default(),
        }
    }

    /// Sets a setting of the server, or of the first issuer. A value that does not fit is reported
    /// by [`check`](Self::check).
    pub fn set(&mut self, setting: Setting, value: Value) {
        if setting.group().is_of_issuer() {
            self.with_issuer(|issuer| issuer.set(setting, value));
        } else if let Err(fact) = self.try_set(setting, value) {
            self.problem(Problem::of(setting, fact));
        }
    }

    /// Adds a problem that [`check`](Self::check) will report with its own.
    pub fn problem(&mut self, problem: Problem) {
        let mut settings = problem.settings.iter();
        if settings.any(|setting| setting.group().is_of_issuer()) {
            self.with_issuer(|issuer| issuer.found.problems.push(problem));
        } else {
            self.found.problems.push(problem);
        }
    }

    fn with_issuer(&mut self, change: impl FnOnce(&mut IssuerDraft)) {
        if self.issuers.is_empty() {
            self.issuers.push(IssuerDraft::default());
        }
        if let Some(issuer) = self.issuers.first_mut() {
            change(issuer);
        }
    }

    fn try_set(&mut self, setting: Setting, value: Value) -> Result<(), Fact> {
        match setting {
            Setting::Resource => self.resource = Some(value.into_text()?),
            Setting::TokenCache => {
                self.cache = value.into_switch()?.then(TokenCacheSize::default);
            }
            Setting::SessionKeys => {
                let keys = value.into_some_texts()?.into_iter();
                let keys = keys.map(|key| Zeroizing::new(key.into_bytes())).collect();
                self.add_session_keys(SessionKeySource::Keys(keys))?;
            }
            Setting::SessionKeysFile => {
                self.add_session_keys(SessionKeySource::File(value.into_path()?))?;
            }
            Setting::TokenHeader => self.token_header = Some(value.into_text()?),
            Setting::RequireBodyHash => self.require_body_hash = value.into_switch()?,
            _ => return Err("can be given in code only".into()),
        }
        Ok(())
    }

    /// Keys come from one place.
    fn add_session_keys(&mut self, keys: SessionKeySource) -> Result<(), Fact> {
        if self.session_keys.is_some() {
            let both = [Setting::SessionKeys, Setting::SessionKeysFile];
            let both = Fact::default().names(&both, " and ");
            return Err(both.text(" given together; choose one"));
        }
        self.session_keys = Some(keys);
        Ok(())
    }
}

impl Default for ServerDraft {
    fn default() -> Self {
        Self::from_entrance(Entrance::Rust)
    }
}

impl IssuerDraft {
    /// Sets a value from an entrance. A value that does not fit is reported by
    /// [`check`](Self::check).
    pub fn set(&mut self, setting: Setting, value: Value) {
        if let Err(fact) = self.try_set(setting, value) {
            self.found.problems.push(Problem::of(setting, fact));
        }
    }

    /// Leaves `iss` ([`Setting::Issuer`]) or `aud` ([`Setting::Audience`]) unchecked unless it was
    /// decided, for an entrance that allows that, as FastMCP does. A WARNING is logged when such a
    /// provider is made; see [`ServerDraft::warnings`].
    pub fn leave_unchecked(&mut self, decision: Setting) {
        let expected = match decision {
            Setting::Issuer => &mut self.issuers,
            Setting::Audience => &mut self.audiences,
            _ => return,
        };
        if expected.is_none() {
            *expected = Some(Expected::Any);
            self.found.unchecked.push(decision);
        }
    }

    fn try_set(&mut self, setting: Setting, value: Value) -> Result<(), Fact> {
        match setting {
            Setting::PublicKey => self.add_keys(Keys::PublicKey(value.into_text()?)),
            Setting::PublicKeyFile => self.add_keys(Keys::PublicKeyFile(value.into_path()?)),
            Setting::Jwks => self.add_keys(Keys::JwksJson(value.into_text()?)),
            Setting::JwksFile => self.add_keys(Keys::JwksFile(value.into_path()?)),
            Setting::KeyFile => self.add_keys(Keys::File(value.into_path()?)),
            Setting::JwksUri => self.add_keys(Keys::JwksUri(value.into_text()?)),
            Setting::Discover => self.add_keys(Keys::Discover(value.into_text()?)),
            Setting::SharedSecret => self.add_secret(Secret::Bytes(value.into_secret()?)),
            Setting::SharedSecretFile => self.add_secret(Secret::File(value.into_path()?)),
            Setting::Issuer => {
                let listed = Expected::OneOf(value.into_some_texts()?);
                decide(&mut self.issuers, listed, [setting, Setting::AnyIssuer])?;
            }
            Setting::AnyIssuer => {
                if value.into_switch()? {
                    decide(&mut self.issuers, Expected::Any, [Setting::Issuer, setting])?;
                }
            }
            Setting::Audience => {
                let listed = Expected::OneOf(value.into_some_texts()?);
                decide(&mut self.audiences, listed, [setting, Setting::AnyAudience])?;
            }
            Setting::AnyAudience => {
                if value.into_switch()? {
                    decide(
                        &mut self.audiences,
                        Expected::Any,
                        [Setting::Audience, setting],
                    )?;
                }
            }
            Setting::Algorithms => self.algorithms = Some(algorithms(value)?),
            Setting::RequiredScopes => self.required_scopes = value.into_texts()?,
            Setting::Leeway => self.leeway = Some(value.into_duration()?),
            Setting::MaxAge => self.max_age = Some(value.into_duration()?),
            Setting::TokenType => self.token_type = Some(token_type(&value.into_text()?)?),
            Setting::RequiredClaims => self.required_claims = required_claims(value)?,
            Setting::RequiredClaimsContaining => {
                self.required_claims_containing = required_claims(value)?;
            }
            Setting::AllowedClientIds => {
                self.allowed_client_ids = Some(value.into_some_texts()?);
            }
            Setting::AcceptedTypes => self.accepted_types = value.into_some_texts()?,
            Setting::ScopeClaims => self.scope_claims = Some(claim_paths(value)?),
            Setting::AcceptScopesBeyondConsent => {
                self.accept_scopes_beyond_consent = value.into_switch()?;
            }
            Setting::ScopeImplies => self.scope_implies = scope_implies(value)?,
            Setting::RequestedScopePrefix => {
                self.requested_scope_prefix = Some(value.into_text()?);
            }
            Setting::RequestedScopes => self.requested_scopes = requested_scopes(value)?,
            Setting::AcceptTokensThatNeverExpire => {
                self.accept_tokens_that_never_expire = value.into_switch()?;
            }
            Setting::AcceptTokensIssuedInTheFuture => {
                self.accept_tokens_issued_in_the_future = value.into_switch()?;
            }
            Setting::WithoutRsaKernel => self.without_rsa_kernel = value.into_switch()?,
            Setting::AcceptIdentityTokenShape => {
                self.accept_identity_token_shape = value.into_switch()?;
            }
            Setting::CaFile => self.ca_file = Some(value.into_path()?),
            Setting::Proxy => self.proxy = Some(Zeroizing::new(value.into_text()?)),
            Setting::SsrfGuard => self.ssrf_guard = value.into_switch()?,
            Setting::InsecureAllowHttp => self.insecure_allow_http = value.into_switch()?,
            Setting::MaxFreshness => self.max_freshness = Some(value.into_duration()?),
            Setting::StalenessBound => self.staleness_bound = Some(value.into_duration()?),
            Setting::RemoteKeys
            | Setting::KeySource
            | Setting::Fetch
            | Setting::Resource
            | Setting::TokenCache
            | Setting::AuthorizationServers
            | Setting::ScopesSupported
            | Setting::SessionKeys
            | Setting::SessionKeysFile
            | Setting::TokenHeader
            | Setting::RequireBodyHash => return Err("no setting of an issuer".into()),
        }
        Ok(())
    }

    /// Keys come from one place.
    fn add_keys(&mut self, keys: Keys) {
        let Some(earlier) = &self.keys else {
            self.keys = Some(keys);
            return;
        };
        let both = [earlier.setting(), keys.setting()];
        let fact = match both {
            // FastMCP's words.
            [one @ Setting::PublicKey, other @ Setting::JwksUri] => {
                let either = Fact::from("Provide either ")
                    .name(one)
                    .text(" or ")
                    .name(other);
                either.text(", not both")
            }
            _ => Fact::default()
                .names(&both, " and ")
                .text(" given together: public keys come from one place; choose one"),
        };
        self.found.problems.push(Problem::new(both, fact));
    }

    /// There is only one secret.
    fn add_secret(&mut self, secret: Secret) {
        let Some(earlier) = &self.secret else {
            self.secret = Some(secret);
            return;
        };
        let both = [earlier.setting(), secret.setting()];
        let fact = Fact::default()
            .names(&both, " and ")
            .text(" given together: there is one secret; choose one");
        self.found.problems.push(Problem::new(both, fact));
    }
}

impl Secret {
    pub(super) fn setting(&self) -> Setting {
        match self {
            Self::Bytes(_) => Setting::SharedSecret,
            Self::File(_) => Setting::SharedSecretFile,
        }
    }
}

/// Prints the kind only, not the contents.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(..)", self.setting())
    }
}

impl Keys {
    pub(super) fn setting(&self) -> Setting {
        match self {
            Self::PublicKey(_) => Setting::PublicKey,
            Self::PublicKeyFile(_) => Setting::PublicKeyFile,
            Self::JwksJson(_) => Setting::Jwks,
            Self::JwksFile(_) => Setting::JwksFile,
            Self::File(_) => Setting::KeyFile,
            Self::JwksUri(_) => Setting::JwksUri,
            Self::Discover(_) => Setting::Discover,
            Self::Remote(_) => Setting::RemoteKeys,
            Self::Source(_) => Setting::KeySource,
        }
    }
}

/// Prints the kind only, not the contents.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(..)", self.setting())
    }
}

impl SessionKeySource {
    pub(super) const fn setting(&self) -> Setting {
        match self {
            Self::Keys(_) => Setting::SessionKeys,
            Self::File(_) => Setting::SessionKeysFile,
        }
    }
}

/// Prints the kind only, not the contents.
impl fmt::Debug for SessionKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(..)", self.setting())
    }
}

/// A list and "any" cannot both be meant.
fn decide(
    decision: &mut Option<Expected>,
    expected: Expected,
    both: [Setting; 2],
) -> Result<(), Fact> {
    let contradiction = decision
        .as_ref()
        .is_some_and(|earlier| (*earlier == Expected::Any) != (expected == Expected::Any));
    if contradiction {
        return Err(Fact::default()
            .names(&both, " and ")
            .text(" contradict each other; choose one"));
    }
    *decision = Some(expected);
    Ok(())
}

impl fmt::Debug for IssuerDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerDraft")
            .field("keys", &self.keys)
            .field("secret", &self.secret)
            .field("issuers", &self.issuers)
            .field("audiences", &self.audiences)
            .field("algorithms", &self.algorithms)
            .field("required_scopes", &self.required_scopes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.problems).finish()
    }
}
