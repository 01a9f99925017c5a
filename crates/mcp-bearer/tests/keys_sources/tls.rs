//! The built-in client: whose certificates it trusts, how it connects, and its time limit.
//!
//! `tls/` holds a test CA and a certificate of it for `localhost`, valid from 2020 to 2120. The
//! CA's key is gone. The other certificates there are also for `localhost`, and each has the fault
//! in its name; their key is `other.key`.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use mcp_bearer::keys::{
    Fetch, FetchErrorKind, FetchRequest, HttpFetch, KeySource, Miss, MonotonicClock, Refreshed,
    RemoteKeys, RemoteKeysBuilder,
};
use mcp_bearer_testkit::{Behaviour, JwksServer};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{key, kids, secs};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/keys_sources/tls")
        .join(name)
}

/// Serves the key "a" over TLS to this many connections, and returns the address.
fn serve(connections: usize) -> String {
    serve_as("server.pem", "server.key", connections)
}

/// The same with this certificate and key.
pub(crate) fn serve_as(certificate: &str, private_key: &str, connections: usize) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_file(fixture(certificate)).unwrap();
    let private_key = PrivateKeyDer::from_pem_file(fixture(private_key)).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private_key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!(
        "https://localhost:{}/jwks.json",
        listener.local_addr().unwrap().port()
    );
    let body = key("a").jwks().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(connections).flatten() {
            stream.set_read_timeout(Some(secs(5))).unwrap();
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            let mut head = [0; 4096];
            // A client that does not trust us disconnects here.
            if stream.read(&mut head).is_err() {
                continue;
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    address
}

pub(crate) async fn ask(
    url: &str,
    configure: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder,
) -> Result<Vec<String>, String> {
    let (clock, _) = MonotonicClock::manual();
    let keys = configure(RemoteKeys::builder(url).clock(clock))
        .build()
        .unwrap();
    match keys.refresh(Miss::no_keys()).await {
        Refreshed::NewKeys => Ok(kids(&keys.snapshot())),
        _ => Err(keys.status().last_failure.unwrap()),
    }
}

#[tokio::test]
async fn a_private_ca_is_trusted_when_it_is_named() {
    let url = serve(1);
    let found = ask(&url, |keys| keys.ca_file(fixture("ca.pem"))).await;
    assert_eq!(found.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_name_that_the_certificate_lacks_is_refused() {
    let url = serve(1).replace("localhost", "127.0.0.1");
    let failure = ask(&url, |keys| keys.ca_file(fixture("ca.pem")))
        .await
        .unwrap_err();
    assert!(failure.contains("certificate"), "{failure}");
}

#[tokio::test]
async fn a_ca_file_is_read_again_for_each_exchange() {
    let url = serve(2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    // At first the file of another CA: the server's own certificate.
    std::fs::copy(fixture("server.pem"), &path).unwrap();
    let (clock, time) = MonotonicClock::manual();
    let keys = RemoteKeys::builder(&url)
        .ca_file(&path)
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::Unchanged);
    std::fs::copy(fixture("ca.pem"), &path).unwrap();
    time.advance(secs(1));
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
    std::fs::write(&path, "not a certificate").unwrap();
    let error = RemoteKeys::builder(&url).ca_file(&path).build();
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("ca_file: "), "{error}");
}

/// The environment decides what the machine trusts and which proxies it names, and only a separate
/// process can change that: the test runs itself there.
#[expect(
    clippy::disallowed_methods,
    reason = "a variable marks the process that the test starts"
)]
fn in_a_process_with(variables: &[(&str, &Path)], test: &str, inside: impl Future<Output = ()>) {
    const CHILD: &str = "MCP_BEARER_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(inside);
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env_remove("SSL_CERT_DIR")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_a_ca_store_says_so() {
    let test = "tls::a_machine_without_a_ca_store_says_so";
    let store = ("SSL_CERT_FILE", Path::new("/nonexistent"));
    in_a_process_with(&[store], test, async {
        let url = serve(2);
        let failure = ask(&url, |keys| keys).await.unwrap_err();
        assert!(failure.contains("CA"), "{failure}");
        // If the CA is named, none of the machine's is needed; nor for http.
        let named = ask(&url, |keys| keys.ca_file(fixture("ca.pem"))).await;
        assert!(named.is_ok());
        let server = JwksServer::start();
        server.set_keys(vec![key("a").jwk()]);
        assert!(ask(&server.url(), |keys| keys).await.is_ok());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_ca_of_the_machine_is_trusted_unless_another_is_named() {
    let test = "tls::a_ca_of_the_machine_is_trusted_unless_another_is_named";
    let store = fixture("ca.pem");
    in_a_process_with(&[("SSL_CERT_FILE", &store)], test, async {
        let url = serve(2);
        assert!(ask(&url, |keys| keys).await.is_ok());
        let failure = ask(&url, |keys| keys.ca_file(fixture("server.pem")))
            .await
            .unwrap_err();
        assert!(failure.contains("certificate"), "{failure}");
    });
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let test = "tls::proxies_of_the_environment_are_not_used";
    // Nothing listens on this port.
    let proxy = Path::new("http://127.0.0.1:1");
    let names = [
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];
    let variables: Vec<(&str, &Path)> = names.into_iter().map(|name| (name, proxy)).collect();
    in_a_process_with(&variables, test, async {
        let (server, url) = (JwksServer::start(), serve(1));
        server.set_keys(vec![key("a").jwk()]);
        assert_eq!(ask(&server.url(), |keys| keys).await.unwrap(), ["a"]);
        let found = ask(&url, |keys| keys.ca_file(fixture("ca.pem"))).await;
        assert_eq!(found.unwrap(), ["a"]);
    });
}

#[tokio::test]
async fn a_proxy_that_is_named_is_used_for_https_and_only_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://user:secret@{}", listener.local_addr().unwrap());
    let met = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap();
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(refusal.as_bytes()).unwrap();
        String::from_utf8(head[..length].to_vec()).unwrap()
    });
    let server = JwksServer::start();
    server.set_keys(vec![key("a").jwk()]);
    let through = |keys: RemoteKeysBuilder| keys.proxy(&proxy).ca_file(fixture("ca.pem"));
    assert_eq!(ask(&server.url(), through).await.unwrap(), ["a"]);
    let failure = ask("https://idp.example.com/jwks", through).await;
    let failure = failure.unwrap_err();
    assert!(!failure.contains("secret"), "{failure}");
    crate::eventually("the proxy is asked", || met.is_finished()).await;
    let head = met.join().unwrap();
    assert!(
        head.starts_with("CONNECT idp.example.com:443 HTTP/1.1\r\n"),
        "{head}"
    );
    // user:secret
    assert!(head.contains("Basic dXNlcjpzZWNyZXQ="), "{head}");
}

#[tokio::test]
async fn localhost_is_this_machine_whatever_a_resolver_says() {
    // Most machines know the name only for 127.0.0.1; one without IPv6 cannot be reached at the
    // other address.
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:0");
        if TcpListener::bind(&address).is_err() {
            assert_eq!(host, "[::1]", "a machine without 127.0.0.1");
            eprintln!("NOT TRIED: this machine has no {host}");
            continue;
        }
        let server = JwksServer::start_at(address.parse().unwrap());
        server.set_keys(vec![key("a").jwk()]);
        let url = server.url().replace(host, "localhost");
        assert!(url.starts_with("http://localhost:"), "{url}");
        assert_eq!(ask(&url, |keys| keys).await.unwrap(), ["a"]);
    }
}

/// How long the client tries.
async fn gives_up_after(url: &str) -> std::time::Duration {
    let fetch = HttpFetch::builder().ca_file(fixture("ca.pem")).build();
    let start = std::time::Instant::now();
    let request = FetchRequest::new(url.to_owned(), 1000);
    let error = fetch.unwrap().fetch(request).await.unwrap_err();
    assert_eq!(error.to_string(), "timed out");
    assert_eq!(error.kind(), FetchErrorKind::TimedOut);
    start.elapsed()
}

#[tokio::test]
async fn a_connection_has_three_seconds_to_be_made_tls_included() {
    // The system accepts the connection, and no byte ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/jwks", listener.local_addr().unwrap());
    let time = gives_up_after(&url).await;
    assert!((secs(3)..secs(5)).contains(&time), "{time:?}");
}

#[tokio::test]
async fn the_whole_exchange_has_five_seconds() {
    let server = JwksServer::start();
    server.set_behaviour(Behaviour::HangBeforeHeaders);
    let time = gives_up_after(&server.url()).await;
    assert!((secs(5)..secs(8)).contains(&time), "{time:?}");
}
