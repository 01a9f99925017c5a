//! Key documents from a function of the caller: through a corporate proxy, from a test.
//!
//! The function is called on a thread that may wait for the interpreter; the driver thread of the
//! key sources never does.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mcp_bearer::keys::{Fetch, FetchError, FetchRequest, FetchResponse};
use pyo3::prelude::*;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::ending::attached;

/// A fetcher whose answers come from Python. The garbage collector does not see what `ask` refers
/// to.
pub(crate) struct PythonFetch {
    ask: Arc<Py<PyAny>>,
}

impl PythonFetch {
    /// `ask(url, answer)` must return at once, and ensure that `answer` is completed.
    pub(crate) fn new(ask: Py<PyAny>) -> Self {
        Self { ask: Arc::new(ask) }
    }
}

impl Fetch for PythonFetch {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let ask = Arc::clone(&self.ask);
        async move {
            let (sender, receiver) = oneshot::channel();
            let answer = Answer {
                sender: Mutex::new(Some(sender)),
            };
            let limit = request.max_body_bytes;
            // Waiting for the interpreter must not delay the sources that do not need it.
            let asked = spawn_blocking(move || {
                attached(|py| {
                    ask.call1(py, (request.url, answer))
                        .map(drop)
                        .map_err(|error| error.to_string())
                })
            });
            match asked.await {
                Ok(Some(Ok(()))) => {}
                Ok(Some(Err(error))) => return Err(FetchError::new(error)),
                Ok(None) | Err(_) => {
                    return Err(FetchError::new("the interpreter is shutting down"));
                }
            }
            match receiver.await {
                Ok(Ok(body)) if body.len() <= limit => Ok(FetchResponse::new(200, body)),
                Ok(Ok(_)) => Err(FetchError::new(format!(
                    "the answer is longer than {limit} bytes"
                ))),
                Ok(Err(why)) => Err(FetchError::new(why)),
                Err(_) => Err(FetchError::new("the fetch function gave no answer")),
            }
        }
        .boxed()
    }
}

/// What a `fetch` function returned, or why it returned nothing.
type Document = Result<Vec<u8>, String>;

/// Receives the answer of a `fetch` function. Only the first one counts.
#[pyclass(frozen, module = "mcp_bearer._native")]
#[derive(Debug)]
pub(crate) struct Answer {
    sender: Mutex<Option<oneshot::Sender<Document>>>,
}

#[pymethods]
impl Answer {
    /// The document.
    fn complete(&self, body: Vec<u8>) {
        self.send(Ok(body));
    }

    /// Why there is none.
    fn fail(&self, why: String) {
        self.send(Err(why));
    }
}

impl Answer {
    fn send(&self, result: Document) {
        // No panic can leave the value half changed.
        let sender = self
            .sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(sender) = sender {
            // After 5 s nothing waits any more.
            let _ = sender.send(result);
        }
    }
}
