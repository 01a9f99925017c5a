//! Takes one JWKS answer from the socket to the published keys, to list the files whose functions
//! it touches:
//!
//! ```sh
//! cargo build -p mcp-bearer-bench --example jwks_answer
//! valgrind --tool=callgrind --callgrind-out-file=/dev/shm/answer --zero-before='*answer_leaves*' \
//!     --dump-after='*PublishedKeys*::publish' target/debug/examples/jwks_answer
//! # The files of lines with a cost of their own, not of the calls around them.
//! awk -F '[()] ?' '/^c?f[lie]=/ {if ($3) name[$2] = $3; if (!/^c/) file = name[$2]}
//!     /^calls/ {getline; next}
//!     /^[0-9+*-]/ {files[file]}
//!     END {for (file in files) print file}' /dev/shm/answer.1 | grep /src/keys/
//! ```
//!
//! With `--dump-before='*keys_are_there*'` the list continues to the answer to the waiting request.
#![allow(clippy::unwrap_used, missing_docs, reason = "a tool for development")]

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use mcp_bearer::keys::{KeySource, Miss, Refreshed, RemoteKeys};
use mcp_bearer_testkit::{Behaviour, JwksServer, SigningKey};

fn main() {
    let server = JwksServer::start();
    server.set_keys(vec![SigningKey::shared_rsa_2048().with_kid("a").jwk()]);
    server.set_behaviour(Behaviour::ok_with([("Cache-Control", "max-age=600")]).held());
    let keys = RemoteKeys::builder(server.url()).build().unwrap();
    let asked = keys.refresh(Miss::no_keys());
    let there = server.wait_for_hits(JwksServer::JWKS_PATH, 1, Duration::from_secs(60));
    assert!(there, "no request");
    std::thread::sleep(Duration::from_millis(500));
    answer_leaves(&server);
    let told = wait(asked);
    keys_are_there(&told);
}

#[inline(never)]
fn answer_leaves(server: &JwksServer) {
    server.release();
}

fn wait(asked: BoxFuture<'_, Refreshed>) -> Refreshed {
    let mut asked = asked;
    loop {
        match (&mut asked).now_or_never() {
            Some(told) => return told,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[inline(never)]
fn keys_are_there(told: &Refreshed) {
    assert_eq!(*told, Refreshed::NewKeys);
}
