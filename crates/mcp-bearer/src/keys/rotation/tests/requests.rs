//! Which requests wait, what a fetch costs, and how long a set is used.

use super::*;

#[test]
fn one_fetch_at_a_time_and_every_request_joins_it() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    for _ in 1..50 {
        let joined = rotation.ask(Duration::ZERO, no_keys());
        assert!(matches!(joined, Asked::Wait(_, None)), "{joined:?}");
    }
    let effects = rotation.finish_fetch(secs(1), id, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(answers(&effects), vec![Refreshed::NewKeys; 50]);
    assert!(effects.fetch.is_none());
    // Not even a refresh that is due.
    let order = rotation.tick(secs(590)).fetch;
    assert!(order.is_some() && rotation.tick(secs(599)).fetch.is_none());
}

/// Tenths of a second at which a flood causes fetches, with this jitter.
fn fetches_of_a_flood(thousandths: u32) -> Vec<u64> {
    let mut budget = Budget::new(Jitter::new(thousandths));
    let tenths =
        (0..600).filter(|tenth| budget.take(secs(100) + Duration::from_millis(100 * tenth)));
    tenths.collect()
}

#[test]
fn processes_that_a_flood_reaches_at_once_spread_their_fetches_over_five_seconds() {
    assert_eq!(fetches_of_a_flood(0), [0, 1, 50, 150, 250, 350, 450, 550]);
    assert_eq!(fetches_of_a_flood(400), [0, 1, 70, 170, 270, 370, 470, 570]);
    assert_eq!(fetches_of_a_flood(1000), [0, 1, 100, 200, 300, 400, 500]);
}

#[test]
fn tokens_sent_at_the_right_moments_cause_no_more_than_one_fetch_per_ten_seconds() {
    for pause in 1..=300 {
        let mut budget = Budget::new(Jitter::new(0));
        let mut taken = 0_u64;
        let mut now = secs(100);
        while now < secs(1100) {
            taken += u64::from(budget.take(now));
            now += Duration::from_millis(100 * pause);
        }
        assert!(
            taken <= 2 + 1005 / 10,
            "{taken} with pauses of {pause} tenths"
        );
    }
}

#[test]
fn a_quiet_time_shortens_the_next_interval_again() {
    let mut budget = Budget::new(Jitter::new(0));
    for start in [secs(100), secs(200)] {
        assert!(budget.take(start) && budget.take(start) && !budget.take(start));
        assert_eq!(budget.opens_at(), start + secs(5));
    }
    // Full again at 215 s, which is not long ago.
    let start = secs(216);
    assert!(budget.take(start) && budget.take(start) && !budget.take(start));
    assert_eq!(budget.opens_at(), start + secs(10));
}

#[test]
fn misses_can_cause_two_fetches_at_once_and_one_per_ten_seconds() {
    for miss in [unknown, forged] {
        for succeed in [true, false] {
            let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
            let mut fetches = Vec::new();
            for tenth in 0..600_u64 {
                let now = secs(100) + Duration::from_millis(100 * tenth);
                let miss = miss(&format!("made-up-{tenth}"), 1);
                if let Asked::Wait(_, Some(order)) = rotation.ask(now, miss) {
                    fetches.push(tenth);
                    let answer = if succeed {
                        set(&[("a", 1)], headers("max-age=3600"))
                    } else {
                        failed()
                    };
                    rotation.finish_fetch(now, order.id, answer, jitter());
                }
            }
            assert_eq!(fetches, [0, 1, 75, 175, 275, 375, 475, 575], "{succeed}");
        }
    }
}

#[test]
fn a_kid_and_a_signature_spend_the_same_budget() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    for miss in [unknown("x", 1), forged("a", 1)] {
        let id = asked(&mut rotation, secs(100), miss);
        rotation.finish_fetch(secs(100), id, failed(), jitter());
    }
    assert!(refused(&mut rotation, secs(107), unknown("y", 1)));
    assert!(refused(&mut rotation, secs(107), forged("a", 1)));
    assert_eq!(rotation.misses_from(), Duration::from_millis(107_500));
}

#[test]
fn a_new_key_under_an_old_kid_is_found_by_its_signature() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    let id = asked(&mut rotation, secs(100), forged("a", 1));
    let effects = rotation.finish_fetch(secs(100), id, set(&[("a", 2)], tagged()), jitter());
    assert_eq!(answers(&effects), [Refreshed::NewKeys]);
    assert_eq!(
        effects.events[1..],
        [
            KeyEvent::Added(identity("a", 2)),
            KeyEvent::Removed(identity("a", 1))
        ]
    );
}

#[test]
fn sixty_four_wait_and_none_longer_than_five_seconds() {
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
        answers(&effects),
        [Refreshed::Unchanged, Refreshed::Unchanged]
    );
    let effects = rotation.tick(WAIT_MAX + secs(1));
    assert_eq!(effects.answers.len(), WAITERS_MAX - 2);
    // The fetch continues without them, and their places are free.
    assert!(matches!(
        rotation.ask(secs(7), no_keys()),
        Asked::Wait(_, None)
    ));
    let effects = rotation.finish_fetch(secs(8), id, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(answers(&effects), [Refreshed::NewKeys]);
}

#[test]
fn a_kid_that_an_answer_lacked_is_remembered_for_ten_seconds() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    let id = asked(&mut rotation, secs(100), unknown("x", 1));
    rotation.finish_fetch(secs(102), id, set(&[("a", 1)], tagged()), jitter());
    for at in [102, 105, 109] {
        assert!(refused(&mut rotation, secs(at), unknown("x", 1)));
    }
    // Nothing was spent meanwhile, and asking again has not extended it.
    assert_eq!(rotation.budget.opens_at(), Duration::ZERO);
    asked(&mut rotation, secs(110), unknown("x", 1));
}

#[test]
fn a_failed_fetch_remembers_nothing() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    for _ in 0..2 {
        let id = asked(&mut rotation, secs(100), unknown("x", 1));
        rotation.finish_fetch(secs(100), id, failed(), jitter());
    }
    assert_eq!(rotation.unhelped.len(), 0);
}

#[test]
fn what_is_remembered_is_forgotten_when_the_keys_change() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=600"));
    let id = asked(&mut rotation, secs(500), unknown("x", 1));
    rotation.finish_fetch(
        secs(500),
        id,
        set(&[("a", 1)], headers("max-age=60")),
        jitter(),
    );
    assert!(refused(&mut rotation, secs(501), unknown("x", 1)));
    let id = asked(&mut rotation, secs(502), unknown("b", 1));
    rotation.finish_fetch(
        secs(502),
        id,
        set(&[("a", 1), ("b", 1)], tagged()),
        jitter(),
    );
    assert!(!rotation.unhelped.contains(secs(503), &unknown("x", 2)));
    // But a kid that the changed set also lacks is remembered again.
    let id = asked(&mut rotation, secs(520), unknown("y", 2));
    rotation.finish_fetch(secs(520), id, set(&[("c", 1)], tagged()), jitter());
    assert!(refused(&mut rotation, secs(529), unknown("y", 3)));
}

#[test]
fn the_memory_is_bounded_and_loses_the_least_recent() {
    let mut misses = UnhelpedMisses::default();
    let kid = |number: usize| unknown(&number.to_string(), 1);
    for number in 0..ENTRIES {
        misses.insert(secs(1), secs(1), &kid(number), 1);
    }
    assert!(misses.contains(secs(1), &kid(0)));
    misses.insert(secs(1), secs(1), &kid(ENTRIES), 1);
    assert_eq!(misses.len(), ENTRIES);
    assert!(misses.contains(secs(1), &kid(0)));
    assert!(!misses.contains(secs(1), &kid(1)));
    assert!(!misses.contains(secs(11), &kid(0)));
    assert_eq!(misses.len(), 0);
}

#[test]
fn a_miss_during_a_fetch_is_answered_by_the_next_one() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=3600"));
    let first = asked(&mut rotation, secs(100), unknown("junk", 1));
    assert!(matches!(
        rotation.ask(secs(101), unknown("b", 1)),
        Asked::Wait(_, None)
    ));
    let effects = rotation.finish_fetch(secs(101), first, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(answers(&effects), [Refreshed::Unchanged]);
    let second = effects.fetch.unwrap();
    let effects = rotation.finish_fetch(
        secs(102),
        second.id,
        set(&[("a", 1), ("b", 1)], tagged()),
        jitter(),
    );
    assert_eq!(answers(&effects), [Refreshed::NewKeys]);
    assert!(effects.fetch.is_none());

    // Without budget it is answered from what is held, and remembered.
    let third = asked(&mut rotation, secs(111), unknown("junk", 2));
    rotation.ask(secs(111), unknown("c", 2));
    let effects = rotation.finish_fetch(
        secs(111),
        third,
        set(&[("a", 1), ("b", 1)], tagged()),
        jitter(),
    );
    assert_eq!((effects.answers.len(), effects.fetch.is_none()), (2, true));
    assert_eq!(rotation.unhelped.len(), 2);
}

#[test]
fn a_signature_that_was_bad_during_a_fetch_is_answered_by_what_happened_to_its_own_kid() {
    for (keys, answered) in [(&[("a", 1), ("b", 1)][..], false), (&[("a", 2)], true)] {
        let mut rotation = holding(&[("a", 1)], headers("max-age=600"));
        let order = rotation.tick(secs(550)).fetch.unwrap();
        // The running fetch may be older than the new key under "a".
        let Asked::Wait(_, None) = rotation.ask(secs(551), forged("a", 1)) else {
            panic!("it joins the fetch");
        };
        let effects = rotation.finish_fetch(secs(552), order.id, set(keys, tagged()), jitter());
        assert_eq!(effects.fetch.is_none(), answered, "{effects:?}");
        assert_eq!(effects.answers.is_empty(), !answered, "{effects:?}");
    }
}

#[test]
fn a_scheduled_refresh_is_not_held_up_by_junk() {
    let mut rotation = holding(&[("a", 1)], headers("max-age=1000"));
    let due = secs(850);
    for kid in ["x", "y"] {
        let id = asked(&mut rotation, due - secs(1), unknown(kid, 1));
        rotation.finish_fetch(due - secs(1), id, failed(), jitter());
    }
    assert!(refused(&mut rotation, due, unknown("z", 1)));
    let order = rotation.tick(due).fetch.unwrap();
    for _ in 0..WAITERS_MAX + 1 {
        rotation.ask(due, unknown("z", 1));
    }
    let effects = rotation.finish_fetch(due, order.id, set(&[("b", 1)], tagged()), jitter());
    assert_eq!(effects.answers.len(), WAITERS_MAX);
    assert_eq!(rotation.held.as_ref().unwrap().snapshot.generation, 2);
    // It has not spent the budget, nor been delayed by the failures of others.
    assert_eq!(
        rotation.budget.opens_at(),
        due + Duration::from_millis(6_500)
    );
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
        let order = rotation.tick(now).fetch.unwrap();
        let effects = rotation.finish_fetch(now, order.id, failed(), jitter());
        assert_eq!(effects.events, [KeyEvent::Failed("down".to_owned())]);
        let next = rotation.next_wake().unwrap();
        assert!(
            (now + secs(most) * 3 / 4..=now + secs(most)).contains(&next),
            "{most}"
        );
        now = next;
        assert!(rotation.usable(now).is_some() && holds(&rotation, &[("a", 1)]));
    }
    assert_eq!(rotation.last_failure(), Some("down"));
    let order = rotation.tick(now).fetch.unwrap();
    rotation.finish_fetch(
        now,
        order.id,
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
            rotation.finish_fetch(now, id, failed(), Jitter::new(thousandths));
            assert_eq!(
                rotation.next_wake(),
                None,
                "without requests nothing is fetched"
            );
            assert!(refused(&mut rotation, now, no_keys()));
            let next = rotation.retries_from();
            assert!(next > now + secs(1) / 2 && next <= now + secs(1));
            now = next;
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
        let order = rotation.tick(wake).fetch.unwrap();
        rotation.finish_fetch(wake, order.id, failed(), jitter());
    }
    let effects = rotation.tick(end);
    assert_eq!(effects.events, [KeyEvent::Stale]);
    assert!(effects.fetch.is_none() && rotation.tick(end).events.is_empty());
    assert_eq!(rotation.next_wake(), None);
    // From now on requests cause the attempts, whatever they miss; the issuer may still confirm the
    // set.
    let id = asked(&mut rotation, end, unknown("a", 1));
    let effects = rotation.finish_fetch(
        end,
        id,
        FetchResult::NotModified(CacheHeaders::default()),
        jitter(),
    );
    assert_eq!(answers(&effects), [Refreshed::Unchanged]);
    assert!(rotation.usable(end).is_some());
    assert_eq!(rotation.next_wake(), Some(end + secs(510)));
}

#[test]
fn a_removed_key_goes_with_the_set_that_had_it() {
    let mut rotation = holding(&[("a", 1), ("b", 1)], tagged());
    let order = rotation.tick(secs(600)).fetch.unwrap();
    let effects = rotation.finish_fetch(secs(600), order.id, set(&[("b", 1)], tagged()), jitter());
    assert_eq!(
        effects.events,
        [
            KeyEvent::Fetched { changed: true },
            KeyEvent::Removed(identity("a", 1))
        ]
    );
    assert!(rotation.usable(secs(600)).is_some() && holds(&rotation, &[("b", 1)]));
}

#[test]
fn the_same_answer_again_leaves_the_set_and_its_generation() {
    let mut rotation = holding(&[("a", 1)], tagged());
    let before = Arc::clone(&rotation.held.as_ref().unwrap().snapshot.set);
    let order = rotation.tick(secs(600)).fetch.unwrap();
    let effects = rotation.finish_fetch(secs(600), order.id, set(&[("a", 1)], tagged()), jitter());
    assert_eq!(effects.events, [KeyEvent::Fetched { changed: false }]);
    let held = rotation.held.as_ref().unwrap();
    assert!(Arc::ptr_eq(&held.snapshot.set, &before) && held.snapshot.generation == 1);
}

/// The events when this set comes, and the new generation.
fn then(rotation: &mut Rotation, keys: &[Key]) -> (Vec<KeyEvent>, u64) {
    let now = rotation.refresh_at.unwrap();
    let order = rotation.tick(now).fetch.unwrap();
    let effects = rotation.finish_fetch(now, order.id, set(keys, tagged()), jitter());
    assert!(holds(rotation, keys), "the newest set is held");
    let held = rotation.held.as_ref().unwrap();
    assert_eq!(held.confirmed_at, now);
    (effects.events, held.snapshot.generation)
}

#[test]
fn the_generation_counts_changes_of_the_usable_keys_not_of_the_bytes() {
    let mut rotation = holding(&[("a", 1), ("b", 1)], tagged());
    let reordered = then(&mut rotation, &[("b", 1), ("a", 1)]);
    assert_eq!(reordered, (vec![SAME], 1));
    let weak = then(&mut rotation, &[("b", 1), ("!weak", 1), ("a", 1)]);
    assert_eq!(weak, (vec![SAME, KeyEvent::Skipped], 1));
    // Two copies differ from one: a token without kid could belong to either.
    let twice = then(&mut rotation, &[("b", 1), ("b", 1), ("a", 1)]);
    assert_eq!(twice, (vec![FETCHED], 2));
    let other = then(&mut rotation, &[("b", 1), ("b", 2), ("a", 1)]);
    assert_eq!(other, (vec![FETCHED, KeyEvent::Added(identity("b", 2))], 3));
    let renamed = then(&mut rotation, &[("b", 1), ("b", 2), ("c", 1)]);
    let notices = vec![
        FETCHED,
        KeyEvent::Added(identity("c", 1)),
        KeyEvent::Removed(identity("a", 1)),
    ];
    assert_eq!(renamed, (notices, 4));
}

#[test]
fn skipped_keys_are_reported_when_they_are_others_than_before() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    let first = set(&[("a", 1), ("!x", 1)], tagged());
    let effects = rotation.finish_fetch(Duration::ZERO, id, first, jitter());
    let added = |kid| KeyEvent::Added(identity(kid, 1));
    assert_eq!(effects.events, [FETCHED, KeyEvent::Skipped, added("a")]);
    // Elsewhere in a changed set, but unchanged.
    let moved = then(&mut rotation, &[("!x", 1), ("a", 1), ("b", 1)]);
    assert_eq!(moved, (vec![FETCHED, added("b")], 2));
    let more = then(&mut rotation, &[("!x", 1), ("!y", 1), ("a", 1), ("b", 1)]);
    assert_eq!(more, (vec![SAME, KeyEvent::Skipped], 2));
    let reason = then(&mut rotation, &[("!x", 2), ("!y", 1), ("a", 1), ("b", 1)]);
    assert_eq!(reason, (vec![SAME, KeyEvent::Skipped], 2));
    assert_eq!(then(&mut rotation, &[("a", 1), ("b", 1)]), (vec![SAME], 2));
}

#[test]
fn an_older_answer_never_replaces_a_newer_one() {
    let mut rotation = rotation();
    let first = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.finish_fetch(secs(5), first, failed(), jitter());
    let second = asked(&mut rotation, secs(6), no_keys());
    let late = rotation.finish_fetch(secs(6), first, set(&[("old", 1)], tagged()), jitter());
    assert!(late.events.is_empty() && late.answers.is_empty());
    rotation.finish_fetch(secs(7), second, set(&[("new", 1)], tagged()), jitter());
    rotation.finish_fetch(secs(8), first, set(&[("old", 1)], tagged()), jitter());
    rotation.finish_fetch(secs(8), second, set(&[("old", 1)], tagged()), jitter());
    assert!(rotation.usable(secs(8)).is_some() && holds(&rotation, &[("new", 1)]));
}

#[test]
fn a_request_that_saw_an_older_set_gets_the_newer_one_without_a_fetch() {
    let mut rotation = holding(&[("a", 1)], tagged());
    for generation in [0, 7] {
        let answer = rotation.ask(secs(1), unknown("a", generation));
        assert!(matches!(answer, Asked::Answer(Refreshed::NewKeys)));
    }
    assert_eq!(rotation.fetches, 1);
}

#[test]
fn another_process_continues_with_the_set_and_its_age() {
    let rotation = holding(&[("a", 1)], headers("max-age=1000"));
    let mut child = Rotation::new(rotation.lifetimes, rotation.held.clone(), jitter());
    assert_eq!(child.next_wake(), Some(secs(850)));
    assert!(child.usable(secs(1000) + STALENESS_BOUND).is_none());
    let order = child.tick(secs(850)).fetch.unwrap();
    child.finish_fetch(secs(850), order.id, set(&[("b", 1)], tagged()), jitter());
    assert_eq!(child.held.unwrap().snapshot.generation, 2);
}
