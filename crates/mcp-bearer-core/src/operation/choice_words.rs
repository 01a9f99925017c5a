//! Parses the words for the choices around the rules, such as `allow` and `deny`.

use std::fmt;
use std::str::FromStr;

use super::rules::{AnonymousSees, HiddenAnswer, Tasks, Unmatched};

/// A text that is not one of the words for a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord(&'static [&'static str]);

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let before = if index == 0 { "must be" } else { " or" };
            write!(f, "{before} {word:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownWord {}

macro_rules! words {
    ($($choice:ident { $($word:literal $variant:ident)+ })+) => {
        $(impl FromStr for $choice {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord(&[$($word),+])),
                }
            }
        })+
    };
}

words! {
    Unmatched { "allow" Allow "deny" Deny }
    Tasks { "refuse" Refuse "bound_by_server" BoundByServer }
    HiddenAnswer { "not_found" NotFound "challenge" Challenge }
    AnonymousSees { "allowed" Allowed "all" All }
}

#[cfg(test)]
mod tests {
    use super::{HiddenAnswer, Unmatched};

    #[test]
    fn a_word_is_one_of_a_few() {
        assert_eq!("deny".parse(), Ok(Unmatched::Deny));
        let unknown = "Deny".parse::<Unmatched>().unwrap_err();
        assert_eq!(unknown.to_string(), "must be \"allow\" or \"deny\"");
        assert!("".parse::<HiddenAnswer>().is_err());
    }
}
