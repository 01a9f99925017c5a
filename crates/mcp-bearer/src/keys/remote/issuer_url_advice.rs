//! Recognises other addresses of an identity provider that were given as the issuer by mistake.
//!
//! Only addresses that cannot be an issuer are recognised, because an error here keeps a server
//! from starting.

use url::Url;

use crate::config::problem::Fact;
use crate::config::setting::Setting;
use crate::keys::fetch::address::label;

/// The well-known names of an issuer's metadata (RFC 8414 section 3, OpenID Connect Discovery
/// section 4).
const METADATA: [&str; 2] = ["openid-configuration", "oauth-authorization-server"];

/// The ends of paths at which identity providers publish their keys.
const KEY_SETS: [&str; 7] = [
    "/jwks",
    "/jwks_uri",
    "/oauth2/v1/keys",
    "/oauth2/v1/certs",
    "/oauth2/v3/certs",
    "/discovery/v2.0/keys",
    "/protocol/openid-connect/certs",
];

/// What the address is, and which setting it belongs to; `None` if it may be an issuer.
pub(super) fn advice(url: &Url) -> Option<Fact> {
    let path = url.path();
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.ends_with(".json") || KEY_SETS.iter().any(|end| path.ends_with(end)) {
        let fact = Fact::from("this is the address of a JWK Set, not an issuer; give ");
        let address = label(url);
        return Some(
            fact.name(Setting::JwksUri)
                .text(&format!(" {address:?} instead")),
        );
    }
    let (before, behind) = path.split_once("/.well-known/")?;
    let (name, tenant) = match behind.split_once('/') {
        Some((name, tenant)) => (name, format!("/{tenant}")),
        None => (behind, String::new()),
    };
    if name == "oauth-protected-resource" {
        let what = "the metadata of a protected resource (RFC 9728)";
        let fact = format!("this is the address of {what}; give one of its authorization_servers");
        return Some(fact.into());
    }
    if METADATA.contains(&name) {
        let issuer = format!("{}{before}{tenant}", url.origin().ascii_serialization());
        let issuer = issuer.trim_end_matches('/');
        let fact = format!(
            "this is the address of an issuer's metadata; give the issuer, \"{issuer}\" or \"{issuer}/\", as the claim \"iss\" of its tokens has it"
        );
        return Some(fact.into());
    }
    Some("this is a well-known address of an issuer, not the issuer".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::{ConfigError, Problem};
    use crate::config::setting::Entrance;

    fn said(url: &str) -> String {
        let fact = advice(&Url::parse(url).unwrap());
        let error = fact.map(|fact| ConfigError::from(Problem::of(Setting::Discover, fact)));
        error.map_or_else(String::new, |error| error.words(Entrance::Flag).remove(0))
    }

    #[test]
    fn the_address_of_a_key_set() {
        for url in [
            "https://idp.example.com/.well-known/jwks.json",
            "https://idp.example.com/jwks",
            "https://idp.example.com/oauth2/default/v1/jwks.json",
            "https://idp.example.com/oauth2/v1/keys",
            "https://www.googleapis.com/oauth2/v3/certs",
            "https://login.microsoftonline.com/common/discovery/v2.0/keys",
            "https://idp.example.com/realms/a/protocol/openid-connect/certs",
        ] {
            let expected = format!("give --jwks-uri \"{url}\" instead");
            assert!(said(url).contains(&expected), "{}", said(url));
        }
    }

    #[test]
    fn the_address_of_metadata() {
        for (url, issuer) in [
            (
                "https://a.example.com/.well-known/openid-configuration",
                "https://a.example.com",
            ),
            (
                "https://a.example.com:8443/t/.well-known/openid-configuration",
                "https://a.example.com:8443/t",
            ),
            (
                "https://a.example.com/.well-known/oauth-authorization-server",
                "https://a.example.com",
            ),
            (
                "https://a.example.com/.well-known/oauth-authorization-server/t/u",
                "https://a.example.com/t/u",
            ),
            (
                "https://a.example.com/.well-known/openid-configuration/",
                "https://a.example.com",
            ),
        ] {
            let expected = format!("give the issuer, \"{issuer}\" or \"{issuer}/\"");
            assert!(said(url).contains(&expected), "{}", said(url));
        }
        let resource = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
        assert!(said(resource).contains("authorization_servers"));
        assert!(said("https://a.example.com/.well-known/x").contains("not the issuer"));
    }

    #[test]
    fn an_issuer_passes() {
        for url in [
            "https://idp.example.com",
            "https://idp.example.com/",
            "https://login.microsoftonline.com/tenant/v2.0",
            "https://idp.example.com/oauth2/default",
            "https://idp.example.com/realms/keys",
            "https://idp.example.com/application/o/certs/",
            "https://idp.example.com/t/oauth/keys",
        ] {
            assert_eq!(said(url), "", "{url}");
        }
    }
}
