//! The forge: mints a good token by default, and any other on request.
//!
//! It does not check what it is asked to write, and does not import the verifier under test.

use serde_json::{Map, Value, json};

use crate::SigningKey;
use crate::segment_encoding::{Encoding, Part};

/// A token that is being made. [`new`](Self::new) returns a good one; each method spoils or changes
/// one thing.
///
/// The signature covers the first two segments exactly as they will be sent, so a token is wrong
/// only in the way that was requested, unless the signature itself is replaced.
///
/// ```
/// use mcp_bearer_testkit::{Forge, SigningKey};
///
/// let key = SigningKey::shared_rsa_2048();
/// let confused = Forge::new(&key, 1_800_000_000)
///     .alg_name("HS256")
///     .sign_with(&SigningKey::hmac(key.public_pem()))
///     .token();
/// let unsigned = Forge::new(&key, 1_800_000_000).alg_name("none").empty_signature().token();
/// assert!(unsigned.ends_with('.') && !confused.ends_with('.'));
/// ```
#[derive(Clone, Debug)]
pub struct Forge {
    key: SigningKey,
    sign_as: String,
    now: u64,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    raw: [Option<Vec<u8>>; 3],
    encodings: [Encoding; 3],
    segments: [Option<Vec<u8>>; 3],
    flipped_bits: Vec<usize>,
    appended: Vec<Vec<u8>>,
    kept: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Forge {
    /// The issuer of a good token.
    pub const ISSUER: &'static str = "https://idp.example.com/";
    /// The audience of a good token.
    pub const AUDIENCE: &'static str = "https://mcp.example.com/mcp";
    /// The subject of a good token.
    pub const SUBJECT: &'static str = "user-1";
    /// The lifetime of a good token in seconds.
    pub const LIFETIME: u64 = 3600;

    /// A good token at `now` (seconds since the epoch). Header: `alg` as the key's default, `typ`
    /// `JWT`, the key's `kid`. Claims: `iss`, `sub`, `aud`, `iat` (now) and `exp` (an hour later).
    pub fn new(key: &SigningKey, now: u64) -> Self {
        let mut forge = Self {
            key: key.clone(),
            sign_as: key.default_alg().to_owned(),
            now,
            header: Map::new(),
            claims: Map::new(),
            raw: [None, None, None],
            encodings: [Encoding::Good; 3],
            segments: [None, None, None],
            flipped_bits: Vec::new(),
            appended: Vec::new(),
            kept: 3,
            before: Vec::new(),
            after: Vec::new(),
        }
        .header("alg", key.default_alg())
        .header("typ", "JWT")
        .issuer(Self::ISSUER)
        .subject(Self::SUBJECT)
        .audience(Self::AUDIENCE)
        .claim("iat", now)
        .claim("exp", now.saturating_add(Self::LIFETIME));
        if let Some(kid) = key.kid() {
            forge = forge.header("kid", kid);
        }
        forge
    }

    // Header and claims by member.

    /// Sets a header member, of any type.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a header member.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets a claim, of any type.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets `kid` in the header.
    #[must_use]
    pub fn kid(self, kid: &str) -> Self {
        self.header("kid", kid)
    }

    /// Sets `typ` in the header.
    #[must_use]
    pub fn typ(self, typ: &str) -> Self {
        self.header("typ", typ)
    }

    /// Sets `iss`.
    #[must_use]
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// Sets `sub`.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `aud`: a string, an array, or something it should not be.
    #[must_use]
    pub fn audience(self, audience: impl Into<Value>) -> Self {
        self.claim("aud", audience)
    }

    /// Sets `scope`, names separated by spaces.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `exp` to this many seconds from now; negative is in the past.
    #[must_use]
    pub fn expires_in(self, seconds: i64) -> Self {
        let exp = json!(i128::from(self.now).saturating_add(seconds.into()) as i64);
        self.claim("exp", exp)
    }

    /// Sets `nbf` to this many seconds from now.
    #[must_use]
    pub fn not_before_in(self, seconds: i64) -> Self {
        let nbf = json!(i128::from(self.now).saturating_add(seconds.into()) as i64);
        self.claim("nbf", nbf)
    }

    /// Sets `iat` to this many seconds from now.
    #[must_use]
    pub fn issued_in(self, seconds: i64) -> Self {
        let iat = json!(i128::from(self.now).saturating_add(seconds.into()) as i64);
        self.claim("iat", iat)
    }

    // Algorithm and key.

    /// The header names `alg`, and the signature is made with it.
    #[must_use]
    pub fn alg(self, alg: &str) -> Self {
        self.alg_name(alg).sign_as(alg)
    }

    /// The header names `alg`; the signature stays as it was. For raw headers this has no effect.
    #[must_use]
    pub fn alg_name(self, alg: &str) -> Self {
        self.header("alg", alg)
    }

    /// The signature is made with `alg`; the header stays as it was.
    #[must_use]
    pub fn sign_as(mut self, alg: &str) -> Self {
        alg.clone_into(&mut self.sign_as);
        self
    }

    /// Another key signs, with its default algorithm; the header (with its `kid`) stays as it was.
    #[must_use]
    pub fn sign_with(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self.sign_as(key.default_alg())
    }

    // Bytes and text of the segments.

    /// The header's bytes as given, before base64: duplicate members, bad UTF-8, a byte order mark,
    /// anything.
    #[must_use]
    pub fn raw_header(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw(Part::Header, bytes)
    }

    /// The claims' bytes as given, before base64.
    #[must_use]
    pub fn raw_claims(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw(Part::Claims, bytes)
    }

    /// The signature's bytes as given, before base64.
    #[must_use]
    pub fn raw_signature(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw(Part::Signature, bytes)
    }

    /// Puts JSON text before the other members of the header, as in `"alg":"none",`. The usual way
    /// to make a duplicate.
    #[must_use]
    pub fn header_prefix(self, members: &str) -> Self {
        let bytes = with_prefix(&self.header, members);
        self.raw_header(bytes)
    }

    /// Puts JSON text before the other claims, as in `"sub":"root",`.
    #[must_use]
    pub fn claims_prefix(self, members: &str) -> Self {
        let bytes = with_prefix(&self.claims, members);
        self.raw_claims(bytes)
    }

    /// Writes a segment in another encoding.
    #[must_use]
    pub fn encoding(mut self, part: Part, encoding: Encoding) -> Self {
        self.encodings[part as usize] = encoding;
        self
    }

    /// The text of a segment as given: not JSON, not base64.
    #[must_use]
    pub fn segment(mut self, part: Part, text: impl Into<Vec<u8>>) -> Self {
        self.segments[part as usize] = Some(text.into());
        self
    }

    /// An empty third segment; the second dot stays.
    #[must_use]
    pub fn empty_signature(self) -> Self {
        self.segment(Part::Signature, "")
    }

    /// Flips one bit of the signature's bytes, counted from the top of the first byte, modulo their
    /// number.
    #[must_use]
    pub fn flip_signature_bit(mut self, bit: usize) -> Self {
        self.flipped_bits.push(bit);
        self
    }

    /// A detached token (RFC 7515 appendix F): signed with its claims, sent without them.
    #[must_use]
    pub fn detached(self) -> Self {
        let signature = self.signature_bytes();
        self.raw_signature(signature).segment(Part::Claims, "")
    }

    // The whole token.

    /// Adds a dot and one more segment at the end.
    #[must_use]
    pub fn append_segment(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.appended.push(text.into());
        self
    }

    /// Keeps only the first this many of the three segments, and the dots between them.
    #[must_use]
    pub fn keep_segments(mut self, count: usize) -> Self {
        self.kept = count;
        self
    }

    /// Puts bytes before the token.
    #[must_use]
    pub fn prefix(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.before = bytes.into();
        self
    }

    /// Puts bytes after the token.
    #[must_use]
    pub fn suffix(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.after = bytes.into();
        self
    }

    /// Fills the claims with a `filler` string until the token has at least this many bytes. No
    /// effect on raw claims.
    #[must_use]
    pub fn at_least_bytes(self, length: usize) -> Self {
        let missing = length.saturating_sub(self.token_bytes().len());
        self.claim("filler", "x".repeat(missing))
    }

    // Output.

    /// The token as text.
    ///
    /// # Panics
    /// If raw segments made it something other than UTF-8: use [`token_bytes`](Self::token_bytes)
    /// then.
    pub fn token(&self) -> String {
        String::from_utf8(self.token_bytes()).expect("the token is not UTF-8; use token_bytes")
    }

    /// The token as bytes.
    pub fn token_bytes(&self) -> Vec<u8> {
        let mut segments = vec![
            self.text(Part::Header, &self.header_bytes()),
            self.text(Part::Claims, &self.claims_bytes()),
            self.text(Part::Signature, &self.signature_bytes()),
        ];
        segments.truncate(self.kept);
        segments.extend(self.appended.iter().cloned());
        [&self.before[..], &segments.join(&b'.'), &self.after[..]].concat()
    }

    /// The `Authorization` value: `Bearer` and the token.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token())
    }

    /// The header's bytes before base64.
    pub fn header_bytes(&self) -> Vec<u8> {
        self.json_bytes(Part::Header, &self.header)
    }

    /// The claims' bytes before base64.
    pub fn claims_bytes(&self) -> Vec<u8> {
        self.json_bytes(Part::Claims, &self.claims)
    }

    /// The signature's bytes before base64.
    pub fn signature_bytes(&self) -> Vec<u8> {
        let mut bytes = match &self.raw[Part::Signature as usize] {
            Some(raw) => raw.clone(),
            None => self.key.sign(&self.sign_as, &self.signing_input()),
        };
        let bits = bytes.len() * 8;
        for bit in self
            .flipped_bits
            .iter()
            .filter(|_| bits > 0)
            .map(|bit| bit % bits)
        {
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
        }
        bytes
    }

    /// What is signed: the first two segments as they are sent, and the dot between them.
    pub fn signing_input(&self) -> Vec<u8> {
        let mut input = self.text(Part::Header, &self.header_bytes());
        input.push(b'.');
        input.extend(self.text(Part::Claims, &self.claims_bytes()));
        input
    }

    fn raw(mut self, part: Part, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw[part as usize] = Some(bytes.into());
        self
    }

    fn json_bytes(&self, part: Part, members: &Map<String, Value>) -> Vec<u8> {
        let mut bytes = match &self.raw[part as usize] {
            Some(raw) => return raw.clone(),
            None => serde_json::to_vec(members).expect("JSON values always print"),
        };
        let needs_rest = matches!(
            self.encodings[part as usize],
            Encoding::Padded | Encoding::StandardPadded | Encoding::TrailingBits
        );
        if needs_rest && bytes.len() % 3 == 0 {
            bytes.push(b' ');
        }
        bytes
    }

    fn text(&self, part: Part, bytes: &[u8]) -> Vec<u8> {
        if let Some(text) = &self.segments[part as usize] {
            return text.clone();
        }
        self.encodings[part as usize].write(bytes)
    }
}

fn with_prefix(members: &Map<String, Value>, prefix: &str) -> Vec<u8> {
    let text = serde_json::to_string(members).expect("JSON values always print");
    format!("{{{prefix}{}", &text[1..]).into_bytes()
}

#[cfg(test)]
mod tests;
