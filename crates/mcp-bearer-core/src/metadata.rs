//! The protected resource metadata document (RFC 9728), and where it is served.
//!
//! It contains only what was configured. The resource is written exactly as given: clients compare
//! it byte for byte with the URL they were given.

use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;

use crate::policy::{Expected, Rule, RuleError};
use crate::scope::Scopes;

/// The document of RFC 9728 section 2, checked.
///
/// ```
/// use mcp_bearer_core::ProtectedResourceMetadata;
/// let metadata = ProtectedResourceMetadata::builder("https://mcp.example.com/mcp")
///     .authorization_servers(["https://idp.example.com/"])
///     .build()?;
/// assert_eq!(metadata.well_known_path(), "/.well-known/oauth-protected-resource/mcp");
/// assert_eq!(
///     metadata.url(),
///     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
/// );
/// # Ok::<(), mcp_bearer_core::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResourceMetadata {
    document: Document,
    path: String,
    url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Document {
    resource: String,
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
}

/// Builds a [`ProtectedResourceMetadata`].
#[derive(Clone, Debug)]
pub struct MetadataBuilder {
    resource: String,
    authorization_servers: Vec<String>,
    scopes_supported: Scopes,
    resource_name: Option<String>,
    resource_documentation: Option<String>,
    servers: Scheme,
}

/// What an authorization server's URL may begin with outside loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Https,
    HttpToo,
}

impl ProtectedResourceMetadata {
    /// Starts the document of a resource, by its identifier: the URL of the MCP endpoint.
    #[must_use]
    pub fn builder(resource: impl Into<String>) -> MetadataBuilder {
        MetadataBuilder {
            resource: resource.into(),
            authorization_servers: Vec::new(),
            scopes_supported: Scopes::none(),
            resource_name: None,
            resource_documentation: None,
            servers: Scheme::Https,
        }
    }

    /// The resource identifier, exactly as configured.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.document.resource
    }

    /// The path where it is served: `/.well-known/oauth-protected-resource` and the resource's path
    /// (RFC 9728 section 3.1).
    #[must_use]
    pub fn well_known_path(&self) -> &str {
        &self.path
    }

    /// The absolute URL, for `resource_metadata` in a challenge (RFC 9728 section 5.1).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same document with further scopes worth asking for, each once.
    ///
    /// ```
    /// use mcp_bearer_core::ProtectedResourceMetadata;
    /// let metadata = ProtectedResourceMetadata::builder("https://mcp.example.com/mcp")
    ///     .authorization_servers(["https://idp.example.com/"])
    ///     .scopes_supported(&"mcp:read".parse()?)
    ///     .build()?
    ///     .with_further_scopes(&"mcp:admin mcp:read".parse()?);
    /// assert!(metadata.to_json().contains(r#""scopes_supported":["mcp:read","mcp:admin"]"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_further_scopes(mut self, scopes: &Scopes) -> Self {
        let further = scopes.without("offline_access");
        for scope in further.iter() {
            let supported = &mut self.document.scopes_supported;
            if !supported.iter().any(|one| one == scope) {
                supported.push(scope.to_owned());
            }
        }
        self
    }

    /// The document as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and lists of strings always serialize.
        serde_json::to_string(&self.document).unwrap_or_default()
    }
}

impl MetadataBuilder {
    /// The issuers that clients may get a token from; at least one.
    #[must_use]
    pub fn authorization_servers<T: Into<String>>(
        mut self,
        servers: impl IntoIterator<Item = T>,
    ) -> Self {
        self.authorization_servers = servers.into_iter().map(Into::into).collect();
        self
    }

    /// The scopes worth asking for. `offline_access` is left out: it concerns only client and
    /// issuer.
    #[must_use]
    pub fn scopes_supported(mut self, scopes: &Scopes) -> Self {
        self.scopes_supported = scopes.without("offline_access");
        self
    }

    /// A human-readable name.
    #[must_use]
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// The URL of documentation for developers.
    #[must_use]
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource_documentation = Some(url.into());
        self
    }

    /// Lets authorization servers be http outside loopback. Anyone between them and a client gets
    /// what the client sends.
    #[must_use]
    pub fn insecure_allow_http(mut self) -> Self {
        self.servers = Scheme::HttpToo;
        self
    }

    /// Checks everything and builds it.
    ///
    /// # Errors
    /// When the resource or an authorization server is not an absolute https URL without fragment
    /// and user (http on loopback is allowed), or no authorization server is named.
    pub fn build(self) -> Result<ProtectedResourceMetadata, RuleError> {
        let mut error = RuleError::default();
        let split = Split::of(&self.resource, Scheme::Https).map_err(|why| {
            error.add(Rule::Resource, format!("{:?}: {why}", self.resource));
        });
        if self.authorization_servers.is_empty() {
            let why =
                "at least one issuer must be named by its URL (RFC 9728 is of no use without)";
            error.add(Rule::AuthorizationServers, why);
        }
        for server in &self.authorization_servers {
            if let Err(why) = Split::of(server, self.servers) {
                error.add(Rule::AuthorizationServers, format!("{server:?}: {why}"));
            }
        }
        let (Ok(split), true) = (split, error.problems().is_empty()) else {
            return Err(error);
        };
        let path = format!("/.well-known/oauth-protected-resource{}", split.path);
        let query = split.query;
        let url = format!("{}{path}{query}", split.origin);
        let scopes = self
            .scopes_supported
            .iter()
            .map(ToOwned::to_owned)
            .collect();
        Ok(ProtectedResourceMetadata {
            path,
            url,
            document: Document {
                resource: self.resource,
                authorization_servers: self.authorization_servers,
                scopes_supported: scopes,
                bearer_methods_supported: ["header"],
                resource_name: self.resource_name,
                resource_documentation: self.resource_documentation,
            },
        })
    }
}

impl Expected {
    /// The audiences that name a resource: its identifier, byte for byte. If that is a URL without
    /// a path, the URL with a slash after the host and the one without it are the same resource
    /// (RFC 3986 section 6.2.3), and both count.
    ///
    /// ```
    /// use mcp_bearer_core::Expected;
    /// let audiences = Expected::of_resource("https://mcp.example.com");
    /// assert!(audiences.allows("https://mcp.example.com"));
    /// assert!(audiences.allows("https://mcp.example.com/"));
    /// let audiences = Expected::of_resource("https://mcp.example.com/mcp");
    /// assert!(!audiences.allows("https://mcp.example.com/mcp/"));
    /// ```
    #[must_use]
    pub fn of_resource(identifier: &str) -> Self {
        match Split::of(identifier, Scheme::HttpToo) {
            Ok(Split {
                origin,
                path,
                query,
            }) if path.is_empty() => {
                let mut spellings = [format!("{origin}{query}"), format!("{origin}/{query}")];
                // Errors name the given one first.
                spellings.sort_by_key(|spelling| spelling != identifier);
                spellings.into()
            }
            _ => identifier.into(),
        }
    }
}

/// A URL split into parts without changing a byte of it.
struct Split {
    origin: String,
    path: String,
    query: String,
}

impl Split {
    fn of(url: &str, allowed: Scheme) -> Result<Self, &'static str> {
        let printable = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if !url.bytes().all(printable) {
            return Err("a character that no URL may hold");
        }
        if url.contains('#') {
            return Err("a fragment is not allowed (RFC 8707 section 2, RFC 8414 section 2)");
        }
        let (scheme, rest) = url.split_once("://").ok_or("not an absolute URL")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let host = host_of(authority).ok_or("a host is needed, without a user")?;
        let secure = scheme.eq_ignore_ascii_case("https");
        let plain = scheme.eq_ignore_ascii_case("http");
        if !secure && !(plain && (allowed == Scheme::HttpToo || is_loopback(host))) {
            return Err("https is needed; http is for loopback only");
        }
        let (path, query) = match tail.find('?') {
            Some(at) => tail.split_at_checked(at).unwrap_or((tail, "")),
            None => (tail, ""),
        };
        let path = if path == "/" { "" } else { path };
        let origin = format!("{scheme}://{authority}");
        Ok(Self {
            origin,
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }
}

/// The host before an optional port; nothing if there is no host, or something else beside it.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = if authority.starts_with('[') {
        let (host, port) = authority.split_at_checked(authority.find(']')? + 1)?;
        let address = host.get(1..host.len() - 1)?;
        address.parse::<Ipv6Addr>().ok()?;
        (address, port)
    } else {
        let (host, port) =
            authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?;
        let forbidden = |c: char| "@[]<>^`{|}%".contains(c);
        if host.is_empty() || host.contains(forbidden) {
            return None;
        }
        (host, port)
    };
    match port.strip_prefix(':') {
        Some(number) if number.starts_with('+') => None,
        Some(number) => number.parse::<u16>().ok().map(|_| host),
        None => port.is_empty().then_some(host),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
