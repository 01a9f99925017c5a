//! Text that was found around a token: what was done about it in free text, and what is wrong with
//! it in a line that must contain only a token.

/// Something that is not part of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The token is in the file of this name.
    File(String),
    /// Quotes around it.
    Quotes,
    /// The name of the header in front.
    HeaderName,
    /// The authentication scheme in front.
    Scheme(&'static str),
    /// It is the `access_token` of a token response (RFC 6749 section 5.1) with these other
    /// members.
    TokenResponse { others: Vec<&'static str> },
    /// A token response without an access token.
    IdentityToken,
    /// This many lines were joined.
    Joined(usize),
    /// An invisible character.
    Invisible(char),
    /// It is inside something else.
    Inside(Source),
}

/// Where a token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Address,
    Text,
}

impl Finding {
    /// What was done.
    pub(crate) fn done(&self) -> String {
        match self {
            Self::File(name) => format!("TOKEN names the file {name}; its contents are taken"),
            Self::Quotes => "the quotes around the token are left out".to_owned(),
            Self::HeaderName => "the header's name in front of the token is left out".to_owned(),
            Self::Scheme(scheme) => {
                format!("the word {scheme} in front of the token is left out")
            }
            Self::TokenResponse { others } if others.is_empty() => {
                "this is a token response; its access_token is taken".to_owned()
            }
            Self::TokenResponse { others } => format!(
                "this is a token response; its access_token is taken, not its {}",
                others.join(" and ")
            ),
            Self::IdentityToken => {
                "this is a token response without an access_token; its id_token is taken, which is for the client and no server"
                    .to_owned()
            }
            Self::Joined(lines) => format!("{lines} lines or pieces are joined to one token"),
            Self::Invisible(c) => format!("invisible characters ({}) are left out", code(*c)),
            Self::Inside(Source::Address) => {
                "the token in an address (URL) is taken; addresses get into logs, so do not put a token in one"
                    .to_owned()
            }
            Self::Inside(Source::Text) => "the token in a longer text is taken".to_owned(),
        }
    }

    /// What is wrong with the line.
    pub(crate) fn fault(&self) -> &'static str {
        match self {
            Self::File(_) => "the line names a file",
            Self::Quotes => "the quotes do not belong to the token",
            Self::HeaderName => "the header's name does not belong to the token",
            Self::Scheme("Bearer") => "the word Bearer belongs to the header, not to the token",
            Self::Scheme(_) => "the scheme belongs to the header, not to the token",
            Self::TokenResponse { .. } => {
                "the line is a token response in JSON; give its access_token alone"
            }
            Self::IdentityToken => "the line is a token response in JSON, without an access_token",
            Self::Joined(_) => "white space breaks the token into pieces; join them",
            Self::Invisible(_) => "invisible characters came along when the token was copied",
            Self::Inside(Source::Address) => "the line is an address; give the token in it alone",
            Self::Inside(Source::Text) => "the line holds more than the token",
        }
    }
}

fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}
