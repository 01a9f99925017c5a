//! `check` and `--discover`: which key is which, why one cannot be used, and addresses that are no
//! issuer's.
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

use mcp_bearer_testkit::{SigningKey, weak_keys};
use serde_json::{Value, json};
use support::{Place, pipe, run};

const CHECK: [&str; 5] = ["check", "--issuer", "I", "--audience", "A"];

fn check(more: &[&str]) -> support::Ran {
    let mut arguments = CHECK.to_vec();
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn two_keys_of_one_kid_are_told_apart() {
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
fn check_says_why_a_key_of_a_file_cannot_be_used_as_verify_does() {
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
fn an_address_that_is_no_issuers_is_recognised() {
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
