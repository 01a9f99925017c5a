//! Accepts connections and serves their requests, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::observers::Observers;
use crate::tls::ServerTls;

/// All fields of a request.
const HEADER_BYTES: usize = 16 * 1024;

/// How long the fields of a request may take.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);

/// Whether connections are still accepted, and requests answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Requests in progress are answered.
    Draining,
}

/// The connection of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) scheme: &'static str,
}

/// What answers requests. A reload replaces it whole.
pub(crate) trait Serve: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Requests at one time on one HTTP/2 connection.
    const HTTP2_STREAMS: u32;

    /// How long a connection is used, if there is a limit.
    fn connection_age(&self) -> Option<Duration>;

    fn answer(
        &self,
        connection: Connection,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Accepts connections until the phase changes, then waits for those that are open.
pub(crate) struct Server<S> {
    pub(crate) listener: TcpListener,
    pub(crate) stack: Arc<ArcSwap<S>>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) connections: usize,
}

impl<S: Serve> Server<S> {
    /// Returns when no connection is open any more.
    pub(crate) async fn run(mut self) {
        let places = Arc::new(Semaphore::new(self.connections));
        let mut open = JoinSet::new();
        let mut phase = self.phase.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
                Some(_) = open.join_next(), if !open.is_empty() => continue,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let Some((stream, peer, place)) = accepted else {
                // Such as too many open files: others must end first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (stack, phase) = (Arc::clone(&self.stack), self.phase.clone());
            let tls = self.tls.as_ref().map(|tls| tls.acceptor());
            let counted = self.observers.metrics.connection();
            open.spawn(async move {
                connection(stream, peer, tls, stack, phase).await;
                drop((place, counted));
            });
        }
        drop(self.listener);
        self.phase.borrow_and_update();
        while open.join_next().await.is_some() {}
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(target: "mcp_bearer::gateway", %error, "no connection can be accepted");
            None
        }
    }
}

async fn connection<S: Serve>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    stack: Arc<ArcSwap<S>>,
    phase: watch::Receiver<Phase>,
) {
    // Without it small events of a stream would wait for each other.
    let _ = stream.set_nodelay(true);
    let connection = |scheme| Connection { peer, scheme };
    match tls {
        None => requests(stream, connection("http"), stack, phase).await,
        Some(tls) => match tokio::time::timeout(HEADER_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, connection("https"), stack, phase).await,
            Ok(Err(error)) => tracing::debug!(
                target: "mcp_bearer::gateway",
                %peer,
                %error,
                "a client did not get through the TLS handshake"
            ),
            Err(_) => {}
        },
    }
}

/// Serves the requests of one connection until it ends, is idle for too long, or must drain.
async fn requests<S: Serve, I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: I,
    connection: Connection,
    stack: Arc<ArcSwap<S>>,
    mut phase: watch::Receiver<Phase>,
) {
    let age = stack.load().connection_age();
    let activity = Arc::new(Activity::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (stack, activity) = (stack.load_full(), Arc::clone(&activity));
        async move {
            let _busy = activity.begin();
            Ok::<_, Infallible>(stack.answer(connection, request).await)
        }
    });
    let builder = builder(S::HTTP2_STREAMS);
    let served = builder.serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        // A client that leaves or writes nonsense is no event for the operator.
        _ = served.as_mut() => return,
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => {}
        () = activity.idle() => {}
        () = passed(age) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}

async fn passed(age: Option<Duration>) {
    match age {
        Some(age) => tokio::time::sleep(age).await,
        None => std::future::pending().await,
    }
}

fn builder(http2_streams: u32) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(http2_streams)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Whether a connection has requests in progress.
#[derive(Default)]
struct Activity {
    busy: AtomicUsize,
    /// Requests so far.
    count: AtomicU64,
}

struct Busy(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Returns when nothing happened for too long: a peer that says nothing holds a connection.
    fn idle(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let activity = Arc::clone(self);
        async move {
            loop {
                let before = activity.count.load(Ordering::Relaxed);
                let wait = if before == 0 { HEADER_TIME } else { IDLE };
                tokio::time::sleep(wait).await;
                let now = activity.count.load(Ordering::Relaxed);
                if before == now && activity.busy.load(Ordering::Relaxed) == 0 {
                    return;
                }
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
