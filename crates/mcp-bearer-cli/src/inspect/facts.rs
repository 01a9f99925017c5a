//! What can be read of one token, whatever is broken in it. The work is bounded by the token's
//! length.

use mcp_bearer::config::Limits;
use mcp_bearer::core::TokenParts;
use mcp_bearer::{Rejection, UnixTime};

use super::members::Members;
use super::remarks;
use super::token_kind::{self, Kind};
use crate::pasted::{PASTED_BYTES, damage, is_opaque, starts_like_a_token};

/// The contents of a token, not verified.
pub(crate) struct Inspection {
    pub(super) kind: Kind,
    pub(super) bytes: usize,
    /// The number of parts between full stops.
    pub(super) parts: usize,
    pub(super) header: Result<Members, String>,
    pub(super) claims: Result<Members, String>,
    pub(super) signature_bytes: Result<usize, String>,
    pub(super) remarks: Vec<String>,
    /// The time from which distances are measured.
    pub(super) now: f64,
}

impl Inspection {
    pub(crate) fn new(token: &str, at: UnixTime) -> Self {
        let now = at.as_secs_f64();
        let limits = Limits::default().with_token_bytes(PASTED_BYTES);
        let parts = match TokenParts::read(token, &limits) {
            Ok(parts) => parts,
            Err(too_long) => return Self::unread(token.len(), &too_long.to_string(), now),
        };
        let said = |rejection: Rejection| rejection.to_string();
        let header = parts.header().map(Members::read).map_err(said);
        let claims = parts.claims().map(Members::read).map_err(said);
        let mut remarks = match &header {
            Ok(header) => remarks::of(parts.bytes(), header, claims.as_ref().ok(), at),
            Err(_) => Vec::new(),
        };
        remarks.extend(damage(token));
        Self {
            kind: kind_of(token, &parts, &header, claims.as_ref().ok()),
            bytes: parts.bytes(),
            parts: parts.count(),
            header,
            claims,
            signature_bytes: parts.signature_bytes().map_err(said),
            remarks,
            now,
        }
    }

    /// For a line that was too long to hold.
    pub(crate) fn too_long(bytes: usize, now: UnixTime) -> Self {
        Self::unread(bytes, "too long to be looked at", now.as_secs_f64())
    }

    fn unread(bytes: usize, why: &str, now: f64) -> Self {
        Self {
            kind: Kind::new("unreadable", "a text that is not a token", why),
            bytes,
            parts: 0,
            header: Err(why.to_owned()),
            claims: Err(why.to_owned()),
            signature_bytes: Err(why.to_owned()),
            remarks: Vec::new(),
            now,
        }
    }

    /// Whether there was no text at all.
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The reason if there is nothing to show, not even a kind.
    pub(crate) fn unreadable(&self) -> Option<String> {
        let why = self.header.as_ref().err()?;
        (self.kind.name == "unreadable").then(|| match self.remarks.first() {
            Some(remark) => format!("{why} ({remark})"),
            None => why.clone(),
        })
    }
}

fn kind_of(
    token: &str,
    parts: &TokenParts,
    header: &Result<Members, String>,
    claims: Option<&Members>,
) -> Kind {
    let header = match header {
        Ok(header) => header,
        Err(_) if is_opaque(token, parts) => {
            let title = "an opaque token: a name for what its issuer knows";
            return Kind::new("opaque", title, "");
        }
        Err(why) if starts_like_a_token(token) => {
            return Kind::new(
                "unreadable",
                "a token whose header cannot be read",
                why.as_str(),
            );
        }
        Err(why) => return Kind::new("unreadable", "a text that is not a token", why.as_str()),
    };
    if parts.count() == 5 || header.has("enc") {
        let title =
            "an encrypted token (JWE): only its audience can read it, and it is not accepted";
        return Kind::new("encrypted", title, "\"enc\" in the header, five parts");
    }
    if token.contains('~') {
        let title = "a token with selective disclosures (SD-JWT): not a bearer token";
        return Kind::new("sd_jwt", title, "\"~\" in it");
    }
    token_kind::of(header, claims.unwrap_or(&Members::default()))
}
