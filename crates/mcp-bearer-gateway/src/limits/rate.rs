//! [`RateTable`]: one rate for many keys, in a bounded table.

use std::convert::Infallible;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;

use crate::config::Rate;

type Limiter<K, C> = RateLimiter<Question<K>, Known<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The generic cell rate algorithm over many keys. Twice the rate is allowed at once.
pub(super) struct RateTable<K: Copy + Eq + Hash, C: Clock> {
    limiter: Limiter<K, C>,
    clock: C,
    #[cfg(test)]
    known: Arc<States<K>>,
}

impl<K: Copy + Eq + Hash, C: Clock + Clone> RateTable<K, C> {
    pub(super) fn new(rate: Rate, known: usize, clock: C) -> Self {
        let known = Arc::new(Cache::new(known));
        let store = Known(Arc::clone(&known));
        Self {
            limiter: RateLimiter::new(quota(rate), store, clock.clone()),
            clock,
            #[cfg(test)]
            known,
        }
    }

    /// Counts one.
    ///
    /// # Errors
    /// The time until one more is allowed. Then nothing was counted.
    pub(super) fn count(&self, key: K) -> Result<(), Duration> {
        self.ask(Question { key, counts: true })
    }

    fn ask(&self, question: Question<K>) -> Result<(), Duration> {
        let answer = self.limiter.check_key(&question);
        answer.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// How many keys are in the table.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }
}

fn quota(rate: Rate) -> Quota {
    let each = rate.per() / rate.count().get();
    let burst = rate
        .count()
        .saturating_mul(NonZeroU32::MIN.saturating_add(1));
    // A rate above one per nanosecond does not limit anything.
    Quota::with_period(each.max(Duration::from_nanos(1)))
        .unwrap_or(Quota::per_second(NonZeroU32::MAX))
        .allow_burst(burst)
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Question<K> {
    key: K,
    counts: bool,
}

type States<K> = Cache<K, Arc<InMemoryState>>;

/// The keys that were used last or most.
struct Known<K>(Arc<States<K>>);

impl<K: Copy + Eq + Hash> StateStore for Known<K> {
    type Key = Question<K>;

    fn measure_and_replace<T, F, E>(&self, question: &Question<K>, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if question.counts {
            let new = || Ok::<_, Infallible>(Arc::default());
            let Ok(state) = self.0.get_or_insert_with(&question.key, new);
            return state.measure_and_replace(&NotKeyed::NonKey, decide);
        }
        // An unknown key takes no place in the table, and a known one stays as it is.
        let unchanged = |at: Option<Nanos>| {
            let (answer, _) = decide(at)?;
            Ok((answer, at.unwrap_or_default()))
        };
        match self.0.get(&question.key) {
            Some(state) => state.measure_and_replace(&NotKeyed::NonKey, unchanged),
            None => decide(None).map(|(answer, _)| answer),
        }
    }
}
