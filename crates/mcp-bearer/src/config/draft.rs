//! What an operator has decided so far, in whatever order and by whatever entrance.
//!
//! A draft holds secrets: they are wiped when it is dropped, and its `Debug` shows none.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer_core::{Algorithm, Expected, TokenType};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::problem::{Fact, Problem, Span};
use super::setting::{Entrance, Group, Setting};
use super::value::Value;
use crate::keys::{Fetch, KeySource, RemoteKeysBuilder};
use crate::token_cache::TokenCacheSize;

/// The settings of one issuer, each of them optional. [`check`](Self::check) says what is missing.
///
/// ```
/// use mcp_bearer::config::IssuerDraft;
/// let mut draft = IssuerDraft::default();
/// draft.jwks_uri = Some("https://idp.example.com/jwks.json".into());
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
    /// A public key in PEM.
    pub public_key: Option<String>,
    /// A public key in PEM, in a file that is read again when it changes.
    pub public_key_file: Option<PathBuf>,
    /// A JWK Set in JSON.
    pub jwks_json: Option<String>,
    /// A JWK Set in a file that is read again when it changes.
    pub jwks_file: Option<PathBuf>,
    /// A file with either of the two.
    pub key_file: Option<PathBuf>,
    /// The address of a JWK Set.
    pub jwks_uri: Option<String>,
    /// The issuer whose metadata lead to its keys; it is also the expected one unless [`issuers`](Self::issuers) says
    /// otherwise.
    pub discover: Option<String>,
    /// A secret shared with the issuer.
    pub shared_secret: Option<Zeroizing<Vec<u8>>>,
    /// The same in a file, which is read once.
    pub shared_secret_file: Option<PathBuf>,
    /// Keys over HTTP with settings of their own.
    pub remote_keys: Option<RemoteKeysBuilder>,
    /// Any other source of keys.
    pub key_source: Option<Arc<dyn KeySource>>,

    /// What `iss` must be.
    pub issuers: Option<Expected>,
    /// What `aud` must hold.
    pub audiences: Option<Expected>,

    /// The allowed algorithms.
    pub algorithms: Option<Vec<Algorithm>>,
    /// The scopes that every request needs.
    pub required_scopes: Vec<String>,
    /// The tolerance between the issuer's clock and ours.
    pub leeway: Option<Duration>,
    /// The largest age by `iat`.
    pub max_age: Option<Duration>,
    /// The `typ` that is demanded.
    pub token_type: Option<TokenType>,
    /// Claims that must be present, each with its allowed values.
    pub required_claims: Vec<(String, Vec<Json>)>,
    /// The clients that may come.
    pub allowed_client_ids: Option<Vec<String>>,
    /// The claims that scopes are read from.
    pub scope_claims: Option<Vec<String>>,
    /// Scopes, each with those that it includes.
    pub scope_implies: Vec<(String, Vec<String>)>,
    /// Whether tokens without `exp` are accepted.
    pub accept_tokens_that_never_expire: bool,
    /// Whether tokens with the marks of an ID token are accepted.
    pub accept_identity_token_shape: bool,

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

/// The settings of a server: of its issuers, and those that belong to none.
///
/// ```
/// use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
/// let mut draft = ServerDraft::from_entrance(Entrance::Flag);
/// draft.set(Setting::Discover, Value::text("https://idp.example.com/"));
/// draft.set(Setting::Leeway, Value::Switch(true));
/// let error = draft.check().unwrap_err();
/// let words = error.own_words().join("\n");
/// assert!(words.starts_with("no audience: say whom tokens must be for with --audience"), "{words}");
/// assert!(words.ends_with("--leeway: must be a string"), "{words}");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerDraft {
    /// The issuers.
    pub issuers: Vec<IssuerDraft>,
    /// The identifier of the MCP server (RFC 9728), and the audience of the issuers that name none.
    pub resource: Option<String>,
    /// How many verified tokens are kept; none unless set.
    pub cache: Option<TokenCacheSize>,

    pub(super) entrance: Entrance,
    pub(super) file: Option<Arc<str>>,
    pub(super) found: Found,
}

/// What an entrance found out: values that do not fit their settings, and where values stand in a file.
#[derive(Clone, Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    pub(super) places: Vec<(Setting, Span)>,
    /// The table as a whole.
    pub(super) table: Option<Span>,
    /// Whether the keys are discovered because nothing was said of them.
    pub(super) discovered: bool,
}

impl ServerDraft {
    /// A draft whose settings will come by this entrance: with the one issuer that flags, variables and Python describe,
    /// and without one where there can be several.
    #[must_use]
    pub fn from_entrance(entrance: Entrance) -> Self {
        let several = matches!(entrance, Entrance::Rust | Entrance::Toml);
        let one = (!several).then(IssuerDraft::default);
        Self {
            issuers: one.into_iter().collect(),
            resource: None,
            cache: None,
            entrance,
            file: None,
            found: Found::default(),
        }
    }

    /// Sets what belongs to the server, and of the first issuer what belongs to an issuer. A value that does not fit is
    /// reported by [`check`](Self::check).
    pub fn set(&mut self, setting: Setting, value: Value) {
        if setting.group() != Group::Server {
            self.with_issuer(|issuer| issuer.set(setting, value));
        } else if let Err(fact) = self.try_set(setting, value) {
            self.problem(Problem::of(setting, fact));
        }
    }

    /// A problem that [`check`](Self::check) will report beside its own.
    pub fn problem(&mut self, problem: Problem) {
        let mut settings = problem.settings.iter();
        if settings.any(|setting| setting.group() != Group::Server) {
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
            _ => return Err("can be given in code only".into()),
        }
        Ok(())
    }
}

impl Default for ServerDraft {
    fn default() -> Self {
        Self::from_entrance(Entrance::Rust)
    }
}

impl IssuerDraft {
    /// Sets what an entrance gives. A value that does not fit is reported by [`check`](Self::check).
    pub fn set(&mut self, setting: Setting, value: Value) {
        if let Err(fact) = self.try_set(setting, value) {
            self.found.problems.push(Problem::of(setting, fact));
        }
    }

    fn try_set(&mut self, setting: Setting, value: Value) -> Result<(), Fact> {
        match setting {
            Setting::PublicKey => self.public_key = Some(value.into_text()?),
            Setting::PublicKeyFile => self.public_key_file = Some(value.into_path()?),
            Setting::Jwks => self.jwks_json = Some(value.into_text()?),
            Setting::JwksFile => self.jwks_file = Some(value.into_path()?),
            Setting::KeyFile => self.key_file = Some(value.into_path()?),
            Setting::JwksUri => self.jwks_uri = Some(value.into_text()?),
            Setting::Discover => self.discover = Some(value.into_text()?),
            Setting::SharedSecret => self.shared_secret = Some(value.into_secret()?),
            Setting::SharedSecretFile => self.shared_secret_file = Some(value.into_path()?),
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
            Setting::AllowedClientIds => {
                self.allowed_client_ids = Some(value.into_some_texts()?);
            }
            Setting::ScopeClaims => self.scope_claims = Some(value.into_some_texts()?),
            Setting::ScopeImplies => self.scope_implies = scope_implies(value)?,
            Setting::AcceptTokensThatNeverExpire => {
                self.accept_tokens_that_never_expire = value.into_switch()?;
            }
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
            | Setting::ScopesSupported => return Err("no setting of an issuer".into()),
        }
        Ok(())
    }

    /// The sources of keys that are given.
    pub(super) fn key_settings(&self) -> Vec<Setting> {
        let given = [
            (Setting::PublicKey, self.public_key.is_some()),
            (Setting::PublicKeyFile, self.public_key_file.is_some()),
            (Setting::Jwks, self.jwks_json.is_some()),
            (Setting::JwksFile, self.jwks_file.is_some()),
            (Setting::KeyFile, self.key_file.is_some()),
            (Setting::JwksUri, self.jwks_uri.is_some()),
            (Setting::Discover, self.discover.is_some()),
            (Setting::SharedSecret, self.shared_secret.is_some()),
            (Setting::SharedSecretFile, self.shared_secret_file.is_some()),
            (Setting::RemoteKeys, self.remote_keys.is_some()),
            (Setting::KeySource, self.key_source.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        given.map(|(setting, _)| setting).collect()
    }
}

/// What is listed and "any" cannot both be meant.
fn decide(
    decision: &mut Option<Expected>,
    expected: Expected,
    both: [Setting; 2],
) -> Result<(), Fact> {
    let contradiction = decision
        .as_ref()
        .is_some_and(|earlier| (*earlier == Expected::Any) != (expected == Expected::Any));
    if contradiction {
        return Err(Fact::all(&both).text(" contradict each other; choose one"));
    }
    *decision = Some(expected);
    Ok(())
}

fn algorithms(value: Value) -> Result<Vec<Algorithm>, Fact> {
    let parse = |name: String| {
        let parsed = name.parse();
        parsed.map_err(|error| Fact::from(format!("{name:?}: {error}")))
    };
    value.into_some_texts()?.into_iter().map(parse).collect()
}

fn token_type(text: &str) -> Result<TokenType, Fact> {
    match text {
        "any" => Ok(TokenType::Any),
        "rfc9068" | "at+jwt" => Ok(TokenType::Rfc9068),
        _ => Err("neither \"any\" nor \"rfc9068\"".into()),
    }
}

/// An array lists the allowed values, and so do several pairs with one name.
fn required_claims(value: Value) -> Result<Vec<(String, Vec<Json>)>, Fact> {
    let json = |text: &str| {
        serde_json::from_str(text).map_err(|_| {
            let quoted = Json::from(text);
            Fact::from(format!(
                "{text:?} is not JSON; a string needs quotes of its own: {quoted}"
            ))
        })
    };
    let mut claims: Vec<(String, Vec<Json>)> = Vec::new();
    for (name, value) in value.into_pairs(json)? {
        let allowed = match value {
            Json::Array(values) => values,
            one => vec![one],
        };
        match claims.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.extend(allowed),
            None => claims.push((name, allowed)),
        }
    }
    Ok(claims)
}

fn scope_implies(value: Value) -> Result<Vec<(String, Vec<String>)>, Fact> {
    let words = |text: &str| Ok(Json::from_iter(text.split_whitespace()));
    let implied = |(scope, names): (String, Json)| match names {
        Json::String(one) => Ok((scope, vec![one])),
        Json::Array(names) => {
            let name = |name: Json| name.as_str().map(str::to_owned);
            let names: Option<Vec<String>> = names.into_iter().map(name).collect();
            names
                .map(|names| (scope, names))
                .ok_or_else(|| Fact::from(NO_SCOPES))
        }
        _ => Err(NO_SCOPES.into()),
    };
    value.into_pairs(words)?.into_iter().map(implied).collect()
}

const NO_SCOPES: &str = "behind each scope, one scope or a list of scopes must stand";

impl fmt::Debug for IssuerDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerDraft")
            .field("keys", &self.key_settings())
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
