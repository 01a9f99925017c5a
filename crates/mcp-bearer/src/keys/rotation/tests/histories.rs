//! Properties over random histories of requests, answers, failures and time.

use proptest::prelude::*;

use super::*;

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
    Set {
        max_age: u32,
    },
    /// A set without a key for signatures.
    Empty,
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
            1 => Just(Ending::Empty),
            1 => Just(Ending::NotModified),
            2 => Just(Ending::Failed),
        ].prop_map(Step::Answer),
        1 => Just(Step::Ghost),
    ]
}

/// A key name for each version that the issuer published.
const NAMES: [&str; 6] = ["k0", "k1", "k2", "k3", "k4", "k5"];

/// An issuer, the machine, and the expected state of both.
struct World {
    rotation: Rotation,
    now: Duration,
    /// How often the issuer has rotated; the set is the last two keys.
    published: usize,
    in_flight: Option<(FetchOrder, Duration, usize)>,
    fetched: Vec<(Duration, Cause)>,
    /// The publication that the held set is from (`None` for a withdrawal), when the exchange that
    /// confirmed it began, and its lifetime.
    held: Option<(Option<usize>, Duration, Duration)>,
    /// When the first empty set since the last good answer was asked for.
    first_empty: Option<Duration>,
    jitter: u32,
}

impl World {
    fn new(jitter: u32) -> Self {
        Self {
            rotation: rotation(),
            now: secs(1000),
            published: 0,
            in_flight: None,
            fetched: Vec::new(),
            held: None,
            first_empty: None,
            jitter,
        }
    }

    fn keys(published: usize) -> Vec<Key> {
        let version = published as u8;
        let mut keys = vec![(NAMES[published % 6], version)];
        if published > 0 {
            keys.push((NAMES[(published - 1) % 6], version - 1));
        }
        keys
    }

    fn started(&mut self, order: Option<FetchOrder>) {
        let Some(order) = order else { return };
        assert!(self.in_flight.is_none(), "two fetches at once");
        self.fetched.push((self.now, order.cause));
        self.in_flight = Some((order, self.now, self.published));
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.rotation.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            let effects = self.rotation.tick(self.now);
            let did = !effects.answers.is_empty()
                || effects.fetch.is_some()
                || !effects.events.is_empty();
            assert!(did, "woken for nothing");
            self.started(effects.fetch);
        }
        self.now = end;
    }

    fn ask(&mut self, miss: Miss) -> bool {
        match self.rotation.ask(self.now, miss) {
            Asked::Wait(_, order) => {
                self.started(order);
                true
            }
            Asked::Answer(_) => false,
        }
    }

    fn answer(&mut self, ending: Ending) -> Vec<Refreshed> {
        let Some((order, began, published)) = self.in_flight.take() else {
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
                self.held = Some((Some(published), began, lifetime));
                self.first_empty = None;
                set(&Self::keys(published), headers)
            }
            Ending::Empty => {
                let first = *self.first_empty.get_or_insert(began);
                let withdrawn = matches!(self.held, Some((None, ..)));
                if withdrawn || began >= first + secs(60) {
                    self.held = Some((None, began, secs(600)));
                    self.first_empty = None;
                }
                set(&[], headers("max-age=600"))
            }
            // An issuer answers 304 only when it is true.
            Ending::NotModified if order.validators.etag == Some(format!("\"{published}\"")) => {
                let (_, at, _) = self.held.as_mut().unwrap();
                *at = began;
                self.first_empty = None;
                FetchResult::NotModified(CacheHeaders::default())
            }
            Ending::NotModified | Ending::Failed => failed(),
        };
        let effects = self
            .rotation
            .finish_fetch(self.now, order.id, answer, jitter);
        self.started(effects.fetch.clone());
        answers(&effects)
    }

    fn generation(&self) -> u64 {
        self.rotation
            .usable(self.now)
            .map_or(0, |held| held.snapshot.generation)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(millis) => self.wait(Duration::from_millis(*millis)),
            Step::AskUnknown(name) => {
                let miss = unknown(NAMES[usize::from(*name)], self.generation());
                self.ask(miss);
            }
            Step::AskForged(name) => {
                let miss = forged(NAMES[usize::from(*name)], self.generation());
                self.ask(miss);
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
                let in_flight = self.in_flight.as_ref().map(|(order, ..)| order.id);
                for id in 0..self.rotation.fetches {
                    if in_flight != Some(FetchId(id)) {
                        let ghost = set(&[("ghost", 255)], tagged());
                        self.rotation
                            .finish_fetch(self.now, FetchId(id), ghost, jitter());
                    }
                }
            }
        }
    }

    fn check(&self) {
        let usable = self.rotation.usable(self.now);
        if let Some(held) = usable {
            let (published, began, lifetime) = self.held.expect("a set came from somewhere");
            let keys = published.map(Self::keys).unwrap_or_default();
            assert!(holds(&self.rotation, &keys), "not the newest answer");
            assert!(self.now < held.usable_until);
            assert!(self.now < began + lifetime + STALENESS_BOUND, "too old");
        } else if let Some((_, began, lifetime)) = self.held {
            assert!(
                self.now >= began + lifetime + STALENESS_BOUND,
                "thrown away"
            );
        }
        assert!(self.rotation.waiters.len() <= WAITERS_MAX);
        assert!(self.rotation.unhelped.len() <= ENTRIES);
        assert!(self.rotation.waiters.is_empty() || self.in_flight.is_some());
    }

    /// In every period: no more fetches caused by strangers than the budget allows, none of the
    /// others too close.
    fn check_budget(&self) {
        let by = |cause| {
            let of = self
                .fetched
                .iter()
                .filter(move |(_, other)| *other == cause);
            of.map(|(at, _)| *at).collect::<Vec<_>>()
        };
        let misses = by(Cause::Miss);
        let burst = BURST as usize;
        // One interval of a period can be as short as half.
        for (first, last) in misses.iter().zip(misses.iter().skip(burst)) {
            assert!(*last >= *first + INTERVAL / 2, "{misses:?}");
        }
        for (first, from) in misses.iter().enumerate() {
            let allowed =
                |to: Duration| burst as u128 + ((to - *from).as_millis() + 5_000) / 10_000;
            for (count, to) in misses[first..].iter().enumerate() {
                assert!((count + 1) as u128 <= allowed(*to), "{misses:?}");
            }
        }
        for cause in [Cause::Empty, Cause::Schedule] {
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
        // A fetch may be running for a miss that was late.
        world.answer(Ending::Set { max_age: 3600 });
        // The issuer rotates; a token of its new key comes every tenth of a second, among junk.
        world.published += 1;
        let published_at = world.now;
        let newest = NAMES[world.published % 6];
        let mut exchange_left = None;
        for junk in 0.. {
            let have = world.rotation.usable(world.now).is_some()
                && holds(&world.rotation, &World::keys(world.published));
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
            // If an old key has the name, only the signature differs.
            let known = world.rotation.usable(world.now).is_some_and(|held| held.snapshot.set.has_kid(newest));
            world.ask(if known { forged(newest, generation) } else { unknown(newest, generation) });
            if world.in_flight.is_some() {
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
