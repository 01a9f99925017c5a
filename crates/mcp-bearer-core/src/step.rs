//! The steps of verification, and the trait that observes them.
//!
//! The verifier and `--explain` are the same code: an [`Observer`] sees each step, and can change
//! nothing.

use std::fmt;

use crate::rejection::Rejection;

/// One step of verification, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Length and alphabet (RFC 6750 section 2.1).
    Length,
    /// Three segments of strict base64url (RFC 7515 section 7.1).
    Segments,
    /// The header is one JSON object (RFC 7515 section 4).
    HeaderJson,
    /// The claims are one JSON object (RFC 7519 section 7.2).
    ClaimsJson,
    /// With several issuers: which of them the token claims to come from.
    ChooseIssuer,
    /// `alg` (RFC 7515 section 4.1.1, RFC 8725 section 3.1).
    Algorithm,
    /// `crit` and `b64` (RFC 7515 section 4.1.11, RFC 7797).
    Critical,
    /// `typ` (RFC 8725 section 3.11, RFC 9068 section 2.1).
    TokenType,
    /// `kid` (RFC 7515 section 4.1.4).
    KeyId,
    /// The key and the signature (RFC 7515 section 5.2).
    Signature,
    /// The outcome of [`ClaimsJson`](Self::ClaimsJson), reported only here.
    ClaimsHeld,
    /// `exp` (RFC 7519 section 4.1.4).
    Expiry,
    /// `nbf` and `iat` (RFC 7519 sections 4.1.5 and 4.1.6).
    NotBefore,
    /// `iss` (RFC 7519 section 4.1.1).
    Issuer,
    /// `aud` (RFC 7519 section 4.1.3).
    Audience,
    /// The types of the identity claims.
    Identity,
    /// `cnf` (RFC 7800).
    SenderConstraint,
    /// The marks of ID, refresh and logout tokens.
    AccessTokenOnly,
    /// The policy's required claims and clients.
    RequiredClaims,
    /// The scopes (RFC 6749 section 3.3).
    Scopes,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 20] = [
        Self::Length,
        Self::Segments,
        Self::HeaderJson,
        Self::ClaimsJson,
        Self::ChooseIssuer,
        Self::Algorithm,
        Self::Critical,
        Self::TokenType,
        Self::KeyId,
        Self::Signature,
        Self::ClaimsHeld,
        Self::Expiry,
        Self::NotBefore,
        Self::Issuer,
        Self::Audience,
        Self::Identity,
        Self::SenderConstraint,
        Self::AccessTokenOnly,
        Self::RequiredClaims,
        Self::Scopes,
    ];

    /// The number of the step in the specification's list: `1` to `19`, and `4a`.
    #[must_use]
    pub const fn number(self) -> &'static str {
        self.row().0
    }

    /// What the step checks, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().1
    }

    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Length => ("1", "length and alphabet"),
            Self::Segments => ("2", "three segments of base64url"),
            Self::HeaderJson => ("3", "header is one JSON object"),
            Self::ClaimsJson => ("4", "claims are one JSON object"),
            Self::ChooseIssuer => ("4a", "choose among several issuers"),
            Self::Algorithm => ("5", "algorithm"),
            Self::Critical => ("6", "critical extensions"),
            Self::TokenType => ("7", "token type"),
            Self::KeyId => ("8", "key id"),
            Self::Signature => ("9", "key and signature"),
            Self::ClaimsHeld => ("10", "claims, reported after the signature"),
            Self::Expiry => ("11", "expiry"),
            Self::NotBefore => ("12", "not before, issued at"),
            Self::Issuer => ("13", "issuer"),
            Self::Audience => ("14", "audience"),
            Self::Identity => ("15", "identity claims"),
            Self::SenderConstraint => ("16", "sender constraint"),
            Self::AccessTokenOnly => ("17", "an access token, not another kind"),
            Self::RequiredClaims => ("18", "required claims and clients"),
            Self::Scopes => ("19", "scopes"),
        }
    }
}

/// Watches verification. Every method may do nothing.
///
/// The facts may hold text from the token, quoted and cut, but never the token itself.
pub trait Observer {
    /// A step was passed.
    fn passed(&mut self, step: Step, facts: fmt::Arguments<'_>);

    /// A step was not needed, or could not be done.
    fn skipped(&mut self, step: Step, why: &'static str);

    /// A step ended the verification.
    fn failed(&mut self, step: Step, rejection: &Rejection);
}

/// Watches nothing and costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn passed(&mut self, _: Step, _: fmt::Arguments<'_>) {}
    fn skipped(&mut self, _: Step, _: &'static str) {}
    fn failed(&mut self, _: Step, _: &Rejection) {}
}

/// Runs steps one after the other and reports each outcome to an observer.
pub(crate) struct Watch<'o, O> {
    observer: &'o mut O,
    /// Why no signature is checked, if there are no keys to check it with.
    unverified: Option<Box<str>>,
}

impl<'o, O: Observer> Watch<'o, O> {
    pub(crate) fn new(observer: &'o mut O) -> Self {
        Self {
            observer,
            unverified: None,
        }
    }

    /// Reports the outcome of one step. `show` writes what was found when the step passed.
    #[inline(always)]
    pub(crate) fn step<T>(
        &mut self,
        step: Step,
        outcome: Result<T, Rejection>,
        show: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
    ) -> Result<T, Rejection> {
        if let Ok(found) = &outcome {
            let shown = Showing(found, show);
            self.observer.passed(step, format_args!("{shown}"));
            return outcome;
        }
        outcome.map_err(|rejection| self.fail(step, rejection))
    }

    /// Reports that a step ended the verification.
    #[inline]
    pub(crate) fn fail(&mut self, step: Step, rejection: Rejection) -> Rejection {
        let rejection = match &self.unverified {
            Some(why) => rejection.not_verified(why.clone()),
            None => rejection,
        };
        self.observer.failed(step, &rejection);
        rejection
    }

    /// Reports that a step was not needed, or could not be done.
    pub(crate) fn skip(&mut self, step: Step, why: &'static str) {
        self.observer.skipped(step, why);
    }

    /// From here on, rejections say that no signature was verified.
    pub(crate) fn without_signature(&mut self, unavailable: &Rejection) {
        self.skip(Step::Signature, "no keys to verify with");
        self.unverified = unavailable.unavailable_because().map(Into::into);
    }
}

/// A value with the function that writes it.
struct Showing<'t, T, F>(&'t T, F);

impl<T, F> fmt::Display for Showing<'_, T, F>
where
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.1)(self.0, f)
    }
}
