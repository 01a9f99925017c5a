//! [`Decision`]: what happened to one request, for metrics, the audit log and the status page.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use mcp_bearer::Clock;

/// The time now, for [`Decision::at`].
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from(Clock::system().now())
}

/// What became of one request.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) at: SystemTime,
    pub(crate) outcome: Outcome,
    /// From a closed set, in snake case.
    pub(crate) reason: &'static str,
    /// One sentence for the operator. It may quote the token's claims, and never the token.
    pub(crate) detail: String,
    pub(crate) status: u16,
    pub(crate) caller: Caller,
    /// The HTTP method.
    pub(crate) http_method: String,
    /// The JSON-RPC method and its target, if the body was read.
    pub(crate) method: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) peer: IpAddr,
}

/// Who asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// Whether a signature has proven what follows. Otherwise it is only claimed.
    pub(crate) proven: bool,
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) key_id: Option<String>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// The server got it.
    Granted,
    /// The caller is at fault.
    Denied,
    /// We or the issuer failed.
    Failed,
    /// It was granted and counted as that, and then the server failed.
    Unanswered,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Failed | Self::Unanswered => "failed",
        }
    }
}
