//! The settings of a layer of operations.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_bearer_core::Limits;
use mcp_bearer_core::operation::OperationRules;

use super::budget::BodyBudget;
use crate::http::session::SessionBinding;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) rules: OperationRules,
    /// Without it no session is passed on in either direction.
    pub(super) binding: Option<SessionBinding>,
    /// Whether a token must have been signed for the body that it comes with.
    pub(super) needs_body_hash: bool,
    /// Whether the inner service needs each body whole.
    pub(super) reads_all: bool,
    /// Whether the inner service is a proxy: see `OperationsLayer::before_proxy`.
    pub(super) is_before_proxy: bool,
    pub(super) budget: BodyBudget,
    /// For requests with a token.
    pub(super) body: BodyLimits,
    /// For requests without one.
    pub(super) anonymous_body: BodyLimits,
    /// Whether a token without subject and client has already been seen.
    pub(super) warned: Arc<AtomicBool>,
}

/// How large a body may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) bytes: usize,
    pub(super) time: Duration,
}

/// What all bodies may take together.
const ALL_BODIES: usize = 64 * 1024 * 1024;

impl Settings {
    pub(super) fn new(rules: OperationRules, binding: Option<SessionBinding>) -> Self {
        Self {
            rules,
            binding,
            needs_body_hash: false,
            reads_all: false,
            is_before_proxy: false,
            budget: BodyBudget::new(ALL_BODIES),
            body: BodyLimits {
                bytes: Limits::OPERATION_BODY_BYTES,
                time: Limits::OPERATION_BODY_TIME,
            },
            anonymous_body: BodyLimits {
                bytes: Limits::ANONYMOUS_BODY_BYTES,
                time: Limits::ANONYMOUS_BODY_TIME,
            },
            warned: Arc::default(),
        }
    }

    /// Whether anything about a body must be known before it is passed on.
    pub(super) fn reads_bodies(&self) -> bool {
        self.needs_body_hash || self.reads_all || !self.rules.is_none()
    }

    /// Warns once that a token can have no session.
    pub(super) fn warn_of_nobody(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "mcp_bearer::http",
                "a token has neither sub nor client_id (azp, cid, appid): it is bound to nobody, \
                 so that sessions of the server are not passed on"
            );
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("rules", &self.rules)
            .field("binding", &self.binding)
            .field("needs_body_hash", &self.needs_body_hash)
            .finish_non_exhaustive()
    }
}
