//! [`Rights`]: checks whether a long stream is still allowed under the current configuration.
//!
//! A long stream asks every few seconds and after a reload. So it ends soon after its token
//! expires, or its key or the rule that allowed it is withdrawn.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_bearer::config::CheckedServer;
use mcp_bearer::http::JudgedOperations;
use mcp_bearer::operation::{Caller, Decision, OperationRules};
use mcp_bearer::{AccessToken, BearerAuthProvider, RejectionKind, TryVerify};
use tokio::sync::{Mutex, MutexGuard, watch};

/// How long after its key was withdrawn a stream ends at the latest.
const EVERY: Duration = Duration::from_secs(5);

/// Who may do what.
pub(crate) struct Current {
    pub(crate) provider: BearerAuthProvider,
    pub(crate) rules: OperationRules,
}

impl Current {
    pub(crate) fn of(server: &CheckedServer) -> Self {
        Self {
            provider: server.provider.clone(),
            rules: server.rules.clone(),
        }
    }
}

/// What counts now, and notice when that changes.
pub(crate) struct Rights {
    current: ArcSwap<Current>,
    changes: watch::Sender<Phase>,
    reload: Mutex<()>,
}

/// What streams must know beside the rights themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Every stream ends, so that its client goes elsewhere.
    Ending,
}

impl Rights {
    pub(crate) fn new(current: Current) -> Self {
        Self {
            current: ArcSwap::from_pointee(current),
            changes: watch::Sender::new(Phase::Serving),
            reload: Mutex::default(),
        }
    }

    pub(crate) fn provider(&self) -> BearerAuthProvider {
        self.current.load().provider.clone()
    }

    /// Waits for reloads that began earlier, which can take as long as a fetch of keys. Otherwise
    /// an older configuration could replace a newer one.
    pub(crate) async fn begin_reload(&self) -> MutexGuard<'_, ()> {
        self.reload.lock().await
    }

    /// Other rights count from now on.
    pub(crate) fn replace(&self, current: Current) {
        self.current.store(Arc::new(current));
        self.changes.send_modify(|_| {});
    }

    /// Ends all long streams.
    pub(crate) fn end_streams(&self) {
        self.changes.send_replace(Phase::Ending);
    }

    /// Waits until a stream of this caller must end.
    pub(crate) async fn ended(
        self: Arc<Self>,
        access: Option<AccessToken>,
        operations: Option<JudgedOperations>,
    ) {
        let mut changes = self.changes.subscribe();
        loop {
            let phase = *changes.borrow_and_update();
            if phase == Phase::Ending || !self.hold(access.as_ref(), operations.as_ref()) {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = changes.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// Whether the caller would still be let in.
    fn hold(&self, access: Option<&AccessToken>, operations: Option<&JudgedOperations>) -> bool {
        let current = self.current.load();
        let Some(access) = access else {
            let caller = Caller::anonymous();
            return operations.is_some_and(|operations| {
                matches!(current.rules.judge(operations, &caller), Decision::Allowed)
            });
        };
        let provider = &current.provider;
        let access = match provider.try_verify_token(access.token()) {
            TryVerify::Accepted(access) => access,
            TryVerify::Rejected(_) => return false,
            // Keys that cannot be fetched are no reason to end what they once allowed; an
            // expired token is refused before keys are missed.
            TryVerify::NeedsKeys(needs) => {
                return needs.rejection().kind() == RejectionKind::KeysUnavailable;
            }
        };
        if provider.check_required_scopes(&access).is_err() {
            return false;
        }
        operations.is_none_or(|operations| {
            let required = provider.required_scopes_for(&access);
            let caller = Caller::with_token(&access, &required).in_bound_session();
            matches!(current.rules.judge(operations, &caller), Decision::Allowed)
        })
    }
}
