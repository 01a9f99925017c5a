//! The keys by which peers and callers are distinguished.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;

/// A peer: an IPv4 address, or the first 64 bits of an IPv6 address. One host has a whole /64 and
/// could use another address for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PeerKey {
    V4(u32),
    V6(u64),
}

impl PeerKey {
    /// IPv4-mapped IPv6 addresses are IPv4: all of them have the same first 64 bits.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// A caller: a hash by a secret key of its own names. Nobody outside can choose names with the same
/// hash, and among a million callers two share one by accident once in 40 million runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallerKey(u64);

/// One per process, so that a key can be kept with a token across reloads.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl CallerKey {
    /// A caller whose token was accepted.
    pub(crate) fn of(issuer: Option<&str>, subject: Option<&str>, client_id: Option<&str>) -> Self {
        Self(HASHER.hash_one((issuer, subject, client_id)))
    }

    /// A caller without a token, if rules allow that: everybody at one address is one caller.
    pub(crate) fn anonymous(peer: IpAddr) -> Self {
        Self(HASHER.hash_one(PeerKey::of(peer)))
    }
}
