//! What an operator can do about a denial.

use mcp_bearer::RejectionKind;

/// The advice for a reason; `None` if its sentence is enough.
pub(super) fn for_reason(reason: &str) -> Option<&'static str> {
    let mut kinds = RejectionKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind.as_str() == reason);
    kind.map(for_kind).or_else(|| for_request(reason))
}

/// For refusals that are not about the token.
fn for_request(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "bad_request" => {
            "The request is not one that every server reads in the same way. Update the client; if it is current, report the detail to its authors."
        }
        "foreign_session" => {
            "The session belongs to another caller, or its server is gone. A client must then start a new one. After a restart, keep sessions alive by setting `session_keys`."
        }
        "no_stream" => {
            "A session that began without a token has no stream. The client must sign in first."
        }
        "operation_refused" => {
            "No scope opens this operation. If somebody should be able to use it, change its rule."
        }
        "operation_hidden" => {
            "The caller asked for something that its list does not show. Clients with an old list do that; others are guessing names."
        }
        "request_body" => {
            "The body is larger or slower than the limits allow. Look at what the client sends, and at the network."
        }
        "server_answer" => {
            "The server's list cannot be filtered. Look at what the server answers to the same request without the gateway."
        }
        "host" => {
            "Add the name to `allowed_hosts` if clients may use it; set `Host` in the proxy in front. Otherwise it may be DNS rebinding."
        }
        "origin" => "A web page called. If it may, add its origin to `allowed_origins`.",
        "unknown_path" => {
            "Only the path of `resource` and its metadata are served. Compare the address in the client with `resource`, byte by byte."
        }
        "query" => {
            "A token in the address would end in logs. The client must send it in `Authorization`."
        }
        "upgrade" | "framing" | "expectation" | "content_encoding" | "method" => {
            "The request is written in a way that servers read differently. Look for a proxy in front that changes requests."
        }
        "peer_limit" => {
            "If many callers share this address, it is that of a proxy: add its network to `trusted_proxies`. Otherwise change `limits.per_peer`."
        }
        "caller_limit" => {
            "The caller sends more than `limits.per_caller` allows. Look at what its client does in a loop."
        }
        "identity_header" => {
            "The token's `sub` or `iss` has characters that no header can hold, and the log names which. Let the issuer use an ASCII subject, or configure `[assertion]`, which can hold any."
        }
        "caller_requests" => {
            "The caller has more requests in progress than `limits.requests_per_caller` allows. Look at what its client does at once; if that is right, raise the limit."
        }
        "caller_streams" => {
            "The caller has more streams than `limits.streams_per_caller` allows. A client that reconnects without closing does that."
        }
        "too_many_streams" => {
            "Raise `limits.streams` if the machine can take it, or add a replica."
        }
        "too_many_requests_at_once" => {
            "The server answers more slowly than requests arrive. Look at the server first, then at `limits.requests`."
        }
        "server_unreachable" => {
            "Look whether the server runs, and whether `upstream` is its address as this machine sees it."
        }
        "server_too_slow" | "server_broke_off" => "Look at the server's log at this time.",
        "assertion" => "Look at the key file of `assertion.private_key_file`.",
        "audit_log" => {
            "The audit log cannot be written. Look at the disk and the permissions of its file."
        }
        _ => return None,
    })
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
        assert_eq!(for_reason("a_reason_of_tomorrow"), None);
    }
    #[test]
    fn refusals_that_are_not_about_the_token_have_advice_too() {
        let library = [
            "bad_request",
            "no_stream",
            "foreign_session",
            "operation_refused",
            "operation_hidden",
            "request_body",
            "server_answer",
        ];
        let own = [
            "host",
            "origin",
            "unknown_path",
            "peer_limit",
            "server_unreachable",
            "audit_log",
        ];
        for reason in library.iter().chain(&own) {
            assert!(for_reason(reason).is_some(), "{reason}");
        }
    }
}
