//! The protocol rules by which a request is read.

/// The protocol version of a request, as far as the differences matter here.
///
/// ```
/// use mcp_bearer_core::operation::ProtocolVersion;
/// assert!(ProtocolVersion::of("2025-03-26").has_batches());
/// assert!(ProtocolVersion::of("2026-07-28") > ProtocolVersion::of("2025-11-25"));
/// // What is not an earlier date is read by the newest, strictest rules.
/// assert_eq!(ProtocolVersion::of("v999"), ProtocolVersion::of("2026-07-28"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion(Rules);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rules {
    /// 2025-03-26, the only version with batches.
    Batches,
    /// The other versions before 2026-07-28.
    Sessions,
    /// 2026-07-28 and later: no sessions, no responses from clients, headers that must agree.
    Stateless,
}

impl ProtocolVersion {
    /// The version of a request without the `MCP-Protocol-Version` header: 2025-03-26, which had no
    /// such header.
    pub const UNNAMED: Self = Self(Rules::Batches);

    /// The version of this name. A name that is not a date counts as the newest version, whose
    /// rules refuse most.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let earlier = is_date(name) && name < "2026-07-28";
        Self(match name {
            "2025-03-26" => Rules::Batches,
            _ if earlier => Rules::Sessions,
            _ => Rules::Stateless,
        })
    }

    /// Whether a request may be an array of messages.
    #[must_use]
    pub fn has_batches(self) -> bool {
        self.0 == Rules::Batches
    }

    /// Whether the server may send requests to the client, so that the client posts responses, and
    /// whether there are sessions: up to 2025-11-25.
    #[must_use]
    pub fn has_sessions(self) -> bool {
        self.0 < Rules::Stateless
    }

    /// Whether the headers `Mcp-Method` and `Mcp-Name` are required: from 2026-07-28 on.
    #[must_use]
    pub fn requires_headers(self) -> bool {
        self.0 == Rules::Stateless
    }

    /// The JSON-RPC error code of a resource that does not exist.
    #[must_use]
    pub fn resource_not_found(self) -> i32 {
        if self.has_sessions() { -32002 } else { -32602 }
    }
}

/// Four digits, two and two, with hyphens between.
fn is_date(name: &str) -> bool {
    name.len() == 10
        && name.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_date_has_older_rules() {
        for earlier in [
            "2024-11-05",
            "2025-06-18",
            "2025-11-25",
            "2026-07-27",
            "1999-01-01",
        ] {
            let version = ProtocolVersion::of(earlier);
            assert!(
                version.has_sessions() && !version.has_batches(),
                "{earlier}"
            );
            assert!(!version.requires_headers(), "{earlier}");
            assert_eq!(version.resource_not_found(), -32002);
        }
        for newest in [
            "2026-07-28",
            "2026-12-01",
            "2027-01-01",
            "",
            "DRAFT",
            "2025",
            "2025-03-2",
            "2025-03-266",
            " 2025-03-26",
            "2025-03-26 ",
            "2025_03_26",
            "v999.0.0",
            "２０２５-03-26",
        ] {
            let version = ProtocolVersion::of(newest);
            assert!(
                version.requires_headers() && !version.has_sessions(),
                "{newest}"
            );
            assert!(!version.has_batches(), "{newest}");
            assert_eq!(version.resource_not_found(), -32602);
        }
        assert!(ProtocolVersion::of("2025-03-26").has_batches());
        assert!(ProtocolVersion::UNNAMED.has_batches());
        assert!(ProtocolVersion::UNNAMED.has_sessions());
    }
}
