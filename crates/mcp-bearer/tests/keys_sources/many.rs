//! Many sources in one process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use mcp_bearer::keys::{
    Fetch, FetchError, FetchRequest, FetchResponse, KeySource, Miss, Refreshed, RemoteKeys,
};

/// Answers at once, unless it must first block the thread of all sources.
struct InMemory {
    jwks: Vec<u8>,
    blocks: Duration,
}

impl Fetch for InMemory {
    fn fetch(&self, _: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        std::thread::sleep(self.blocks);
        ready(Ok(FetchResponse::new(200, self.jwks.clone()))).boxed()
    }
}

fn source(blocks: Duration) -> RemoteKeys {
    let jwks = crate::key("a").jwks().to_string().into_bytes();
    RemoteKeys::builder("https://idp.example.com/jwks")
        .fetch(Arc::new(InMemory { jwks, blocks }))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_thousand_cold_sources_that_are_asked_at_once_all_get_their_keys() {
    // So that no source is served before all are asked.
    let busy = source(Duration::from_millis(500));
    let first = busy.refresh(Miss::no_keys());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let sources: Vec<RemoteKeys> = (0..1000).map(|_| source(Duration::ZERO)).collect();
    let asked: Vec<_> = sources
        .iter()
        .map(|keys| keys.refresh(Miss::no_keys()))
        .collect();
    assert_eq!(first.await, Refreshed::NewKeys);
    for one in asked {
        assert_eq!(one.await, Refreshed::NewKeys);
    }
}
