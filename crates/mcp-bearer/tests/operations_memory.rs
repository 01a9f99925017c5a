//! A stream through the layer takes memory for one event, however long it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use mcp_bearer::operation::{OperationRules, RuleDraft, Unmatched};
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider, Clock, UnixTime};
use mcp_bearer_testkit::{Forge, SigningKey};
use tower::{ServiceExt, service_fn};

const NOW: u64 = 1_800_000_000;
const EVENTS: usize = 24;
const PIECE: usize = 16 * 1024;
/// What the layer may hold of one event (4 MiB), while its buffer grows and its contents are
/// rewritten, and what one piece takes.
const BOUND: u64 = 10 * 1024 * 1024;

/// The same event again and again, in pieces that are parts of one text.
struct Stream {
    event: Bytes,
    at: usize,
    left: usize,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let end = self.event.len().min(self.at + PIECE);
        let piece = self.event.slice(self.at..end);
        self.at = end;
        if end == self.event.len() {
            self.at = 0;
            self.left -= 1;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// The most bytes that were allocated at once, and the bytes that reached the client.
fn through_the_layer(event: &'static str) -> (u64, usize) {
    let key = SigningKey::ec_p256();
    let provider = BearerAuthProvider::builder()
        .public_key(key.public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .build()
        .unwrap()
        .with_clock(Clock::new(|| UnixTime::from_secs(NOW)));
    let hidden = RuleDraft::new("tools/call").name("secret_*").scopes(["x"]);
    let rules = OperationRules::new(Unmatched::Allow, [hidden.hide()]).unwrap();
    let stream = move || Stream {
        event: Bytes::from_static(event.as_bytes()),
        at: 0,
        left: EVENTS,
    };
    let service = BearerAuthLayer::new(provider)
        .operations(rules)
        .layer(service_fn(move |_| async move {
            let answer = Response::builder().header("content-type", "text/event-stream");
            Ok::<_, Infallible>(answer.body(stream()).unwrap())
        }));
    let request = Request::post("/mcp")
        .header(
            "authorization",
            format!("Bearer {}", Forge::new(&key, NOW).token()),
        )
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        )))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut sent = 0;
    let measured = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut body = service.oneshot(request).await.unwrap().into_body();
            while let Some(frame) = body.frame().await {
                sent += frame.unwrap().data_ref().map_or(0, Bytes::len);
            }
        });
    });
    (measured.bytes_max, sent)
}

#[test]
fn a_stream_takes_as_much_memory_as_one_event() {
    let filler = "x".repeat(1 << 20);
    let list = format!(
        "data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"tools\":[{{\"name\":\"secret_a\"}},\
         {{\"name\":\"a\",\"d\":\"{filler}\"}}]}}}}\n\n"
    );
    let call = list.replace("tools", "content");
    let comment = format!(": {filler}\n\n");
    for event in [list, call, comment] {
        let shown = &event[..40].to_owned();
        let removed = if event.contains("\"tools\"") {
            "{\"name\":\"secret_a\"},".len()
        } else {
            0
        };
        let expected = (event.len() - removed) * EVENTS;
        let (most, sent) = through_the_layer(event.leak());
        assert_eq!(sent, expected, "{shown}");
        assert!(most <= BOUND, "{shown}: {most} bytes");
        println!("{shown}: {most} bytes at most, {sent} sent");
    }
}
