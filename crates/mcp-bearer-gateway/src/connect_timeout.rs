//! [`WithinTime`]: one time limit for everything that a connection needs.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connector whose whole work (DNS, TCP and TLS) ends within a time. A server that accepts
/// connections and then says nothing would otherwise keep requests for as long as a call may take.
#[derive(Clone, Debug)]
pub(crate) struct WithinTime<C> {
    connector: C,
    limit: Duration,
}

impl<C> WithinTime<C> {
    pub(crate) const fn new(connector: C, limit: Duration) -> Self {
        Self { connector, limit }
    }
}

impl<C> Service<Uri> for WithinTime<C>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connected, limit) = (self.connector.call(uri), self.limit);
        Box::pin(async move {
            match tokio::time::timeout(limit, connected).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => {
                    let what = format!("no connection (DNS, TCP and TLS) within {limit:?}");
                    Err(io::Error::new(io::ErrorKind::TimedOut, what).into())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Pending, pending};

    use super::*;

    /// A resolver that does not answer.
    struct Silent;

    impl Service<Uri> for Silent {
        type Response = ();
        type Error = Infallible;
        type Future = Pending<Result<(), Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            pending()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_is_silent_is_given_up() {
        let mut connector = WithinTime::new(Silent, Duration::from_secs(5));
        let began = tokio::time::Instant::now();
        let connecting = connector.call(Uri::from_static("https://mcp.example.com/"));
        let error = connecting.await.unwrap_err();
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        assert!(error.to_string().contains("within 5s"), "{error}");
    }
}
