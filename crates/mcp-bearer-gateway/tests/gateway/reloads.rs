//! Reloads and the end, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mcp_bearer_gateway::GatewayDraft;

use crate::support::{Client, PING, Stage, post};

/// Clients that call until they are told to stop; each answer must be 200.
struct Load {
    done: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(stage: &Stage) -> Self {
        let (done, calls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let clients = (0..8).map(|at| {
            let request = post(&stage.bearer_of(&format!("caller-{at}")), PING);
            let (address, done, calls) = (stage.address, done.clone(), calls.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while !done.load(Ordering::Relaxed) {
                    client.write(&request).await;
                    let answer = client.answer().await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self {
            clients: clients.collect(),
            done,
            calls,
        }
    }

    async fn stop(self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        self.calls.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_lose_no_request_and_no_session() {
    let stage = Stage::new().await;
    let fields = format!("{}X-Test: session\r\n", stage.bearer());
    let answer = stage.send(post(&fields, PING)).await;
    let session = answer.field("mcp-session-id").unwrap().to_owned();
    let load = Load::start(&stage);
    for _ in 0..100 {
        stage.reloader.reload(stage.config("", "")).await.unwrap();
    }
    assert!(load.stop().await > 100);
    let fields = format!("{}Mcp-Session-Id: {session}\r\n", stage.bearer());
    assert_eq!(stage.send(post(&fields, PING)).await.status, 200);
}

#[tokio::test]
async fn a_reload_renames_the_identity_headers_of_tokens_that_are_cached() {
    let cached = "token_cache = true\n";
    let stage = Stage::with(cached, "").await;
    let fields = stage.bearer();
    for (tables, subject, issuer) in [
        ("", "x-auth-subject", "x-auth-issuer"),
        (
            "[identity_headers]\nsubject = \"X-User\"\nissuer = \"X-Auth-Subject\"\n",
            "x-user",
            "x-auth-subject",
        ),
        ("", "x-auth-subject", "x-auth-issuer"),
    ] {
        let config = stage.config(cached, tables);
        stage.reloader.reload(config).await.unwrap();
        for _ in 0..2 {
            assert_eq!(stage.send(post(&fields, PING)).await.status, 200);
            let seen = stage.server.last();
            assert_eq!(seen.field(subject), Some("alice"), "{}", seen.head);
            assert_eq!(seen.field(issuer), Some(stage.issuer.url()));
            let names = ["x-user", "x-auth-subject", "x-auth-issuer"];
            let named = names.iter().filter(|name| seen.field(name).is_some());
            assert_eq!(named.count(), 2, "{}", seen.head);
        }
    }
}

/// The first one waits for the keys of an issuer that does not answer.
#[tokio::test]
async fn of_two_reloads_at_once_the_later_one_counts() {
    let stage = Stage::new().await;
    stage.still_serves().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!(
        "[[issuer]]\nissuer = \"https://silent.example/\"\njwks_uri = \"http://{}/\"\n",
        silent.local_addr().unwrap()
    );
    let earlier = stage.config("allowed_hosts = [\"other.example\"]\n", &issuer);
    let reloader = stage.reloader.clone();
    let earlier = tokio::spawn(async move { reloader.reload(earlier).await });
    let (connection, _) = silent.accept().await.unwrap();
    let later = stage.reloader.reload(stage.config("", ""));
    let end = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop((connection, silent));
    };
    let (later, ()) = tokio::join!(later, end);
    later.unwrap();
    earlier.await.unwrap().unwrap();
    stage.still_serves().await;
}

#[tokio::test]
async fn a_reload_that_would_lose_keys_keeps_the_old_configuration() {
    let stage = Stage::new().await;
    stage.still_serves().await;
    stage.issuer.go_down();
    let error = stage
        .reloader
        .reload(stage.config("", ""))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot be fetched now"), "{text}");
    stage.still_serves().await;
    stage.issuer.come_back();
    stage.reloader.reload(stage.config("", "")).await.unwrap();
}

#[test]
fn a_broken_file_names_every_problem_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = "listen = \"8080\"\nupstream = \"ftp://x/\"\nallowed_origins = [\"https://a/\"]\ntrusted_proxies = [\"10.0.0.0/33\"]\n\
                [limits]\nper_peer = \"many\"\nrequests = 0\n[admin]\nlisten = \"0.0.0.0:9\"\nsecret_file = \"s\"\n\
                [tls]\ncertificate = \"c.pem\"\n[audit]\nfile = \"a\"\nwhen_blocked = \"wait\"\n[identity_headers]\nsubject = \"Host\"\nissuer = \"X-Auth-Scopes\"\n";
    std::fs::write(&path, text).unwrap();
    let error = GatewayDraft::read_toml(&path).unwrap().check().unwrap_err();
    let words = error.own_words();
    for expected in [
        ":1: listen: \"8080\" is not an address",
        ":2: upstream: \"ftp://x/\": only http and https",
        ":3: allowed_origins: \"https://a/\" is not an origin",
        ":4: trusted_proxies: \"10.0.0.0/33\" is not a network",
        ":6: limits.per_peer: \"many\" is not a rate",
        ":7: limits.requests: zero",
        "admin.listen: 0.0.0.0:9 can be reached from other machines",
        "tls.private_key: missing",
        ":15: audit.when_blocked: \"wait\"",
        ":17: identity_headers.subject: \"Host\" has another meaning",
        "identity_headers.issuer: \"x-auth-scopes\" already holds",
        "resource",
        "no issuer is configured",
    ] {
        let found = words.iter().any(|line| line.contains(expected));
        assert!(found, "{expected}: {words:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_answers_what_it_accepted() {
    let mut stage = Stage::new().await;
    stage.still_serves().await;
    let fields = format!("{}X-Test: slow\r\n", stage.bearer());
    let mut running = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(stage.address).await;
        client.write(post(&fields, PING)).await;
        running.push(client);
    }
    let get = format!(
        "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n{}X-Test: events\r\n\r\n",
        stage.bearer()
    );
    let mut stream = Client::connect(stage.address).await;
    stream.write(get).await;
    assert!(stream.until("data: ").await);
    let mut idle = Client::connect(stage.address).await;
    idle.write(post(&stage.bearer(), PING)).await;
    assert_eq!(idle.answer().await.status, 200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.begin_stop();
    for client in &mut running {
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, "{\"slow\":true}");
    }
    stream.until("0\r\n\r\n").await;
    stage.stop().await;
    assert!(idle.is_closed().await);
    assert!(tokio::net::TcpStream::connect(stage.address).await.is_err());
}
