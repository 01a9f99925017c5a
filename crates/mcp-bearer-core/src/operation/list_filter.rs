//! Removes from a server's answers what the caller may not see.
//!
//! A filter is a push parser: bytes of the answer go in, bytes for the client come out. Everything
//! passes byte for byte except removed items, the cache scope of a list, and event ids that are to
//! be rewritten.

mod events;
mod json;
mod lines;
mod message;
mod outline;

use std::fmt;

use events::EventFilter;
use json::JsonFilter;
use outline::OtherResults;

use super::list_view::ListView;
use super::reader::Operations;
use super::rpc::{RequestId, RpcAnswer, RpcError, code};
use crate::json::JsonError;
use crate::limits::Limits;

/// What an answer belongs to.
///
/// ```
/// use mcp_bearer_core::operation::{Answers, Operations, RequestHeaders};
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
/// let operations = Operations::read(body, &RequestHeaders::default()).unwrap();
/// let answers = Answers::to(&operations);
/// assert!(answers.has_list());
/// assert!(!Answers::to_unknown().has_list());
/// ```
#[derive(Clone, Debug)]
pub struct Answers {
    lists: bool,
    id: Option<RequestId>,
}

impl Answers {
    /// Answers to the requests of a POST.
    #[must_use]
    pub fn to(operations: &Operations) -> Self {
        let mut ids = operations.iter().filter_map(|operation| operation.id());
        let id = match (ids.next(), ids.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        };
        Self {
            lists: operations.asks_for_list(),
            id,
        }
    }

    /// Anything on a stream that was opened by GET: lists are recognised by their shape.
    #[must_use]
    pub fn to_unknown() -> Self {
        Self {
            lists: false,
            id: None,
        }
    }

    /// Whether a list was requested, so that an answer that is cut or is not JSON is a fault.
    #[must_use]
    pub fn has_list(&self) -> bool {
        self.lists
    }

    fn other_results(&self) -> OtherResults {
        if self.lists {
            OtherResults::AreRead
        } else {
            OtherResults::ArePlain
        }
    }
}

/// Why a list is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFault {
    kind: ListFaultKind,
    id: Option<String>,
}

/// The kinds of [`ListFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListFaultKind {
    /// The list, or the event that holds it, is longer than the limit.
    TooLarge,
    /// The answer ended before the list did.
    Cut,
    /// The list is not strict JSON: a member occurs twice, or it is not UTF-8.
    NotStrict,
}

impl ListFault {
    fn new(kind: ListFaultKind) -> Self {
        Self { kind, id: None }
    }

    /// If the fault is that nothing follows, the text was cut.
    fn of_json(error: JsonError, text: &str) -> Self {
        Self::new(if error.at >= text.len() {
            ListFaultKind::Cut
        } else {
            ListFaultKind::NotStrict
        })
    }

    fn about(mut self, id: Option<&str>, answers: &Answers) -> Self {
        let asked = answers.id.as_ref().map(RequestId::as_json);
        self.id = id.or(asked).map(ToOwned::to_owned);
        self
    }

    /// What is wrong with the list.
    #[must_use]
    pub fn kind(&self) -> ListFaultKind {
        self.kind
    }

    /// The answer to the client if no byte of the server's answer was passed on: 502 with a
    /// JSON-RPC error.
    #[must_use]
    pub fn answer(&self) -> RpcAnswer {
        let id = self.id.as_deref().map(RequestId::of_json);
        let why = "the server's answer could not be filtered";
        RpcAnswer::one(502, RpcError::new(id, code::INTERNAL_ERROR, why))
    }
}

impl fmt::Display for ListFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ListFaultKind::TooLarge => "a list that is longer than the limit",
            ListFaultKind::Cut => "a list that was cut",
            ListFaultKind::NotStrict => "a list that is not strict JSON",
        })
    }
}

impl std::error::Error for ListFault {}

/// What replaces an event's id; none: the event loses its id.
type RewriteId = Box<dyn FnMut(&str) -> Option<String> + Send + Sync>;

/// Filters one answer. The [module](super) describes its role.
///
/// ```
/// use mcp_bearer_core::operation::*;
/// use mcp_bearer_core::{ScopeHierarchy, Scopes};
/// let rules = OperationRules::new(
///     Unmatched::Allow,
///     [RuleDraft::new("tools/call").name("delete_*").scopes(["admin"]).hide()],
/// )?;
/// let (scopes, hierarchy) = (Scopes::none(), ScopeHierarchy::default());
/// let view = rules.list_view(&Caller::with_scopes(&scopes, &hierarchy, &scopes)).unwrap();
///
/// let mut filter = ListFilter::json(view, Answers::to_unknown());
/// let mut out = Vec::new();
/// let answer =
///     r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"delete_all"},{"name":"add"}]}}"#;
/// for byte in answer.as_bytes() {
///     filter.push(&[*byte], &mut out)?;
/// }
/// filter.finish(&mut out)?;
/// assert_eq!(out, br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add"}]}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ListFilter(Format);

#[derive(Debug)]
enum Format {
    Json(Box<JsonFilter>),
    Events(Box<EventFilter>),
}

impl ListFilter {
    /// For an answer of type `application/json`. Nothing comes out until it is known that nothing
    /// has to be removed, or the answer is complete.
    #[must_use]
    pub fn json(view: ListView, answers: Answers) -> Self {
        let limit = Limits::LIST_BYTES;
        let filter = JsonFilter::new(view, answers, limit);
        Self(Format::Json(Box::new(filter)))
    }

    /// For an answer of type `text/event-stream`. At most one event is held. An event that cannot
    /// be filtered is replaced by one with a JSON-RPC error.
    ///
    /// Without a view nothing is filtered; only event ids are rewritten.
    #[must_use]
    pub fn events(view: Option<ListView>, answers: Answers) -> Self {
        let limit = Limits::LIST_BYTES;
        let filter = EventFilter::new(view, answers, limit);
        Self(Format::Events(Box::new(filter)))
    }

    /// The same with another limit for a list and for the event that is held, in bytes.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        match &mut self.0 {
            Format::Json(filter) => filter.set_limit(bytes),
            Format::Events(filter) => filter.set_limit(bytes),
        }
        self
    }

    /// Rewrites the ids of events: the function's result replaces an id, and an id without a result
    /// is left out. Empty ids stay, as they only say that there is none.
    #[must_use]
    pub fn with_event_ids(
        mut self,
        rewrite: impl FnMut(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        if let Format::Events(filter) = &mut self.0 {
            filter.rewrite_ids(Box::new(rewrite));
        }
        self
    }

    /// Takes the next bytes of the answer, and appends to `out` what can be passed on.
    ///
    /// # Errors
    /// The answer ends here. None of a JSON answer has been passed on, unless it had grown over the
    /// limit before the list began.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ListFault> {
        match &mut self.0 {
            Format::Json(filter) => filter.push(bytes, out),
            Format::Events(filter) => filter.push(bytes, out),
        }
    }

    /// Ends the answer, and appends to `out` what is left to pass on.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ListFault> {
        match &mut self.0 {
            Format::Json(filter) => filter.finish(out),
            Format::Events(filter) => {
                filter.finish(out);
                Ok(())
            }
        }
    }

    /// The last fault of an event stream, where an error replaced an event.
    #[must_use]
    pub fn fault(&self) -> Option<&ListFault> {
        match &self.0 {
            Format::Json(_) => None,
            Format::Events(filter) => filter.fault(),
        }
    }
}

#[cfg(test)]
mod tests;
