//! A typed view of validated claims (RFC 7519 section 4). A wrong type is a separate error.
//!
//! `null` counts as absent where a claim only describes the token, because some issuers write every
//! member that they know. In a date, `iss` or `aud`, `null` never means "no restriction".
//!
//! This file reads the claims; `policy.rs` decides what they must contain.

mod path;
mod required;
mod scopes;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::Duration;

pub use path::ClaimPath;
pub(crate) use required::{Comparison, RequiredClaim};
pub(crate) use scopes::{Counted, ScopeClaims};

use crate::json::{JsonObject, Value, elements};
use crate::limits::Limits;
use crate::rejection::{Rejection, RejectionKind};
use crate::time::{NumericDate, UnixTime};

/// How `null` counts in a claim.
#[derive(Clone, Copy)]
enum Null {
    /// As if the claim were missing.
    Absent,
    /// As a value of a wrong type.
    Kept,
}

/// The claims that the verifier looks at, found in one pass.
#[derive(Debug, Default)]
pub(crate) struct Claims<'a> {
    pub(crate) exp: Option<Value<'a>>,
    pub(crate) nbf: Option<Value<'a>>,
    pub(crate) iat: Option<Value<'a>>,
    pub(crate) iss: Option<Value<'a>>,
    pub(crate) aud: Option<Value<'a>>,
    pub(crate) sub: Option<Value<'a>>,
    pub(crate) client_id: Option<Value<'a>>,
    pub(crate) azp: Option<Value<'a>>,
    pub(crate) cid: Option<Value<'a>>,
    pub(crate) appid: Option<Value<'a>>,
    pub(crate) jti: Option<Value<'a>>,
    pub(crate) cnf: Option<Value<'a>>,
    pub(crate) at_hash: Option<Value<'a>>,
    pub(crate) c_hash: Option<Value<'a>>,
    pub(crate) s_hash: Option<Value<'a>>,
    pub(crate) events: Option<Value<'a>>,
    pub(crate) token_use: Option<Value<'a>>,
    pub(crate) typ: Option<Value<'a>>,
}

impl<'a> Claims<'a> {
    pub(crate) fn read(object: &'a JsonObject) -> Self {
        let mut claims = Self::default();
        for (name, value) in object.members() {
            let (slot, null) = match name.as_bytes() {
                b"exp" => (&mut claims.exp, Null::Kept),
                b"nbf" => (&mut claims.nbf, Null::Kept),
                b"iat" => (&mut claims.iat, Null::Kept),
                b"iss" => (&mut claims.iss, Null::Kept),
                b"aud" => (&mut claims.aud, Null::Kept),
                b"sub" => (&mut claims.sub, Null::Absent),
                b"client_id" => (&mut claims.client_id, Null::Absent),
                b"azp" => (&mut claims.azp, Null::Absent),
                b"cid" => (&mut claims.cid, Null::Absent),
                b"appid" => (&mut claims.appid, Null::Absent),
                b"jti" => (&mut claims.jti, Null::Absent),
                b"cnf" => (&mut claims.cnf, Null::Absent),
                b"at_hash" => (&mut claims.at_hash, Null::Absent),
                b"c_hash" => (&mut claims.c_hash, Null::Absent),
                b"s_hash" => (&mut claims.s_hash, Null::Absent),
                b"events" => (&mut claims.events, Null::Absent),
                b"token_use" => (&mut claims.token_use, Null::Absent),
                b"typ" => (&mut claims.typ, Null::Absent),
                _ => continue,
            };
            *slot = match (value.read(), null) {
                (Value::Null, Null::Absent) => None,
                (value, _) => Some(value),
            };
        }
        claims
    }

    /// Step 15, and the client: `client_id`, `azp`, `cid`, `appid`, in this order.
    pub(crate) fn identity(&self) -> Result<Identity<'_, 'a>, Rejection> {
        let subject = string("sub", self.sub.as_ref())?;
        let clients = [
            string("client_id", self.client_id.as_ref())?,
            string("azp", self.azp.as_ref())?,
            string("cid", self.cid.as_ref())?,
            string("appid", self.appid.as_ref())?,
        ];
        string("jti", self.jti.as_ref())?;
        Ok(Identity {
            subject,
            client: clients.into_iter().flatten().next(),
        })
    }

    /// Only `exp`, for step 11, which must not report faults of the other times.
    pub(crate) fn expiry(&self, demanded: Expiry) -> Result<Times, Rejection> {
        if demanded == Expiry::Required {
            refuse_null("exp", self.exp.as_ref())?;
        }
        Ok(Times {
            expires_at: numeric_date("exp", self.exp.as_ref())?,
            ..Times::default()
        })
    }

    /// Adds `nbf` and `iat` to an expiry that has been checked; each is finite when present.
    pub(crate) fn times(&self, expiry: Times) -> Result<Times, Rejection> {
        Ok(Times {
            not_before: numeric_date("nbf", self.nbf.as_ref())?,
            issued_at: numeric_date("iat", self.iat.as_ref())?,
            ..expiry
        })
    }
}

/// Who the token is about, and who holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'c, 'a> {
    pub(crate) subject: Option<&'c Cow<'a, str>>,
    pub(crate) client: Option<&'c Cow<'a, str>>,
}

/// The times of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) expires_at: Option<NumericDate>,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
}

/// How times are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimeRules {
    pub(crate) leeway: Duration,
    pub(crate) expiry: Expiry,
    pub(crate) future_issue: FutureIssue,
    pub(crate) max_age: Option<Duration>,
}

/// Whether a token must have an expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expiry {
    #[default]
    Required,
    Optional,
}

/// What happens to a token whose `iat` is in the future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FutureIssue {
    #[default]
    Refused,
    Accepted,
}

impl Times {
    /// Step 11: `now < exp + leeway`.
    pub(crate) fn check_expiry(&self, rules: &TimeRules, now: UnixTime) -> Result<(), Rejection> {
        let leeway = rules.leeway.as_secs_f64();
        match (self.expires_at, rules.expiry) {
            (Some(at), _) if now.as_secs_f64() < at.as_secs_f64() + leeway => Ok(()),
            (Some(at), _) => Err(Rejection::time(RejectionKind::Expired, "exp", at, now)),
            (None, Expiry::Required) => Err(missing("exp")),
            (None, Expiry::Optional) => Ok(()),
        }
    }

    /// Step 12: `now >= nbf - leeway` and `now >= iat - leeway`, and the age where one is set.
    pub(crate) fn check_start(&self, rules: &TimeRules, now: UnixTime) -> Result<(), Rejection> {
        let (seconds, leeway) = (now.as_secs_f64(), rules.leeway.as_secs_f64());
        if let Some(at) = self.not_before
            && seconds < at.as_secs_f64() - leeway
        {
            return Err(Rejection::time(RejectionKind::NotYetValid, "nbf", at, now));
        }
        let too_early = |at: &NumericDate| at.as_secs_f64() > seconds + leeway;
        let Some(max_age) = rules.max_age else {
            return match (self.issued_at.filter(too_early), rules.future_issue) {
                (Some(at), FutureIssue::Refused) => {
                    Err(Rejection::time(RejectionKind::NotYetValid, "iat", at, now))
                }
                (Some(_), FutureIssue::Accepted) | (None, _) => Ok(()),
            };
        };
        let at = self.issued_at.ok_or_else(|| missing("iat"))?;
        if too_early(&at) {
            return Err(Rejection::time(RejectionKind::NotYetValid, "iat", at, now));
        }
        if seconds - at.as_secs_f64() > max_age.as_secs_f64() + leeway {
            return Err(Rejection::time(RejectionKind::TooOld, "iat", at, now));
        }
        Ok(())
    }
}

/// A required claim must not be `null`, which counts as missing.
pub(crate) const fn refuse_null(
    name: &'static str,
    value: Option<&Value<'_>>,
) -> Result<(), Rejection> {
    match value {
        Some(Value::Null) => Err(Rejection::claim(
            RejectionKind::MissingClaim,
            name,
            "is null, and it is required",
        )),
        _ => Ok(()),
    }
}

pub(crate) const fn missing(name: &'static str) -> Rejection {
    Rejection::claim(RejectionKind::MissingClaim, name, "is missing")
}

const fn invalid(name: &'static str, why: &'static str) -> Rejection {
    Rejection::claim(RejectionKind::InvalidClaim, name, why)
}

/// A string, when present.
pub(crate) fn string<'c, 'a>(
    name: &'static str,
    value: Option<&'c Value<'a>>,
) -> Result<Option<&'c Cow<'a, str>>, Rejection> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(name, "is not a string")),
    }
}

/// A string or an array of strings, when present; the array is searched once per lookup.
pub(crate) fn audience<'c, 'a>(
    value: Option<&'c Value<'a>>,
) -> Result<Option<Audience<'c, 'a>>, Rejection> {
    let wrong = || invalid("aud", "is neither a string nor an array of strings");
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(Audience::One(text))),
        Some(Value::Array(array)) => {
            if elements(array).all(|element| matches!(element, Value::String(_))) {
                Ok(Some(Audience::Several(array)))
            } else {
                Err(wrong())
            }
        }
        Some(_) => Err(wrong()),
    }
}

/// The contents of `aud` (RFC 7519 section 4.1.3).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Audience<'c, 'a> {
    One(&'c Cow<'a, str>),
    Several(&'a str),
}

impl Audience<'_, '_> {
    pub(crate) fn any(&self, mut wanted: impl FnMut(&str) -> bool) -> bool {
        match self {
            Self::One(text) => wanted(text),
            Self::Several(array) => elements(array)
                .any(|element| matches!(element, Value::String(text) if wanted(&text))),
        }
    }

    pub(crate) fn to_vec(self) -> Vec<String> {
        let mut all = Vec::new();
        self.any(|text| {
            all.push(text.to_owned());
            false
        });
        all
    }
}

/// A finite number of at most 2^53 in magnitude, when present.
fn numeric_date(
    name: &'static str,
    value: Option<&Value<'_>>,
) -> Result<Option<NumericDate>, Rejection> {
    let Some(value) = value else {
        return Ok(None);
    };
    let bound = Limits::NUMERIC_DATE_MAX;
    match value.as_finite() {
        // A number just above the bound is rounded to the bound, so its digits decide.
        Some(date) if date.abs() < bound || date.abs() == bound && is_within_the_bound(value) => {
            Ok(Some(NumericDate::from_secs_f64(date)))
        }
        Some(_) => Err(invalid(name, "is a number beyond 2^53")),
        None => Err(invalid(name, "is not a number")),
    }
}

/// Whether a number that was rounded to 2^53 is at most that. Its first nonzero digit is that of
/// 10^15.
fn is_within_the_bound(value: &Value<'_>) -> bool {
    let Value::Number(text) = value else {
        return false;
    };
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let mut digits = mantissa
        .bytes()
        .filter(u8::is_ascii_digit)
        .skip_while(|digit| *digit == b'0');
    for bound in b"9007199254740992" {
        match digits.next().unwrap_or(b'0').cmp(bound) {
            Ordering::Less => return true,
            Ordering::Equal => {}
            Ordering::Greater => return false,
        }
    }
    digits.all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::{Value, numeric_date};

    #[test]
    fn a_date_beyond_the_bound_is_not_rounded_into_it() {
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "9007199254740991",
            "9007199254740991.9",
            "9007199254740991.99999999999999999999999999",
            "9007199254740992.0",
            "9.007199254740992e15",
            "-9.00719925474099200E+15",
            "0.9007199254740992e16",
            "90071992547409920000e-4",
        ] {
            assert!(
                numeric_date("exp", Some(&Value::Number(text))).is_ok(),
                "{text}"
            );
        }
        for text in [
            "9007199254740993",
            "9007199254740992.5",
            "9007199254740992.000001",
            "9007199254740992.1e0",
            "90071992547409930e-1",
            "-9007199254740993",
        ] {
            assert!(
                numeric_date("exp", Some(&Value::Number(text))).is_err(),
                "{text}"
            );
        }
    }
}
