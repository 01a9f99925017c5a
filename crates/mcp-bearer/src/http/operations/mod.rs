//! The layer that checks the scopes of single operations, filters lists and binds sessions.
//!
//! [`BearerAuthLayer::operations`](super::BearerAuthLayer) returns an [`OperationsLayer`], which
//! joins both decisions: the token's, from the headers alone, and the operation's, from the body.
//! No byte of a body is read before a token is accepted, unless rules allow something to callers
//! without one.
//!
//! | file | what it does |
//! |---|---|
//! | `settings.rs` | what is configured once |
//! | `entry.rs` | everything that headers decide: the method, the type of the body, sessions, events |
//! | `reading.rs`, `budget.rs` | a body within its limits |
//! | `request_body.rs` | the body for the inner service |
//! | `judging.rs` | the decision, by headers and body |
//! | `request_state.rs` | how far a request has come |
//! | `exit.rs` | how the inner service's answer is changed |
//! | `response_body.rs` | the body of an answer, filtered or not |
//! | `refusal.rs` | our own answers, and the one log line of each |
//! | `layer.rs`, `service.rs`, `future.rs` | the tower layer |

mod budget;
mod entry;
mod exit;
mod future;
mod judging;
mod layer;
mod reading;
mod refusal;
mod request_body;
mod request_state;
mod response_body;
mod service;
mod settings;

pub use self::entry::JudgedOperations;
pub use self::future::OperationsFuture;
pub use self::layer::OperationsLayer;
pub use self::refusal::OperationRefusal;
pub use self::request_body::OperationBody;
pub use self::response_body::OperationsBody;
pub use self::service::OperationsService;
