//! Binds a server's MCP sessions and event ids to the principal that they were given to, without
//! any state.
//!
//! A server that accepts a session id with any good token lets one user continue another user's
//! session. So the id that a client gets carries a keyed tag over the principal (issuer, subject
//! and client, never the token's bytes, which change with every refresh) and the server's own id.
//! Any replica with the same keys can check it.
//!
//! The tag is HMAC-SHA-256, cut to 128 bits (RFC 2104 section 5).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::AccessToken;

/// The bytes of a tag, and the characters that they take.
const TAG_BYTES: usize = 16;
const TAG_CHARS: usize = 22;

/// The shortest key: as long as the hash, as RFC 2104 section 3 recommends.
const KEY_BYTES: usize = 32;

/// The keys that bind sessions to their principals.
///
/// The first one makes tags, and all of them check tags. To rotate, put the new key first, and
/// remove the old one when the sessions of its time have ended. Replicas share their keys.
///
/// ```
/// use mcp_bearer::http::SessionKeys;
/// let keys = SessionKeys::new([[7; 32]])?;
/// assert!(SessionKeys::new([[7; 31]]).is_err());
/// assert_eq!(format!("{keys:?}"), "SessionKeys(1)");
/// # Ok::<(), mcp_bearer::http::SessionKeyError>(())
/// ```
#[derive(Clone)]
pub struct SessionKeys(Arc<[hmac::Key]>);

impl SessionKeys {
    /// The keys in order, each of at least 32 random bytes.
    ///
    /// # Errors
    /// When there is none, or one is shorter.
    pub fn new<T: AsRef<[u8]>>(keys: impl IntoIterator<Item = T>) -> Result<Self, SessionKeyError> {
        let keys: Result<Vec<hmac::Key>, SessionKeyError> = keys
            .into_iter()
            .map(|key| {
                let key = key.as_ref();
                if key.len() < KEY_BYTES {
                    return Err(SessionKeyError::TooShort);
                }
                Ok(hmac::Key::new(hmac::HMAC_SHA256, key))
            })
            .collect();
        let keys = keys?;
        if keys.is_empty() {
            return Err(SessionKeyError::Missing);
        }
        Ok(Self(keys.into()))
    }

    /// A key for this process alone: its sessions end with it, and no other replica knows them.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn of_this_process() -> Result<Self, SessionKeyError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut *key).map_err(|_| SessionKeyError::NoRandomness)?;
        Self::new([key.as_slice()])
    }

    fn signing(&self) -> Option<&hmac::Key> {
        self.0.first()
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKeys({})", self.0.len())
    }
}

/// Why there are no session keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionKeyError {
    /// No key was given.
    Missing,
    /// A key has fewer than 32 bytes.
    TooShort,
    /// The system has no random bytes.
    NoRandomness,
}

impl fmt::Display for SessionKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no session key",
            Self::TooShort => "a session key has fewer than 32 bytes",
            Self::NoRandomness => "the system gave no random bytes",
        })
    }
}

impl std::error::Error for SessionKeyError {}

/// The owner of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principal<'a> {
    Token {
        issuer: Option<&'a str>,
        subject: Option<&'a str>,
        client: Option<&'a str>,
    },
    /// Callers without a token: their sessions belong to all of them.
    Anonymous,
}

impl<'a> Principal<'a> {
    /// The principal of a token. A token without subject and client has none: all holders of such
    /// tokens would share their sessions.
    pub(crate) fn of(token: &'a AccessToken) -> Option<Self> {
        let (subject, client) = (token.subject(), token.client_id());
        (subject.is_some() || client.is_some()).then(|| Self::Token {
            issuer: token.issuer(),
            subject,
            client,
        })
    }
}

/// Makes and checks the tags of one server.
#[derive(Clone, Debug)]
pub(crate) struct SessionBinding {
    keys: SessionKeys,
    resource: Arc<str>,
}

/// What a tag is for: a tag for a session must not pass as one for an event.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Session,
    Event,
}

impl SessionBinding {
    /// A session of one resource is not valid for another resource that uses the same keys.
    pub(crate) fn new(keys: SessionKeys, resource: &str) -> Self {
        Self {
            keys,
            resource: resource.into(),
        }
    }

    /// The session id that a client gets in place of the server's.
    pub(crate) fn bind_session(&self, principal: Principal<'_>, id: &str) -> Option<String> {
        self.tag(Purpose::Session, principal, None)
            .map(|tag| tag.of(id))
    }

    /// The server's session id, if this principal was given it.
    pub(crate) fn open_session<'i>(
        &self,
        principal: Principal<'_>,
        id: &'i str,
    ) -> Option<&'i str> {
        self.open(Purpose::Session, principal, None, id)
    }

    /// Makes event ids for one stream of a principal, and of a session if there is one.
    pub(crate) fn event_tag(&self, principal: Principal<'_>, session: Option<&str>) -> Option<Tag> {
        self.tag(Purpose::Event, principal, session)
    }

    /// The server's event id, if this principal was given it in this session.
    pub(crate) fn open_event<'i>(
        &self,
        principal: Principal<'_>,
        session: Option<&str>,
        id: &'i str,
    ) -> Option<&'i str> {
        self.open(Purpose::Event, principal, session, id)
    }

    fn tag(
        &self,
        purpose: Purpose,
        principal: Principal<'_>,
        session: Option<&str>,
    ) -> Option<Tag> {
        self.keys.signing()?;
        Some(Tag {
            keys: self.keys.clone(),
            beginning: self.beginning(purpose, principal, session),
        })
    }

    fn open<'i>(
        &self,
        purpose: Purpose,
        principal: Principal<'_>,
        session: Option<&str>,
        tagged: &'i str,
    ) -> Option<&'i str> {
        let (id, tag) = tagged.rsplit_once('.')?;
        if tag.len() != TAG_CHARS {
            return None;
        }
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let beginning = self.beginning(purpose, principal, session);
        let is_ours = |key| {
            let expected = sign(key, &beginning, id);
            verify_slices_are_equal(&expected, &tag).is_ok()
        };
        self.keys.0.iter().any(is_ours).then_some(id)
    }

    /// Everything except the id. Each part goes in with its length, so that no two inputs differ
    /// only in where one part ends and the next begins.
    fn beginning(
        &self,
        purpose: Purpose,
        principal: Principal<'_>,
        session: Option<&str>,
    ) -> Box<[u8]> {
        let mut signed = Vec::with_capacity(256);
        let label: &[u8] = match purpose {
            Purpose::Session => b"mcp-bearer session 1",
            Purpose::Event => b"mcp-bearer event 1",
        };
        part(&mut signed, Some(label));
        part(&mut signed, Some(self.resource.as_bytes()));
        match principal {
            Principal::Anonymous => signed.push(b'a'),
            Principal::Token {
                issuer,
                subject,
                client,
            } => {
                signed.push(b't');
                for claim in [issuer, subject, client] {
                    part(&mut signed, claim.map(str::as_bytes));
                }
            }
        }
        part(&mut signed, session.map(str::as_bytes));
        signed.into()
    }
}

/// A tag that lacks only the id. A stream holds it as long as it is open, so it is not the state of
/// an HMAC, which takes 1 KB.
#[derive(Clone)]
pub(crate) struct Tag {
    keys: SessionKeys,
    beginning: Box<[u8]>,
}

impl Tag {
    /// The id, a dot and its tag.
    pub(crate) fn of(&self, id: &str) -> String {
        let mut tagged = String::with_capacity(id.len() + 1 + TAG_CHARS);
        tagged.push_str(id);
        tagged.push('.');
        if let Some(key) = self.keys.signing() {
            URL_SAFE_NO_PAD.encode_string(sign(key, &self.beginning, id), &mut tagged);
        }
        tagged
    }
}

fn sign(key: &hmac::Key, beginning: &[u8], id: &str) -> [u8; TAG_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(beginning);
    let mut last = Vec::with_capacity(id.len() + 9);
    part(&mut last, Some(id.as_bytes()));
    context.update(&last);
    let tag = context.sign();
    let mut bytes = [0; TAG_BYTES];
    for (byte, signed) in bytes.iter_mut().zip(tag.as_ref()) {
        *byte = *signed;
    }
    bytes
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag")
    }
}

fn part(signed: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        None => signed.push(0),
        Some(bytes) => {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            signed.push(1);
            signed.extend_from_slice(&length.to_be_bytes());
            signed.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
