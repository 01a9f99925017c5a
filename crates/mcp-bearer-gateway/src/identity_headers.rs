//! Identifies the caller to the server. The gateway either sets or removes each header.

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
            set(headers, &self.scopes, Some(&scopes.to_string()));
        }
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: Option<&str>) {
    let Some(text) = value else {
        return;
    };
    // A space at an end would not arrive: two subjects must not become one.
    let arrives = text.trim_ascii() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
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
