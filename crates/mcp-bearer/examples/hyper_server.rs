//! Bearer authentication without a web framework, on hyper alone:
//!
//! ```sh
//! cargo run -p mcp-bearer --example hyper_server
//! ```
//!
//! It prints a token and `curl` commands.
#![allow(clippy::print_stdout, reason = "it prints what to paste")]

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use mcp_bearer::{
    AccessToken, BearerAuthLayer, BearerAuthProvider, FromExtensions, RsaKeyPair, TokenRequest,
};
use tokio::net::TcpListener;
use tower::{ServiceExt, service_fn};

const ISSUER: &str = "https://idp.example.com/";

/// The service behind the layer. It runs only with a good token.
async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let access = AccessToken::from_extensions(request.extensions());
    let name = access.and_then(AccessToken::subject).unwrap_or("nobody");
    Ok(Response::new(Full::from(format!("hello, {name}\n"))))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/hello", listener.local_addr()?);

    let keys = RsaKeyPair::generate()?;
    let provider = BearerAuthProvider::builder()
        .public_key(keys.public_key_pem())
        .issuer(ISSUER)
        .audience(&resource)
        .build()?;
    let auth = BearerAuthLayer::new(provider).resource(&resource)?;

    let metadata = auth.metadata_service();
    let guarded = auth.layer(service_fn(hello));
    // Neither the layer nor the metadata service reads the path: the program does.
    let app = service_fn(move |request: Request<Incoming>| {
        let (metadata, guarded) = (metadata.clone(), guarded.clone());
        async move {
            let path = request.uri().path();
            if path == "/hello" {
                let response = guarded.oneshot(request).await?;
                Ok(response.map(BodyExt::boxed))
            } else if path == metadata.path() {
                Ok(metadata.respond(request.method()).map(BodyExt::boxed))
            } else {
                not_found()
            }
        }
    });

    let request = TokenRequest::new()
        .subject("alice")
        .issuer(ISSUER)
        .audience(&resource);
    println!("TOKEN={}\n", keys.create_token(&request)?);
    println!(r#"curl -si {resource} -H "Authorization: Bearer $TOKEN""#);
    println!("\n# Without a token, the challenge and the document it points to:\n");
    println!("curl -si {resource}");
    println!("curl -si {}", auth.metadata().url());
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(app.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A peer that disconnects in the middle does not matter.
        tokio::spawn(async move { connection.await.ok() });
    }
}

fn not_found() -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let mut response = Response::new(Full::from("not found\n").boxed());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
