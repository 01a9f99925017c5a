//! The arguments of a verifier, and the provider they make.
//!
//! Keys that cannot verify anything must give a provider that refuses everything; any other mistake is an error.

use std::sync::Arc;
use std::time::Duration;

use mcp_bearer::keys::{RemoteKeys, StaticKeys};
use mcp_bearer::{
    Algorithm, BearerAuthProvider, Clock, ConfigError, Decided, IssuerBuilder, KeySet,
    TokenCacheSize, Undecided,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::fetch::PythonFetch;

/// How long a client is told to wait when only the operator can mend things.
pub(crate) const UNTIL_MENDED: Duration = Duration::from_secs(60);

/// What `Verifier(...)` is given. `None` for issuers and audiences: any.
#[derive(FromPyObject)]
pub(crate) struct Settings {
    public_key: Option<String>,
    secret: Option<Vec<u8>>,
    jwks_uri: Option<String>,
    issuers: Option<Vec<String>>,
    audiences: Option<Vec<String>>,
    algorithms: Vec<String>,
    leeway: f64,
    require_expiry: bool,
    token_cache: bool,
    ssrf_safe: bool,
    insecure_allow_http: bool,
    fetch: Option<Py<PyAny>>,
    now: Option<f64>,
}

type WithKeys = IssuerBuilder<Decided, Undecided, Undecided>;

/// A provider, and why it refuses everything if it does.
pub(crate) struct Built {
    pub(crate) provider: BearerAuthProvider,
    pub(crate) problem: Option<String>,
}

impl Settings {
    /// # Errors
    /// A `ValueError` that names every problem which is not one of the keys.
    pub(crate) fn build(&self) -> PyResult<Built> {
        let algorithms = self.algorithms()?;
        let leeway = Duration::try_from_secs_f64(self.leeway)
            .map_err(|_| PyValueError::new_err("leeway: not a number of seconds from 0 to 300"))?;
        let provider = |keys: WithKeys| self.provider(keys, &algorithms, leeway);
        // HS* is refused beside any set of keys; with the default instead, such tokens are refused by their algorithm.
        let symmetric = algorithms.iter().any(|algorithm| algorithm.is_symmetric());
        let serving = if symmetric {
            &[Algorithm::Rs256]
        } else {
            algorithms.as_slice()
        };
        let closed = |why: &str| {
            let set = KeySet::unavailable(why, UNTIL_MENDED);
            let keys = BearerAuthProvider::builder().key_source(Arc::new(StaticKeys::new(set)));
            self.provider(keys, serving, leeway)
        };
        // Without real keys first: what fails now is a mistake of another kind.
        closed("").map_err(|error| PyValueError::new_err(error.to_string()))?;
        let built = match provider(self.keys()?) {
            Ok(provider) => Built {
                provider,
                problem: None,
            },
            Err(error) => {
                let problem = error.to_string();
                let provider =
                    closed(&problem).map_err(|error| PyValueError::new_err(error.to_string()))?;
                Built {
                    provider,
                    problem: Some(problem),
                }
            }
        };
        Ok(Built {
            provider: self.finish(built.provider)?,
            ..built
        })
    }

    fn algorithms(&self) -> PyResult<Vec<Algorithm>> {
        let parse = |name: &String| {
            name.parse()
                .map_err(|_| PyValueError::new_err(format!("Unsupported algorithm: {name}.")))
        };
        self.algorithms.iter().map(parse).collect()
    }

    fn keys(&self) -> PyResult<WithKeys> {
        let begin = BearerAuthProvider::builder();
        if let Some(secret) = &self.secret {
            return Ok(begin.shared_secret(secret));
        }
        if let Some(pem) = &self.public_key {
            return Ok(begin.public_key(pem.as_str()));
        }
        let Some(url) = &self.jwks_uri else {
            return Err(PyValueError::new_err(
                "Either public_key or jwks_uri must be provided",
            ));
        };
        let mut keys = RemoteKeys::builder(url.as_str());
        if self.ssrf_safe {
            keys = keys.ssrf_guard();
        }
        if self.insecure_allow_http {
            keys = keys.insecure_allow_http();
        }
        if let Some(ask) = &self.fetch {
            let ask = Python::attach(|py| ask.clone_ref(py));
            keys = keys.fetch(Arc::new(PythonFetch::new(ask)));
        }
        Ok(begin.remote_keys(keys))
    }

    fn provider(
        &self,
        keys: WithKeys,
        algorithms: &[Algorithm],
        leeway: Duration,
    ) -> Result<BearerAuthProvider, ConfigError> {
        let keys = match &self.issuers {
            Some(issuers) => keys.issuers(issuers),
            None => keys.any_issuer(),
        };
        let complete = match &self.audiences {
            Some(audiences) => keys.audiences(audiences),
            None => keys.any_audience(),
        };
        let complete = complete
            .algorithms(algorithms.iter().copied())
            .leeway(leeway);
        if self.require_expiry {
            complete.build()
        } else {
            complete.accept_tokens_that_never_expire().build()
        }
    }

    fn finish(&self, mut provider: BearerAuthProvider) -> PyResult<BearerAuthProvider> {
        if let Some(now) = self.now {
            let now = Duration::try_from_secs_f64(now)
                .map_err(|error| PyValueError::new_err(format!("now: {error}")))?;
            provider = provider.with_clock(Clock::new(move || now.into()));
        }
        if self.token_cache {
            provider = provider.with_token_cache(TokenCacheSize::default());
        }
        Ok(provider)
    }
}
