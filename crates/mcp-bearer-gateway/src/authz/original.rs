//! The original request, as a proxy reports it.

use std::net::IpAddr;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method};

use super::sent_body::Sent;

/// A request as its client sent it.
#[derive(Debug)]
pub(super) struct Original {
    /// The address of the client.
    pub(super) client: IpAddr,
    pub(super) method: Method,
    pub(super) path: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Sent,
}
