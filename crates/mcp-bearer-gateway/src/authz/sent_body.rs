//! What is known about the body of a request, which proxies send whole, in part, or not at all.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::own_answer::OwnAnswer;

/// What a proxy sent of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing: the request has no body, or the proxy does not send it.
    Nothing,
    /// The beginning.
    Part,
    Whole(Bytes),
}

const UNSEEN: OwnAnswer = OwnAnswer::new(
    StatusCode::FORBIDDEN,
    "operation_unseen",
    "the proxy does not show which operation this is, and rules need that",
);

const PARTIAL: OwnAnswer = OwnAnswer::new(
    StatusCode::FORBIDDEN,
    "partial_body",
    "the proxy shows only a part of the body, and rules need all of it",
);

const UNEXPECTED: OwnAnswer = OwnAnswer::new(
    StatusCode::BAD_REQUEST,
    "unexpected_body",
    "this method has no body",
);

impl Sent {
    /// The body to judge.
    ///
    /// Without rules, no body matters. With rules, a POST needs its whole body, or headers that say
    /// the same: these decide only if the server refuses every request where they do not.
    pub(super) fn judged(
        self,
        method: &Method,
        headers: &mut HeaderMap,
        has_rules: bool,
        upstream_checks_headers: bool,
    ) -> Result<Bytes, OwnAnswer> {
        if *method != Method::POST {
            // A preflight with a body is none.
            return match self {
                Self::Nothing if !declares_body(headers) => Ok(Bytes::new()),
                Self::Whole(body) if body.is_empty() => Ok(body),
                _ => Err(UNEXPECTED),
            };
        }
        if !has_rules {
            return Ok(Bytes::new());
        }
        match self {
            Self::Part => Err(PARTIAL),
            Self::Whole(body) if !body.is_empty() => Ok(body),
            Self::Nothing | Self::Whole(_) if upstream_checks_headers => {
                let body = of_headers(headers).ok_or(UNSEEN)?;
                // Not every proxy sends the type of a body that it does not send.
                if !headers.contains_key(CONTENT_TYPE) {
                    let json = HeaderValue::from_static("application/json");
                    headers.insert(CONTENT_TYPE, json);
                }
                Ok(body)
            }
            Self::Nothing | Self::Whole(_) => Err(UNSEEN),
        }
    }
}

fn declares_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    headers.contains_key(TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

/// The message that the headers describe, so that the rules judge it like any other.
///
/// Since protocol version 2026-07-28 every request has `Mcp-Method`, and calls, reads and gets have
/// `Mcp-Name`. What other methods name is only in the body: those are not judged as if they named
/// nothing.
fn of_headers(headers: &HeaderMap) -> Option<Bytes> {
    let once = |name: &str| -> Option<Option<&str>> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Some(None),
            (Some(value), None) => value.to_str().ok().map(|text| Some(text.trim())),
            (Some(_), Some(_)) => None,
        }
    };
    if !once("mcp-protocol-version")?.is_some_and(has_checked_headers) {
        return None;
    }
    let method = once("mcp-method")??;
    if names_in_body_only(method) {
        return None;
    }
    let name = once("mcp-name")?;
    // Another encoding of a name: the reader compares it with the plain one.
    if name.is_some_and(|name| name.starts_with("=?")) {
        return None;
    }
    let params = match name {
        Some(name) => serde_json::json!({"name": name, "uri": name}),
        None => serde_json::json!({}),
    };
    let message =
        serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    Some(message.to_string().into())
}

/// Whether a method names something that no header repeats.
fn names_in_body_only(method: &str) -> bool {
    const METHODS: [&str; 4] = [
        "completion/complete",
        "resources/subscribe",
        "resources/unsubscribe",
        "subscriptions/listen",
    ];
    let about = method.strip_prefix("notifications/").unwrap_or(method);
    METHODS.contains(&method) || about == "tasks" || about.starts_with("tasks/")
}

/// A date from 2026-07-28 on. Another name may mean anything to the server.
fn has_checked_headers(version: &str) -> bool {
    let is_date = version.len() == 10
        && version.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date && version >= "2026-07-28"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn judged(
        sent: Sent,
        fields: &[(&'static str, &str)],
        checks: bool,
    ) -> Result<String, &'static str> {
        let mut headers = headers(fields);
        sent.judged(&Method::POST, &mut headers, true, checks)
            .map(|body| String::from_utf8(body.to_vec()).unwrap())
            .map_err(|own| own.reason)
    }

    const CALL: [(&str, &str); 3] = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "add"),
    ];

    #[test]
    fn rules_need_the_whole_body() {
        let whole = Sent::Whole(Bytes::from_static(b"{}"));
        assert_eq!(judged(whole.clone(), &[], false), Ok("{}".to_owned()));
        assert_eq!(judged(whole, &CALL, true), Ok("{}".to_owned()));
        assert_eq!(judged(Sent::Part, &CALL, true), Err("partial_body"));
        assert_eq!(judged(Sent::Nothing, &CALL, false), Err("operation_unseen"));
        let empty = Sent::Whole(Bytes::new());
        assert_eq!(judged(empty, &CALL, false), Err("operation_unseen"));
        let without_rules = Sent::Part.judged(&Method::POST, &mut headers(&[]), false, false);
        assert_eq!(without_rules.unwrap(), Bytes::new());
    }

    #[test]
    fn headers_decide_only_from_2026_07_28_on() {
        let body = judged(Sent::Nothing, &CALL, true).unwrap();
        let message: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(message["method"], "tools/call");
        assert_eq!(message["params"]["name"], "add");
        for version in [
            "2025-11-25",
            "2026-07-27",
            "2026-7-28",
            "draft",
            "9999",
            "",
            "2026-07-28, 2025-03-26",
            "DRAFT-2027",
        ] {
            let fields = [("mcp-protocol-version", version), CALL[1], CALL[2]];
            let refused = judged(Sent::Nothing, &fields, true);
            assert_eq!(refused, Err("operation_unseen"), "{version}");
        }
        assert!(
            judged(Sent::Nothing, &CALL[1..], true).is_err(),
            "no version"
        );
        assert!(
            judged(Sent::Nothing, &CALL[..1], true).is_err(),
            "no method"
        );
        for twice in CALL {
            let fields = [CALL[0], CALL[1], CALL[2], twice];
            assert!(
                judged(Sent::Nothing, &fields, true).is_err(),
                "{twice:?} twice"
            );
        }
        let encoded = [CALL[0], CALL[1], ("mcp-name", "=?base64?YWRk?=")];
        assert!(judged(Sent::Nothing, &encoded, true).is_err());
    }

    #[test]
    fn what_only_the_body_names_is_not_judged_without_it() {
        for method in [
            "completion/complete",
            "subscriptions/listen",
            "resources/subscribe",
            "tasks/get",
            "notifications/tasks/status",
        ] {
            let fields = [CALL[0], ("mcp-method", method), CALL[2]];
            assert!(judged(Sent::Nothing, &fields, true).is_err(), "{method}");
        }
        assert!(judged(Sent::Nothing, &[CALL[0], ("mcp-method", "ping")], true).is_ok());
    }

    #[test]
    fn a_name_cannot_end_the_message() {
        let fields = [CALL[0], CALL[1], ("mcp-name", r#"add"},"method":"ping"#)];
        let body = judged(Sent::Nothing, &fields, true).unwrap();
        let message: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(message["method"], "tools/call");
    }

    #[test]
    fn other_methods_have_no_body() {
        let judged = |sent: Sent, fields: &[(&'static str, &str)]| {
            sent.judged(&Method::OPTIONS, &mut headers(fields), false, false)
        };
        assert!(judged(Sent::Nothing, &[]).is_ok());
        assert!(judged(Sent::Nothing, &[("content-length", "0")]).is_ok());
        assert!(judged(Sent::Whole(Bytes::new()), &[]).is_ok());
        assert!(judged(Sent::Nothing, &[("content-length", "5")]).is_err());
        assert!(judged(Sent::Nothing, &[("transfer-encoding", "chunked")]).is_err());
        assert!(judged(Sent::Part, &[]).is_err());
        assert!(judged(Sent::Whole(Bytes::from_static(b"a")), &[]).is_err());
    }
}
