//! [`Thumbprint`]: identifies a key, whatever its `kid` (RFC 7638).

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The SHA-256 of a key's parameters: the JWK thumbprint of RFC 7638. Equal keys have equal
/// thumbprints.
///
/// [`Display`](fmt::Display) writes it in base64url (RFC 7638 section 3.1), the usual `kid` of a
/// public key. From the thumbprint of a shared secret, the secret could be guessed, so it is never
/// written: [`Display`](fmt::Display) and [`Debug`](fmt::Debug) say `shared secret`.
///
/// ```
/// use mcp_bearer_core::{JwkData, VerifyingKey};
/// // The key of RFC 8037 appendix A.2 and its thumbprint of appendix A.3:
/// let jwk = JwkData::from_json(
///     r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// let thumbprint = VerifyingKey::from_jwk(&jwk)?.thumbprint();
/// assert_eq!(thumbprint.to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// # Ok::<(), mcp_bearer_core::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint {
    sha256: [u8; 32],
    of: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Origin {
    PublicKey,
    SharedSecret,
}

impl Thumbprint {
    /// Of the required members of a public JWK, in the form of RFC 7638 section 3.
    pub(crate) fn of_public_key(members: &str) -> Self {
        Self::new(members, Origin::PublicKey)
    }

    /// Of a JWK with a shared secret.
    pub(crate) fn of_shared_secret(members: &str) -> Self {
        Self::new(members, Origin::SharedSecret)
    }

    fn new(members: &str, of: Origin) -> Self {
        let mut sha256 = [0; 32];
        let digest = digest::digest(&digest::SHA256, members.as_bytes());
        for (to, from) in sha256.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self { sha256, of }
    }

    /// The 32 bytes themselves. For a shared secret they are a hash of the secret: do not publish
    /// them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.sha256
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Origin::PublicKey => f.pad(&URL_SAFE_NO_PAD.encode(self.sha256)),
            Origin::SharedSecret => f.pad("shared secret"),
        }
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Thumbprint;

    #[test]
    fn that_of_a_secret_is_compared_and_never_written() {
        let text = r#"{"k":"AAAA","kty":"oct"}"#;
        let (secret, public) = (
            Thumbprint::of_shared_secret(text),
            Thumbprint::of_public_key(text),
        );
        assert_eq!(secret, Thumbprint::of_shared_secret(text));
        assert_eq!(secret.as_bytes(), public.as_bytes());
        assert_eq!(secret.to_string(), "shared secret");
        assert_eq!(format!("{secret:?}"), "Thumbprint(shared secret)");
        assert_eq!(public.to_string().len(), 43);
        assert_eq!(format!("{public:?}"), format!("Thumbprint({public})"));
    }
}
