//! [`FromExtensions`]: reads what the layer put into a request. The peer cannot put anything there.

use ::http::Extensions;

use super::guard::Guard;
use crate::{AccessToken, Rejection};

/// Reads a value that the layer put into the extensions of a request or response.
///
/// In a request behind the layer: the [`AccessToken`] and the [`Guard`]. In a denied response: the
/// [`Rejection`].
///
/// ```
/// use mcp_bearer::AccessToken;
/// use mcp_bearer::http::FromExtensions;
/// fn who(parts: &http::request::Parts) -> Option<&str> {
///     AccessToken::from_extensions(&parts.extensions)?.subject()
/// }
/// ```
pub trait FromExtensions: Sized {
    /// The value; `None` when no layer handled the request, or it was a CORS preflight.
    fn from_extensions(extensions: &Extensions) -> Option<&Self>;
}

impl FromExtensions for AccessToken {
    fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

impl FromExtensions for Guard {
    fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

impl FromExtensions for Rejection {
    fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}
