//! `keygen`, `token` and `demo` with every algorithm that `verify` takes.
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

use mcp_bearer_testkit::SigningKey;
use serde_json::{Value, json};
use support::{Demo, Place, pipe, run};

const ASYMMETRIC: [&str; 11] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
];

#[cfg(unix)]
fn mode(path: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_of_every_algorithm_sign_what_verify_accepts() {
    for algorithm in ASYMMETRIC {
        let place = Place::new();
        let out = place.file("keys");
        let ran = run(&["keygen", "--out", &out, "--algorithm", algorithm]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let file = |name: &str| format!("{out}/{name}");
        let text = std::fs::read_to_string(file("jwks.json")).unwrap();
        let jwks: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(jwks["keys"][0]["alg"], json!(algorithm));
        assert_eq!(jwks["keys"][0]["kid"], json!(ran.stdout.trim_end()));
        #[cfg(unix)]
        assert_eq!(mode(&file("private.pem")), 0o600);

        let private = file("private.pem");
        let ran = run(&["token", "--private-key", &private, "--algorithm", algorithm]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        for keys in [["--public-key", "public.pem"], ["--jwks", "jwks.json"]] {
            let rules = ["--any-issuer", "--any-audience", "--algorithm", algorithm];
            let keys = [keys[0], &file(keys[1])].map(ToOwned::to_owned);
            let mut arguments = vec!["verify", &keys[0], &keys[1]];
            arguments.extend(rules);
            let verified = pipe(&arguments, ran.stdout.as_bytes());
            assert_eq!(verified.code, Some(0), "{algorithm}: {verified:?}");
        }
    }
}

#[test]
fn a_shared_secret_is_one_file_that_only_its_owner_can_read() {
    let place = Place::new();
    let out = place.file("shared");
    let ran = run(&["keygen", "--out", &out, "--algorithm", "HS256"]);
    let secret = format!("{out}/secret.txt");
    ran.is(
        0,
        "",
        &format!("{secret}: signs and verifies tokens (--secret-file); keep it secret\n"),
    );
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    #[cfg(unix)]
    assert_eq!(mode(&secret), 0o600);
    let text = std::fs::read_to_string(&secret).unwrap();
    assert_eq!(text.len(), 86);

    // If no algorithm is given, it is the usual one.
    for algorithm in [
        &[][..],
        &["--algorithm", "HS384"],
        &["--algorithm", "HS512"],
    ] {
        let mut arguments = vec!["token", "--secret-file", &secret];
        arguments.extend(algorithm);
        let token = run(&arguments);
        assert_eq!(
            (token.code, token.stderr.as_str()),
            (Some(0), ""),
            "{token:?}"
        );
        assert!(!token.stdout.contains(&text));
        let mut arguments = vec!["verify", "--secret-file", &secret];
        arguments.extend(["--any-issuer", "--any-audience"]);
        arguments.extend(algorithm);
        let verified = pipe(&arguments, token.stdout.as_bytes());
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }
    // Not overwritten unasked.
    let ran = run(&["keygen", "--out", &out, "--algorithm", "HS512"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("secret.txt exists"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), text);
    let ran = run(&["keygen", "--out", &out, "--algorithm", "HS512", "--force"]);
    assert_eq!(ran.code, Some(0));
    assert_ne!(std::fs::read_to_string(&secret).unwrap(), text);
    #[cfg(unix)]
    assert_eq!(mode(&secret), 0o600);
}

#[test]
fn the_algorithm_is_that_of_the_key_unless_another_is_given() {
    let place = Place::new();
    let algorithm = |arguments: &[&str]| {
        let mut all = vec!["token"];
        all.extend(arguments);
        let ran = run(&all);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let inspected = pipe(&["inspect", "--format", "json"], ran.stdout.as_bytes());
        inspected.json()[0]["algorithm"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (name, key, usual) in [
        ("rsa.pem", SigningKey::shared_rsa_2048(), "RS256"),
        ("p256.pem", SigningKey::ec_p256(), "ES256"),
        ("p384.pem", SigningKey::ec_p384(), "ES384"),
        ("p521.pem", SigningKey::ec_p521(), "ES512"),
        ("ed.pem", SigningKey::ed25519(), "EdDSA"),
    ] {
        let file = place.write_private(name, key.private_pem());
        assert_eq!(algorithm(&["--private-key", &file]), usual);
    }
    let rsa = place.file("rsa.pem");
    assert_eq!(
        algorithm(&["--private-key", &rsa, "--algorithm", "PS512"]),
        "PS512"
    );
}

#[test]
fn options_that_do_not_fit_together_are_an_error() {
    let place = Place::new();
    let (rsa, secret) = (
        place.write_private("rsa.pem", SigningKey::shared_rsa_2048().private_pem()),
        place.write_private("secret", "a secret that is as long as it has to be"),
    );
    let out = place.file("out");
    let wrong: [(&[&str], &str); 9] = [
        (
            &["keygen", "--out", &out, "--algorithm", "none"],
            "--algorithm: \"none\": not a supported",
        ),
        (
            &[
                "keygen",
                "--out",
                &out,
                "--algorithm",
                "ES256",
                "--bits",
                "2048",
            ],
            "--bits: ES256 has no RSA key",
        ),
        (
            &[
                "keygen",
                "--out",
                &out,
                "--algorithm",
                "HS256",
                "--kid",
                "k",
            ],
            "--kid: a shared secret is never published",
        ),
        (
            &["token", "--private-key", &rsa, "--algorithm", "ES256"],
            "RSA 2048 bits cannot be used with ES256, only with RS256",
        ),
        (
            &["token", "--private-key", &rsa, "--algorithm", "HS256"],
            "cannot be used with HS256",
        ),
        (
            &["token", "--private-key", &rsa, "--algorithm", "x"],
            "--algorithm: \"x\": not a supported",
        ),
        (
            &["token", "--secret-file", &secret, "--algorithm", "HS512"],
            "cannot be used with HS512",
        ),
        (&["token", "--secret-file", &rsa], "--secret-file: "),
        (
            &["token", "--secret-file", &secret, "--private-key", &rsa],
            "cannot be used with",
        ),
    ];
    for (arguments, why) in wrong {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        assert!(!ran.stderr.contains("as long as"), "{ran:?}");
    }
    assert!(!std::path::Path::new(&out).exists());
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_may_read_gets_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let key = place.write("key.pem", SigningKey::ec_p256().private_pem());
    let secret = place.write("secret", "a secret that is as long as it has to be");
    for (mode, warned) in [
        (0o600, false),
        (0o400, false),
        (0o644, true),
        (0o640, true),
        (0o604, true),
    ] {
        for (option, path) in [("--private-key", &key), ("--secret-file", &secret)] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
            let ran = run(&["token", option, path]);
            let warning = format!(
                "warning: {option}: {path}: other users may read it (mode {mode:04o}); keep it to yourself with chmod 600\n"
            );
            let expected = if warned { warning.as_str() } else { "" };
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), expected));
        }
    }
}

#[test]
fn the_demo_signs_with_a_key_of_another_algorithm() {
    let place = Place::new();
    let key = place.write_private("ed.pem", SigningKey::ed25519().private_pem());
    let demo = Demo::start(&["--private-key", &key], "warn");
    let bearer = format!("Authorization: Bearer {}", demo.token());
    assert_eq!(demo.call("whoami", "{}", &[&bearer]).status(), 200);
    let other = run(&[
        "token",
        "--private-key",
        &key,
        "--issuer",
        demo.origin(),
        "--audience",
        demo.url(),
        "--scope",
        "mcp:read",
    ]);
    let bearer = format!("Authorization: Bearer {}", other.stdout.trim_end());
    assert_eq!(demo.call("whoami", "{}", &[&bearer]).status(), 200);
}
