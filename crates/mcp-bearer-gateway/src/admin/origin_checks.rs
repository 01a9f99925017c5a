//! Decides which requests reach the status page: not those that a page of another site can cause.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Request, header};

use super::sessions::COOKIE;

/// Why a request is refused before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The name in `Host` may have been made to point here (DNS rebinding).
    Host,
    /// Another site's page sent a form.
    Origin,
}

/// Checks `Host`, and for requests that change something `Origin`.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Refused> {
    let host = only(request.headers(), header::HOST).ok_or(Refused::Host)?;
    if !is_address(host) {
        return Err(Refused::Host);
    }
    if request.method().is_safe() {
        return Ok(());
    }
    let origin = only(request.headers(), header::ORIGIN).ok_or(Refused::Origin)?;
    let same = ["http://", "https://"].iter().any(|scheme| {
        let authority = origin.strip_prefix(scheme);
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    same.then_some(()).ok_or(Refused::Origin)
}

/// An IP address or `localhost`, with any port: nobody can make these point elsewhere, and a tunnel
/// changes the port.
fn is_address(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !port.is_none_or(is_number) {
        return false;
    }
    let v6 = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match v6 {
        Some(name) => matches!(name.parse(), Ok(IpAddr::V6(_))),
        None => name.eq_ignore_ascii_case("localhost") || matches!(name.parse(), Ok(IpAddr::V4(_))),
    }
}

/// The id of the session in the cookie.
pub(super) fn session_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';'));
    let mut values = pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    });
    let value = values.next()?;
    // Of two, one was set by somebody else.
    values.next().is_none().then_some(value)
}

/// The secret as a bearer token, for programs that read `/keys`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = only(headers, header::AUTHORIZATION)?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret)
}

fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    let one = values.next().is_none();
    one.then(|| HeaderValue::to_str(value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn request(method: Method, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn only_hosts_that_nobody_can_point_elsewhere() {
        for host in [
            "127.0.0.1:9901",
            "localhost",
            "LOCALHOST:80",
            "[::1]:9901",
            "[::1]",
            "10.0.0.5",
        ] {
            assert_eq!(
                check(&request(Method::GET, &[("host", host)])),
                Ok(()),
                "{host}"
            );
        }
        for host in [
            "evil.example.com",
            "localhost.evil.example.com:9901",
            "127.0.0.1.evil.example.com",
            "",
            ":9901",
            "localhost:",
            "localhost:x",
            "localhost.",
            "::1",
            "[127.0.0.1]",
            "[::1",
            "127.0.0.1:1:2",
            "2130706433",
            "user@127.0.0.1",
        ] {
            assert_eq!(
                check(&request(Method::GET, &[("host", host)])),
                Err(Refused::Host),
                "{host}"
            );
        }
        assert_eq!(check(&request(Method::GET, &[])), Err(Refused::Host));
        let two = [("host", "127.0.0.1"), ("host", "127.0.0.1")];
        assert_eq!(check(&request(Method::GET, &two)), Err(Refused::Host));
    }

    #[test]
    fn a_form_comes_from_this_very_page() {
        let host = ("host", "127.0.0.1:9901");
        for origin in ["http://127.0.0.1:9901", "https://127.0.0.1:9901"] {
            assert_eq!(
                check(&request(Method::POST, &[host, ("origin", origin)])),
                Ok(())
            );
        }
        for origin in [
            "null",
            "",
            "http://127.0.0.1",
            "http://127.0.0.1:9902",
            "http://localhost:9901",
            "http://evil.example.com",
            "http://127.0.0.1:9901.evil.example.com",
            "ftp://127.0.0.1:9901",
        ] {
            let refused = check(&request(Method::POST, &[host, ("origin", origin)]));
            assert_eq!(refused, Err(Refused::Origin), "{origin}");
        }
        assert_eq!(check(&request(Method::POST, &[host])), Err(Refused::Origin));
        assert_eq!(
            check(&request(Method::DELETE, &[host])),
            Err(Refused::Origin)
        );
    }

    #[test]
    fn there_is_one_cookie_or_none() {
        for (cookie, id) in [
            ("mcp_bearer_status=abc", Some("abc")),
            ("a=b; mcp_bearer_status=abc;c=d", Some("abc")),
            ("xmcp_bearer_status=abc", None),
            ("mcp_bearer_status", None),
            ("mcp_bearer_status=abc; mcp_bearer_status=def", None),
            ("", None),
        ] {
            let request = request(Method::GET, &[("cookie", cookie)]);
            assert_eq!(session_id(request.headers()), id, "{cookie}");
        }
    }
}
