use std::fs;

use tempfile::TempDir;

use crate::GatewayDraft;

/// What is wrong with a file, after a start that is right; nothing for a good one.
fn problems(more: &str, assertion: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = format!(
        "resource = \"https://mcp.example.com/mcp\"\nupstream = \"http://127.0.0.1:9000/mcp\"\n\
         {more}\n[assertion]\nprivate_key_file = \"assertion.pem\"\n{assertion}"
    );
    fs::write(&path, text).unwrap();
    let checked = GatewayDraft::read_toml(&path).unwrap().check();
    checked.map_or_else(|error| error.to_string(), |_| String::new())
}

const OTHER: &str = "[[issuer]]\ndiscover = \"https://idp.example.com/\"";
const OURS: &str = "[[issuer]]\ndiscover = \"https://mcp.example.com\"";
const ANY: &str = "[[issuer]]\njwks_uri = \"https://idp.example.com/jwks\"\nany_issuer = true";

#[test]
fn the_gateway_would_refuse_its_own_assertions() {
    assert_eq!(problems(OTHER, ""), "");
    let found = problems(OURS, "");
    assert!(
        found.contains("assertion.issuer: \"https://mcp.example.com\" is an issuer"),
        "{found}"
    );
    let both = format!("{OTHER}\n{OURS}");
    assert!(
        problems(&both, "").contains("is an issuer whose tokens"),
        "one of several"
    );
    let own = "issuer = \"https://gateway.example.com\"";
    assert_eq!(problems(OURS, own), "");
    let named = problems(OTHER, "issuer = \"https://idp.example.com/\"");
    assert!(named.contains("toml:7: assertion.issuer"), "{named}");
}

#[test]
fn with_any_issuer_the_audience_keeps_assertions_out() {
    assert_eq!(problems(ANY, ""), "");
    let same = "audience = \"https://mcp.example.com/mcp\"";
    let found = problems(ANY, same);
    assert!(
        found.contains("assertion.audience: the gateway accepts tokens of any issuer"),
        "{found}"
    );
    assert_eq!(problems(OTHER, same), "", "the issuer keeps them out");
    let any_audience = format!("{ANY}\nany_audience = true");
    assert!(problems(&any_audience, "").contains("of any issuer for"));
}
