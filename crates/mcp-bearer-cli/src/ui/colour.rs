//! Colours, only on a terminal. `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` are respected, as clap
//! does for help.

use std::fmt::{self, Display};
use std::io;

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use anstyle::{AnsiColor, Style};

/// Whether a stream shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    On,
    Off,
}

/// The meaning of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    /// A warning: something may be wrong.
    Doubt,
    /// Of less interest.
    Aside,
}

impl Colours {
    pub(crate) fn of_stdout() -> Self {
        Self::of(&io::stdout())
    }

    pub(crate) fn of_stderr() -> Self {
        Self::of(&io::stderr())
    }

    fn of(stream: &impl RawStream) -> Self {
        match AutoStream::choice(stream) {
            ColorChoice::Never => Self::Off,
            ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => Self::On,
        }
    }

    /// The text in the colour of its tone.
    pub(crate) fn paint<T: Display>(self, tone: Tone, text: T) -> Painted<T> {
        let style = match (self, tone) {
            (Self::Off, _) => Style::new(),
            (Self::On, Tone::Good) => Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
            (Self::On, Tone::Bad) => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            (Self::On, Tone::Doubt) => Style::new().bold().fg_color(Some(AnsiColor::Yellow.into())),
            (Self::On, Tone::Aside) => Style::new().dimmed(),
        };
        Painted { style, text }
    }
}

/// A text with its colour.
#[derive(Clone, Debug)]
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.style;
        write!(f, "{style}{}{style:#}", self.text)
    }
}
