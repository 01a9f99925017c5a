//! Who may call what: the rules of an MCP server for each tool, prompt and resource.
//!
//! A token grants access to the server, and its scopes grant access to single operations. This
//! module reads what a request asks for, applies the rules, and decides; it filters lists so that
//! they show only what the caller may use. It does no I/O and uses no HTTP library: a layer carries
//! bytes and decisions.
//!
//! # The path of a request
//!
//! 1. [`OperationReader`] takes the bytes of the body and returns [`Operations`]: one
//!    [`Operation`], or those of a batch, with everything that each of them names. It reads
//!    strictly, because anything that a server reads differently could slip past the rules: it
//!    decodes escapes, and refuses a member that occurs twice or differs from a known one only by
//!    case, a byte order mark, and invalid UTF-8. Headers ([`RequestHeaders`]) decide nothing and
//!    must agree.
//! 2. [`OperationRules::judge`] returns a [`Decision`] for a [`Caller`].
//! 3. If the answer may list something hidden, [`OperationRules::list_view`] returns what this
//!    caller sees, and [`ListFilter`] removes the rest from the answer's bytes, as JSON or as an
//!    event stream.
//!
//! # The rules
//!
//! A rule ([`RuleDraft`]) has a pattern for the method and one for the name. All rules that match
//! an operation apply: their order means nothing, and their scopes add up. [`Unmatched`] decides
//! about an operation that no rule matches.
//!
//! | operation | is judged as | rules for this also apply |
//! |---|---|---|
//! | `tools/call`, `prompts/get`, `resources/read` | itself, with name or URI | |
//! | `resources/subscribe`, `resources/unsubscribe` | itself | `resources/read` |
//! | `completion/complete` | `prompts/get` or `resources/read` | `completion/complete` |
//! | `subscriptions/listen` | itself, without a name | |
//! | each of its resource URIs | `resources/read` | `resources/subscribe` |
//! | `tasks/*`, and `taskIds` in `subscriptions/listen` | refused, unless bound | |
//! | everything else | itself, without a name | |
//!
//! An operation needs no token if every rule that matches it is
//! [`anonymous`](RuleDraft::anonymous).
//!
//! ```
//! use mcp_bearer_core::operation::*;
//! use mcp_bearer_core::{ScopeHierarchy, Scopes};
//!
//! let rules = OperationRules::new(
//!     Unmatched::Allow,
//!     [RuleDraft::new("tools/call").name("delete_*").scopes(["mcp:admin"])],
//! )?;
//! let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all"}}"#;
//! let mut reader = OperationReader::new();
//! reader.push(body).unwrap();
//! let operations = reader.finish(&RequestHeaders::default()).unwrap();
//!
//! let (read, none) = ("mcp:read".parse::<Scopes>()?, Scopes::none());
//! let hierarchy = ScopeHierarchy::default();
//! let caller = Caller::with_scopes(&read, &hierarchy, &none);
//! let Decision::NeedsScopes(scopes) = rules.judge(&operations, &caller) else { panic!() };
//! assert_eq!(scopes.missing().as_str(), "mcp:admin");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Names and URIs
//!
//! Names of tools and prompts are compared by code point. A name with a control character or not in
//! Unicode Normalization Form C is answered with 400, because it could pass for another name.
//!
//! Resource URIs are compared as text. Where rules can match operations on resources, a URI that is
//! not in canonical form is answered with 400: dot segments, encoded characters that need no
//! encoding, an upper-case scheme or host, a default port, backslashes. Characters beyond ASCII
//! compare equal to their percent-encoding.
//!
//! # Protocol versions
//!
//! | | 2025-03-26 | up to 2025-11-25 | from 2026-07-28 on |
//! |---|---|---|---|
//! | batches | yes | 400 | 400 |
//! | responses of a client | yes | yes | 400 |
//! | `Mcp-Method`, `Mcp-Name` | must agree | must agree | required of requests |
//! | a resource that is hidden | -32002 | -32002 | -32602 |
//!
//! A request without `MCP-Protocol-Version` counts as 2025-03-26. A version that is not a date is
//! read by the newest rules.
//!
//! # What is not here
//!
//! Arguments of a call decide nothing. A tool's result is not examined, nor is a list inside it. A
//! resource template is hidden by its literal text: one that could expand to a hidden URI is shown,
//! and the URI is refused when it is requested.

mod caller;
mod choice_words;
mod client_message;
mod decision;
mod draft;
mod headers;
mod list_filter;
mod list_view;
mod name;
mod pattern;
mod reader;
mod rpc;
mod rules;
mod target;
mod uri;
mod version;

pub use caller::Caller;
pub use choice_words::UnknownWord;
pub use decision::{Decision, NeededScopes};
pub use draft::{OperationRulesDraft, RuleDraft, RuleField, RuleProblem, RulesError};
pub use headers::{HeaderField, RequestHeaders};
pub use list_filter::{Answers, ListFault, ListFaultKind, ListFilter};
pub use list_view::ListView;
pub use reader::{MessageKind, Operation, OperationReader, Operations};
pub use rpc::{RequestId, RpcAnswer};
pub use rules::{AnonymousSees, HiddenAnswer, OperationRules, Tasks, Unmatched};
pub use target::{Target, TargetKind};
pub use version::ProtocolVersion;
