//! When a set without a key for signatures counts as the withdrawal of every key.

use super::*;

const ENCRYPTION_ONLY: &[Key] = &[("!enc", 1)];

/// Fetches on schedule at `now`, and returns this answer.
fn refreshed(rotation: &mut Rotation, now: Duration, result: FetchResult) -> Effects {
    rotation.refresh_now(now);
    let order = rotation.tick(now).fetch.unwrap();
    rotation.finish_fetch(now, order.id, result, jitter())
}

fn failed_with(effects: &Effects, reason: &str) -> bool {
    matches!(&effects.events[..], [KeyEvent::Failed(text)] if text.contains(reason))
}

#[test]
fn an_empty_set_counts_when_it_is_seen_again_after_sixty_seconds() {
    for empty in [&[][..], ENCRYPTION_ONLY] {
        let mut rotation = holding(&[("a", 1)], tagged());
        let first = refreshed(&mut rotation, secs(500), set(empty, tagged()));
        assert!(failed_with(&first, "counts as withdrawn"), "{first:?}");
        assert!(holds(&rotation, &[("a", 1)]));
        // The second fetch comes by itself, at the earliest time that it can count.
        assert_eq!(rotation.next_wake(), Some(secs(560)));
        let order = rotation.tick(secs(560)).fetch.unwrap();
        let second = rotation.finish_fetch(secs(561), order.id, set(empty, tagged()), jitter());
        assert_eq!(second.events[0], FETCHED);
        assert!(second.events.contains(&KeyEvent::Removed(identity("a", 1))));
        assert!(holds(&rotation, empty));
        let held = rotation.usable(secs(561)).unwrap();
        assert_eq!(
            (held.snapshot.generation, held.confirmed_at),
            (2, secs(560))
        );
        assert_eq!(rotation.last_failure(), None);
    }
}

#[test]
fn less_than_sixty_seconds_apart_it_does_not_count_however_often() {
    let mut rotation = holding(&[("a", 1)], tagged());
    for second in 0..60 {
        let now = secs(500 + second);
        refreshed(&mut rotation, now, set(&[], tagged()));
        assert!(holds(&rotation, &[("a", 1)]), "{second}");
        assert_eq!(rotation.refresh_at(), Some(secs(560)));
    }
    refreshed(&mut rotation, secs(560), set(&[], tagged()));
    assert!(holds(&rotation, &[]));
}

/// The time is that of the requests: a slow answer describes the time when it was requested.
#[test]
fn a_slow_answer_counts_from_when_it_was_requested() {
    let mut rotation = holding(&[("a", 1)], tagged());
    refreshed(&mut rotation, secs(500), set(&[], tagged()));
    let id = asked(&mut rotation, secs(557), unknown("x", 1));
    rotation.finish_fetch(secs(562), id, set(&[], tagged()), jitter());
    assert!(holds(&rotation, &[("a", 1)]));
    let order = rotation.tick(secs(562)).fetch.unwrap();
    rotation.finish_fetch(secs(562), order.id, set(&[], tagged()), jitter());
    assert!(holds(&rotation, &[]));
}

#[test]
fn a_good_answer_between_starts_the_count_again_and_a_failure_does_not() {
    let same = || FetchResult::NotModified(CacheHeaders::default());
    let good = || set(&[("a", 1)], tagged());
    for (between, counts) in [
        (good as fn() -> FetchResult, false),
        (same, false),
        (failed, true),
    ] {
        let mut rotation = holding(&[("a", 1)], tagged());
        refreshed(&mut rotation, secs(500), set(&[], tagged()));
        refreshed(&mut rotation, secs(530), between());
        refreshed(&mut rotation, secs(565), set(&[], tagged()));
        assert_eq!(!holds(&rotation, &[("a", 1)]), counts);
    }
    // A failure between them delays the second fetch only by its retry.
    let mut rotation = holding(&[("a", 1)], tagged());
    refreshed(&mut rotation, secs(500), set(&[], tagged()));
    let order = rotation.tick(secs(560)).fetch.unwrap();
    rotation.finish_fetch(secs(560), order.id, failed(), jitter());
    assert!(rotation.next_wake().unwrap() <= secs(561));
    assert!(holds(&rotation, &[("a", 1)]));
}

#[test]
fn the_validators_of_an_answer_that_was_not_taken_are_not_kept() {
    let etag = |etag: &str| CacheHeaders {
        etag: Some(etag.to_owned()),
        ..tagged()
    };
    let mut rotation = holding(&[("a", 1)], etag("\"good\""));
    refreshed(&mut rotation, secs(500), set(&[], etag("\"empty\"")));
    let order = rotation.tick(secs(560)).fetch.unwrap();
    assert_eq!(order.validators.etag.as_deref(), Some("\"good\""));
    let empty = set(&[], etag("\"empty\""));
    rotation.finish_fetch(secs(560), order.id, empty, jitter());
    let next = rotation.start_fetch(secs(600), Cause::Schedule);
    assert_eq!(next.validators.etag.as_deref(), Some("\"empty\""));

    let mut cold = self::rotation();
    let id = asked(&mut cold, Duration::ZERO, no_keys());
    cold.finish_fetch(Duration::ZERO, id, set(&[], etag("\"empty\"")), jitter());
    let next = cold.start_fetch(secs(60), Cause::Empty);
    assert!(next.validators.is_empty());
}

#[test]
fn a_cold_source_has_no_keys_until_the_second_time_and_is_warm_then() {
    let mut rotation = rotation();
    let mut now = Duration::ZERO;
    while now < secs(60) {
        let id = asked(&mut rotation, now, no_keys());
        let effects = rotation.finish_fetch(now, id, set(&[], tagged()), jitter());
        assert_eq!(answers(&effects), [Refreshed::Unchanged]);
        assert!(rotation.usable(now).is_none());
        assert_eq!(rotation.next_wake(), None, "requests drive the attempts");
        now = rotation.retries_from();
    }
    let id = asked(&mut rotation, now, no_keys());
    let effects = rotation.finish_fetch(now, id, set(&[], tagged()), jitter());
    assert_eq!(answers(&effects), [Refreshed::NewKeys]);
    assert_eq!(rotation.usable(now).unwrap().snapshot.generation, 1);
    assert!(rotation.next_wake().is_some(), "the schedule drives them");
}

#[test]
fn after_a_withdrawal_new_keys_are_looked_for_as_usual() {
    let mut rotation = holding(&[("a", 1)], tagged());
    for at in [500, 560] {
        refreshed(&mut rotation, secs(at), set(&[], tagged()));
    }
    // On schedule, and by a token of a new key within the budget; an empty set is now normal.
    assert_eq!(rotation.refresh_at(), Some(secs(560 + 510)));
    let effects = refreshed(&mut rotation, secs(1070), set(&[], tagged()));
    assert_eq!(effects.events, [SAME]);
    let id = asked(&mut rotation, secs(1100), unknown("b", 2));
    let effects = rotation.finish_fetch(secs(1100), id, set(&[("b", 1)], tagged()), jitter());
    assert_eq!(answers(&effects), [Refreshed::NewKeys]);
    assert!(holds(&rotation, &[("b", 1)]));
    // A second withdrawal needs two fetches, like the first.
    refreshed(&mut rotation, secs(1200), set(&[], tagged()));
    assert!(holds(&rotation, &[("b", 1)]));
}
