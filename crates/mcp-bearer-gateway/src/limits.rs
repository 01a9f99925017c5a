//! [`RequestLimits`]: how many requests are served, per address, per caller and at one time.
//!
//! Every table here is bounded, so that a flood from many addresses costs a fixed amount of memory.
//! A table forgets only how much an address has used lately. An address that keeps sending is used
//! often and is therefore kept.

mod keys;
mod rate;
mod shares;
mod slots;

use std::net::IpAddr;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};

pub(crate) use self::keys::CallerKey;
use self::keys::PeerKey;
use self::rate::RateTable;
use self::shares::{Share, Shares};
use self::slots::CallerSlots;
#[cfg(any(feature = "authz", test))]
use self::slots::Slot;
pub(crate) use self::slots::{CallerPermit, SlotRefusal};
use crate::config::LimitSettings;

/// The addresses and the callers whose rates are known, each: about 4 MB when full.
const KNOWN: usize = 32_768;

/// The limits of one configuration. A reload that changes the limits makes a new one, which counts
/// from zero; permits of the old one stay valid.
pub(crate) struct RequestLimits<C: Clock = DefaultClock> {
    per_peer: Option<RateTable<PeerKey, C>>,
    denials_per_peer: Option<RateTable<PeerKey, C>>,
    per_caller: Option<RateTable<CallerKey, C>>,
    requests: CallerSlots,
    streams: CallerSlots,
}

/// One of the requests that may be served at one time. Dropping it makes place for the next.
#[cfg(any(feature = "authz", test))]
#[must_use]
pub(crate) struct RequestPermit {
    _slot: Slot,
}

/// The connections of each peer.
#[derive(Default)]
pub(crate) struct PeerConnections(Shares<PeerKey>);

/// One connection of a peer. Dropping it makes place for the next.
#[must_use]
pub(crate) struct ConnectionPermit {
    _share: Share<PeerKey>,
}

impl PeerConnections {
    /// A place for one more connection of this peer; `None` if it has `most` already.
    pub(crate) fn begin(&self, peer: IpAddr, most: usize) -> Option<ConnectionPermit> {
        let _share = self.0.take(PeerKey::of(peer), most)?;
        Some(ConnectionPermit { _share })
    }
}

/// The answer is 429: after this time one more request is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryAfter(Duration);

impl RetryAfter {
    /// For `Retry-After` (RFC 9110 section 10.2.3): whole seconds, rounded up, at least 1.
    pub(crate) fn seconds(self) -> u64 {
        let part = u64::from(self.0.subsec_nanos() > 0);
        self.0.as_secs().saturating_add(part).max(1)
    }
}

impl RequestLimits {
    pub(crate) fn new(settings: &LimitSettings) -> Self {
        Self::with_clock(settings, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> RequestLimits<C> {
    fn with_clock(settings: &LimitSettings, clock: &C) -> Self {
        let peers = |rate| RateTable::new(rate, KNOWN, clock.clone());
        let per_caller = settings.per_caller;
        Self {
            per_peer: settings.per_peer.map(peers),
            denials_per_peer: settings.denials_per_peer.map(peers),
            per_caller: per_caller.map(|rate| RateTable::new(rate, KNOWN, clock.clone())),
            requests: CallerSlots::new(settings.requests, settings.requests_per_caller),
            streams: CallerSlots::new(settings.streams, settings.streams_per_caller),
        }
    }

    /// Counts a request before its token is read.
    ///
    /// # Errors
    /// 429.
    pub(crate) fn check_peer(&self, peer: IpAddr) -> Result<(), RetryAfter> {
        match &self.per_peer {
            Some(requests) => requests.count(PeerKey::of(peer)).map_err(RetryAfter),
            None => Ok(()),
        }
    }

    /// Counts a request that was refused for what its sender did (400, 401, 403, 404, 413 and so
    /// on). Refusals by these limits are not counted: a client that waits as it is asked to would
    /// otherwise never get out. A good token is served whatever others at its address did: behind
    /// one address there may be a proxy with everybody.
    ///
    /// # Errors
    /// 429 takes the place of the refusal, so that whoever guesses learns nothing for a while.
    pub(crate) fn count_denial(&self, peer: IpAddr) -> Result<(), RetryAfter> {
        match &self.denials_per_peer {
            Some(denials) => denials.count(PeerKey::of(peer)).map_err(RetryAfter),
            None => Ok(()),
        }
    }

    /// Counts a request of a caller whose token was accepted.
    ///
    /// # Errors
    /// 429.
    pub(crate) fn check_caller(&self, caller: CallerKey) -> Result<(), RetryAfter> {
        match &self.per_caller {
            Some(table) => table.count(caller).map_err(RetryAfter),
            None => Ok(()),
        }
    }

    /// A place for one request whose caller is not known yet; `None` if there is none (503).
    #[cfg(any(feature = "authz", test))]
    pub(crate) fn begin_request(&self) -> Option<RequestPermit> {
        let _slot = self.requests.take_for_nobody()?;
        Some(RequestPermit { _slot })
    }

    /// A place for one request of a caller.
    ///
    /// # Errors
    /// Whether all places are taken (503) or this caller has its share (429).
    pub(crate) fn begin_request_of(&self, caller: CallerKey) -> Result<CallerPermit, SlotRefusal> {
        self.requests.take(caller)
    }

    /// A place for one long stream.
    ///
    /// # Errors
    /// As [`begin_request_of`](Self::begin_request_of).
    pub(crate) fn begin_stream(&self, caller: CallerKey) -> Result<CallerPermit, SlotRefusal> {
        self.streams.take(caller)
    }

    /// The requests that are served now.
    #[cfg(test)]
    pub(crate) fn requests_now(&self) -> usize {
        self.requests.taken()
    }

    /// The addresses with requests and those with denials that are remembered.
    #[cfg(test)]
    pub(crate) fn peers_known(&self) -> (usize, usize) {
        let known = |table: &Option<RateTable<_, _>>| table.as_ref().map_or(0, RateTable::known);
        (known(&self.per_peer), known(&self.denials_per_peer))
    }

    /// The long streams that are served now.
    #[cfg(test)]
    pub(crate) fn streams_now(&self) -> usize {
        self.streams.taken()
    }
}

#[cfg(test)]
mod tests;
