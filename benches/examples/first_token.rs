//! Takes one token from the request's header to `AccessToken`, in a layer that has seen no token
//! before, to list the files whose functions it touches:
//!
//! ```sh
//! cargo build -p mcp-bearer-bench --example first_token
//! valgrind --tool=callgrind --callgrind-out-file=/dev/shm/token --toggle-collect='*one_request*' \
//!     target/debug/examples/first_token
//! # The files of lines with a cost of their own, not of the calls around them.
//! awk -F '[()] ?' '/^c?f[lie]=/ {if ($3) name[$2] = $3; if (!/^c/) file = name[$2]}
//!     /^calls/ {getline; next}
//!     /^[0-9+*-]/ {files[file]}
//!     END {for (file in files) print file}' /dev/shm/token | grep crates/mcp-bearer
//! ```
#![allow(clippy::unwrap_used, missing_docs, reason = "a tool for development")]

use std::convert::Infallible;

use futures_util::future::FutureExt;
use http::{Request, Response};
use mcp_bearer::{
    AccessToken, BearerAuthLayer, BearerAuthProvider, FromExtensions, RsaKeyPair, TokenRequest,
};
use tower::{Service, ServiceBuilder, service_fn};

const ISSUER: &str = "https://idp.example.com/";
const RESOURCE: &str = "https://mcp.example.com/mcp";

fn main() {
    let keys = RsaKeyPair::generate().unwrap();
    let provider = BearerAuthProvider::builder()
        .public_key(keys.public_key_pem())
        .issuer(ISSUER)
        .audience(RESOURCE)
        .required_scopes(["mcp:read"])
        .build()
        .unwrap();
    let request = TokenRequest::new()
        .subject("alice")
        .issuer(ISSUER)
        .audience(RESOURCE)
        .scopes(["mcp:read"]);
    let token = keys.create_token(&request).unwrap();
    let inner = service_fn(|request: Request<String>| async move {
        let caller = AccessToken::from_extensions(request.extensions()).unwrap();
        Ok::<_, Infallible>(Response::new(caller.subject().unwrap().to_owned()))
    });
    let layer = BearerAuthLayer::new(provider).resource(RESOURCE).unwrap();
    let mut service = ServiceBuilder::new().layer(layer).service(inner);
    let request = Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .body(String::new())
        .unwrap();
    one_request(&mut service, request);
}

#[inline(never)]
fn one_request<S, B>(service: &mut S, request: Request<String>)
where
    S: Service<Request<String>, Response = Response<B>, Error = Infallible>,
{
    let answer = service.call(request).now_or_never().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
}
