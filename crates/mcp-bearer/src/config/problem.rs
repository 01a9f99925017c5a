//! What is wrong with a configuration, independent of the entrance, and how each entrance words it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use mcp_bearer_core::{Rule, RuleError};

use super::setting::{Entrance, Setting};

/// An invalid configuration, with every problem at once.
///
/// Its text uses the words of the entrance that the configuration came by; [`words`](Self::words)
/// uses those of any other. It never contains a secret.
///
/// ```
/// use mcp_bearer::BearerAuthProvider;
/// use mcp_bearer::config::{Entrance, Setting};
/// let error = BearerAuthProvider::builder()
///     .jwks_uri("https://idp.example.com/jwks.json")
///     .issuer("https://idp.example.com/")
///     .any_audience()
///     .max_age(std::time::Duration::ZERO)
///     .build()
///     .unwrap_err();
/// assert_eq!(error.problems()[0].settings, [Setting::MaxAge]);
/// assert_eq!(error.to_string(), "max_age: zero");
/// assert_eq!(error.words(Entrance::Flag), ["--max-age: zero"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    entrance: Entrance,
    file: Option<Arc<str>>,
    problems: Vec<Problem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The settings concerned: one, several that contradict each other, or none if none is known.
    pub settings: Vec<Setting>,
    /// Which of several issuers, from 0.
    pub issuer: Option<usize>,
    /// Where it is in a file.
    pub at: Option<Span>,
    /// What is wrong.
    pub fact: Fact,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// The line, from 1.
    pub line: usize,
    /// The first byte of the text that belongs to it.
    pub start: usize,
    /// The first byte after it.
    pub end: usize,
}

/// What is wrong, as a lower-case sentence that names settings as the reader knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Those of the settings that have a name, and the text between them.
    Names(Vec<Setting>, &'static str),
    /// A setting and the text around it; nothing where it has no name.
    Clause(&'static str, Setting, &'static str),
    /// What was given, or this text if it may be a secret, which no error may contain.
    Given(String, &'static str),
}

type Names<'a> = &'a dyn Fn(Setting) -> Option<&'static str>;

impl ConfigError {
    /// An error with these problems.
    #[must_use]
    pub fn new(problems: Vec<Problem>) -> Self {
        Self::from_entrance(Entrance::Rust, None, problems)
    }

    pub(super) fn from_entrance(
        entrance: Entrance,
        file: Option<Arc<str>>,
        problems: Vec<Problem>,
    ) -> Self {
        Self {
            entrance,
            file,
            problems,
        }
    }

    /// The problems.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems, for another error.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// One sentence per problem, in the words of the entrance that the configuration came by.
    #[must_use]
    pub fn own_words(&self) -> Vec<String> {
        self.words(self.entrance)
    }

    /// One sentence per problem, in the words of this entrance.
    #[must_use]
    pub fn words(&self, entrance: Entrance) -> Vec<String> {
        self.words_with(entrance, |_| None)
    }

    /// Like [`words`](Self::words), for a caller with its own names for some settings.
    #[must_use]
    pub fn words_with(
        &self,
        entrance: Entrance,
        own_name: impl Fn(Setting) -> Option<&'static str>,
    ) -> Vec<String> {
        let name = |setting: Setting| own_name(setting).or_else(|| setting.name(entrance));
        let file = self.file.as_deref().filter(|_| entrance == Entrance::Toml);
        let words = |problem: &Problem| problem.words(entrance, file, &name);
        self.problems.iter().map(words).collect()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.own_words().join("; "))
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

impl From<RuleError> for ConfigError {
    fn from(error: RuleError) -> Self {
        let problems = error.problems().iter();
        let problem = |(rule, fact): &(Rule, String)| match rule {
            // These facts quote what was given.
            Rule::RequestedScopePrefix | Rule::RequestedScopes => {
                let otherwise = "holds a name that is not a scope, or two scopes for one";
                Problem::of((*rule).into(), Fact::given(fact.clone(), otherwise))
            }
            _ => Problem::of((*rule).into(), fact.as_str()),
        };
        Self::new(problems.map(problem).collect())
    }
}

impl Problem {
    /// A problem with these settings; with none, if no known setting is at fault.
    #[must_use]
    pub fn new(settings: impl Into<Vec<Setting>>, fact: impl Into<Fact>) -> Self {
        Self {
            settings: settings.into(),
            issuer: None,
            at: None,
            fact: fact.into(),
        }
    }

    pub(crate) fn of(setting: Setting, fact: impl Into<Fact>) -> Self {
        Self::new([setting], fact)
    }

    fn words(&self, entrance: Entrance, file: Option<&str>, name: Names<'_>) -> String {
        let fact = self.fact.words(entrance, name);
        let place = match (file, self.at) {
            (Some(file), Some(at)) => format!("{file}:{}: ", at.line),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let issuer = match self.issuer {
            // Flags, variables and Python describe only one issuer.
            Some(index) if entrance == Entrance::Rust => format!("issuer number {}: ", index + 1),
            _ => String::new(),
        };
        // A sentence that names its settings needs no name before it.
        let named = self
            .settings
            .iter()
            .filter(|setting| !self.fact.is_about(**setting));
        let named: Vec<&str> = named.copied().filter_map(name).collect();
        let colon = if named.is_empty() { "" } else { ": " };
        format!("{place}{issuer}{}{colon}{fact}", named.join(" and "))
    }
}

impl Fact {
    /// The file that was named, and what is wrong with it.
    pub(crate) fn file(path: &Path, why: impl AsRef<str>) -> Self {
        Self::given(format!("{}: ", path.display()), "").text(why.as_ref())
    }

    /// What was given, and the text that replaces it where it is not shown.
    pub(crate) fn given(shown: String, otherwise: &'static str) -> Self {
        Self(vec![Piece::Given(shown, otherwise)])
    }

    /// This and what follows.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.push(Piece::Text(text.to_owned()));
        self
    }

    pub(crate) fn name(self, setting: Setting) -> Self {
        self.names(&[setting], "")
    }

    pub(crate) fn names(mut self, settings: &[Setting], between: &'static str) -> Self {
        self.0.push(Piece::Names(settings.to_vec(), between));
        self
    }

    pub(crate) fn clause(
        mut self,
        before: &'static str,
        named: Setting,
        after: &'static str,
    ) -> Self {
        self.0.push(Piece::Clause(before, named, after));
        self
    }

    fn is_about(&self, setting: Setting) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Clause(_, named, _) => *named == setting,
            Piece::Names(settings, _) => settings.contains(&setting),
            Piece::Text(_) | Piece::Given(..) => false,
        })
    }

    fn words(&self, entrance: Entrance, name: Names<'_>) -> String {
        let shown = matches!(entrance, Entrance::Rust | Entrance::Flag | Entrance::Toml);
        let words = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Names(settings, between) => {
                let names: Vec<&str> = settings.iter().copied().filter_map(name).collect();
                names.join(between)
            }
            Piece::Clause(before, setting, after) => {
                name(*setting).map_or_else(String::new, |name| format!("{before}{name}{after}"))
            }
            Piece::Given(given, _) if shown => given.clone(),
            Piece::Given(_, otherwise) => (*otherwise).to_owned(),
        });
        words.collect()
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self(vec![Piece::Text(text)])
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, Fact, Problem};
    use crate::config::setting::{Entrance, Setting};

    fn words(problem: Problem, entrance: Entrance) -> String {
        ConfigError::from(problem).words(entrance).remove(0)
    }

    #[test]
    fn a_sentence_names_its_settings_once_and_as_the_reader_knows_them() {
        let both = [Setting::Issuer, Setting::AnyIssuer];
        let both = Problem::new(
            both,
            Fact::default()
                .names(&both, " and ")
                .text(" contradict each other"),
        );
        let flags = "--issuer and --any-issuer contradict each other";
        assert_eq!(words(both.clone(), Entrance::Flag), flags);
        let toml = "issuer.issuer and issuer.any_issuer contradict each other";
        assert_eq!(words(both, Entrance::Toml), toml);
        let two = Problem::new([Setting::JwksUri, Setting::Algorithms], "do not fit");
        let python = "jwks_uri and algorithm: do not fit";
        assert_eq!(words(two, Entrance::Python), python);
    }

    #[test]
    fn a_clause_about_a_setting_without_a_name_is_left_out() {
        let fact =
            Fact::from("no issuer").clause("; or say ", Setting::AnyIssuer, " if any will do");
        let fact = Problem::new([], fact);
        let flag = "no issuer; or say --any-issuer if any will do";
        assert_eq!(words(fact.clone(), Entrance::Flag), flag);
        assert_eq!(words(fact, Entrance::FastMcpVariable), "no issuer");
        let list = Fact::default().names(&[Setting::PublicKey, Setting::JwksFile], ", ");
        assert_eq!(words(Problem::new([], list), Entrance::Flag), "--jwks");
    }

    #[test]
    fn what_may_be_a_pasted_secret_is_shown_where_it_is_seen_anyway() {
        let fact = Problem::of(
            Setting::SharedSecretFile,
            Fact::file("hunter2".as_ref(), "no such file"),
        );
        let flag = "--secret-file: hunter2: no such file";
        assert_eq!(words(fact.clone(), Entrance::Flag), flag);
        let variable = "MCP_BEARER_SHARED_SECRET_FILE: no such file";
        assert_eq!(words(fact, Entrance::Variable), variable);
    }
}
