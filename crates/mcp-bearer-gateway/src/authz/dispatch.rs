//! [`Front`]: gRPC and forward authentication on one port.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;
use tower_service::Service;

use super::forward_auth;
use super::grpc::{self, Checks, Proxy};
use super::judge::Judge;
use crate::serve::{Connection, Serve};

/// The services that one configuration makes.
pub(super) struct Front {
    judge: Arc<Judge>,
    checks: AuthorizationServer<Checks>,
    health: HealthServer<HealthService>,
}

impl Front {
    pub(super) fn new(judge: Judge, health: HealthServer<HealthService>) -> Self {
        let judge = Arc::new(judge);
        Self {
            checks: grpc::server(Arc::clone(&judge)),
            judge,
            health,
        }
    }

    pub(super) fn judge(&self) -> &Judge {
        &self.judge
    }

    pub(super) fn health(&self) -> &HealthServer<HealthService> {
        &self.health
    }
}

impl Serve for Front {
    type Body = Body;

    /// Envoy asks over few connections.
    const HTTP2_STREAMS: u32 = 4096;

    /// Up to a tenth less, so that not all connections are made anew at once.
    fn connection_age(&self) -> Option<Duration> {
        let age = self.judge.settings().max_connection_age;
        Some(age.mul_f64(1.0 - fastrand::f64() / 10.0))
    }

    /// All of them come from proxies.
    fn connections_of(&self, _: IpAddr) -> Option<usize> {
        None
    }

    async fn answer(
        &self,
        connection: Connection,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        let proxy = connection.peer.ip();
        if !is_grpc(&request) {
            // Boxed: HTTP/2 moves the future of a check several times, and that would be as large.
            let answer = Box::pin(forward_auth::answer(&self.judge, proxy, request));
            return answer.await.map(Body::new);
        }
        request.extensions_mut().insert(Proxy(proxy));
        let answered: Result<_, Infallible> =
            if request.uri().path().starts_with("/grpc.health.v1.Health/") {
                self.health.clone().call(request).await
            } else {
                // It answers calls of other services, too: not implemented.
                self.checks.clone().call(request).await
            };
        match answered {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// Whether the proxy itself speaks gRPC. A client's request arrives below a preset's path only, so
/// its content type decides nothing.
fn is_grpc(request: &Request<Incoming>) -> bool {
    let path = request.uri().path();
    let service = path.starts_with("/envoy.service.auth.") || path.starts_with("/grpc.");
    let content_type = request.headers().get(CONTENT_TYPE);
    service && content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
