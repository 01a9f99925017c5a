use std::fs;
use std::path::PathBuf;

use mcp_bearer::core::{JwksData, TokenType};
use mcp_bearer::operation::{Operations, RequestHeaders};
use mcp_bearer::{
    AccessToken, Algorithm, BearerAuthProvider, Clock, RsaKeyPair, SigningKey, UnixTime,
};
use mcp_bearer_testkit::Forge;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Assertions, sha256};
use crate::config::AssertionSettings;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const ISSUER: &str = "https://idp.example.com/";
const GATEWAY: &str = "https://mcp.example.com";
const SERVER: &str = "http://127.0.0.1:9000/mcp";
const CALL: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{}}}"#;

struct Files(TempDir);

impl Files {
    fn new(private_key: &str) -> Self {
        let files = Self(TempDir::new().unwrap());
        fs::write(files.settings().private_key_file, private_key).unwrap();
        files
    }

    fn settings(&self) -> AssertionSettings {
        AssertionSettings {
            private_key_file: self.0.path().join("assertion.pem"),
            other_keys_file: None,
            issuer: GATEWAY.to_owned(),
            audience: SERVER.to_owned(),
        }
    }

    fn with_others(&self, jwks: &str) -> Result<Assertions, String> {
        let path: PathBuf = self.0.path().join("others.json");
        fs::write(&path, jwks).unwrap();
        let other_keys_file = Some(path);
        Assertions::load(&AssertionSettings {
            other_keys_file,
            ..self.settings()
        })
    }

    fn load(&self) -> Result<Assertions, String> {
        Assertions::load(&self.settings())
    }
}

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

fn assertions(algorithm: Algorithm) -> Assertions {
    Files::new(key(algorithm).private_key_pem().unwrap())
        .load()
        .unwrap()
}

/// The token of a client, as the gateway has verified it.
fn access(forge: impl FnOnce(Forge) -> Forge) -> AccessToken {
    let key = mcp_bearer_testkit::SigningKey::ec_p256();
    let token = forge(Forge::new(&key, NOW.as_secs())).token();
    let provider = BearerAuthProvider::builder()
        .public_key(key.public_pem())
        .any_issuer()
        .any_audience()
        .algorithms([Algorithm::Es256])
        .build()
        .unwrap();
    verify(&provider, &token)
}

fn verify(provider: &BearerAuthProvider, token: &str) -> AccessToken {
    let provider = provider.clone().with_clock(Clock::new(|| NOW));
    provider.try_verify_token(token).into_result().unwrap()
}

fn alice(token: Forge) -> Forge {
    let token = token.issuer(ISSUER).subject("alice");
    token.scope("mcp:read mcp:write").claim("client_id", "app")
}

/// What the server learns, after it has verified the assertion as RFC 9068 says.
fn received(assertions: &Assertions, value: &http::HeaderValue) -> AccessToken {
    let published = assertions.jwks_json();
    let provider = BearerAuthProvider::builder()
        .jwks(JwksData::from_json(std::str::from_utf8(&published).unwrap()).unwrap())
        .issuer(GATEWAY)
        .audience(SERVER)
        .algorithms([Algorithm::Es256, Algorithm::EdDsa])
        .token_type(TokenType::Rfc9068)
        .build()
        .unwrap();
    let value = value.to_str().unwrap();
    verify(&provider, value.strip_prefix("Bearer ").unwrap())
}

#[test]
fn a_server_verifies_an_assertion_like_any_access_token() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let assertions = assertions(algorithm);
        let operations = Operations::read(CALL, &RequestHeaders::default()).unwrap();
        let access = access(alice);
        let hash = Some(sha256(CALL));
        let value = assertions
            .sign(&access, Some(&operations), hash, NOW)
            .unwrap();
        assert!(value.is_sensitive());
        let received = received(&assertions, &value);
        let mut claims = received.claims();
        let id = claims.remove("jti").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 22);
        let expected = json!({
            "iss": GATEWAY,
            "aud": SERVER,
            "sub": "https://idp.example.com/|alice",
            "sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "alice"},
            "client_id": "app",
            "original_issuer": ISSUER,
            "scope": "mcp:read mcp:write",
            "mcp_operations": [{"method": "tools/call", "name": "add"}],
            "body_sha256": "pjaBOmAyT-8mf3hFm-AOEMSBgG6Fd6ohsQntzKKdkYU",
            "iat": NOW.as_secs(),
            "exp": NOW.as_secs() + 60,
        });
        assert_eq!(Value::Object(claims), expected);
        received.require_body_hash(CALL).unwrap();
        received.require_body_hash(b"{}").unwrap_err();
        let again = assertions
            .sign(&access, Some(&operations), hash, NOW)
            .unwrap();
        let again: Option<String> = self::received(&assertions, &again).claim("jti").unwrap();
        assert_ne!(again.as_deref(), id.as_str(), "each has an id of its own");
    }
}

#[test]
fn what_a_token_does_not_say_is_not_invented() {
    let assertions = assertions(Algorithm::EdDsa);
    let program = |token: Forge| token.without_claim("iss").without_claim("sub");
    let value = assertions.sign(&access(program), None, None, NOW).unwrap();
    let claims = received(&assertions, &value).claims();
    let mut names: Vec<&str> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "scope"]);
    assert_eq!(claims["scope"], "");
    let no_issuer = |token: Forge| token.without_claim("iss").subject("alice");
    let value = assertions
        .sign(&access(no_issuer), None, None, NOW)
        .unwrap();
    assert_eq!(received(&assertions, &value).subject(), Some("alice"));
}

#[test]
fn hostile_claims_stay_text() {
    let assertions = assertions(Algorithm::EdDsa);
    let hostile = "a\"|\\\u{0}\r\nX: 1|admin%7C\u{1F600}";
    let request = |token| alice(token).subject(hostile).claim("client_id", hostile);
    let value = assertions.sign(&access(request), None, None, NOW).unwrap();
    let received = received(&assertions, &value);
    let named: Value = received.claim("sub_id").unwrap().unwrap();
    assert_eq!(
        (&named["sub"], received.client_id()),
        (&json!(hostile), Some(hostile))
    );
    assert_eq!(received.subject().unwrap().matches('|').count(), 1);
}

#[test]
fn an_assertion_stays_short() {
    let assertions = assertions(Algorithm::Es256);
    let call = |id| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"tool"}}}}"#)
    };
    let batch: Vec<String> = (0..1000).map(call).collect();
    let batch = format!("[{}]", batch.join(","));
    let operations = Operations::read(batch.as_bytes(), &RequestHeaders::default()).unwrap();
    let hash = Some(sha256(batch.as_bytes()));
    let value = assertions
        .sign(&access(alice), Some(&operations), hash, NOW)
        .unwrap();
    assert!(value.len() < 1500, "{}", value.len());
    let received = received(&assertions, &value);
    assert_eq!(received.claim::<Value>("mcp_operations").unwrap(), None);
    received.require_body_hash(batch.as_bytes()).unwrap();
    let long = |token| alice(token).subject(&"a".repeat(9_000));
    let why = assertions.sign(&access(long), None, None, NOW).unwrap_err();
    assert!(why.contains("longer than 16384 bytes"), "{why}");
}

#[test]
fn other_keys_are_published_with_ours() {
    let (own, old, replica) = (
        key(Algorithm::Es256),
        key(Algorithm::EdDsa),
        key(Algorithm::Es256),
    );
    let files = Files::new(own.private_key_pem().unwrap());
    let jwk = |key: &SigningKey, kid| key.public_jwk(kid).unwrap();
    let set = JwksData::new(vec![
        jwk(&old, Some("old")),
        jwk(&own, Some("ours")),
        jwk(&replica, None),
    ]);
    let assertions = files
        .with_others(&serde_json::to_string(&set).unwrap())
        .unwrap();
    let published = std::str::from_utf8(&assertions.jwks_json()).map(JwksData::from_json);
    let published = published.unwrap().unwrap().keys;
    let kids: Vec<_> = published.iter().filter_map(|key| key.kid.clone()).collect();
    let thumbprint = |key: &SigningKey| key.verifying_key().thumbprint().to_string();
    assert_eq!(
        kids,
        [thumbprint(&own), "old".to_owned(), thumbprint(&replica)]
    );
    let value = assertions.sign(&access(alice), None, None, NOW).unwrap();
    received(&assertions, &value);
}

#[test]
fn unusable_files_are_refused_without_their_text() {
    let rsa = RsaKeyPair::generate().unwrap();
    let p384 = key(Algorithm::Es384);
    let good = key(Algorithm::Es256);
    for (pem, why) in [
        (
            rsa.private_key_pem(),
            "a key for RS256; assertions are signed with ES256",
        ),
        (p384.private_key_pem().unwrap(), "a key for ES384"),
        (
            good.public_key_pem().unwrap(),
            "signing needs the private key",
        ),
        ("MIGH", "one PEM block is needed"),
    ] {
        let found = Files::new(pem).load().err().unwrap();
        assert!(
            found.contains(why) && found.contains("assertion.pem"),
            "{why}: {found}"
        );
        assert!(
            !found.contains("MIGH") && !found.contains("MIIE"),
            "{found}"
        );
    }
    let files = Files::new(good.private_key_pem().unwrap());
    let ours = good.verifying_key().thumbprint();
    let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    for (jwks, why) in [
        (
            format!(r#"{{"keys":[{okp},"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}]}}"#),
            "private",
        ),
        (
            r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#.to_owned(),
            "shared secret",
        ),
        (
            format!(r#"{{"keys":[{okp},"kid":"{ours}"}}]}}"#),
            "already has the kid",
        ),
        ("{}".to_owned(), "others.json"),
        ("no JSON".to_owned(), "others.json"),
    ] {
        let found = files.with_others(&jwks).err().unwrap();
        assert!(
            found.contains(why) && found.contains("others.json"),
            "{why}: {found}"
        );
        assert!(
            !found.contains("nWGx") && !found.contains("c2Vj"),
            "{found}"
        );
    }
    assert!(files.with_others(r#"{"keys":[]}"#).is_ok());
}
