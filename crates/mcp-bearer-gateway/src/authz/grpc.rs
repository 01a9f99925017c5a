//! Envoy external authorization over gRPC: `envoy.service.auth.v3`, and `grpc.health.v1`.

mod answer;
mod question;

use std::net::IpAddr;
use std::sync::Arc;

use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse,
};
use mcp_bearer::core::Limits;
use tonic::{Request, Response, Status};

pub(super) use self::question::is_partial;
use super::judge::Judge;
use crate::observe::Asked;

/// The address of the proxy, in the extensions of its request.
#[derive(Clone, Copy)]
pub(super) struct Proxy(pub(super) IpAddr);

/// The service `envoy.service.auth.v3.Authorization`.
pub(super) struct Checks(Arc<Judge>);

/// Its name in `grpc.health.v1`.
pub(super) const SERVICE: &str = "envoy.service.auth.v3.Authorization";

/// What a message may take beside the body that is judged.
const BESIDE_BODY: usize = 1024 * 1024;

pub(super) fn server(judge: Arc<Judge>) -> AuthorizationServer<Checks> {
    AuthorizationServer::new(Checks(judge))
        .max_decoding_message_size(Limits::OPERATION_BODY_BYTES + BESIDE_BODY)
}

#[tonic::async_trait]
impl Authorization for Checks {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let proxy = request.extensions().get::<Proxy>();
        let Some(Proxy(proxy)) = proxy.copied() else {
            return Err(Status::internal("no connection"));
        };
        let answer = check(&self.0, proxy, request.into_inner()).await;
        Ok(Response::new(answer))
    }
}

async fn check(judge: &Judge, proxy: IpAddr, request: CheckRequest) -> CheckResponse {
    let original = match question::read(request, proxy, &judge.settings().common.trusted_proxies) {
        Ok(original) => original,
        Err((method, why)) => {
            let asked = Asked {
                client: proxy,
                method,
                credential: None,
            };
            return answer::of(judge.refuse(&asked, why), Vec::new());
        }
    };
    // Other proxies need a route for this; here the answer to a check can be any answer.
    if let Some(document) = judge.metadata(&original.method, original.path.path()) {
        return answer::denied(&document);
    }
    let foreign = answer::foreign(&original.headers, judge);
    answer::of(judge.judge(original).await, foreign)
}
