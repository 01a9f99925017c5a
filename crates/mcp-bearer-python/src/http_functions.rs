//! Functions for HTTP: the credential's header and the RFC 9728 document.

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use mcp_bearer::config::Limits;
use mcp_bearer::http::ProtectedResourceMetadata;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::rejection::{Rejection, scopes};

/// The one token in the values of all `Authorization` headers of a request, or a `Rejection`.
#[pyfunction]
pub(crate) fn bearer_token(py: Python<'_>, values: Vec<Vec<u8>>) -> PyResult<Py<PyAny>> {
    let mut headers = HeaderMap::new();
    for value in &values {
        match HeaderValue::from_bytes(value) {
            Ok(value) => {
                let _ = headers.append(AUTHORIZATION, value);
            }
            Err(_) => {
                let why = "the Authorization header holds a control character";
                return Rejection::from(mcp_bearer::Rejection::malformed_credential(why))
                    .into_py_any(py);
            }
        }
    }
    match mcp_bearer::http::bearer_token(&headers, &Limits::default()) {
        Ok(token) => token.into_py_any(py),
        Err(rejection) => Rejection::from(rejection).into_py_any(py),
    }
}

/// `(path, url, document)` of the RFC 9728 document of a resource.
#[pyfunction]
#[pyo3(signature = (resource, authorization_servers, scopes_supported, resource_name=None, resource_documentation=None, *, insecure_allow_http=false))]
pub(crate) fn protected_resource_metadata(
    resource: &str,
    authorization_servers: Vec<String>,
    scopes_supported: Vec<String>,
    resource_name: Option<String>,
    resource_documentation: Option<String>,
    insecure_allow_http: bool,
) -> PyResult<(String, String, String)> {
    let supported = scopes(&scopes_supported)?;
    let mut builder = ProtectedResourceMetadata::builder(resource)
        .authorization_servers(authorization_servers)
        .scopes_supported(&supported);
    if let Some(name) = resource_name {
        builder = builder.resource_name(name);
    }
    if let Some(url) = resource_documentation {
        builder = builder.resource_documentation(url);
    }
    if insecure_allow_http {
        builder = builder.insecure_allow_http();
    }
    let metadata = builder
        .build()
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((
        metadata.well_known_path().to_owned(),
        metadata.url().to_owned(),
        metadata.to_json(),
    ))
}
