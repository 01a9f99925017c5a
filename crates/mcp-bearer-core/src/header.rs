//! The JOSE header (RFC 7515 section 4): steps 5 to 8.
//!
//! `jwk`, `jku`, `x5u`, `x5c` and `x5t` are never read: a token must not choose the key that
//! verifies it.

mod token_types;

use std::borrow::Cow;
use std::fmt::Write;

pub(crate) use token_types::{DeclaredType, NamedTypes};

use crate::algorithm::Algorithm;
use crate::json::{JsonObject, Value};
use crate::rejection::{Rejection, RejectionKind, Shown};

/// The members that the verifier looks at, found in one pass.
#[derive(Debug, Default)]
pub(crate) struct Header<'a> {
    alg: Option<Value<'a>>,
    crit: Option<Value<'a>>,
    b64: Option<Value<'a>>,
    typ: Option<Value<'a>>,
    kid: Option<Value<'a>>,
}

impl<'a> Header<'a> {
    pub(crate) fn read(object: &'a JsonObject) -> Self {
        let mut header = Self::default();
        for (name, value) in object.members() {
            let slot = match name.as_bytes() {
                b"alg" => &mut header.alg,
                b"crit" => &mut header.crit,
                b"b64" => &mut header.b64,
                b"typ" => &mut header.typ,
                b"kid" => &mut header.kid,
                _ => continue,
            };
            *slot = Some(value.read());
        }
        header
    }

    /// Step 5: `alg` is a known name, and in the policy's list.
    pub(crate) fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Rejection> {
        let refuse = |text: String| Rejection::because(RejectionKind::AlgorithmNotAllowed, text);
        let name = match &self.alg {
            Some(Value::String(name)) => name,
            Some(_) => {
                let why = "the header's \"alg\" is not a string";
                return Err(Rejection::with(RejectionKind::AlgorithmNotAllowed, why));
            }
            None => {
                let why = "the header has no \"alg\"";
                return Err(Rejection::with(RejectionKind::AlgorithmNotAllowed, why));
            }
        };
        match name.parse::<Algorithm>() {
            Ok(algorithm) if allowed.contains(&algorithm) => Ok(algorithm),
            _ => {
                // This path runs for unauthenticated requests, so the sentence is written once,
                // into a buffer that is large enough.
                let mut text = String::with_capacity(160);
                let _ = write!(text, "algorithm {} is not allowed, only ", Shown(name));
                for (index, algorithm) in allowed.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { ", " });
                    text.push_str(algorithm.name());
                }
                Err(refuse(text))
            }
        }
    }

    /// Step 6: no extension is supported, so none may be critical; and the payload is always
    /// encoded.
    pub(crate) fn critical(&self) -> Result<(), Rejection> {
        let refuse = |why| Err(Rejection::with(RejectionKind::UnsupportedHeader, why));
        if self.crit.is_some() {
            return refuse("the header has \"crit\", and no extension is understood");
        }
        match &self.b64 {
            None | Some(Value::Bool(true)) => Ok(()),
            Some(_) => refuse("the header has \"b64\" other than true"),
        }
    }

    /// Step 7: `typ` is absent, or names an access token or no kind in particular.
    pub(crate) fn declared_type(&self, named: &NamedTypes) -> Result<DeclaredType, Rejection> {
        let kind = RejectionKind::WrongTokenType;
        match &self.typ {
            None => Ok(DeclaredType::Plain),
            Some(Value::String(typ)) => named.declared(typ).ok_or_else(|| {
                let text = format!("type {} is not that of an access token", Shown(typ));
                Rejection::because(kind, text)
            }),
            Some(_) => {
                let why = "the header's \"typ\" is not a string";
                Err(Rejection::with(kind, why))
            }
        }
    }

    /// Step 8: `kid` is a string when present.
    pub(crate) fn key_id(&self) -> Result<Option<&Cow<'a, str>>, Rejection> {
        match &self.kid {
            None => Ok(None),
            Some(Value::String(kid)) => Ok(Some(kid)),
            Some(_) => {
                let why = "the header's \"kid\" is not a string";
                Err(Rejection::with(RejectionKind::Malformed, why))
            }
        }
    }
}
