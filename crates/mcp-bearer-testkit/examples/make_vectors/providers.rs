//! Access tokens in the shapes of the identity providers of `docs/identity-providers.md`: one file
//! per provider, with the settings of that page. Names, identifiers and values are made up.

use std::collections::BTreeMap;

use mcp_bearer_testkit::vectors::{Accepted, ClaimPlace, Keys, PolicyOptions, Setting};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::{Value, json};

use crate::{Book, NOW, Page, key, names};

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const TENANT: &str = "9f1c2e3d-0000-4000-8000-000000000001";
const API: &str = "5b6c7d8e-0000-4000-8000-000000000002";
const CLIENT: &str = "1a2b3c4d-0000-4000-8000-000000000003";
const USER: &str = "7e8f9a0b-0000-4000-8000-000000000004";

pub(crate) fn write(book: &mut Book) {
    entra_v1(book);
    entra_v2(book);
    auth0(book);
    okta(book);
    keycloak(book);
    google(book);
    cognito(book);
    clerk(book);
    workos(book);
    supabase(book);
    firebase(book);
    zitadel(book);
    authentik(book);
    dex(book);
    adfs(book);
}

/// A provider's signing key and what its tokens must contain.
struct Provider {
    key: SigningKey,
    setting: Setting,
}

impl Provider {
    /// RS256 with one key, whose JWK has the members that this provider adds.
    fn new(issuer: &str, audience: &str, scopes: &[&str], kid: &str, members: Value) -> Self {
        Self::with_key(
            key("rsa-a").with_kid(kid),
            "RS256",
            issuer,
            audience,
            scopes,
            members,
        )
    }

    fn with_key(
        key: SigningKey,
        algorithm: &str,
        issuer: &str,
        audience: &str,
        scopes: &[&str],
        members: Value,
    ) -> Self {
        let mut jwk = key.jwk();
        for (name, value) in members.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        let setting = Setting {
            keys: Keys::Jwks(json!({ "keys": [jwk] })),
            issuers: Some(names(&[issuer])),
            audiences: Some(names(&[audience])),
            algorithms: names(&[algorithm]),
            scopes: names(scopes),
            leeway: None,
            policy: PolicyOptions::default(),
        };
        Self { key, setting }
    }

    fn page(&self, path: &'static str, about: &str) -> Page {
        Page::new(path, about, self.setting.clone())
    }

    /// A token of this issuer for this server, without further claims.
    fn token(&self) -> Forge {
        let one = |list: &Option<Vec<String>>| list.as_ref().unwrap()[0].clone();
        let forge = Forge::new(&self.key, NOW).issuer(&one(&self.setting.issuers));
        match &self.setting.audiences {
            Some(audiences) => forge.audience(audiences[0].as_str()),
            None => forge.without_claim("aud"),
        }
    }

    fn with_policy(&self, policy: PolicyOptions) -> Setting {
        Setting {
            policy,
            ..self.setting.clone()
        }
    }
}

fn says(subject: &str, client: &str, scopes: &[&str]) -> Accepted {
    Accepted {
        subject: Some(subject.to_owned()),
        client_id: Some(client.to_owned()),
        scopes: names(scopes),
        expires_at: Some(1_800_003_600.0),
    }
}

fn entra_v1(book: &mut Book) {
    let issuer = format!("https://sts.windows.net/{TENANT}/");
    let audience = format!("api://{API}");
    let kid = "i6lGk3FZzxRcUb2C3nEQ7syHJlY";
    let members = json!({"use": "sig", "x5t": kid, "x5c": ["MIIDBTCC"], "issuer": issuer});
    let entra = Provider::new(&issuer, &audience, &["mcp.read"], kid, members);
    let token = |entra: &Provider| {
        entra
            .token()
            .header("x5t", kid)
            .subject(USER)
            .claim("nbf", NOW)
            .claim("acr", "1")
            .claim("aio", "AXQAi/8IAAAAFm")
            .claim("amr", json!(["pwd", "mfa"]))
            .claim("appid", CLIENT)
            .claim("appidacr", "0")
            .claim("ipaddr", "192.0.2.1")
            .claim("name", "Alice")
            .claim("oid", USER)
            .claim("rh", "I")
            .claim("scp", "mcp.read user_impersonation")
            .claim("tid", TENANT)
            .claim("unique_name", "alice@example.com")
            .claim("uti", "FVsGxYXI30-TuikuuUoFAA")
            .claim("ver", "1.0")
    };
    let mut page = entra.page(
        "providers/entra-v1.json",
        "Microsoft Entra ID, tokens of version 1.0.",
    );
    let accepted = says(USER, CLIENT, &["mcp.read", "user_impersonation"]);
    page.accept_as("19", "a user's token", token(&entra), accepted);
    let v2 = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    page.reject(
        "13",
        "version 2.0, after accessTokenAcceptedVersion was set to 2",
        "wrong_issuer",
        token(&entra).issuer(&v2).audience(API),
    );
    page.reject(
        "14",
        "for Microsoft Graph",
        "wrong_audience",
        token(&entra).audience("00000003-0000-0000-c000-000000000000"),
    );
    page.finish(book);
}

fn entra_v2(book: &mut Book) {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let kid = "jS1Xo1OWDj_52vbwGNgvQO2VzMc";
    let members = json!({"use": "sig", "x5t": kid, "x5c": ["MIIDBTCC"], "issuer": issuer});
    let entra = Provider::new(&issuer, API, &["mcp.read"], kid, members);
    let token = |entra: &Provider| {
        entra
            .token()
            .subject(USER)
            .claim("nbf", NOW)
            .claim("aio", "AXQAi/8IAAAAtA")
            .claim("azp", CLIENT)
            .claim("azpacr", "0")
            .claim("name", "Alice")
            .claim("oid", USER)
            .claim("preferred_username", "alice@example.com")
            .claim("rh", "I")
            .claim("scp", "mcp.read")
            .claim("tid", TENANT)
            .claim("uti", "fqiBqXLPj0eQa82S-IYFAA")
            .claim("ver", "2.0")
    };
    let daemon = |entra: &Provider| {
        token(entra)
            .without_claim("scp")
            .without_claim("preferred_username")
            .claim("azpacr", "1")
            .claim("idtyp", "app")
            .claim("roles", json!(["mcp.read"]))
    };
    let mut page = entra.page(
        "providers/entra-v2.json",
        "Microsoft Entra ID, tokens of version 2.0.",
    );
    let accepted = says(USER, CLIENT, &["mcp.read"]);
    page.accept_as("19", "a user's token", token(&entra), accepted.clone());
    page.reject(
        "scopes",
        "the scope as clients request it",
        "insufficient_scope",
        token(&entra).claim("scp", "api://mcp/mcp.read"),
    );
    page.reject(
        "scopes",
        "an application's token, whose roles are not read",
        "insufficient_scope",
        daemon(&entra),
    );
    page.reject(
        "13",
        "version 1.0, as long as accessTokenAcceptedVersion is null",
        "wrong_issuer",
        token(&entra).issuer(&format!("https://sts.windows.net/{TENANT}/")),
    );
    page.reject(
        "13",
        "another tenant, signed with the key that all tenants share",
        "wrong_issuer",
        token(&entra)
            .issuer("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
    );
    page.finish(book);

    let setting = entra.with_policy(PolicyOptions {
        scope_claims: Some(places(&["scp", "roles"])),
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "providers/entra-v2-roles.json",
        "Microsoft Entra ID, tokens of version 2.0: the roles of an application that acts for itself count as scopes.",
        setting,
    );
    page.accept_as("19", "a user's token", token(&entra), accepted.clone());
    page.accept_as("19", "an application's token", daemon(&entra), accepted);
    page.finish(book);
}

fn auth0(book: &mut Book) {
    let issuer = "https://tenant.eu.auth0.com/";
    let members = json!({"use": "sig", "alg": "RS256", "x5t": "RkE4", "x5c": ["MIIDBTCC"]});
    let auth0 = Provider::new(issuer, AUDIENCE, &["mcp:read"], "RkE4MDk3", members);
    let (user, client) = ("auth0|123456", "my_client_id");
    let token = |auth0: &Provider| {
        auth0
            .token()
            .subject(user)
            .audience(json!([AUDIENCE, "https://tenant.eu.auth0.com/userinfo"]))
            .claim("azp", client)
            .claim("scope", "openid profile mcp:read")
    };
    let rfc9068 = |auth0: &Provider| {
        token(auth0)
            .typ("at+jwt")
            .without_claim("azp")
            .claim("client_id", client)
            .claim("jti", "73WakrfVbNJBaAmhQtEeDv")
    };
    let rights = |forge: Forge| {
        forge
            .without_claim("scope")
            .claim("permissions", json!(["mcp:read", "mcp:write"]))
    };
    let mut page = auth0.page("providers/auth0.json", "Auth0, both access token profiles.");
    let accepted = says(user, client, &["openid", "profile", "mcp:read"]);
    page.accept_as("19", "the Auth0 profile", token(&auth0), accepted.clone());
    page.accept_as("19", "the RFC 9068 profile", rfc9068(&auth0), accepted);
    page.reject(
        "scopes",
        "rights in `permissions` alone",
        "insufficient_scope",
        rights(token(&auth0)),
    );
    page.reject(
        "13",
        "the issuer without its slash",
        "wrong_issuer",
        token(&auth0).issuer("https://tenant.eu.auth0.com"),
    );
    page.reject(
        "2",
        "an encrypted token, as for a request that names no API",
        "malformed",
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..MTIzNDU2Nzg5MDEy.c3ludGhldGlj.MTIzNDU2Nzg5MDEyMzQ1Ng",
    );
    page.finish(book);

    let setting = auth0.with_policy(PolicyOptions {
        scope_claims: Some(places(&["permissions"])),
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "providers/auth0-permissions.json",
        "Auth0 with role-based access control: the rights are in `permissions`.",
        setting,
    );
    let accepted = says(user, client, &["mcp:read", "mcp:write"]);
    page.accept_as(
        "19",
        "the Auth0 profile",
        rights(token(&auth0)),
        accepted.clone(),
    );
    page.accept_as(
        "19",
        "the RFC 9068 profile",
        rights(rfc9068(&auth0)),
        accepted,
    );
    page.reject(
        "scopes",
        "the scope was requested and the right was not granted",
        "insufficient_scope",
        token(&auth0).claim("permissions", json!([])),
    );
    page.finish(book);
}

fn okta(book: &mut Book) {
    let issuer = "https://example.okta.com/oauth2/default";
    let members = json!({"use": "sig", "alg": "RS256"});
    let okta = Provider::new(
        issuer,
        AUDIENCE,
        &["mcp:read"],
        "U5R8cHbGw445Qbq8zVO1PcCpXL8yG6IcovVa3laCoxM",
        members,
    );
    let (user, client) = ("alice@example.com", "0oa1b2c3d4e5f6g7h8i9");
    let token = |okta: &Provider| {
        okta.token()
            .without_header("typ")
            .subject(user)
            .claim("ver", 1)
            .claim("jti", "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE")
            .claim("cid", client)
            .claim("uid", "00u1b2c3d4e5f6g7h8i9")
            .claim("auth_time", NOW)
            .claim("scp", json!(["mcp:read", "openid"]))
    };
    let mut page = okta.page(
        "providers/okta.json",
        "Okta, a custom authorization server.",
    );
    page.accept_as(
        "19",
        "a user's token",
        token(&okta),
        says(user, client, &["mcp:read", "openid"]),
    );
    page.reject(
        "14",
        "the audience that the server was created with",
        "wrong_audience",
        token(&okta).audience("api://default"),
    );
    page.reject(
        "13",
        "the org authorization server",
        "wrong_issuer",
        token(&okta)
            .issuer("https://example.okta.com")
            .audience("https://example.okta.com"),
    );
    page.reject(
        "7",
        "the org authorization server, by its type",
        "wrong_token_type",
        token(&okta).typ("application/okta-internal-at+jwt"),
    );
    page.finish(book);
}

fn keycloak(book: &mut Book) {
    let issuer = "https://sso.example.com/realms/tools";
    let members = json!({"use": "sig", "alg": "RS256", "x5c": ["MIICmzCC"], "x5t": "Tj4"});
    let keycloak = Provider::new(
        issuer,
        AUDIENCE,
        &["mcp:tools"],
        "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE",
        members,
    );
    let client = "mcp-client";
    let token = |keycloak: &Provider| {
        keycloak
            .token()
            .subject(USER)
            .claim("jti", "onrtac:5a4c7b0e-8f2d-4b5e-9a0c-0f5a2f3c1d2e")
            .claim("typ", "Bearer")
            .claim("azp", client)
            .claim("sid", "c5b3a1d2-0000-4000-8000-000000000000")
            .claim("acr", "1")
            .claim(
                "realm_access",
                json!({"roles": ["offline_access", "mcp:admin"]}),
            )
            .claim(
                "resource_access",
                json!({"account": {"roles": ["view-profile"]}}),
            )
            .claim("scope", "mcp:tools profile")
    };
    let mut page = keycloak.page(
        "providers/keycloak.json",
        "Keycloak with an audience mapper.",
    );
    page.accept_as(
        "19",
        "a user's token",
        token(&keycloak),
        says(USER, client, &["mcp:tools", "profile"]),
    );
    page.reject(
        "14",
        "a new realm, without a mapper",
        "wrong_audience",
        token(&keycloak).audience("account"),
    );
    page.reject(
        "14",
        "no audience, of a client without roles",
        "missing_claim",
        token(&keycloak).without_claim("aud"),
    );
    let roles = Provider {
        key: keycloak.key.clone(),
        setting: Setting {
            scopes: names(&["mcp:admin"]),
            ..keycloak.with_policy(PolicyOptions {
                scope_claims: Some(vec![ClaimPlace::Path(names(&["realm_access", "roles"]))]),
                required_claims_containing: BTreeMap::from([(
                    "groups".to_owned(),
                    vec![json!("/staff")],
                )]),
                ..PolicyOptions::default()
            })
        },
    };
    let mut by_role = roles.page(
        "providers/keycloak-roles.json",
        "Keycloak, where roles of the realm are the scopes and a group is required.",
    );
    let member = token(&roles).claim("groups", json!(["/guests", "/staff"]));
    by_role.accept_as(
        "19",
        "a role, and a member of the group",
        member.clone(),
        says(USER, client, &["offline_access", "mcp:admin"]),
    );
    by_role.reject(
        "scopes",
        "another role",
        "insufficient_scope",
        member.claim("realm_access", json!({"roles": ["mcp:tools"]})),
    );
    by_role.reject(
        "18",
        "of another group",
        "claim_not_allowed",
        token(&roles).claim("groups", json!(["/guests"])),
    );
    by_role.finish(book);
    page.reject(
        "scopes",
        "the role of the realm is not a scope",
        "insufficient_scope",
        token(&keycloak).claim("scope", "profile"),
    );
    page.reject(
        "17",
        "an ID token",
        "wrong_token_type",
        token(&keycloak).claim("typ", "ID"),
    );
    page.reject(
        "17",
        "a refresh token",
        "wrong_token_type",
        token(&keycloak).claim("typ", "Refresh"),
    );
    page.finish(book);
}

fn google(book: &mut Book) {
    let client = "1234567890-synthetic.apps.googleusercontent.com";
    let members = json!({"use": "sig", "alg": "RS256"});
    let google = Provider::new(
        "https://accounts.google.com",
        client,
        &[],
        "d7b939771a7800c413f90051012d975981916d71",
        members,
    );
    let user = "110169484474386276334";
    let token = |google: &Provider| {
        google
            .token()
            .subject(user)
            .claim("azp", client)
            .claim("at_hash", "HK6E_P6Dh8Y93mRNtsDB1Q")
            .claim("email", "alice@example.com")
            .claim("email_verified", true)
            .claim("hd", "example.com")
    };
    let mut page = google.page(
        "providers/google.json",
        "Google: its ID token is not an access token, and its access tokens are opaque.",
    );
    page.reject("17", "an ID token", "wrong_token_type", token(&google));
    page.reject(
        "2",
        "an access token",
        "malformed",
        "ya29.c3ludGhldGljLW5vdC1hLXRva2Vu",
    );
    page.finish(book);

    let setting = google.with_policy(PolicyOptions {
        accept_identity_token_shape: true,
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "providers/google-id-token.json",
        "Google's ID token where the policy accepts it as an access token.",
        setting,
    );
    page.accept_as("19", "an ID token", token(&google), says(user, client, &[]));
    page.reject(
        "14",
        "an ID token for another client",
        "wrong_audience",
        token(&google).audience("another"),
    );
    page.finish(book);
}

fn cognito(book: &mut Book) {
    let issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example01";
    let client = "57cbishk4j24pabc1234567890";
    let scope = "https://mcp.example.com/mcp/read";
    let members = json!({"use": "sig", "alg": "RS256"});
    let cognito = Provider::new(issuer, AUDIENCE, &[scope], "1234example=", members);
    let token = |cognito: &Provider| {
        cognito
            .token()
            .without_header("typ")
            .subject(USER)
            .claim("client_id", client)
            .claim("token_use", "access")
            .claim("scope", scope)
            .claim("auth_time", NOW)
            .claim("origin_jti", USER)
            .claim("jti", CLIENT)
            .claim("version", 2)
            .claim("cognito:groups", json!(["admin"]))
            .claim("username", "alice")
    };
    let id_token = |cognito: &Provider| {
        token(cognito)
            .without_claim("client_id")
            .without_claim("scope")
            .audience(client)
            .claim("token_use", "id")
    };
    let mut page = cognito.page(
        "providers/cognito.json",
        "Amazon Cognito, a client that requests its token for a resource.",
    );
    page.accept_as(
        "19",
        "an access token",
        token(&cognito),
        says(USER, client, &[scope]),
    );
    page.reject(
        "14",
        "requested without a resource",
        "missing_claim",
        token(&cognito).without_claim("aud"),
    );
    page.reject(
        "14",
        "an ID token, whose audience is the client",
        "wrong_audience",
        id_token(&cognito),
    );
    page.finish(book);

    let any = Provider {
        key: cognito.key.clone(),
        setting: Setting {
            audiences: None,
            ..cognito.with_policy(PolicyOptions {
                allowed_client_ids: Some(names(&[client])),
                ..PolicyOptions::default()
            })
        },
    };
    let mut page = any.page(
        "providers/cognito-without-audience.json",
        "Amazon Cognito without an audience: the allowed clients and the scope take its place.",
    );
    page.accept_as(
        "19",
        "an access token",
        token(&any),
        says(USER, client, &[scope]),
    );
    page.reject("17", "an ID token", "wrong_token_type", id_token(&any));
    page.reject(
        "18",
        "another client of the pool",
        "claim_not_allowed",
        token(&any).claim("client_id", "another"),
    );
    page.reject(
        "scopes",
        "a token for the user's own attributes",
        "insufficient_scope",
        token(&any).claim("scope", "aws.cognito.signin.user.admin"),
    );
    page.finish(book);
}

fn clerk(book: &mut Book) {
    let issuer = "https://clerk.example.com";
    let members = json!({"use": "sig", "alg": "RS256"});
    let clerk = Provider::new(
        issuer,
        AUDIENCE,
        &["mcp:read"],
        "ins_2abcDEF3ghiJKL4mnoPQR5",
        members,
    );
    let (user, client) = ("user_2abcDEF3ghiJKL4mnoPQR5", "client_2abcDEF3ghiJKL4");
    let token = |clerk: &Provider| {
        clerk
            .token()
            .typ("at+jwt")
            .header("cat", "cl_B7d4PD222AAA")
            .subject(user)
            .claim("client_id", client)
            .claim("jti", "oat_2abcDEF3ghiJKL4")
            .claim("scope", "mcp:read profile")
    };
    let mut page = clerk.page("providers/clerk.json", "Clerk with JWT access tokens.");
    let accepted = says(user, client, &["mcp:read", "profile"]);
    page.accept_as("19", "an access token", token(&clerk), accepted.clone());
    page.accept_as(
        "19",
        "its scopes in an array",
        token(&clerk)
            .without_claim("scope")
            .claim("scp", json!(["mcp:read", "profile"])),
        accepted,
    );
    page.reject(
        "14",
        "for no MCP server in particular",
        "missing_claim",
        token(&clerk).without_claim("aud"),
    );
    page.reject(
        "14",
        "a session token of the same issuer",
        "missing_claim",
        token(&clerk)
            .typ("JWT")
            .without_claim("aud")
            .without_claim("client_id")
            .claim("sid", "sess_1"),
    );
    page.reject(
        "2",
        "an opaque token",
        "malformed",
        "oat_2abcDEF3ghiJKL4mnoPQR5stuVWX",
    );
    page.finish(book);
}

fn workos(book: &mut Book) {
    let issuer = "https://example.authkit.app";
    let members = json!({"use": "sig", "alg": "RS256"});
    let workos = Provider::new(
        issuer,
        AUDIENCE,
        &[],
        "sso_oidc_key_pair_01EXAMPLE",
        members,
    );
    let (user, client) = ("user_01EXAMPLE", "client_01EXAMPLE");
    let token = |workos: &Provider| {
        workos
            .token()
            .subject(user)
            .claim("client_id", client)
            .claim("jti", "01EXAMPLE")
            .claim("sid", "app_consent_01EXAMPLE")
            .claim("scope", "email openid")
    };
    let mut page = workos.page(
        "providers/workos.json",
        "WorkOS AuthKit with a resource indicator.",
    );
    page.accept_as(
        "19",
        "an access token",
        token(&workos),
        says(user, client, &["email", "openid"]),
    );
    page.reject(
        "14",
        "without a resource indicator",
        "wrong_audience",
        token(&workos).audience(client),
    );
    page.reject(
        "13",
        "a session of user management",
        "wrong_issuer",
        token(&workos)
            .issuer("https://api.workos.com/user_management/client_01EXAMPLE")
            .without_claim("aud"),
    );
    page.finish(book);
}

fn supabase(book: &mut Book) {
    let issuer = "https://abcdefghijklmnopqrst.supabase.co/auth/v1";
    let signing = key("p256-a").with_kid("b81269f1-21d8-4f2e-b719-c2240a840d90");
    let members = json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"], "ext": true});
    let supabase = Provider::with_key(signing, "ES256", issuer, AUDIENCE, &[], members);
    let token = |supabase: &Provider| {
        supabase
            .token()
            .subject(USER)
            .claim("role", "authenticated")
            .claim("user_id", USER)
            .claim("email", "alice@example.com")
            .claim("client_id", CLIENT)
            .claim("aal", "aal1")
            .claim(
                "amr",
                json!([{"method": "password", "timestamp": 1_799_999_000}]),
            )
            .claim("session_id", TENANT)
    };
    let mut page = supabase.page(
        "providers/supabase.json",
        "Supabase Auth with a hook that sets the audience.",
    );
    page.accept_as(
        "19",
        "an OAuth client's token",
        token(&supabase),
        says(USER, CLIENT, &[]),
    );
    page.reject(
        "14",
        "without the hook",
        "wrong_audience",
        token(&supabase).audience("authenticated"),
    );
    page.reject(
        "5",
        "signed with the shared secret of an older project",
        "algorithm_not_allowed",
        token(&supabase)
            .alg_name("HS256")
            .sign_with(&SigningKey::hmac([7; 32])),
    );
    page.finish(book);

    let secret = "super-secret-jwt-token-of-a-project-from-2023";
    let Keys::Jwks(jwks) = &supabase.setting.keys else {
        panic!("it is a set")
    };
    let migrating = Provider {
        key: supabase.key.clone(),
        setting: Setting {
            keys: Keys::JwksAndSecret(jwks.clone(), secret.to_owned()),
            algorithms: names(&["ES256", "HS256"]),
            ..supabase.setting.clone()
        },
    };
    let mut page = migrating.page(
        "providers/supabase-two-kinds.json",
        "A Supabase project that changes from its shared secret to signing keys.",
    );
    page.accept_as("19", "ES256", token(&migrating), says(USER, CLIENT, &[]));
    let older = token(&migrating).alg_name("HS256").without_header("kid");
    page.accept_as(
        "19",
        "HS256 with the shared secret",
        older.clone().sign_with(&SigningKey::hmac(secret)),
        says(USER, CLIENT, &[]),
    );
    page.reject(
        "9",
        "HS256 with the public key",
        "bad_signature",
        older.sign_with(&SigningKey::hmac(migrating.key.public_pem())),
    );
    page.finish(book);

    let shared = Provider {
        key: supabase.key.clone(),
        setting: Setting {
            audiences: Some(names(&["authenticated"])),
            ..supabase.with_policy(PolicyOptions {
                allowed_client_ids: Some(names(&[CLIENT])),
                ..PolicyOptions::default()
            })
        },
    };
    let mut page = shared.page(
        "providers/supabase-without-hook.json",
        "Supabase Auth without the hook: one audience for everything, so the allowed clients decide.",
    );
    page.accept_as(
        "19",
        "an OAuth client's token",
        token(&shared),
        says(USER, CLIENT, &[]),
    );
    page.reject(
        "18",
        "the session of the user's browser",
        "missing_claim",
        token(&shared).without_claim("client_id"),
    );
    page.finish(book);
}

fn firebase(book: &mut Book) {
    let members = json!({"use": "sig", "alg": "RS256"});
    let firebase = Provider::new(
        "https://securetoken.google.com/my-project",
        "my-project",
        &[],
        "8a63fe71e53067524cbbc6a3a58463b3864c0787",
        members,
    );
    let user = "6YBcDEF3ghiJKL4mnoPQR5stuVW2";
    let token = firebase
        .token()
        .subject(user)
        .claim("auth_time", NOW)
        .claim("user_id", user)
        .claim("email", "alice@example.com")
        .claim("email_verified", true)
        .claim(
            "firebase",
            json!({"identities": {"email": ["alice@example.com"]}, "sign_in_provider": "password"}),
        );
    let mut page = firebase.page(
        "providers/firebase.json",
        "Firebase Authentication: an ID token without the marks of one.",
    );
    let accepted = Accepted {
        client_id: None,
        ..says(user, "", &[])
    };
    page.accept_as("19", "an ID token", token.clone(), accepted);
    page.reject(
        "14",
        "another project",
        "wrong_audience",
        token.clone().audience("other-project"),
    );
    page.reject(
        "2",
        "unsigned, as the emulator writes it",
        "malformed",
        token.alg_name("none").empty_signature(),
    );
    page.finish(book);
}

fn zitadel(book: &mut Book) {
    let issuer = "https://login.example.com";
    let (project, client) = ("69234237810729019", "69234237810729234");
    let members = json!({"use": "sig", "alg": "RS256"});
    let zitadel = Provider::new(issuer, project, &[], "69234237813329048", members);
    let user = "77776025198584418";
    let token = |zitadel: &Provider| {
        zitadel
            .token()
            .subject(user)
            .audience(json!([client, project]))
            .claim("azp", client)
            .claim("jti", "69234237813329049")
            .claim("nbf", NOW)
            .claim(
                "urn:zitadel:iam:org:project:roles",
                json!({"mcp-user": {"69234237810729000": "example.com"}}),
            )
    };
    let mut page = zitadel.page("providers/zitadel.json", "Zitadel with JWT access tokens.");
    page.accept_as(
        "19",
        "a user's token",
        token(&zitadel),
        says(user, client, &[]),
    );
    page.reject(
        "14",
        "without the scope that adds the project",
        "wrong_audience",
        token(&zitadel).audience(json!([client])),
    );
    page.reject(
        "2",
        "an opaque token",
        "malformed",
        "c3ludGhldGljLW9wYXF1ZS16aXRhZGVsLXRva2Vu",
    );
    page.finish(book);
}

fn authentik(book: &mut Book) {
    let issuer = "https://authentik.example.com/application/o/mcp/";
    let client = "synthetic-client-id";
    let members = json!({"use": "sig", "alg": "RS256", "x5c": ["MIIFUzCC"], "x5t": "eq"});
    let authentik = Provider::new(
        issuer,
        client,
        &[],
        "8f3b1d2c4e5a69788796a5b4c3d2e1f0",
        members,
    );
    let user = "5a0c2f4e6b8d9f1a3c5e7092b4d6f8a1";
    let token = |authentik: &Provider| {
        authentik
            .token()
            .subject(user)
            .claim("auth_time", NOW)
            .claim("acr", "goauthentik.io/providers/oauth2/default")
            .claim("amr", json!(["pwd"]))
            .claim(
                "sid",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            )
            .claim("azp", client)
            .claim("uid", "VZ0p5rhTcXhcbEq2SyntheticUid0000000000000")
            .claim("email", "alice@example.com")
            .claim("groups", json!(["tools"]))
    };
    let mut page = authentik.page("providers/authentik.json", "authentik with a signing key.");
    page.accept_as(
        "19",
        "a user's token",
        token(&authentik),
        says(user, client, &[]),
    );
    page.reject(
        "13",
        "of another application of the same server",
        "wrong_issuer",
        token(&authentik).issuer("https://authentik.example.com/application/o/wiki/"),
    );
    page.reject(
        "5",
        "without a signing key",
        "algorithm_not_allowed",
        token(&authentik)
            .alg_name("HS256")
            .sign_with(&SigningKey::hmac([8; 64])),
    );
    page.finish(book);
}

fn dex(book: &mut Book) {
    let (server, client) = ("mcp-server", "mcp-client");
    let members = json!({"use": "sig", "alg": "RS256"});
    let dex = Provider::new(
        "https://dex.example.com",
        server,
        &[],
        "9d44741f773b938cf65dd326685b86180c324d99",
        members,
    );
    let user = "CgcyMzQyNzQ5EgZnaXRodWI";
    let token = |dex: &Provider| {
        dex.token()
            .without_header("typ")
            .subject(user)
            .audience(json!([server, client]))
            .claim("azp", client)
            .claim("at_hash", "bi96gOXZShvlWYtal9Eqiw")
            .claim("email", "alice@example.com")
            .claim("email_verified", true)
            .claim("groups", json!(["admins", "developers"]))
            .claim("name", "Alice")
    };
    let mut page = dex.page(
        "providers/dex.json",
        "Dex: its access tokens have the marks of an ID token.",
    );
    page.reject("17", "an access token", "wrong_token_type", token(&dex));
    page.finish(book);

    let setting = dex.with_policy(PolicyOptions {
        accept_identity_token_shape: true,
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "providers/dex-accepted.json",
        "Dex where the policy accepts tokens with the marks of an ID token.",
        setting,
    );
    page.accept_as(
        "19",
        "an access token",
        token(&dex),
        says(user, client, &[]),
    );
    page.reject(
        "14",
        "for the client alone",
        "wrong_audience",
        token(&dex).audience(client),
    );
    page.finish(book);
}

fn adfs(book: &mut Book) {
    let issuer = "http://fs.example.com/adfs/services/trust";
    let kid = "W3oCZTjUHzQQmzsmCqyMYl5Hy1w";
    let members = json!({"use": "sig", "alg": "RS256", "x5t": kid, "x5c": ["MIIC4DCC"]});
    let adfs = Provider::new(issuer, AUDIENCE, &["user_impersonation"], kid, members);
    let token = |adfs: &Provider| {
        adfs.token()
            .header("x5t", kid)
            .without_claim("sub")
            .claim("upn", "alice@example.com")
            .claim("apptype", "Public")
            .claim("appid", CLIENT)
            .claim(
                "authmethod",
                "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            )
            .claim("auth_time", "2027-01-15T07:59:30.507Z")
            .claim("ver", "1.0")
            .claim("scp", "user_impersonation openid")
    };
    let mut page = adfs.page("providers/adfs.json", "AD FS 2016 and later.");
    let accepted = Accepted {
        subject: None,
        ..says("", CLIENT, &["user_impersonation", "openid"])
    };
    page.accept_as("19", "a user's token", token(&adfs), accepted);
    page.reject(
        "13",
        "the issuer of the ID token, which the metadata name",
        "wrong_issuer",
        token(&adfs).issuer("https://fs.example.com/adfs"),
    );
    page.reject(
        "14",
        "requested without a resource",
        "wrong_audience",
        token(&adfs).audience("urn:microsoft:userinfo"),
    );
    page.finish(book);
}

fn places(names: &[&str]) -> Vec<ClaimPlace> {
    let name = |name: &&str| ClaimPlace::Name((*name).to_owned());
    names.iter().map(name).collect()
}
