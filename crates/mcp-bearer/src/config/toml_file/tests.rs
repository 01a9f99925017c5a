use std::path::Path;
use std::time::Duration;

use mcp_bearer_core::{Algorithm, Expected};

use super::{OtherKey, OtherValue, ServerDraft, Shape, Value};
use crate::config::Keys;

const OTHERS: [OtherKey; 5] = [
    other("listen", Shape::Text("ADDRESS")),
    other("upstream", Shape::Text("URL")),
    other("tls.certificate", Shape::Path),
    other("admin.listen", Shape::Text("ADDRESS")),
    other("limits.streams", Shape::Number("STREAMS")),
];

const fn other(path: &'static str, shape: Shape) -> OtherKey {
    OtherKey { path, shape }
}

/// The draft, and the other keys that are there.
fn read(text: &str) -> (ServerDraft, Vec<OtherValue>) {
    let folder = Path::new("/etc/mcp-bearer");
    super::from_text(text, folder, &OTHERS).unwrap()
}

/// Every problem in the words of the file.
fn problems(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    let shown = format!("{}:", path.display());
    let error = match ServerDraft::read_toml(&path, &OTHERS) {
        Ok((draft, _)) => draft.check().unwrap_err(),
        Err(error) => error,
    };
    let cut = |words: String| words.strip_prefix(&shown).expect(&words).to_owned();
    error.own_words().into_iter().map(cut).collect()
}

/// The example of the documentation, with more issuers.
const WHOLE: &str = r#"
listen   = "0.0.0.0:8443"
resource = "https://mcp.example.com/mcp"
upstream = "http://127.0.0.1:9000/mcp"
token_cache = true

[[issuer]]
issuer = "https://idp.example.com/"
algorithms = ["RS256", "ES256"]
required_scopes = ["mcp:read"]

[[issuer]]
issuer = ["https://other.example.com/", "other"]
jwks_uri = "https://other.example.com/jwks.json"
audiences = ["one", "two"]
leeway = "2m"
required_claims = { tenant = ["blue", "green"], level = 3, "a.b" = { c = [1.5, true] } }

[[issuer]]
issuer = "a"
public_key_file = "keys/public.pem"

[[issuer]]
issuer = "b"
jwks_file = "/etc/jwks.json"

[[rule]]
method = "tools/call"
name   = "delete_*"
scopes = ["mcp:admin"]

[tls]
certificate = "server.pem"

[admin]
listen = "127.0.0.1:9901"
"#;

#[test]
fn a_whole_file_is_read() {
    let (draft, others) = read(WHOLE);
    assert_eq!(
        draft.resource.as_deref(),
        Some("https://mcp.example.com/mcp")
    );
    assert!(draft.cache.is_some());
    let paths: Vec<&str> = others.iter().map(|other| other.path).collect();
    assert_eq!(
        paths.join(" "),
        "admin.listen listen tls.certificate upstream"
    );
    // Relative to the file, as every path in it.
    let certificate = others.iter().find(|other| other.path == "tls.certificate");
    let certificate = certificate.unwrap();
    assert!(
        matches!(&certificate.value, Value::Path(path) if path == Path::new("/etc/mcp-bearer/server.pem"))
    );
    assert_eq!(certificate.at.line, 33);
    let [one, two, three, four] = draft.issuers.as_slice() else {
        panic!("{draft:?}");
    };
    assert!(
        matches!(&one.keys, Some(Keys::Discover(issuer)) if issuer == "https://idp.example.com/")
    );
    assert_eq!(one.audiences, None, "the resource takes its place");
    let algorithms = [Algorithm::Rs256, Algorithm::Es256];
    assert_eq!(one.algorithms.as_deref(), Some(algorithms.as_slice()));
    assert_eq!(one.required_scopes, ["mcp:read"]);
    let issuers = Expected::from(["https://other.example.com/", "other"]);
    assert_eq!(two.issuers, Some(issuers));
    assert!(matches!(&two.keys, Some(Keys::JwksUri(uri)) if uri.ends_with("jwks.json")));
    assert_eq!(two.audiences, Some(Expected::from(["one", "two"])));
    assert_eq!(two.leeway, Some(Duration::from_secs(120)));
    let claims = two.required_claims.iter();
    let claims: Vec<_> = claims
        .map(|(claim, values)| (claim.to_string(), values))
        .collect();
    assert_eq!(
        serde_json::to_string(&claims).unwrap(),
        r#"[["\"a.b\"",[{"c":[1.5,true]}]],["\"level\"",[3]],["\"tenant\"",["blue","green"]]]"#
    );
    // Relative to the file, wherever the program was started.
    let beside = Path::new("/etc/mcp-bearer/keys/public.pem");
    assert!(matches!(&three.keys, Some(Keys::PublicKeyFile(path)) if path == beside));
    let absolute = Path::new("/etc/jwks.json");
    assert!(matches!(&four.keys, Some(Keys::JwksFile(path)) if path == absolute));
}

#[test]
fn every_problem_is_reported_with_its_line() {
    let text = r#"resource = "not a url"
resourse = 1
"issuer.leeway" = "5s"

[[issuer]]
algorithms = ["RS256", "none", 3]
leeway = "soon"
required_scope = ["x"]
ssrf_guard = "yes"

[[issuer]]
issuer = 7
jwks_uri = "https://a.example/"
jwks_file = "a.json"
audiences = "x"
max_age = 60
required_claims = { at = 1979-05-27 }

[[issuer]]
issuer = "http://idp.example.com/"
leeway = "10m"
"#;
    let expected = [
        "1: resource: \"not a url\": ",
        "2: \"resourse\" is not known here; known: resource, token_cache, session_keys, ",
        "3: \"issuer.leeway\" is not known here",
        "5: no issuer: name the accepted one with issuer.issuer",
        "6: issuer.algorithms: must hold strings only",
        "6: issuer.algorithms: \"none\": ",
        "7: issuer.leeway: \"soon\": ",
        "8: issuer.\"required_scope\" is not known here; known: public_key, ",
        "9: issuer.ssrf_guard: must be true or false",
        "12: issuer.issuer: must be a string",
        "14: issuer.jwks_file and issuer.jwks_uri given together: ",
        "15: issuer.audiences: must be a list of strings",
        "16: issuer.max_age: must be a string such as \"60s\"",
        "17: issuer.required_claims: a claim has no type for dates",
        "20: issuer.issuer: http is allowed on loopback only; use https",
        "21: issuer.leeway: more than 300 s",
    ];
    let problems = problems(text);
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem} is not {expected}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn the_keys_of_a_program_are_read_like_settings() {
    let problems = problems(
        "listen = 1\ntls = 3\nlistn = \"a\"\n[limits]\nstreams = \"9\"\nstream = 9\n[admin]\nlisten = []\n",
    );
    let expected = [
        " no issuer is configured",
        "1: listen: must be a string",
        "2: tls: must be a table, written [tls]",
        "3: \"listn\" is not known here; known: resource, ",
        "5: limits.streams: must be a whole number",
        "6: limits.\"stream\" is not known here; known: streams",
    ];
    for expected in expected {
        let found = problems.iter().any(|problem| problem.starts_with(expected));
        assert!(found, "{expected}: {problems:#?}");
    }
    let (_, others) = read("[limits]\nstreams = 1_000\n");
    let [streams] = others.as_slice() else {
        panic!("{others:?}");
    };
    assert_eq!(streams.value.clone().into_text().unwrap(), "1000");
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        problems(""),
        [" no issuer is configured, and at least one is needed"]
    );
    let told = problems("[[issuer]]\nissuer = \"https://idp.example.com/\"\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("1: no audience: "), "{told:?}");
    let told = problems("[[issuer]]\nany_issuer = true\nany_audience = true\n");
    assert!(
        told[0].starts_with("1: no keys: give one of issuer.public_key, "),
        "{told:?}"
    );
    let told = problems("issuer = \"a\"\n");
    assert!(
        told[0].starts_with("1: issuer.issuer: must be written [[issuer]]"),
        "{told:?}"
    );
    assert!(problems("[[issuer]\n")[0].starts_with("1: not TOML: "));
    assert!(problems("a = 1\na = 2\n")[0].starts_with("2: not TOML: "));
    let error = ServerDraft::read_toml("no-such.toml".as_ref(), &[]).unwrap_err();
    let told = error.to_string();
    assert_eq!(told, "no-such.toml: there is no such file; check the path");
}

#[test]
fn an_issuer_that_is_named_twice_is_a_problem_of_the_second() {
    let entry = "[[issuer]]\nissuer = \"https://a.example/\"\naudiences = [\"x\"]\n";
    assert_eq!(
        problems(&entry.repeat(2)),
        ["5: issuer.issuer: \"https://a.example/\" is configured twice"]
    );
    let any =
        "[[issuer]]\nany_issuer = true\nany_audience = true\njwks_uri = \"https://a.example/\"\n";
    let told = problems(&format!("{entry}{any}"));
    let expected = "5: issuer.any_issuer: cannot be combined with other issuers; name each issuer";
    assert_eq!(told, [expected]);
}
