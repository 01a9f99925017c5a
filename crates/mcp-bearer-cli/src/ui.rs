//! Decides what is printed where.
//!
//! - stdout gets only data: tokens, keys, answers, help that was requested.
//! - Everything else goes to stderr: errors, notes, logs.
//! - Exit codes are those of [`EXIT_CODES`]. If a reader of stdout leaves early, the program ends
//!   silently with 141, as a shell reports for a program ended by SIGPIPE: the work was not done.
//! - Text from a token or a file is printed on one line, with everything that could move a cursor
//!   escaped.
//!
//! The only secret that is printed is the token or key that was requested.

mod colour;
mod in_flags;

use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use mcp_bearer::ConfigError;

pub(crate) use self::colour::{Colours, Tone};
pub(crate) use self::in_flags::in_flags;

/// The last lines of `--help`.
pub(crate) const EXIT_CODES: &str = "\
Data goes to stdout, everything else to stderr.
Exit codes: 0 done; 1 the answer is no (a token was rejected); 2 usage, configuration or key errors, no token at all.";

/// How a command ended if nothing went wrong. Of several, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// The answer is no: exit code 1.
    No,
    /// There is no answer, because there are no keys: exit code 2.
    NoKeys,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Everything wrong with usage, configuration or keys, each with what to do next: exit code 2.
    Problems(Vec<String>),
    /// stdout cannot be written.
    Stdout(io::Error),
}

impl Failure {
    pub(crate) fn problem(text: impl Into<String>) -> Self {
        Self::Problems(vec![text.into()])
    }

    /// Nothing to report is not a failure.
    pub(crate) fn unless_empty(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self::Problems(problems))
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Problems(error.own_words())
    }
}

/// stdout, written in large pieces.
pub(crate) struct Output<W: Write = io::StdoutLock<'static>> {
    writer: BufWriter<W>,
    colours: Colours,
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self {
            writer: BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
            colours: Colours::of_stdout(),
        }
    }
}

impl<W: Write> Output<W> {
    /// Whether what is written here may have colours.
    pub(crate) const fn colours(&self) -> Colours {
        self.colours
    }

    /// Writes one line, or several.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.writer, "{text}").map_err(Failure::Stdout)
    }

    /// Flushes what was written so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(Failure::Stdout)
    }
}

/// Prints a note for people on stderr. Failing to print it is not an error.
pub(crate) fn note(text: impl fmt::Display) {
    let text = Plain(&without_tokens(&text.to_string())).to_string();
    let colours = Colours::of_stderr();
    let _ = match text.split_once(": ") {
        Some((label @ "error", rest)) => {
            writeln!(io::stderr(), "{}: {rest}", colours.paint(Tone::Bad, label))
        }
        Some((label @ ("warning" | "note"), rest)) => {
            writeln!(
                io::stderr(),
                "{}: {rest}",
                colours.paint(Tone::Doubt, label)
            )
        }
        _ => writeln!(io::stderr(), "{text}"),
    };
}

/// Prints clap's message: help on stdout, mistakes on stderr.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let shown = without_tokens(&text);
    if shown == text {
        // A reader that has left is not an error.
        let _ = error.print();
    } else {
        note(shown.trim_end());
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Cuts every token in the text to its first characters: a token typed in the wrong place must not
/// get into the caller's log.
fn without_tokens(text: &str) -> String {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut shown = String::with_capacity(text.len());
    // A key pasted instead of its file's name: a line of base64 follows the label, and our own
    // words contain none.
    let in_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let (text, cut) = match text.split_once("-----BEGIN ") {
        Some((before, after)) if after.split(|c| !in_base64(c)).any(|run| run.len() >= 24) => (
            before,
            "-----BEGIN ... (give the name of the file, not what is in it)",
        ),
        _ => (text, ""),
    };
    for piece in text.split_inclusive(|c| !in_token(c)) {
        let word = piece.trim_end_matches(|c| !in_token(c));
        match (word.get(..3), piece.get(word.len()..)) {
            (Some("eyJ"), Some(rest)) if word.len() > 16 => {
                shown.push_str("eyJ...");
                shown.push_str(rest);
            }
            (_, Some(rest)) if word.len() > 40 && word.matches('.').count() >= 2 => {
                let first: String = word.chars().take(3).collect();
                shown.push_str(&first);
                shown.push_str("...");
                shown.push_str(rest);
            }
            _ => shown.push_str(piece),
        }
    }
    shown.push_str(cut);
    shown
}

/// The exit code of a command's result; errors are printed on stderr.
pub(crate) fn exit(result: Result<Outcome, Failure>, help: &str) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Ok(Outcome::NoKeys) => ExitCode::from(2),
        Err(Failure::Problems(problems)) => {
            for problem in problems {
                note(format_args!("error: {problem}"));
            }
            note(format_args!("For help: {help}"));
            ExitCode::from(2)
        }
        Err(Failure::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(141)
        }
        Err(Failure::Stdout(error)) => {
            note(format_args!("error: stdout cannot be written: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Text unchanged, except for characters that could move a cursor or hide others. Line feeds stay.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c != '\n' && is_hostile(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// A JSON string.
pub(crate) fn json_string(text: &str) -> String {
    // A string always serializes.
    serde_json::to_string(text).unwrap_or_default()
}

/// A JSON string, or `null`.
pub(crate) fn json_string_or_null(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), json_string)
}

/// Valid JSON on one line: white space between values is removed, and what a terminal or a line
/// reader could misread is escaped. Numbers and names keep their spelling, and all values stay the
/// same.
pub(crate) fn json_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if !in_string {
            in_string = c == '"';
            if !matches!(c, ' ' | '\t' | '\n' | '\r') {
                line.push(c);
            }
            continue;
        }
        if is_hostile(c) {
            // All of them lie in the Basic Multilingual Plane. Writing to a string cannot fail.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
        in_string = escaped || c != '"';
        escaped = !escaped && c == '\\';
    }
    line
}

/// Control characters, line separators, and the marks that reorder or hide text.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_values_on_one_line() {
        let json = "{ \"a\" : [ 1.50 ,\r\n\t1e2 ], \"b \\\" c\": \"x\\\\\" , \"\u{2028}\u{9b}\": \"é\" }\n";
        let line = json_line(json);
        assert_eq!(
            line,
            r#"{"a":[1.50,1e2],"b \" c":"x\\","\u2028\u009b":"é"}"#
        );
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(json), value(&line));
    }

    #[test]
    fn a_note_cannot_move_the_cursor() {
        assert_eq!(Plain("a\u{1b}[2Jb\nc").to_string(), "a\\u{1b}[2Jb\nc");
    }

    #[test]
    fn a_token_in_a_message_is_cut() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";
        assert_eq!(
            without_tokens(&format!("unexpected '{token}' found, é")),
            "unexpected 'eyJ...' found, é"
        );
        assert_eq!(without_tokens(token), "eyJ...");
        let spaced = "eyAiYWxnIjoiUlMyNTYifQ.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
        assert_eq!(without_tokens(spaced), "eyA...");
        let key =
            "unexpected '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC' found";
        let shown = without_tokens(key);
        assert!(
            !shown.contains("MIIE") && shown.starts_with("unexpected '"),
            "{shown}"
        );
        let ours = "a public key begins with -----BEGIN PUBLIC KEY-----";
        assert_eq!(without_tokens(ours), ours);
        assert_eq!(without_tokens("eyJ.txt é--x"), "eyJ.txt é--x");
    }
}
