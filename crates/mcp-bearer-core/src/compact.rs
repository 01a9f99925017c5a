//! The JWS compact form (RFC 7515 section 7.1): strict split, strict base64url, JSON. Steps 1 to 4
//! and 4a.
//!
//! The result is unverified, as its type says. Nothing here looks at keys, and nothing here may be
//! trusted until `verify` in `verify.rs` has accepted it.

mod inspection;

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use memchr::memchr_iter;

pub use inspection::TokenParts;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::json::{JsonError, JsonObject, Value};
use crate::limits::Limits;
use crate::near_miss::NearMiss;
use crate::rejection::{Rejection, RejectionKind, Shown};
use crate::step::{Observer, Step, Unobserved, Watch};

/// A well-formed token with nothing verified yet.
///
/// It shows what may be looked at before trust: the algorithm, the `kid` and the issuer it claims.
/// Verification is a method on it, so a second attempt after a key refetch does not parse again.
///
/// ```
/// use mcp_bearer_core::{Limits, RejectionKind, UnverifiedToken};
/// let rejection = UnverifiedToken::parse("not a token", &Limits::default()).unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::Malformed);
/// ```
#[derive(Clone)]
pub struct UnverifiedToken<'t> {
    pub(crate) token: &'t str,
    pub(crate) signing_input: &'t str,
    pub(crate) signature: Vec<u8>,
    pub(crate) header: JsonObject,
    algorithm: Option<Algorithm>,
    claims: Held,
}

/// The outcome of step 4.
#[derive(Clone)]
enum Held {
    Read(Result<Arc<JsonObject>, JsonError>),
    /// Read on demand: the algorithm cannot be one of ours, so the claims are hardly ever needed.
    ReadWhenAsked(OnceLock<Result<Arc<JsonObject>, JsonError>>),
}

impl<'t> UnverifiedToken<'t> {
    /// Steps 1 to 4: length, segments, header. A fault in the claims is reported only after the
    /// signature.
    ///
    /// # Errors
    /// [`TokenTooLarge`](RejectionKind::TokenTooLarge), [`Malformed`](RejectionKind::Malformed).
    pub fn parse(token: &'t str, limits: &Limits) -> Result<Self, Rejection> {
        Self::parse_observed(token, limits, &mut Unobserved)
    }

    /// [`parse`](Self::parse), reporting each step to an observer.
    ///
    /// # Errors
    /// The same.
    pub fn parse_observed(
        token: &'t str,
        limits: &Limits,
        observer: &mut impl Observer,
    ) -> Result<Self, Rejection> {
        let mut watch = Watch::new(observer);
        let segments = check_length(token, limits).and_then(|()| match Segments::decode(token) {
            // Strict segments have no other characters, so only a token without strict segments
            // needs this check.
            Err(rejection) => check_alphabet(token).map(|()| Err(rejection)),
            decoded => Ok(decoded),
        });
        let segments = watch.step(Step::Length, segments, |_, f| {
            write!(f, "{} bytes", token.len())
        })?;
        let segments = watch.step(Step::Segments, segments, Segments::show)?;

        let header = read_header(segments.header);
        let header = watch.step(Step::HeaderJson, header, show_names)?;

        let algorithm = named_algorithm(&header);
        let claims = if algorithm.is_some() {
            let claims = JsonObject::read(segments.claims).map(Arc::new);
            match &claims {
                Ok(claims) => {
                    watch.step(Step::ClaimsJson, Ok(claims), |claims, f| {
                        show_names(claims, f)
                    })?;
                }
                Err(_) => watch.skip(Step::ClaimsJson, "reported after the signature"),
            }
            Held::Read(claims)
        } else {
            watch.skip(Step::ClaimsJson, "no known algorithm could sign them");
            Held::ReadWhenAsked(OnceLock::new())
        };
        Ok(Self {
            token,
            signing_input: segments.signing_input,
            signature: segments.signature,
            header,
            algorithm,
            claims,
        })
    }

    /// The algorithm that the header names, if it is one of the closed set. Unverified.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The key id that the header names. Unverified attacker text, up to the token's own length.
    #[must_use]
    pub fn kid(&self) -> Option<Cow<'_, str>> {
        match self.header.get("kid")? {
            Value::String(kid) => Some(kid),
            _ => None,
        }
    }

    /// The issuer that the claims name, if they can be read. Unverified.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<Cow<'_, str>> {
        match self.claims().ok()?.get("iss")? {
            Value::String(issuer) => Some(issuer),
            _ => None,
        }
    }

    /// Step 4a, if several issuers are configured: finds the entry whose name equals `iss` byte for
    /// byte.
    ///
    /// The choice rests on unverified text; it decides only whose keys the token must satisfy.
    ///
    /// # Errors
    /// [`Malformed`](RejectionKind::Malformed), [`MissingClaim`](RejectionKind::MissingClaim),
    /// [`InvalidClaim`](RejectionKind::InvalidClaim), [`WrongIssuer`](RejectionKind::WrongIssuer).
    pub fn choose_issuer<'i, T>(
        &self,
        issuers: impl IntoIterator<Item = (&'i str, T)>,
    ) -> Result<T, Rejection> {
        self.choose_issuer_observed(issuers, &mut Unobserved)
    }

    /// [`choose_issuer`](Self::choose_issuer), reporting to an observer.
    ///
    /// # Errors
    /// The same.
    pub fn choose_issuer_observed<'i, T>(
        &self,
        issuers: impl IntoIterator<Item = (&'i str, T)>,
        observer: &mut impl Observer,
    ) -> Result<T, Rejection> {
        let chosen = self.required_issuer().and_then(|issuer| {
            let mut near = None;
            for (name, entry) in issuers {
                if *name == *issuer {
                    return Ok((issuer, entry));
                }
                near = near.or_else(|| NearMiss::between(&issuer, name).map(|miss| (miss, name)));
            }
            let mut text = format!("issuer {} is none of the configured ones", Shown(&issuer));
            if let Some((miss, name)) = near {
                text.push_str(&miss.clause(&issuer, name));
            }
            Err(Rejection::because(RejectionKind::WrongIssuer, text))
        });
        let show =
            |(issuer, _): &(Cow<'_, str>, T), f: &mut fmt::Formatter<'_>| Shown(issuer).fmt(f);
        let (_, entry) = Watch::new(observer).step(Step::ChooseIssuer, chosen, show)?;
        Ok(entry)
    }

    fn required_issuer(&self) -> Result<Cow<'_, str>, Rejection> {
        let claims = self.claims()?;
        match claims.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            Some(Value::Null) => Err(Rejection::claim(
                RejectionKind::MissingClaim,
                "iss",
                "is null, and it is required",
            )),
            Some(_) => Err(Rejection::claim(
                RejectionKind::InvalidClaim,
                "iss",
                "is not a string",
            )),
            None => Err(Rejection::claim(
                RejectionKind::MissingClaim,
                "iss",
                "is missing",
            )),
        }
    }

    /// The stored outcome of step 4.
    pub(crate) fn claims(&self) -> Result<&Arc<JsonObject>, Rejection> {
        let held = match &self.claims {
            Held::Read(held) => held,
            Held::ReadWhenAsked(cell) => cell.get_or_init(|| self.read_claims()),
        };
        held.as_ref()
            .map_err(|error| Rejection::at(error.why, "claims", error.at))
    }

    /// From the segment, which has already been decoded once.
    fn read_claims(&self) -> Result<Arc<JsonObject>, JsonError> {
        let segment = self.signing_input.split('.').nth(1).unwrap_or_default();
        let bytes = base64url::decode(segment).unwrap_or_default();
        JsonObject::read(bytes).map(Arc::new)
    }
}

/// Shows what was read, never the token.
impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken")
            .field("algorithm", &self.algorithm())
            .field("bytes", &self.token.len())
            .finish_non_exhaustive()
    }
}

fn named_algorithm(header: &JsonObject) -> Option<Algorithm> {
    match header.get("alg")? {
        Value::String(name) => name.parse().ok(),
        _ => None,
    }
}

/// The names of the first members.
fn show_names(object: &JsonObject, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, (name, _)) in object.members().take(32).enumerate() {
        write!(f, "{}{}", if index == 0 { "" } else { " " }, Shown(&name))?;
    }
    Ok(())
}

/// Step 3.
fn read_header(segment: Vec<u8>) -> Result<JsonObject, Rejection> {
    let header = JsonObject::read(segment).and_then(|header| match header.huge_number_at() {
        Some(at) => Err(JsonError {
            why: "a number that no finite double can hold",
            at,
        }),
        None => Ok(header),
    });
    header.map_err(|error| Rejection::at(error.why, "header", error.at))
}

fn check_length(token: &str, limits: &Limits) -> Result<(), Rejection> {
    if token.len() > limits.token_bytes {
        return Err(Rejection::token_too_large(token.len(), limits.token_bytes));
    }
    Ok(())
}

fn check_alphabet(token: &str) -> Result<(), Rejection> {
    match first_outside(token.as_bytes()) {
        None => Ok(()),
        Some(at) => Err(Rejection::at(
            "a character outside the alphabet of bearer tokens",
            "token",
            at,
        )),
    }
}

/// Checks each piece as a whole, which the processor does many bytes at a time.
fn first_outside(bytes: &[u8]) -> Option<usize> {
    let outside = |byte: &u8| !is_token68(*byte);
    let mut before = 0;
    for piece in bytes.chunks(64) {
        if piece
            .iter()
            .fold(false, |found, byte| found | outside(byte))
        {
            return piece.iter().position(outside).map(|at| before + at);
        }
        before += piece.len();
    }
    None
}

/// RFC 6750 section 2.1: `ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/"`, and `=` at the end.
pub(crate) const fn is_token68(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let dash_to_nine = byte.wrapping_sub(b'-') < 13; // - . / 0..9
    letter | dash_to_nine | (byte == b'_') | (byte == b'~') | (byte == b'+') | (byte == b'=')
}

struct Segments<'t> {
    signing_input: &'t str,
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> Segments<'t> {
    fn decode(token: &'t str) -> Result<Self, Rejection> {
        // An extra dot falls inside a segment, where it is not base64url.
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second)) = (dots.next(), dots.next()) else {
            return Err(wrong_count(count_segments(token)));
        };
        let part = |range: Range<usize>| token.get(range).unwrap_or_default();
        let decode = || {
            Ok(Self {
                signing_input: part(0..second),
                header: segment("header segment", part(0..first))?,
                claims: segment("claims segment", part(first + 1..second))?,
                signature: segment("signature segment", part(second + 1..token.len()))?,
            })
        };
        decode().map_err(|rejection| match count_segments(token) {
            3 => rejection,
            count => wrong_count(count),
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (header, claims) = (self.header.len(), self.claims.len());
        let signature = self.signature.len();
        write!(
            f,
            "{header} bytes of header, {claims} of claims, {signature} of signature"
        )
    }
}

fn segment(name: &'static str, text: &str) -> Result<Vec<u8>, Rejection> {
    if text.is_empty() {
        return Err(Rejection::at("empty", name, 0));
    }
    base64url::decode(text).map_err(|error| {
        use base64::DecodeError as Error;
        let (why, at) = match error {
            Error::InvalidByte(at, _) => ("a character outside base64url", at),
            Error::InvalidLastSymbol { offset, .. } => ("trailing bits that are not zero", offset),
            Error::InvalidLength(at) => ("a length that base64url cannot have", at),
            Error::InvalidPadding => ("padding", text.len()),
        };
        Rejection::at(why, name, at)
    })
}

fn count_segments(token: &str) -> usize {
    // A piece has fewer than 256 dots, so a byte can count them, many at a time.
    let dots = |piece: &[u8]| {
        let dot = |byte: &u8| u8::from(*byte == b'.');
        piece
            .iter()
            .fold(0_u8, |count, byte| count.wrapping_add(dot(byte)))
    };
    let pieces = token.as_bytes().chunks(128).map(dots);
    pieces.map(usize::from).sum::<usize>() + 1
}

const fn wrong_count(count: usize) -> Rejection {
    if count == 5 {
        let why = "five segments: an encrypted token (JWE), which is not accepted";
        return Rejection::with(RejectionKind::Malformed, why);
    }
    Rejection::segments(count)
}
