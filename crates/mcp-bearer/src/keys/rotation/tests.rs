//! One test for each row of the table that `rotation` carries out, and properties over random histories.
#![allow(clippy::as_conversions, reason = "test code")]

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{
    Answer, Asked, CacheHeaders, Effects, FetchId, KeyFacts, KeyIdentity, Notice, Question,
    Rotation, STALENESS_BOUND, Settings, Start, WAIT_MAX, WAITERS_MAX,
    budget::{BURST, INTERVAL},
    memory::{self, Memory},
    schedule::{Jitter, backoff, refresh_ahead},
};
use crate::keys::{MissKind, Refreshed};

/// Keys by name and version; a name that begins with `!` is of a key that is skipped.
#[derive(Debug, Clone, PartialEq)]
struct Keys(Vec<(&'static str, u8)>);

impl KeyFacts for Keys {
    fn has_kid(&self, kid: &str) -> bool {
        self.usable().any(|(name, _)| *name == kid)
    }

    fn identities(&self) -> Vec<KeyIdentity> {
        let mut keys: Vec<_> = self
            .usable()
            .map(|(kid, version)| identity(kid, *version))
            .collect();
        keys.sort();
        keys
    }

    fn skips(&self) -> Vec<(Option<String>, String)> {
        let skipped = self.0.iter().filter(|(name, _)| name.starts_with('!'));
        let mut skips: Vec<_> = skipped
            .map(|(name, version)| (Some((*name).to_owned()), format!("weak {version}")))
            .collect();
        skips.sort();
        skips
    }
}

impl Keys {
    fn usable(&self) -> impl Iterator<Item = &(&'static str, u8)> {
        self.0.iter().filter(|(name, _)| !name.starts_with('!'))
    }
}

fn identity(kid: &str, version: u8) -> KeyIdentity {
    KeyIdentity {
        kid: Some(kid.to_owned()),
        algorithm: None,
        fingerprint: [version; 32],
    }
}

const JITTERS: [u32; 3] = [0, 500, 1000];

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rotation() -> Rotation<Keys> {
    Rotation::new(Settings {
        max_freshness: secs(3600),
        staleness_bound: STALENESS_BOUND,
    })
}

fn jitter() -> Jitter {
    Jitter::new(500)
}

fn unknown(kid: &str, generation: u64) -> Question {
    Question {
        kind: MissKind::UnknownKid,
        kid: Some(kid.to_owned()),
        generation,
    }
}

fn forged(kid: &str, generation: u64) -> Question {
    Question {
        kind: MissKind::BadSignature,
        ..unknown(kid, generation)
    }
}

fn no_keys() -> Question {
    Question {
        kind: MissKind::NoKeys,
        kid: None,
        generation: 0,
    }
}

fn headers(cache_control: &str) -> CacheHeaders {
    CacheHeaders {
        cache_control: Some(cache_control.to_owned()),
        ..CacheHeaders::default()
    }
}

fn tagged() -> CacheHeaders {
    CacheHeaders {
        cache_control: Some("max-age=600".to_owned()),
        etag: Some("\"1\"".to_owned()),
        last_modified: Some("Thu, 01 Oct 2026 00:00:00 GMT".to_owned()),
        ..CacheHeaders::default()
    }
}

fn set(keys: &[(&'static str, u8)], headers: CacheHeaders) -> Answer<Keys> {
    let text = format!("{keys:?}");
    let mut digest = [0; 32];
    for (at, byte) in text.bytes().enumerate() {
        digest[at % 32] ^= byte.wrapping_mul(at as u8 | 1);
    }
    Answer::Set {
        set: Arc::new(Keys(keys.to_vec())),
        digest,
        headers,
    }
}

fn failed() -> Answer<Keys> {
    Answer::Failed("down".to_owned())
}

/// Asks and expects a fetch.
fn asked(rotation: &mut Rotation<Keys>, now: Duration, question: Question) -> FetchId {
    match rotation.ask(now, question) {
        Asked::Wait(_, Some(start)) => start.id,
        other => panic!("{other:?}"),
    }
}

fn refused(rotation: &mut Rotation<Keys>, now: Duration, question: Question) -> bool {
    matches!(
        rotation.ask(now, question),
        Asked::Answer(Refreshed::Unchanged)
    )
}

/// A source that got this set at time zero with this lifetime.
fn holding(keys: &[(&'static str, u8)], headers: CacheHeaders) -> Rotation<Keys> {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.answer(Duration::ZERO, id, set(keys, headers), jitter());
    rotation
}

fn lifetime_after(headers: CacheHeaders, ceiling: Duration) -> Duration {
    let mut rotation = Rotation::new(Settings {
        max_freshness: ceiling,
        staleness_bound: STALENESS_BOUND,
    });
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.answer(Duration::ZERO, id, set(&[("a", 1)], headers), jitter());
    rotation.held.unwrap().lifetime
}

fn verdicts(effects: &Effects) -> Vec<Refreshed> {
    effects.released.iter().map(|(_, told)| *told).collect()
}

#[test]
fn freshness_is_max_age_less_age_within_its_clamp() {
    for (cache_control, age, lifetime) in [
        ("max-age=600", None, 600),
        ("public, Max-Age = \"600\"", None, 600),
        ("max-age=600", Some("200"), 400),
        ("max-age=600", Some("541"), 60),
        ("max-age=600", Some("601"), 60),
        ("max-age=600", Some("99999999999999999999999"), 60),
        ("max-age=600", Some("-1"), 600),
        ("max-age=600", Some("x"), 600),
        ("max-age=600", Some("200, 200"), 400),
        ("max-age=600", Some("100,300 , x, 200"), 300),
        ("max-age=600, max-age=300", None, 300),
        ("max-age=0", None, 60),
        ("max-age=59", None, 60),
        ("max-age=-1", None, 60),
        ("max-age=x", None, 60),
        ("max-age", None, 60),
        ("max-age=3601", None, 3600),
        ("max-age=3155760000", None, 3600),
        ("max-age=99999999999999999999999", None, 3600),
        (
            "max-age=99999999999999999999999",
            Some("99999999999999999999999"),
            60,
        ),
        ("no-store", None, 3600),
        ("no-store, max-age=0", None, 3600),
        ("max-age=120, no-store", None, 3600),
        ("no-cache", None, 3600),
        ("s-maxage=120", None, 3600),
        ("", None, 3600),
    ] {
        let headers = CacheHeaders {
            age: age.map(str::to_owned),
            ..headers(cache_control)
        };
        assert_eq!(
            lifetime_after(headers, secs(3600)),
            secs(lifetime),
            "{cache_control} {age:?}"
        );
    }
    assert_eq!(
        lifetime_after(CacheHeaders::default(), secs(3600)),
        secs(3600)
    );
    assert_eq!(
        lifetime_after(CacheHeaders::default(), secs(86400)),
        secs(3600)
    );
    assert_eq!(
        lifetime_after(headers("max-age=90000"), secs(86400)),
        secs(86400)
    );
    assert_eq!(
        lifetime_after(CacheHeaders::default(), secs(100)),
        secs(100)
    );
}

#[test]
fn a_lifetime_is_counted_from_the_beginning_of_the_exchange() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, secs(10), no_keys());
    rotation.answer(
        secs(14),
        id,
        set(&[("a", 1)], headers("max-age=600")),
        jitter(),
    );
    assert_eq!(rotation.held.unwrap().fresh_until(), secs(610));
}

#[test]
fn the_refresh_begins_ahead_and_the_set_stays_in_use() {
    for thousandths in JITTERS {
        let at = refresh_ahead(secs(100), secs(1000), Jitter::new(thousandths));
        assert!((secs(900)..=secs(1000)).contains(&at), "{at:?}");
    }
    let early = refresh_ahead(secs(100), secs(1000), Jitter::new(0));
    let late = refresh_ahead(secs(100), secs(1000), Jitter::new(1000));
    assert!(early < late);

    let mut rotation = holding(&[("a", 1)], headers("max-age=1000"));
    assert_eq!(rotation.next_wake(), Some(secs(850)));
    assert!(rotation.tick(secs(849)).start.is_none());
    assert!(rotation.tick(secs(850)).start.is_some());
    assert_eq!(rotation.usable(secs(850)).unwrap().generation, 1);
}

#[test]
fn a_set_is_asked_for_again_with_its_validators_and_a_304_renews_it() {
    let mut rotation = holding(&[("a", 1)], tagged());
    let start = rotation.tick(secs(550)).start.unwrap();
    assert_eq!(start.validators.etag.as_deref(), Some("\"1\""));
    assert!(start.validators.last_modified.is_some());
    let effects = rotation.answer(
        secs(551),
        start.id,
        Answer::NotModified(CacheHeaders::default()),
        jitter(),
    );
    assert_eq!(effects.notices, [Notice::NotModified]);
    let held = rotation.held.as_ref().unwrap();
    // What the 304 does not repeat stays as it was.
    assert_eq!((held.fresh_until(), held.generation), (secs(1150), 1));
    assert!(!held.validators.is_empty());

    let start = rotation.tick(secs(1100)).start.unwrap();
    rotation.answer(
        secs(1100),
        start.id,
        Answer::NotModified(headers("max-age=120")),
        jitter(),
    );
    assert_eq!(rotation.held.as_ref().unwrap().fresh_until(), secs(1220));
}

#[test]
fn a_304_without_a_set_is_a_failure() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    let effects = rotation.answer(secs(1), id, Answer::NotModified(tagged()), jitter());
    assert!(matches!(effects.notices[..], [Notice::Failed(_)]));
    assert!(rotation.usable(secs(1)).is_none());
    // And without validators nothing was asked that a 304 could answer.
    let mut rotation = holding(&[("a", 1)], headers("max-age=600"));
    let start = rotation.tick(secs(550)).start.unwrap();
    assert!(start.validators.is_empty());
    let effects = rotation.answer(secs(550), start.id, Answer::NotModified(tagged()), jitter());
    assert!(matches!(effects.notices[..], [Notice::Failed(_)]));
}

fn etag(etag: &str) -> CacheHeaders {
    CacheHeaders {
        etag: Some(etag.to_owned()),
        ..CacheHeaders::default()
    }
}

#[test]
fn a_304_with_another_etag_than_the_one_asked_with_is_a_failure() {
    for other in [
        "\"2\"",
        "W/\"2\"",
        "1",
        "",
        "\"1\", \"2\"",
        &"x".repeat(1025),
    ] {
        let mut rotation = holding(&[("a", 1)], tagged());
        let start = rotation.tick(secs(550)).start.unwrap();
        let answer = Answer::NotModified(etag(other));
        let effects = rotation.answer(secs(551), start.id, answer, jitter());
        let [Notice::Failed(reason)] = &effects.notices[..] else {
            panic!("{other}: {:?}", effects.notices)
        };
        assert!(reason.contains("another ETag"), "{reason}");
        // The set stays, no fresher than it was; the next request is unconditional and its answer good.
        let held = rotation.usable(secs(551)).unwrap();
        assert_eq!((held.generation, held.fresh_until()), (1, secs(600)));
        let start = rotation.tick(secs(552)).start.unwrap();
        assert!(start.validators.is_empty());
        rotation.answer(secs(552), start.id, set(&[("b", 1)], tagged()), jitter());
        assert_eq!(rotation.held.unwrap().generation, 2);
    }
}

#[test]
fn a_304_with_the_same_etag_confirms_whether_marked_weak_or_not() {
    for (asked, told) in [
        ("\"1\"", "W/\"1\""),
        ("W/\"1\"", "\"1\""),
        ("\"1\"", "\"1\""),
    ] {
        let mut rotation = holding(&[("a", 1)], etag(asked));
        let start = rotation.tick(secs(3590)).start.unwrap();
        let answer = Answer::NotModified(etag(told));
        let effects = rotation.answer(secs(3590), start.id, answer, jitter());
        assert_eq!(effects.notices, [Notice::NotModified], "{asked} {told}");
    }
}

#[test]
fn an_etag_that_was_not_asked_with_is_not_adopted() {
    let dated = CacheHeaders {
        etag: None,
        ..tagged()
    };
    let mut rotation = holding(&[("a", 1)], dated);
    let start = rotation.tick(secs(550)).start.unwrap();
    let answer = Answer::NotModified(etag("\"2\""));
    let effects = rotation.answer(secs(550), start.id, answer, jitter());
    assert_eq!(effects.notices, [Notice::NotModified]);
    assert_eq!(rotation.held.unwrap().validators.etag, None);
}

#[test]
fn validators_that_cannot_be_sent_back_are_not_kept() {
    for etag in ["", "\"a\r\nX: y\"", "\"\u{e9}\"", &"x".repeat(1025)] {
        let headers = CacheHeaders {
            etag: Some(etag.to_owned()),
            ..CacheHeaders::default()
        };
        assert!(headers.validators().is_empty(), "{etag:?}");
    }
}

#[test]
fn one_fetch_at_a_time_and_everyone_joins_it() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    for _ in 1..50 {
        let joined = rotation.ask(Duration::ZERO, no_keys());
        assert!(matches!(joined, Asked::Wait(_, None)), "{joined:?}");
    }
    let effects = rotation.answer(secs(1), id, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(verdicts(&effects), vec![Refreshed::NewKeys; 50]);
    assert!(effects.start.is_none());
    // Not even a refresh that is due.
    let start = rotation.tick(secs(590)).start;
    assert!(start.is_some() && rotation.tick(secs(599)).start.is_none());
}

#[test]
fn strangers_can_cause_two_fetches_at_once_and_one_per_ten_seconds() {
    for question in [unknown, forged] {
        for succeed in [true, false] {
            let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
            let mut fetches = Vec::new();
            for tenth in 0..600_u64 {
                let now = secs(100) + Duration::from_millis(100 * tenth);
                let question = question(&format!("made-up-{tenth}"), 1);
                if let Asked::Wait(_, Some(start)) = rotation.ask(now, question) {
                    fetches.push(tenth);
                    let answer = if succeed {
                        set(&[("a", 1)], headers("max-age=3600"))
                    } else {
                        failed()
                    };
                    rotation.answer(now, start.id, answer, jitter());
                }
            }
            assert_eq!(fetches, [0, 1, 100, 200, 300, 400, 500], "{succeed}");
        }
    }
}

#[test]
fn a_kid_and_a_signature_spend_the_same_budget() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    for question in [unknown("x", 1), forged("a", 1)] {
        let id = asked(&mut rotation, secs(100), question);
        rotation.answer(secs(100), id, failed(), jitter());
    }
    assert!(refused(&mut rotation, secs(109), unknown("y", 1)));
    assert!(refused(&mut rotation, secs(109), forged("a", 1)));
    assert_eq!(rotation.miss_gate(), secs(110));
}

#[test]
fn a_new_key_under_an_old_kid_is_found_by_its_signature() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    let id = asked(&mut rotation, secs(100), forged("a", 1));
    let effects = rotation.answer(secs(100), id, set(&[("a", 2)], tagged()), jitter());
    assert_eq!(verdicts(&effects), [Refreshed::NewKeys]);
    assert_eq!(
        effects.notices[1..],
        [
            Notice::Added(identity("a", 2)),
            Notice::Removed(identity("a", 1))
        ]
    );
}

#[test]
fn sixty_four_wait_and_nobody_longer_than_five_seconds() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    let mut waiting = 1;
    for at in 0..200_u64 {
        match rotation.ask(Duration::from_millis(at), no_keys()) {
            Asked::Wait(_, None) => waiting += 1,
            Asked::Answer(Refreshed::Unchanged) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waiting, WAITERS_MAX);
    assert_eq!(rotation.next_wake(), Some(WAIT_MAX));
    let effects = rotation.tick(WAIT_MAX);
    assert_eq!(
        verdicts(&effects),
        [Refreshed::Unchanged, Refreshed::Unchanged]
    );
    let effects = rotation.tick(WAIT_MAX + secs(1));
    assert_eq!(effects.released.len(), WAITERS_MAX - 2);
    // The fetch goes on without them, and their places are free.
    assert!(matches!(
        rotation.ask(secs(7), no_keys()),
        Asked::Wait(_, None)
    ));
    let effects = rotation.answer(secs(8), id, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(verdicts(&effects), [Refreshed::NewKeys]);
}

#[test]
fn a_kid_that_an_answer_lacked_is_remembered_for_ten_seconds() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    let id = asked(&mut rotation, secs(100), unknown("x", 1));
    rotation.answer(secs(102), id, set(&[("a", 1)], tagged()), jitter());
    for at in [102, 105, 109] {
        assert!(refused(&mut rotation, secs(at), unknown("x", 1)));
    }
    // Nothing was spent meanwhile, and asking has not prolonged it. The second question is about another key.
    assert_eq!(rotation.budget.opens_at(), Duration::ZERO);
    asked(&mut rotation, secs(110), unknown("x", 1));
}

#[test]
fn a_failed_fetch_remembers_nothing() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    for _ in 0..2 {
        let id = asked(&mut rotation, secs(100), unknown("x", 1));
        rotation.answer(secs(100), id, failed(), jitter());
    }
    assert_eq!(rotation.memory.len(), 0);
}

#[test]
fn what_is_remembered_is_forgotten_when_the_keys_change() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=600"));
    let id = asked(&mut rotation, secs(500), unknown("x", 1));
    rotation.answer(
        secs(500),
        id,
        set(&[("a", 1)], headers("max-age=60")),
        jitter(),
    );
    assert!(refused(&mut rotation, secs(501), unknown("x", 1)));
    let id = asked(&mut rotation, secs(502), unknown("b", 1));
    rotation.answer(
        secs(502),
        id,
        set(&[("a", 1), ("b", 1)], tagged()),
        jitter(),
    );
    assert_eq!(rotation.memory.len(), 0);
    // But a kid that the changed set lacks as well is remembered anew.
    let id = asked(&mut rotation, secs(520), unknown("y", 2));
    rotation.answer(secs(520), id, set(&[("c", 1)], tagged()), jitter());
    assert!(refused(&mut rotation, secs(529), unknown("y", 3)));
}

#[test]
fn the_memory_is_bounded_and_loses_the_least_recent() {
    let mut memory = Memory::default();
    let kid = |number: usize| unknown(&number.to_string(), 1);
    for number in 0..memory::ENTRIES {
        memory.remember(secs(1), secs(1), &kid(number));
    }
    assert!(memory.recalls(secs(1), &kid(0)));
    memory.remember(secs(1), secs(1), &kid(memory::ENTRIES));
    assert_eq!(memory.len(), memory::ENTRIES);
    assert!(memory.recalls(secs(1), &kid(0)));
    assert!(!memory.recalls(secs(1), &kid(1)));
    assert!(!memory.recalls(secs(11), &kid(0)));
    assert_eq!(memory.len(), 0);
}

#[test]
fn a_question_put_during_a_fetch_is_answered_by_the_next_one() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    let first = asked(&mut rotation, secs(100), unknown("junk", 1));
    assert!(matches!(
        rotation.ask(secs(101), unknown("b", 1)),
        Asked::Wait(_, None)
    ));
    let effects = rotation.answer(secs(101), first, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(verdicts(&effects), [Refreshed::Unchanged]);
    let second = effects.start.unwrap();
    let effects = rotation.answer(
        secs(102),
        second.id,
        set(&[("a", 1), ("b", 1)], tagged()),
        jitter(),
    );
    assert_eq!(verdicts(&effects), [Refreshed::NewKeys]);
    assert!(effects.start.is_none());

    // Without budget it is answered from what there is, and remembered.
    let third = asked(&mut rotation, secs(111), unknown("junk", 2));
    rotation.ask(secs(111), unknown("c", 2));
    let effects = rotation.answer(
        secs(111),
        third,
        set(&[("a", 1), ("b", 1)], tagged()),
        jitter(),
    );
    assert_eq!((effects.released.len(), effects.start.is_none()), (2, true));
    assert_eq!(rotation.memory.len(), 2);
}

#[test]
fn a_scheduled_refresh_is_not_held_up_by_junk() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=1000"));
    let due = secs(850);
    for kid in ["x", "y"] {
        let id = asked(&mut rotation, due - secs(1), unknown(kid, 1));
        rotation.answer(due - secs(1), id, failed(), jitter());
    }
    assert!(refused(&mut rotation, due, unknown("z", 1)));
    let start = rotation.tick(due).start.unwrap();
    for _ in 0..WAITERS_MAX + 1 {
        rotation.ask(due, unknown("z", 1));
    }
    let effects = rotation.answer(due, start.id, set(&[("b", 1)], tagged()), jitter());
    assert_eq!(effects.released.len(), WAITERS_MAX);
    assert_eq!(rotation.held.as_ref().unwrap().generation, 2);
    // And it has not spent the budget, nor been put off by the failures of others.
    assert_eq!(rotation.budget.opens_at(), due + secs(9));
}

#[test]
fn failures_keep_the_set_and_are_retried_ever_more_slowly() {
    for thousandths in JITTERS {
        let waits: Vec<Duration> = (1..9)
            .map(|n| backoff(n, Jitter::new(thousandths)))
            .collect();
        for (wait, most) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60]) {
            assert!(
                (secs(most) * 3 / 4..=secs(most)).contains(wait),
                "{wait:?} {most}"
            );
        }
    }
    assert_eq!(backoff(u32::MAX, Jitter::new(u32::MAX)), secs(60));

    let mut rotation = holding(&[("a", 1)], headers("max-age=1000"));
    let mut now = secs(850);
    for most in [1, 2, 4, 8, 16, 32, 60, 60] {
        let start = rotation.tick(now).start.unwrap();
        let effects = rotation.answer(now, start.id, failed(), jitter());
        assert_eq!(effects.notices, [Notice::Failed("down".to_owned())]);
        let next = rotation.next_wake().unwrap();
        assert!(
            (now + secs(most) * 3 / 4..=now + secs(most)).contains(&next),
            "{most}"
        );
        now = next;
        assert_eq!(rotation.usable(now).unwrap().set.0, [("a", 1)]);
    }
    assert_eq!(rotation.last_failure(), Some("down"));
    let start = rotation.tick(now).start.unwrap();
    rotation.answer(
        now,
        start.id,
        set(&[("a", 1)], headers("max-age=1000")),
        jitter(),
    );
    assert_eq!((rotation.failures, rotation.last_failure()), (0, None));
    assert_eq!(rotation.next_wake(), Some(now + secs(850)));
}

#[test]
fn without_keys_requests_drive_attempts_at_most_a_second_apart() {
    for thousandths in JITTERS {
        let mut rotation = rotation();
        assert_eq!(rotation.next_wake(), None);
        let mut now = secs(100);
        for _ in 0..50 {
            let id = asked(&mut rotation, now, no_keys());
            rotation.answer(now, id, failed(), Jitter::new(thousandths));
            assert_eq!(
                rotation.next_wake(),
                None,
                "nobody asks, nothing is fetched"
            );
            assert!(refused(&mut rotation, now, no_keys()));
            let gate = rotation.empty_gate();
            assert!(gate > now + secs(1) / 2 && gate <= now + secs(1));
            now = gate;
        }
    }
}

#[test]
fn a_set_is_used_up_to_its_staleness_bound_and_no_longer() {
    let mut rotation = holding(&[("a", 1)], tagged());
    let end = secs(600) + STALENESS_BOUND;
    let almost = end - Duration::from_nanos(1);
    assert!(rotation.usable(almost).is_some());
    assert!(rotation.usable(end).is_none());
    // An outage until then.
    while let Some(wake) = rotation.next_wake().filter(|wake| *wake < end) {
        let start = rotation.tick(wake).start.unwrap();
        rotation.answer(wake, start.id, failed(), jitter());
    }
    let effects = rotation.tick(end);
    assert_eq!(effects.notices, [Notice::Stale]);
    assert!(effects.start.is_none() && rotation.tick(end).notices.is_empty());
    assert_eq!(rotation.next_wake(), None);
    // From now on requests drive the attempts, whatever they miss; the issuer may still confirm the set.
    let id = asked(&mut rotation, end, unknown("a", 1));
    let effects = rotation.answer(
        end,
        id,
        Answer::NotModified(CacheHeaders::default()),
        jitter(),
    );
    assert_eq!(verdicts(&effects), [Refreshed::Unchanged]);
    assert!(rotation.usable(end).is_some());
    assert_eq!(rotation.next_wake(), Some(end + secs(510)));
}

#[test]
fn a_removed_key_goes_with_the_set_that_had_it() {
    let mut rotation = holding(&[("a", 1), ("b", 1)], tagged());
    let start = rotation.tick(secs(600)).start.unwrap();
    let effects = rotation.answer(secs(600), start.id, set(&[("b", 1)], tagged()), jitter());
    assert_eq!(
        effects.notices,
        [
            Notice::Fetched { changed: true },
            Notice::Removed(identity("a", 1))
        ]
    );
    assert_eq!(rotation.usable(secs(600)).unwrap().set.0, [("b", 1)]);
}

#[test]
fn the_same_answer_again_leaves_the_set_and_its_generation() {
    let mut rotation = holding(&[("a", 1)], tagged());
    let before = Arc::clone(&rotation.held.as_ref().unwrap().set);
    let start = rotation.tick(secs(600)).start.unwrap();
    let effects = rotation.answer(secs(600), start.id, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(effects.notices, [Notice::Fetched { changed: false }]);
    let held = rotation.held.as_ref().unwrap();
    assert!(Arc::ptr_eq(&held.set, &before) && held.generation == 1);
}

/// What operators are told when this set comes, and the generation then.
fn then(rotation: &mut Rotation<Keys>, keys: &[(&'static str, u8)]) -> (Vec<Notice>, u64) {
    let now = rotation.refresh_at.unwrap();
    let start = rotation.tick(now).start.unwrap();
    let effects = rotation.answer(now, start.id, set(keys, tagged()), jitter());
    let held = rotation.held.as_ref().unwrap();
    assert_eq!(held.set.0, keys, "the newest set is held");
    assert_eq!(held.confirmed_at, now);
    (effects.notices, held.generation)
}

const FETCHED: Notice = Notice::Fetched { changed: true };
const SAME: Notice = Notice::Fetched { changed: false };

#[test]
fn the_generation_counts_changes_of_the_usable_keys_not_of_the_bytes() {
    let mut rotation = holding(&[("a", 1), ("b", 1)], tagged());
    let junk = asked(&mut rotation, secs(1), unknown("junk", 1));
    rotation.answer(
        secs(1),
        junk,
        set(&[("a", 1), ("b", 1)], tagged()),
        jitter(),
    );
    let reordered = then(&mut rotation, &[("b", 1), ("a", 1)]);
    assert_eq!(reordered, (vec![SAME], 1));
    let weak = then(&mut rotation, &[("b", 1), ("!weak", 1), ("a", 1)]);
    assert_eq!(weak, (vec![SAME, Notice::Skipped], 1));
    // A question is open again after a change only.
    assert_eq!(rotation.memory.len(), 1);
    // Two of one are not one: a token without kid could be of either.
    let twice = then(&mut rotation, &[("b", 1), ("b", 1), ("a", 1)]);
    assert_eq!(twice, (vec![FETCHED], 2));
    assert_eq!(rotation.memory.len(), 0);
    let other = then(&mut rotation, &[("b", 1), ("b", 2), ("a", 1)]);
    assert_eq!(other, (vec![FETCHED, Notice::Added(identity("b", 2))], 3));
    let renamed = then(&mut rotation, &[("b", 1), ("b", 2), ("c", 1)]);
    let notices = vec![
        FETCHED,
        Notice::Added(identity("c", 1)),
        Notice::Removed(identity("a", 1)),
    ];
    assert_eq!(renamed, (notices, 4));
}

#[test]
fn skipped_keys_are_told_when_they_are_others_than_before() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    let first = set(&[("a", 1), ("!x", 1)], tagged());
    let effects = rotation.answer(Duration::ZERO, id, first, jitter());
    let added = |kid| Notice::Added(identity(kid, 1));
    assert_eq!(effects.notices, [FETCHED, Notice::Skipped, added("a")]);
    // Elsewhere in a changed set, but the same.
    let moved = then(&mut rotation, &[("!x", 1), ("a", 1), ("b", 1)]);
    assert_eq!(moved, (vec![FETCHED, added("b")], 2));
    let more = then(&mut rotation, &[("!x", 1), ("!y", 1), ("a", 1), ("b", 1)]);
    assert_eq!(more, (vec![SAME, Notice::Skipped], 2));
    let reason = then(&mut rotation, &[("!x", 2), ("!y", 1), ("a", 1), ("b", 1)]);
    assert_eq!(reason, (vec![SAME, Notice::Skipped], 2));
    assert_eq!(then(&mut rotation, &[("a", 1), ("b", 1)]), (vec![SAME], 2));
}

#[test]
fn an_older_answer_never_replaces_a_newer_one() {
    let mut rotation = rotation();
    let first = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.answer(secs(5), first, failed(), jitter());
    let second = asked(&mut rotation, secs(6), no_keys());
    let late = rotation.answer(secs(6), first, set(&[("old", 1)], tagged()), jitter());
    assert!(late.notices.is_empty() && late.released.is_empty());
    rotation.answer(secs(7), second, set(&[("new", 1)], tagged()), jitter());
    rotation.answer(secs(8), first, set(&[("old", 1)], tagged()), jitter());
    rotation.answer(secs(8), second, set(&[("old", 1)], tagged()), jitter());
    assert_eq!(rotation.usable(secs(8)).unwrap().set.0, [("new", 1)]);
}

#[test]
fn whoever_saw_an_older_set_is_sent_to_the_newer_one_without_a_fetch() {
    let mut rotation = holding(&[("a", 1)], tagged());
    for generation in [0, 7] {
        let told = rotation.ask(secs(1), unknown("a", generation));
        assert!(matches!(told, Asked::Answer(Refreshed::NewKeys)));
    }
    assert_eq!(rotation.fetches, 1);
}

#[test]
fn another_process_goes_on_with_the_set_and_its_age() {
    let rotation = holding(&[("a", 1)], headers("max-age=1000"));
    let settings = rotation.settings;
    let mut child = Rotation::resume(settings, rotation.held.clone().unwrap(), jitter());
    assert_eq!(child.next_wake(), Some(secs(850)));
    assert!(child.usable(secs(1000) + STALENESS_BOUND).is_none());
    let start = child.tick(secs(850)).start.unwrap();
    child.answer(secs(850), start.id, set(&[("b", 1)], tagged()), jitter());
    assert_eq!(child.held.unwrap().generation, 2);
}

/// A step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    AskUnknown(u8),
    AskForged(u8),
    AskBlind,
    Rotate,
    Answer(Ending),
    /// An answer to a fetch that ended long ago.
    Ghost,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Set { max_age: u32 },
    NotModified,
    Failed,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20_000_u64).prop_map(Step::Wait),
        1 => (0..200_000_000_u64).prop_map(Step::Wait),
        4 => (0..6_u8).prop_map(Step::AskUnknown),
        2 => (0..6_u8).prop_map(Step::AskForged),
        2 => Just(Step::AskBlind),
        1 => Just(Step::Rotate),
        6 => prop_oneof![
            3 => (0..100_000_u32).prop_map(|max_age| Ending::Set { max_age }),
            1 => Just(Ending::NotModified),
            2 => Just(Ending::Failed),
        ].prop_map(Step::Answer),
        1 => Just(Step::Ghost),
    ]
}

/// A key name for each version that the issuer published.
const NAMES: [&str; 6] = ["k0", "k1", "k2", "k3", "k4", "k5"];

/// An issuer, the machine, and what the rules say about both.
struct World {
    rotation: Rotation<Keys>,
    now: Duration,
    /// How often the issuer has rotated; the set is the last two keys.
    published: usize,
    under_way: Option<(Start, Duration, usize)>,
    fetched: Vec<(Duration, super::Cause)>,
    /// The publication that the held set is from, and when the exchange that confirmed it began.
    held: Option<(usize, Duration, Duration)>,
    jitter: u32,
}

impl World {
    fn new(jitter: u32) -> Self {
        Self {
            rotation: rotation(),
            now: secs(1000),
            published: 0,
            under_way: None,
            fetched: Vec::new(),
            held: None,
            jitter,
        }
    }

    fn keys(published: usize) -> Vec<(&'static str, u8)> {
        let version = published as u8;
        let mut keys = vec![(NAMES[published % 6], version)];
        if published > 0 {
            keys.push((NAMES[(published - 1) % 6], version - 1));
        }
        keys
    }

    fn started(&mut self, start: Option<Start>) {
        let Some(start) = start else { return };
        assert!(self.under_way.is_none(), "two fetches at once");
        self.fetched.push((self.now, start.cause));
        self.under_way = Some((start, self.now, self.published));
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.rotation.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            let effects = self.rotation.tick(self.now);
            let did = !effects.released.is_empty()
                || effects.start.is_some()
                || !effects.notices.is_empty();
            assert!(did, "woken for nothing");
            self.started(effects.start);
        }
        self.now = end;
    }

    fn ask(&mut self, question: Question) -> bool {
        match self.rotation.ask(self.now, question) {
            Asked::Wait(_, start) => {
                self.started(start);
                true
            }
            Asked::Answer(_) => false,
        }
    }

    fn answer(&mut self, ending: Ending) -> Vec<Refreshed> {
        let Some((start, began, published)) = self.under_way.take() else {
            return Vec::new();
        };
        let jitter = Jitter::new(self.jitter);
        let answer = match ending {
            Ending::Set { max_age } => {
                let headers = CacheHeaders {
                    etag: Some(format!("\"{published}\"")),
                    ..headers(&format!("max-age={max_age}"))
                };
                let lifetime = secs(u64::from(max_age).clamp(60, 3600));
                self.held = Some((published, began, lifetime));
                set(&Self::keys(published), headers)
            }
            // An issuer says so only when it is true.
            Ending::NotModified if start.validators.etag == Some(format!("\"{published}\"")) => {
                let (_, at, _) = self.held.as_mut().unwrap();
                *at = began;
                Answer::NotModified(CacheHeaders::default())
            }
            Ending::NotModified | Ending::Failed => failed(),
        };
        let effects = self.rotation.answer(self.now, start.id, answer, jitter);
        self.started(effects.start.clone());
        verdicts(&effects)
    }

    fn generation(&self) -> u64 {
        self.rotation
            .usable(self.now)
            .map_or(0, |held| held.generation)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(millis) => self.wait(Duration::from_millis(*millis)),
            Step::AskUnknown(name) => {
                let question = unknown(NAMES[usize::from(*name)], self.generation());
                self.ask(question);
            }
            Step::AskForged(name) => {
                let question = forged(NAMES[usize::from(*name)], self.generation());
                self.ask(question);
            }
            Step::AskBlind => {
                if self.generation() == 0 {
                    self.ask(no_keys());
                }
            }
            Step::Rotate => self.published = (self.published + 1).min(200),
            Step::Answer(ending) => {
                self.answer(*ending);
            }
            Step::Ghost => {
                let under_way = self.under_way.as_ref().map(|(start, ..)| start.id);
                for id in 0..self.rotation.fetches {
                    if under_way != Some(FetchId(id)) {
                        let ghost = set(&[("ghost", 255)], tagged());
                        self.rotation.answer(self.now, FetchId(id), ghost, jitter());
                    }
                }
            }
        }
    }

    fn check(&self) {
        let usable = self.rotation.usable(self.now);
        if let Some(held) = usable {
            let (published, began, lifetime) = self.held.expect("a set came from somewhere");
            assert_eq!(held.set.0, Self::keys(published), "not the newest answer");
            assert!(self.now < began + lifetime + STALENESS_BOUND, "too old");
        } else if let Some((_, began, lifetime)) = self.held {
            assert!(
                self.now >= began + lifetime + STALENESS_BOUND,
                "thrown away"
            );
        }
        assert!(self.rotation.waiters.len() <= WAITERS_MAX);
        assert!(self.rotation.memory.len() <= memory::ENTRIES);
        assert!(self.rotation.waiters.is_empty() || self.under_way.is_some());
    }

    /// In every stretch of time: no more fetches by strangers than the budget, none of the others too close.
    fn check_budget(&self) {
        let by = |cause| {
            let of = self
                .fetched
                .iter()
                .filter(move |(_, other)| *other == cause);
            of.map(|(at, _)| *at).collect::<Vec<_>>()
        };
        let misses = by(super::Cause::Miss);
        let burst = BURST as usize;
        for (first, last) in misses.iter().zip(misses.iter().skip(burst)) {
            assert!(*last >= *first + INTERVAL, "{misses:?}");
        }
        for (first, from) in misses.iter().enumerate() {
            let allowed = |to: Duration| burst as u128 + (to - *from).as_millis() / 10_000;
            for (count, to) in misses[first..].iter().enumerate() {
                assert!((count + 1) as u128 <= allowed(*to), "{misses:?}");
            }
        }
        for cause in [super::Cause::Empty, super::Cause::Schedule] {
            let times = by(cause);
            for pair in times.windows(2) {
                assert!(
                    pair[1] >= pair[0] + Duration::from_millis(500),
                    "{cause:?} {pair:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_keep_the_rules(
        steps in prop::collection::vec(step(), 1..200),
        jitter in 0..=1000_u32,
    ) {
        let mut world = World::new(jitter);
        for step in &steps {
            world.step(step);
            world.check();
        }
        world.check_budget();
    }

    #[test]
    fn a_new_key_is_always_picked_up_within_the_cooldown_and_one_exchange(
        steps in prop::collection::vec(step(), 1..120),
        jitter in 0..=1000_u32,
        exchange in 0..5000_u64,
    ) {
        let mut world = World::new(jitter);
        for step in &steps {
            world.step(step);
        }
        world.answer(Ending::Set { max_age: 3600 });
        if world.generation() == 0 {
            world.now += secs(1);
            world.ask(no_keys());
            world.answer(Ending::Set { max_age: 3600 });
        }
        // A fetch may be under way for a question that was late.
        world.answer(Ending::Set { max_age: 3600 });
        // The issuer rotates; a token of its new key comes every tenth of a second, among junk.
        world.published += 1;
        let published_at = world.now;
        let newest = NAMES[world.published % 6];
        let mut exchange_left = None;
        for junk in 0.. {
            let have = world.rotation.usable(world.now).is_some_and(|held| {
                held.set.0 == World::keys(world.published)
            });
            if have {
                break;
            }
            let elapsed = world.now - published_at;
            prop_assert!(
                elapsed <= INTERVAL + Duration::from_millis(exchange + 300),
                "not after {elapsed:?}"
            );
            let generation = world.generation();
            world.ask(unknown(&format!("junk-{junk}"), generation));
            // Where the name is an old one's, the signature tells.
            let known = world.rotation.usable(world.now).is_some_and(|held| held.set.has_kid(newest));
            world.ask(if known { forged(newest, generation) } else { unknown(newest, generation) });
            if world.under_way.is_some() {
                let left = exchange_left.get_or_insert(exchange);
                if *left <= 100 {
                    exchange_left = None;
                    world.answer(Ending::Set { max_age: 3600 });
                } else {
                    *left -= 100;
                }
            }
            world.wait(Duration::from_millis(100));
        }
    }
}
