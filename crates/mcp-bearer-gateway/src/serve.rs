//! Accepts connections and serves their requests, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::gathered_writes::GatheredWrites;
use crate::idle_timeout::{Activity, Watched, Why};
use crate::limits::PeerConnections;
use crate::observers::Observers;
use crate::peer::address_text;
use crate::tls::ServerTls;

/// All fields of a request.
const HEADER_BYTES: usize = 16 * 1024;

/// How long the fields of a request may take.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// Whether connections are still accepted, and requests answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Requests in progress are answered.
    Draining,
}

/// The connection of a request.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// The peer's address for a header, made once: to format it costs as much as the rest of the
    /// headers.
    pub(crate) peer_text: HeaderValue,
    pub(crate) scheme: &'static str,
}

impl Connection {
    fn new(peer: SocketAddr, scheme: &'static str) -> Self {
        let peer_text = address_text(peer.ip());
        Self {
            peer,
            peer_text,
            scheme,
        }
    }
}

/// What answers requests. A reload replaces it whole.
pub(crate) trait Serve: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Requests at one time on one HTTP/2 connection.
    const HTTP2_STREAMS: u32;

    /// How long a connection is used, if there is a limit.
    fn connection_age(&self) -> Option<Duration>;

    /// Connections of this peer at one time, if there is a limit.
    fn connections_of(&self, peer: IpAddr) -> Option<usize>;

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
        let by_peer = PeerConnections::default();
        let builders = Arc::new(Builders::new(S::HTTP2_STREAMS));
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
            let share = match self.stack.load().connections_of(peer.ip()) {
                None => None,
                Some(most) => match by_peer.begin(peer.ip(), most) {
                    None => {
                        self.observers.metrics.connection_refused();
                        tracing::debug!(
                            target: "mcp_bearer::gateway",
                            %peer,
                            "a connection was closed: its peer has as many as it may"
                        );
                        continue;
                    }
                    share => share,
                },
            };
            let served = Served {
                builders: Arc::clone(&builders),
                stack: Arc::clone(&self.stack),
                phase: self.phase.clone(),
            };
            let tls = self.tls.as_ref().map(|tls| tls.acceptor());
            let held = (place, share, self.observers.metrics.connection());
            open.spawn(connection(stream, peer, tls, served, held));
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

/// What all connections share.
struct Served<S> {
    builders: Arc<Builders>,
    stack: Arc<ArcSwap<S>>,
    phase: watch::Receiver<Phase>,
}

/// Serves one connection, and holds `_held` until it ends.
///
/// All of this is memory of every idle stream. So what only some connections need is boxed: a
/// future has place for the largest of its parts.
async fn connection<S: Serve, H: Send>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    mut served: Served<S>,
    _held: H,
) {
    // Without it small events of a stream would wait for each other.
    let _ = stream.set_nodelay(true);
    if let Some(tls) = tls {
        Box::pin(over_tls(stream, peer, tls, served)).await;
    } else if speaks_http1(&stream, &mut served.phase).await {
        http1(stream, Connection::new(peer, "http"), served).await;
    } else {
        Box::pin(any(stream, Connection::new(peer, "http"), served)).await;
    }
}

async fn over_tls<S: Serve>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    served: Served<S>,
) {
    // Boxed, because the handshake is over while requests are served.
    let accepted = Box::pin(tokio::time::timeout(HEADER_TIME, tls.accept(stream)));
    match accepted.await {
        Ok(Ok(stream)) => {
            let connection = Connection::new(peer, "https");
            if stream.get_ref().1.alpn_protocol() == Some(b"http/1.1") {
                Box::pin(http1(stream, connection, served)).await;
            } else {
                Box::pin(any(stream, connection, served)).await;
            }
        }
        Ok(Err(error)) => tracing::debug!(
            target: "mcp_bearer::gateway",
            %peer,
            %error,
            "a client did not get through the TLS handshake"
        ),
        Err(_) => {}
    }
}

/// Serves the requests of a connection that speaks HTTP/1.1. Its state is half as large as one
/// with place for HTTP/2.
///
/// No `async fn`, because that would hold its arguments beside the connection made of them.
fn http1<S: Serve, I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: I,
    connection: Connection,
    served: Served<S>,
) -> impl Future<Output = ()> + Send {
    let ending = Ending::of(&served);
    let stream = TokioIo::new(GatheredWrites::new(stream));
    let service = service(connection, served.stack, Arc::clone(&ending.activity));
    let mut open = served.builders.http1.serve_connection(stream, service);
    async move { until_over(Pin::new(&mut open), ending).await }
}

/// The same for HTTP/1.1 or HTTP/2, as the first bytes show.
async fn any<S: Serve, I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: I,
    connection: Connection,
    served: Served<S>,
) {
    let ending = Ending::of(&served);
    let stream = TokioIo::new(GatheredWrites::new(stream));
    let service = service(connection, served.stack, Arc::clone(&ending.activity));
    let open = pin!(served.builders.any.serve_connection(stream, service));
    until_over(open, ending).await;
}

/// Answers the requests of one connection.
fn service<S: Serve>(
    connection: Connection,
    stack: Arc<ArcSwap<S>>,
    activity: Arc<Activity>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Watched<S::Body>>,
    Error = Infallible,
    Future: Send + 'static,
> + Send {
    service_fn(move |request| {
        let (stack, connection) = (stack.load_full(), connection.clone());
        let busy = activity.begin();
        // Boxed, because a connection keeps the place of its future while the answer lasts.
        Box::pin(async move {
            let answer = stack.answer(connection, request).await;
            Ok(answer.map(|body| busy.until_the_end_of(body)))
        })
    })
}

/// What ends a connection, beside its client.
struct Ending {
    phase: watch::Receiver<Phase>,
    age: Option<Duration>,
    activity: Arc<Activity>,
}

impl Ending {
    fn of<S: Serve>(served: &Served<S>) -> Self {
        Self {
            phase: served.phase.clone(),
            age: served.stack.load().connection_age(),
            activity: Arc::default(),
        }
    }
}

/// Serves the requests of one connection until it ends, is idle for too long, or must drain.
async fn until_over<C: GracefulConnection>(mut open: Pin<&mut C>, mut ending: Ending) {
    tokio::select! {
        // The operator need not know about a client that leaves or writes nonsense.
        _ = open.as_mut() => return,
        _ = ending.phase.wait_for(|phase| *phase == Phase::Draining) => {}
        why = ending.activity.watch() => match why {
            Why::Idle => {}
            // Nothing that it asked for is kept for it.
            Why::Stalled => return,
        },
        () = passed(ending.age) => {}
    }
    open.as_mut().graceful_shutdown();
    tokio::select! {
        _ = open => {}
        // What is in progress is answered, unless the client does not read it.
        () = ending.activity.stalled() => {}
    }
}

async fn passed(age: Option<Duration>) {
    match age {
        // Boxed, because connections without a limit would hold the place of the timer.
        Some(age) => Box::pin(tokio::time::sleep(age)).await,
        None => std::future::pending().await,
    }
}

/// Whether the first bytes of a connection without TLS cannot begin HTTP/2.
///
/// They are left for hyper to read. hyper-util's own detection reads them apart, after which
/// hyper's buffer for the rest is twice as large, for as long as the connection is open.
async fn speaks_http1(stream: &TcpStream, phase: &mut watch::Receiver<Phase>) -> bool {
    let mut first = [0; 3];
    let seen = tokio::select! {
        seen = tokio::time::timeout(HEADER_TIME, stream.peek(&mut first)) => seen,
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => return false,
    };
    match seen {
        Ok(Ok(length)) => !b"PRI".starts_with(first.get(..length).unwrap_or_default()),
        // hyper meets the same.
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Shared, because each connection would hold others for as long as it is open.
struct Builders {
    any: auto::Builder<TokioExecutor>,
    http1: http1::Builder,
}

impl Builders {
    fn new(http2_streams: u32) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(HEADER_BYTES);
        let mut any = auto::Builder::new(TokioExecutor::new());
        any.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(HEADER_BYTES)
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
            .max_concurrent_streams(http2_streams)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        Self { any, http1 }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::OwnedSemaphorePermit;

    use super::*;
    use crate::limits::ConnectionPermit;
    use crate::metrics::Active;
    use crate::stack::Stack;

    type Held = (OwnedSemaphorePermit, Option<ConnectionPermit>, Active);

    fn size_of_future<A, B, C, D, E, F: Future>(_: fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    /// Every idle stream holds one. With the runtime's part of 176 bytes it is 1,792 bytes, which
    /// is a size of the allocator; the next is 2,048.
    #[test]
    fn an_idle_connection_is_small() {
        let size = size_of_future(connection::<Stack, Held>);
        assert!(size <= 1616, "{size} bytes");
    }
}
