//! [`HttpFetch`]: requests over HTTP/1.1 with rustls.
//!
//! It follows no redirect, ignores the environment, keeps no connection, and holds no more of an
//! answer than allowed. Each exchange has its own thread and runtime: reading certificates and
//! resolving names block, and no issuer's answer may occupy the thread of another's.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::future::BoxFuture;
use http::{HeaderName, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio::{runtime, sync::oneshot};
use url::{Position, Url};

use super::address::AddressRules;
use super::connect::{Connector, Stream, no_client};
use super::{EXCHANGE, Fetch, FetchError, FetchErrorKind, FetchRequest, FetchResponse};

/// Name resolution, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(3);
/// The longest head of an answer.
const HEAD_BYTES: usize = 64 * 1024;
/// Everything before the end of the answer's head: interim answers (RFC 9110 section 15.2), and the
/// beginning of the body that was read with it.
const BYTES_BEFORE_BODY: usize = 4 * HEAD_BYTES;
/// The greatest number of interim answers. None or one is usual.
const INTERIM_ANSWERS: usize = 16;
/// The headers that sources use.
const HEADERS: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::AGE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
];

/// Fetches over HTTP.
///
/// Proxies of the environment are not used: the operator decides which machine sees the issuer's
/// answers, with [`HttpFetchBuilder::proxy`](crate::keys::HttpFetchBuilder::proxy). Every exchange
/// makes its own connection, since they are an hour apart. The machine's CA store is read on first
/// use (on Linux the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` can name another); on a machine
/// without one each fetch fails with an error that says so. Each exchange has its own thread, so it
/// needs no runtime and delays no other source.
#[derive(Clone, Debug)]
pub struct HttpFetch(Arc<Client>);

#[derive(Debug)]
struct Client {
    rules: AddressRules,
    connector: Connector,
}

impl HttpFetch {
    pub(super) fn new(rules: AddressRules, connector: Connector) -> Self {
        Self(Arc::new(Client { rules, connector }))
    }
}

impl Client {
    async fn exchange(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let refused = |reason| FetchError::of(FetchErrorKind::AddressNotAllowed, reason);
        let url = self.rules.check(&request.url).map_err(refused)?;
        let exchange = async {
            let stream = timeout(CONNECT, self.connector.connect(&url, request.standing)).await;
            let stream = stream.map_err(|_| FetchError::timed_out())??;
            let response = send(stream, &url, &request).await?;
            answer(response, request.max_body_bytes).await
        };
        let answer = timeout(EXCHANGE, exchange).await;
        answer.map_err(|_| FetchError::timed_out())?
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let client = Arc::clone(&self.0);
        Box::pin(on_own_thread(async move { client.exchange(request).await }))
    }
}

/// Sends the request, and returns when the head of the answer has arrived.
async fn send(
    stream: Box<dyn Stream>,
    url: &Url,
    request: &FetchRequest,
) -> Result<Response<Incoming>, FetchError> {
    let mut get = Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(
            header::HOST,
            &url[Position::BeforeHost..Position::AfterPort],
        )
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::ACCEPT_ENCODING, "gzip")
        .header(header::CONNECTION, "close")
        .header(
            header::USER_AGENT,
            concat!("mcp-bearer/", env!("CARGO_PKG_VERSION")),
        );
    if let Some(etag) = &request.if_none_match {
        get = get.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(date) = &request.if_modified_since {
        get = get.header(header::IF_MODIFIED_SINCE, date);
    }
    let mut get = get
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let left = Arc::new(BytesLeft(AtomicUsize::new(BYTES_BEFORE_BODY)));
    let (counted, interim) = (Arc::clone(&left), AtomicUsize::new(0));
    hyper::ext::on_informational(&mut get, move |_| {
        if interim.fetch_add(1, Ordering::Relaxed) == INTERIM_ANSWERS {
            counted.set(0);
        }
    });
    let (stream, left_to_read) = (Box::into_pin(stream), Arc::clone(&left));
    let io = TokioIo::new(Limited {
        stream,
        left: left_to_read,
    });
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(io)
        .await
        .map_err(|error| failed(&error))?;
    // It ends with the exchange's runtime at the latest; the sender gets its errors too.
    tokio::spawn(connection);
    let response = sender.send_request(get).await.map_err(|error| {
        match BYTES_BEFORE_BODY.saturating_sub(left.get()) {
            HEAD_BYTES.. => too_much(),
            _ => failed(&error),
        }
    })?;
    left.set(usize::MAX);
    Ok(response)
}

async fn answer(response: Response<Incoming>, limit: usize) -> Result<FetchResponse, FetchError> {
    let (head, body) = response.into_parts();
    let status = head.status.as_u16();
    let encoding = head.headers.get(header::CONTENT_ENCODING);
    // Only the body of a 200 matters.
    let body = match (status, encoding.map(http::HeaderValue::as_bytes)) {
        (200, Some(b"gzip" | b"x-gzip")) => inflated(&read(body, limit).await?, limit)?,
        (200, _) => read(body, limit).await?,
        _ => Vec::new(),
    };
    let mut answer = FetchResponse::new(status, body);
    for name in HEADERS {
        let values = head.headers.get_all(&name).iter();
        for value in values.filter_map(|value| value.to_str().ok()) {
            answer = answer.with_header(name.as_str(), value);
        }
    }
    Ok(answer)
}

async fn read(mut body: Incoming, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        let data = frame.into_data().unwrap_or_default();
        if data.len() > limit - bytes.len() {
            return Err(FetchError::too_large(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Stops at the limit, so that a small gzip stream cannot become a large body.
fn inflated(gzip: &[u8], limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(gzip)
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() > limit {
        return Err(FetchError::too_large(limit));
    }
    Ok(bytes)
}

/// How much may still be read before the body.
struct BytesLeft(AtomicUsize);

impl BytesLeft {
    fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that fails when too much comes before the body.
struct Limited {
    stream: Pin<Box<dyn Stream>>,
    left: Arc<BytesLeft>,
}

impl AsyncRead for Limited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.left.get();
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(too_much())));
        }
        let before = buffer.filled().len();
        ready!(self.stream.as_mut().poll_read(context, buffer))?;
        if left != usize::MAX {
            let read = buffer.filled().len().saturating_sub(before);
            self.left.set(left.saturating_sub(read));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Limited {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> FetchError {
    FetchError::caused_by(FetchErrorKind::ExchangeFailed, error)
}

fn too_much() -> FetchError {
    let message =
        format!("more than {INTERIM_ANSWERS} interim answers, or a head that is too long");
    FetchError::of(FetchErrorKind::AnswerTooLarge, message)
}

/// Runs an exchange on a new thread. When this future is dropped, the exchange is dropped at its
/// next pause.
async fn on_own_thread(
    exchange: impl Future<Output = Result<FetchResponse, FetchError>> + Send + 'static,
) -> Result<FetchResponse, FetchError> {
    let (sender, answer) = oneshot::channel();
    thread::Builder::new()
        .name("mcp-bearer-http".to_owned())
        .spawn(move || run(exchange, sender))
        .map_err(|error| no_client(format!("no thread for it: {error}")))?;
    let failed = FetchError::of(FetchErrorKind::ExchangeFailed, "it failed");
    answer.await.unwrap_or(Err(failed))
}

fn run(
    exchange: impl Future<Output = Result<FetchResponse, FetchError>>,
    mut sender: oneshot::Sender<Result<FetchResponse, FetchError>>,
) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("mcp-bearer-io")
        .build();
    let answer = match runtime {
        Ok(runtime) => {
            let answer = runtime.block_on(async {
                tokio::select! {
                    answer = exchange => Some(answer),
                    () = sender.closed() => None,
                }
            });
            // Does not wait for a name that is still being resolved.
            runtime.shutdown_background();
            answer
        }
        Err(error) => Some(Err(no_client(format!("no runtime for it: {error}")))),
    };
    if let Some(answer) = answer {
        // It fails only if nothing is waiting for it any more.
        let _ = sender.send(answer);
    }
}
