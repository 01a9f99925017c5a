//! The cost of a token with more keys in a set, and with more issuers.
//!
//! Every point verifies the same number of tokens in turn, spread over all its keys or issuers, so
//! that only the size differs and not what the processor's caches must hold of the tokens.

use mcp_bearer::core::Limits;
use mcp_bearer::{BearerAuthProvider, Clock, TokenCacheSize, UnixTime};
use mcp_bearer_bench::{AUDIENCE, Contender, NOW, interleaved};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::json;

use crate::{Measured, Point, Values};

pub(crate) const FIRST: &str = "first sight";
pub(crate) const HIT: &str = "hit";
pub(crate) const REFUSED: &str = "refused: another issuer";

const KEYS: [usize; 7] = [1, 2, 5, 10, 20, 50, Limits::JWKS_KEYS];
const ISSUERS: [usize; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const TOKENS: usize = 1_000;
const ROUNDS: usize = 60;

pub(crate) fn keys() -> Measured {
    let name = issuer_name(0);
    let keys = new_keys(Limits::JWKS_KEYS);
    let subjects = KEYS.map(|size| {
        let held: Vec<_> = keys.iter().take(size).collect();
        let set = json!({"keys": held.iter().map(|key| key.jwk()).collect::<Vec<_>>()});
        let provider = BearerAuthProvider::builder()
            .jwks_json(set.to_string())
            .issuer(name.as_str())
            .audience(AUDIENCE);
        let signers = held.iter().map(|key| (*key, name.clone()));
        Subject::new(size, provider.build().unwrap(), signers)
    });
    measured("keys in a set", &subjects)
}

pub(crate) fn issuers() -> Measured {
    let keys = new_keys(20);
    let subjects = ISSUERS.map(|size| {
        let issuers = || (0..size).map(issuer_name).zip(keys.iter().cycle());
        let builders = issuers().map(|(name, key)| {
            BearerAuthProvider::builder()
                .jwks_json(key.jwks().to_string())
                .issuer(name)
                .audience(AUDIENCE)
        });
        let provider = BearerAuthProvider::for_issuers(builders).unwrap();
        Subject::new(size, provider, issuers().map(|(name, key)| (key, name)))
    });
    let mut issuers = measured("issuers", &subjects);
    let stranger = keys.first().map(|key| token(key, &issuer_name(999_999), 0));
    let stranger = stranger.unwrap();
    issuers.curves.push(curve(REFUSED, &subjects, |subject| {
        Box::new(|| {
            let refused = subject.plain.try_verify_token(&stranger).into_result();
            refused.is_err()
        })
    }));
    issuers
}

/// Names that differ at their end alone, as those of tenants do.
fn issuer_name(number: usize) -> String {
    format!("https://idp.example.com/tenants/{number:06}")
}

fn new_keys(count: usize) -> Vec<SigningKey> {
    (0..count).map(|_| SigningKey::rsa(2048)).collect()
}

/// One point.
struct Subject {
    size: usize,
    plain: BearerAuthProvider,
    cached: BearerAuthProvider,
    tokens: Vec<String>,
}

impl Subject {
    /// Tokens are signed by all signers in turn.
    fn new<'k>(
        size: usize,
        provider: BearerAuthProvider,
        signers: impl Iterator<Item = (&'k SigningKey, String)> + Clone,
    ) -> Self {
        let plain = provider.with_clock(Clock::new(|| UnixTime::from_secs(NOW)));
        let cached = plain
            .clone()
            .with_token_cache(TokenCacheSize::default().with_entries(10 * TOKENS));
        let signers = signers.cycle().take(TOKENS).enumerate();
        let tokens: Vec<_> = signers
            .map(|(number, (key, issuer))| token(key, &issuer, number))
            .collect();
        // Each key is used once, and each token is kept.
        for token in &tokens {
            plain.try_verify_token(token).into_result().unwrap();
            cached.try_verify_token(token).into_result().unwrap();
        }
        Self {
            size,
            plain,
            cached,
            tokens,
        }
    }
}

/// A token as identity providers make it.
pub(crate) fn token(key: &SigningKey, issuer: &str, number: usize) -> String {
    Forge::new(key, NOW)
        .issuer(issuer)
        .audience(AUDIENCE)
        .subject("8b6e0f0c-5d1b-4a1e-8f6b-1c2d3e4f5a6b")
        .claim("jti", format!("{number:036}"))
        .claim("azp", "claude-connector")
        .claim("preferred_username", "alice")
        .scope("mcp:read mcp:write")
        .token()
}

fn measured(size: &'static str, subjects: &[Subject]) -> Measured {
    let accepted = |name, of: fn(&Subject) -> &BearerAuthProvider| {
        curve(name, subjects, |subject| {
            let (provider, mut turn) = (of(subject), subject.tokens.iter().cycle());
            Box::new(move || {
                let token = turn.next().unwrap();
                provider.try_verify_token(token).into_result().is_ok()
            })
        })
    };
    Measured {
        size,
        unit: "ns",
        curves: vec![
            accepted(FIRST, |subject| &subject.plain),
            accepted(HIT, |subject| &subject.cached),
        ],
    }
}

/// All sizes in one interleaved run. What is measured returns whether it went as it should.
fn curve<'s>(
    name: &'static str,
    subjects: &'s [Subject],
    run: impl Fn(&'s Subject) -> Box<dyn FnMut() -> bool + 's>,
) -> Values {
    let contenders = subjects.iter().map(|subject| {
        let mut run = run(subject);
        Contender::new(name, move || assert!(run()))
    });
    let report = interleaved(&mut contenders.collect::<Vec<_>>(), ROUNDS);
    let points = subjects.iter().zip(report.rows);
    Values {
        name,
        points: points
            .map(|(subject, (_, value, ratio))| Point {
                size: subject.size,
                value,
                ratio,
            })
            .collect(),
    }
}
