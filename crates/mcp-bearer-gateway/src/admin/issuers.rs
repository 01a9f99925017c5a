//! The issuers and their keys, as `/keys` and the status page show them.

use std::time::Duration;

use mcp_bearer::core::Policy;
use mcp_bearer::keys::{KeyPhase, KeyStatus};
use mcp_bearer::{Algorithm, BearerAuthProvider};
use serde::Serialize;

use crate::health::is_usable;
use crate::shown::claimed;

/// One issuer. Names from a key set are cut and escaped.
#[derive(Debug, Serialize)]
pub(super) struct IssuerView {
    /// Its names; empty if any issuer is accepted.
    pub(super) issuers: Vec<String>,
    pub(super) usable: bool,
    /// One sentence.
    pub(super) state: &'static str,
    pub(super) keys_from: String,
    pub(super) age_seconds: Option<u64>,
    pub(super) next_refresh_seconds: Option<u64>,
    pub(super) last_failure: Option<String>,
    pub(super) fetched: u64,
    pub(super) not_modified: u64,
    pub(super) failed: u64,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<&'static str>,
    pub(super) keys: Vec<KeyView>,
}

/// One key.
#[derive(Debug, Serialize)]
pub(super) struct KeyView {
    pub(super) kid: Option<String>,
    pub(super) usable: bool,
    /// Why it is not usable, or what is unusual about it.
    pub(super) note: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) algorithms: Vec<&'static str>,
    /// RFC 7638. That of a shared secret is a hash of it, and is not shown.
    pub(super) thumbprint: Option<String>,
}

/// Every issuer, in the order of the configuration.
pub(super) fn of(provider: &BearerAuthProvider) -> Vec<IssuerView> {
    let statuses = provider.key_status();
    let issuers = provider.policies().zip(&statuses);
    issuers
        .map(|(policy, status)| IssuerView::new(policy, status))
        .collect()
}

impl IssuerView {
    fn new(policy: &Policy, status: &KeyStatus) -> Self {
        let whole = |time: Option<Duration>| time.map(|time| time.as_secs());
        Self {
            issuers: policy.issuers().listed().to_vec(),
            usable: is_usable(status),
            state: state(status),
            keys_from: status.source.clone(),
            age_seconds: whole(status.age),
            next_refresh_seconds: whole(status.next_refresh),
            last_failure: status.last_failure.clone(),
            fetched: status.fetched,
            not_modified: status.not_modified,
            failed: status.failed,
            audiences: policy.audiences().listed().to_vec(),
            algorithms: policy.algorithms().iter().map(|one| one.name()).collect(),
            keys: keys(policy, status),
        }
    }
}

fn state(status: &KeyStatus) -> &'static str {
    match status.phase {
        KeyPhase::Empty => "No keys yet: every token is answered with 503",
        KeyPhase::Stale => "The keys are too old: every token is answered with 503",
        _ if status.snapshot.set.is_empty() => "No usable key: every token is refused",
        KeyPhase::Aging => "Usable, but past their lifetime: the issuer cannot be reached",
        _ => "Usable",
    }
}

fn keys(policy: &Policy, status: &KeyStatus) -> Vec<KeyView> {
    let set = &status.snapshot.set;
    let held = set.keys().zip(set.verifying_keys()).map(|(info, key)| {
        let serves: Vec<Algorithm> = match info.algorithm {
            Some(algorithm) => vec![algorithm],
            None => key.algorithms().collect(),
        };
        let allowed = serves.iter().any(|one| policy.algorithms().contains(one));
        let unused = (!allowed).then(|| "no allowed algorithm is for it".to_owned());
        KeyView {
            kid: info.kid.as_deref().map(claimed),
            usable: allowed,
            note: unused.or(info.note.map(str::to_owned)),
            kind: Some(info.description),
            algorithms: serves.iter().map(|one| one.name()).collect(),
            thumbprint: (!key.is_secret()).then(|| info.thumbprint.to_string()),
        }
    });
    let skipped = set.skipped().iter().map(|key| KeyView {
        kid: key.kid.as_deref().map(claimed),
        usable: false,
        note: Some(key.reason.clone()),
        kind: None,
        algorithms: Vec::new(),
        thumbprint: None,
    });
    held.chain(skipped).collect()
}
