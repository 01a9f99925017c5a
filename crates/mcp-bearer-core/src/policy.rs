//! What a token must say. Every expectation that is set makes its claim required; what is not checked is spelled out.
//!
//! A policy that cannot work must not be built: [`ConfigError`] names every problem at once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::claims::{
    ClaimPath, Comparison, Counted, Expiry, FutureIssue, RequiredClaim, ScopeClaims, TimeRules,
};
use crate::header::NamedTypes;
use crate::limits::Limits;
use crate::scope::ScopeHierarchy;

/// The rules for the tokens of one issuer, or of several that share their keys. Cheap to clone.
///
/// Issuer and audience are decisions that the types demand; "any" is spelled out.
///
/// ```
/// use mcp_bearer_core::Policy;
/// let policy = Policy::builder()
///     .issuer("https://idp.example.com/")
///     .audience("https://mcp.example.com/mcp")
///     .build()?;
/// # Ok::<(), mcp_bearer_core::ConfigError>(())
/// ```
///
/// ```compile_fail
/// // No decision about the audience: this does not compile.
/// mcp_bearer_core::Policy::builder().issuer("https://idp.example.com/").build();
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) rules: Arc<Rules>,
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) token_type: TokenType,
    pub(crate) named_types: NamedTypes,
    pub(crate) issuers: Expected,
    pub(crate) audiences: Expected,
    pub(crate) times: TimeRules,
    pub(crate) identity_token_shape: IdentityTokenShape,
    pub(crate) required_claims: Vec<RequiredClaim>,
    pub(crate) allowed_client_ids: Option<Vec<String>>,
    pub(crate) scope_claims: ScopeClaims,
    pub(crate) hierarchy: Arc<ScopeHierarchy>,
}

/// What a claim must equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Any,
    OneOf(Vec<String>),
}

/// Which `typ` a token must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// Absent, `JWT`, `JOSE`, `at+jwt`, or one that the policy names: Keycloak and Entra ID do not issue `at+jwt`.
    #[default]
    Any,
    /// `at+jwt` only (RFC 9068 section 4).
    Rfc9068,
}

/// Whether a token that looks like an ID token may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IdentityTokenShape {
    #[default]
    Refuse,
    Accept,
}

/// A decision that has not been taken. See [`PolicyBuilder`].
#[derive(Clone, Copy, Debug)]
pub struct Undecided;

/// A decision that has been taken.
#[derive(Clone, Copy, Debug)]
pub struct Decided;

impl Policy {
    /// Begins a policy. Two decisions are required: about the issuer (`I`) and about the audience (`A`).
    #[must_use]
    pub fn builder() -> PolicyBuilder<Undecided, Undecided> {
        PolicyBuilder {
            draft: Draft::default(),
            decided: PhantomData,
        }
    }

    /// The algorithms it allows.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.rules.algorithms
    }

    /// The issuers it expects; `None` when any will do.
    #[must_use]
    pub fn issuers(&self) -> Option<&[String]> {
        self.rules.issuers.listed()
    }

    /// The audiences it expects; `None` when any will do.
    #[must_use]
    pub fn audiences(&self) -> Option<&[String]> {
        self.rules.audiences.listed()
    }

    /// The tolerance between the issuer's clock and ours.
    #[must_use]
    pub fn leeway(&self) -> Duration {
        self.rules.times.leeway
    }

    /// Which scope includes which others.
    #[must_use]
    pub fn scope_hierarchy(&self) -> &ScopeHierarchy {
        &self.rules.hierarchy
    }
}

impl Expected {
    pub(crate) fn allows(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(values) => values.iter().any(|expected| expected == value),
        }
    }

    fn listed(&self) -> Option<&[String]> {
        match self {
            Self::Any => None,
            Self::OneOf(values) => Some(values),
        }
    }
}

/// Builds a [`Policy`]; `I` and `A` say whether issuer and audience have been decided.
#[derive(Clone, Debug)]
pub struct PolicyBuilder<I, A> {
    draft: Draft,
    decided: PhantomData<(I, A)>,
}

#[derive(Clone, Debug, Default)]
struct Draft {
    algorithms: Option<Vec<Algorithm>>,
    token_type: TokenType,
    named_types: NamedTypes,
    issuers: Vec<String>,
    any_issuer: bool,
    audiences: Vec<String>,
    any_audience: bool,
    leeway: Option<Duration>,
    expiry: Expiry,
    future_issue: FutureIssue,
    max_age: Option<Duration>,
    identity_token_shape: IdentityTokenShape,
    required_claims: Vec<RequiredClaim>,
    allowed_client_ids: Option<Vec<String>>,
    scope_claims: ScopeClaims,
    scope_implies: Vec<(String, Vec<String>)>,
}

impl<A> PolicyBuilder<Undecided, A> {
    /// `iss` must be present and equal to this, byte for byte.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<String>) -> PolicyBuilder<Decided, A> {
        self.issuers([issuer])
    }

    /// `iss` must be present and equal to one of these, byte for byte.
    #[must_use]
    pub fn issuers<T: Into<String>>(
        mut self,
        issuers: impl IntoIterator<Item = T>,
    ) -> PolicyBuilder<Decided, A> {
        self.draft.issuers = issuers.into_iter().map(Into::into).collect();
        PolicyBuilder {
            draft: self.draft,
            decided: PhantomData,
        }
    }

    /// Whatever stands in `iss`, or nothing: only the key says who signed.
    #[must_use]
    pub fn any_issuer(mut self) -> PolicyBuilder<Decided, A> {
        self.draft.any_issuer = true;
        PolicyBuilder {
            draft: self.draft,
            decided: PhantomData,
        }
    }
}

impl<I> PolicyBuilder<I, Undecided> {
    /// `aud` must be present and contain this, byte for byte. For an MCP server it is its resource identifier.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> PolicyBuilder<I, Decided> {
        self.audiences([audience])
    }

    /// `aud` must be present and contain one of these, byte for byte.
    #[must_use]
    pub fn audiences<T: Into<String>>(
        mut self,
        audiences: impl IntoIterator<Item = T>,
    ) -> PolicyBuilder<I, Decided> {
        self.draft.audiences = audiences.into_iter().map(Into::into).collect();
        PolicyBuilder {
            draft: self.draft,
            decided: PhantomData,
        }
    }

    /// Tokens made for any resource: one that another server received can be replayed here.
    #[must_use]
    pub fn any_audience(mut self) -> PolicyBuilder<I, Decided> {
        self.draft.any_audience = true;
        PolicyBuilder {
            draft: self.draft,
            decided: PhantomData,
        }
    }
}

impl<I, A> PolicyBuilder<I, A> {
    /// The allowed algorithms; RS256 alone unless set.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.draft.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// The tolerance between the issuer's clock and ours; 60 s unless set, at most 300 s.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.draft.leeway = Some(leeway);
        self
    }

    /// `iat` becomes required, and may lie at most this far back.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.draft.max_age = Some(max_age);
        self
    }

    /// Which `typ` is demanded.
    #[must_use]
    pub fn token_type(mut self, token_type: TokenType) -> Self {
        self.draft.token_type = token_type;
        self
    }

    /// Accepts tokens with this `typ`, compared without case and without `application/`, as if they had `JWT`. It never
    /// counts as `at+jwt`, and a type that is known to be that of another kind of token cannot be named.
    #[must_use]
    pub fn also_accept_type(mut self, typ: impl Into<String>) -> Self {
        self.draft.named_types.add(typ.into());
        self
    }

    /// Accepts tokens without `exp`, which can never be refused for their age: a stolen one works for ever.
    #[must_use]
    pub fn accept_tokens_that_never_expire(mut self) -> Self {
        self.draft.expiry = Expiry::Optional;
        self
    }

    /// Accepts tokens whose `iat` lies in the future: whoever can sign may then keep tokens for later. RFC 7519 leaves it
    /// open; it is for issuers whose clock runs ahead by more than the leeway. With a maximum age it changes nothing.
    #[must_use]
    pub fn accept_tokens_issued_in_the_future(mut self) -> Self {
        self.draft.future_issue = FutureIssue::Accepted;
        self
    }

    /// Accepts tokens with `at_hash`, `c_hash` or `s_hash`, the marks of an ID token: a client could then use an ID token as an
    /// access token. Dex issues access tokens of that shape.
    #[must_use]
    pub fn accept_identity_token_shape(mut self) -> Self {
        self.draft.identity_token_shape = IdentityTokenShape::Accept;
        self
    }

    /// A claim that must be present and equal to one of the values.
    #[must_use]
    pub fn required_claim<V: Into<Value>>(
        self,
        claim: impl Into<ClaimPath>,
        allowed: impl IntoIterator<Item = V>,
    ) -> Self {
        self.demand(claim.into(), allowed, Comparison::Equals)
    }

    /// A claim that must be present and contain one of the values: an array with it among its elements, or the value
    /// itself.
    ///
    /// ```
    /// use mcp_bearer_core::Policy;
    /// let policy = Policy::builder()
    ///     .issuer("https://idp.example.com/")
    ///     .audience("https://mcp.example.com/mcp")
    ///     .required_claim_containing("groups", ["mcp-users", "mcp-admins"])
    ///     .required_claim_containing(["realm_access", "roles"], ["mcp-user"])
    ///     .build()?;
    /// # Ok::<(), mcp_bearer_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn required_claim_containing<V: Into<Value>>(
        self,
        claim: impl Into<ClaimPath>,
        allowed: impl IntoIterator<Item = V>,
    ) -> Self {
        self.demand(claim.into(), allowed, Comparison::Contains)
    }

    fn demand<V: Into<Value>>(
        mut self,
        path: ClaimPath,
        allowed: impl IntoIterator<Item = V>,
        comparison: Comparison,
    ) -> Self {
        self.draft.required_claims.push(RequiredClaim {
            path,
            allowed: allowed.into_iter().map(Into::into).collect(),
            comparison,
        });
        self
    }

    /// The clients (`client_id`, `azp`, `cid` or `appid`) that may come; the claim becomes required.
    #[must_use]
    pub fn allowed_client_ids<T: Into<String>>(
        mut self,
        clients: impl IntoIterator<Item = T>,
    ) -> Self {
        self.draft.allowed_client_ids = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// The claims that scopes are read from, the first one present winning; `scope`, then `scp` unless set.
    ///
    /// ```
    /// use mcp_bearer_core::{ClaimPath, Policy};
    /// let keycloak = Policy::builder()
    ///     .issuer("https://idp.example.com/realms/mcp")
    ///     .audience("https://mcp.example.com/mcp")
    ///     .scope_claims([ClaimPath::from("scope"), ClaimPath::from(["realm_access", "roles"])])
    ///     .build()?;
    /// # Ok::<(), mcp_bearer_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn scope_claims<T: Into<ClaimPath>>(mut self, claims: impl IntoIterator<Item = T>) -> Self {
        self.draft.scope_claims.paths = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Counts the scopes of all the claims of [`scope_claims`](Self::scope_claims) that are present, not of the first
    /// alone. Roles and permissions of a user then count though the user has not consented to them for this client.
    #[must_use]
    pub fn accept_scopes_beyond_consent(mut self) -> Self {
        self.draft.scope_claims.counted = Counted::All;
        self
    }

    /// Says that holding `scope` includes holding the others.
    #[must_use]
    pub fn scope_implies<T: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = T>,
    ) -> Self {
        let implied = implied.into_iter().map(Into::into).collect();
        self.draft.scope_implies.push((scope.into(), implied));
        self
    }
}

impl PolicyBuilder<Decided, Decided> {
    /// Checks the whole and builds it.
    ///
    /// # Errors
    /// Every problem at once: an empty list, a leeway over 300 s, a scope cycle, HMAC beside public-key algorithms.
    pub fn build(self) -> Result<Policy, ConfigError> {
        let draft = self.draft;
        let mut problems = draft.problems();
        let hierarchy = ScopeHierarchy::new(draft.scope_implies).unwrap_or_else(|found| {
            problems.extend(found);
            ScopeHierarchy::default()
        });
        ConfigError::unless_empty(problems)?;
        Ok(Policy {
            rules: Arc::new(Rules {
                algorithms: draft.algorithms.unwrap_or_else(|| vec![Algorithm::Rs256]),
                token_type: draft.token_type,
                named_types: draft.named_types,
                issuers: expected(draft.any_issuer, draft.issuers),
                audiences: expected(draft.any_audience, draft.audiences),
                times: TimeRules {
                    leeway: draft.leeway.unwrap_or(Limits::LEEWAY_DEFAULT),
                    expiry: draft.expiry,
                    future_issue: draft.future_issue,
                    max_age: draft.max_age,
                },
                identity_token_shape: draft.identity_token_shape,
                required_claims: draft.required_claims,
                allowed_client_ids: draft.allowed_client_ids,
                scope_claims: draft.scope_claims,
                hierarchy: Arc::new(hierarchy),
            }),
        })
    }
}

fn expected(any: bool, listed: Vec<String>) -> Expected {
    if any {
        Expected::Any
    } else {
        Expected::OneOf(listed)
    }
}

impl Draft {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut problem = |found: bool, text: &str| {
            if found {
                problems.push(text.to_owned());
            }
        };
        let blank = |list: &[String]| list.is_empty() || list.iter().any(String::is_empty);
        problem(
            !self.any_issuer && blank(&self.issuers),
            "issuer: the list is empty or holds an empty name; say \"any issuer\" if that is meant",
        );
        problem(
            !self.any_audience && blank(&self.audiences),
            "audience: the list is empty or holds an empty name; say \"any audience\" if that is meant",
        );
        let algorithms = self.algorithms.as_deref().unwrap_or(&[Algorithm::Rs256]);
        problem(algorithms.is_empty(), "algorithms: the list is empty");
        let secret = |algorithm: &Algorithm| algorithm.is_symmetric();
        problem(
            algorithms.iter().any(secret) && !algorithms.iter().all(secret),
            "algorithms: HS256, HS384 and HS512 cannot stand beside public-key algorithms",
        );
        problem(
            self.leeway
                .is_some_and(|leeway| leeway > Limits::LEEWAY_MAX),
            "leeway: more than 300 s; expiry would mean little",
        );
        problem(
            self.max_age.is_some_and(|age| age.is_zero()),
            "max_age: zero",
        );
        problem(
            self.required_claims
                .iter()
                .any(|claim| claim.allowed.is_empty() || claim.path.has_empty_name()),
            "required_claims: a claim without a name or an allowed value",
        );
        problem(
            self.allowed_client_ids.as_deref().is_some_and(blank),
            "allowed_client_ids: the list is empty or holds an empty name",
        );
        problem(
            self.scope_claims.paths.is_empty()
                || self
                    .scope_claims
                    .paths
                    .iter()
                    .any(ClaimPath::has_empty_name),
            "scope_claims: the list is empty or holds an empty name",
        );
        if self.token_type == TokenType::Rfc9068 && !self.named_types.is_empty() {
            problems.push("token_types: named, though at+jwt alone is accepted".to_owned());
        }
        problems.extend(
            self.named_types
                .faults()
                .map(|fault| format!("token_types: {fault}")),
        );
        problems
    }
}

/// A configuration that cannot work, with every problem at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// An error of these problems, each one lower-case sentence that begins with the setting's name.
    #[must_use]
    pub fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// Nothing to report is not an error.
    ///
    /// # Errors
    /// When there is a problem.
    pub fn unless_empty(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self { problems })
        }
    }

    /// The problems.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
