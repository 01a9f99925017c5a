//! How long a set is fresh, and what confirms it.

use super::*;

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
    rotation.finish_fetch(
        secs(14),
        id,
        set(&[("a", 1)], headers("max-age=600")),
        jitter(),
    );
    assert_eq!(rotation.held.unwrap().fresh_until, secs(610));
}

#[test]
fn the_refresh_begins_ahead_and_the_set_stays_in_use() {
    for thousandths in JITTERS {
        let rotation = holding(&[("a", 1)], headers("max-age=1000"));
        let at = rotation.held.unwrap().refresh_at(Jitter::new(thousandths));
        assert!((secs(800)..=secs(900)).contains(&at), "{at:?}");
    }
    let held = holding(&[("a", 1)], headers("max-age=1000")).held.unwrap();
    assert!(held.refresh_at(Jitter::new(0)) < held.refresh_at(Jitter::new(1000)));

    let mut rotation = holding(&[("a", 1)], headers("max-age=1000"));
    assert_eq!(rotation.next_wake(), Some(secs(850)));
    assert!(rotation.tick(secs(849)).fetch.is_none());
    assert!(rotation.tick(secs(850)).fetch.is_some());
    assert_eq!(rotation.usable(secs(850)).unwrap().snapshot.generation, 1);
}

#[test]
fn a_set_is_requested_again_with_its_validators_and_a_304_renews_it() {
    let mut rotation = holding(&[("a", 1)], tagged());
    let order = rotation.tick(secs(550)).fetch.unwrap();
    assert_eq!(order.validators.etag.as_deref(), Some("\"1\""));
    assert!(order.validators.last_modified.is_some());
    let effects = rotation.finish_fetch(
        secs(551),
        order.id,
        FetchResult::NotModified(CacheHeaders::default()),
        jitter(),
    );
    assert_eq!(effects.events, [KeyEvent::NotModified]);
    let held = rotation.held.as_ref().unwrap();
    // What the 304 does not repeat is unchanged.
    assert_eq!(
        (held.fresh_until, held.snapshot.generation),
        (secs(1150), 1)
    );
    assert!(!held.validators.is_empty());

    let order = rotation.tick(secs(1100)).fetch.unwrap();
    rotation.finish_fetch(
        secs(1100),
        order.id,
        FetchResult::NotModified(headers("max-age=120")),
        jitter(),
    );
    assert_eq!(rotation.held.as_ref().unwrap().fresh_until, secs(1220));
}

#[test]
fn a_304_without_a_set_is_a_failure() {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    let effects = rotation.finish_fetch(secs(1), id, FetchResult::NotModified(tagged()), jitter());
    assert!(matches!(effects.events[..], [KeyEvent::Failed(_)]));
    assert!(rotation.usable(secs(1)).is_none());
    // Without validators, no request was made that a 304 could answer.
    let mut rotation = holding(&[("a", 1)], headers("max-age=600"));
    let order = rotation.tick(secs(550)).fetch.unwrap();
    assert!(order.validators.is_empty());
    let effects = rotation.finish_fetch(
        secs(550),
        order.id,
        FetchResult::NotModified(tagged()),
        jitter(),
    );
    assert!(matches!(effects.events[..], [KeyEvent::Failed(_)]));
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
        let order = rotation.tick(secs(550)).fetch.unwrap();
        let answer = FetchResult::NotModified(etag(other));
        let effects = rotation.finish_fetch(secs(551), order.id, answer, jitter());
        let [KeyEvent::Failed(reason)] = &effects.events[..] else {
            panic!("{other}: {:?}", effects.events)
        };
        assert!(reason.contains("another ETag"), "{reason}");
        // The set stays, no fresher than it was; the next request is unconditional and its answer
        // is good.
        let held = rotation.usable(secs(551)).unwrap();
        assert_eq!((held.snapshot.generation, held.fresh_until), (1, secs(600)));
        let order = rotation.tick(secs(552)).fetch.unwrap();
        assert!(order.validators.is_empty());
        rotation.finish_fetch(secs(552), order.id, set(&[("b", 1)], tagged()), jitter());
        assert_eq!(rotation.held.unwrap().snapshot.generation, 2);
    }
}

#[test]
fn a_304_with_the_same_etag_confirms_whether_marked_weak_or_not() {
    for (asked, received) in [
        ("\"1\"", "W/\"1\""),
        ("W/\"1\"", "\"1\""),
        ("\"1\"", "\"1\""),
    ] {
        let mut rotation = holding(&[("a", 1)], etag(asked));
        let order = rotation.tick(secs(3590)).fetch.unwrap();
        let answer = FetchResult::NotModified(etag(received));
        let effects = rotation.finish_fetch(secs(3590), order.id, answer, jitter());
        assert_eq!(
            effects.events,
            [KeyEvent::NotModified],
            "{asked} {received}"
        );
    }
}

/// An issuer without tags may answer 304 whenever its file is not newer, also after going back to
/// an older one.
#[test]
fn a_304_of_another_date_than_the_one_asked_with_is_a_failure() {
    let dated = |date: &str| CacheHeaders {
        last_modified: Some(date.to_owned()),
        ..CacheHeaders::default()
    };
    let (newer, older) = (
        "Thu, 01 Oct 2026 00:00:00 GMT",
        "Mon, 01 Jun 2026 00:00:00 GMT",
    );
    for (received, confirmed) in [
        (dated(newer), true),
        (dated(older), false),
        (headers("max-age=60"), true),
    ] {
        let mut rotation = holding(&[("a", 1)], dated(newer));
        let order = rotation.tick(secs(3500)).fetch.unwrap();
        let answer = FetchResult::NotModified(received);
        let effects = rotation.finish_fetch(secs(3500), order.id, answer, jitter());
        let renewed = rotation.held.as_ref().unwrap().confirmed_at == secs(3500);
        assert_eq!(renewed, confirmed, "{effects:?}");
        assert_eq!(effects.events == [KeyEvent::NotModified], confirmed);
        let next = rotation.start_fetch(secs(3600), Cause::Schedule);
        assert_eq!(!next.validators.is_empty(), confirmed);
    }
}

#[test]
fn a_304_that_was_decided_by_tag_may_carry_another_date() {
    let mut rotation = holding(&[("a", 1)], tagged());
    let order = rotation.tick(secs(550)).fetch.unwrap();
    let received = CacheHeaders {
        last_modified: Some("Mon, 01 Jun 2026 00:00:00 GMT".to_owned()),
        ..CacheHeaders::default()
    };
    let effects = rotation.finish_fetch(
        secs(550),
        order.id,
        FetchResult::NotModified(received),
        jitter(),
    );
    assert_eq!(effects.events, [KeyEvent::NotModified]);
}

/// RFC 9111 section 4.2.3: an answer from a cache is already that old.
#[test]
fn a_304_from_a_cache_renews_the_lifetime_less_its_age() {
    let mut rotation = holding(&[("a", 1)], tagged());
    let order = rotation.tick(secs(550)).fetch.unwrap();
    let aged = CacheHeaders {
        age: Some("200".to_owned()),
        ..CacheHeaders::default()
    };
    rotation.finish_fetch(
        secs(550),
        order.id,
        FetchResult::NotModified(aged),
        jitter(),
    );
    assert_eq!(lifetime(&rotation), secs(400));
}

#[test]
fn an_etag_that_was_not_asked_with_is_not_adopted() {
    let dated = CacheHeaders {
        etag: None,
        ..tagged()
    };
    let mut rotation = holding(&[("a", 1)], dated);
    let order = rotation.tick(secs(550)).fetch.unwrap();
    let answer = FetchResult::NotModified(etag("\"2\""));
    let effects = rotation.finish_fetch(secs(550), order.id, answer, jitter());
    assert_eq!(effects.events, [KeyEvent::NotModified]);
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
