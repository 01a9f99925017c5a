use std::path::Path;
use std::time::Duration;

use mcp_bearer::Algorithm;

use super::{Config, KeysFrom};

fn read(text: &str) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    let shown = format!("{}:", path.display());
    Config::read(&path).map_err(|problems| {
        let cut = |problem: String| problem.strip_prefix(&shown).expect(&problem).to_owned();
        problems.into_iter().map(cut).collect()
    })
}

/// The example of the documentation, with more issuers.
const WHOLE: &str = r#"
listen   = "0.0.0.0:8443"
resource = "https://mcp.example.com/mcp"
upstream = "http://127.0.0.1:9000/mcp"
allowed_origins = ["https://app.example.com"]

[[issuer]]
issuer = "https://idp.example.com/"
algorithms = ["RS256", "ES256"]
required_scopes = ["mcp:read"]

[[issuer]]
issuer = "https://other.example.com/"
jwks_uri = "https://other.example.com/jwks.json"
audiences = ["one", "two"]
leeway = "2m"

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
    let config = read(WHOLE).unwrap();
    let resource = "https://mcp.example.com/mcp";
    assert_eq!(config.resource.as_deref(), Some(resource));
    assert_eq!(
        config.unread.join(" "),
        "listen upstream allowed_origins rule tls admin"
    );
    let [one, two, three, four] = config.issuers.as_slice() else {
        panic!("{config:?}");
    };
    assert!(matches!(one.keys, KeysFrom::Discovery));
    assert_eq!(one.audiences, [resource]);
    assert_eq!(one.algorithms, [Algorithm::Rs256, Algorithm::Es256]);
    assert_eq!(one.required_scopes, ["mcp:read"]);
    assert!(matches!(&two.keys, KeysFrom::JwksUri(url) if url.ends_with("jwks.json")));
    assert_eq!(two.audiences, ["one", "two"]);
    assert_eq!(two.leeway, Some(Duration::from_secs(120)));
    // Beside the file, wherever the program was started.
    assert!(
        matches!(&three.keys, KeysFrom::File(path) if path.is_absolute() && path.ends_with("keys/public.pem"))
    );
    assert!(matches!(&four.keys, KeysFrom::File(path) if path == Path::new("/etc/jwks.json")));
}

#[test]
fn every_problem_is_told_with_its_line() {
    let text = r#"resource = "not a url"
resourse = 1

[[issuer]]
algorithms = ["RS256", "none", 3]
leeway = "soon"
required_scope = ["x"]

[[issuer]]
issuer = 7
jwks_uri = "https://a.example/"
jwks_file = "a.json"
audiences = "x"
"#;
    let problems = read(text).unwrap_err();
    let expected = [
        "2: \"resourse\" is not known here",
        "1: resource \"not a url\": ",
        "4: issuer.issuer: missing",
        "5: issuer.algorithms: must hold strings only",
        "5: issuer.algorithms: \"none\": ",
        "6: issuer.leeway: \"soon\": ",
        "7: issuer.\"required_scope\" is not known here; known: issuer, ",
        "10: issuer.issuer: must be a string",
        "12: issuer: jwks_uri and jwks_file given together",
        "13: issuer.audiences: must be a list of strings",
    ];
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem} is not {expected}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn what_is_missing_is_named() {
    assert!(read("").unwrap_err()[0].starts_with(" no [[issuer]]"));
    let problems = read("[[issuer]]\nissuer = \"a\"\n").unwrap_err();
    assert!(
        problems[0].starts_with("1: issuer.audiences: missing"),
        "{problems:?}"
    );
    let problems = read("issuer = \"a\"\n").unwrap_err();
    assert!(
        problems[0].starts_with("1: issuer: must be written [[issuer]]"),
        "{problems:?}"
    );
    assert!(read("[[issuer]\n").unwrap_err()[0].starts_with("1: not TOML: "));
    assert!(read("a = 1\na = 2\n").unwrap_err()[0].starts_with("2: not TOML: "));
}
