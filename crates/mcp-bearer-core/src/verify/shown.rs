//! What the steps show to an observer and in a rejection: quoted, cut, and counted.

use std::fmt;

use crate::claims::Audience;
use crate::rejection::Shown;
use crate::time::NumericDate;

/// A NumericDate, or that there is none.
pub(super) struct DateShown(pub(super) Option<NumericDate>);

impl fmt::Display for DateShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(date) => date.fmt(f),
            None => f.write_str("absent"),
        }
    }
}

/// A text, quoted and cut, or that there is none.
pub(super) struct OrAbsent<'a>(pub(super) Option<&'a str>);

impl fmt::Display for OrAbsent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => Shown(text).fmt(f),
            None => f.write_str("absent"),
        }
    }
}

/// The first few audiences, quoted and cut.
pub(super) struct AudienceShown<'c, 'a>(pub(super) Option<Audience<'c, 'a>>);

impl AudienceShown<'_, '_> {
    const SHOWN: usize = 4;
}

impl fmt::Display for AudienceShown<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(audience) = self.0 else {
            return f.write_str("absent");
        };
        // Looks at each once and collects nothing: a hostile token may hold thousands.
        let (mut count, mut written) = (0_usize, Ok(()));
        audience.any(|text| {
            if count < Self::SHOWN && written.is_ok() {
                written = write!(f, "{}{}", if count == 0 { "" } else { ", " }, Shown(text));
            }
            count += 1;
            false
        });
        written?;
        match count.checked_sub(Self::SHOWN) {
            _ if count == 0 => f.write_str("[]"),
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}
