//! `mcp-bearer inspect`: shows what is in a token, without a key, a rule or a connection.
//!
//! Nothing that it shows is verified, and the output says so. The token itself is never printed.

mod facts;
mod members;
mod print;
mod remarks;
mod token_kind;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};

use clap::Args;
use mcp_bearer::{Clock, UnixTime};

pub(crate) use self::facts::Inspection;
use crate::pasted::{self, PASTED_BYTES, Pasted};
use crate::ui::{Failure, Outcome, Output, json_line, note};
use crate::verify::Format;

/// Show what is in a token, not verified: no key, no rule, no network
///
/// Prints header and claims, with times as dates, and the kind of token that it looks like. TOKEN
/// may be the name of a file. A token response in JSON, an Authorization header, quotes, a token
/// broken into lines and an address with a token in it are understood.
///
/// Anyone can write such a token: `verify` says whether it is good. Exits with 0 when there is a
/// token to show, good or bad, and with 2 when there is none or its header cannot be read.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer inspect < token.txt
  mcp-bearer inspect token.txt --format json")]
pub(crate) struct Inspect {
    /// The token, or the name of a file with it; `-` or nothing reads standard input
    #[arg(value_name = "TOKEN")]
    token: Option<OsString>,

    /// The time to measure from, in seconds since 1970, instead of now
    #[arg(long, value_name = "EPOCH", value_parser = clap::value_parser!(u64).range(..=1 << 53))]
    at: Option<u64>,

    /// The form of the output: text, or one JSON object
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let pasted = match &self.token {
            Some(given) if given != "-" => {
                pasted::of_argument(given).map_err(|why| Failure::problem(format!("TOKEN: {why}")))
            }
            _ => from_stdin().map_err(|why| Failure::problem(format!("standard input: {why}"))),
        }?;
        let now = match self.at {
            Some(seconds) => UnixTime::from_secs(seconds),
            None => Clock::system().now(),
        };
        let inspection = Inspection::new(&pasted.token, now);
        pasted.print_notes();
        if let Some(why) = inspection.unreadable() {
            return Err(Failure::problem(format!(
                "nothing in it can be read: {why}"
            )));
        }
        let mut output = Output::stdout();
        match self.format {
            Format::Text => {
                for line in inspection.text(output.colours(), None) {
                    output.line(line)?;
                }
            }
            Format::Json => output.line(json_line(&inspection.json()))?,
        }
        output.flush()?;
        Ok(Outcome::Done)
    }
}

fn from_stdin() -> Result<Pasted, String> {
    if io::stdin().is_terminal() {
        note("Paste a token; end with Ctrl-D on its own line.");
    }
    let limit = u64::try_from(PASTED_BYTES).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    io::stdin()
        .lock()
        .take(limit + 1)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() > PASTED_BYTES {
        return Err("longer than 1 MiB, so it is not a token".to_owned());
    }
    pasted::understand(&text)
}
