//! Tells the server who calls. Each header is always ours: set, or absent.

use http::{HeaderMap, HeaderName, HeaderValue};
use mcp_bearer::AccessToken;

use crate::config::IdentityHeaderNames;

impl IdentityHeaderNames {
    pub(crate) fn all(&self) -> [HeaderName; 4] {
        [&self.subject, &self.client_id, &self.scopes, &self.issuer].map(Clone::clone)
    }

    /// Sets the headers. A caller without a token has none, and a claim with characters that no
    /// header can hold is left out, with a line in the log.
    pub(crate) fn set(&self, headers: &mut HeaderMap, access: Option<&AccessToken>) {
        let Some(access) = access else {
            return;
        };
        set(headers, &self.subject, access.subject());
        set(headers, &self.client_id, access.client_id());
        set(headers, &self.issuer, access.issuer());
        let scopes = access.scopes();
        if !scopes.is_empty() {
            set(headers, &self.scopes, Some(scopes.as_str()));
        }
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: Option<&str>) {
    let Some(text) = value else {
        return;
    };
    // A space at an end would not arrive: two subjects must not become one.
    let bytes = text.as_bytes();
    let is_space = |byte: Option<&u8>| byte == Some(&b' ');
    // Without a branch, so the processor checks many bytes at a time.
    let is_visible = |all, byte: &u8| all & matches!(byte, b' '..=b'~');
    let arrives =
        !is_space(bytes.first()) && !is_space(bytes.last()) && bytes.iter().fold(true, is_visible);
    match HeaderValue::from_str(text) {
        Ok(value) if arrives => {
            headers.insert(name, value);
        }
        _ => tracing::warn!(
            target: "mcp_bearer::gateway",
            header = name.as_str(),
            "a claim holds characters that no header can hold; the server does not get it"
        ),
    }
}
