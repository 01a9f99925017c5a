//! Finds an issuer's JWKS address: RFC 8414, then OpenID Connect Discovery.
//! It must never take the word of a document that names another issuer than the configured one.

use std::time::Duration;

use mcp_bearer_core::Limits;
use serde::Deserialize;
use url::Url;

use super::{
    Fetch, FetchRequest, FetchResponse, MonotonicClock,
    events::shown,
    not_an_issuer,
    transport::{Transport, label, label_of},
};

/// One request and its answer take so long and no longer, whoever makes them.
pub(super) const EXCHANGE: Duration = Duration::from_secs(5);

/// What a discovery document said.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) jwks_uri: Url,
    /// When it was read.
    pub(super) read_at: Duration,
    pub(super) trust: Trust,
}

/// Whether the document still seems to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Good,
    /// The address that it gave did not work last time.
    Doubtful,
}

/// Reads the documents of `issuer` in order, until one is right.
pub(super) async fn discover(
    issuer: &str,
    transport: Transport,
    fetch: &dyn Fetch,
    clock: &MonotonicClock,
) -> Result<Document, String> {
    let base = check_issuer(issuer, transport)?;
    let mut faults = Vec::new();
    for url in candidates(&base) {
        let request = FetchRequest::new(url.to_string(), Limits::JWKS_BYTES);
        let found = match exchange(fetch, clock, request).await {
            Ok(answer) => jwks_uri(&answer, issuer, transport.for_addresses_from(&base)),
            Err(reason) => Err(Fault::Plain(reason)),
        };
        match found {
            Ok(jwks_uri) => {
                return Ok(Document {
                    jwks_uri,
                    read_at: clock.now(),
                    trust: Trust::Good,
                });
            }
            Err(fault) => faults.push((url, fault)),
        }
    }
    Err(summary(&faults))
}

/// The rules for an issuer whose documents are to be found.
pub(super) fn check_issuer(issuer: &str, transport: Transport) -> Result<Url, String> {
    let url = transport.check(issuer)?;
    if url.query().is_some() {
        return Err(
            "an issuer has no query (RFC 8414 section 2); give jwks_uri instead".to_owned(),
        );
    }
    match not_an_issuer::advice(&url) {
        Some(advice) => Err(advice),
        None => Ok(url),
    }
}

/// Asks once, within the time that one exchange has.
pub(super) async fn exchange(
    fetch: &dyn Fetch,
    clock: &MonotonicClock,
    request: FetchRequest,
) -> Result<FetchResponse, String> {
    let limit = request.max_body_bytes;
    let deadline = clock.now().saturating_add(EXCHANGE);
    let answer = tokio::select! {
        answer = fetch.fetch(request) => answer.map_err(|error| error.to_string())?,
        () = clock.sleep_until(deadline) => return Err("timed out".to_owned()),
    };
    if answer.body().len() > limit {
        return Err(format!("the body is longer than {limit} bytes"));
    }
    Ok(answer)
}

/// RFC 8414 inserted, OpenID Connect inserted, OpenID Connect appended; without a path the last two are one.
fn candidates(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let mut urls: Vec<Url> = Vec::new();
    for path in [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ] {
        let mut url = issuer.clone();
        url.set_path(&path);
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
}

/// Why a document is not the one.
enum Fault {
    Plain(String),
    /// There is one, and it needs the operator's attention.
    Telling(String),
}

fn jwks_uri(answer: &FetchResponse, issuer: &str, transport: Transport) -> Result<Url, Fault> {
    if answer.status() != 200 {
        return Err(Fault::Plain(format!("status {}", answer.status())));
    }
    let Ok(metadata) = serde_json::from_slice::<Metadata>(answer.body()) else {
        return Err(Fault::Plain(
            "not a JSON document with an issuer".to_owned(),
        ));
    };
    if metadata.issuer != issuer {
        return Err(Fault::Telling(another_issuer(&metadata.issuer, issuer)));
    }
    let Some(uri) = metadata.jwks_uri else {
        return Err(Fault::Telling("it has no jwks_uri".to_owned()));
    };
    transport.check(&uri).map_err(|reason| {
        let uri = shown(&label_of(&uri));
        Fault::Telling(format!("its jwks_uri {uri}: {reason}"))
    })
}

fn another_issuer(named: &str, configured: &str) -> String {
    let named_shown = shown(named);
    if named.contains(['{', '}']) {
        return format!(
            "it names a template, {named_shown}, instead of an issuer (as Microsoft Entra `common` does): \
             give jwks_uri, and the issuer that the tokens carry"
        );
    }
    if named.trim_end_matches('/') == configured.trim_end_matches('/') {
        return format!(
            "it names the issuer {named_shown}, which differs from the configured one in the slash at its \
             end: configure exactly that"
        );
    }
    format!(
        "it names another issuer, {named_shown}: configure exactly that, or (Azure AD B2C and others) give \
         jwks_uri, and the issuer that the tokens carry"
    )
}

fn summary(faults: &[(Url, Fault)]) -> String {
    let telling = faults.iter().find_map(|(url, fault)| match fault {
        Fault::Telling(reason) => Some(format!("the discovery document {}: {reason}", label(url))),
        Fault::Plain(_) => None,
    });
    telling.unwrap_or_else(|| {
        let each: Vec<String> = faults
            .iter()
            .map(|(url, Fault::Plain(reason) | Fault::Telling(reason))| {
                format!("{}: {reason}", label(url))
            })
            .collect();
        format!("no discovery document: {}", each.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Fault, FetchResponse, Transport, another_issuer, candidates, jwks_uri};

    fn of(issuer: &str) -> Vec<String> {
        let found = candidates(&issuer.parse().unwrap());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_well_known_part_is_inserted_then_appended() {
        assert_eq!(
            of("https://idp.example.com/realms/a/"),
            [
                "https://idp.example.com/.well-known/oauth-authorization-server/realms/a",
                "https://idp.example.com/.well-known/openid-configuration/realms/a",
                "https://idp.example.com/realms/a/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            of("https://idp.example.com/"),
            [
                "https://idp.example.com/.well-known/oauth-authorization-server",
                "https://idp.example.com/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            of("https://idp.example.com"),
            of("https://idp.example.com/")
        );
    }

    #[test]
    fn another_issuer_comes_with_advice() {
        let entra = another_issuer(
            "https://login.example.com/{tenantid}/v2.0",
            "https://x.example.com",
        );
        assert!(
            entra.contains("template") && entra.contains("jwks_uri"),
            "{entra}"
        );
        let slash = another_issuer("https://x.example.com/", "https://x.example.com");
        assert!(slash.contains("slash"), "{slash}");
        let other = another_issuer("https://y.example.com/", "https://x.example.com");
        assert!(
            other.contains("another issuer") && other.contains("jwks_uri"),
            "{other}"
        );
    }
    #[test]
    fn of_a_refused_address_nothing_secret_is_told() {
        for (uri, told) in [
            (
                "https://user:secret@idp.example.com/jwks?key=secret",
                "its jwks_uri \"https://idp.example.com/jwks\": ",
            ),
            (
                "/jwks?key=secret",
                "its jwks_uri \"(not a URL with a host)\": ",
            ),
        ] {
            let document = json!({ "issuer": "https://idp.example.com", "jwks_uri": uri });
            let answer = FetchResponse::new(200, document.to_string().into_bytes());
            let found = jwks_uri(&answer, "https://idp.example.com", Transport::default());
            let Err(Fault::Telling(reason)) = found else {
                panic!("{uri} is accepted")
            };
            assert!(reason.starts_with(told), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
