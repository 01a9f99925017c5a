//! The innermost service: what reaches it is allowed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Full;
use mcp_bearer::AccessToken;
use mcp_bearer::http::{FromExtensions as _, JudgedOperations, OperationBody};
use tower_service::Service;

use crate::audit::Recorded;
use crate::config::IdentityHeaderNames;
use crate::identity_headers::{IDENTITY, Unnamed};
use crate::known_caller::KnownCaller;
use crate::observe;
use crate::observers::Observers;
use crate::own_answer::NO_AUDIT_LOG;

/// What the judge knows about a request, in its extensions.
#[derive(Clone, Copy)]
pub(super) struct Passage {
    pub(super) client: IpAddr,
    pub(super) began: Instant,
}

/// In the extensions of an answer: the request is allowed, and the server must get these identity
/// headers. An answer without it is a denial, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct Allowed(pub(super) HeaderMap);

#[derive(Clone)]
pub(super) struct Allow {
    pub(super) names: Arc<IdentityHeaderNames>,
    pub(super) observers: Arc<Observers>,
}

impl Service<Request<OperationBody<Full<Bytes>>>> for Allow {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OperationBody<Full<Bytes>>>) -> Self::Future {
        ready(Ok(self.allow(&request)))
    }
}

impl Allow {
    fn allow<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let access = AccessToken::from_extensions(request.extensions());
        let Ok(identity) = self.identity(access) else {
            return IDENTITY.respond();
        };
        if self.record(request, access) == Recorded::Refused {
            return NO_AUDIT_LOG.respond();
        }
        let mut answer = Response::new(Full::default());
        answer.extensions_mut().insert(Allowed(identity));
        answer
    }

    /// Every header, so that what a client sent under its name is replaced: with nothing if there
    /// is nothing to say.
    fn identity(&self, access: Option<&AccessToken>) -> Result<HeaderMap, Unnamed> {
        let mut headers = HeaderMap::with_capacity(4);
        let caller = access.map(KnownCaller::find);
        self.names.set(&mut headers, caller.as_deref())?;
        for name in self.names.all() {
            let empty = HeaderValue::from_static("");
            headers.entry(name).or_insert(empty);
        }
        Ok(headers)
    }

    fn record<B>(&self, request: &Request<B>, access: Option<&AccessToken>) -> Recorded {
        let Some(passage) = request.extensions().get::<Passage>() else {
            // Cannot be: the judge puts it there.
            return Recorded::Refused;
        };
        self.observers.metrics.decided_in(passage.began.elapsed());
        if access.is_some() && !self.observers.wants_grants() {
            self.observers.record_grant_cheaply();
            return Recorded::Done;
        }
        let operations = JudgedOperations::from_extensions(request.extensions());
        let grant = observe::grant(passage.client, request.method(), access, operations);
        self.observers.record(&grant)
    }
}
