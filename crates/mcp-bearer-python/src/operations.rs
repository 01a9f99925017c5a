//! The Rust layer of operations, for an ASGI app behind it.
//!
//! The layer runs unchanged, one future per request. Python moves the bytes: it brings the body of
//! the request when asked, calls the app if the request was passed on, and brings the app's answer.
//! Python decides nothing.

mod bridge;
mod exchange;
mod rules;

use std::fmt;
use std::path::PathBuf;

use http::header::AUTHORIZATION;
use mcp_bearer::config::{Entrance, SessionKeySource};
use mcp_bearer::http::{
    NoResource, OperationsLayer, OperationsService, Preflight, Resource, SessionKeys,
};
use mcp_bearer::operation::OperationRules;
use mcp_bearer::{BearerAuthLayer, BearerAuthProvider, ConfigError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pub(crate) use self::exchange::Exchange;
pub(crate) use self::rules::Rules;

use self::bridge::Bridge;
use crate::access_token_fields::Shown;
use crate::rejection::scopes;
use crate::verifier::Verifier;

/// The configuration of a middleware, except for what verifies tokens, which can change.
#[pyclass(frozen, module = "mcp_bearer._native")]
pub(crate) struct Operations {
    rules: OperationRules,
    keys: SessionKeys,
    token_header: Option<String>,
    require_body_hash: bool,
    /// The resource's identifier and the authorization servers of its document.
    resource: Option<(String, Vec<String>)>,
}

#[pymethods]
impl Operations {
    /// # Errors
    /// A `ValueError` if a key is too short or cannot be read, or there are no random bytes for
    /// one.
    #[new]
    fn new(
        rules: Option<PyRef<'_, Rules>>,
        session_keys: Option<Vec<Vec<u8>>>,
        session_keys_file: Option<PathBuf>,
        token_header: Option<String>,
        require_body_hash: bool,
        resource: Option<(String, Vec<String>)>,
    ) -> PyResult<Self> {
        let source = match (session_keys, session_keys_file) {
            (Some(keys), None) => {
                let keys = keys.into_iter().map(Into::into).collect();
                Some(SessionKeySource::Keys(keys))
            }
            (None, Some(path)) => Some(SessionKeySource::File(path)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                let why = "session_keys and session_keys_file given together; choose one";
                return Err(PyValueError::new_err(why));
            }
        };
        let keys = match source {
            Some(source) => source.read().map_err(wrong)?,
            None => SessionKeys::of_this_process()
                .map_err(|error| PyValueError::new_err(error.to_string()))?,
        };
        Ok(Self {
            rules: rules.map_or_else(OperationRules::none, |rules| rules.rules()),
            keys,
            token_header,
            require_body_hash,
            resource,
        })
    }

    /// Whether a request has a credential of any kind, good or bad, as the layer sees it. Then it
    /// is not a preflight, and its body has as much time as that of a caller with a token.
    fn has_credential(&self, headers: Vec<(Vec<u8>, Vec<u8>)>) -> bool {
        let assertion = self.token_header.as_deref();
        let names = [Some(AUTHORIZATION.as_str()), assertion];
        let is_one = |name: &[u8]| {
            let mut names = names.iter().flatten();
            names.any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
        };
        headers.iter().any(|(name, _)| is_one(name))
    }

    /// The layer for this verifier, and for these scopes that every request needs.
    ///
    /// # Errors
    /// A `ValueError` with every problem.
    fn layer(
        &self,
        verifier: PyRef<'_, Verifier>,
        required_scopes: Vec<String>,
    ) -> PyResult<GuardedApp> {
        let provider = verifier.provider().clone();
        let provider = provider.with_required_scopes(&scopes(&required_scopes)?);
        Ok(GuardedApp {
            layer: self.made(provider).map_err(wrong)?,
            shown: verifier.shown().clone(),
        })
    }
}

fn wrong(error: ConfigError) -> PyErr {
    PyValueError::new_err(error.words(Entrance::Python).join("; "))
}

impl Operations {
    fn made(&self, provider: BearerAuthProvider) -> Result<Layer, ConfigError> {
        // The middleware has judged preflights already, with the body that the server received.
        let mut auth = BearerAuthLayer::new(provider).preflight(Preflight::Refuse);
        if let Some(header) = &self.token_header {
            auth = auth.token_header(header)?;
        }
        let (rules, keys) = (self.rules.clone(), self.keys.clone());
        Ok(match &self.resource {
            None => Layer::WithoutResource(self.finished(auth.operations(rules), keys)),
            Some((resource, servers)) => {
                let auth = auth.authorization_servers(servers).resource(resource)?;
                Layer::WithResource(self.finished(auth.operations(rules), keys))
            }
        })
    }

    fn finished<R>(&self, layer: OperationsLayer<R>, keys: SessionKeys) -> OperationsLayer<R> {
        let layer = layer.session_keys(keys);
        if self.require_body_hash {
            layer.require_body_hash()
        } else {
            layer
        }
    }
}

#[derive(Debug)]
enum Layer {
    WithoutResource(OperationsLayer<NoResource>),
    WithResource(OperationsLayer<Resource>),
}

impl Layer {
    /// The layer in front of an app that serves one request.
    fn service(&self, app: Bridge) -> OperationsService<Bridge> {
        match self {
            Self::WithoutResource(layer) => layer.layer(app),
            Self::WithResource(layer) => layer.layer(app),
        }
    }
}

/// The layer in front of an app, with its verifier.
#[pyclass(frozen, module = "mcp_bearer._native")]
#[derive(Debug)]
pub(crate) struct GuardedApp {
    layer: Layer,
    shown: Shown,
}

#[pymethods]
impl GuardedApp {
    /// Starts a request. Header names and values are as in ASGI.
    fn begin(
        &self,
        method: &str,
        http_version: &str,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Exchange {
        let app = Bridge::default();
        let service = self.layer.service(app.clone());
        let request = exchange::request(method, http_version, headers);
        Exchange::begin(service, app, self.shown.clone(), request)
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations")
            .field("rules", &self.rules)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
