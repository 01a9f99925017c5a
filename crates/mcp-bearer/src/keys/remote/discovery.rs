//! Finds an issuer's JWKS address: RFC 8414, then OpenID Connect Discovery.
//!
//! A document that names an issuer other than the configured one is never trusted.

use std::time::Duration;

use mcp_bearer_core::Limits;
use serde::Deserialize;
use url::Url;

use super::issuer_url_advice;
use crate::config::problem::{ConfigError, Fact, Problem};
use crate::config::setting::Setting;
use crate::keys::events::shown;
use crate::keys::fetch::address::{AddressRules, label, label_of};
use crate::keys::fetch::{Exchanger, FetchRequest, FetchResponse};

/// An older discovery document is read again with the next fetch, whatever causes it.
const DOCUMENT_LIFETIME: Duration = Duration::from_secs(3600);

/// The parts of a discovery document that matter.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) jwks_uri: Url,
    pub(super) read_at: Duration,
    pub(super) trust: Trust,
}

/// Whether the document still seems to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Good,
    /// Its address did not work last time.
    Doubtful,
}

impl Document {
    pub(super) fn is_old(&self, now: Duration) -> bool {
        now.saturating_sub(self.read_at) >= DOCUMENT_LIFETIME
    }
}

/// Reads the documents of `issuer` in order, until one is valid.
pub(super) async fn discover(
    issuer: &str,
    rules: AddressRules,
    exchanger: &Exchanger,
) -> Result<Document, String> {
    let unfit = |fact| ConfigError::from(Problem::new([], fact)).to_string();
    let base = check_issuer(issuer, rules).map_err(unfit)?;
    let mut faults = Vec::new();
    for url in candidates(&base) {
        let request = FetchRequest::new(url.to_string(), Limits::JWKS_BYTES);
        let found = match exchanger.exchange(request).await {
            Ok(answer) => jwks_uri(&answer, issuer, rules.for_addresses_from(&base)),
            Err(error) => Err(Fault::NoDocument(error.to_string())),
        };
        match found {
            Ok(jwks_uri) => {
                return Ok(Document {
                    jwks_uri,
                    read_at: exchanger.clock.now(),
                    trust: Trust::Good,
                });
            }
            Err(fault) => faults.push((url, fault)),
        }
    }
    Err(summary(&faults))
}

/// Checks an issuer whose documents are to be found.
pub(super) fn check_issuer(issuer: &str, rules: AddressRules) -> Result<Url, Fact> {
    let url = rules.check(issuer)?;
    if url.query().is_some() {
        let fact = Fact::from("an issuer has no query (RFC 8414 section 2)");
        return Err(fact.clause("; give the address of its keys with ", Setting::JwksUri, ""));
    }
    match issuer_url_advice::advice(&url) {
        Some(advice) => Err(advice),
        None => Ok(url),
    }
}

/// RFC 8414 inserted, OpenID Connect inserted, OpenID Connect appended; the last two are the same
/// for an issuer without a path.
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

/// Why an address did not return the document.
enum Fault {
    NoDocument(String),
    /// There is a document, which the operator must check.
    WrongDocument(String),
}

fn jwks_uri(answer: &FetchResponse, issuer: &str, rules: AddressRules) -> Result<Url, Fault> {
    if answer.status() != 200 {
        return Err(Fault::NoDocument(format!("status {}", answer.status())));
    }
    let Ok(metadata) = serde_json::from_slice::<Metadata>(answer.body()) else {
        return Err(Fault::NoDocument(
            "not a JSON document with an issuer".to_owned(),
        ));
    };
    if metadata.issuer != issuer {
        return Err(Fault::WrongDocument(another_issuer(
            &metadata.issuer,
            issuer,
        )));
    }
    let Some(uri) = metadata.jwks_uri else {
        return Err(Fault::WrongDocument("it has no jwks_uri".to_owned()));
    };
    rules.check(&uri).map_err(|reason| {
        let uri = shown(&label_of(&uri));
        Fault::WrongDocument(format!("its jwks_uri {uri}: {reason}"))
    })
}

fn another_issuer(named: &str, configured: &str) -> String {
    let named_shown = shown(named);
    if named.contains(['{', '}']) {
        return format!(
            "it names a template, {named_shown}, instead of an issuer (as Microsoft Entra `common` does): \
             give the address of its keys, and the issuer that the tokens carry"
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
         the address of its keys, and the issuer that the tokens carry"
    )
}

fn summary(faults: &[(Url, Fault)]) -> String {
    let wrong = faults.iter().find_map(|(url, fault)| match fault {
        Fault::WrongDocument(reason) => {
            Some(format!("the discovery document {}: {reason}", label(url)))
        }
        Fault::NoDocument(_) => None,
    });
    wrong.unwrap_or_else(|| {
        let each: Vec<String> = faults
            .iter()
            .map(
                |(url, Fault::NoDocument(reason) | Fault::WrongDocument(reason))| {
                    format!("{}: {reason}", label(url))
                },
            )
            .collect();
        format!("no discovery document: {}", each.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{AddressRules, Fault, FetchResponse, another_issuer, candidates, jwks_uri};

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
            entra.contains("template") && entra.contains("address of its keys"),
            "{entra}"
        );
        let slash = another_issuer("https://x.example.com/", "https://x.example.com");
        assert!(slash.contains("slash"), "{slash}");
        let other = another_issuer("https://y.example.com/", "https://x.example.com");
        assert!(
            other.contains("another issuer") && other.contains("address of its keys"),
            "{other}"
        );
    }

    #[test]
    fn the_error_about_a_refused_address_shows_no_secret() {
        for (uri, shown) in [
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
            let found = jwks_uri(&answer, "https://idp.example.com", AddressRules::default());
            let Err(Fault::WrongDocument(reason)) = found else {
                panic!("{uri} is accepted")
            };
            assert!(reason.starts_with(shown), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
