//! The service in this process, an issuer, and both kinds of proxies.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::{CheckRequest, HeaderValue, HttpResponse};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckResponse};
use mcp_bearer::testing::{TestIssuer, TestToken};
use mcp_bearer_gateway::{Authz, AuthzConfig, AuthzReloader, GatewayDraft};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";
pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
pub(crate) const RULES: &str = "unmatched = \"deny\"\n\
    [[rule]]\nmethod = \"ping\"\n\
    [[rule]]\nmethod = \"tools/call\"\nname = \"add\"\n\
    [[rule]]\nmethod = \"tools/call\"\nname = \"delete_*\"\nscopes = [\"mcp:admin\"]\n";

pub(crate) struct Stage {
    pub(crate) issuer: TestIssuer,
    pub(crate) address: SocketAddr,
    pub(crate) reloader: AuthzReloader,
    pub(crate) folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with("", "").await
    }

    pub(crate) async fn with_rules(authz: &str) -> Self {
        Self::with(RULES, authz).await
    }

    /// With further lines of the file: at the top, and in `[authz]`. It has its keys.
    pub(crate) async fn with(top: &str, authz: &str) -> Self {
        let stage = Self::of(TestIssuer::start().unwrap(), top, authz).await;
        stage.is_warm().await;
        stage
    }

    /// Of this issuer, whose keys may not be there yet.
    pub(crate) async fn of(issuer: TestIssuer, top: &str, authz: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder, &issuer, top, authz);
        let authz = Authz::bind(config).await.unwrap();
        let (address, reloader) = (authz.address().unwrap(), authz.reloader());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(authz.run(async {
            let _ = stopped.await;
        }));
        Self {
            issuer,
            address,
            reloader,
            folder,
            stop: Some(stop),
            running: Some(running),
        }
    }

    pub(crate) fn config(&self, top: &str, authz: &str) -> AuthzConfig {
        config(&self.folder, &self.issuer, top, authz)
    }

    pub(crate) fn token(&self) -> TestToken {
        self.issuer.token(RESOURCE).subject("alice")
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token().sign().unwrap())
    }

    pub(crate) async fn client(&self) -> AuthorizationClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        AuthorizationClient::new(channel.connect().await.unwrap())
    }

    /// Asks over gRPC.
    pub(crate) async fn check(&self, question: Question) -> Checked {
        let answer = self.client().await.check(question.into_request()).await;
        Checked::of(answer.unwrap().into_inner())
    }

    /// Asks over HTTP/1.1.
    pub(crate) async fn send(&self, head: &str, body: &str) -> Answer {
        let text = format!("{head}Host: authz\r\nConnection: close\r\n\r\n{body}");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let read = stream.read_to_end(&mut all);
        tokio::time::timeout(Duration::from_secs(30), read)
            .await
            .unwrap()
            .unwrap();
        Answer::of(&String::from_utf8_lossy(&all))
    }

    async fn is_warm(&self) {
        let started = std::time::Instant::now();
        while self.check(Question::post(&self.bearer())).await.status == 503 {
            assert!(started.elapsed() < Duration::from_secs(20), "no keys");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        let running = self.running.take().unwrap();
        tokio::time::timeout(Duration::from_secs(30), running)
            .await
            .unwrap()
            .unwrap();
    }
}

pub(crate) fn config(
    folder: &tempfile::TempDir,
    issuer: &TestIssuer,
    top: &str,
    authz: &str,
) -> AuthzConfig {
    let url = issuer.url();
    // What is about the issuer belongs to its table.
    let (own, top): (Vec<_>, Vec<_>) = top
        .lines()
        .partition(|line| line.starts_with("required_scopes"));
    let (own, top) = (own.join("\n"), top.join("\n"));
    let text = format!(
        "listen = \"127.0.0.1:0\"\nresource = \"{RESOURCE}\"\n{top}\n\
         [[issuer]]\nissuer = \"{url}\"\njwks_uri = \"{}\"\n{own}\n[authz]\n{authz}",
        issuer.jwks_uri()
    );
    let path = folder.path().join("authz.toml");
    std::fs::write(&path, text).unwrap();
    GatewayDraft::read_toml(&path)
        .unwrap()
        .check_authz()
        .unwrap()
}

/// A request of a client, as Envoy describes it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) http: HttpRequest,
}

impl Question {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let http = HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            host: "mcp.example.com".to_owned(),
            ..HttpRequest::default()
        };
        Self { http }
            .header(":path", path)
            .header(":method", method)
            .header("content-type", "application/json")
    }

    /// A POST to the endpoint.
    pub(crate) fn post(authorization: &str) -> Self {
        Self::new("POST", "/mcp").header("authorization", authorization)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let headers = &mut self.http.headers;
        headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.http.body = body.to_owned();
        self.http.size = body.len() as i64;
        self
    }

    /// With its headers in the other form, as Envoy sends them with `encode_raw_headers`.
    pub(crate) fn raw(mut self) -> Self {
        let headers = std::mem::take(&mut self.http.headers).into_iter();
        let headers = headers.map(|(key, value)| HeaderValue {
            key,
            raw_value: value.into_bytes(),
            ..HeaderValue::default()
        });
        self.http.header_map = Some(HeaderMap {
            headers: headers.collect(),
        });
        self
    }

    pub(crate) fn into_request(self) -> CheckRequest {
        CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(Request {
                    http: Some(self.http),
                    ..Request::default()
                }),
                ..AttributeContext::default()
            }),
        }
    }
}

/// The answer to a check.
#[derive(Debug)]
pub(crate) struct Checked {
    /// 200 if the request passes.
    pub(crate) status: i32,
    pub(crate) passes: bool,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) removed: Vec<String>,
    pub(crate) body: String,
}

impl Checked {
    pub(crate) fn of(answer: CheckResponse) -> Self {
        let code = answer.status.unwrap().code;
        let fields = |options: Vec<envoy_types::ext_authz::v3::pb::HeaderValueOption>| {
            let fields = options.into_iter().map(|option| {
                // OVERWRITE_IF_EXISTS_OR_ADD, also with nothing.
                assert_eq!((option.append_action, option.keep_empty_value), (2, true));
                let header = option.header.unwrap();
                (header.key, header.value)
            });
            fields.collect::<HashMap<_, _>>()
        };
        match answer.http_response.unwrap() {
            HttpResponse::OkResponse(ok) => {
                assert_eq!(code, 0);
                Self {
                    status: 200,
                    passes: true,
                    headers: fields(ok.headers),
                    removed: ok.headers_to_remove,
                    body: String::new(),
                }
            }
            HttpResponse::DeniedResponse(denied) => {
                assert_ne!(code, 0, "Envoy lets a request pass whose code is 0");
                Self {
                    status: denied.status.unwrap().code,
                    passes: false,
                    headers: fields(denied.headers),
                    removed: Vec::new(),
                    body: denied.body,
                }
            }
            other @ HttpResponse::ErrorResponse(_) => panic!("{other:?}"),
        }
    }

    pub(crate) fn challenge(&self) -> &str {
        self.headers.get("www-authenticate").map_or("", |text| text)
    }
}

/// The answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        Self {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}
