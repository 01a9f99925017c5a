//! Where keys come from, and how they stay current.
//!
//! A [`KeySource`] returns an immutable set at once. When the set cannot verify a token, the source
//! may be asked for newer keys; it decides whether a fetch is worth it and whether the request may
//! wait. Sources: [`StaticKeys`], [`FileKeys`], [`RemoteKeys`].
//!
//! # When an issuer withdraws every key
//!
//! A good set replaces the one before it, so a key that is missing from it is no longer used. A set
//! without any key for signatures (`{"keys":[]}`, or only keys of another type or purpose; see
//! [`KeySet::is_withdrawal`](crate::keys::KeySet::is_withdrawal)) is either the withdrawal of all
//! keys, or a short fault of the issuer, such as a service that starts before its key store. So it
//! counts only when it is seen again at least 60 s later, with no good answer between; failed
//! exchanges between them do not matter. From then on tokens of those keys are refused with 401,
//! including cached ones, until a new set is found. The cost: withdrawn keys are used for a minute
//! longer, and a fault of more than a minute that looks like a withdrawal refuses good tokens until
//! it ends. The same holds for a key file.
//!
//! An issuer that cannot be reached, gives any other answer, or publishes broken keys withdraws
//! nothing: its keys are used to the end of their staleness bound. Those of a deleted or broken
//! file are used for 24 h.
//!
//! # Events
//!
//! [`tracing`] events with the target `mcp_bearer::keys` and a field `event`, whose values are
//! stable: `fetched`, `not_modified`, `failed`, `document_failed`, `key_added`, `key_removed`,
//! `key_skipped`, `secret_published`, `stale`. Each has the field `source`: the address without
//! user, query and fragment, or the file's path. No event contains a token, a private key or the
//! query of an address.
//!
//! With the feature `metrics`, counters of the `metrics` facade, all with the label `source`:
//!
//! | name | labels |
//! |---|---|
//! | `mcp_bearer_key_fetches_total` | `result`: `fetched`, `not_modified`, `failed` |
//! | `mcp_bearer_key_changes_total` | `change`: `added`, `removed`, `skipped` |
//! | `mcp_bearer_key_sets_stale_total` | |

mod driver_thread;
mod events;
mod fetch;
mod file;
mod freshness;
mod monotonic;
mod no_usable_key;
mod published;
mod rejected_body;
mod remote;
mod rotation;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod simulation;
mod snapshot;
mod source;
mod static_keys;
mod with_secret;
mod withdrawal_of_all;

pub use mcp_bearer_core::{
    KeyError, KeyErrorKind, KeyInfo, KeySet, SkippedKey, Thumbprint, VerifyingKey,
};

#[cfg(feature = "remote")]
pub use self::fetch::{builder::HttpFetchBuilder, http::HttpFetch};
pub(crate) use self::no_usable_key::no_usable_key;
pub(crate) use self::with_secret::KeysWithSecret;
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
pub use crate::provider::NeedsKeys;
