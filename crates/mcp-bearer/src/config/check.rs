//! From a draft to a provider, or to everything that cannot work: decisions that were not taken beside values that do not
//! fit, of all issuers at once.

use std::collections::BTreeSet;

use mcp_bearer_core::{
    Algorithm, Expected, Policy, PolicyBuilder, ProtectedResourceMetadata, RuleError, Scopes,
};

use super::draft::{Found, IssuerDraft, ServerDraft};
use super::key_source;
use super::problem::{ConfigError, Fact, Problem, Span};
use super::setting::Setting;
use crate::provider::{BearerAuthProvider, Issuer};

impl IssuerDraft {
    /// Checks the whole, reads its key files, and makes a provider for this one issuer. Nothing is fetched.
    ///
    /// # Errors
    /// Every problem at once, missing decisions among them.
    pub fn check(&self) -> Result<BearerAuthProvider, ConfigError> {
        let mut server = ServerDraft::default();
        server.issuers.push(self.clone());
        server.check()
    }
}

impl ServerDraft {
    /// Checks the whole, reads its key files, and makes a provider. Nothing is fetched.
    ///
    /// # Errors
    /// Every problem of every issuer at once, missing decisions among them; an issuer of any name beside others, a name
    /// twice, no issuer at all.
    pub fn check(&self) -> Result<BearerAuthProvider, ConfigError> {
        let mut problems = self.found.located();
        problems.extend(self.resource_problems());
        let mut issuers = Vec::new();
        let several = self.issuers.len() > 1;
        for (index, draft) in self.issuers.iter().enumerate() {
            match self.issuer(draft) {
                Ok(issuer) => issuers.push(issuer),
                Err(found) => problems.extend(found.into_iter().map(|problem| Problem {
                    issuer: several.then_some(index),
                    ..problem
                })),
            }
        }
        if self.issuers.is_empty() && !self.found.spoiled(Setting::Issuer, Setting::Issuer) {
            let fact = "no issuer is configured, and at least one is needed";
            problems.push(Problem::new([], fact));
        }
        if several {
            problems.extend(self.ambiguous_names());
        }
        if problems.is_empty() {
            let provider = BearerAuthProvider::of_issuers(issuers);
            return Ok(match self.cache {
                Some(size) => provider.with_token_cache(size),
                None => provider,
            });
        }
        problems.sort_by_key(|problem| {
            let line = problem.at.map(|at| at.line);
            (problem.issuer, line, problem.settings.first().copied())
        });
        let file = self.file.clone();
        Err(ConfigError::from_entrance(self.entrance, file, problems))
    }

    /// Whether the resource can be the identifier of one (RFC 9728 section 1.2): the metadata document says.
    fn resource_problems(&self) -> Vec<Problem> {
        let Some(resource) = &self.resource else {
            return Vec::new();
        };
        let document = ProtectedResourceMetadata::builder(resource)
            .authorization_servers(["https://idp.example.com/"])
            .build();
        let problems = document.err().map(ConfigError::from);
        let problems = problems.map(ConfigError::into_problems).unwrap_or_default();
        self.found.locate(problems)
    }

    fn issuer(&self, draft: &IssuerDraft) -> Result<Issuer, Vec<Problem>> {
        let mut problems = draft.found.problems.clone();
        let expected = draft.discover.as_deref().map(Expected::from);
        let issuers = draft.issuers.clone().or(expected);
        if issuers.is_none() && !draft.found.spoiled(Setting::Issuer, Setting::AnyIssuer) {
            let fact =
                Fact::from("no issuer: say whose tokens are good with ").name(Setting::Issuer);
            let fact = fact.clause(", or ", Setting::AnyIssuer, " if that is meant");
            problems.push(Problem::of(Setting::Issuer, fact));
        }
        let resource = self.resource.as_deref().map(Expected::from);
        let audiences = draft.audiences.clone().or(resource);
        if audiences.is_none() && !draft.found.spoiled(Setting::Audience, Setting::AnyAudience) {
            let fact = Fact::from("no audience: say whom tokens must be for with ");
            let fact = fact
                .name(Setting::Audience)
                .text(", the URL of the MCP server");
            let fact = fact.clause(", or ", Setting::AnyAudience, " if that is meant");
            problems.push(Problem::of(Setting::Audience, fact));
        }
        let algorithms = draft.effective_algorithms();
        let [issuers, audiences] = [issuers, audiences].map(|given| given.unwrap_or(Expected::Any));
        let policy = draft.policy(issuers, audiences, &algorithms);
        let policy =
            policy.map_err(|error| problems.extend(ConfigError::from(error).into_problems()));
        let required_scopes = Scopes::from_names(&draft.required_scopes).map_err(|error| {
            problems.push(Problem::of(Setting::RequiredScopes, error.to_string()));
        });
        let keys = key_source::open(draft, &algorithms, self.entrance)
            .map_err(|found| problems.extend(found));
        match (policy, required_scopes, keys) {
            (Ok(policy), Ok(required_scopes), Ok(keys)) if problems.is_empty() => Ok(Issuer {
                policy,
                keys,
                required_scopes,
            }),
            _ => Err(draft.found.locate(problems)),
        }
    }

    /// With several issuers, a token's `iss` must lead to exactly one.
    fn ambiguous_names(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        for (index, draft) in self.issuers.iter().enumerate() {
            let discovered = draft.discover.as_slice();
            let listed = draft.issuers.as_ref().map_or(discovered, Expected::listed);
            let any = (draft.issuers == Some(Expected::Any)).then(|| {
                let fact = "cannot stand beside other issuers; name each of several";
                Problem::of(Setting::AnyIssuer, fact)
            });
            let twice = listed.iter().filter(|name| !names.insert(name.as_str()));
            let twice = twice
                .map(|name| Problem::of(Setting::Issuer, format!("{name:?} is configured twice")));
            let found = draft.found.locate(any.into_iter().chain(twice).collect());
            problems.extend(found.into_iter().map(|problem| Problem {
                issuer: Some(index),
                ..problem
            }));
        }
        problems
    }
}

impl IssuerDraft {
    fn effective_algorithms(&self) -> Vec<Algorithm> {
        let secret = self.shared_secret.is_some() || self.shared_secret_file.is_some();
        let default = if secret {
            Algorithm::Hs256
        } else {
            Algorithm::Rs256
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
        for (name, allowed) in &self.required_claims {
            policy = policy.required_claim(name, allowed.iter().cloned());
        }
        if let Some(clients) = &self.allowed_client_ids {
            policy = policy.allowed_client_ids(clients);
        }
        if let Some(claims) = &self.scope_claims {
            policy = policy.scope_claims(claims);
        }
        for (scope, implied) in &self.scope_implies {
            policy = policy.scope_implies(scope, implied);
        }
        if self.accept_tokens_that_never_expire {
            policy = policy.accept_tokens_that_never_expire();
        }
        if self.accept_identity_token_shape {
            policy = PolicyBuilder::accept_identity_token_shape(policy);
        }
        policy.build()
    }
}

impl Found {
    /// Whether one of these was given, with a value that does not fit: then it is not missing as well.
    pub(super) fn spoiled(&self, one: Setting, other: Setting) -> bool {
        let of = |problem: &Problem| {
            let settings = &problem.settings;
            settings.contains(&one) || settings.contains(&other)
        };
        self.problems.iter().any(of)
    }

    fn located(&self) -> Vec<Problem> {
        self.locate(self.problems.clone())
    }

    /// With the places of the settings: of the last one, where several contradict each other.
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
