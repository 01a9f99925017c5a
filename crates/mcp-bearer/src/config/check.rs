//! Turns a draft into a provider, or into all of its problems: missing decisions and values that do
//! not fit, of all issuers at once.

use std::collections::BTreeSet;

use mcp_bearer_core::operation::OperationRulesDraft;
use mcp_bearer_core::{Algorithm, Expected, Policy, ProtectedResourceMetadata, RuleError, Scopes};

use super::draft::{Found, IssuerDraft, Keys, ServerDraft, SessionKeySource};
use super::problem::{ConfigError, Fact, Problem, Span};
use super::setting::{Entrance, Setting};
use crate::provider::{BearerAuthProvider, Issuer};

const NO_ISSUER: &str =
    "the issuer is not checked: only the key shows who signed a token; decide with ";
const NO_AUDIENCE: &str = "the audience is not checked: a token that was made for another server \
                           is accepted here; decide with ";

impl IssuerDraft {
    /// Checks all settings, reads the key files, and makes a provider for this one issuer. Nothing
    /// is fetched.
    ///
    /// # Errors
    /// Every problem at once, including missing decisions.
    pub fn check(&self) -> Result<BearerAuthProvider, ConfigError> {
        let mut server = ServerDraft::default();
        server.issuers.push(self.clone());
        server.check()
    }
}

impl ServerDraft {
    /// Checks all settings, reads the key files, and makes a provider. Nothing is fetched.
    ///
    /// # Errors
    /// Every problem of every issuer at once, including missing decisions, an issuer of any name
    /// beside others, a name that occurs twice, and no issuer at all. Settings of a layer, which
    /// would do nothing, are problems too: see [`check_server`](Self::check_server).
    pub fn check(&self) -> Result<BearerAuthProvider, ConfigError> {
        self.check_beside(self.idle())
    }

    /// The same, with problems that were found elsewhere.
    pub(super) fn check_beside(
        &self,
        others: Vec<Problem>,
    ) -> Result<BearerAuthProvider, ConfigError> {
        let mut problems = self.found.problems.clone();
        problems.extend(self.resource_problems());
        problems.extend(others);
        let mut problems = self.found.locate(problems);
        if self.issuers.is_empty() && !self.found.spoiled(&[Setting::Issuer]) {
            let fact = "no issuer is configured, and at least one is needed";
            problems.push(Problem::new([], fact));
        }
        let several = self.issuers.len() > 1;
        let (mut issuers, mut names) = (Vec::new(), BTreeSet::new());
        for (index, draft) in self.issuers.iter().enumerate() {
            let mut found = Vec::new();
            let issuer = self
                .issuer(draft)
                .map_err(|problems| found.extend(problems));
            if several {
                found.extend(draft.ambiguous_names(&mut names));
            }
            issuers.extend(issuer);
            let found = draft.found.locate(found).into_iter();
            problems.extend(found.map(|problem| Problem {
                issuer: several.then_some(index),
                ..problem
            }));
        }
        if problems.is_empty() {
            let provider = BearerAuthProvider::of_issuers(issuers, self.cache);
            for warning in self.warnings() {
                tracing::warn!("{warning}");
            }
            return Ok(provider);
        }
        problems.sort_by_key(|problem| {
            let line = problem.at.map(|at| at.line);
            (problem.issuer, line, problem.settings.first().copied())
        });
        let file = self.file.clone();
        Err(ConfigError::from_entrance(self.entrance, file, problems))
    }

    /// What works in a provider of this draft but may not be intended, one sentence each, in the
    /// words of the entrance: an issuer or audience that is not checked because no decision was
    /// given, and a shared secret that is easily guessed. [`check`](Self::check) logs them at WARN.
    ///
    /// ```
    /// use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
    /// let mut draft = ServerDraft::from_entrance(Entrance::Python);
    /// draft.set(Setting::SharedSecret, Value::text("abc".repeat(20)));
    /// draft.set(Setting::Issuer, Value::text("https://idp.example.com/"));
    /// draft.issuers[0].leave_unchecked(Setting::Audience);
    /// let warnings = draft.warnings();
    /// assert!(warnings[0].starts_with("the audience is not checked: "), "{warnings:?}");
    /// assert!(warnings[0].ends_with("decide with audience, or any_audience if that is intended"));
    /// assert!(warnings[1].starts_with("secret: "), "{warnings:?}");
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let words =
            |problems| ConfigError::from_entrance(self.entrance, None, problems).own_words();
        let unchecked = words(self.unchecked());
        let unchecked = (!unchecked.is_empty()).then(|| unchecked.join("; "));
        let weak = self.issuers.iter().filter_map(IssuerDraft::weak_secret);
        unchecked.into_iter().chain(words(weak.collect())).collect()
    }

    fn unchecked(&self) -> Vec<Problem> {
        let mut facts = Vec::new();
        for issuer in &self.issuers {
            let decisions = issuer.found.unchecked.iter().copied();
            facts.extend(decisions.filter_map(|decision| {
                let (expected, any, why) = match decision {
                    Setting::Issuer => (&issuer.issuers, Setting::AnyIssuer, NO_ISSUER),
                    _ => (&issuer.audiences, Setting::AnyAudience, NO_AUDIENCE),
                };
                let still = *expected == Some(Expected::Any);
                still.then(|| self.undecided(decision, any, why))
            }));
        }
        facts
    }

    fn undecided(&self, decision: Setting, any: Setting, why: &str) -> Problem {
        let fact = Fact::from(why).name(decision);
        let fact = fact.clause(", or ", any, " if that is intended");
        // These variables have none for "any".
        let no_any = self.entrance == Entrance::FastMcpVariable;
        let meant = any.name(Entrance::Variable).filter(|_| no_any);
        let fact = match meant {
            Some(meant) => fact.text(&format!(
                ", or use the MCP_BEARER_* names with {meant}=true if that is intended"
            )),
            None => fact,
        };
        Problem::new([], fact)
    }

    /// Settings that a provider alone would ignore: a rule that does nothing must not pass for a
    /// rule.
    fn idle(&self) -> Vec<Problem> {
        let why = "would do nothing here: only a layer in front of a server uses it";
        let keys = self.session_keys.as_ref().map(SessionKeySource::setting);
        let header = self.token_header.as_ref().map(|_| Setting::TokenHeader);
        let hash = self.require_body_hash.then_some(Setting::RequireBodyHash);
        let settings = keys.into_iter().chain(header).chain(hash);
        let mut problems: Vec<Problem> =
            settings.map(|setting| Problem::of(setting, why)).collect();
        if self.rules != OperationRulesDraft::default() {
            let fact = format!("rules for operations: {why}");
            let at = self.found.rules.iter().find_map(|rule| rule.table);
            problems.push(Problem {
                at,
                ..Problem::new([], fact)
            });
        }
        problems
    }

    /// Whether the resource can be a resource identifier (RFC 9728 section 1.2): the metadata
    /// document names it.
    fn resource_problems(&self) -> Vec<Problem> {
        let document = self.resource.as_ref().map(|resource| {
            let document = ProtectedResourceMetadata::builder(resource);
            document
                .authorization_servers(["https://idp.example.com/"])
                .build()
        });
        let error = document.and_then(Result::err).map(ConfigError::from);
        error.map(ConfigError::into_problems).unwrap_or_default()
    }

    fn issuer(&self, draft: &IssuerDraft) -> Result<Issuer, Vec<Problem>> {
        let mut problems = draft.found.problems.clone();
        let mut decided = |given: Option<Expected>, [listed, any]: [Setting; 2], missing: &str| {
            if given.is_none() && !draft.found.spoiled(&[listed, any]) {
                let fact = Fact::from(missing).name(listed);
                let fact = fact.clause(", or ", any, " if that is intended");
                problems.push(Problem::of(listed, fact));
            }
            given.unwrap_or(Expected::Any)
        };
        let discovered = draft.discovered().map(Expected::from);
        let issuers = decided(
            draft.issuers.clone().or(discovered),
            [Setting::Issuer, Setting::AnyIssuer],
            "no issuer: name the accepted one with ",
        );
        let resource = self.resource.as_deref().map(Expected::of_resource);
        let audiences = decided(
            draft.audiences.clone().or(resource),
            [Setting::Audience, Setting::AnyAudience],
            "no audience: give the URL of the MCP server with ",
        );
        let algorithms = draft.effective_algorithms();
        let policy = draft.policy(issuers, audiences, &algorithms);
        let policy =
            policy.map_err(|error| problems.extend(ConfigError::from(error).into_problems()));
        let scopes = Scopes::from_names(&draft.required_scopes);
        let scopes = scopes.map_err(|error| {
            let fact = Fact::given(error.to_string(), "one of its names is not a scope");
            problems.push(Problem::of(Setting::RequiredScopes, fact));
        });
        let keys = draft.open_keys(&algorithms, self.entrance);
        let keys = keys.map_err(|found| problems.extend(found));
        match (policy, scopes, keys) {
            (Ok(policy), Ok(required_scopes), Ok(keys)) if problems.is_empty() => Ok(Issuer {
                policy,
                keys,
                required_scopes,
            }),
            _ => Err(problems),
        }
    }
}

impl IssuerDraft {
    fn weak_secret(&self) -> Option<Problem> {
        let secret = self.secret.as_ref()?;
        let why = secret.key().ok()?.weakness()?;
        Some(Problem::of(secret.setting(), why))
    }

    /// With several issuers, a token's `iss` must lead to exactly one.
    fn ambiguous_names<'a>(&'a self, names: &mut BTreeSet<&'a str>) -> Vec<Problem> {
        let listed = self
            .issuers
            .as_ref()
            .map_or(&[][..], Expected::listed)
            .iter();
        let discovered = self.discovered().filter(|_| self.issuers.is_none());
        let listed = listed.map(String::as_str).chain(discovered);
        let twice = listed
            .filter(|name| !names.insert(*name))
            .map(|name| Problem::of(Setting::Issuer, format!("{name:?} is configured twice")));
        let any = (self.issuers == Some(Expected::Any)).then(|| {
            let fact = "cannot be combined with other issuers; name each issuer";
            Problem::of(Setting::AnyIssuer, fact)
        });
        twice.chain(any).collect()
    }

    /// The issuer whose metadata leads to the keys.
    fn discovered(&self) -> Option<&str> {
        match &self.keys {
            Some(Keys::Discover(issuer)) => Some(issuer),
            _ => None,
        }
    }

    fn effective_algorithms(&self) -> Vec<Algorithm> {
        let default = match (&self.keys, &self.secret) {
            (None, Some(_)) => Algorithm::Hs256,
            _ => Algorithm::Rs256,
        };
        self.algorithms.clone().unwrap_or_else(|| vec![default])
    }

    fn policy(
        &self,
        issuers: Expected,
        audiences: Expected,
        algorithms: &[Algorithm],
    ) -> Result<Policy, RuleError> {
        let mut policy = Policy::builder(issuers, audiences)
            .algorithms(algorithms.iter().copied())
            .token_type(self.token_type.unwrap_or_default());
        if let Some(leeway) = self.leeway {
            policy = policy.leeway(leeway);
        }
        if let Some(max_age) = self.max_age {
            policy = policy.max_age(max_age);
        }
        for (claim, allowed) in &self.required_claims_containing {
            policy = policy.required_claim_containing(claim.clone(), allowed.iter().cloned());
        }
        for (claim, allowed) in &self.required_claims {
            policy = policy.required_claim(claim.clone(), allowed.iter().cloned());
        }
        if let Some(clients) = &self.allowed_client_ids {
            policy = policy.allowed_client_ids(clients);
        }
        for typ in &self.accepted_types {
            policy = policy.also_accept_type(typ);
        }
        if self.accept_tokens_issued_in_the_future {
            policy = policy.accept_tokens_issued_in_the_future();
        }
        if self.accept_scopes_beyond_consent {
            policy = policy.accept_scopes_beyond_consent();
        }
        if let Some(claims) = &self.scope_claims {
            policy = policy.scope_claims(claims.iter().cloned());
        }
        for (scope, implied) in &self.scope_implies {
            policy = policy.scope_implies(scope, implied);
        }
        if let Some(prefix) = &self.requested_scope_prefix {
            policy = policy.requested_scope_prefix(prefix);
        }
        for (scope, requested) in &self.requested_scopes {
            policy = policy.requested_scope(scope, requested);
        }
        if self.accept_tokens_that_never_expire {
            policy = policy.accept_tokens_that_never_expire();
        }
        if self.accept_identity_token_shape {
            policy = policy.accept_identity_token_shape();
        }
        if self.without_rsa_kernel {
            policy = policy.without_rsa_kernel();
        }
        policy.build()
    }
}

impl Found {
    /// Whether one of these was given with a value that does not fit: then it is not reported as
    /// missing too.
    pub(super) fn spoiled(&self, settings: &[Setting]) -> bool {
        let mut spoiled = self.problems.iter().flat_map(|problem| &problem.settings);
        spoiled.any(|setting| settings.contains(setting))
    }

    /// Adds the places of the settings: that of the last one if several contradict each other.
    fn locate(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let located = problems.into_iter().map(|problem| {
            let settings = match problem.settings.as_slice() {
                [Setting::Discover] if self.discovered => vec![Setting::Issuer],
                _ => problem.settings,
            };
            let of = |(setting, _): &&(Setting, Span)| settings.contains(setting);
            let places = self.places.iter().filter(of).map(|(_, span)| *span);
            let place = places.max_by_key(|span| span.start).or(self.table);
            Problem {
                settings,
                at: problem.at.or(place),
                ..problem
            }
        });
        located.collect()
    }
}
