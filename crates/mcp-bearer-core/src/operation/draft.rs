//! Rules as written, and everything that can be wrong with them.
//!
//! A draft is plain data: a TOML reader fills it member by member, and code chains its methods.

use std::fmt;

use super::name;
use super::pattern::Pattern;
use super::rules::{
    AnonymousSees, Effect, HiddenAnswer, Inner, NamePattern, OperationRules, Rule, Tasks,
    Unmatched, all_scopes, share_methods,
};
use super::target::NAMED;
use super::uri;
use crate::limits::Limits;
use crate::scope::Scopes;

/// One rule, as written.
///
/// In both patterns `*` matches any characters, and everything else matches itself.
///
/// ```
/// use mcp_bearer_core::operation::RuleDraft;
/// let rule = RuleDraft::new("tools/call").name("delete_*").scopes(["mcp:admin"]).hide();
/// assert_eq!(rule.name.as_deref(), Some("delete_*"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleDraft {
    /// A pattern for the JSON-RPC method, such as `tools/call` or `resources/*`. Required.
    pub method: Option<String>,
    /// A pattern for the name of the tool or prompt, the URI of the resource or the id of the task.
    /// Without it the rule covers all names, and methods that have none.
    pub name: Option<String>,
    /// The scopes that such an operation needs, beyond what every request needs. An empty list is
    /// refused: it could be a variable that was not set, and the rule would demand nothing.
    pub scopes: Option<Vec<String>>,
    /// Whether lists leave out what the caller may not use, which is then answered as if it did not
    /// exist.
    pub hide: bool,
    /// Whether such an operation needs no token. If the method has names, [`name`](Self::name) is
    /// required: `*` for all of them.
    pub anonymous: bool,
}

impl RuleDraft {
    /// A rule for a pattern of methods.
    #[must_use]
    pub fn new(method: impl Into<String>) -> Self {
        Self {
            method: Some(method.into()),
            ..Self::default()
        }
    }

    /// Restricts the rule to a pattern of names.
    #[must_use]
    pub fn name(mut self, pattern: impl Into<String>) -> Self {
        self.name = Some(pattern.into());
        self
    }

    /// Adds scopes that the operation needs; at least one.
    #[must_use]
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        let list = self.scopes.get_or_insert_default();
        list.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Hides from lists what the caller may not use.
    #[must_use]
    pub fn hide(mut self) -> Self {
        self.hide = true;
        self
    }

    /// Opens the operation to callers without a token.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

/// All rules of a server and the settings around them, as written.
///
/// ```
/// use mcp_bearer_core::operation::{OperationRulesDraft, RuleDraft, RuleField};
/// let mut draft = OperationRulesDraft::default();
/// draft.rules = vec![RuleDraft::new("tools/list").name("x").scopes(["a b"])];
/// let error = draft.check().unwrap_err();
/// let fields: Vec<_> = error.problems().iter().map(|problem| problem.field()).collect();
/// assert_eq!(fields, [RuleField::Unmatched, RuleField::Name, RuleField::Scopes]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationRulesDraft {
    /// The rules. All that match an operation apply, and their order means nothing.
    pub rules: Vec<RuleDraft>,
    /// What happens to an operation that no rule matches. Required once there is a rule.
    pub unmatched: Option<Unmatched>,
    /// Whether `tasks/*` is passed on.
    pub tasks: Tasks,
    /// How a request for a hidden tool, prompt or resource is answered.
    pub hidden: HiddenAnswer,
    /// What lists show to a caller without a token.
    pub anonymous_sees: AnonymousSees,
}

/// Which part of the rules a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleField {
    /// [`OperationRulesDraft::unmatched`].
    Unmatched,
    /// [`RuleDraft::method`].
    Method,
    /// [`RuleDraft::name`].
    Name,
    /// [`RuleDraft::scopes`].
    Scopes,
    /// [`RuleDraft::hide`].
    Hide,
    /// [`RuleDraft::anonymous`].
    Anonymous,
}

/// One thing that is wrong with the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    rule: Option<usize>,
    field: RuleField,
    fact: String,
}

impl RuleProblem {
    /// The index of the rule, from 0; none for a setting around the rules.
    #[must_use]
    pub fn rule(&self) -> Option<usize> {
        self.rule
    }

    /// The part of the rules it is about.
    #[must_use]
    pub fn field(&self) -> RuleField {
        self.field
    }

    /// What is wrong, without the name of the setting: each entrance uses its own.
    #[must_use]
    pub fn fact(&self) -> &str {
        &self.fact
    }
}

/// Everything that is wrong with the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError(Vec<RuleProblem>);

impl RulesError {
    /// The problems, in the order of the rules; there is at least one.
    #[must_use]
    pub fn problems(&self) -> &[RuleProblem] {
        &self.0
    }
}

impl fmt::Display for RuleField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unmatched => "unmatched",
            Self::Method => "method",
            Self::Name => "name",
            Self::Scopes => "scopes",
            Self::Hide => "hide",
            Self::Anonymous => "anonymous",
        })
    }
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rule) = self.rule {
            write!(f, "rule {}: ", rule + 1)?;
        }
        write!(f, "{}: {}", self.field, self.fact)
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RulesError {}

/// What clients request from MCP servers, in all protocol versions.
const KNOWN: [&str; 25] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "tasks/result",
    "tasks/list",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
];

/// The methods whose targets appear in lists.
const LISTED: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// The methods whose targets are resources, and those whose targets may be.
const RESOURCES_ONLY: [&str; 3] = [
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
];
const RESOURCES_TOO: [&str; 2] = ["completion/complete", "subscriptions/listen"];

impl OperationRulesDraft {
    /// Builds rules that can be applied.
    ///
    /// # Errors
    /// Every problem at once: a pattern that nothing can match, a name that is not a scope, rules
    /// that contradict themselves, and the decision about unmatched operations if it is missing.
    pub fn check(&self) -> Result<OperationRules, RulesError> {
        let mut problems = Vec::new();
        if self.unmatched.is_none() && !self.rules.is_empty() {
            problems.push(RuleProblem {
                rule: None,
                field: RuleField::Unmatched,
                fact: "must be decided where there are rules: allow or deny".to_owned(),
            });
        }
        let mut rules = Vec::with_capacity(self.rules.len());
        for (index, draft) in self.rules.iter().enumerate() {
            let mut report = |field, fact| {
                problems.push(RuleProblem {
                    rule: Some(index),
                    field,
                    fact,
                });
            };
            rules.extend(self.check_rule(draft, &mut report));
        }
        if !problems.is_empty() {
            return Err(RulesError(problems));
        }
        share_methods(&mut rules);
        let is_on_resources = |rule: &Rule| {
            let mut methods = RESOURCES_ONLY.iter().chain(&RESOURCES_TOO);
            methods.any(|one| rule.method.matches(one))
        };
        let has_effect = !rules.is_empty() || self.unmatched.is_some();
        if !has_effect {
            return Ok(OperationRules::none());
        }
        Ok(OperationRules::from_inner(Inner {
            unmatched: self.unmatched.unwrap_or(Unmatched::Deny),
            tasks: self.tasks,
            hidden: self.hidden,
            anonymous_sees: self.anonymous_sees,
            scopes: all_scopes(&rules),
            on_resources: rules.iter().any(is_on_resources),
            effect: Effect::Some,
            rules,
        }))
    }

    /// The rule, if nothing is wrong with it.
    fn check_rule(
        &self,
        draft: &RuleDraft,
        report: &mut impl FnMut(RuleField, String),
    ) -> Option<Rule> {
        let method = self.check_method(draft, report);
        if let (Some(method), Some(name)) = (&method, &draft.name) {
            check_name(method, name, report);
        }
        let mut names = Vec::new();
        if draft.scopes.as_ref().is_some_and(Vec::is_empty) {
            let why = "set to nothing; leave it out if no scope is needed";
            report(RuleField::Scopes, why.to_owned());
        }
        for scope in draft.scopes.iter().flatten() {
            match Scopes::from_names([scope]) {
                Ok(_) if scope == "offline_access" => report(
                    RuleField::Scopes,
                    "\"offline_access\" is for clients to ask for; no operation needs it"
                        .to_owned(),
                ),
                Ok(_) if names.contains(scope) => {}
                Ok(_) => names.push(scope.clone()),
                Err(invalid) => report(RuleField::Scopes, invalid.to_string()),
            }
        }
        if draft.anonymous && draft.name.is_none() && method.as_ref().is_some_and(opens_names) {
            report(
                RuleField::Name,
                "is missing: without it the rule opens each of them to everybody; if that is \
                 meant, write \"*\""
                    .to_owned(),
            );
        }
        if draft.anonymous && draft.scopes.as_ref().is_some_and(|list| !list.is_empty()) {
            report(
                RuleField::Anonymous,
                "a caller without a token has no scopes, and the rule needs some".to_owned(),
            );
        }
        let hides = |method: &Pattern| LISTED.iter().any(|listed| method.matches(listed));
        if draft.hide && method.as_ref().is_some_and(|method| !hides(method)) {
            report(
                RuleField::Hide,
                format!("lists show what one of {LISTED:?} can use, and the rule is for none"),
            );
        }
        Some(Rule {
            method: method?.into(),
            name: draft.name.as_deref().map(NamePattern::new),
            scopes: Scopes::from_names(&names).ok()?,
            hide: draft.hide,
            anonymous: draft.anonymous,
        })
    }

    fn check_method(
        &self,
        draft: &RuleDraft,
        report: &mut impl FnMut(RuleField, String),
    ) -> Option<Pattern> {
        let text = match draft.method.as_deref() {
            None | Some("") => {
                report(RuleField::Method, "is missing".to_owned());
                return None;
            }
            Some(text) => text,
        };
        let method = Pattern::new(text);
        let shown = shown(text);
        if let Some(fault) = name::fault(text) {
            report(
                RuleField::Method,
                format!("{shown}: {fault} matches nothing"),
            );
        } else if let Some(meant) = misspelt(&method) {
            report(
                RuleField::Method,
                format!("{shown} is not a method; did you mean {meant:?}?"),
            );
        } else if self.tasks == Tasks::Refuse && text.starts_with("tasks/") {
            report(
                RuleField::Method,
                format!("{shown}: tasks are refused for all, as the server does not bind them"),
            );
        }
        Some(method)
    }
}

/// Whether a method names what its requests use. Notifications only report something.
fn opens_names(method: &Pattern) -> bool {
    let named = NAMED
        .iter()
        .filter(|one| !one.starts_with("notifications/"));
    named.into_iter().any(|one| method.matches(one))
}

fn check_name(method: &Pattern, name: &str, report: &mut impl FnMut(RuleField, String)) {
    let shown = shown(name);
    let matched: Vec<&str> = NAMED
        .into_iter()
        .filter(|named| method.matches(named))
        .collect();
    let resources_only = matched.iter().all(|one| RESOURCES_ONLY.contains(one));
    let has_resources = matched
        .iter()
        .any(|one| RESOURCES_ONLY.contains(one) || RESOURCES_TOO.contains(one));
    if name.is_empty() {
        report(RuleField::Name, "is empty".to_owned());
    } else if matched.is_empty() {
        if !Pattern::new(name).is_any() {
            let method = method.as_str();
            report(
                RuleField::Name,
                format!("{shown}: {method:?} names nothing"),
            );
        }
    } else if let Some(fault) = name::fault(name)
        && !has_resources
    {
        report(RuleField::Name, format!("{shown}: {fault} matches nothing"));
    } else if name.chars().any(char::is_control) {
        report(
            RuleField::Name,
            format!("{shown}: a control character matches nothing"),
        );
    } else if resources_only && let Some(fault) = uri::pattern_fault(name) {
        report(
            RuleField::Name,
            format!("{shown}: a URI with {fault} is refused, so that it matches nothing"),
        );
    }
}

/// The known method most similar to a pattern that matches none: it differs by case, by punctuation
/// or by a plural.
fn misspelt(method: &Pattern) -> Option<&'static str> {
    if KNOWN
        .iter()
        .chain(&NAMED)
        .any(|known| method.matches(known))
    {
        return None;
    }
    let letters = |text: &str| -> String {
        let kept = text.chars().filter(|c| c.is_alphanumeric());
        kept.flat_map(char::to_lowercase)
            .filter(|c| *c != 's')
            .collect()
    };
    let text = method.as_str();
    let meant = letters(text);
    let is_meant = |known: &&&str| {
        if text.ends_with('*') {
            !meant.is_empty() && letters(known).starts_with(&meant)
        } else {
            letters(known) == meant
        }
    };
    KNOWN.iter().find(is_meant).copied()
}

/// A pattern prepared for an error.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(Limits::SHOWN_CHARS).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests;
