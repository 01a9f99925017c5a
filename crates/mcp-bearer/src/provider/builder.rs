//! [`IssuerBuilder`]: its types require a decision about keys, issuer and audience.
//!
//! Setters write into a draft, which [`IssuerBuilder::build`] checks.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer_core::{Algorithm, ClaimPath, Expected, JwksData, TokenType};

use super::BearerAuthProvider;
use crate::config::{ConfigError, IssuerDraft, Keys, Secret};
use crate::keys::{KeySource, RemoteKeysBuilder};

/// A decision that has not been made. See [`IssuerBuilder`].
#[derive(Clone, Copy, Debug)]
pub struct Undecided;

/// A decision that has been made.
#[derive(Clone, Copy, Debug)]
pub struct Decided;

/// Builds the rules for one issuer. `K` (its keys), `I` (its name) and `A` (the audience) are each
/// decided or undecided.
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
    pub(super) draft: IssuerDraft,
    decided: PhantomData<(K, I, A)>,
}

impl IssuerBuilder<Undecided, Undecided, Undecided> {
    pub(super) fn new() -> Self {
        Self {
            draft: IssuerDraft::default(),
            decided: PhantomData,
        }
    }
}

impl<I, A> IssuerBuilder<Undecided, I, A> {
    /// One public key in PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`. It is used whatever
    /// `kid` a token names.
    pub fn public_key(self, pem: impl Into<String>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::PublicKey(pem.into()))
    }

    /// A JWK Set in JSON (RFC 7517 section 5).
    pub fn jwks_json(self, text: impl Into<String>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::JwksJson(text.into()))
    }

    /// A JWK Set.
    pub fn jwks(self, jwks: impl Borrow<JwksData>) -> IssuerBuilder<Decided, I, A> {
        // Strings, lists and maps always serialize.
        self.jwks_json(serde_json::to_string(jwks.borrow()).unwrap_or_default())
    }

    /// A file with a JWK Set or a PEM public key, read again when it changes.
    pub fn key_file(self, path: impl Into<PathBuf>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::File(path.into()))
    }

    /// The address of a JWK Set, fetched when first needed and kept current. https, or http on
    /// loopback.
    pub fn jwks_uri(self, url: impl Into<String>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::JwksUri(url.into()))
    }

    /// An issuer whose metadata leads to its keys (RFC 8414, OpenID Connect Discovery).
    pub fn discover(self, issuer: impl Into<String>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::Discover(issuer.into()))
    }

    /// Keys over HTTP, configured separately.
    pub fn remote_keys(self, keys: RemoteKeysBuilder) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::Remote(Box::new(keys)))
    }

    /// Any other source of keys.
    pub fn key_source(self, source: Arc<dyn KeySource>) -> IssuerBuilder<Decided, I, A> {
        self.keys(Keys::Source(source))
    }

    fn keys(self, keys: Keys) -> IssuerBuilder<Decided, I, A> {
        self.with(|draft| draft.keys = Some(keys))
    }
}

impl<K, I, A> IssuerBuilder<K, I, A> {
    /// A secret shared with the issuer, for HS256, HS384 and HS512. Anyone who can verify with it
    /// can also sign with it.
    ///
    /// The algorithm is HS256 unless [`algorithms`](IssuerBuilder::algorithms) says otherwise.
    ///
    /// After a source of public keys it adds a second kind of key, for an issuer that changes from
    /// one kind to the other. Then `algorithms` must list those of both kinds: HS256, HS384 and
    /// HS512 belong to the secret, and the others to the public keys. HS256 tokens wait for the
    /// first key set as well, because an answer or a key file that holds the secret switches HMAC
    /// off, until a good set without it is read. [`VerifyingKey::is_secret_in`] names the encodings
    /// in which the secret is found.
    ///
    /// [`VerifyingKey::is_secret_in`]: crate::keys::VerifyingKey::is_secret_in
    ///
    /// ```
    /// use mcp_bearer::{Algorithm, BearerAuthProvider};
    /// let provider = BearerAuthProvider::builder()
    ///     .jwks_uri("https://PROJECT.supabase.co/auth/v1/.well-known/jwks.json")
    ///     .shared_secret("0fG7c2Qp9vXn4LsRtYwZ1aBeDhJkMuTi")
    ///     .algorithms([Algorithm::Es256, Algorithm::Hs256])
    ///     .issuer("https://PROJECT.supabase.co/auth/v1")
    ///     .audience("authenticated")
    ///     .build()?;
    /// # Ok::<(), mcp_bearer::ConfigError>(())
    /// ```
    pub fn shared_secret(self, secret: impl AsRef<[u8]>) -> IssuerBuilder<Decided, I, A> {
        let secret = Secret::Bytes(secret.as_ref().to_vec().into());
        self.with(|draft| draft.secret = Some(secret))
    }

    /// Like [`shared_secret`](Self::shared_secret), from a file that is read once. The line end
    /// that an editor adds to a secret of printable text is not part of it; any other byte is.
    pub fn shared_secret_file(self, path: impl Into<PathBuf>) -> IssuerBuilder<Decided, I, A> {
        self.with(|draft| draft.secret = Some(Secret::File(path.into())))
    }
}

impl<K, A> IssuerBuilder<K, Undecided, A> {
    /// `iss` must be present and equal to this, byte for byte.
    pub fn issuer(self, issuer: impl Into<String>) -> IssuerBuilder<K, Decided, A> {
        self.issuers([issuer])
    }

    /// `iss` must be present and equal to one of these names of the issuer, byte for byte.
    pub fn issuers<T: Into<String>>(
        self,
        issuers: impl IntoIterator<Item = T>,
    ) -> IssuerBuilder<K, Decided, A> {
        self.with(|draft| draft.issuers = Some(Expected::OneOf(strings(issuers))))
    }

    /// Accepts any `iss`, or none: only the key shows who signed.
    pub fn any_issuer(self) -> IssuerBuilder<K, Decided, A> {
        self.with(|draft| draft.issuers = Some(Expected::Any))
    }
}

impl<K, I> IssuerBuilder<K, I, Undecided> {
    /// `aud` must be present and contain this, byte for byte: the resource identifier of the MCP
    /// server.
    pub fn audience(self, audience: impl Into<String>) -> IssuerBuilder<K, I, Decided> {
        self.audiences([audience])
    }

    /// `aud` must be present and contain one of these, byte for byte.
    pub fn audiences<T: Into<String>>(
        self,
        audiences: impl IntoIterator<Item = T>,
    ) -> IssuerBuilder<K, I, Decided> {
        self.with(|draft| draft.audiences = Some(Expected::OneOf(strings(audiences))))
    }

    /// Accepts tokens for this resource, the URL of the MCP server: `aud` must be present and
    /// contain its identifier, byte for byte. If the URL has no path, a slash after the host makes
    /// no difference: see [`Expected::of_resource`](crate::config::Expected::of_resource).
    pub fn resource(self, identifier: impl AsRef<str>) -> IssuerBuilder<K, I, Decided> {
        self.with(|draft| draft.audiences = Some(Expected::of_resource(identifier.as_ref())))
    }

    /// Accepts tokens for any resource: one that another server received can be replayed here.
    pub fn any_audience(self) -> IssuerBuilder<K, I, Decided> {
        self.with(|draft| draft.audiences = Some(Expected::Any))
    }
}

impl<K, I, A> IssuerBuilder<K, I, A> {
    /// The type parameters record what `change` decides.
    fn with<L, J, B>(mut self, change: impl FnOnce(&mut IssuerDraft)) -> IssuerBuilder<L, J, B> {
        change(&mut self.draft);
        IssuerBuilder {
            draft: self.draft,
            decided: PhantomData,
        }
    }

    /// The allowed algorithms; RS256 alone by default.
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.with(|draft| draft.algorithms = Some(algorithms.into_iter().collect()))
    }

    /// The scopes that every request needs. The HTTP layer answers 403 when one is missing.
    pub fn required_scopes<T: Into<String>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.with(|draft| draft.required_scopes = strings(scopes))
    }

    /// The tolerance between the issuer's clock and ours; 60 s by default, at most 300 s.
    pub fn leeway(self, leeway: Duration) -> Self {
        self.with(|draft| draft.leeway = Some(leeway))
    }

    /// Requires an `iat` that is at most this far in the past.
    pub fn max_age(self, max_age: Duration) -> Self {
        self.with(|draft| draft.max_age = Some(max_age))
    }

    /// Which `typ` is required.
    pub fn token_type(self, token_type: TokenType) -> Self {
        self.with(|draft| draft.token_type = Some(token_type))
    }

    /// Accepts tokens with this `typ` as if it were `JWT`: see
    /// [`PolicyBuilder`](mcp_bearer_core::PolicyBuilder::also_accept_type).
    pub fn also_accept_type(self, typ: impl Into<String>) -> Self {
        let typ = typ.into();
        self.with(|draft| draft.accepted_types.push(typ))
    }

    /// Accepts tokens without `exp`: a stolen one works forever.
    pub fn accept_tokens_that_never_expire(self) -> Self {
        self.with(|draft| draft.accept_tokens_that_never_expire = true)
    }

    /// Accepts tokens whose `iat` is in the future: a signer can then prepare tokens for later.
    pub fn accept_tokens_issued_in_the_future(self) -> Self {
        self.with(|draft| draft.accept_tokens_issued_in_the_future = true)
    }

    /// Accepts tokens with the marks of an ID token, so an ID token may pass for an access token.
    pub fn accept_identity_token_shape(self) -> Self {
        self.with(|draft| draft.accept_identity_token_shape = true)
    }

    /// Verifies RSA signatures with AWS-LC alone: see
    /// [`PolicyBuilder`](mcp_bearer_core::PolicyBuilder::without_rsa_kernel).
    pub fn without_rsa_kernel(self) -> Self {
        self.with(|draft| draft.without_rsa_kernel = true)
    }

    /// A claim that must be present and equal to one of the values.
    pub fn required_claim<V: Into<serde_json::Value>>(
        self,
        claim: impl Into<ClaimPath>,
        allowed: impl IntoIterator<Item = V>,
    ) -> Self {
        let claim = (claim.into(), allowed.into_iter().map(Into::into).collect());
        self.with(|draft| draft.required_claims.push(claim))
    }

    /// A claim that must be present and contain one of the values: an array with the value as an
    /// element, or the value itself.
    pub fn required_claim_containing<V: Into<serde_json::Value>>(
        self,
        claim: impl Into<ClaimPath>,
        allowed: impl IntoIterator<Item = V>,
    ) -> Self {
        let claim = (claim.into(), allowed.into_iter().map(Into::into).collect());
        self.with(|draft| draft.required_claims_containing.push(claim))
    }

    /// The clients that are allowed; `client_id`, `azp`, `cid` or `appid` becomes required.
    pub fn allowed_client_ids<T: Into<String>>(self, clients: impl IntoIterator<Item = T>) -> Self {
        self.with(|draft| draft.allowed_client_ids = Some(strings(clients)))
    }

    /// The claims that scopes are read from; the first one present is used. By default `scope`,
    /// then `scp`.
    pub fn scope_claims<T: Into<ClaimPath>>(self, claims: impl IntoIterator<Item = T>) -> Self {
        let claims = claims.into_iter().map(Into::into).collect();
        self.with(|draft| draft.scope_claims = Some(claims))
    }

    /// Uses the scopes of every claim in [`scope_claims`](Self::scope_claims) that is present, not
    /// only of the first. A user's roles and permissions then count even if the user has not
    /// consented to them for this client.
    pub fn accept_scopes_beyond_consent(self) -> Self {
        self.with(|draft| draft.accept_scopes_beyond_consent = true)
    }

    /// Makes `scope` include the others.
    pub fn scope_implies<T: Into<String>>(
        self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = T>,
    ) -> Self {
        let implied = (scope.into(), strings(implied));
        self.with(|draft| draft.scope_implies.push(implied))
    }

    /// The prefix that clients put before a scope when they request it. Challenges, and
    /// `scopes_supported` of the RFC 9728 document, then name what clients must request; tokens
    /// hold what [`required_scopes`](Self::required_scopes) names.
    ///
    /// ```
    /// use mcp_bearer::{BearerAuthLayer, BearerAuthProvider};
    /// let entra = BearerAuthProvider::builder()
    ///     .discover("https://login.microsoftonline.com/TENANT/v2.0")
    ///     .issuer("https://login.microsoftonline.com/TENANT/v2.0")
    ///     .audience("CLIENT")
    ///     .required_scopes(["read"])
    ///     .requested_scope_prefix("api://CLIENT/")
    ///     .build()?;
    /// let auth = BearerAuthLayer::new(entra).resource("https://mcp.example.com/mcp")?;
    /// assert!(auth.metadata().to_json().contains(r#""scopes_supported":["api://CLIENT/read"]"#));
    /// # Ok::<(), mcp_bearer::ConfigError>(())
    /// ```
    pub fn requested_scope_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|draft| draft.requested_scope_prefix = Some(prefix.into()))
    }

    /// What clients must request to get a token that holds `scope`. It takes precedence over the
    /// [prefix](Self::requested_scope_prefix).
    pub fn requested_scope(self, scope: impl Into<String>, requested: impl Into<String>) -> Self {
        let pair = (scope.into(), requested.into());
        self.with(|draft| draft.requested_scopes.push(pair))
    }
}

impl IssuerBuilder<Decided, Decided, Decided> {
    /// Checks all settings and builds a provider for this one issuer.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn build(self) -> Result<BearerAuthProvider, ConfigError> {
        BearerAuthProvider::for_issuers([self])
    }
}

fn strings<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}

impl<K, I, A> fmt::Debug for IssuerBuilder<K, I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IssuerBuilder").field(&self.draft).finish()
    }
}
