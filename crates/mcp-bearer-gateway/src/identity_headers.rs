//! Identifies the caller to the server. The gateway either sets or removes each header.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp_bearer::AccessToken;

use crate::config::IdentityHeaderNames;
use crate::known_caller::KnownCaller;
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

/// What the headers say about the caller of one token.
pub(crate) struct Identity {
    subject: Content,
    client_id: Content,
    scopes: Content,
    issuer: Content,
}

/// What one header says.
enum Content {
    Nothing,
    /// A claim that no header can hold.
    Unfit,
    Value(HeaderValue),
}

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
        caller: Option<&KnownCaller>,
    ) -> Result<(), Unnamed> {
        let Some(caller) = caller else {
            return Ok(());
        };
        let Identity {
            subject,
            client_id,
            scopes,
            issuer,
        } = &caller.identity;
        let has_subject = subject.set(&self.subject, headers);
        let has_client = client_id.set(&self.client_id, headers);
        let has_issuer = issuer.set(&self.issuer, headers);
        scopes.set(&self.scopes, headers);
        let is_named =
            has_issuer && has_subject && (has_client || !matches!(subject, Content::Nothing));
        is_named.then_some(()).ok_or(Unnamed)
    }
}

impl Identity {
    pub(crate) fn of(access: &AccessToken) -> Self {
        let scopes = Some(access.scopes().as_str()).filter(|scopes| !scopes.is_empty());
        let texts = [
            access.subject(),
            access.client_id(),
            scopes,
            access.issuer(),
        ];
        // One allocation for all of them.
        let joined = Bytes::from(texts.map(Option::unwrap_or_default).concat());
        let mut start = 0;
        let [subject, client_id, scopes, issuer] = texts.map(|text| {
            let Some(text) = text else {
                return Content::Nothing;
            };
            let end = start + text.len();
            let content = Content::of(joined.slice(start..end));
            start = end;
            content
        });
        Self {
            subject,
            client_id,
            scopes,
            issuer,
        }
    }
}

impl Content {
    fn of(text: Bytes) -> Self {
        // Nothing, and a space at an end, would not arrive: two subjects must not become one.
        let is_space = |byte: Option<&u8>| byte == Some(&b' ');
        let arrives = !text.is_empty()
            && !is_space(text.first())
            && !is_space(text.last())
            && text.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let value = arrives.then(|| HeaderValue::from_maybe_shared(text).ok());
        value.flatten().map_or(Self::Unfit, Self::Value)
    }

    /// Returns whether the server gets what there is.
    fn set(&self, name: &HeaderName, headers: &mut HeaderMap) -> bool {
        match self {
            Self::Nothing => {}
            Self::Value(value) => drop(headers.insert(name, value.clone())),
            Self::Unfit => {
                tracing::warn!(
                    target: "mcp_bearer::gateway",
                    header = name.as_str(),
                    "a claim holds characters that no header can hold; the server does not get it"
                );
                return false;
            }
        }
        true
    }
}
