//! External authorization: the gateway's decision, for proxies that forward requests themselves.
//!
//! A proxy asks about each request, over gRPC (`envoy.service.auth.v3`) or HTTP (forward
//! authentication). The request is judged by the layer of the library, as if it had come from the
//! client; the proxy forwards it.
//!
//! | file | what it does |
//! |---|---|
//! | `original.rs` | the request that a proxy asks about |
//! | `sent_body.rs` | what of its body is known, and what the headers say instead |
//! | `judge.rs` | the decision: the library's layer around `allow.rs` |
//! | `allow.rs` | the innermost service, which records and answers "allowed" |
//! | `grpc.rs`, `grpc/` | Envoy's messages, and `grpc.health.v1` |
//! | `forward_auth.rs`, `forward_auth/` | the answers over HTTP, and what each proxy sends |
//! | `dispatch.rs` | one port for all of them |
//! | `external_authz.rs` | [`Authz`]: starts, reloads and stops |

mod allow;
mod dispatch;
mod external_authz;
mod forward_auth;
mod grpc;
mod judge;
mod original;
mod sent_body;

pub use self::external_authz::{Authz, AuthzReloader};
