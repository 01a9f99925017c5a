//! What one caller sees in lists.

use std::sync::Arc;

use super::caller::Caller;
use super::name;
use super::rules::{AnonymousSees, ComparedName, Inner, OperationRules, Verdict};
use super::target::TargetKind;
use super::uri;

/// A kind of thing that servers list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Tools,
    Prompts,
    Resources,
    ResourceTemplates,
}

impl Listed {
    pub(super) const ALL: [Self; 4] = [
        Self::Tools,
        Self::Prompts,
        Self::Resources,
        Self::ResourceTemplates,
    ];

    /// The member of a result that holds the list.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }

    /// The list that a member of a result holds.
    pub(super) fn of_member(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.member() == name)
    }

    /// The member of an item that holds its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::ResourceTemplates => "uriTemplate",
        }
    }

    const fn kind(self) -> TargetKind {
        match self {
            Self::Tools => TargetKind::Tool,
            Self::Prompts => TargetKind::Prompt,
            Self::Resources => TargetKind::Resource,
            Self::ResourceTemplates => TargetKind::ResourceTemplate,
        }
    }

    /// The operation that an item is for.
    const fn operation(self) -> &'static str {
        match self {
            Self::Tools => "tools/call",
            Self::Prompts => "prompts/get",
            Self::Resources | Self::ResourceTemplates => "resources/read",
        }
    }

    /// The notification that the list has changed.
    pub(super) const fn changed(self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources | Self::ResourceTemplates => "notifications/resources/list_changed",
        }
    }
}

/// What one caller sees in the lists of a server. It holds no token, so it can live as long as a
/// stream.
///
/// [`OperationRules::list_view`] makes one if something may be hidden.
#[derive(Clone, Debug)]
pub struct ListView {
    rules: Arc<Inner>,
    tools: Of,
    prompts: Of,
    resources: Of,
    viewer: Viewer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Viewer {
    /// Sees what no rule hides from it.
    Token,
    /// Sees only what may be used without a token.
    Anonymous,
}

/// The rules that can match the items of one list.
#[derive(Clone, Debug)]
struct Of {
    rules: Vec<Asked>,
    shown: Shown,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    index: usize,
    satisfied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Every caller sees every item.
    SameToAll,
    /// This caller sees every item, but another may not: no cache may give the list to both.
    All,
    /// Each item is judged.
    Some,
    /// No item is shown, whatever its name.
    Nothing,
}

impl OperationRules {
    /// What a caller sees in lists; none if it sees everything.
    #[must_use]
    pub fn list_view(&self, caller: &Caller<'_>) -> Option<ListView> {
        if !self.may_hide() {
            return None;
        }
        let inner = self.inner();
        let viewer = if !caller.is_anonymous() {
            Viewer::Token
        } else if inner.anonymous_sees == AnonymousSees::Allowed {
            Viewer::Anonymous
        } else {
            return None;
        };
        let of = |list| Of::new(inner, list, viewer, caller);
        let view = ListView {
            tools: of(Listed::Tools),
            prompts: of(Listed::Prompts),
            resources: of(Listed::Resources),
            viewer,
            rules: self.shared(),
        };
        let filters_anything = Listed::ALL.into_iter().any(|list| view.filters(list));
        filters_anything.then_some(view)
    }
}

impl ListView {
    fn of(&self, list: Listed) -> &Of {
        match list {
            Listed::Tools => &self.tools,
            Listed::Prompts => &self.prompts,
            Listed::Resources | Listed::ResourceTemplates => &self.resources,
        }
    }

    /// Whether callers may see this list differently.
    pub(super) fn filters(&self, list: Listed) -> bool {
        self.of(list).shown != Shown::SameToAll
    }

    /// Whether all of this list is hidden, so that not even its changes may be seen.
    pub(super) fn hides_all(&self, list: Listed) -> bool {
        self.of(list).shown == Shown::Nothing
    }

    /// Whether the item of this name may be seen. An item without a name, or with one that cannot
    /// be compared, cannot be requested either.
    pub(super) fn shows(&self, list: Listed, name: Option<&str>) -> bool {
        let of = self.of(list);
        match of.shown {
            Shown::SameToAll | Shown::All => return true,
            Shown::Nothing => return false,
            Shown::Some => {}
        }
        let Some(name) = name else {
            return false;
        };
        let fault = match list {
            Listed::Tools | Listed::Prompts => name::fault(name),
            Listed::Resources => uri::fault(name),
            Listed::ResourceTemplates => uri::template_fault(name),
        };
        if fault.is_some() {
            return false;
        }
        let name = ComparedName::of(Some((list.kind(), name)));
        let mut verdict = Verdict::NOTHING;
        for asked in &of.rules {
            let Some(rule) = self.rules.rules.get(asked.index) else {
                continue;
            };
            if rule.matches_name(name.as_ref()) {
                verdict.add(rule, true, asked.satisfied);
            }
        }
        self.viewer.sees(verdict)
    }
}

impl Viewer {
    fn sees(self, verdict: Verdict) -> bool {
        match self {
            Self::Token => verdict.satisfied || !verdict.hide,
            Self::Anonymous => verdict.is_anonymous(),
        }
    }
}

impl Of {
    fn new(inner: &Inner, list: Listed, viewer: Viewer, caller: &Caller<'_>) -> Self {
        let matching = inner.rules.iter().enumerate();
        let rules: Vec<Asked> = matching
            .filter(|(_, rule)| rule.method.matches(list.operation()))
            .map(|(index, rule)| Asked {
                index,
                satisfied: caller.has_all(&rule.scopes),
            })
            .collect();
        let rule = |asked: &Asked| inner.rules.get(asked.index);
        let hides = rules.iter().filter_map(rule).any(|rule| rule.hide)
            && rules
                .iter()
                .filter_map(rule)
                .any(|rule| !rule.scopes.is_empty());
        let anonymous_sees_less = inner.anonymous_sees == AnonymousSees::Allowed
            && inner.rules.iter().any(|rule| rule.anonymous);
        // What every item gets, whatever its name.
        let mut at_least = Verdict::NOTHING;
        for asked in &rules {
            if let Some(rule) = rule(asked).filter(|rule| rule.is_for_any_name()) {
                at_least.add(rule, true, asked.satisfied);
            }
        }
        let shown = match viewer {
            Viewer::Token if !hides && !anonymous_sees_less => Shown::SameToAll,
            Viewer::Token if rules.iter().all(|asked| asked.satisfied) => Shown::All,
            Viewer::Token if !viewer.sees(at_least) => Shown::Nothing,
            Viewer::Token => Shown::Some,
            Viewer::Anonymous if at_least.needs_token() => Shown::Nothing,
            Viewer::Anonymous if !rules.iter().filter_map(rule).any(|rule| rule.anonymous) => {
                Shown::Nothing
            }
            Viewer::Anonymous => Shown::Some,
        };
        Self { rules, shown }
    }
}
