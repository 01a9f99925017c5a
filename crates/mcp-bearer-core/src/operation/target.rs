//! What a message is about: the targets of each method, in one table.

use std::borrow::Cow;

use super::client_message::{Field, Message, Presence, Shape};

/// A thing that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A tool, by its name.
    Tool,
    /// A prompt, by its name.
    Prompt,
    /// A resource, by its URI.
    Resource,
    /// A resource template, by its literal text. Only `completion/complete` names one.
    ResourceTemplate,
    /// A task, by its id.
    Task,
}

/// What one message names, and as what that is judged.
///
/// ```
/// use mcp_bearer_core::operation::{Operations, RequestHeaders, TargetKind};
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#;
/// let operations = Operations::read(body, &RequestHeaders::default()).unwrap();
/// let target = operations.iter().next().unwrap().targets().first().unwrap();
/// assert_eq!((target.kind(), target.name()), (TargetKind::Tool, "add"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    kind: TargetKind,
    name: Box<str>,
}

impl Target {
    fn new(kind: TargetKind, name: &str) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// What kind of thing it is.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        self.kind
    }

    /// Its name, its URI or its id, with JSON escapes decoded.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The targets of one message; most have one, which then needs no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Targets {
    One(Target),
    List(Vec<Target>),
}

impl Targets {
    pub(super) const NONE: Self = Self::List(Vec::new());

    pub(super) fn as_slice(&self) -> &[Target] {
        match self {
            Self::One(target) => std::slice::from_ref(target),
            Self::List(targets) => targets,
        }
    }
}

/// Where the value of `Mcp-Name` comes from, and whether the header is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderName {
    /// The method has no name.
    None,
    /// It may be sent.
    Optional,
    /// It must be sent from 2026-07-28 on.
    Required,
}

/// How the targets of a method are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Whether the method is also judged by itself, without a name.
    pub(super) alone: bool,
    /// The method whose rules decide about each target; none: the method's own.
    pub(super) as_method: Option<&'static str>,
    /// Rules for these methods apply as well; they can only refuse.
    pub(super) also: &'static [&'static str],
}

const OWN: Judged = Judged {
    alone: false,
    as_method: None,
    also: &[],
};

/// The methods that a rule with a name can apply to.
pub(super) const NAMED: [&str; 13] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "subscriptions/listen",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "tasks/result",
    "notifications/tasks",
    "notifications/tasks/status",
];

/// A method as text that is shared if it is a known one, so that it costs no memory of its own.
pub(super) fn shared(method: &str) -> Cow<'static, str> {
    let known = NAMED.into_iter().find(|known| *known == method);
    known.map_or_else(|| Cow::Owned(method.to_owned()), Cow::Borrowed)
}

pub(super) fn header_name(method: &str) -> HeaderName {
    match method {
        "tools/call" | "prompts/get" | "resources/read" | "tasks/get" | "tasks/update"
        | "tasks/cancel" => HeaderName::Required,
        "resources/subscribe" | "resources/unsubscribe" | "tasks/result" => HeaderName::Optional,
        _ => HeaderName::None,
    }
}

pub(super) fn judged(method: &str, kind: TargetKind) -> Judged {
    match (method, kind) {
        // Subscribing to a resource, like reading it, reveals something about it.
        ("resources/subscribe" | "resources/unsubscribe", _) => Judged {
            also: &["resources/read"],
            ..OWN
        },
        ("completion/complete", TargetKind::Prompt) => Judged {
            as_method: Some("prompts/get"),
            also: &["completion/complete"],
            ..OWN
        },
        ("completion/complete", _) => Judged {
            as_method: Some("resources/read"),
            also: &["completion/complete"],
            ..OWN
        },
        // What an older protocol version requests with `resources/subscribe`.
        ("subscriptions/listen", TargetKind::Resource) => Judged {
            alone: true,
            as_method: Some("resources/read"),
            also: &["subscriptions/listen", "resources/subscribe"],
        },
        ("subscriptions/listen", _) => Judged {
            alone: true,
            as_method: Some("tasks/get"),
            also: &["subscriptions/listen"],
        },
        _ => OWN,
    }
}

/// Whether a method that is read here was removed in 2026-07-28.
pub(super) fn was_removed(method: &str) -> bool {
    let removed = ["initialize", "resources/subscribe", "resources/unsubscribe"];
    removed.contains(&method)
}

/// Whether a method reads or changes tasks. Unless the server binds tasks to their owner, the id of
/// a task is enough to do so.
pub(super) fn is_about_tasks(method: &str) -> bool {
    let method = method.strip_prefix("notifications/").unwrap_or(method);
    method == "tasks" || method.starts_with("tasks/")
}

/// The targets of a message with this method, or why it has none that can be judged.
pub(super) fn of(method: &str, message: &Message<'_>) -> Result<Targets, &'static str> {
    let params = &message.params;
    let required = |kind, field: &Field<'_>, why| match field {
        Field::Text(name) => Ok(Targets::One(Target::new(kind, name))),
        Field::Absent | Field::Other => Err(why),
    };
    match method {
        "tools/call" => required(
            TargetKind::Tool,
            &params.name,
            "params.name is not a string",
        ),
        "prompts/get" => required(
            TargetKind::Prompt,
            &params.name,
            "params.name is not a string",
        ),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => required(
            TargetKind::Resource,
            &params.uri,
            "params.uri is not a string",
        ),
        "completion/complete" => of_reference(message).map(Targets::One),
        "subscriptions/listen" => of_subscriptions(message).map(Targets::List),
        _ if is_about_tasks(method) => match &params.task {
            Field::Text(id) => Ok(Targets::One(Target::new(TargetKind::Task, id))),
            Field::Absent => Ok(Targets::NONE),
            Field::Other => Err("params.taskId is not a string"),
        },
        _ => Ok(Targets::NONE),
    }
}

/// Whether the targets of a method are in its parameters.
pub(super) fn reads_params(method: &str) -> bool {
    NAMED.contains(&method) || is_about_tasks(method)
}

/// The value of `Mcp-Name` for a message with these targets.
pub(super) fn name_of<'a>(method: &str, targets: &'a [Target]) -> Option<&'a str> {
    match header_name(method) {
        HeaderName::None => None,
        HeaderName::Optional | HeaderName::Required => targets.first().map(Target::name),
    }
}

fn of_reference(message: &Message<'_>) -> Result<Target, &'static str> {
    let reference = &message.params.reference;
    if reference.shape != Shape::Object {
        return Err("params.ref is not an object");
    }
    match reference.kind.as_str() {
        Some("ref/prompt") => match reference.name.as_str() {
            Some(name) => Ok(Target::new(TargetKind::Prompt, name)),
            None => Err("params.ref.name is not a string"),
        },
        Some("ref/resource") => match reference.uri.as_str() {
            Some(uri) => Ok(Target::new(TargetKind::ResourceTemplate, uri)),
            None => Err("params.ref.uri is not a string"),
        },
        _ => Err("params.ref.type is neither ref/prompt nor ref/resource"),
    }
}

fn of_subscriptions(message: &Message<'_>) -> Result<Vec<Target>, &'static str> {
    let wanted = &message.params.subscriptions;
    if wanted.shape == Shape::Other {
        return Err("params.notifications is not an object");
    }
    if wanted.bad_uris {
        return Err("params.notifications.resourceSubscriptions is not an array of strings");
    }
    if wanted.bad_task_ids {
        return Err("params.notifications.taskIds is not an array of strings");
    }
    let resources = wanted.uris.iter();
    let tasks = wanted.task_ids.iter();
    Ok(resources
        .map(|uri| Target::new(TargetKind::Resource, uri))
        .chain(tasks.map(|id| Target::new(TargetKind::Task, id)))
        .collect())
}

/// Whether a message is about tasks, by its method or by what it wants to be notified of.
pub(super) fn touches_tasks(method: &str, message: &Message<'_>) -> bool {
    is_about_tasks(method)
        || (method == "subscriptions/listen"
            && message.params.subscriptions.tasks == Presence::Present)
}
