//! Which operation needs which scopes, and what is hidden from whom.
//!
//! This applies the rules to one access at a time. `decision.rs` decides what a request gets for
//! it, and `list_view.rs` what a list shows.

use std::fmt;
use std::sync::Arc;

use super::draft::{OperationRulesDraft, RuleDraft, RulesError};
use super::pattern::Pattern;
use super::target::TargetKind;
use super::uri;
use crate::scope::Scopes;

/// What happens to an operation that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unmatched {
    /// It is passed on with any valid token.
    Allow,
    /// It is refused to everyone; no scope allows it.
    Deny,
}

/// Whether `tasks/*` is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tasks {
    /// It is refused: anyone who knows a task's id could read its result.
    #[default]
    Refuse,
    /// The server gives a task only to the principal that created it, and the rules decide.
    BoundByServer,
}

/// How a request for a hidden tool, prompt or resource is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HiddenAnswer {
    /// As if it did not exist. The wording of a server's own answer may differ.
    #[default]
    NotFound,
    /// With the scopes that it needs (403), so that clients can ask for them.
    Challenge,
}

/// What lists show to a caller without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnonymousSees {
    /// Only what may be used without a token.
    #[default]
    Allowed,
    /// Everything, so that a client knows what a login would allow.
    All,
}

/// The rules of a server: which caller may use which operation. Cheap to clone.
///
/// ```
/// use mcp_bearer_core::operation::{OperationRules, RuleDraft, Unmatched};
/// let rules = OperationRules::new(
///     Unmatched::Allow,
///     [RuleDraft::new("tools/call").name("delete_*").scopes(["mcp:admin"]).hide()],
/// )?;
/// assert_eq!(rules.scopes().as_str(), "mcp:admin");
/// # Ok::<(), mcp_bearer_core::operation::RulesError>(())
/// ```
#[derive(Clone)]
pub struct OperationRules(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) rules: Vec<Rule>,
    pub(super) unmatched: Unmatched,
    pub(super) tasks: Tasks,
    pub(super) hidden: HiddenAnswer,
    pub(super) anonymous_sees: AnonymousSees,
    /// Every scope that a rule names, once.
    pub(super) scopes: Scopes,
    /// Whether a rule can match an operation on a resource.
    pub(super) on_resources: bool,
    pub(super) effect: Effect,
}

/// Whether there is anything to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Some,
}

#[derive(Debug)]
pub(super) struct Rule {
    /// Shared by rules in a row that are for the same method.
    pub(super) method: Arc<Pattern>,
    pub(super) name: Option<NamePattern>,
    pub(super) scopes: Scopes,
    pub(super) hide: bool,
    pub(super) anonymous: bool,
}

/// A pattern for names, and the same pattern in the form in which URIs are compared.
#[derive(Debug)]
pub(super) struct NamePattern {
    text: Pattern,
    uri: Pattern,
}

/// One thing that an operation does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'a> {
    /// The method whose rules decide.
    pub(super) method: &'a str,
    /// Methods whose rules apply as well.
    pub(super) also: &'static [&'static str],
    pub(super) target: Option<(TargetKind, &'a str)>,
}

/// The matching rules taken together; their order means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether a rule matches, not counting rules that apply as well.
    pub(super) matched: bool,
    /// Whether the caller has the scopes of all of them.
    pub(super) satisfied: bool,
    /// Whether one of them hides.
    pub(super) hide: bool,
    /// Whether one of them needs a token.
    needs_token: bool,
}

impl OperationRules {
    /// No rules at all: everything is passed on unread.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Inner {
            rules: Vec::new(),
            unmatched: Unmatched::Allow,
            tasks: Tasks::BoundByServer,
            hidden: HiddenAnswer::NotFound,
            anonymous_sees: AnonymousSees::Allowed,
            scopes: Scopes::none(),
            on_resources: false,
            effect: Effect::None,
        }))
    }

    /// Rules with the usual settings; see [`OperationRulesDraft`] for all of them.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn new(
        unmatched: Unmatched,
        rules: impl IntoIterator<Item = RuleDraft>,
    ) -> Result<Self, RulesError> {
        let draft = OperationRulesDraft {
            unmatched: Some(unmatched),
            rules: rules.into_iter().collect(),
            ..OperationRulesDraft::default()
        };
        draft.check()
    }

    pub(super) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(super) fn shared(&self) -> Arc<Inner> {
        Arc::clone(&self.0)
    }

    /// Whether there is nothing to decide, so that no body has to be read.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.effect == Effect::None
    }

    /// Whether anything can be done without a token.
    #[must_use]
    pub fn has_anonymous(&self) -> bool {
        self.0.rules.iter().any(|rule| rule.anonymous)
    }

    /// Whether lists may have to be filtered for some caller.
    #[must_use]
    pub fn may_hide(&self) -> bool {
        self.0.rules.iter().any(|rule| rule.hide)
            || (self.has_anonymous() && self.0.anonymous_sees == AnonymousSees::Allowed)
    }

    /// Every scope that a rule names, once, in the order of the rules.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The scopes to publish in the RFC 9728 document: those of the rules, without what only hidden
    /// operations need, because the document is for everybody.
    ///
    /// ```
    /// use mcp_bearer_core::operation::{OperationRules, RuleDraft, Unmatched};
    /// let rules = OperationRules::new(
    ///     Unmatched::Allow,
    ///     [
    ///         RuleDraft::new("tools/call").name("delete_*").scopes(["mcp:admin"]),
    ///         RuleDraft::new("tools/call").name("secret_*").scopes(["mcp:secret"]).hide(),
    ///     ],
    /// )?;
    /// assert_eq!(rules.scopes_to_publish().as_str(), "mcp:admin");
    /// # Ok::<(), mcp_bearer_core::operation::RulesError>(())
    /// ```
    #[must_use]
    pub fn scopes_to_publish(&self) -> Scopes {
        let hides = |rule: &&Rule| rule.hide && self.0.hidden == HiddenAnswer::NotFound;
        let shown = self.0.rules.iter().filter(|rule| !hides(rule));
        all_scopes(shown)
    }
}

/// Lets rules in a row for the same method share its pattern, so that it is compared once for all
/// of them.
pub(super) fn share_methods(rules: &mut [Rule]) {
    let mut last: Option<Arc<Pattern>> = None;
    for rule in rules {
        match &last {
            Some(method) if *method == rule.method => rule.method = Arc::clone(method),
            _ => last = Some(Arc::clone(&rule.method)),
        }
    }
}

/// Every scope of these rules, once.
pub(super) fn all_scopes<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Scopes {
    let mut names: Vec<&str> = Vec::new();
    for scope in rules.into_iter().flat_map(|rule| rule.scopes.iter()) {
        if !names.contains(&scope) {
            names.push(scope);
        }
    }
    // All of them were checked.
    Scopes::from_names(names).unwrap_or_default()
}

impl Default for OperationRules {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for OperationRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationRules")
            .field("rules", &self.0.rules)
            .field("unmatched", &self.0.unmatched)
            .field("tasks", &self.0.tasks)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Applies all rules to one access. `satisfied` says whether the caller has a rule's scopes.
    pub(super) fn ask<'r>(
        &'r self,
        access: &Access<'_>,
        mut satisfied: impl FnMut(&'r Rule) -> bool,
    ) -> Verdict {
        let mut verdict = Verdict::NOTHING;
        let name = ComparedName::of(access.target);
        // The method of the last rule, and whether it is the access's own or one of the others.
        let mut last: Option<(&Arc<Pattern>, bool, bool)> = None;
        for rule in &self.rules {
            let (own, also) = match last {
                Some((method, own, also)) if Arc::ptr_eq(method, &rule.method) => (own, also),
                _ => {
                    let matches = |method: &&str| rule.method.matches(method);
                    (matches(&access.method), access.also.iter().any(matches))
                }
            };
            last = Some((&rule.method, own, also));
            if (own || also) && rule.matches_name(name.as_ref()) {
                verdict.add(rule, own, satisfied(rule));
            }
        }
        verdict
    }
}

impl Verdict {
    pub(super) const NOTHING: Self = Self {
        matched: false,
        satisfied: true,
        hide: false,
        needs_token: false,
    };

    /// Whether all of them, at least one, need no token.
    pub(super) const fn is_anonymous(self) -> bool {
        self.matched && !self.needs_token
    }

    /// Whether one of them needs a token.
    pub(super) const fn needs_token(self) -> bool {
        self.needs_token
    }

    /// Counts a rule that matches.
    pub(super) fn add(&mut self, rule: &Rule, own: bool, satisfied: bool) {
        self.needs_token |= !rule.anonymous;
        self.matched |= own;
        self.satisfied &= satisfied;
        self.hide |= rule.hide;
    }
}

impl Rule {
    #[inline]
    pub(super) fn matches_name(&self, name: Option<&ComparedName<'_>>) -> bool {
        match (&self.name, name) {
            (None, _) => true,
            (Some(pattern), None) => pattern.text.is_any(),
            (Some(pattern), Some(name)) => match name {
                ComparedName::Text(text) => pattern.text.matches(text),
                ComparedName::Uri(uri) => pattern.uri.matches(uri),
            },
        }
    }

    /// Whether it matches whatever the name is.
    pub(super) fn is_for_any_name(&self) -> bool {
        self.name.as_ref().is_none_or(|name| name.text.is_any())
    }
}

impl NamePattern {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: Pattern::new(text),
            uri: Pattern::new(&uri::comparable(text)),
        }
    }
}

/// A name in the form in which patterns are compared with it.
pub(super) enum ComparedName<'a> {
    Text(&'a str),
    Uri(std::borrow::Cow<'a, str>),
}

impl<'a> ComparedName<'a> {
    pub(super) fn of(target: Option<(TargetKind, &'a str)>) -> Option<Self> {
        let (kind, name) = target?;
        Some(match kind {
            TargetKind::Tool | TargetKind::Prompt | TargetKind::Task => Self::Text(name),
            TargetKind::Resource | TargetKind::ResourceTemplate => Self::Uri(uri::comparable(name)),
        })
    }
}
