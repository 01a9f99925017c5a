//! The certificates are those of the library's tests: `server.pem` of a test CA with `server.key`,
//! and others with `other.key`, all for `localhost`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_bearer::UnixTime;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Changed, ServerTls, upstream_tls};
use crate::config::TlsSettings;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn fixture(name: &str) -> PathBuf {
    let tls = "../mcp-bearer/tests/keys_sources/tls";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(tls).join(name)
}

/// The files of a server, which a test replaces.
struct Files(TempDir);

impl Files {
    fn new(certificate: &str, private_key: &str) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.replace(certificate, private_key);
        files
    }

    fn replace(&self, certificate: &str, private_key: &str) {
        let settings = self.settings();
        fs::copy(fixture(certificate), settings.certificate).unwrap();
        fs::copy(fixture(private_key), settings.private_key).unwrap();
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings {
            certificate: self.0.path().join("server.pem"),
            private_key: self.0.path().join("server.key"),
        }
    }

    fn load(&self) -> Result<ServerTls, String> {
        ServerTls::load(&self.settings(), NOW)
    }
}

/// Connects with this CA and these protocols: the protocol that both chose, or the error.
async fn connect(server: &ServerTls, ca: &str, alpn: &[&str]) -> Result<Option<String>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = server.acceptor();
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.map(drop)
    });
    let mut config = upstream_tls(Some(&fixture(ca))).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connected = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let chosen = connected.map_err(|error| error.to_string()).map(|stream| {
        let chosen = stream.get_ref().1.alpn_protocol();
        chosen.map(|name| String::from_utf8(name.to_vec()).unwrap())
    });
    accepted.await.unwrap().ok();
    chosen
}

#[tokio::test]
async fn both_versions_of_http_are_offered_and_http_2_is_preferred() {
    let server = Files::new("server.pem", "server.key").load().unwrap();
    for (offered, chosen) in [
        (&["http/1.1", "h2"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let found = connect(&server, "ca.pem", offered).await.unwrap();
        assert_eq!(found.as_deref(), chosen);
    }
    connect(&server, "ca.pem", &["spdy/3"]).await.unwrap_err();
    assert_eq!(server.expires_at(), UnixTime::from_secs(4_733_510_400));
}

#[tokio::test]
async fn a_new_certificate_is_served_after_a_reload_and_a_broken_one_never() {
    let files = Files::new("server.pem", "server.key");
    let server = files.load().unwrap();
    assert_eq!(server.reload(NOW), Ok(Changed::No));
    files.replace("self-signed.pem", "other.key");
    let before = connect(&server, "ca.pem", &[]).await;
    assert!(before.is_ok(), "files alone change nothing");
    assert_eq!(server.reload(NOW), Ok(Changed::Yes));
    connect(&server, "ca.pem", &[]).await.unwrap_err();
    connect(&server, "self-signed.pem", &[]).await.unwrap();

    let settings = files.settings();
    files.replace("server.pem", "other.key");
    let why = server.reload(NOW).unwrap_err();
    assert!(
        why.contains("not the key of the first certificate"),
        "{why}"
    );
    fs::write(&settings.private_key, "").unwrap();
    let why = server.reload(NOW).unwrap_err();
    assert!(why.contains("no private key"), "{why}");
    fs::remove_file(&settings.certificate).unwrap();
    let why = server.reload(NOW).unwrap_err();
    assert!(why.contains("server.pem: No such file"), "{why}");
    connect(&server, "self-signed.pem", &[]).await.unwrap();

    files.replace("server.pem", "server.key");
    assert_eq!(server.reload(NOW), Ok(Changed::Yes));
    connect(&server, "ca.pem", &[]).await.unwrap();
}

#[test]
fn what_is_wrong_with_the_files_is_reported_without_their_text() {
    let files = Files::new("server.pem", "server.key");
    let settings = files.settings();
    let secret = fs::read_to_string(fixture("server.key")).unwrap();
    let encrypted = secret.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cut = secret.get(..60).unwrap();
    for (certificate, key, why) in [
        ("", secret.as_str(), "no certificate"),
        (&secret, &secret, "no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &secret,
            "cannot be read",
        ),
        (
            "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n",
            &secret,
            "not valid PEM",
        ),
        ("GOOD", &encrypted, "is encrypted"),
        ("GOOD", cut, "no private key"),
        (
            "GOOD",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "server.key",
        ),
    ] {
        let good = || fs::read_to_string(fixture("server.pem")).unwrap();
        let text = if certificate == "GOOD" {
            good()
        } else {
            certificate.to_owned()
        };
        fs::write(&settings.certificate, text).unwrap();
        fs::write(&settings.private_key, key).unwrap();
        let found = files.load().err().unwrap();
        assert!(found.contains(why), "{why}: {found}");
        assert!(
            !found.contains("MIGH") && !found.contains("AAAA"),
            "{found}"
        );
    }
    fs::write(&settings.private_key, vec![b'x'; 5 * 1024 * 1024]).unwrap();
    assert!(files.load().err().unwrap().contains("larger than 4 MiB"));
}

#[test]
fn a_certificate_out_of_its_time_is_served_all_the_same() {
    let expired = Files::new("expired.pem", "other.key").load().unwrap();
    assert!(expired.expires_at() < NOW);
    assert!(Files::new("not-yet-valid.pem", "other.key").load().is_ok());
}

#[tokio::test]
async fn an_upstream_is_trusted_by_the_file_alone() {
    let server = Files::new("server.pem", "server.key").load().unwrap();
    let why = connect(&server, "self-signed.pem", &[]).await.unwrap_err();
    assert!(why.contains("UnknownIssuer"), "{why}");
    let none = TempDir::new().unwrap().path().join("none.pem");
    assert!(upstream_tls(Some(&none)).unwrap_err().contains("none.pem"));
    assert!(upstream_tls(Some(&fixture("server.key"))).is_err());
}
