//! Tokens as real issuers write them, and other good ones that careless verifiers would refuse.

use mcp_bearer_testkit::vectors::Setting;
use serde_json::{Value, json};

use crate::{
    Accepted, Book, Page, ec, ed, header_and, key, names, rsa, setting, usual, usual_with_client,
    usual_with_scopes, with_claim,
};

pub(crate) fn write(book: &mut Book) {
    issuers(book);
    plain(book);
}

/// Shapes of access tokens of well-known products (names and values made up).
fn issuers(book: &mut Book) {
    let mut page = Page::new(
        "good/issuers.json",
        "Access tokens in the shapes of well-known issuers.",
        setting(),
    );
    let keycloak = rsa()
        .claim("auth_time", 1_799_999_990)
        .claim("jti", "onrtac:5a4c7b0e-8f2d-4b5e-9a0c-0f5a2f3c1d2e")
        .claim("typ", "Bearer")
        .claim("azp", "mcp-client")
        .claim("sid", "c5b3a1d2-0000-4000-8000-000000000000")
        .claim("acr", "1")
        .claim("allowed-origins", json!(["*"]))
        .claim(
            "realm_access",
            json!({"roles": ["offline_access", "uma_authorization"]}),
        )
        .claim(
            "resource_access",
            json!({"account": {"roles": ["manage-account"]}}),
        )
        .claim("email_verified", false)
        .claim("preferred_username", "zoë")
        .scope("openid mcp:read profile");
    page.accept_as(
        "19",
        "Keycloak",
        keycloak,
        Accepted {
            client_id: Some("mcp-client".into()),
            ..usual_with_scopes(&["openid", "mcp:read", "profile"])
        },
    );
    let entra = rsa()
        .header("x5t", "HS23b7Do7TcaU1RoLHwpIq24VYg")
        .without_claim("scope")
        .claim("scp", "mcp:read user_impersonation")
        .claim("appid", "11111111-2222-3333-4444-555555555555")
        .claim("appidacr", "1")
        .claim("tid", "99999999-2222-3333-4444-555555555555")
        .claim("oid", "77777777-2222-3333-4444-555555555555")
        .claim("aio", "E2ZgYGi")
        .claim("uti", "abc")
        .claim("ver", "1.0")
        .claim("nbf", 1_799_999_700)
        .claim("amr", json!(["pwd", "mfa"]))
        .claim(
            "groups",
            (0..100)
                .map(|n| format!("00000000-0000-0000-0000-{n:012}"))
                .collect::<Vec<_>>(),
        );
    page.accept_as(
        "19",
        "Entra ID",
        entra,
        Accepted {
            client_id: Some("11111111-2222-3333-4444-555555555555".into()),
            ..usual_with_scopes(&["mcp:read", "user_impersonation"])
        },
    );
    let okta = rsa()
        .without_header("typ")
        .without_claim("scope")
        .claim("scp", json!(["mcp:read", "openid"]))
        .claim("ver", 1)
        .claim("cid", "0oa1b2c3")
        .claim("uid", "00u1");
    page.accept_as(
        "19",
        "Okta",
        okta,
        Accepted {
            client_id: Some("0oa1b2c3".into()),
            ..usual_with_scopes(&["mcp:read", "openid"])
        },
    );
    let auth0 = rsa()
        .audience(json!([
            "https://mcp.example.com/mcp",
            "https://tenant.auth0.example/userinfo"
        ]))
        .claim("azp", "app")
        .claim("gty", "client-credentials")
        .claim("permissions", json!([]));
    page.accept_as("19", "Auth0", auth0, usual_with_client("app"));
    let cognito = rsa()
        .without_header("typ")
        .claim("token_use", "access")
        .claim("client_id", "5example")
        .claim("username", "u")
        .claim("cognito:groups", json!(["a"]))
        .claim("version", 2)
        .claim("event_id", "x");
    page.accept_as(
        "19",
        "Cognito, with an audience",
        cognito,
        usual_with_client("5example"),
    );
    let rfc9068 = rsa()
        .typ("at+JWT")
        .claim("client_id", "s6BhdRkqt3")
        .claim("jti", "dbe39bf3a3ba4238a513f51d6e1691c4")
        .scope("openid mcp:read");
    page.accept_as(
        "19",
        "RFC 9068 section 2.2",
        rfc9068,
        Accepted {
            client_id: Some("s6BhdRkqt3".into()),
            ..usual_with_scopes(&["openid", "mcp:read"])
        },
    );
    let fastmcp = rsa()
        .without_header("typ")
        .without_header("kid")
        .subject("fastmcp-user");
    page.accept_as(
        "19",
        "FastMCP's own key pair",
        fastmcp,
        Accepted {
            subject: Some("fastmcp-user".into()),
            ..usual()
        },
    );
    let dex = rsa()
        .audience("https://mcp.example.com/mcp")
        .claim("name", "x")
        .claim("email", "a@b");
    page.accept("19", "Dex without at_hash", dex);
    let hydra = ec()
        .claim("ext", json!({}))
        .without_claim("scope")
        .claim("scp", json!(["mcp:read"]))
        .claim("client_id", "c");
    page.accept_as("19", "Hydra by ES256", hydra, usual_with_client("c"));
    let zitadel = rsa()
        .claim(
            "urn:zitadel:iam:org:project:roles",
            json!({"admin": {"1": "x"}}),
        )
        .claim("client_id", "z");
    page.accept_as("19", "Zitadel", zitadel, usual_with_client("z"));
    let google = rsa()
        .claim("azp", "g")
        .claim("email_verified", true)
        .claim("hd", "example.com");
    page.accept_as("19", "Google", google, usual_with_client("g"));
    let graph = rsa()
        .header("nonce", "bMQ1h3xkO2Yx0c1m9n7r5t3v1x9z7b5d3f1h")
        .header("x5t", "HS23b7Do7TcaU1RoLHwpIq24VYg")
        .audience("00000003-0000-0000-c000-000000000000")
        .flip_signature_bit(7);
    for issuer in [
        "https://sts.windows.net/99999999-2222-3333-4444-555555555555/",
        "https://login.microsoftonline.com/99999999-2222-3333-4444-555555555555/v2.0",
    ] {
        page.reject_as(
            "9",
            &format!("a token for Microsoft Graph from {issuer}"),
            "bad_signature",
            "made for Microsoft Graph",
            graph.clone().issuer(issuer),
        );
    }
    page.reject_as(
        "9",
        "a nonce in the header of another issuer's token",
        "bad_signature",
        "the signature does not verify with the key",
        rsa().header("nonce", "x").flip_signature_bit(7),
    );
    page.accept(
        "9",
        "a nonce in the header of a token that verifies",
        rsa().header("nonce", "x"),
    );
    page.reject(
        "17",
        "Cognito's ID token",
        "wrong_token_type",
        rsa().claim("token_use", "id").claim("at_hash", "x"),
    );
    page.reject(
        "17",
        "Keycloak's ID token",
        "wrong_token_type",
        rsa().claim("typ", "ID").claim("azp", "mcp-client"),
    );
    page.reject(
        "17",
        "Keycloak's refresh token",
        "wrong_token_type",
        rsa().claim("typ", "Refresh"),
    );
    page.reject(
        "14",
        "Cognito, without an audience",
        "missing_claim",
        rsa().without_claim("aud").claim("token_use", "access"),
    );
    page.reject(
        "17",
        "Dex with at_hash",
        "wrong_token_type",
        rsa().claim("at_hash", "x"),
    );
    page.finish(book);
}

fn plain(book: &mut Book) {
    let mut page = Page::new(
        "good/unusual.json",
        "Good tokens that careless verifiers refuse.",
        setting(),
    );
    page.accept(
        "9",
        "members of the header in another order",
        rsa().raw_header(r#"{"kid":"rsa-a","typ":"JWT","alg":"RS256"}"#),
    );
    page.accept(
        "3",
        "a pretty-printed header",
        rsa().raw_header("{\n  \"alg\": \"RS256\",\n  \"kid\": \"rsa-a\"\n}\n"),
    );
    page.accept(
        "3",
        "the smallest header",
        rsa().raw_header(r#"{"alg":"RS256"}"#),
    );
    page.accept(
        "3",
        "unknown members in the header",
        header_and(r#""cty":"JWT","x":{"a":[1,2,{"b":null}]},"ver":1.5"#),
    );
    page.accept(
        "3",
        "iss, sub and aud repeated in the header",
        header_and(r#""iss":"https://idp.example.com/","sub":"user-1","aud":"x""#),
    );
    page.accept("3", "a long header", rsa().header("x", "y".repeat(4000)));
    page.accept("6", "cty", rsa().header("cty", "json"));
    page.accept("10", "long claims", rsa().claim("x", "y".repeat(8000)));
    page.accept("10", "500 unknown claims", {
        let mut forge = rsa();
        for n in 0..500 {
            forge = forge.claim(&format!("c{n}"), n);
        }
        forge
    });
    page.accept_as(
        "15",
        "a subject in Japanese",
        rsa().subject("利用者"),
        Accepted {
            subject: Some("利用者".into()),
            ..usual()
        },
    );
    page.accept_as(
        "15",
        "a subject of 5000 characters",
        rsa().subject(&"s".repeat(5000)),
        Accepted {
            subject: Some("s".repeat(5000)),
            ..usual()
        },
    );
    page.accept_as(
        "15",
        "an e-mail as subject",
        rsa().subject("auth0|a@b.example"),
        Accepted {
            subject: Some("auth0|a@b.example".into()),
            ..usual()
        },
    );
    page.accept_as("15", "only the needed claims", rsa().raw_claims(r#"{"iss":"https://idp.example.com/","aud":["https://mcp.example.com/mcp"],"exp":1800003600,"scp":["mcp:read"]}"#), Accepted { subject: None, ..usual() });
    page.accept_as(
        "11",
        "all dates as fractions",
        rsa()
            .claim("exp", 1_800_003_600.75)
            .claim("iat", 1_799_999_999.25)
            .claim("nbf", 1_799_999_999.25),
        Accepted {
            expires_at: Some(1_800_003_600.75),
            ..usual()
        },
    );
    page.accept_as(
        "11",
        "a lifetime of ten years",
        rsa().expires_in(315_360_000),
        Accepted {
            expires_at: Some(2_115_360_000.0),
            ..usual()
        },
    );
    page.accept("12", "iat before the epoch", with_claim("iat", "-1"));
    page.accept(
        "16",
        "act, as token exchange has it",
        rsa().claim("act", json!({"sub": "other"})),
    );
    page.accept(
        "16",
        "authorization_details",
        rsa().claim("authorization_details", json!([{"type": "x"}])),
    );
    page.accept(
        "10",
        "null in an unknown claim",
        rsa().claim("x", Value::Null),
    );
    page.accept("9", "ES256", ec());
    page.accept("9", "EdDSA", ed());
    page.reject(
        "9",
        "the same, signed by another",
        "bad_signature",
        rsa().sign_with(&key("rsa-b")),
    );
    page.finish(book);

    let url = "urn:example:issuer";
    let odd = Setting {
        issuers: Some(names(&[url, "ünïcode 'issuer'"])),
        audiences: Some(names(&["audience with spaces", "日本"])),
        scopes: Vec::new(),
        ..setting()
    };
    let mut page = Page::new(
        "good/odd_names.json",
        "Steps 13 and 14: any string is a legal issuer or audience.",
        odd,
    );
    page.accept(
        "13",
        "a URN",
        rsa().issuer(url).audience("audience with spaces"),
    );
    page.accept(
        "13",
        "unicode",
        rsa().issuer("ünïcode 'issuer'").audience("日本"),
    );
    page.accept(
        "14",
        "unicode, escaped",
        rsa()
            .issuer(url)
            .without_claim("aud")
            .claims_prefix(r#""aud":"\u65e5\u672c","#),
    );
    page.reject(
        "13",
        "unicode in another normal form",
        "wrong_issuer",
        rsa()
            .issuer("u\u{308}ni\u{308}code 'issuer'")
            .audience("日本"),
    );
    page.finish(book);
}
