use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use governor::clock::FakeRelativeClock;

use super::{CallerKey, KNOWN, PeerConnections, RequestLimits, RetryAfter, SlotRefusal};
use crate::config::{LimitSettings, Rate};

fn rate(text: &str) -> Option<Rate> {
    Some(text.parse().unwrap())
}

fn none() -> LimitSettings {
    LimitSettings {
        connections: 10,
        connections_per_peer: 2,
        requests: 3,
        requests_per_caller: 2,
        streams: 3,
        streams_per_caller: 2,
        per_peer: None,
        denials_per_peer: None,
        per_caller: None,
    }
}

fn limits(settings: &LimitSettings) -> (RequestLimits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    // At zero the algorithm takes any state for a new one.
    clock.advance(Duration::from_secs(1));
    (RequestLimits::with_clock(settings, &clock), clock)
}

fn v4(last: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x7f00_0000 + last).into()
}

fn allowed(limits: &RequestLimits<FakeRelativeClock>, peer: IpAddr, tries: usize) -> usize {
    let asked = (0..tries).filter(|_| limits.check_peer(peer).is_ok());
    asked.count()
}

#[test]
fn twice_the_rate_passes_at_once_and_the_rate_after_that() {
    let per_peer = rate("10/s");
    let (limits, clock) = limits(&LimitSettings { per_peer, ..none() });
    assert_eq!(allowed(&limits, v4(1), 100), 20);
    assert_eq!(
        allowed(&limits, v4(2), 100),
        20,
        "another address is not affected"
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(allowed(&limits, v4(1), 100), 10);
    clock.advance(Duration::from_secs(60));
    assert_eq!(
        allowed(&limits, v4(1), 100),
        20,
        "unused time adds up to the burst only"
    );
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let per_peer = rate("6/m");
    let (limits, clock) = limits(&LimitSettings { per_peer, ..none() });
    assert_eq!(allowed(&limits, v4(1), 12), 12);
    let refused = limits.check_peer(v4(1)).unwrap_err();
    assert_eq!(refused.seconds(), 10);
    clock.advance(Duration::from_millis(9_500));
    assert_eq!(limits.check_peer(v4(1)).unwrap_err().seconds(), 1);
    clock.advance(Duration::from_millis(500));
    assert!(limits.check_peer(v4(1)).is_ok());
    assert_eq!(RetryAfter(Duration::ZERO).seconds(), 1);
    assert_eq!(RetryAfter(Duration::MAX).seconds(), u64::MAX);
}

#[test]
fn an_ipv6_host_cannot_leave_its_64_and_a_mapped_address_is_ipv4() {
    let per_peer = rate("1/s");
    let (limits, _clock) = limits(&LimitSettings { per_peer, ..none() });
    let host = |last: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, last));
    let asked = (0..100).filter(|last| limits.check_peer(host(*last)).is_ok());
    assert_eq!(asked.count(), 2);
    let other = Ipv6Addr::new(0x2001, 0xdb8, 0, 8, 0, 0, 0, 1).into();
    assert_eq!(allowed(&limits, other, 9), 2);
    let IpAddr::V4(plain) = v4(9) else { panic!() };
    assert_eq!(allowed(&limits, plain.to_ipv6_mapped().into(), 9), 2);
    assert_eq!(allowed(&limits, v4(9), 9), 0, "it is the same host");
    assert_eq!(
        allowed(&limits, v4(8), 9),
        2,
        "another mapped address is another host"
    );
}

#[test]
fn denials_slow_down_their_address_and_nobody_else() {
    let denials_per_peer = rate("20/s");
    let settings = LimitSettings {
        denials_per_peer,
        ..none()
    };
    let (limits, clock) = limits(&settings);
    let mut guesses = 0;
    let mut guess = || {
        for _ in 0..1_000 {
            if limits.count_denial(v4(1)).is_ok() {
                guesses += 1;
            }
        }
        guesses
    };
    assert_eq!(guess(), 40);
    assert!(limits.count_denial(v4(2)).is_ok());
    assert!(limits.check_peer(v4(1)).is_ok(), "a good token is served");
    let wait = limits.count_denial(v4(1)).unwrap_err();
    assert_eq!(wait, RetryAfter(Duration::from_millis(50)));
    for _ in 0..10 {
        clock.advance(Duration::from_millis(100));
        guess();
    }
    assert_eq!(guess(), 60, "20 more in a second");
}

#[test]
fn a_million_addresses_take_bounded_memory_and_do_not_free_a_noisy_one() {
    let (per_peer, denials_per_peer) = (rate("10/s"), rate("10/s"));
    let settings = LimitSettings {
        per_peer,
        denials_per_peer,
        ..none()
    };
    let (limits, _clock) = limits(&settings);
    let noisy = v4(1);
    let mut noisy_passed = 0;
    for other in 0..1_000_000 {
        let _ = limits.check_peer(v4(2 + other));
        if other % 8 == 0 {
            let _ = limits.count_denial(v4(2 + other));
        }
        if other % 100 == 0 {
            noisy_passed += allowed(&limits, noisy, 1);
            let _ = limits.count_denial(noisy);
        }
    }
    assert_eq!(noisy_passed, 20, "10,000 requests without time passing");
    let (requests, denials) = limits.peers_known();
    for known in [requests, denials] {
        assert!(known > KNOWN / 2 && known <= KNOWN, "{known}");
    }
}

#[test]
fn a_caller_is_its_issuer_subject_and_client_wherever_it_comes_from() {
    let per_caller = rate("1/s");
    let (limits, _clock) = limits(&LimitSettings {
        per_caller,
        ..none()
    });
    let ask = |issuer, subject, client| {
        let caller = CallerKey::of(issuer, subject, client);
        limits.check_caller(caller).is_ok()
    };
    let alice = (Some("https://a"), Some("alice"), Some("app"));
    assert!(ask(alice.0, alice.1, alice.2) && ask(alice.0, alice.1, alice.2));
    assert!(!ask(alice.0, alice.1, alice.2));
    for (issuer, subject, client) in [
        (Some("https://b"), Some("alice"), Some("app")),
        (Some("https://a"), Some("alic"), Some("eapp")),
        (Some("https://a"), Some("alice"), None),
        (Some("https://a"), None, Some("alice")),
        (None, Some("https://a"), Some("alice")),
        (None, None, None),
    ] {
        assert!(
            ask(issuer, subject, client),
            "{issuer:?} {subject:?} {client:?}"
        );
    }
}

#[test]
fn what_has_no_limit_is_not_limited() {
    let (limits, _clock) = limits(&none());
    for _ in 0..10_000 {
        assert!(limits.count_denial(v4(1)).is_ok());
        assert!(limits.check_peer(v4(1)).is_ok());
        let caller = CallerKey::of(Some("i"), Some("s"), None);
        assert!(limits.check_caller(caller).is_ok());
    }
    let fastest = LimitSettings {
        per_peer: rate("4294967295/s"),
        ..none()
    };
    let (limits, _clock) = super::tests::limits(&fastest);
    assert_eq!(allowed(&limits, v4(1), 10_000), 10_000);
    let slowest = LimitSettings {
        per_peer: rate("1/h"),
        ..none()
    };
    let (limits, _clock) = super::tests::limits(&slowest);
    assert_eq!(allowed(&limits, v4(1), 10), 2);
    assert_eq!(limits.check_peer(v4(1)).unwrap_err().seconds(), 3600);
}

#[test]
fn places_for_requests_are_given_back() {
    let (limits, _clock) = limits(&none());
    let (alice, bob) = (CallerKey::anonymous(v4(1)), CallerKey::anonymous(v4(2)));
    let of_alice = [
        limits.begin_request_of(alice).ok().unwrap(),
        limits.begin_request_of(alice).ok().unwrap(),
    ];
    let refused = |caller| limits.begin_request_of(caller).err();
    assert_eq!(refused(alice), Some(SlotRefusal::CallerFull));
    assert_eq!(limits.requests_now(), 2, "a refusal takes no place");
    let of_bob = limits.begin_request_of(bob).ok().unwrap();
    assert_eq!(refused(bob), Some(SlotRefusal::Full));
    assert!(limits.begin_request().is_none(), "nobody gets more");
    drop(of_alice);
    let of_nobody = limits.begin_request().unwrap();
    assert_eq!(limits.requests.callers(), 1, "bob alone");
    let again = limits.begin_request_of(alice).ok().unwrap();
    drop((of_bob, of_nobody, again));
    assert_eq!((limits.requests_now(), limits.requests.callers()), (0, 0));
}

#[test]
fn one_address_cannot_take_all_connections() {
    let peers = PeerConnections::default();
    let host = |last: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, last));
    let first = peers.begin(host(1), 2).unwrap();
    let second = peers.begin(host(2), 2).unwrap();
    assert!(peers.begin(host(3), 2).is_none(), "it is the same /64");
    let mapped = "::ffff:127.0.0.1".parse().unwrap();
    let others = [v4(1), mapped].map(|peer| peers.begin(peer, 2));
    assert!(others.iter().all(Option::is_some));
    assert!(peers.begin(v4(1), 2).is_none(), "a mapped address is IPv4");
    drop(first);
    let third = peers.begin(host(3), 2).unwrap();
    drop((second, third, others));
    assert_eq!(peers.0.keys(), 0, "a peer without connections is forgotten");
}

#[test]
fn places_under_threads_are_neither_lost_nor_given_twice() {
    let settings = LimitSettings {
        requests: 3,
        streams: 3,
        ..none()
    };
    let (limits, _clock) = limits(&settings);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let key = CallerKey::of(None, Some("alice"), None);
                for _ in 0..10_000 {
                    let request = limits.begin_request_of(key).ok();
                    let stream = limits.begin_stream(key);
                    assert!(limits.requests_now() <= 3);
                    drop((request, stream));
                }
            });
        }
    });
    assert_eq!((limits.requests_now(), limits.streams_now()), (0, 0));
    assert_eq!(limits.streams.callers(), 0);
    assert_eq!(limits.requests.callers(), 0);
}

#[test]
fn one_caller_cannot_take_all_streams() {
    let (limits, _clock) = limits(&none());
    let alice = CallerKey::of(Some("https://a"), Some("alice"), None);
    let bob = CallerKey::of(Some("https://a"), Some("bob"), None);
    let streams = [
        limits.begin_stream(alice).ok().unwrap(),
        limits.begin_stream(alice).ok().unwrap(),
    ];
    assert_eq!(
        limits.begin_stream(alice).err(),
        Some(SlotRefusal::CallerFull)
    );
    let of_bob = limits.begin_stream(bob).ok().unwrap();
    assert_eq!(limits.begin_stream(bob).err(), Some(SlotRefusal::Full));
    drop(streams);
    assert_eq!(
        limits.streams.callers(),
        1,
        "a caller without streams is forgotten"
    );
    let again = limits.begin_stream(alice).ok().unwrap();
    drop((of_bob, again));
    assert_eq!((limits.streams_now(), limits.streams.callers()), (0, 0));
    let (here, there) = (CallerKey::anonymous(v4(1)), CallerKey::anonymous(v4(2)));
    assert_ne!(here, there);
    assert_eq!(here, CallerKey::anonymous(v4(1)));
}
