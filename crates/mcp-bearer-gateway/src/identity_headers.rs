//! Identifies the caller to the server. The gateway either sets or removes each header.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp_bearer::AccessToken;

use crate::config::IdentityHeaderNames;
use crate::own_answer::OwnAnswer;

/// A server must not take an authenticated caller for nobody, or for another one.
pub(crate) const IDENTITY: OwnAnswer = OwnAnswer::new(
    StatusCode::FORBIDDEN,
    "identity_header",
    "the caller's name cannot be passed on to the server",
);

/// A claim that no header can hold is one that names the caller.
#[derive(Debug)]
pub(crate) struct Unnamed;

impl IdentityHeaderNames {
    pub(crate) fn all(&self) -> [HeaderName; 4] {
        [&self.subject, &self.client_id, &self.scopes, &self.issuer].map(Clone::clone)
    }

    /// Sets the headers. A caller without a token has none. A claim with characters that no header
    /// can hold is left out, with a line in the log.
    ///
    /// # Errors
    /// When the server would then not know who calls: without the issuer or the subject, or without
    /// the client of a token that has no subject. Less than all scopes, or no client beside the
    /// subject, gives the caller fewer rights.
    pub(crate) fn set(
        &self,
        headers: &mut HeaderMap,
        access: Option<&AccessToken>,
    ) -> Result<(), Unnamed> {
        let Some(access) = access else {
            return Ok(());
        };
        let subject = set(headers, &self.subject, access.subject());
        let client = set(headers, &self.client_id, access.client_id());
        let issuer = set(headers, &self.issuer, access.issuer());
        let scopes = access.scopes();
        if !scopes.is_empty() {
            set(headers, &self.scopes, Some(scopes.as_str()));
        }
        let is_named = issuer && subject && (client || access.subject().is_some());
        is_named.then_some(()).ok_or(Unnamed)
    }
}

/// Returns whether the server gets what there is.
fn set(headers: &mut HeaderMap, name: &HeaderName, value: Option<&str>) -> bool {
    let Some(text) = value else {
        return true;
    };
    // Nothing, and a space at an end, would not arrive: two subjects must not become one.
    let bytes = text.as_bytes();
    let is_space = |byte: Option<&u8>| byte == Some(&b' ');
    // Without a branch, so the processor checks many bytes at a time.
    let is_visible = |all, byte: &u8| all & matches!(byte, b' '..=b'~');
    let arrives = !bytes.is_empty()
        && !is_space(bytes.first())
        && !is_space(bytes.last())
        && bytes.iter().fold(true, is_visible);
    match HeaderValue::from_str(text) {
        Ok(value) if arrives => {
            headers.insert(name, value);
            true
        }
        _ => {
            tracing::warn!(
                target: "mcp_bearer::gateway",
                header = name.as_str(),
                "a claim holds characters that no header can hold; the server does not get it"
            );
            false
        }
    }
}
