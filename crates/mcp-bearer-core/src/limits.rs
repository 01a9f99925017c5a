//! Every limit of the verifier in one place, each with the source of its number.
//!
//! Nothing here is a security decision about a token's content; the limits bound the work that
//! content can cause. No other file of this crate may define a limit.

use std::time::Duration;

/// How much work one token may cause.
///
/// The field is public because an operator may need it larger; the constants are not for operators.
///
/// ```
/// use mcp_bearer_core::Limits;
/// assert_eq!(Limits::default().token_bytes, 16 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest token that is read, in bytes. A longer one is refused for its length alone.
    ///
    /// 16 KiB: the header limit of Node.js and of most proxies (nginx 8 KiB per line, Envoy 60 KiB
    /// in total), so a longer token cannot reach a server anyway; Entra ID's largest tokens (200
    /// groups) stay under 10 KiB.
    pub token_bytes: usize,
}

impl Limits {
    /// Levels of nesting in a header, in claims or in a JWKS; the outermost object is level 1.
    ///
    /// 127 is what `serde_json` reads, so a caller's own type can read whatever passes here.
    pub const JSON_DEPTH: usize = 127;

    /// Keys tried for one token, whether it names none or several have its `kid`: a set cannot
    /// multiply the signature checks.
    ///
    /// Four: a rotation overlaps two keys, and an issuer that reuses a `kid` across two types
    /// doubles that.
    pub const KEY_CANDIDATES: usize = 4;

    /// Characters of attacker text (a `kid`, an `alg`, a claim) that an error or a log line shows.
    pub const SHOWN_CHARS: usize = 64;

    /// The largest JWKS document, in bytes. 512 KiB holds 100 RSA-8192 keys with their
    /// certificates.
    pub const JWKS_BYTES: usize = 512 * 1024;

    /// The most keys one JWKS may hold. The largest public issuers publish fewer than 20.
    pub const JWKS_KEYS: usize = 100;

    /// The largest PEM text a key is read from, in bytes; a certificate chain of RSA-8192 keys is
    /// under 32 KiB.
    pub const PEM_BYTES: usize = 64 * 1024;

    /// The smallest RSA modulus, in bits (RFC 7518 section 3.3).
    pub const RSA_BITS_MIN: usize = 2048;

    /// The largest RSA modulus, in bits: what `aws-lc` verifies, and the point where one check
    /// costs milliseconds.
    pub const RSA_BITS_MAX: usize = 8192;

    /// The default tolerance between the issuer's clock and ours (the usual 60 s of OAuth
    /// libraries).
    pub const LEEWAY_DEFAULT: Duration = Duration::from_secs(60);

    /// The largest tolerance a policy may ask for. Above five minutes expiry means little (RFC 7519
    /// section 4.1.4: "no more than a few minutes").
    pub const LEEWAY_MAX: Duration = Duration::from_secs(300);

    /// The earliest time that a system clock shows once it has been set, since the Unix epoch:
    /// 2020-01-01. A machine that starts in 1970 would accept every expired token.
    pub const CLOCK_SET_FROM: Duration = Duration::from_secs(1_577_836_800);

    /// How long to wait for a clock to be set: time synchronisation takes seconds to minutes after
    /// a start.
    pub const CLOCK_RETRY: Duration = Duration::from_secs(60);

    /// The longest plausible lifetime of a token, ten years: the same date in milliseconds is
    /// 50,000 years ahead.
    pub const PLAUSIBLE_LIFETIME: Duration = Duration::from_secs(3652 * 24 * 60 * 60);

    /// The largest MCP request body that is read to judge it, in bytes: what rmcp and the
    /// TypeScript SDK accept.
    pub const OPERATION_BODY_BYTES: usize = 4 * 1024 * 1024;

    /// How long such a body may take to arrive: a slow line needs 4 s for 4 MiB at 8 Mbit/s.
    pub const OPERATION_BODY_TIME: Duration = Duration::from_secs(10);

    /// The largest body that is read from a caller without a token: a call has 1 KiB.
    pub const ANONYMOUS_BODY_BYTES: usize = 64 * 1024;

    /// How long a body may take to arrive if its sender has no token.
    pub const ANONYMOUS_BODY_TIME: Duration = Duration::from_secs(5);

    /// The most messages in one batch. Clients of 2025-03-26 send a handful; 4 MiB could hold
    /// 140,000.
    pub const BATCH_MESSAGES: usize = 1000;

    /// The largest list (`tools/list` and the like) that is filtered, and the largest event of a
    /// stream that is held for filtering, in bytes: 1,000 tools with schemas of 4 KiB.
    pub const LIST_BYTES: usize = 4 * 1024 * 1024;

    /// The largest magnitude of a NumericDate: above 2^53 a double no longer holds whole seconds.
    pub const NUMERIC_DATE_MAX: f64 = 9_007_199_254_740_992.0;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_bytes: 16 * 1024,
        }
    }
}

impl Limits {
    /// The same limits with another [`token_bytes`](Self::token_bytes).
    #[must_use]
    pub fn with_token_bytes(mut self, bytes: usize) -> Self {
        self.token_bytes = bytes;
        self
    }
}
