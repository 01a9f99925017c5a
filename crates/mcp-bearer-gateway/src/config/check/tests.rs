use std::fs;
use std::path::Path;

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

/// The problems of a file, with those of the files that it names.
fn problems_of_files(folder: &TempDir, tables: &str) -> Vec<String> {
    let path = folder.path().join("gateway.toml");
    let text = format!(
        "resource = \"https://mcp.example.com/mcp\"\nupstream = \"http://127.0.0.1:9000/mcp\"\n\
         upstream_ca_file = \"ca.pem\"\n{OTHER}\n{tables}"
    );
    fs::write(&path, text).unwrap();
    let draft = GatewayDraft::read_toml(&path).unwrap();
    assert_eq!(draft.clone().check().err(), None, "without its files");
    let checked = draft.with_files().check();
    checked.map_or_else(|error| error.own_words(), |_| Vec::new())
}

/// A file of the library's tests.
fn copy(folder: &TempDir, from: &str, to: &str) {
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mcp-bearer/tests/keys_sources/tls");
    fs::copy(tls.join(from), folder.path().join(to)).unwrap();
}

const FILES: &str = "[tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n\
    [assertion]\nprivate_key_file = \"own.pem\"\nother_keys_file = \"others.json\"\n\
    [admin]\nlisten = \"127.0.0.1:0\"\nsecret_file = \"SECRET\"\n[audit]\nfile = \"AUDIT\"\n";

#[test]
fn every_file_that_a_start_reads_is_checked_at_once() {
    let folder = TempDir::new().unwrap();
    let tables = FILES.replace("SECRET", "no/secret");
    let tables = tables.replace("AUDIT", "gateway.toml/audit.jsonl");
    fs::write(folder.path().join("server.key"), "no key").unwrap();
    fs::write(folder.path().join("others.json"), "{}").unwrap();
    let found = problems_of_files(&folder, &tables);
    for expected in [
        "toml:3: upstream_ca_file: ",
        "toml:7: tls.certificate: ",
        "toml:8: tls.private_key: ",
        "toml:10: assertion.private_key_file: ",
        "toml:11: assertion.other_keys_file: ",
        "toml:14: admin.secret_file: ",
        "toml:16: audit.file: ",
    ] {
        let all = found.iter().filter(|line| line.contains(expected));
        assert_eq!(all.count(), 1, "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), 7, "{found:#?}");
    let quoted = found.iter().find(|line| line.contains("no key"));
    assert_eq!(quoted, None, "no text of a file is in an error");
}

#[test]
fn a_check_makes_no_file_and_leaves_the_others_as_they_are() {
    let folder = TempDir::new().unwrap();
    let tables = "[admin]\nlisten = \"127.0.0.1:0\"\nsecret_file = \"secret\"\n\
                  [audit]\nfile = \"audit.jsonl\"\n";
    copy(&folder, "ca.pem", "ca.pem");
    assert_eq!(problems_of_files(&folder, tables), [""; 0]);
    let names = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ca.pem", "gateway.toml"]);
    fs::write(folder.path().join("secret"), "short").unwrap();
    fs::write(folder.path().join("audit.jsonl"), "{}\n").unwrap();
    let found = problems_of_files(&folder, tables);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("toml:8: admin.secret_file: "),
        "{found:#?}"
    );
    let log = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert_eq!(log, "{}\n");
}

#[test]
fn a_key_of_another_certificate_is_a_problem_of_the_key() {
    let folder = TempDir::new().unwrap();
    copy(&folder, "ca.pem", "ca.pem");
    copy(&folder, "server.pem", "server.pem");
    let tables = "[tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";
    for (key, problems) in [("server.key", 0), ("other.key", 1)] {
        copy(&folder, key, "server.key");
        let found = problems_of_files(&folder, tables);
        assert_eq!(found.len(), problems, "{found:#?}");
        let of_key = found
            .iter()
            .all(|line| line.contains("toml:8: tls.private_key: "));
        assert!(of_key, "{found:#?}");
    }
}
