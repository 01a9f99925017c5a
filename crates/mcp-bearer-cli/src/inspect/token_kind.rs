//! Guesses the kind of a token from its header and claims.
//!
//! For people only: the verifier has its own rules.

use serde_json::Value;

use super::members::Members;

/// A kind, and how it was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The stable name in JSON.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) because: String,
}

impl Kind {
    pub(super) fn new(name: &'static str, title: &'static str, because: impl Into<String>) -> Self {
        Self {
            name,
            title,
            because: because.into(),
        }
    }
}

/// Kinds that `typ` in the header names (without `application/`, in lower case).
const BY_HEADER: [(&str, &str, &str); 9] = [
    (
        "dpop+jwt",
        "dpop_proof",
        "a DPoP proof, which goes beside a token (RFC 9449)",
    ),
    (
        "logout+jwt",
        "logout_token",
        "a logout token, for clients (OpenID Connect Back-Channel Logout)",
    ),
    (
        "secevent+jwt",
        "security_event_token",
        "a security event token (RFC 8417)",
    ),
    (
        "oauth-id-jag+jwt",
        "identity_assertion",
        "an identity assertion (ID-JAG), for the authorization server, which gives an access token for it",
    ),
    (
        "client-authentication+jwt",
        "client_assertion",
        "a client's assertion, for the authorization server (RFC 7523)",
    ),
    (
        "oauth-authz-req+jwt",
        "request_object",
        "a request object, for the authorization server (RFC 9101)",
    ),
    (
        "token-introspection+jwt",
        "introspection_response",
        "an introspection response (RFC 9701)",
    ),
    (
        "dc+sd-jwt",
        "verifiable_credential",
        "a verifiable credential (SD-JWT VC)",
    ),
    (
        "vc+sd-jwt",
        "verifiable_credential",
        "a verifiable credential (SD-JWT VC)",
    ),
];

/// Kinds that the claim `typ` names, as Keycloak writes it.
const BY_CLAIM: [(&str, &str, &str); 7] = [
    ("id", "id_token", ID),
    ("refresh", "refresh_token", REFRESH),
    ("offline", "refresh_token", REFRESH),
    ("logout", "logout_token", "a logout token, for clients"),
    (
        "serialized-id",
        "id_token",
        "a serialized ID token of Keycloak, for Keycloak alone",
    ),
    (
        "registrationaccesstoken",
        "registration_token",
        REGISTRATION,
    ),
    ("initialaccesstoken", "registration_token", REGISTRATION),
];

const ID: &str = "an ID token, for the client and no server; send the access token";
const REFRESH: &str = "a refresh token, for the authorization server; send the access token";
const REGISTRATION: &str = "a token to register clients with, for the authorization server";

/// The kind of a signed token.
pub(super) fn of(header: &Members, claims: &Members) -> Kind {
    let declared = header.text("typ").map(|typ| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ).to_owned()
    });
    if let Some(typ) = declared.as_deref() {
        if let Some((_, name, title)) = BY_HEADER.iter().find(|(known, ..)| *known == typ) {
            return Kind::new(name, title, format!("the header's typ {}", quoted(typ)));
        }
        if typ == "at+jwt" {
            return access(claims, "the header's typ \"at+jwt\" (RFC 9068)".to_owned());
        }
        if !matches!(typ, "jwt" | "jose") {
            let because = format!("the header's typ {}", quoted(typ));
            return Kind::new("other", "a JWT of a kind that is not known here", because);
        }
    }
    by_claims(claims).unwrap_or_else(|| {
        Kind::new(
            "jwt",
            "a signed token (JWT) that does not state its kind",
            "",
        )
    })
}

fn by_claims(claims: &Members) -> Option<Kind> {
    let claim = |name: &str| format!("the claim {name:?}");
    if let Some(Value::Object(events)) = claims.get("events") {
        let logout = events
            .keys()
            .any(|name| name.ends_with("/event/backchannel-logout"));
        return Some(if logout {
            Kind::new(
                "logout_token",
                "a logout token, for clients",
                claim("events"),
            )
        } else {
            let title = "a security event token (RFC 8417)";
            Kind::new("security_event_token", title, claim("events"))
        });
    }
    if claims.has("htm") && claims.has("htu") {
        let title = "a DPoP proof, which goes beside a token (RFC 9449)";
        return Some(Kind::new(
            "dpop_proof",
            title,
            "the claims \"htm\" and \"htu\"",
        ));
    }
    let purpose = claims.text("token_use");
    match purpose.as_deref() {
        Some("id") => return Some(Kind::new("id_token", ID, "the claim \"token_use\"")),
        Some("refresh") => {
            return Some(Kind::new(
                "refresh_token",
                REFRESH,
                "the claim \"token_use\"",
            ));
        }
        Some("access") => return Some(access(claims, "the claim \"token_use\"".to_owned())),
        _ => {}
    }
    if let Some(typ) = claims.text("typ") {
        let typ = typ.to_ascii_lowercase();
        let known = BY_CLAIM.iter().find(|(known, ..)| *known == typ);
        if let Some((_, name, title)) = known {
            return Some(Kind::new(name, title, "the claim \"typ\""));
        }
    }
    let of_identity = ["at_hash", "c_hash", "s_hash"];
    if let Some(name) = of_identity.into_iter().find(|name| claims.has(name)) {
        return Some(Kind::new("id_token", ID, claim(name)));
    }
    let rights = [
        "scope",
        "scp",
        "permissions",
        "roles",
        "realm_access",
        "client_id",
        "cid",
        "appid",
    ];
    let right = rights.into_iter().find(|name| claims.has(name));
    if claims.has("nonce") && right.is_none() {
        return Some(Kind::new("id_token", ID, claim("nonce")));
    }
    if claims.has("cnf") {
        return Some(access(claims, claim("cnf")));
    }
    if claims.has("kubernetes.io") {
        let title = "a service account token of Kubernetes";
        return Some(Kind::new(
            "service_account_token",
            title,
            claim("kubernetes.io"),
        ));
    }
    if let Some(name) = right {
        return Some(access(claims, claim(name)));
    }
    let own = |name: &str| claims.text(name);
    (own("iss").is_some() && own("iss") == own("sub")).then(|| {
        let title = "a client's assertion, for the authorization server (RFC 7523)";
        Kind::new("client_assertion", title, "equal \"iss\" and \"sub\"")
    })
}

/// An access token, and what it is bound to (RFC 7800).
fn access(claims: &Members, because: String) -> Kind {
    let bound = match claims.get("cnf") {
        Some(Value::Object(cnf)) => cnf,
        Some(_) => {
            let title = "an access token that is bound to a key";
            return Kind::new("bound_access_token", title, "the claim \"cnf\"");
        }
        None => return Kind::new("access_token", "an access token", because),
    };
    if bound.contains_key("jkt") {
        let title = "an access token that is bound to a key by DPoP (RFC 9449): not a bearer token";
        return Kind::new(
            "dpop_bound_access_token",
            title,
            "\"jkt\" in the claim \"cnf\"",
        );
    }
    if bound.contains_key("x5t#S256") {
        let title =
            "an access token that is bound to a TLS certificate (RFC 8705): not a bearer token";
        let because = "\"x5t#S256\" in the claim \"cnf\"";
        return Kind::new("certificate_bound_access_token", title, because);
    }
    let title = "an access token that is bound to a key: not a bearer token";
    Kind::new("bound_access_token", title, "the claim \"cnf\"")
}

fn quoted(text: &str) -> String {
    let start: String = text.chars().take(64).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(header: &str, claims: &str) -> &'static str {
        let members = |json: &'static str| {
            let object: serde_json::Map<String, Value> = serde_json::from_str(json).unwrap();
            let texts: Vec<(String, String)> = object
                .into_iter()
                .map(|(name, value)| (name, value.to_string()))
                .collect();
            Members::read(texts.iter().map(|(n, v)| (n.clone().into(), v.as_str())))
        };
        let leak = |text: &str| -> &'static str { Box::leak(text.into()) };
        of(&members(leak(header)), &members(leak(claims))).name
    }

    #[test]
    fn the_header_decides_before_the_claims() {
        for (header, name) in [
            (r#"{"typ":"at+jwt"}"#, "access_token"),
            (r#"{"typ":"application/AT+JWT"}"#, "access_token"),
            (r#"{"typ":"dpop+jwt"}"#, "dpop_proof"),
            (r#"{"typ":"logout+jwt"}"#, "logout_token"),
            (r#"{"typ":"secevent+jwt"}"#, "security_event_token"),
            (r#"{"typ":"oauth-id-jag+jwt"}"#, "identity_assertion"),
            (r#"{"typ":"dc+sd-jwt"}"#, "verifiable_credential"),
            (r#"{"typ":"kb+jwt"}"#, "other"),
            (r#"{"typ":"JOSE"}"#, "id_token"),
            (r#"{"typ":7}"#, "id_token"),
        ] {
            assert_eq!(kind(header, r#"{"at_hash":"x"}"#), name, "{header}");
        }
    }

    #[test]
    fn claims_decide_if_the_header_does_not() {
        for (claims, name) in [
            (r#"{}"#, "jwt"),
            (r#"{"scope":"a"}"#, "access_token"),
            (r#"{"scp":"a","nonce":"n"}"#, "access_token"),
            (r#"{"scope":null,"nonce":"n"}"#, "id_token"),
            (r#"{"at_hash":null}"#, "jwt"),
            (r#"{"token_use":"id"}"#, "id_token"),
            (r#"{"token_use":"access","at_hash":"x"}"#, "access_token"),
            (r#"{"typ":"Refresh"}"#, "refresh_token"),
            (r#"{"typ":"Offline"}"#, "refresh_token"),
            (r#"{"typ":"Bearer","client_id":"x"}"#, "access_token"),
            (r#"{"typ":"Serialized-ID"}"#, "id_token"),
            (r#"{"typ":"InitialAccessToken"}"#, "registration_token"),
            (
                r#"{"events":{"http://schemas.openid.net/event/backchannel-logout":{}}}"#,
                "logout_token",
            ),
            (r#"{"events":{"urn:x":{}}}"#, "security_event_token"),
            (r#"{"htm":"POST","htu":"u"}"#, "dpop_proof"),
            (
                r#"{"cnf":{"jkt":"x"},"scope":"a"}"#,
                "dpop_bound_access_token",
            ),
            (
                r#"{"cnf":{"x5t#S256":"x"}}"#,
                "certificate_bound_access_token",
            ),
            (r#"{"cnf":{"kid":"x"}}"#, "bound_access_token"),
            (r#"{"cnf":7}"#, "bound_access_token"),
            (r#"{"kubernetes.io":{}}"#, "service_account_token"),
            (r#"{"iss":"a","sub":"a"}"#, "client_assertion"),
            (r#"{"iss":"a","sub":"b"}"#, "jwt"),
        ] {
            assert_eq!(kind(r#"{"typ":"JWT"}"#, claims), name, "{claims}");
        }
    }
}
