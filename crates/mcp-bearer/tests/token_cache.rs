//! The token cache: it never mixes up tokens, as caches of other projects did, and a hit is as good
//! as a verification.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use mcp_bearer::keys::KeySet;
use mcp_bearer::keys::{
    Fetch, FetchError, FetchRequest, FetchResponse, KeyPhase, KeySource, KeyStatus, Miss,
    MonotonicClock, Refreshed, RemoteKeys, Snapshot,
};
use mcp_bearer::{
    AccessToken, BearerAuthProvider, Clock, Rejection, RejectionKind, TokenCacheSize, UnixTime,
};
use mcp_bearer_testkit::{Forge, SigningKey, TestClock};

const NOW: u64 = 1_800_000_000;

/// Keys that a test changes by hand.
struct Keys {
    held: Mutex<Snapshot>,
    asked: AtomicU64,
}

impl Keys {
    fn new(keys: &[&SigningKey]) -> Arc<Self> {
        let held = Mutex::new(Snapshot::new(Arc::new(set(keys)), 1));
        Arc::new(Self {
            held,
            asked: AtomicU64::new(0),
        })
    }

    fn publish(&self, set: KeySet) {
        let mut held = self.held.lock().unwrap();
        *held = Snapshot::new(Arc::new(set), held.generation + 1);
    }
}

fn set(keys: &[&SigningKey]) -> KeySet {
    let keys: Vec<String> = keys.iter().map(|key| key.jwk().to_string()).collect();
    KeySet::from_jwks_json(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap()
}

impl KeySource for Keys {
    fn snapshot(&self) -> Snapshot {
        self.held.lock().unwrap().clone()
    }

    fn refresh(&self, _: Miss) -> BoxFuture<'_, Refreshed> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        ready(Refreshed::Unchanged).boxed()
    }

    fn status(&self) -> KeyStatus {
        panic!("{:?} is not asked for", KeyPhase::Fresh)
    }
}

struct World {
    key: SigningKey,
    keys: Arc<Keys>,
    clock: TestClock,
    provider: BearerAuthProvider,
}

impl World {
    fn new(size: TokenCacheSize) -> Self {
        let key = SigningKey::shared_rsa_2048();
        let (keys, clock) = (Keys::new(&[&key]), TestClock::new(NOW));
        let builder = BearerAuthProvider::builder().key_source(keys.clone());
        let provider = builder.any_issuer().any_audience().build().unwrap();
        let provider = provider
            .with_clock(Clock::new(clock.as_fn()))
            .with_token_cache(size);
        Self {
            key,
            keys,
            clock,
            provider,
        }
    }

    fn forge(&self) -> Forge {
        Forge::new(&self.key, NOW)
    }

    fn verify(&self, token: &str) -> Result<AccessToken, Rejection> {
        self.provider.try_verify_token(token).into_result()
    }
}

#[test]
fn repeated_use_of_a_token_returns_the_first_verification() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    let first = world.verify(&token).unwrap();
    assert!(world.verify(&token).unwrap().is_same(&first));
    assert_eq!(world.provider.cached_tokens(), Some(1));
    let plain = world.provider.clone().without_token_cache();
    assert!(
        !plain
            .try_verify_token(&token)
            .into_result()
            .unwrap()
            .is_same(&first)
    );
}

#[test]
fn the_same_header_and_signature_with_other_claims_is_another_token() {
    let world = World::new(TokenCacheSize::default());
    let (one, other) = (
        world.forge().token(),
        world.forge().subject("mallory").token(),
    );
    world.verify(&one).unwrap();
    let mut parts: Vec<&str> = one.split('.').collect();
    parts[1] = other.split('.').nth(1).unwrap();
    assert_eq!(
        world.verify(&parts.join(".")).unwrap_err().kind(),
        RejectionKind::BadSignature
    );
    assert_eq!(
        world.provider.cached_tokens(),
        Some(1),
        "failures are not kept"
    );
}

#[test]
fn a_changed_provider_starts_with_an_empty_cache() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    world.verify(&token).unwrap();
    let later = world
        .provider
        .clone()
        .with_clock(Clock::new(|| UnixTime::from_secs(NOW + 1)));
    assert_eq!(later.cached_tokens(), Some(0));
    let strict = BearerAuthProvider::builder()
        .key_source(world.keys.clone())
        .any_issuer()
        .audience("https://another.example.com/mcp")
        .build()
        .unwrap()
        .with_clock(Clock::new(world.clock.as_fn()))
        .with_token_cache(TokenCacheSize::default());
    let refused = strict.try_verify_token(&token).into_result().unwrap_err();
    assert_eq!(refused.kind(), RejectionKind::WrongAudience);
}

#[test]
fn removing_a_key_removes_its_tokens() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    world.verify(&token).unwrap();
    world.keys.publish(set(&[&SigningKey::shared_rsa_2048_b()]));
    assert_eq!(
        world.verify(&token).unwrap_err().kind(),
        RejectionKind::UnknownKey
    );
    assert_eq!(world.provider.cached_tokens(), Some(0));
}

#[test]
fn a_new_key_under_the_same_kid_removes_the_old_tokens() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    world.verify(&token).unwrap();
    let kid = world.key.kid().unwrap();
    world
        .keys
        .publish(set(&[&SigningKey::shared_rsa_2048_b().with_kid(kid)]));
    assert_eq!(
        world.verify(&token).unwrap_err().kind(),
        RejectionKind::BadSignature
    );
}

#[test]
fn changing_the_use_of_a_key_removes_its_tokens() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    let key = || world.key.clone();
    for retired in [
        key().with_use("enc"),
        key().with_alg("PS256"),
        key().with_kid("x"),
    ] {
        world.keys.publish(set(&[&world.key]));
        world.verify(&token).unwrap();
        world.keys.publish(set(&[&retired]));
        assert_eq!(
            world.verify(&token).unwrap_err().kind(),
            RejectionKind::UnknownKey
        );
    }
}

#[test]
fn an_added_key_keeps_the_others_tokens() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    let first = world.verify(&token).unwrap();
    world
        .keys
        .publish(set(&[&world.key, &SigningKey::shared_rsa_2048_b()]));
    assert!(world.verify(&token).unwrap().is_same(&first));
    assert!(world.verify(&token).unwrap().is_same(&first));
}

#[test]
fn keys_past_their_bound_serve_no_cached_token() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    world.verify(&token).unwrap();
    world
        .keys
        .publish(KeySet::unavailable("stale", Duration::from_secs(5)));
    assert_eq!(
        world.verify(&token).unwrap_err().kind(),
        RejectionKind::KeysUnavailable
    );
}

/// An issuer that answers once and is then down.
struct Once {
    answer: Mutex<Option<FetchResponse>>,
}

impl Fetch for Once {
    fn fetch(&self, _: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let answer = self.answer.lock().unwrap().take();
        ready(answer.ok_or_else(|| FetchError::new("down"))).boxed()
    }
}

#[tokio::test]
async fn an_issuers_keys_past_their_bound_serve_no_cached_token() {
    let key = SigningKey::shared_rsa_2048();
    let body = key.jwks().to_string().into_bytes();
    let answer = FetchResponse::new(200, body).with_header("Cache-Control", "max-age=600");
    let (clock, time) = MonotonicClock::manual();
    let keys = RemoteKeys::builder("https://idp.example.com/jwks")
        .fetch(Arc::new(Once {
            answer: Mutex::new(Some(answer)),
        }))
        .staleness_bound(Duration::from_secs(1000))
        .clock(clock)
        .build()
        .unwrap();
    let source: Arc<dyn KeySource> = Arc::new(keys.clone());
    let provider = BearerAuthProvider::builder().key_source(source);
    let provider = provider.any_issuer().any_audience().build().unwrap();
    let provider = provider
        .with_clock(Clock::new(TestClock::new(NOW).as_fn()))
        .with_token_cache(TokenCacheSize::default());
    let token = Forge::new(&key, NOW).token();
    let verify = || provider.try_verify_token(&token).into_result();

    assert_eq!(keys.generation(), 0, "no keys yet");
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
    let first = verify().unwrap();
    assert_eq!(provider.cached_tokens(), Some(1));
    time.advance(Duration::from_secs(1599));
    assert!(verify().unwrap().is_same(&first));
    assert_eq!(keys.generation(), 1);
    time.advance(Duration::from_secs(1));
    // At this moment, whatever time the source has noticed.
    assert_eq!(keys.generation(), 0);
    assert_eq!(keys.snapshot().generation, 0);
    assert_eq!(verify().unwrap_err().kind(), RejectionKind::KeysUnavailable);
}

#[test]
fn a_cached_token_expires_like_any_other() {
    let world = World::new(TokenCacheSize::default().with_max_age(Duration::from_secs(86_400)));
    let token = world.forge().expires_in(100).token();
    world.verify(&token).unwrap();
    world.clock.advance(Duration::from_secs(159));
    assert!(world.verify(&token).is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(
        world.verify(&token).unwrap_err().kind(),
        RejectionKind::Expired
    );
}

#[test]
fn a_clock_that_jumps_back_is_trusted() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().not_before_in(0).token();
    world.verify(&token).unwrap();
    world.clock.go_back(Duration::from_secs(61));
    assert_eq!(
        world.verify(&token).unwrap_err().kind(),
        RejectionKind::NotYetValid
    );
    world.clock.advance(Duration::from_secs(61));
    assert!(world.verify(&token).is_ok());
}

#[test]
fn a_cached_token_is_verified_again_after_its_age() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    let first = world.verify(&token).unwrap();
    world.clock.advance(Duration::from_secs(299));
    assert!(world.verify(&token).unwrap().is_same(&first));
    world.clock.advance(Duration::from_secs(1));
    assert!(!world.verify(&token).unwrap().is_same(&first));
}

#[test]
fn renewal_does_not_make_a_cached_token_younger() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    let first = world.verify(&token).unwrap();
    world.clock.advance(Duration::from_secs(200));
    world
        .keys
        .publish(set(&[&world.key, &SigningKey::shared_rsa_2048_b()]));
    assert!(world.verify(&token).unwrap().is_same(&first));
    world.clock.advance(Duration::from_secs(100));
    assert!(!world.verify(&token).unwrap().is_same(&first));
}

#[test]
fn a_flood_of_good_tokens_stays_inside_both_bounds() {
    let bytes = 256 * 1024;
    let few = World::new(TokenCacheSize::default().with_entries(50));
    let small = World::new(TokenCacheSize::default().with_bytes(bytes));
    for number in 0..300 {
        let token = few.forge().claim("jti", number.to_string()).token();
        few.verify(&token).unwrap();
        small.verify(&token).unwrap();
    }
    assert!(few.provider.cached_tokens().unwrap() <= 50);
    let kept = small.provider.cached_tokens().unwrap();
    assert!(
        (1..bytes / 1000).contains(&kept),
        "{kept} tokens of about 1.5 KiB in 256 KiB"
    );
}

#[test]
fn a_hundred_first_sights_make_one_or_two_verifications() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    let verifications = AtomicU64::new(0);
    let seen: Mutex<Vec<AccessToken>> = Mutex::new(Vec::new());
    let barrier = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                barrier.wait();
                let access = world.verify(&token).unwrap();
                let mut seen = seen.lock().unwrap();
                if !seen.iter().any(|other| other.is_same(&access)) {
                    verifications.fetch_add(1, Ordering::Relaxed);
                    seen.push(access);
                }
            });
        }
    });
    assert!(verifications.load(Ordering::Relaxed) <= 2);
}

#[test]
fn a_bad_token_seen_by_many_at_once_is_refused_for_all() {
    let world = World::new(TokenCacheSize::default());
    let token = world
        .forge()
        .sign_with(&SigningKey::shared_rsa_2048_b())
        .token();
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| assert!(world.verify(&token).is_err()));
        }
    });
    assert_eq!(world.provider.cached_tokens(), Some(0));
}

#[test]
fn eviction_under_load_never_mixes_tokens_up() {
    let world = World::new(TokenCacheSize::default().with_entries(8));
    let tokens: Vec<(String, String)> = (0..40)
        .map(|number| {
            (
                format!("user-{number}"),
                world.forge().subject(&format!("user-{number}")).token(),
            )
        })
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (world, tokens) = (&world, &tokens);
            scope.spawn(move || {
                for round in 0..200_usize {
                    let (subject, token) = &tokens[(round * 7 + thread * 11) % tokens.len()];
                    assert_eq!(
                        world.verify(token).unwrap().subject(),
                        Some(subject.as_str())
                    );
                }
            });
        }
    });
}

#[test]
fn what_is_derived_from_a_token_leaves_the_cache_with_it() {
    let world = World::new(TokenCacheSize::default());
    let token = world.forge().token();
    let derived = Arc::new(());
    let first = world.verify(&token).unwrap();
    first.derived(|_| Arc::clone(&derived)).unwrap();
    drop(first);
    let again = world.verify(&token).unwrap();
    let kept = again.derived(|_| Arc::new(())).unwrap();
    assert!(Arc::ptr_eq(kept, &derived), "a hit is the same token");
    drop(again);
    let other = world.verify(&world.forge().scope("read").token()).unwrap();
    let own = other.derived(|_| Arc::new(())).unwrap();
    assert!(!Arc::ptr_eq(own, &derived), "another token of the subject");
    assert_eq!(Arc::strong_count(&derived), 2, "the cache has the token");
    world.keys.publish(set(&[&SigningKey::shared_rsa_2048_b()]));
    assert!(world.verify(&token).is_err());
    assert_eq!(Arc::strong_count(&derived), 1, "nobody has it");
}
