//! The contents of a token, with FastMCP's defaults.

use mcp_bearer_core::{Algorithm, UnixTime};
use serde_json::{Map, Value, json};

use crate::clock::Clock;

/// The contents of a token that [`RsaKeyPair::create_token`](super::RsaKeyPair::create_token) and
/// [`SigningKey::create_token`](crate::SigningKey::create_token) sign.
///
/// Defaults: subject `fastmcp-user`, issuer `https://fastmcp.example.com`, no audience, no scopes,
/// one hour.
///
/// ```
/// use mcp_bearer::TokenRequest;
/// let request = TokenRequest::new()
///     .subject("alice")
///     .audience("https://mcp.example.com/mcp")
///     .scopes(["mcp:read", "mcp:write"])
///     .expires_in_seconds(-60) // already expired, to test that
///     .claim("tenant", "blue")
///     .kid("key-1");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenRequest {
    subject: Option<String>,
    issuer: String,
    audience: Vec<String>,
    scopes: Option<Vec<String>>,
    expires_in_seconds: i64,
    additional_claims: Map<String, Value>,
    kid: Option<String>,
    token_type: String,
    now: Option<UnixTime>,
}

impl TokenRequest {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            subject: Some("fastmcp-user".to_owned()),
            issuer: "https://fastmcp.example.com".to_owned(),
            audience: Vec::new(),
            scopes: None,
            expires_in_seconds: 3600,
            additional_claims: Map::new(),
            kid: None,
            token_type: "JWT".to_owned(),
            now: None,
        }
    }

    /// `sub`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// No `sub`, as in tokens that some issuers give to programs.
    pub fn without_subject(mut self) -> Self {
        self.subject = None;
        self
    }

    /// `iss`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// `aud`, as a string.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.audiences([audience])
    }

    /// `aud`: a string for one, an array for several, absent for none.
    pub fn audiences<T: Into<String>>(mut self, audiences: impl IntoIterator<Item = T>) -> Self {
        self.audience = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// `scope`, joined by spaces.
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// The lifetime; negative for a token that has already expired.
    pub fn expires_in_seconds(mut self, seconds: i64) -> Self {
        self.expires_in_seconds = seconds;
        self
    }

    /// Any other claim; it overrides one of the above with the same name.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.additional_claims.insert(name.into(), value.into());
        self
    }

    /// `kid` in the header.
    pub fn kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// `typ` in the header: `JWT` by default, `at+jwt` for an access token of RFC 9068.
    pub fn token_type(mut self, typ: impl Into<String>) -> Self {
        self.token_type = typ.into();
        self
    }

    /// The time of issue; by default the system's time.
    pub fn issued_at(mut self, now: UnixTime) -> Self {
        self.now = Some(now);
        self
    }

    pub(crate) fn header_json(&self, algorithm: Algorithm) -> String {
        let mut header = json!({"alg": algorithm.name(), "typ": self.token_type});
        if let (Some(kid), Some(members)) = (&self.kid, header.as_object_mut()) {
            members.insert("kid".to_owned(), Value::from(kid.as_str()));
        }
        header.to_string()
    }

    pub(crate) fn claims_json(&self) -> String {
        let now = self.now.unwrap_or_else(|| Clock::system().now()).as_secs();
        let issued_at = i64::try_from(now).unwrap_or(i64::MAX);
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), Value::from(self.issuer.as_str()));
        if let Some(subject) = &self.subject {
            claims.insert("sub".to_owned(), Value::from(subject.as_str()));
        }
        claims.insert("iat".to_owned(), Value::from(issued_at));
        let expires_at = issued_at.saturating_add(self.expires_in_seconds);
        claims.insert("exp".to_owned(), Value::from(expires_at));
        match self.audience.as_slice() {
            [] => {}
            [one] => drop(claims.insert("aud".to_owned(), Value::from(one.as_str()))),
            several => drop(claims.insert("aud".to_owned(), Value::from(several))),
        }
        if let Some(scopes) = &self.scopes {
            claims.insert("scope".to_owned(), Value::from(scopes.join(" ")));
        }
        claims.extend(self.additional_claims.clone());
        Value::Object(claims).to_string()
    }
}

impl Default for TokenRequest {
    fn default() -> Self {
        Self::new()
    }
}
