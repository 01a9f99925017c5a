//! [`OperationsLayer`]: configured once and put in front of an MCP server.

use mcp_bearer_core::operation::OperationRules;

use super::judging::Judging;
use super::service::OperationsService;
use super::settings::Settings;
use crate::http::layer::{BearerAuthLayer, NoResource, Resource};
use crate::http::session::{SessionBinding, SessionKeys};

/// Puts bearer authentication and rules for operations in front of an MCP server.
///
/// Made by [`BearerAuthLayer::operations`]. Cheap to clone; clones and the services they made share
/// the memory that bodies may take.
///
/// ```
/// use mcp_bearer::operation::{OperationRules, RuleDraft, Unmatched};
/// use mcp_bearer::{BearerAuthLayer, BearerAuthProvider};
///
/// let provider = BearerAuthProvider::builder()
///     .jwks_uri("https://idp.example.com/jwks.json")
///     .issuer("https://idp.example.com/")
///     .audience("https://mcp.example.com/mcp")
///     .build()?;
/// let rules = OperationRules::new(
///     Unmatched::Allow,
///     [RuleDraft::new("tools/call").name("delete_*").scopes(["mcp:admin"])],
/// )?;
/// let auth = BearerAuthLayer::new(provider).resource("https://mcp.example.com/mcp")?;
/// let operations = auth.operations(rules);
/// # let _ = operations;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OperationsLayer<R = NoResource> {
    auth: BearerAuthLayer<R>,
    settings: Settings,
    resource: String,
}

impl BearerAuthLayer<NoResource> {
    /// Also checks the scopes of single operations, filters lists, and binds sessions to their
    /// principals.
    pub fn operations(self, rules: OperationRules) -> OperationsLayer<NoResource> {
        OperationsLayer::new(self, rules, String::new())
    }
}

impl BearerAuthLayer<Resource> {
    /// Also checks the scopes of single operations, filters lists, and binds sessions to their
    /// principals.
    ///
    /// The metadata document of [`OperationsLayer::auth`] also names the scopes of the rules,
    /// unless `scopes_supported` was set: serve that one.
    pub fn operations(self, rules: OperationRules) -> OperationsLayer<Resource> {
        let resource = self.metadata().resource().to_owned();
        let auth = self.publishing(&rules.scopes_to_publish());
        OperationsLayer::new(auth, rules, resource)
    }
}

impl<R> OperationsLayer<R> {
    fn new(auth: BearerAuthLayer<R>, rules: OperationRules, resource: String) -> Self {
        // Without random bytes no session is passed on in either direction.
        let keys = SessionKeys::of_this_process().ok();
        let binding = keys.map(|keys| SessionBinding::new(keys, &resource));
        Self {
            auth,
            settings: Settings::new(rules, binding),
            resource,
        }
    }

    /// The keys that bind sessions, for replicas that share them. By default each process has its
    /// own, and its sessions end with it.
    pub fn session_keys(mut self, keys: SessionKeys) -> Self {
        self.settings.binding = Some(SessionBinding::new(keys, &self.resource));
        self
    }

    /// Accepts a token only with the body that it was signed for: its claim
    /// [`body_sha256`](mcp_bearer_core::AccessToken::BODY_HASH_CLAIM) must be the SHA-256 of the
    /// body, in base64url without padding. This is for servers behind a proxy that signs a token
    /// for each request, as `mcp-bearer gateway` does: a stolen token can then at most repeat the
    /// request that it was made for.
    ///
    /// The body of a POST is read whole, at most 4 MiB in 10 s, also without rules. Other requests
    /// have no body, and their token needs no claim; if it has one, it must be that of no bytes.
    /// The answer to any other token is 401 with `invalid_token`, as to one for another server.
    pub fn require_body_hash(mut self) -> Self {
        self.settings.needs_body_hash = true;
        self
    }

    /// Reads the body of every POST whole before the inner service is called, within the limits for
    /// bodies, also if no rule needs that: for a service that signs what it passes on. It finds the
    /// bytes by [`OperationBody::bytes`](super::OperationBody::bytes).
    pub fn read_bodies_whole(mut self) -> Self {
        self.settings.reads_all = true;
        self
    }

    /// For an inner service that is a proxy. It does not get the layer's
    /// [`Guard`](crate::http::Guard), and must remove the `Authorization` header itself, which is
    /// not hidden from `Debug`.
    #[doc(hidden)]
    pub fn before_proxy(mut self) -> Self {
        self.settings.is_before_proxy = true;
        self
    }

    /// The layer that judges tokens, for its metadata document.
    pub fn auth(&self) -> &BearerAuthLayer<R> {
        &self.auth
    }

    /// Puts this layer in front of a service.
    pub fn layer<S>(&self, inner: S) -> OperationsService<S> {
        let judging = Judging {
            guard: self.auth.guard().clone(),
            settings: self.settings.clone(),
        };
        OperationsService::new(inner, judging)
    }
}

impl<S, R> tower_layer::Layer<S> for OperationsLayer<R> {
    type Service = OperationsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OperationsLayer::layer(self, inner)
    }
}
