//! Removes `access_token` from the query of a request: a token there is not a credential (MCP,
//! "Access Token Usage"), and must not get into a log of the server.

use std::borrow::Cow;

use url::form_urlencoded;

const TOKEN: &str = "access_token";

/// The query to forward.
pub(crate) fn without_token(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(is_token) {
        return Cow::Borrowed(query);
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    Cow::Owned(kept.join("&"))
}

/// Whether a pair has that name, however it is escaped. Some servers also split at `;`.
fn is_token(pair: &str) -> bool {
    pair.split(';').any(|pair| {
        let mut pairs = form_urlencoded::parse(pair.as_bytes());
        pairs.any(|(name, _)| name.trim().eq_ignore_ascii_case(TOKEN))
    })
}

#[cfg(test)]
mod tests {
    use super::without_token;

    #[test]
    fn a_token_is_left_out_however_it_is_written() {
        for (query, kept) in [
            ("", ""),
            ("a=b&c", "a=b&c"),
            ("access_token=x", ""),
            ("a=1&access_token=x&b=2", "a=1&b=2"),
            ("a=1&access%5ftoken=x", "a=1"),
            ("%61ccess_token=x&a=1", "a=1"),
            ("ACCESS_TOKEN=x", ""),
            ("a=1;access_token=x&b=2", "b=2"),
            ("+access_token=x", ""),
            ("access_tokens=x", "access_tokens=x"),
            ("access_token", ""),
            ("a=%zz&b=access_token", "a=%zz&b=access_token"),
        ] {
            assert_eq!(without_token(query), kept, "{query}");
        }
    }
}
