//! One line of the audit log: a JSON object.

use std::net::IpAddr;
use std::time::SystemTime;

use serde::Serialize;

use crate::decision::Decision;
use crate::shown;

/// The names tell apart what a signature has proven: otherwise a forged token could put the blame
/// on its subject.
#[derive(Default, Serialize)]
struct Line {
    time: String,
    outcome: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_key_id: Option<String>,
}

/// The line of a decision, with its end.
pub(super) fn of(decision: &Decision) -> String {
    let Decision {
        at,
        outcome,
        reason,
        detail,
        status,
        caller,
        http_method,
        method,
        name,
        peer,
    } = shown::decision(decision);
    let mut line = Line {
        detail: Some(detail),
        status: (status > 0).then_some(status),
        http_method: Some(http_method),
        method,
        name,
        peer: Some(peer),
        ..Line::new(at, outcome.as_str(), reason)
    };
    if caller.proven {
        line.issuer = caller.issuer;
        line.subject = caller.subject;
        line.client_id = caller.client_id;
        line.key_id = caller.key_id;
    } else {
        line.claimed_issuer = caller.issuer;
        line.claimed_subject = caller.subject;
        line.claimed_client_id = caller.client_id;
        line.claimed_key_id = caller.key_id;
    }
    line.finish()
}

/// The line that stands for those that could not be written.
pub(super) fn gap(at: SystemTime, lines: u64) -> String {
    let mut line = Line::new(at, "missing", "lines_dropped");
    line.lines = Some(lines);
    line.finish()
}

impl Line {
    fn new(at: SystemTime, outcome: &'static str, reason: &'static str) -> Self {
        Self {
            time: humantime::format_rfc3339_millis(at).to_string(),
            outcome,
            reason,
            ..Self::default()
        }
    }

    fn finish(self) -> String {
        // Strings and numbers always serialize.
        let mut line = serde_json::to_string(&self).unwrap_or_default();
        line.push('\n');
        line
    }
}
