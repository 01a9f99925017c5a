//! [`Places`]: limits what a process does at the same time for all its sources.
//!
//! An exchange takes a thread and a few descriptors, and a slow issuer keeps them for seconds. So
//! exchanges wait for one of a fixed number of places, in the order in which they came. A quarter
//! of the places is reserved for sources whose last exchange succeeded, so that slow issuers,
//! however many, do not delay a working one.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::of_process::PerProcess;

/// The exchanges of a process.
pub(super) static EXCHANGES: PlacesOfProcess = PlacesOfProcess::new(64);
/// The threads that resolve names. One stays occupied until the system gives up on its name, which
/// takes longer than any exchange.
#[cfg(feature = "remote")]
pub(super) static NAMES: PlacesOfProcess = PlacesOfProcess::new(16);

/// A fixed number of places in each process.
pub(super) struct PlacesOfProcess {
    count: usize,
    places: PerProcess<Places>,
}

struct Places {
    all: Arc<Semaphore>,
    /// Three quarters of them.
    for_any_source: Arc<Semaphore>,
}

/// An occupied place; dropping it frees the place.
pub(super) struct Place {
    _one: Option<OwnedSemaphorePermit>,
    _for_any_source: Option<OwnedSemaphorePermit>,
}

/// What is known about a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its last exchange succeeded.
    Answers,
    #[default]
    Unknown,
}

impl PlacesOfProcess {
    const fn new(count: usize) -> Self {
        Self {
            count,
            places: PerProcess::new(),
        }
    }

    /// Waits for a place.
    pub(super) async fn take(&self, standing: Standing) -> Place {
        let make = || Ok::<_, Infallible>(Places::new(self.count));
        let Ok(places) = self.places.get_or_make(make);
        places.take(standing).await
    }
}

impl Places {
    fn new(count: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(count)),
            for_any_source: Arc::new(Semaphore::new(count - count / 4)),
        }
    }

    async fn take(&self, standing: Standing) -> Place {
        // Neither is ever closed, so this cannot fail.
        let for_any_source = match standing {
            Standing::Answers => None,
            Standing::Unknown => Arc::clone(&self.for_any_source).acquire_owned().await.ok(),
        };
        Place {
            _one: Arc::clone(&self.all).acquire_owned().await.ok(),
            _for_any_source: for_any_source,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::FutureExt;

    use super::{Place, Places, Standing};

    fn take(places: &Places, standing: Standing) -> Option<Place> {
        places.take(standing).now_or_never()
    }

    #[test]
    fn a_quarter_of_the_places_is_for_sources_that_answer() {
        let places = Places::new(64);
        let mut taken = Vec::new();
        while let Some(place) = take(&places, Standing::Unknown) {
            taken.push(place);
        }
        assert_eq!(taken.len(), 48);
        while let Some(place) = take(&places, Standing::Answers) {
            taken.push(place);
        }
        assert_eq!(taken.len(), 64);
        // Sources that answer may take all of them.
        drop(taken);
        let taken: Vec<_> = (0..64)
            .map_while(|_| take(&places, Standing::Answers))
            .collect();
        assert_eq!(taken.len(), 64);
        assert!(take(&places, Standing::Unknown).is_none());
    }

    #[tokio::test]
    async fn places_are_given_in_the_order_of_the_requests() {
        let places = Places::new(4);
        let mut taken: Vec<_> = (0..3)
            .filter_map(|_| take(&places, Standing::Unknown))
            .collect();
        let mut waiting: Vec<_> = (0..5)
            .map(|_| Box::pin(places.take(Standing::Unknown)))
            .collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        // The first waiter gave up: it leaves no gap.
        drop(waiting.remove(0));
        for one in waiting {
            taken.remove(0);
            taken.push(one.await);
        }
    }
}
