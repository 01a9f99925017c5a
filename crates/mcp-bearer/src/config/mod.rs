//! The settings: which exist, what each is called in each entrance, and how a draft becomes a
//! provider.
//!
//! [`Setting`] is the only table: each setting with its names in Rust, on a command line, as a
//! variable, in TOML and in Python. An entrance turns its input into a [`Value`] and puts that into
//! a [`ServerDraft`]; [`ServerDraft::check`] makes a provider of it, or a [`ConfigError`] with
//! every problem, which any entrance can print in its own words.
//!
//! ```
//! use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
//! let mut draft = ServerDraft::from_entrance(Entrance::Flag);
//! draft.set(Setting::JwksUri, Value::text("https://idp.example.com/jwks.json"));
//! draft.set(Setting::Issuer, Value::text("https://idp.example.com/"));
//! let words = draft.check().unwrap_err().own_words();
//! assert!(words[0].contains("--any-audience"), "{words:?}");
//! draft.set(Setting::Audience, Value::text("https://mcp.example.com/mcp"));
//! let provider = draft.check()?;
//! # Ok::<(), mcp_bearer::ConfigError>(())
//! ```

mod check;
#[cfg(feature = "http")]
mod checked_server;
mod draft;
mod key_source;
mod parse;
pub(crate) mod problem;
mod read_file;
pub(crate) mod secret_file;
pub(crate) mod setting;
#[cfg(feature = "toml")]
mod toml_file;
mod value;
mod variables;

pub use crate::provider::{Decided, IssuerBuilder, Undecided};
#[cfg(feature = "http")]
pub use checked_server::CheckedServer;
pub use draft::{IssuerDraft, Keys, Secret, ServerDraft, SessionKeySource};
pub use mcp_bearer_core::{Expected, Limits, Rule, RuleError};
pub use problem::{ConfigError, Fact, Problem, Span};
pub use setting::{Entrance, Group, Setting, Shape};
#[cfg(feature = "toml")]
pub use toml_file::{OtherKey, OtherValue};
pub use value::Value;
pub use variables::{Variables, from_environment, from_variables};
