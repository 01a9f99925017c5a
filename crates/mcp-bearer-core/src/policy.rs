//! What a token must contain. Every expectation that is set makes its claim required; each check
//! that is left out is spelled out.
//!
//! A policy that cannot work is not built: [`RuleError`] reports every problem at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::claims::{
    ClaimPath, Comparison, Counted, Expiry, FutureIssue, RequiredClaim, ScopeClaims, TimeRules,
};
use crate::header::NamedTypes;
use crate::limits::Limits;
use crate::scope::{RequestedScopes, RequestedScopesFault, ScopeHierarchy};
use crate::signature::RsaBackend;

/// The rules for the tokens of one issuer, or of several that share their keys. Cheap to clone.
///
/// A builder takes the decisions about issuer and audience first; "any" is spelled out.
///
/// ```
/// use mcp_bearer_core::{Expected, Policy};
/// let policy =
///     Policy::builder("https://idp.example.com/", "https://mcp.example.com/mcp").build()?;
/// assert_eq!(policy.audiences(), &Expected::from("https://mcp.example.com/mcp"));
/// # Ok::<(), mcp_bearer_core::RuleError>(())
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
    pub(crate) requested_scopes: RequestedScopes,
    pub(crate) rsa: RsaBackend,
}

/// What a claim must equal: one of a list, or anything.
///
/// ```
/// use mcp_bearer_core::Expected;
/// assert!(Expected::from(["a", "b"]).allows("b"));
/// assert!(!Expected::from("a").allows("A"));
/// assert!(Expected::Any.allows("whatever"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Any value, or none at all.
    Any,
    /// The claim must be present and equal to one of these, byte for byte.
    OneOf(Vec<String>),
}

/// Which `typ` a token must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// Absent, `JWT`, `JOSE`, `at+jwt`, or one that the policy names: Keycloak and Entra ID do not
    /// issue `at+jwt`.
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

impl Policy {
    /// Begins a policy for tokens of these issuers (`iss`), made for these audiences (`aud`).
    ///
    /// With [`Expected::Any`] as the issuer, only the key shows who signed. With it as the
    /// audience, a token that another server received can be replayed here.
    pub fn builder(issuers: impl Into<Expected>, audiences: impl Into<Expected>) -> PolicyBuilder {
        PolicyBuilder {
            algorithms: None,
            token_type: TokenType::default(),
            named_types: NamedTypes::default(),
            issuers: issuers.into(),
            audiences: audiences.into(),
            times: TimeRules {
                leeway: Limits::LEEWAY_DEFAULT,
                expiry: Expiry::Required,
                future_issue: FutureIssue::default(),
                max_age: None,
            },
            identity_token_shape: IdentityTokenShape::default(),
            required_claims: Vec::new(),
            allowed_client_ids: None,
            scope_claims: ScopeClaims::default(),
            scope_implies: Vec::new(),
            requested_scope_prefix: None,
            requested_scopes: Vec::new(),
            rsa: RsaBackend::default(),
        }
    }

    /// The algorithms it allows.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.rules.algorithms
    }

    /// The issuers it expects.
    #[must_use]
    pub fn issuers(&self) -> &Expected {
        &self.rules.issuers
    }

    /// The audiences it expects.
    #[must_use]
    pub fn audiences(&self) -> &Expected {
        &self.rules.audiences
    }

    /// What may verify RSA signatures.
    #[must_use]
    pub fn rsa_backend(&self) -> RsaBackend {
        self.rules.rsa
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

    /// What clients must request for a scope, where that differs from what tokens hold.
    #[must_use]
    pub fn requested_scopes(&self) -> &RequestedScopes {
        &self.rules.requested_scopes
    }
}

impl Expected {
    /// Whether it allows a value.
    #[must_use]
    pub fn allows(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(values) => values.iter().any(|expected| expected == value),
        }
    }

    /// The values that are listed; none for "any".
    #[must_use]
    pub fn listed(&self) -> &[String] {
        match self {
            Self::Any => &[],
            Self::OneOf(values) => values,
        }
    }
}

impl From<&str> for Expected {
    fn from(value: &str) -> Self {
        Self::OneOf(vec![value.to_owned()])
    }
}

impl From<String> for Expected {
    fn from(value: String) -> Self {
        Self::OneOf(vec![value])
    }
}

impl<T: Into<String>> From<Vec<T>> for Expected {
    fn from(values: Vec<T>) -> Self {
        Self::OneOf(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Expected {
    fn from(values: [T; N]) -> Self {
        Self::OneOf(values.map(Into::into).into())
    }
}

/// Builds a [`Policy`].
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before `build`"]
pub struct PolicyBuilder {
    algorithms: Option<Vec<Algorithm>>,
    token_type: TokenType,
    named_types: NamedTypes,
    issuers: Expected,
    audiences: Expected,
    times: TimeRules,
    identity_token_shape: IdentityTokenShape,
    required_claims: Vec<RequiredClaim>,
    allowed_client_ids: Option<Vec<String>>,
    scope_claims: ScopeClaims,
    scope_implies: Vec<(String, Vec<String>)>,
    requested_scope_prefix: Option<String>,
    requested_scopes: Vec<(String, String)>,
    rsa: RsaBackend,
}

impl PolicyBuilder {
    /// The allowed algorithms; RS256 alone unless set. HS256, HS384 and HS512 belong to a shared
    /// secret and the others to public keys, whatever a [`KeySet`](crate::KeySet) holds.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// The tolerance between the issuer's clock and ours; 60 s unless set, at most 300 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.times.leeway = leeway;
        self
    }

    /// Requires `iat`, which may be at most this long ago.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.times.max_age = Some(max_age);
        self
    }

    /// The `typ` that is required.
    pub fn token_type(mut self, token_type: TokenType) -> Self {
        self.token_type = token_type;
        self
    }

    /// Accepts tokens with this `typ`, compared without case and without `application/`, as if they
    /// had `JWT`. It never counts as `at+jwt`, and a type known to belong to another kind of token
    /// cannot be named.
    pub fn also_accept_type(mut self, typ: impl Into<String>) -> Self {
        self.named_types.add(typ.into());
        self
    }

    /// Accepts tokens without `exp`, which can never be refused for their age: a stolen one works
    /// forever.
    pub fn accept_tokens_that_never_expire(mut self) -> Self {
        self.times.expiry = Expiry::Optional;
        self
    }

    /// Accepts tokens whose `iat` is in the future: anyone who can sign may then keep tokens for
    /// later. RFC 7519 leaves this open; use it for issuers whose clock runs ahead by more than the
    /// leeway. With a maximum age it changes nothing.
    pub fn accept_tokens_issued_in_the_future(mut self) -> Self {
        self.times.future_issue = FutureIssue::Accepted;
        self
    }

    /// Accepts tokens with `at_hash`, `c_hash` or `s_hash`, the marks of an ID token: a client
    /// could then use an ID token as an access token. Dex issues access tokens of that shape.
    pub fn accept_identity_token_shape(mut self) -> Self {
        self.identity_token_shape = IdentityTokenShape::Accept;
        self
    }

    /// Verifies RSA signatures with AWS-LC alone, on every processor. Without this, a processor
    /// with AVX-512 IFMA verifies them with the kernel of `mcp-bearer-rsa` if the feature
    /// `rsa-kernel` is on. The verdicts are the same.
    pub fn without_rsa_kernel(mut self) -> Self {
        self.rsa = RsaBackend::AwsLc;
        self
    }

    /// A claim that must be present and equal to one of the values.
    pub fn required_claim<V: Into<Value>>(
        self,
        claim: impl Into<ClaimPath>,
        allowed: impl IntoIterator<Item = V>,
    ) -> Self {
        self.demand(claim.into(), allowed, Comparison::Equals)
    }

    /// A claim that must be present and contain one of the values: an array with it as an element,
    /// or the value itself.
    ///
    /// ```
    /// use mcp_bearer_core::Policy;
    /// let policy = Policy::builder("https://idp.example.com/", "https://mcp.example.com/mcp")
    ///     .required_claim_containing("groups", ["mcp-users", "mcp-admins"])
    ///     .required_claim_containing(["realm_access", "roles"], ["mcp-user"])
    ///     .build()?;
    /// # Ok::<(), mcp_bearer_core::RuleError>(())
    /// ```
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
        self.required_claims.push(RequiredClaim {
            path,
            allowed: allowed.into_iter().map(Into::into).collect(),
            comparison,
        });
        self
    }

    /// The clients (`client_id`, `azp`, `cid` or `appid`) that are allowed; the claim becomes
    /// required.
    pub fn allowed_client_ids<T: Into<String>>(
        mut self,
        clients: impl IntoIterator<Item = T>,
    ) -> Self {
        self.allowed_client_ids = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// The claims that scopes are read from; the first one present is used. `scope`, then `scp`,
    /// unless set.
    ///
    /// ```
    /// use mcp_bearer_core::{ClaimPath, Policy};
    /// let issuer = "https://idp.example.com/realms/mcp";
    /// let keycloak = Policy::builder(issuer, "https://mcp.example.com/mcp")
    ///     .scope_claims([ClaimPath::from("scope"), ClaimPath::from(["realm_access", "roles"])])
    ///     .build()?;
    /// # Ok::<(), mcp_bearer_core::RuleError>(())
    /// ```
    pub fn scope_claims<T: Into<ClaimPath>>(mut self, claims: impl IntoIterator<Item = T>) -> Self {
        self.scope_claims.paths = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Counts the scopes of all the claims of [`scope_claims`](Self::scope_claims) that are
    /// present, not just the first. A user's roles and permissions then count even if the user has
    /// not consented to them for this client.
    pub fn accept_scopes_beyond_consent(mut self) -> Self {
        self.scope_claims.counted = Counted::All;
        self
    }

    /// Holding `scope` includes holding the others.
    pub fn scope_implies<T: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = T>,
    ) -> Self {
        let implied = implied.into_iter().map(Into::into).collect();
        self.scope_implies.push((scope.into(), implied));
        self
    }

    /// What clients put before a scope when they request it: with `api://id/`, they request
    /// `api://id/read` to get a token that holds `read`. It changes what challenges ask for, and
    /// nothing about tokens. See [`RequestedScopes`].
    pub fn requested_scope_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.requested_scope_prefix = Some(prefix.into());
        self
    }

    /// What clients must request to get a token that holds `scope`. It takes precedence over the
    /// prefix.
    pub fn requested_scope(
        mut self,
        scope: impl Into<String>,
        requested: impl Into<String>,
    ) -> Self {
        self.requested_scopes.push((scope.into(), requested.into()));
        self
    }

    /// Checks everything and builds it.
    ///
    /// # Errors
    /// Every problem at once: an empty list, a leeway over 300 s, a scope cycle.
    pub fn build(self) -> Result<Policy, RuleError> {
        let algorithms = self.algorithms.unwrap_or_else(|| vec![Algorithm::Rs256]);
        let mut error = RuleError::default();
        let blank =
            |list: &[String]| list.is_empty() || list.iter().any(|name| name.trim().is_empty());
        for (rule, expected) in [
            (Rule::Issuers, &self.issuers),
            (Rule::Audiences, &self.audiences),
        ] {
            error.add_if(
                matches!(expected, Expected::OneOf(list) if blank(list)),
                rule,
                BLANK,
            );
        }
        error.add_if(algorithms.is_empty(), Rule::Algorithms, "the list is empty");
        error.add_if(
            self.times.leeway > Limits::LEEWAY_MAX,
            Rule::Leeway,
            "more than 300 s; expiry would mean little",
        );
        let no_age = self.times.max_age.is_some_and(|age| age.is_zero());
        error.add_if(no_age, Rule::MaxAge, "zero");
        for claim in &self.required_claims {
            let rule = match claim.comparison {
                Comparison::Equals => Rule::RequiredClaims,
                Comparison::Contains => Rule::RequiredClaimsContaining,
            };
            let idle = claim.allowed.is_empty() || claim.path.has_empty_name();
            error.add_if(idle, rule, "a claim without a name or an allowed value");
        }
        let clients = self.allowed_client_ids.as_deref();
        error.add_if(clients.is_some_and(blank), Rule::AllowedClientIds, BLANK);
        let paths = &self.scope_claims.paths;
        let unnamed = paths.is_empty() || paths.iter().any(ClaimPath::has_empty_name);
        error.add_if(unnamed, Rule::ScopeClaims, BLANK);
        error.add_if(
            self.token_type == TokenType::Rfc9068 && !self.named_types.is_empty(),
            Rule::AcceptedTypes,
            "named, although only at+jwt is accepted",
        );
        for fault in self.named_types.faults() {
            error.add(Rule::AcceptedTypes, fault.to_string());
        }
        let hierarchy = ScopeHierarchy::new(self.scope_implies).unwrap_or_else(|found| {
            for fault in found.faults() {
                error.add(Rule::ScopeImplies, fault.to_string());
            }
            ScopeHierarchy::default()
        });
        let prefix = self.requested_scope_prefix.as_deref();
        let requested_scopes = RequestedScopes::new(prefix, self.requested_scopes);
        let requested_scopes = requested_scopes.unwrap_or_else(|found| {
            for fault in found.faults() {
                let rule = match fault {
                    RequestedScopesFault::Prefix(_) => Rule::RequestedScopePrefix,
                    _ => Rule::RequestedScopes,
                };
                error.add(rule, fault.to_string());
            }
            RequestedScopes::default()
        });
        error.unless_empty()?;
        Ok(Policy {
            rules: Arc::new(Rules {
                algorithms,
                token_type: self.token_type,
                named_types: self.named_types,
                issuers: self.issuers,
                audiences: self.audiences,
                times: self.times,
                identity_token_shape: self.identity_token_shape,
                required_claims: self.required_claims,
                allowed_client_ids: self.allowed_client_ids,
                scope_claims: self.scope_claims,
                hierarchy: Arc::new(hierarchy),
                requested_scopes,
                rsa: self.rsa,
            }),
        })
    }
}

const BLANK: &str = "the list is empty or holds an empty name";

/// The rules that can be wrong: those of a [`Policy`], and those of a
/// [`ProtectedResourceMetadata`](crate::ProtectedResourceMetadata).
///
/// Exhaustive on purpose: `mcp-bearer` maps each to its names on a command line, in a file and so
/// on, and a rule without such names must not compile there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The issuers of [`Policy::builder`].
    Issuers,
    /// The audiences of [`Policy::builder`].
    Audiences,
    /// [`PolicyBuilder::algorithms`].
    Algorithms,
    /// [`PolicyBuilder::leeway`].
    Leeway,
    /// [`PolicyBuilder::max_age`].
    MaxAge,
    /// [`PolicyBuilder::also_accept_type`].
    AcceptedTypes,
    /// [`PolicyBuilder::required_claim`].
    RequiredClaims,
    /// [`PolicyBuilder::required_claim_containing`].
    RequiredClaimsContaining,
    /// [`PolicyBuilder::allowed_client_ids`].
    AllowedClientIds,
    /// [`PolicyBuilder::scope_claims`].
    ScopeClaims,
    /// [`PolicyBuilder::scope_implies`].
    ScopeImplies,
    /// [`PolicyBuilder::requested_scope_prefix`].
    RequestedScopePrefix,
    /// [`PolicyBuilder::requested_scope`].
    RequestedScopes,
    /// The resource of
    /// [`ProtectedResourceMetadata::builder`](crate::ProtectedResourceMetadata::builder).
    Resource,
    /// [`MetadataBuilder::authorization_servers`](crate::MetadataBuilder::authorization_servers).
    AuthorizationServers,
}

impl Rule {
    const fn name(self) -> &'static str {
        match self {
            Self::Issuers => "issuers",
            Self::Audiences => "audiences",
            Self::Algorithms => "algorithms",
            Self::Leeway => "leeway",
            Self::MaxAge => "max_age",
            Self::AcceptedTypes => "accepted_types",
            Self::RequiredClaims => "required_claims",
            Self::RequiredClaimsContaining => "required_claims_containing",
            Self::AllowedClientIds => "allowed_client_ids",
            Self::ScopeClaims => "scope_claims",
            Self::ScopeImplies => "scope_implies",
            Self::RequestedScopePrefix => "requested_scope_prefix",
            Self::RequestedScopes => "requested_scopes",
            Self::Resource => "resource",
            Self::AuthorizationServers => "authorization_servers",
        }
    }
}

/// Rules that cannot work, with every problem at once: which rule, and what is wrong with it. The
/// problem is one lower-case sentence without the name of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleError {
    problems: Vec<(Rule, String)>,
}

impl RuleError {
    /// The problems.
    #[must_use]
    pub fn problems(&self) -> &[(Rule, String)] {
        &self.problems
    }

    pub(crate) fn add(&mut self, rule: Rule, fact: impl Into<String>) {
        self.problems.push((rule, fact.into()));
    }

    fn add_if(&mut self, found: bool, rule: Rule, fact: &str) {
        if found {
            self.add(rule, fact);
        }
    }

    /// Having nothing to report is not an error.
    pub(crate) fn unless_empty(self) -> Result<(), Self> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (rule, fact) in &self.problems {
            write!(f, "{between}{}: {fact}", rule.name())?;
            between = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests;
