//! Every setting, with a value that changes the outcome of a token.

use std::collections::BTreeMap;
use std::fs;

use mcp_bearer_testkit::vectors::{self, Effect, Effects};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::{Value, json};

use crate::{NOW, Token, rsa_key};

/// Not a URL, so that no entrance looks for keys in its metadata.
const ISSUER: &str = "issuer-1";
const AUDIENCE: &str = Forge::AUDIENCE;
const OTHER: &str = "https://other.example.com/";

const ROOT: &str = "https://mcp.example.com";

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";
const JWKS_URI: &str = "http://127.0.0.1:1/jwks.json";

const SECRET: &str = "a secret that is as long as it has to be";

const NO_START: &str = "does not start";
const ACCEPTED: &str = "accepted";
const UNAVAILABLE: &str = "keys_unavailable";

pub(crate) fn write() {
    let mut effects = Effects {
        about:
            "Every setting by its name in Rust, with a value that changes the outcome for a token."
                .into(),
        now: NOW,
        files: BTreeMap::from([
            ("public.pem".into(), rsa_key().public_pem()),
            (
                "jwks.json".into(),
                json!({ "keys": [rsa_key().jwk()] }).to_string(),
            ),
            ("secret.txt".into(), SECRET.into()),
        ]),
        cases: Vec::new(),
    };
    let mut all = Cases(&mut effects.cases);
    keys(&mut all);
    decisions(&mut all);
    rules(&mut all);
    fetching(&mut all);
    all.add(
        "resource",
        json!(OTHER),
        &good(),
        [NO_START, "wrong_audience"],
    )
    .without("audience");
    // Both spellings of a resource without a path are its audience.
    for (resource, audience) in [
        (ROOT, "https://mcp.example.com/"),
        ("https://mcp.example.com/", ROOT),
    ] {
        let token = good().audience(audience);
        all.add("resource", json!(resource), &token, [NO_START, ACCEPTED])
            .without("audience");
    }
    all.add(
        "with_token_cache",
        json!(true),
        &good(),
        [ACCEPTED, "cached"],
    );
    let path = vectors::folder().join("settings").join("effects.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_string_pretty(&effects).unwrap() + "\n").unwrap();
}

struct Cases<'a>(&'a mut Vec<Effect>);

impl Cases<'_> {
    /// A setting added to a key, an issuer and an audience.
    fn add(
        &mut self,
        setting: &str,
        value: Value,
        token: &Forge,
        effect: [&str; 2],
    ) -> &mut Effect {
        let base = json!({ "public_key_file": "file:public.pem", "issuer": [ISSUER], "audience": [AUDIENCE] });
        let [without, with] = effect.map(str::to_owned);
        self.0.push(Effect {
            setting: setting.to_owned(),
            base: serde_json::from_value(base).unwrap(),
            value,
            token: token.clone().text(),
            without,
            with,
        });
        self.0.last_mut().unwrap()
    }
}

trait Base {
    fn without(&mut self, setting: &str) -> &mut Self;
    fn beside(&mut self, setting: &str, value: Value) -> &mut Self;
}

impl Base for Effect {
    fn without(&mut self, setting: &str) -> &mut Self {
        self.base.remove(setting).unwrap();
        self
    }

    fn beside(&mut self, setting: &str, value: Value) -> &mut Self {
        self.base.insert(setting.to_owned(), value);
        self
    }
}

fn good() -> Forge {
    by(&rsa_key())
}

fn by(key: &SigningKey) -> Forge {
    Forge::new(key, NOW)
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .scope("mcp:read")
}

fn keys(all: &mut Cases<'_>) {
    for (setting, value) in [
        ("public_key", "text:public.pem"),
        ("public_key_file", "file:public.pem"),
        ("jwks_json", "text:jwks.json"),
        ("jwks_file", "file:jwks.json"),
        ("key_file", "file:jwks.json"),
    ] {
        let effect = [NO_START, ACCEPTED];
        all.add(setting, json!(value), &good(), effect)
            .without("public_key_file");
    }
    let hmac = by(&SigningKey::hmac(SECRET));
    for (setting, value) in [
        ("shared_secret", "text:secret.txt"),
        ("shared_secret_file", "file:secret.txt"),
    ] {
        let effect = [NO_START, ACCEPTED];
        all.add(setting, json!(value), &hmac, effect)
            .without("public_key_file");
    }
    // With public keys.
    for (setting, value) in [
        ("shared_secret", "text:secret.txt"),
        ("shared_secret_file", "file:secret.txt"),
    ] {
        all.add(setting, json!(value), &hmac, [NO_START, ACCEPTED])
            .beside("algorithms", json!(["RS256", "HS256"]));
    }
    let effect = [NO_START, UNAVAILABLE];
    all.add("jwks_uri", json!(JWKS_URI), &good(), effect)
        .without("public_key_file");
    let own = good().issuer(NOWHERE);
    let discover = all.add("discover", json!(NOWHERE), &own, effect);
    discover.without("public_key_file").without("issuer");
}

fn decisions(all: &mut Cases<'_>) {
    all.add(
        "issuer",
        json!([OTHER]),
        &good(),
        [NO_START, "wrong_issuer"],
    )
    .without("issuer");
    // With what each of them overrides: in FastMCP an absent value means "any".
    let any = ["wrong_issuer", UNAVAILABLE];
    let issuer = all.add("any_issuer", json!(true), &good(), any);
    let issuer = issuer.without("issuer").without("public_key_file");
    issuer.beside("discover", json!(NOWHERE));
    let audience = all.add(
        "audience",
        json!([OTHER]),
        &good(),
        [NO_START, "wrong_audience"],
    );
    audience.without("audience");
    let any = ["wrong_audience", ACCEPTED];
    let audience = all.add("any_audience", json!(true), &good(), any);
    audience
        .without("audience")
        .beside("resource", json!(OTHER));
}

fn rules(all: &mut Cases<'_>) {
    let mut add = |setting: &str, value: Value, token: &Forge, effect: [&str; 2]| {
        all.add(setting, value, token, effect);
    };
    let rs384 = good().alg("RS384");
    add(
        "algorithms",
        json!(["RS384"]),
        &rs384,
        ["algorithm_not_allowed", ACCEPTED],
    );
    let lacking = "insufficient_scope";
    add(
        "required_scopes",
        json!(["mcp:admin"]),
        &good(),
        [ACCEPTED, lacking],
    );
    add(
        "leeway",
        json!(0),
        &good().expires_in(-30),
        [ACCEPTED, "expired"],
    );
    add(
        "max_age",
        json!(60),
        &good().issued_in(-3600),
        [ACCEPTED, "too_old"],
    );
    add(
        "token_type",
        json!("rfc9068"),
        &good(),
        [ACCEPTED, "wrong_token_type"],
    );
    let missing = [ACCEPTED, "missing_claim"];
    add(
        "required_claim",
        json!({ "tenant": ["blue", 7] }),
        &good(),
        missing,
    );
    let client = good().claim("client_id", "app");
    add(
        "allowed_client_ids",
        json!(["other"]),
        &client,
        [ACCEPTED, "claim_not_allowed"],
    );
    let eternal = good().without_claim("exp");
    add(
        "accept_tokens_that_never_expire",
        json!(true),
        &eternal,
        ["missing_claim", ACCEPTED],
    );
    let identity = good().claim("at_hash", "MTIzNDU2Nzg5MDEyMzQ1Ng");
    add(
        "accept_identity_token_shape",
        json!(true),
        &identity,
        ["wrong_token_type", ACCEPTED],
    );
    add(
        "without_rsa_kernel",
        json!(true),
        &good(),
        [ACCEPTED, "accepted, by AWS-LC alone"],
    );
    let roles = good().claim("roles", json!(["mcp:admin"]));
    let scopes = json!(["mcp:admin"]);
    all.add(
        "scope_claims",
        json!(["roles"]),
        &roles,
        [lacking, ACCEPTED],
    )
    .beside("required_scopes", scopes);
    all.add(
        "required_claim_containing",
        json!({ "groups": ["mcp"] }),
        &good().claim("groups", json!(["staff"])),
        [ACCEPTED, "claim_not_allowed"],
    );
    all.add(
        "accept_tokens_issued_in_the_future",
        json!(true),
        &good().issued_in(3600).expires_in(7200),
        ["not_yet_valid", ACCEPTED],
    );
    let nested = good().claim("realm_access", json!({ "roles": ["mcp:admin"] }));
    all.add(
        "scope_claims",
        json!(["scope", r#"["realm_access","roles"]"#]),
        &nested.without_claim("scope"),
        [lacking, ACCEPTED],
    )
    .beside("required_scopes", json!(["mcp:admin"]));
    all.add(
        "accept_scopes_beyond_consent",
        json!(true),
        &roles,
        [lacking, ACCEPTED],
    )
    .beside("required_scopes", json!(["mcp:read", "mcp:admin"]))
    .beside("scope_claims", json!(["scope", "roles"]));
    all.add(
        "also_accept_type",
        json!(["acme+jwt"]),
        &good().typ("acme+jwt"),
        ["wrong_token_type", ACCEPTED],
    );
    for (setting, value, asked) in [
        (
            "requested_scope_prefix",
            json!("api://id/"),
            "api://id/mcp:admin",
        ),
        (
            "requested_scope",
            json!({ "mcp:admin": "urn:all" }),
            "urn:all",
        ),
    ] {
        let asking = format!("{lacking} asking for {asked}");
        all.add(setting, value, &good(), [lacking, &asking])
            .beside("required_scopes", json!(["mcp:admin"]));
    }
    let admin = good().scope("mcp:admin");
    let implied = json!({ "mcp:admin": ["mcp:write", "mcp:read"] });
    all.add("scope_implies", implied, &admin, [lacking, ACCEPTED])
        .beside("required_scopes", json!(["mcp:read"]));
}

fn fetching(all: &mut Cases<'_>) {
    for (setting, value, address) in [
        ("ca_file", json!("file:public.pem"), JWKS_URI),
        ("proxy", json!("::"), JWKS_URI),
        ("ssrf_guard", json!(true), "https://127.0.0.1:1/"),
        ("max_freshness", json!(59), JWKS_URI),
        ("staleness_bound", json!(7 * 24 * 3600 + 1), JWKS_URI),
    ] {
        let effect = all.add(setting, value, &good(), [UNAVAILABLE, NO_START]);
        effect
            .without("public_key_file")
            .beside("jwks_uri", json!(address));
    }
    // A token that no key could save, so no source is asked.
    let broken = good().keep_segments(2);
    let http = all.add(
        "insecure_allow_http",
        json!(true),
        &broken,
        [NO_START, "malformed"],
    );
    http.without("public_key_file")
        .beside("jwks_uri", json!("http://idp.example.com/"));
}
