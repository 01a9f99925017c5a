//! The order of everything that happens to a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use mcp_bearer::ConfigError;
use mcp_bearer::http::{
    AnswerBody, BearerAuthLayer, Cors, MetadataService, OperationsBody, OperationsService,
    Preflight, Resource,
};
use tower_service::Service as _;

use crate::config::{GatewayConfig, Settings};
use crate::fields;
use crate::forward::{Forward, Passage, ServerBody};
use crate::own_answer::OwnAnswer;
use crate::request_form::{self, Paths, Place};
use crate::rights::Rights;
use crate::upstream::Upstream;

/// The body of every answer.
pub(crate) type Body = Either<Passed, Either<AnswerBody, Full<Bytes>>>;

#[cfg(not(feature = "bench"))]
type Passed = OperationsBody<ServerBody>;

#[cfg(feature = "bench")]
type Passed = Either<OperationsBody<ServerBody>, ServerBody>;

/// Everything that one configuration makes. A reload replaces it whole.
pub(crate) struct Stack {
    settings: Arc<Settings>,
    paths: Paths,
    preflight: Preflight,
    metadata: MetadataService,
    service: OperationsService<Forward>,
    #[cfg(feature = "bench")]
    open: Option<Forward<Incoming>>,
}

/// The connection of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) scheme: &'static str,
}

impl Stack {
    /// Makes everything; nothing is served yet.
    pub(crate) fn new(config: GatewayConfig, rights: Arc<Rights>) -> Result<Self, Error> {
        let settings = Arc::new(config.settings);
        let upstream = Upstream::new(&settings.upstream, settings.upstream_ca_file.as_deref());
        let upstream = upstream.map_err(Error::Other)?;
        let preflight = preflight(&settings);
        let layer = config.server.layer_with_preflight(preflight.clone())?;
        let auth: &BearerAuthLayer<Resource> = layer.auth();
        let metadata = auth.metadata_service();
        let paths = Paths {
            endpoint: settings.resource.path().to_owned(),
            metadata: metadata.path().to_owned(),
        };
        let forward = Forward::new(Arc::clone(&settings), upstream, rights);
        Ok(Self {
            service: layer.layer(forward),
            #[cfg(feature = "bench")]
            open: None,
            settings,
            paths,
            preflight,
            metadata,
        })
    }

    /// The same without authentication and operations, to measure what they cost.
    #[cfg(feature = "bench")]
    pub(crate) fn without_authentication(mut self, rights: Arc<Rights>) -> Result<Self, Error> {
        let settings = Arc::clone(&self.settings);
        let upstream = Upstream::new(&settings.upstream, settings.upstream_ca_file.as_deref());
        let upstream = upstream.map_err(Error::Other)?;
        self.open = Some(Forward::new(settings, upstream, rights));
        Ok(self)
    }

    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        connection: Connection,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        // What was judged must be what the server gets.
        let place = request_form::check(&request, &self.settings, &self.paths);
        fields::enter(request.headers_mut());
        let grant = self.preflight.grant(request.headers());
        let answered = match place {
            Err(own) => Err(own),
            Ok(Place::Metadata) => {
                let answer = self.metadata.respond(request.method());
                return answer.map(|body| Either::Right(Either::Left(body)));
            }
            Ok(Place::AssertionKeys) => Err(request_form::UNKNOWN_PATH),
            Ok(Place::Endpoint) => self.enter(connection, request).await,
        };
        answered.unwrap_or_else(|own: OwnAnswer| {
            let mut answer = own.respond();
            if let Some(grant) = &grant {
                grant.apply(answer.headers_mut());
            }
            answer.map(|body| Either::Right(Either::Right(body)))
        })
    }

    /// Authentication, operations, and the server.
    async fn enter(
        &self,
        connection: Connection,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, OwnAnswer> {
        let passage = Passage {
            client: connection.peer.ip(),
            scheme: connection.scheme,
            permit: None,
        };
        request.extensions_mut().insert(passage);
        #[cfg(feature = "bench")]
        if let Some(mut open) = self.open.clone() {
            let answer: Result<_, Infallible> = open.call(request).await;
            return match answer {
                Ok(answer) => Ok(answer.map(Either::Right).map(Either::Left)),
                Err(never) => match never {},
            };
        }
        let answer: Result<_, Infallible> = self.service.clone().call(request).await;
        match answer {
            Ok(answer) => {
                #[cfg(feature = "bench")]
                let answer = answer.map(Either::Left);
                Ok(answer.map(Either::Left))
            }
            Err(never) => match never {},
        }
    }
}

/// The gateway answers CORS itself; without a page that may call, preflights are refused.
fn preflight(settings: &Settings) -> Preflight {
    let origins = settings.allowed_origins.iter().cloned();
    Cors::origins(origins).map_or(Preflight::Refuse, Preflight::Answer)
}

/// Why a configuration cannot be served.
#[derive(Debug)]
pub(crate) enum Error {
    Config(ConfigError),
    Other(String),
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
