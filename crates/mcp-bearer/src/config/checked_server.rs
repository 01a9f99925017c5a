//! Turns a draft into everything that a layer in front of a server needs, or into all of its
//! problems.

use mcp_bearer_core::Expected;
use mcp_bearer_core::operation::{OperationRules, RuleProblem};

use super::draft::{RulePlaces, ServerDraft, SessionKeySource};
use super::problem::{ConfigError, Fact, Problem};
use super::secret_file;
use super::setting::{Entrance, Setting};
use crate::http::{BearerAuthLayer, Credential, OperationsLayer, Preflight, Resource, SessionKeys};
use crate::provider::BearerAuthProvider;

/// What a [`ServerDraft`] describes, after all checks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckedServer {
    /// Verifies tokens.
    pub provider: BearerAuthProvider,
    /// The identifier of the MCP server.
    pub resource: Option<String>,
    /// What single operations need.
    pub rules: OperationRules,
    /// The keys that bind sessions; with `None` each process has its own.
    pub session_keys: Option<SessionKeys>,
    /// The header that holds the token instead of `Authorization`.
    pub token_header: Option<String>,
    /// Whether a token must have been signed for the body that it comes with.
    pub require_body_hash: bool,
}

impl ServerDraft {
    /// Checks everything that a layer needs, reads the files that it names, and makes it. Nothing
    /// is fetched.
    ///
    /// ```
    /// use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
    /// use mcp_bearer::operation::{RuleDraft, Unmatched};
    /// let mut draft = ServerDraft::from_entrance(Entrance::Variable);
    /// draft.set(Setting::JwksUri, Value::text("https://idp.example.com/jwks.json"));
    /// draft.set(Setting::Issuer, Value::text("https://idp.example.com/"));
    /// draft.set(Setting::Resource, Value::text("https://mcp.example.com/mcp"));
    /// draft.rules.unmatched = Some(Unmatched::Allow);
    /// let rule = RuleDraft::new("tools/call").name("delete_*").scopes(["mcp:admin"]);
    /// draft.rules.rules = vec![rule];
    /// let layer = draft.check_server()?.layer()?;
    /// assert!(layer.auth().metadata().to_json().contains("mcp:admin"));
    /// # Ok::<(), mcp_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Every problem at once, including those of the rules.
    pub fn check_server(&self) -> Result<CheckedServer, ConfigError> {
        let mut problems = Vec::new();
        let rules = self.rules.check().map_err(|error| {
            let found = error.problems().iter();
            problems.extend(found.map(|problem| self.rule_problem(problem)));
        });
        let keys = self.session_keys.as_ref().map(SessionKeySource::read);
        let keys = keys
            .transpose()
            .map_err(|error| problems.extend(error.into_problems()))
            .ok();
        problems.extend(self.token_header_problems());
        let provider = self.check_beside(problems)?;
        match (rules, keys) {
            (Ok(rules), Some(session_keys)) => Ok(CheckedServer {
                provider,
                resource: self.resource.clone(),
                rules,
                session_keys,
                token_header: self.token_header.clone(),
                require_body_hash: self.require_body_hash,
            }),
            // Their problems are already reported with the provider's.
            _ => Err(ConfigError::new(Vec::new())),
        }
    }

    fn token_header_problems(&self) -> Vec<Problem> {
        let Some(name) = &self.token_header else {
            return Vec::new();
        };
        let mut issuers = self.issuers.iter();
        let any_issuer = issuers
            .clone()
            .any(|issuer| issuer.issuers == Some(Expected::Any));
        let any_audience = issuers.any(|issuer| issuer.audiences == Some(Expected::Any));
        Credential::problems(name, any_issuer, any_audience)
    }

    /// A problem of the rules, in the words of the entrance and with its place.
    fn rule_problem(&self, problem: &RuleProblem) -> Problem {
        let (field, fact) = (problem.field(), problem.fact());
        let words = match (problem.rule(), self.entrance) {
            (Some(_), Entrance::Toml) => format!("rule.{field}: {fact}"),
            _ => problem.to_string(),
        };
        let place = |rule: &RulePlaces| {
            let mut members = rule.members.iter();
            let member = members.find(|(other, _)| *other == field);
            member.map(|(_, span)| *span).or(rule.table)
        };
        let mut rules = self.found.rules.iter();
        let at = match problem.rule() {
            Some(index) => rules.nth(index).and_then(place),
            None => rules.find_map(|rule| rule.table),
        };
        Problem {
            at,
            ..Problem::new([], words)
        }
    }
}

impl CheckedServer {
    /// The layer in front of the server.
    ///
    /// # Errors
    /// Every problem at once: no resource is named, or no issuer has an address for clients.
    pub fn layer(self) -> Result<OperationsLayer<Resource>, ConfigError> {
        self.layer_with_preflight(Preflight::default())
    }

    /// The same, with this treatment of CORS preflights.
    ///
    /// # Errors
    /// As [`layer`](Self::layer).
    pub fn layer_with_preflight(
        self,
        preflight: Preflight,
    ) -> Result<OperationsLayer<Resource>, ConfigError> {
        let Some(resource) = self.resource else {
            let fact = Fact::from("no resource: give the URL of the MCP server with ");
            let fact = fact.name(Setting::Resource);
            return Err(Problem::of(Setting::Resource, fact).into());
        };
        let mut auth = BearerAuthLayer::new(self.provider).preflight(preflight);
        if let Some(header) = &self.token_header {
            auth = auth.token_header(header)?;
        }
        let mut layer = auth.resource(resource)?.operations(self.rules);
        if self.require_body_hash {
            layer = layer.require_body_hash();
        }
        Ok(match self.session_keys {
            Some(keys) => layer.session_keys(keys),
            None => layer,
        })
    }
}

impl SessionKeySource {
    /// Reads the keys; a file only once.
    ///
    /// # Errors
    /// When there is no key, or one is shorter than 32 bytes; when the file cannot be read.
    pub fn read(&self) -> Result<SessionKeys, ConfigError> {
        let problem = |fact: Fact| ConfigError::from(Problem::of(self.setting(), fact));
        match self {
            Self::Keys(keys) => SessionKeys::new(keys.iter().map(|key| key.as_slice()))
                .map_err(|error| problem(error.to_string().into())),
            Self::File(path) => {
                let wrong = |why: String| problem(Fact::file(path, why));
                let bytes = secret_file::read(path).map_err(wrong)?;
                let lines = bytes.split(|byte| *byte == b'\n');
                let lines = lines.map(<[u8]>::trim_ascii);
                SessionKeys::new(lines.filter(|line| !line.is_empty()))
                    .map_err(|error| wrong(error.to_string()))
            }
        }
    }
}
