//! A value from an entrance, and what it means for a setting: the one place that decides that.
//!
//! An empty value is refused: a rule that does nothing must not pass for a rule.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::problem::Fact;

/// A value for a setting, before it is known whether it fits.
#[derive(Clone)]
#[non_exhaustive]
pub enum Value {
    /// On or off.
    Switch(bool),
    /// One text. As a length of time: `60s`. As pairs: a JSON object.
    Text(Zeroizing<String>),
    /// The name of a file.
    Path(PathBuf),
    /// Several texts. As pairs: each `NAME=VALUE`.
    Texts(Vec<String>),
    /// The bytes of a secret.
    Bytes(Zeroizing<Vec<u8>>),
    /// A length of time.
    Duration(Duration),
    /// A length of time as a number of seconds, which may be invalid.
    Seconds(f64),
    /// Names with values.
    Pairs(Vec<(String, Json)>),
}

pub(super) const NOTHING: &str = "set to nothing; leave it out if it is not intended";

impl Value {
    /// One text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }

    /// On or off.
    ///
    /// # Errors
    /// When it is something else.
    pub fn into_switch(self) -> Result<bool, Fact> {
        match self {
            Self::Switch(on) => Ok(on),
            _ => Err("must be true or false".into()),
        }
    }

    /// One text that is not blank.
    ///
    /// # Errors
    /// When it is blank or something else.
    pub fn into_text(self) -> Result<String, Fact> {
        match self {
            Self::Text(text) if is_blank(&text) => Err(NOTHING.into()),
            Self::Text(mut text) => Ok(std::mem::take(&mut *text)),
            _ => Err("must be a string".into()),
        }
    }

    /// The name of a file.
    ///
    /// # Errors
    /// When it is empty or something else.
    pub fn into_path(self) -> Result<PathBuf, Fact> {
        match self {
            Self::Path(path) if path.as_os_str().is_empty() => Err(NOTHING.into()),
            Self::Path(path) => Ok(path),
            other => other.into_text().map(PathBuf::from),
        }
    }

    pub(super) fn into_secret(self) -> Result<Zeroizing<Vec<u8>>, Fact> {
        match self {
            Self::Bytes(bytes) if bytes.is_empty() => Err(NOTHING.into()),
            Self::Bytes(bytes) => Ok(bytes),
            other => other
                .into_text()
                .map(|text| Zeroizing::new(text.into_bytes())),
        }
    }

    /// One text or several. An empty list is a decision too; the setting decides whether it makes
    /// sense.
    ///
    /// # Errors
    /// When one is blank, or it is something else.
    pub fn into_texts(self) -> Result<Vec<String>, Fact> {
        match self {
            Self::Texts(texts) if texts.iter().any(|text| is_blank(text)) => {
                Err("a name in the list is empty".into())
            }
            Self::Texts(texts) => Ok(texts),
            Self::Text(_) => self.into_text().map(|text| vec![text]),
            _ => Err("must be a list of strings, such as [\"a\", \"b\"]".into()),
        }
    }

    /// The same for a list that must have an element.
    pub(super) fn into_some_texts(self) -> Result<Vec<String>, Fact> {
        match self.into_texts()? {
            texts if texts.is_empty() => {
                Err("an empty list; leave it out if it is not intended".into())
            }
            texts => Ok(texts),
        }
    }

    /// A length of time.
    ///
    /// # Errors
    /// When it is something else, or is not written like `60s`.
    pub fn into_duration(self) -> Result<Duration, Fact> {
        match self {
            Self::Duration(duration) => Ok(duration),
            Self::Seconds(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|_| "not a number of seconds from 0 on".into()),
            other => duration(&other.into_text()?),
        }
    }

    /// Names with values; `read` parses the text after `NAME=`.
    pub(super) fn into_pairs(
        self,
        read: impl Fn(&str) -> Result<Json, Fact>,
    ) -> Result<Vec<(String, Json)>, Fact> {
        let pairs = match self {
            Self::Pairs(pairs) => pairs,
            Self::Texts(texts) => {
                let pair = |text: &String| match text.split_once('=') {
                    Some((name, value)) => Ok((name.to_owned(), read(value)?)),
                    None => Err(Fact::from(format!("{text:?} has no \"=\" after the name"))),
                };
                texts.iter().map(pair).collect::<Result<_, _>>()?
            }
            Self::Text(_) => {
                let json = self.into_text()?;
                let members: Members =
                    serde_json::from_str(&json).map_err(|_| "not a JSON object".to_owned())?;
                members.0
            }
            _ => return Err("must hold names with values".into()),
        };
        match pairs.is_empty() {
            true => Err(NOTHING.into()),
            false => Ok(pairs),
        }
    }
}

/// Hides the value, which may be a secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A length of time as people write it.
#[cfg(feature = "toml")]
fn duration(text: &str) -> Result<Duration, Fact> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{text:?}: {error}; write it like 60s or 2m").into())
}

#[cfg(not(feature = "toml"))]
fn duration(_: &str) -> Result<Duration, Fact> {
    Err("must be a length of time".into())
}

/// The members of a JSON object in order, including both of two with the same name.
struct Members(Vec<(String, Json)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut members: A,
            ) -> Result<Members, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        json.deserialize_map(Visitor)
    }
}
