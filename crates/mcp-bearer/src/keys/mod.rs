//! Where keys come from, and how they stay current.
//!
//! A [`KeySource`] returns an immutable set at once. When the set cannot verify a token, the source
//! may be asked for newer keys; it decides whether a fetch is worth it and whether the request may
//! wait. Sources: [`StaticKeys`], [`FileKeys`], [`RemoteKeys`].
//!
//! # Events
//!
//! [`tracing`] events with the target `mcp_bearer::keys` and a field `event`, whose values are
//! stable: `fetched`, `not_modified`, `failed`, `document_failed`, `key_added`, `key_removed`,
//! `key_skipped`, `stale`. Each has the field `source`: the address without user, query and
//! fragment, or the file's path. No event contains a token, a private key or the query of an
//! address.
//!
//! With the feature `metrics`, counters of the `metrics` facade, all with the label `source`:
//!
//! | name | labels |
//! |---|---|
//! | `mcp_bearer_key_fetches_total` | `result`: `fetched`, `not_modified`, `failed` |
//! | `mcp_bearer_key_changes_total` | `change`: `added`, `removed`, `skipped` |
//! | `mcp_bearer_key_sets_stale_total` | |

mod driver;
mod events;
mod fetch;
mod file;
mod freshness;
mod monotonic;
mod published;
mod remote;
mod rotation;
mod snapshot;
mod source;
mod static_keys;

#[cfg(feature = "remote")]
pub use self::fetch::http::{HttpFetch, HttpFetchBuilder};
pub use self::{
    fetch::address::is_public_unicast,
    fetch::{Fetch, FetchError, FetchErrorKind, FetchRequest, FetchResponse},
    file::FileKeys,
    monotonic::{ManualTime, MonotonicClock},
    remote::RemoteKeys,
    remote::builder::RemoteKeysBuilder,
    snapshot::{Miss, MissKind, Snapshot},
    source::{KeyPhase, KeySource, KeyStatus, Refreshed},
    static_keys::StaticKeys,
};
