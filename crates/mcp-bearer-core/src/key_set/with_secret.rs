//! An issuer with two kinds of keys, such as a project that changes from HS256 to ES256: a shared
//! secret beside public keys.
//!
//! HS256, HS384 and HS512 belong to the secret and every other algorithm to the public keys,
//! whatever else a set holds. A set in which the secret can be read switches HMAC off, because
//! anyone could sign with it. Until a set is held, nobody knows whether it can be read there, so
//! both kinds are unavailable.

use std::sync::Arc;

use super::{Held, KeySet};
use crate::algorithm::Algorithm;
use crate::jwk::JwkData;
use crate::rejection::{Rejection, RejectionKind};
use crate::signature::{KeyError, KeyErrorKind, VerifyingKey};

/// Public keys and a secret.
#[derive(Clone, Debug)]
pub(super) struct TwoKinds {
    public: Arc<KeySet>,
    /// None when it can be read in the set, or elsewhere.
    secret: Option<VerifyingKey>,
}

impl TwoKinds {
    pub(super) fn public(&self) -> &KeySet {
        &self.public
    }

    pub(super) fn secret(&self) -> Option<&VerifyingKey> {
        self.secret.as_ref()
    }
}

impl KeySet {
    /// This set for all algorithms except HS256, HS384 and HS512, and a shared secret for those.
    ///
    /// When the secret can be read in the set, in one of the encodings that
    /// [`is_secret_in`](VerifyingKey::is_secret_in) finds, it verifies nothing: see
    /// [`publishes_the_secret`](Self::publishes_the_secret). A set that is
    /// [unavailable](Self::unavailable) stays so for every algorithm.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mcp_bearer_core::{KeySet, VerifyingKey};
    /// let secret = VerifyingKey::shared_secret(b"0fG7c2Qp9vXn4LsRtYwZ1aBeDhJkMuTi")?;
    /// let public = Arc::new(KeySet::from_jwks_json(r#"{"keys":[]}"#)?);
    /// assert!(!KeySet::with_shared_secret(&public, &secret)?.publishes_the_secret());
    /// let leak = r#"{"keys":[{"kty":"oct","k":"MGZHN2MyUXA5dlhuNExzUnRZd1oxYUJlRGhKa011VGk"}]}"#;
    /// let public = Arc::new(KeySet::from_jwks_json(leak)?);
    /// assert!(KeySet::with_shared_secret(&public, &secret)?.publishes_the_secret());
    /// # Ok::<(), mcp_bearer_core::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// When `secret` is a public key.
    pub fn with_shared_secret(public: &Arc<Self>, secret: &VerifyingKey) -> Result<Self, KeyError> {
        if !secret.is_secret() {
            let why = "a public key never serves as a shared secret".to_owned();
            return Err(KeyError::of(KeyErrorKind::NotASecret, why));
        }
        let public = match &public.0 {
            Held::TwoKinds(both) => &both.public,
            _ => public,
        };
        if let Held::Unavailable { .. } = &public.0 {
            return Ok(Self::clone(public));
        }
        Ok(Self(Held::TwoKinds(Box::new(TwoKinds {
            secret: (!public.holds(secret)).then(|| secret.clone()),
            public: Arc::clone(public),
        }))))
    }

    /// Whether a shared secret was given beside these keys and can be read among them, or
    /// [elsewhere](Self::with_secret_published). HS256, HS384 and HS512 are then refused, until the
    /// issuer has another secret.
    #[must_use]
    pub fn publishes_the_secret(&self) -> bool {
        matches!(&self.0, Held::TwoKinds(both) if both.secret.is_none())
    }

    /// The same public keys for a secret that can be read elsewhere, such as in an answer of the
    /// issuer that is not a key set. HS256, HS384 and HS512 are refused. A set without a secret
    /// beside it is returned unchanged.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mcp_bearer_core::{KeySet, VerifyingKey};
    /// let secret = VerifyingKey::shared_secret(b"0fG7c2Qp9vXn4LsRtYwZ1aBeDhJkMuTi")?;
    /// let public = Arc::new(KeySet::from_jwks_json(r#"{"keys":[]}"#)?);
    /// let both = KeySet::with_shared_secret(&public, &secret)?;
    /// assert!(both.with_secret_published().publishes_the_secret());
    /// # Ok::<(), mcp_bearer_core::KeyError>(())
    /// ```
    #[must_use]
    pub fn with_secret_published(mut self) -> Self {
        if let Held::TwoKinds(both) = &mut self.0 {
            both.secret = None;
        }
        self
    }

    /// The set without a secret beside it.
    pub(super) fn public(&self) -> &Self {
        match &self.0 {
            Held::TwoKinds(both) => both.public(),
            _ => self,
        }
    }

    /// Whether the secret can be read in the set as published, or in what is known about its keys.
    fn holds(&self, secret: &VerifyingKey) -> bool {
        let text = match &self.0 {
            Held::Published { text, .. } => text.as_str(),
            _ => "",
        };
        secret.is_secret_in(text)
            || self.verifying_keys().any(|key| {
                let thumbprint = format!("\"{}\"", key.thumbprint());
                let jwk = JwkData::from_key(key).and_then(|jwk| serde_json::to_string(&jwk).ok());
                let jwk = jwk.unwrap_or_default();
                secret.is_secret_in(&thumbprint) || secret.is_secret_in(&jwk)
            })
    }
}

/// Anyone can read the secret.
pub(super) fn switched_off(algorithm: Algorithm) -> Rejection {
    let why = format!(
        "no key for {algorithm}: it is switched off, because the issuer publishes the shared secret; replace the secret"
    );
    Rejection::because(RejectionKind::UnknownKey, why)
}

#[cfg(test)]
mod tests;
