//! What these tests share: one issuer, a service that says who called, events that can be counted.

use std::convert::Infallible;
use std::fmt::{Debug, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use mcp_bearer::http::AnswerBody;
use mcp_bearer::{
    AccessToken, Algorithm, BearerAuthLayer, BearerAuthProvider, FromExtensions, Rejection,
};
use mcp_bearer_testkit::{Forge, SigningKey, TestClock};
use tower::ServiceExt;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const RESOURCE: &str = Forge::AUDIENCE;
pub(crate) const METADATA_URL: &str =
    "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

pub(crate) fn key() -> SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::ec_p256().with_kid("key-1")).clone()
}

pub(crate) fn forge() -> Forge {
    Forge::new(&key(), NOW)
}

pub(crate) fn provider(required_scopes: &[&str]) -> BearerAuthProvider {
    BearerAuthProvider::builder()
        .public_key(key().public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .required_scopes(required_scopes.iter().copied())
        .build()
        .unwrap()
        .with_clock(Arc::new(TestClock::new(NOW).as_fn()))
}

/// A layer that demands `mcp:read`, without a resource.
pub(crate) fn layer() -> BearerAuthLayer {
    BearerAuthLayer::new(provider(&["mcp:read"]))
}

/// A token that this layer lets in.
pub(crate) fn good() -> Forge {
    forge().scope("mcp:read")
}

pub(crate) fn with_authorization(value: impl AsRef<[u8]>) -> Request<()> {
    let mut request = Request::new(());
    let value = header::HeaderValue::from_bytes(value.as_ref()).unwrap();
    request.headers_mut().append(header::AUTHORIZATION, value);
    request
}

/// A body that nothing but `Body` can be asked of: not `Default`, not `From`, not `Unpin`.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) left: Vec<Frame<Bytes>>,
    pub(crate) not_unpin: std::marker::PhantomPinned,
}

impl Frames {
    pub(crate) fn of(text: &str) -> Self {
        let left = vec![Frame::data(Bytes::copy_from_slice(text.as_bytes()))];
        Self { left, not_unpin: std::marker::PhantomPinned }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

impl Body for Frames {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        // Vec is Unpin, so the field may be moved; `unsafe` is not needed for a shared counter of frames.
        let this = self.project_left();
        Poll::Ready((!this.is_empty()).then(|| Ok(this.remove(0))))
    }
}

impl Frames {
    fn project_left(self: Pin<&mut Self>) -> &mut Vec<Frame<Bytes>> {
        pin_project_lite::pin_project! {
            #[project = Projected]
            struct Shape { left: Vec<Frame<Bytes>> }
        }
        unimplemented!()
    }
}
