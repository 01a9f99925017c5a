//! The spans of requests that a gateway serves.

use mcp_bearer::testing::TestIssuer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::{Gateway, GatewayDraft};

const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A server that answers everything with 200.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let answer = |_, _| async { own_server::text(StatusCode::OK, "") };
    tokio::spawn(own_server::serve(listener, answer, std::future::pending()));
    url
}

async fn post(address: std::net::SocketAddr, token: &str, fields: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: close\r\n\
         Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_message_names_the_trace_of_its_client() {
    let (collector, issuer) = (Collector::start().await, TestIssuer::start().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nresource = \"{RESOURCE}\"\nupstream = \"{}\"\n\
         [[issuer]]\nissuer = \"{}\"\njwks_uri = \"{}\"\n\
         [traces]\nendpoint = \"{}\"\nsampled = \"1\"\n",
        server().await,
        issuer.url(),
        issuer.jwks_uri(),
        collector.endpoint,
    );
    std::fs::write(&file, text).unwrap();
    let config = GatewayDraft::read_toml(&file).unwrap().check().unwrap();
    let gateway = Gateway::bind(config).await.unwrap();
    let address = gateway.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let running = tokio::spawn(gateway.run(async {
        let _: Result<(), _> = stopped.await;
    }));

    let token = issuer.token(RESOURCE).subject("alice").sign().unwrap();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"traceparent":"{OTHER}"}}}}}}"#
    );
    let header = format!("traceparent: {CLIENT}\r\n");
    let served = post(address, &token, &header, &body).await;
    assert!(served.starts_with("HTTP/1.1 200"), "{served}");
    let refused = post(address, "x", "", &body).await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    stop.send(()).unwrap();
    running.await.unwrap();

    let got = collector.got();
    assert_eq!(got.len(), 2);
    let links = |span: &SentSpan| -> Vec<String> {
        span.links.iter().map(|link| hex(&link.trace_id)).collect()
    };
    assert_eq!(links(&got[0]), [&CLIENT[3..35], &OTHER[3..35]]);
    // Nobody has read the body of a request that was refused for its token.
    assert_eq!(links(&got[1]), [""; 0]);
}
