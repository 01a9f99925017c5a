//! JSON Web Keys (RFC 7517) as they are on the wire, and what turns one into a verifying key.
//!
//! Reading keeps every member and changes none. Certificates in a JWK (`x5c`, `x5u`) are never
//! read: the key is what its parameters say. A key with private or secret members never becomes a
//! verifying key.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::algorithm::{Algorithm, Curve};
use crate::base64url;
use crate::json::{self, Members};
use crate::limits::Limits;
use crate::rejection::Shown;
use crate::signature::{JwkMembers, KeyError, VerifyingKey};

/// One JSON Web Key as on the wire (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
///
/// ```
/// use mcp_bearer_core::{JwkData, VerifyingKey};
/// let jwk = JwkData::from_json(
///     r#"{"kty":"OKP","crv":"Ed25519","kid":"a",
///         "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// assert_eq!(jwk.kid.as_deref(), Some("a"));
/// assert_eq!(VerifyingKey::from_jwk(&jwk)?.describe(), "OKP Ed25519");
/// # Ok::<(), mcp_bearer_core::KeyError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JwkData {
    /// The key type: `RSA`, `EC`, `OKP`, `oct`, or one this crate does not know.
    pub kty: String,
    /// The key id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// `use`: `sig` or `enc`.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
    /// The operations the key is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
    /// The one algorithm the key is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// The RSA modulus, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The RSA exponent, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// The curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The x coordinate, or the Ed25519 key, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The y coordinate, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The certificate chain; kept, never read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5c: Option<Vec<String>>,
    /// The certificate's thumbprint; kept, never read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5t: Option<String>,
    /// Every other member, unchanged. Private and secret parameters are among them.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl JwkData {
    /// Reads one JWK from JSON.
    ///
    /// # Errors
    /// When the text is not one JSON object, `kty` is missing, or a member that says what the key
    /// is for has the wrong type. Other members that are `null` or of a wrong type stay in
    /// [`other`](Self::other), unchanged.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        Self::from_map(map(within_limit(text, "a JWK")?, "a JWK")?)
    }

    pub(crate) fn from_map(mut map: Map<String, Value>) -> Result<Self, KeyError> {
        let kty = match map.remove("kty") {
            Some(Value::String(kty)) => kty,
            Some(_) => return Err(KeyError::malformed("\"kty\" is not a string")),
            None => {
                let why = "\"kty\" is missing (RFC 7517 section 4.1)";
                return Err(KeyError::malformed(why));
            }
        };
        Ok(Self {
            kty,
            kid: string(&mut map, "kid")?,
            use_: string(&mut map, "use")?,
            key_ops: strings(&mut map, "key_ops")?,
            alg: string(&mut map, "alg")?,
            n: parameter(&mut map, "n"),
            e: parameter(&mut map, "e"),
            crv: parameter(&mut map, "crv"),
            x: parameter(&mut map, "x"),
            y: parameter(&mut map, "y"),
            x5c: certificates(&mut map),
            x5t: parameter(&mut map, "x5t"),
            other: map,
        })
    }

    /// The JWK of a public key; `None` for a shared secret.
    #[must_use]
    pub fn from_key(key: &VerifyingKey) -> Option<Self> {
        let jwk = match key.jwk_members()? {
            JwkMembers::Rsa { n, e } => Self {
                kty: "RSA".to_owned(),
                n: Some(n),
                e: Some(e),
                ..Self::default()
            },
            JwkMembers::Ec { curve, x, y } => Self {
                kty: "EC".to_owned(),
                crv: Some(curve.name().to_owned()),
                x: Some(x),
                y: Some(y),
                ..Self::default()
            },
            JwkMembers::Ed25519 { x } => Self {
                kty: "OKP".to_owned(),
                crv: Some("Ed25519".to_owned()),
                x: Some(x),
                ..Self::default()
            },
        };
        Some(jwk)
    }

    /// Whether it holds a private or secret parameter (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
    /// `null`, an empty `d` and an empty `oth` do not count: some programs write every member that
    /// they know.
    #[must_use]
    pub fn is_private(&self) -> bool {
        const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
        PRIVATE
            .into_iter()
            .any(|name| match (name, self.other.get(name)) {
                (_, None | Some(Value::Null)) => false,
                ("d", Some(Value::String(text))) => !text.is_empty(),
                ("oth", Some(Value::Array(primes))) => !primes.is_empty(),
                (_, Some(_)) => true,
            })
    }

    /// The algorithm it is bound to, when it names one of ours.
    pub(crate) fn algorithm(&self) -> Option<Result<Algorithm, KeyError>> {
        let name = self.alg.as_deref()?;
        Some(name.parse().map_err(|_| {
            KeyError::wrong_purpose(format!(
                "it is for the algorithm {}, which does not sign tokens",
                Shown(name)
            ))
        }))
    }

    /// `use` absent or `sig`, and `key_ops` absent, empty or with `verify` (RFC 7517 sections 4.2
    /// and 4.3).
    pub(crate) fn check_purpose(&self) -> Result<(), KeyError> {
        if let Some(purpose) = self.use_.as_deref().filter(|purpose| *purpose != "sig") {
            let why = format!("\"use\" is {}, not \"sig\"", Shown(purpose));
            return Err(KeyError::wrong_purpose(why));
        }
        match &self.key_ops {
            Some(ops) if !ops.is_empty() && !ops.iter().any(|op| op == "verify") => {
                let why = "\"key_ops\" does not contain \"verify\"";
                Err(KeyError::wrong_purpose(why))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is well-formed but never verifies a token here: it is of another type or curve,
    /// or for another purpose such as encryption. A broken key could be meant for signatures.
    pub(crate) fn serves_something_else(&self) -> bool {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("", _) | ("EC" | "OKP", None) => false,
            ("RSA", _) | ("EC", Some("P-256" | "P-384" | "P-521")) | ("OKP", Some("Ed25519")) => {
                let purpose = self.check_purpose().is_err();
                let algorithm = self.algorithm().is_some_and(|algorithm| algorithm.is_err());
                (purpose || algorithm) && VerifyingKey::from_jwk(self).is_ok()
            }
            _ => true,
        }
    }
}

/// Names the key and hides every value that could be private.
impl fmt::Debug for JwkData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwkData")
            .field("kty", &self.kty)
            .field("kid", &self.kid)
            .field("use", &self.use_)
            .field("alg", &self.alg)
            .field("crv", &self.crv)
            .finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// The verifying key of one JWK.
    ///
    /// `use`, `key_ops` and `alg` are not checked here; a [`KeySet`](crate::KeySet) honours them.
    ///
    /// An EC coordinate shorter than the curve's field is read as if its leading zeros were there:
    /// RFC 7518 section 6.2.1.2 forbids leaving them out, but some issuers do.
    ///
    /// # Errors
    /// When the type is unknown, a parameter is missing or not base64url, the key is weak, or it is
    /// a private key.
    pub fn from_jwk(jwk: &JwkData) -> Result<Self, KeyError> {
        Self::from_jwk_noted(jwk).map(|(key, _)| key)
    }

    /// The key, and what its publisher should know.
    pub(crate) fn from_jwk_noted(jwk: &JwkData) -> Result<(Self, Option<&'static str>), KeyError> {
        let plain = |key: Result<Self, KeyError>| key.map(|key| (key, None));
        if jwk.kty == "oct" {
            let why =
                "a shared secret (\"oct\") is never taken from a JWKS; give it as one explicitly";
            return Err(KeyError::private(why));
        }
        if jwk.is_private() {
            let why =
                "it holds private parameters; publish the public ones only and replace the key";
            return Err(KeyError::private(why));
        }
        let kty = jwk.kty.as_str();
        if !["RSA", "EC", "OKP"].contains(&kty) {
            let why = format!("the key type {} is not known", Shown(kty));
            return Err(KeyError::unsupported(why));
        }
        if kty == "RSA" {
            let (n, e) = (bytes(jwk.n.as_deref(), "n")?, bytes(jwk.e.as_deref(), "e")?);
            return plain(Self::rsa(&n, &e));
        }
        let Some(crv) = jwk.crv.as_deref() else {
            return Err(KeyError::malformed("\"crv\" is missing or not a string"));
        };
        match (kty, Curve::from_name(crv), crv) {
            ("EC", Some(curve), _) => {
                let (x, y) = (bytes(jwk.x.as_deref(), "x")?, bytes(jwk.y.as_deref(), "y")?);
                let (whole_x, whole_y) = (padded(&x, curve), padded(&y, curve));
                let key = Self::ec(curve, &whole_x, &whole_y)?;
                let shorter = whole_x.len() != x.len() || whole_y.len() != y.len();
                Ok((key, shorter.then_some(SHORT_COORDINATE)))
            }
            ("OKP", _, "Ed25519") => plain(Self::ed25519(&bytes(jwk.x.as_deref(), "x")?)),
            _ => {
                let why = format!("the curve {} is not supported", Shown(crv));
                Err(KeyError::unsupported(why))
            }
        }
    }
}

const SHORT_COORDINATE: &str = "a coordinate is shorter than the curve's field, and was padded with zeros; the issuer \
     should publish all its bytes (RFC 7518 section 6.2.1.2)";

/// A coordinate with its missing leading zeros restored. An empty one is not a coordinate.
fn padded(coordinate: &[u8], curve: Curve) -> Cow<'_, [u8]> {
    match curve.field_bytes().checked_sub(coordinate.len()) {
        Some(zeros) if zeros > 0 && !coordinate.is_empty() => {
            Cow::Owned([&vec![0; zeros], coordinate].concat())
        }
        _ => Cow::Borrowed(coordinate),
    }
}

/// A JWK Set as on the wire (RFC 7517 section 5).
///
/// Reading one is strict about its form; [`KeySet`](crate::KeySet) decides which keys can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JwksData {
    /// The keys, in order.
    pub keys: Vec<JwkData>,
}

impl JwksData {
    /// A set of these keys.
    #[must_use]
    pub fn new(keys: Vec<JwkData>) -> Self {
        Self { keys }
    }

    /// Reads a JWK Set from JSON.
    ///
    /// # Errors
    /// When the text is not a JWK Set, has too many keys, or one of them cannot be read.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let keys = elements(text)?.into_iter().enumerate().map(|(index, key)| {
            key.and_then(JwkData::from_map).map_err(|error| {
                KeyError::of(error.kind(), format!("key number {}: {error}", index + 1))
            })
        });
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }
}

/// One element of `keys`: its members, or why it has none.
type Element = Result<Map<String, Value>, KeyError>;

/// The elements of `keys`: each an object, or the reason why it is not.
pub(crate) fn elements(text: &str) -> Result<Vec<Element>, KeyError> {
    let text = within_limit(text, "a JWK Set")?;
    // A fault in one key does not affect the others.
    let set = Members::parse_outermost(text).map_err(|error| {
        KeyError::malformed(format!("not a JWK Set: {} at byte {}", error.why, error.at))
    })?;
    let Some(json::Value::Array(keys)) = set.get(text, "keys") else {
        return Err(KeyError::malformed(
            "not a JWK Set: there is no array \"keys\" (RFC 7517 section 5)",
        ));
    };
    let (got, most) = (json::elements(keys).count(), Limits::JWKS_KEYS);
    if got > most {
        let why = format!("the JWK Set has {got} keys, at most {most} are read");
        return Err(KeyError::too_large(why));
    }
    let object = |key| match key {
        json::Value::Object(text) => map(text, "a JWK"),
        _ => Err(KeyError::malformed("not a JSON object")),
    };
    Ok(json::elements(keys).map(object).collect())
}

/// Removes the byte order mark that some editors write (RFC 8259 section 8.1 lets a reader ignore
/// it).
fn within_limit<'a>(text: &'a str, what: &str) -> Result<&'a str, KeyError> {
    if text.len() > Limits::JWKS_BYTES {
        let most = Limits::JWKS_BYTES;
        let why = format!("{what} of more than {most} bytes is not read");
        return Err(KeyError::too_large(why));
    }
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

fn map(text: &str, what: &str) -> Result<Map<String, Value>, KeyError> {
    let members = Members::parse(text).map_err(|error| {
        KeyError::malformed(format!("not {what}: {} at byte {}", error.why, error.at))
    })?;
    match members.huge_number_at() {
        Some(at) => Err(KeyError::malformed(format!(
            "not {what}: an impossible number at byte {at}"
        ))),
        None => Ok(members.to_map(text)),
    }
}

/// Takes a member that is present and not `null`: some programs write every member that they know.
fn take(map: &mut Map<String, Value>, name: &str) -> Option<Value> {
    match map.get(name)? {
        Value::Null => None,
        _ => map.remove(name),
    }
}

fn string(map: &mut Map<String, Value>, name: &str) -> Result<Option<String>, KeyError> {
    match take(map, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyError::malformed(format!("{name:?} is not a string"))),
    }
}

/// A member that only some kinds of key need: if it has a wrong type it stays where it is, and code
/// that needs it does not find it.
fn parameter(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.as_str()?;
    string(map, name).ok().flatten()
}

fn certificates(map: &mut Map<String, Value>) -> Option<Vec<String>> {
    let Value::Array(items) = map.get("x5c")? else {
        return None;
    };
    if !items.iter().all(Value::is_string) {
        return None;
    }
    strings(map, "x5c").ok().flatten()
}

fn strings(map: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, KeyError> {
    let wrong = || KeyError::malformed(format!("{name:?} is not an array of strings"));
    match take(map, name) {
        None => Ok(None),
        Some(Value::Array(items)) => {
            let text = |item| match item {
                Value::String(text) => Ok(text),
                _ => Err(wrong()),
            };
            items
                .into_iter()
                .map(text)
                .collect::<Result<_, _>>()
                .map(Some)
        }
        Some(_) => Err(wrong()),
    }
}

fn bytes(text: Option<&str>, name: &str) -> Result<Vec<u8>, KeyError> {
    let text =
        text.ok_or_else(|| KeyError::malformed(format!("{name:?} is missing or not a string")))?;
    base64url::decode(text)
        .map_err(|_| KeyError::malformed(format!("{name:?} is not base64url without padding")))
}

#[cfg(test)]
mod tests;
