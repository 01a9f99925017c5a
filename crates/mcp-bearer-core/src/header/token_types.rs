//! What `typ` declares: the types that are accepted, and those that a policy may not name (RFC 8725
//! section 3.11).

use std::fmt;

/// What step 7 found about the token's declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeclaredType {
    /// Absent, `JWT` or `JOSE`.
    Plain,
    /// One that the policy names.
    Named,
    /// `at+jwt` (RFC 9068 section 2.1).
    AccessToken,
}

impl fmt::Display for DeclaredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "absent, \"JWT\" or \"JOSE\"",
            Self::Named => "named by the policy",
            Self::AccessToken => "\"at+jwt\"",
        })
    }
}

/// The types that a policy accepts besides `JWT`, `JOSE` and `at+jwt`. They never count as
/// `at+jwt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedTypes(Vec<Box<str>>);

impl NamedTypes {
    pub(crate) fn add(&mut self, typ: String) {
        self.0.push(typ.into_boxed_str());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with each name that cannot be accepted.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|typ| {
            if typ.trim().is_empty() {
                return Some("a type without a name".to_owned());
            }
            let other = OTHER_KINDS.iter().find(|(name, _)| is(typ, name));
            other.map(|(_, kind)| format!("{typ:?} is the type of {kind}, not of an access token"))
        })
    }

    /// The kind of a type, or nothing if it is not accepted.
    pub(super) fn declared(&self, typ: &str) -> Option<DeclaredType> {
        if is(typ, "JWT") || is(typ, "JOSE") {
            Some(DeclaredType::Plain)
        } else if is(typ, "at+jwt") {
            Some(DeclaredType::AccessToken)
        } else if self.0.iter().any(|named| is(typ, named)) {
            Some(DeclaredType::Named)
        } else {
            None
        }
    }
}

/// Types of tokens that are not access tokens. A policy that named one would accept tokens made for
/// something else.
const OTHER_KINDS: [(&str, &str); 22] = [
    ("oauth-id-jag+jwt", "an identity assertion grant (ID-JAG)"),
    ("logout+jwt", "a logout token"),
    ("secevent+jwt", "a security event token (RFC 8417)"),
    ("dpop+jwt", "a DPoP proof (RFC 9449)"),
    ("oauth-authz-req+jwt", "an authorization request (RFC 9101)"),
    (
        "token-introspection+jwt",
        "an introspection response (RFC 9701)",
    ),
    ("client-authentication+jwt", "a client's authentication"),
    ("oauth-client-attestation+jwt", "a client attestation"),
    (
        "oauth-client-attestation-pop+jwt",
        "the proof of a client attestation",
    ),
    ("kb+jwt", "a key binding (SD-JWT)"),
    ("sd-jwt", "a selectively disclosed token"),
    ("vc+sd-jwt", "a credential"),
    ("dc+sd-jwt", "a credential"),
    ("vc+jwt", "a credential"),
    ("vp+jwt", "a presentation of credentials"),
    ("openid4vci-proof+jwt", "the proof of a key"),
    ("statuslist+jwt", "a status list"),
    ("entity-statement+jwt", "an entity statement"),
    ("trust-mark+jwt", "a trust mark"),
    ("resolve-response+jwt", "a resolved entity"),
    ("jwk-set+jwt", "a JWK Set"),
    ("passport", "a caller's identity (RFC 8225)"),
];

/// Whether two types are equal, ignoring case and the `application/` that may be left out (RFC 7515
/// section 4.1.9).
fn is(one: &str, other: &str) -> bool {
    without_application(one).eq_ignore_ascii_case(without_application(other))
}

fn without_application(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    }
}

#[cfg(test)]
mod tests {
    use super::{DeclaredType, NamedTypes, OTHER_KINDS};

    fn named(types: &[&str]) -> NamedTypes {
        let mut named = NamedTypes::default();
        for typ in types {
            named.add((*typ).to_owned());
        }
        named
    }

    #[test]
    fn a_named_type_is_accepted_and_is_no_access_token_type() {
        let types = named(&["Vendor-AT", "application/other+jwt"]);
        for typ in ["vendor-at", "application/VENDOR-AT", "other+jwt"] {
            assert_eq!(types.declared(typ), Some(DeclaredType::Named), "{typ}");
        }
        for typ in ["vendor-at ", "x/vendor-at", "vendor", "", "application/"] {
            assert_eq!(types.declared(typ), None, "{typ}");
        }
        assert_eq!(
            named(&["at+jwt", "JWT"]).declared("at+jwt"),
            Some(DeclaredType::AccessToken)
        );
        assert_eq!(types.faults().count(), 0);
    }

    #[test]
    fn other_kinds_of_tokens_cannot_be_named() {
        for (name, _) in OTHER_KINDS {
            for spelling in [
                name.to_owned(),
                name.to_uppercase(),
                format!("application/{name}"),
                format!("Application/{name}"),
            ] {
                let faults: Vec<String> = named(&[&spelling]).faults().collect();
                assert_eq!(faults.len(), 1, "{spelling}");
                assert!(faults[0].starts_with(&format!("{spelling:?} is the type of ")));
            }
        }
        let faults: Vec<String> = named(&["", "x", "dpop+jwt"]).faults().collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
