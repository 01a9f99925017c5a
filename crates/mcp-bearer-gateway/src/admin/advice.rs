//! What an operator can do about a denial.

use mcp_bearer::RejectionKind;

/// The advice for a reason; `None` if the reason is not one of the library's.
pub(super) fn for_reason(reason: &str) -> Option<&'static str> {
    let kind = RejectionKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == reason)?;
    Some(for_kind(kind))
}

pub(super) fn for_kind(kind: RejectionKind) -> &'static str {
    use RejectionKind as Kind;
    match kind {
        Kind::MissingCredential => {
            "A client without a token is sent to the issuer; this is how a sign-in starts. If it goes on, look whether a proxy in front removes Authorization."
        }
        Kind::BadCredential => {
            "The request has more than one Authorization header. Look for a proxy that adds one."
        }
        Kind::Malformed => {
            "This is not a JWT. Opaque tokens cannot be verified here: let the issuer give JWT access tokens, often by registering this server's URL as an API or audience."
        }
        Kind::TokenTooLarge => {
            "Reduce what the issuer puts into the token; lists of groups are the usual cause."
        }
        Kind::AlgorithmNotAllowed => {
            "Add the algorithm to `algorithms` of this issuer, if it is the one that the issuer signs with."
        }
        Kind::UnsupportedHeader => {
            "The token needs an extension (crit, b64) that is not supported. Change how the issuer signs."
        }
        Kind::WrongTokenType => {
            "The client sent another kind of token, often an ID token. It must send the access token. If the issuer marks its access tokens unusually, set `token_type`."
        }
        Kind::UnknownKey => {
            "No key has the token's kid. If the issuer has rotated its keys, they are fetched within seconds; if not, the token comes from another issuer or tenant."
        }
        Kind::AmbiguousKey => {
            "The token names no key, and too many keys could have signed it. Let the issuer set kid."
        }
        Kind::BadSignature => {
            "The token was changed or forged, or another issuer uses the same kid. Nothing is wrong here unless it happens to every token."
        }
        Kind::Expired => {
            "The client must get a new token. If clocks differ, set the time of this machine by NTP; `leeway` covers up to five minutes."
        }
        Kind::NotYetValid => {
            "The clock of the issuer is ahead of this machine's, or this one's is behind. Set both by NTP."
        }
        Kind::TooOld => {
            "The token was issued longer ago than `max_age` allows. The client must get a new one."
        }
        Kind::WrongIssuer => {
            "Compare the token's iss with `issuer` byte by byte: a slash at the end, http or https, the tenant."
        }
        Kind::WrongAudience => {
            "The token is for another server. The client must ask for this one (the parameter `resource`), and the issuer must put it into aud; or set `audience` to what the issuer writes."
        }
        Kind::MissingClaim => {
            "The issuer leaves out a claim that the settings require. Add it there, or change the settings."
        }
        Kind::InvalidClaim => "A claim has a wrong type. Change the mapping at the issuer.",
        Kind::ClaimNotAllowed => {
            "A claim has a value that the settings do not allow, such as another client or tenant."
        }
        Kind::SenderConstrained => {
            "The token is bound to a key (DPoP, mTLS), which is not supported. Let the client ask for a plain bearer token."
        }
        Kind::InsufficientScope => {
            "The token lacks a scope. The client was told which; the user or an administrator must grant it at the issuer."
        }
        Kind::KeysUnavailable => {
            "No keys are held. See the issuer above for why they cannot be fetched."
        }
        Kind::ClockUnset => "The clock of this machine shows a time before 2020. Set it.",
        _ => "See the detail.",
    }
}

#[cfg(test)]
mod tests {
    use mcp_bearer::RejectionKind;

    use super::for_reason;

    #[test]
    fn every_kind_has_advice_of_its_own() {
        let advice: Vec<_> = RejectionKind::ALL
            .iter()
            .map(|kind| for_reason(kind.as_str()))
            .collect();
        for (number, one) in advice.iter().enumerate() {
            assert!(one.is_some_and(|text| text.ends_with('.') && text != "See the detail."));
            assert!(!advice[..number].contains(one), "{one:?}");
        }
        assert_eq!(for_reason("origin_not_allowed"), None);
    }
}
