//! Binds a token to the body of its request.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::access_token::AccessToken;
use crate::rejection::{Rejection, RejectionKind};

impl AccessToken {
    /// The claim that binds a token to one body: the SHA-256 of its bytes, in base64url without
    /// padding. Proxies that sign a token for each request set it.
    pub const BODY_HASH_CLAIM: &'static str = "body_sha256";

    /// Requires that the token was signed for a request with this body. It then cannot be sent
    /// again with another one.
    ///
    /// A token without the claim is accepted for an empty body only: there is nothing to bind then.
    ///
    /// # Errors
    /// [`MissingClaim`](crate::RejectionKind::MissingClaim),
    /// [`InvalidClaim`](crate::RejectionKind::InvalidClaim) if it is not a string, and
    /// [`ClaimNotAllowed`](crate::RejectionKind::ClaimNotAllowed) for the hash of another body.
    /// The token is at fault in each case: another token would be accepted, so the answer is 401.
    pub fn require_body_hash(&self, body: &[u8]) -> Result<(), Rejection> {
        let refuse = |kind, why| Err(Rejection::claim(kind, Self::BODY_HASH_CLAIM, why));
        match self.claim(Self::BODY_HASH_CLAIM) {
            Ok(Some(Value::String(claimed))) => {
                let hash = digest::digest(&digest::SHA256, body);
                if claimed == URL_SAFE_NO_PAD.encode(hash) {
                    return Ok(());
                }
                let why = "is not the hash of this request's body";
                refuse(RejectionKind::ClaimNotAllowed, why)
            }
            Ok(None | Some(Value::Null)) if body.is_empty() => Ok(()),
            Ok(None | Some(Value::Null)) => {
                let why = "is missing, and must bind the token to this request's body";
                refuse(RejectionKind::MissingClaim, why)
            }
            Ok(Some(_)) | Err(_) => refuse(RejectionKind::InvalidClaim, "is not a string"),
        }
    }
}
