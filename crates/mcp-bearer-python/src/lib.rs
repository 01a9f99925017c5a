//! `mcp_bearer._native`: the Rust provider as Python sees it.
//!
//! It contains only conversions: `mcp-bearer` decides about tokens, and `python/mcp_bearer/` has
//! the Python classes. Nothing here may hold the interpreter while a signature is checked or keys
//! are awaited.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod access_token_fields;
mod arguments;
mod claims;
mod ending;
mod fetch;
mod http_functions;
mod key_pair;
mod make_provider;
mod operations;
mod pending;
mod preflight;
mod rejection;
mod test_issuer;
mod variables;
mod verifier;
mod without_interpreter;

use mcp_bearer::config::Limits;
use mcp_bearer::config::{Entrance, Group, Setting};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The module's contents; `_native.pyi` describes each.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::ending::{interpreter_ends, nobody_inside};
    #[pymodule_export]
    use super::fetch::Answer;
    #[pymodule_export]
    use super::http_functions::{bearer_token, protected_resource_metadata};
    #[pymodule_export]
    use super::key_pair::{create_token, generate_key_pair};
    #[pymodule_export]
    use super::operations::{Exchange, GuardedApp, Operations, Rules};
    #[pymodule_export]
    use super::pending::Pending;
    #[pymodule_export]
    use super::preflight::Preflight;
    #[pymodule_export]
    use super::rejection::Rejection;
    #[pymodule_export]
    use super::test_issuer::TestIssuer;
    #[pymodule_export]
    use super::variables::variables;
    #[pymodule_export]
    use super::verifier::Verifier;

    use super::{
        Bound, Entrance, Group, Limits, PyDict, PyDictMethods, PyModule, PyModuleMethods, PyResult,
        Setting,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        std::sync::LazyLock::force(&crate::without_interpreter::START);
        let names: Vec<&str> = mcp_bearer::Algorithm::ALL
            .iter()
            .map(|algorithm| algorithm.name())
            .collect();
        module.add("ALGORITHMS", names)?;
        module.add("TOKEN_FAULTS", crate::test_issuer::token_faults())?;
        let settings = PyDict::new(module.py());
        // The settings of a layer are arguments of the middleware.
        let of_provider = |setting: &&Setting| setting.group() != Group::Layer;
        for setting in Setting::ALL.iter().filter(of_provider) {
            if let Some(argument) = setting.name(Entrance::Python) {
                settings.set_item(argument, setting.name(Entrance::Rust))?;
            }
        }
        module.add("SETTINGS", settings)?;
        let patience = [Limits::OPERATION_BODY_TIME, Limits::ANONYMOUS_BODY_TIME];
        module.add("BODY_SECONDS", patience.map(|time| time.as_secs_f64()))?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
