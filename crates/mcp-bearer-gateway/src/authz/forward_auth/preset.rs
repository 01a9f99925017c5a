//! [`Preset`]: what each proxy sends, and which answers it understands.

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, Method, StatusCode};

use super::once;

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// A kind of proxy. Each believes only what that proxy writes itself, over whatever a client sent.
///
/// | preset | method | path | body |
/// |---|---|---|---|
/// | `/nginx` | `X-Original-Method` | `X-Original-URI` | never |
/// | `/caddy` | `X-Forwarded-Method` | `X-Forwarded-Uri` | never |
/// | `/traefik` | `X-Forwarded-Method` | `X-Forwarded-Uri` | with `forwardBody` |
/// | `/envoy` | its own | its own, after `/envoy` | with `with_request_body` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// `auth_request`. It passes on every header of the client, so its configuration must set both.
    Nginx,
    /// `forward_auth`. It sets both itself.
    Caddy,
    /// `forwardAuth`. It sets both itself.
    Traefik,
    /// `ext_authz` with `http_service`, and the HTTP form of the Gateway API.
    Envoy,
}

impl Preset {
    /// The preset of a path. Caddy appends the query of the client, Envoy the path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/nginx" => Some(Self::Nginx),
            "/caddy" => Some(Self::Caddy),
            "/traefik" => Some(Self::Traefik),
            _ if path.starts_with("/envoy/") => Some(Self::Envoy),
            _ => None,
        }
    }

    /// The method and the path of the client's request; `None` if they are not named exactly once.
    pub(super) fn named(self, parts: &Parts) -> Option<(Method, PathAndQuery)> {
        let (method, uri) = match self {
            Self::Nginx => (X_ORIGINAL_METHOD, X_ORIGINAL_URI),
            Self::Caddy | Self::Traefik => (X_FORWARDED_METHOD, X_FORWARDED_URI),
            Self::Envoy => {
                let path = parts.uri.path_and_query()?.as_str();
                let path = path.strip_prefix("/envoy")?.parse().ok()?;
                return Some((parts.method.clone(), path));
            }
        };
        let method = Method::from_bytes(once(&parts.headers, &method)?.as_bytes()).ok()?;
        let path = once(&parts.headers, &uri)?;
        // Another form would name another host.
        let path = path.starts_with('/').then(|| path.parse().ok())??;
        Some((method, path))
    }

    /// Whether the proxy can be configured to send bodies.
    pub(super) fn sends_bodies(self) -> bool {
        matches!(self, Self::Traefik | Self::Envoy)
    }

    /// Whether `Content-Length` is about the question itself, which has no body.
    pub(super) fn asks_without_body(self) -> bool {
        matches!(self, Self::Nginx | Self::Caddy)
    }

    /// The status of a denial as this proxy understands it. A status of success would let the
    /// request pass. nginx knows 401 and 403 only; our file turns its 500 into 503.
    pub(super) fn denial(self, status: StatusCode) -> StatusCode {
        let known = match self {
            Self::Nginx => matches!(status, StatusCode::UNAUTHORIZED) || status.is_server_error(),
            Self::Caddy | Self::Traefik | Self::Envoy => {
                status.is_client_error() || status.is_server_error()
            }
        };
        if known { status } else { StatusCode::FORBIDDEN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method("POST").uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn named(uri: &str, fields: &[(&str, &str)]) -> Option<String> {
        let preset = Preset::of(uri.split('?').next().unwrap())?;
        let (method, path) = preset.named(&parts(uri, fields))?;
        Some(format!("{method} {path}"))
    }

    #[test]
    fn each_preset_believes_its_own_headers_only() {
        let nginx = [("x-original-method", "GET"), ("x-original-uri", "/a?b")];
        let others = [("x-forwarded-method", "PUT"), ("x-forwarded-uri", "/c")];
        let all = [nginx[0], nginx[1], others[0], others[1]];
        assert_eq!(named("/nginx", &all).unwrap(), "GET /a?b");
        assert_eq!(named("/caddy?x=1", &all).unwrap(), "PUT /c");
        assert_eq!(named("/traefik", &all).unwrap(), "PUT /c");
        assert_eq!(named("/envoy/mcp?x=1", &all).unwrap(), "POST /mcp?x=1");
        assert_eq!(named("/nginx", &others), None);
        assert_eq!(named("/caddy", &nginx), None);
    }

    #[test]
    fn what_is_named_twice_or_badly_is_not_named() {
        let nginx = [("x-original-method", "GET"), ("x-original-uri", "/a")];
        for twice in nginx {
            assert_eq!(named("/nginx", &[nginx[0], nginx[1], twice]), None);
        }
        for bad in ["", "a", "http://other/a", "*", "/a b"] {
            assert_eq!(
                named("/nginx", &[nginx[0], ("x-original-uri", bad)]),
                None,
                "{bad:?}"
            );
        }
        assert_eq!(
            named("/nginx", &[("x-original-method", "G T"), nginx[1]]),
            None
        );
        assert_eq!(Preset::of("/nginx/"), None);
        assert_eq!(Preset::of("/envoy"), None);
        assert_eq!(Preset::of("/envoyx/"), None);
    }

    #[test]
    fn no_denial_is_a_success() {
        let all = [Preset::Nginx, Preset::Caddy, Preset::Traefik, Preset::Envoy];
        for preset in all {
            for code in 100..600 {
                let status = StatusCode::from_u16(code).unwrap();
                let shown = preset.denial(status);
                assert!(
                    shown.is_client_error() || shown.is_server_error(),
                    "{preset:?} {code}"
                );
            }
            assert_eq!(preset.denial(StatusCode::UNAUTHORIZED), 401);
            assert_eq!(preset.denial(StatusCode::FORBIDDEN), 403);
            assert_eq!(preset.denial(StatusCode::SERVICE_UNAVAILABLE), 503);
        }
        assert_eq!(Preset::Nginx.denial(StatusCode::NOT_FOUND), 403);
        assert_eq!(Preset::Caddy.denial(StatusCode::NOT_FOUND), 404);
    }
}
