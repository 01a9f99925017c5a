//! `check` and `--discover`: how keys are distinguished, why one cannot be used, and addresses that
//! are not an issuer's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    reason = "a test stops at the first surprise"
)]

mod support;

use mcp_bearer_testkit::{Forge, JwksServer, SigningKey, weak_keys};
use serde_json::{Value, json};
use support::{Place, pipe, run};

const CHECK: [&str; 5] = ["check", "--issuer", "I", "--audience", "A"];

fn check(more: &[&str]) -> support::Ran {
    let mut arguments = CHECK.to_vec();
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn two_keys_with_one_kid_are_distinguished() {
    let place = Place::new();
    let (one, other) = (
        SigningKey::ec_p256().with_kid("same"),
        SigningKey::ec_p256().with_kid("same"),
    );
    let alone = SigningKey::ec_p256().with_kid("alone");
    let set = json!({"keys": [one.jwk(), other.jwk(), alone.jwk()]});
    let file = place.write("jwks.json", set.to_string());
    let ran = check(&["--jwks", &file, "--algorithm", "ES256"]);
    for key in [&one, &other] {
        let line = format!(
            "  usable: key \"same\" with the thumbprint {}, EC P-256, for ES256\n",
            key.thumbprint()
        );
        assert!(ran.stdout.contains(&line), "{line}: {ran:?}");
    }
    let line = "  usable: key \"alone\", EC P-256, for ES256\n";
    assert!(ran.stdout.contains(line), "{ran:?}");
    let ran = check(&["--jwks", &file, "--algorithm", "ES256", "--format", "json"]);
    let keys = &ran.json()[0]["issuers"][0]["keys"];
    let thumbprints: Vec<&Value> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["thumbprint"])
        .collect();
    let expected = [one, other, alone].map(|key| json!(key.thumbprint()));
    assert_eq!(thumbprints, expected.iter().collect::<Vec<_>>());
}

#[test]
fn check_reports_why_a_key_in_a_file_cannot_be_used_as_verify_does() {
    let place = Place::new();
    let set = json!({"keys": [weak_keys::akp()]});
    let file = place.write("jwks.json", set.to_string());
    let checked = check(&["--jwks", &file]);
    let verified = pipe(
        &["verify", "--jwks", &file, "--any-issuer", "--any-audience"],
        b"x\n",
    );
    for ran in [&checked, &verified] {
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        let why = "no usable key; key number 1";
        assert!(ran.stderr.contains(why), "{ran:?}");
        assert!(ran.stderr.contains("\"AKP\" is not known"), "{ran:?}");
    }
}

#[test]
fn an_address_that_is_not_an_issuers_is_recognised() {
    let jwks = "https://idp.example.com/.well-known/jwks.json";
    let metadata = "https://idp.example.com/t/.well-known/openid-configuration";
    for (url, advice) in [
        (jwks, format!("give --jwks-uri {jwks:?} instead")),
        (
            metadata,
            "give the issuer, \"https://idp.example.com/t\" or \"https://idp.example.com/t/\""
                .to_owned(),
        ),
    ] {
        for arguments in [
            &["verify", "--any-audience", "--discover", url][..],
            &["check", "--audience", "A", "--discover", url],
        ] {
            let ran = run(arguments);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
            assert!(ran.stderr.contains(&advice), "{advice}: {ran:?}");
        }
    }
}

#[test]
fn what_is_worth_knowing_about_a_key_is_noted() {
    let place = Place::new();
    // A coordinate without its leading zero.
    let mut short = mcp_bearer_testkit::vectors::all()
        .into_iter()
        .flat_map(|file| file.settings)
        .find_map(|setting| match setting.keys {
            mcp_bearer_testkit::vectors::Keys::Jwks(set) => {
                let keys = set["keys"].as_array()?.clone().into_iter();
                keys.into_iter()
                    .find(|key| key["x"].as_str().is_some_and(|x| x.len() == 42))
            }
            _ => None,
        })
        .expect("a key with a short coordinate");
    short["kid"] = json!("short");
    let file = place.write("jwks.json", json!({ "keys": [short] }).to_string());
    let ran = check(&["--jwks", &file, "--algorithm", "ES256"]);
    let note = "  note: key \"short\": a coordinate is shorter than the curve's field";
    assert!(ran.stdout.contains(note), "{ran:?}");
    let ran = check(&["--jwks", &file, "--algorithm", "ES256", "--format", "json"]);
    let issuer = &ran.json()[0]["issuers"][0];
    assert!(
        issuer["keys"][0]["note"]
            .as_str()
            .unwrap()
            .contains("coordinate")
    );
    assert!(issuer["notes"][0].as_str().unwrap().contains("coordinate"));

    let weak = place.write("weak.txt", "secret42secret42secret42secret42");
    let ran = check(&["--secret-file", &weak]);
    let note =
        "  note: the shared secret has fewer than 8 different bytes, and is easily guessed\n";
    assert!(ran.stdout.contains(note), "{ran:?}");
    assert!(ran.stderr.contains("easily guessed"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("secret42"), "{ran:?}");
}

#[test]
fn two_kinds_of_keys_are_both_listed_and_a_published_secret_is_a_problem() {
    let place = Place::new();
    let secret = "correct-horse-battery-staple-1234567890";
    let secret_file = place.write("secret.txt", secret);
    let key = SigningKey::ec_p256().with_kid("a");
    let good = place.write("jwks.json", key.jwks().to_string());
    let both = [
        "--secret-file",
        &secret_file,
        "--algorithm",
        "ES256",
        "--algorithm",
        "HS256",
    ];
    let ran = check(&[&["--jwks", &good], &both[..]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for line in [
        "  usable: the shared secret, shared secret of 39 bytes, for HS256",
        "  usable: key \"a\", EC P-256, for ES256",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {ran:?}");
    }
    let verify = |forge: Forge| {
        let mut arguments = vec!["verify", "--jwks", &good, "--issuer", Forge::ISSUER];
        arguments.extend(["--audience", Forge::AUDIENCE, "--at", "1800000000"]);
        arguments.extend(both);
        pipe(&arguments, forge.token().as_bytes())
    };
    let hmac = |secret: String| Forge::new(&SigningKey::hmac(secret), 1_800_000_000).alg("HS256");
    assert_eq!(verify(hmac(secret.to_owned())).code, Some(0));
    assert_eq!(verify(Forge::new(&key, 1_800_000_000)).code, Some(0));
    let forged = verify(hmac(key.public_pem()));
    assert_eq!(forged.code, Some(1), "{forged:?}");
    assert!(forged.stdout.contains("bad_signature"), "{forged:?}");

    let leak = json!({ "keys": [key.jwk(), { "kty": "oct", "k": secret }] });
    let leak = place.write("leak.json", leak.to_string());
    let ran = check(&[&["--jwks", &leak], &both[..]].concat());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let problem = "--jwks and --secret-file: the key set holds the shared secret";
    assert!(ran.stderr.contains(problem), "{ran:?}");
    let server = JwksServer::start();
    server.set_keys(vec![key.jwk(), json!({ "kty": "oct", "k": secret })]);
    let ran = check(&[&["--jwks-uri", &server.url()], &both[..]].concat());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let problem = "  problem: the key set holds the shared secret";
    assert!(ran.stdout.contains(problem), "{ran:?}");
    let ran = check(&["--jwks", &good, "--secret-file", &secret_file]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.stderr.contains("list the algorithms of both"),
        "{ran:?}"
    );
}

#[test]
fn what_clients_must_request_is_shown_if_it_differs() {
    let place = Place::new();
    let key = SigningKey::shared_rsa_2048();
    let file = place.write("jwks.json", key.jwks().to_string());
    let rules = [
        "--jwks",
        &file,
        "--scope",
        "read",
        "--requested-scope-prefix",
        "api://id/",
    ];
    let ran = check(&rules);
    assert!(
        ran.stdout
            .contains("  clients must request api://id/read\n"),
        "{ran:?}"
    );
    let ran = check(&[&rules[..], &["--format", "json"]].concat());
    let issuer = &ran.json()[0]["issuers"][0];
    assert_eq!(issuer["scopes_to_request"], json!(["api://id/read"]));
    let plain = check(&["--jwks", &file, "--scope", "read"]);
    assert!(!plain.stdout.contains("clients must request"), "{plain:?}");
    let mut verify = vec![
        "verify",
        "--any-issuer",
        "--any-audience",
        "--format",
        "json",
    ];
    verify.extend(rules);
    for token in [
        "nonsense".to_owned(),
        Forge::new(&key, 1_800_000_000).scope("x").token(),
    ] {
        let ran = pipe(&verify, token.as_bytes());
        let challenge = ran.json()[0]["www_authenticate"].to_string();
        assert!(challenge.contains("api://id/read"), "{ran:?}");
    }
}
