//! What has to be decided about an issuer before its tokens are let in.
//!
//! Keys, issuer and audience are decisions that the types demand. A builder must never fall back to a weaker rule: what
//! cannot work is an error that names every problem at once.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer_core::{
    Algorithm, ClaimPath, ConfigError, Decided, JwksData, KeySet, Policy, PolicyBuilder, Scopes,
    TokenType, Undecided, VerifyingKey,
};

use super::BearerAuthProvider;
use super::issuer::Issuer;
use super::secret_file;
use crate::keys::{FileKeys, KeySource, RemoteKeys, RemoteKeysBuilder, StaticKeys};

/// Builds the rules for one issuer: `K` its keys, `I` its name, `A` the audience, each decided or not.
///
/// ```
/// use std::time::Duration;
/// use mcp_bearer::{Algorithm, BearerAuthProvider};
/// let provider = BearerAuthProvider::builder()
///     .jwks_uri("https://idp.example.com/jwks.json")
///     .issuer("https://idp.example.com/")
///     .audience("https://mcp.example.com/mcp")
///     .algorithms([Algorithm::Rs256, Algorithm::Es256])
///     .leeway(Duration::from_secs(30))
///     .required_scopes(["mcp:read"])
///     .build()?;
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
#[must_use]
pub struct IssuerBuilder<K, I, A> {
    keys: Option<Keys>,
    policy: PolicyBuilder<I, A>,
    algorithms: Option<Vec<Algorithm>>,
    required_scopes: Vec<String>,
    decided: PhantomData<K>,
}

/// Where the keys come from, before it is known whether that can work.
enum Keys {
    Pem(String),
    Secret(Result<VerifyingKey, String>),
    JwksText(String),
    Jwks(JwksData),
    File(PathBuf),
    Remote(Box<RemoteKeysBuilder>),
    Source(Arc<dyn KeySource>),
}

impl IssuerBuilder<Undecided, Undecided, Undecided> {
    pub(super) fn new() -> Self {
        Self {
            keys: None,
            policy: Policy::builder(),
            algorithms: None,
            required_scopes: Vec::new(),
            decided: PhantomData,
        }
    }
}

impl<I, A> IssuerBuilder<Undecided, I, A> {
    /// One public key in PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`. It serves whatever `kid` a token names.
    pub fn public_key(self, pem: impl Into<String>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::Pem(pem.into()))
    }

    /// A JWK Set in JSON (RFC 7517 section 5).
    pub fn jwks_json(self, text: impl Into<String>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::JwksText(text.into()))
    }

    /// A JWK Set.
    pub fn jwks(self, jwks: JwksData) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::Jwks(jwks))
    }

    /// A file with a JWK Set or a PEM public key, read again when it changes.
    pub fn key_file(self, path: impl Into<PathBuf>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::File(path.into()))
    }

    /// The address of a JWK Set, fetched when first needed and kept current. https, or http on loopback.
    pub fn jwks_uri(self, url: impl Into<String>) -> IssuerBuilder<Decided, I, A> {
        self.remote_keys(RemoteKeys::builder(url))
    }

    /// Keys over HTTP with their own settings: lifetimes, a private CA, a fetch hook, discovery.
    pub fn remote_keys(self, keys: RemoteKeysBuilder) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::Remote(Box::new(keys)))
    }

    /// Any other source of keys.
    pub fn key_source(self, source: Arc<dyn KeySource>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::Source(source))
    }

    /// A secret shared with the issuer, for HS256, HS384 and HS512. Whoever can verify with it can also sign with it.
    ///
    /// The algorithm is HS256 unless [`algorithms`](IssuerBuilder::algorithms) says otherwise.
    pub fn shared_secret(self, secret: impl AsRef<[u8]>) -> IssuerBuilder<Decided, I, A> {
        let key = VerifyingKey::shared_secret(secret.as_ref());
        self.keys(Keys::Secret(key.map_err(|error| error.to_string())))
    }

    /// [`shared_secret`](Self::shared_secret) from a file, which is read once. The line end that an editor leaves behind a
    /// secret of printable text is no part of it; any other byte is.
    pub fn shared_secret_file(self, path: impl AsRef<Path>) -> IssuerBuilder<Decided, I, A> {
        let key = secret_file::read(path.as_ref());
        let key = key.and_then(|secret| {
            VerifyingKey::shared_secret(&secret).map_err(|error| error.to_string())
        });
        self.keys(Keys::Secret(key))
    }

    fn keys(self, keys: Keys) -> IssuerBuilder<Decided, I, A> {
        IssuerBuilder {
            keys: Some(keys),
            policy: self.policy,
            algorithms: self.algorithms,
            required_scopes: self.required_scopes,
            decided: PhantomData,
        }
    }
}

impl<K, I, A> IssuerBuilder<K, I, A> {
    fn with_policy<J, B>(
        self,
        change: impl FnOnce(PolicyBuilder<I, A>) -> PolicyBuilder<J, B>,
    ) -> IssuerBuilder<K, J, B> {
        IssuerBuilder {
            keys: self.keys,
            policy: change(self.policy),
            algorithms: self.algorithms,
            required_scopes: self.required_scopes,
            decided: PhantomData,
        }
    }

    /// The allowed algorithms; RS256 alone unless set.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// The scopes that every request needs. The HTTP layer answers 403 when one is missing.
    pub fn required_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.required_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The tolerance between the issuer's clock and ours; 60 s unless set, at most 300 s.
    pub fn leeway(self, leeway: Duration) -> Self {
        self.with_policy(|policy| policy.leeway(leeway))
    }

    /// `iat` becomes required, and may lie at most this far back.
    pub fn max_age(self, max_age: Duration) -> Self {
        self.with_policy(|policy| policy.max_age(max_age))
    }

    /// Which `typ` is demanded.
    pub fn token_type(self, token_type: TokenType) -> Self {
        self.with_policy(|policy| policy.token_type(token_type))
    }

    /// Accepts tokens with this `typ` as if they had `JWT`: see
    /// [`PolicyBuilder`](PolicyBuilder::also_accept_type).
    pub fn also_accept_type(self, typ: impl Into<String>) -> Self {
        self.with_policy(|policy| policy.also_accept_type(typ))
    }

    /// Accepts tokens without `exp`: a stolen one works for ever.
    pub fn accept_tokens_that_never_expire(self) -> Self {
        self.with_policy(PolicyBuilder::accept_tokens_that_never_expire)
    }

    /// Accepts tokens whose `iat` lies in the future: whoever can sign may then keep tokens for later.
    pub fn accept_tokens_issued_in_the_future(self) -> Self {
        self.with_policy(PolicyBuilder::accept_tokens_issued_in_the_future)
    }

    /// Accepts tokens with the marks of an ID token, so that an ID token may pass for an access token.
    pub fn accept_identity_token_shape(self) -> Self {
        self.with_policy(PolicyBuilder::accept_identity_token_shape)
    }

    /// A claim that must be present and equal to one of the values.
    pub fn required_claim<V: Into<serde_json::Value>>(
        self,
        claim: impl Into<ClaimPath>,
        allowed: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with_policy(|policy| policy.required_claim(claim, allowed))
    }

    /// A claim that must be present and contain one of the values: an array with it among its elements, or the value
    /// itself.
    pub fn required_claim_containing<V: Into<serde_json::Value>>(
        self,
        claim: impl Into<ClaimPath>,
        allowed: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with_policy(|policy| policy.required_claim_containing(claim, allowed))
    }

    /// The clients that may come; `client_id`, `azp`, `cid` or `appid` becomes required.
    pub fn allowed_client_ids<T: Into<String>>(self, clients: impl IntoIterator<Item = T>) -> Self {
        self.with_policy(|policy| policy.allowed_client_ids(clients))
    }

    /// The claims that scopes are read from, the first one present winning; `scope`, then `scp` unless set.
    pub fn scope_claims<T: Into<ClaimPath>>(self, claims: impl IntoIterator<Item = T>) -> Self {
        self.with_policy(|policy| policy.scope_claims(claims))
    }

    /// Counts the scopes of all the claims of [`scope_claims`](Self::scope_claims) that are present, not of the first
    /// alone. Roles and permissions of a user then count though the user has not consented to them for this client.
    pub fn accept_scopes_beyond_consent(self) -> Self {
        self.with_policy(PolicyBuilder::accept_scopes_beyond_consent)
    }

    /// Says that holding `scope` includes holding the others.
    pub fn scope_implies<T: Into<String>>(
        self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = T>,
    ) -> Self {
        self.with_policy(|policy| policy.scope_implies(scope, implied))
    }
}

impl<K, A> IssuerBuilder<K, Undecided, A> {
    /// `iss` must be present and equal to this, byte for byte.
    pub fn issuer(self, issuer: impl Into<String>) -> IssuerBuilder<K, Decided, A> {
        self.with_policy(|policy| policy.issuer(issuer))
    }

    /// `iss` must be present and equal to one of these names of one issuer, byte for byte.
    pub fn issuers<T: Into<String>>(
        self,
        issuers: impl IntoIterator<Item = T>,
    ) -> IssuerBuilder<K, Decided, A> {
        self.with_policy(|policy| policy.issuers(issuers))
    }

    /// Whatever stands in `iss`, or nothing: only the key says who signed.
    pub fn any_issuer(self) -> IssuerBuilder<K, Decided, A> {
        self.with_policy(PolicyBuilder::any_issuer)
    }
}

impl<K, I> IssuerBuilder<K, I, Undecided> {
    /// `aud` must be present and contain this, byte for byte: the resource identifier of the MCP server.
    pub fn audience(self, audience: impl Into<String>) -> IssuerBuilder<K, I, Decided> {
        self.with_policy(|policy| policy.audience(audience))
    }

    /// `aud` must be present and contain one of these, byte for byte.
    pub fn audiences<T: Into<String>>(
        self,
        audiences: impl IntoIterator<Item = T>,
    ) -> IssuerBuilder<K, I, Decided> {
        self.with_policy(|policy| policy.audiences(audiences))
    }

    /// Tokens made for any resource: one that another server received can be replayed here.
    pub fn any_audience(self) -> IssuerBuilder<K, I, Decided> {
        self.with_policy(PolicyBuilder::any_audience)
    }
}

impl IssuerBuilder<Decided, Decided, Decided> {
    /// Checks the whole and builds a provider for this one issuer.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn build(self) -> Result<BearerAuthProvider, ConfigError> {
        BearerAuthProvider::for_issuers([self])
    }

    pub(super) fn issuer_entry(self) -> Result<Issuer, ConfigError> {
        let mut problems = Vec::new();
        let secret = matches!(self.keys, Some(Keys::Secret(_)));
        let default = if secret {
            Algorithm::Hs256
        } else {
            Algorithm::Rs256
        };
        let algorithms = self.algorithms.unwrap_or_else(|| vec![default]);
        if !secret && algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
            problems.push(
                "algorithms: HS256, HS384 and HS512 need a shared secret, and never go with public keys"
                    .to_owned(),
            );
        }
        let policy = self
            .policy
            .algorithms(algorithms.clone())
            .build()
            .map_err(|error| {
                problems.extend_from_slice(error.problems());
            });
        let required_scopes = Scopes::from_names(&self.required_scopes).map_err(|error| {
            problems.push(format!("required_scopes: {error}"));
        });
        let keys = match self.keys {
            Some(keys) => keys
                .open(&algorithms)
                .map_err(|found| problems.extend(found)),
            None => {
                problems.push("keys: none given".to_owned());
                Err(())
            }
        };
        match (policy, required_scopes, keys) {
            (Ok(policy), Ok(required_scopes), Ok(keys)) if problems.is_empty() => Ok(Issuer {
                policy,
                keys,
                required_scopes,
            }),
            _ => Err(ConfigError::new(problems)),
        }
    }
}

impl Keys {
    fn open(self, algorithms: &[Algorithm]) -> Result<Arc<dyn KeySource>, Vec<String>> {
        let one = |problem: String| vec![problem];
        match self {
            Self::Pem(text) => {
                let key = VerifyingKey::from_pem(&text);
                let key = key.map_err(|error| one(format!("public_key: {error}")))?;
                fixed(KeySet::single(key), "public_key", algorithms)
            }
            Self::Secret(key) => {
                let key = key.map_err(|error| one(format!("shared_secret: {error}")))?;
                if let Some(long) = algorithms.iter().find(|algorithm| !key.fits(**algorithm)) {
                    let text = format!(
                        "shared_secret: {} does not serve for {long}",
                        key.describe()
                    );
                    return Err(one(text));
                }
                fixed(KeySet::single(key), "shared_secret", algorithms)
            }
            Self::JwksText(text) => {
                let set = KeySet::from_jwks_json(&text);
                let set = set.map_err(|error| one(format!("jwks: {error}")))?;
                fixed(set, "jwks", algorithms)
            }
            Self::Jwks(jwks) => fixed(KeySet::from_jwks(&jwks), "jwks", algorithms),
            Self::File(path) => {
                let keys = FileKeys::open(path)?;
                serves(&keys.snapshot().set, "key_file", algorithms)?;
                Ok(Arc::new(keys))
            }
            Self::Remote(builder) => Ok(Arc::new(builder.build()?)),
            Self::Source(source) => Ok(source),
        }
    }
}

fn fixed(
    set: KeySet,
    name: &str,
    algorithms: &[Algorithm],
) -> Result<Arc<dyn KeySource>, Vec<String>> {
    serves(&set, name, algorithms)?;
    Ok(Arc::new(StaticKeys::new(set)))
}

/// Keys that can never verify an allowed algorithm would refuse every token: better not to start.
fn serves(set: &KeySet, name: &str, algorithms: &[Algorithm]) -> Result<(), Vec<String>> {
    if set.is_empty() {
        let skipped: Vec<String> = set.skipped().iter().map(ToString::to_string).collect();
        return Err(vec![format!(
            "{name}: no usable key; {}",
            skipped.join("; ")
        )]);
    }
    let serves = |algorithm| set.verifying_keys().any(|key| key.fits(algorithm));
    if algorithms.iter().any(|algorithm| serves(*algorithm)) {
        return Ok(());
    }
    let held: Vec<String> = set.verifying_keys().map(VerifyingKey::describe).collect();
    let allowed: Vec<&str> = algorithms
        .iter()
        .map(|algorithm| algorithm.name())
        .collect();
    Err(vec![format!(
        "algorithms: no key ({}) serves for {}; allow the algorithm that the issuer signs with",
        held.join(", "),
        allowed.join(", ")
    )])
}

impl<K, I, A> fmt::Debug for IssuerBuilder<K, I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerBuilder").finish_non_exhaustive()
    }
}
