//! `mcp-bearer verify`: prints one answer per token.
//!
//! Tokens come as an argument or as lines of stdin. A line is bytes, and whatever it contains, it
//! gets exactly one answer, in order, in bounded memory. A token is never printed.

mod answer;
mod line_reader;
mod refused;

use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use mcp_bearer::core::{Policy, Scopes};
use mcp_bearer::explain::{Explanation, Step};
use mcp_bearer::{AccessToken, BearerAuthProvider, ConfigError, Rejection, TryVerify};
use tokio::runtime::Runtime;

use self::answer::{Answer, Block};
use self::line_reader::{Line, Lines};
use self::refused::Refused;
use crate::human_time::late_expiry;
use crate::pasted;
use crate::setting_flags::Flags;
use crate::ui::{Failure, Outcome, Output, note};

/// Verify tokens, and report why one is refused
///
/// Keys, issuer and audience must be decided; "any" is spelled out. --discover ISSUER decides the
/// issuer too, unless --issuer or --any-issuer is given. Without TOKEN, reads one token per line
/// from stdin (better than an argument, which other users of the machine can see) and answers
/// each line in order. Exits with 1 when any token was refused, and with 2 when there were no keys
/// to verify one with, or no token at all.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer verify --jwks-uri https://idp.example.com/jwks.json \\
      --issuer https://idp.example.com/ \\
      --audience https://mcp.example.com/mcp --scope mcp:read < token.txt
  mcp-bearer verify --discover https://idp.example.com/ \\
      --audience https://mcp.example.com/mcp token.txt
  mcp-bearer verify --public-key keys/public.pem --any-issuer \\
      --any-audience --explain < token.txt
  mcp-bearer verify --jwks keys/jwks.json --issuer I --audience A \\
      --format json < tokens.txt

Environment:
  SSL_CERT_FILE   CAs to trust for https instead of the machine's, in PEM
  SSL_CERT_DIR    the same, a directory of such files
  NO_COLOR        no colours on a terminal either")]
pub(crate) struct Verify {
    /// The token, or the name of a file with it; quotes, a token response and the like are
    /// understood, as by inspect. `-` or nothing reads one per line from stdin
    #[arg(value_name = "TOKEN")]
    token: Option<OsString>,

    #[command(flatten)]
    flags: Flags,

    /// The time of verification in seconds since 1970, instead of now
    #[arg(long, value_name = "EPOCH", help_heading = "Rules")]
    at: Option<String>,

    /// The form of the answers: per token a line of text, or a JSON object
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    format: Format,

    /// Show, for each verification step, whether it passed and what was found
    #[arg(long, help_heading = "Output")]
    explain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Verify {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let provider = self.provider()?;
        let detail = if self.explain {
            Detail::EveryStep
        } else {
            Detail::Verdict
        };
        let verifier = Verifier::new(provider, detail);
        let mut output = Output::stdout();
        match &self.token {
            Some(token) if token != "-" => {
                let pasted = pasted::of_argument(token)
                    .map_err(|why| Failure::problem(format!("TOKEN: {why}")))?;
                pasted.print_notes();
                let answer = verifier.answer(&Line {
                    held: pasted.token.as_bytes(),
                    length: pasted.token.len(),
                })?;
                answer.print(&mut output, self.format, Block::Below)?;
                output.flush()?;
                Ok(answer.outcome())
            }
            _ => from_stdin(&verifier, &mut output, self.format),
        }
    }

    fn provider(&self) -> Result<BearerAuthProvider, Failure> {
        let provider = self.flags.draft().check();
        let at = self.at.as_deref().map(epoch).transpose();
        match (provider, at) {
            (Ok(provider), Ok(at)) => {
                tell_skipped(&provider);
                Ok(match at {
                    Some(seconds) => provider.with_clock(fixed_clock(seconds)),
                    None => provider,
                })
            }
            (provider, at) => {
                let mut problems = provider
                    .err()
                    .as_ref()
                    .map_or_else(Vec::new, ConfigError::own_words);
                problems.extend(at.err());
                Err(Failure::Problems(problems))
            }
        }
    }
}

fn epoch(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 1 << 53);
    seconds.ok_or_else(|| {
        format!("--at: {text:?} is not a number of seconds since 1970; write it like 1800000000")
    })
}

/// Reports keys of a set that cannot be used, before tokens fail.
fn tell_skipped(provider: &BearerAuthProvider) {
    for status in provider.key_status() {
        for skipped in status.snapshot.set.skipped() {
            tracing::warn!("not used: {skipped}");
        }
    }
}

fn from_stdin(
    verifier: &Verifier,
    output: &mut Output,
    format: Format,
) -> Result<Outcome, Failure> {
    if io::stdin().is_terminal() {
        note("Reading tokens from stdin, one per line; end with Ctrl-D.");
    }
    let mut lines = Lines::new(io::stdin().lock(), verifier.limit());
    let mut worst = None;
    // One line per answer, so that programs can count them. Only the answer to a single token has
    // more.
    let block = match verifier.detail {
        Detail::EveryStep => Block::Below,
        Detail::Verdict => Block::Left,
    };
    let mut only = None;
    // Answers are flushed before the next read could wait, so that a program can exchange tokens
    // and answers with this one.
    while let Some(line) = lines.next(|| output.flush())? {
        let answer = verifier.answer(&line)?;
        answer.print(output, format, block)?;
        let outcome = answer.outcome();
        only = worst.is_none().then_some(answer);
        worst = worst.max(Some(outcome));
    }
    if let (Some(answer), Block::Left, Format::Text) = (only, block, format) {
        answer.print_block(output)?;
    }
    output.flush()?;
    // A script that relies on exit code 0 must not accept empty input.
    worst.ok_or_else(|| {
        Failure::problem(
            "no token on standard input; give one per line, or one as the argument TOKEN",
        )
    })
}

/// How much of a verification is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Verdict,
    EveryStep,
}

/// One provider for all tokens, and the runtime for those that must wait for keys.
struct Verifier {
    provider: BearerAuthProvider,
    required: Scopes,
    detail: Detail,
    runtime: OnceCell<Runtime>,
    warmed_up: Cell<bool>,
}

impl Verifier {
    fn new(provider: BearerAuthProvider, detail: Detail) -> Self {
        let required = provider.required_scopes();
        Self {
            provider,
            required,
            detail,
            runtime: OnceCell::new(),
            warmed_up: Cell::new(false),
        }
    }

    fn limit(&self) -> usize {
        self.provider.limits().token_bytes
    }

    fn answer(&self, line: &Line<'_>) -> Result<Answer<'_>, Failure> {
        let (verdict, steps) = if line.length > self.limit() {
            let rejection = Rejection::token_too_large(line.length, self.limit());
            let explained = Explanation::refused(Step::Length, rejection);
            (explained.verdict, explained.steps)
        } else if self.detail == Detail::EveryStep {
            let token = line.text();
            self.fetch_first(&token)?;
            let explained = self
                .runtime()?
                .block_on(self.provider.explain_token(&token));
            (explained.verdict, explained.steps)
        } else {
            let enough = |access: AccessToken| {
                let enough = self.provider.check_required_scopes(&access);
                enough.map(|()| access)
            };
            (self.verify(&line.text())?.and_then(enough), Vec::new())
        };
        let (mut refused, mut notes) = (None, Vec::new());
        match &verdict {
            Ok(access) => notes.extend(
                access
                    .expires_at()
                    .and_then(|exp| late_expiry(exp, self.provider.now())),
            ),
            Err(rejection) => refused = Some(Refused::new(&self.provider, line, rejection)),
        }
        Ok(Answer {
            refused,
            verdict,
            required: &self.required,
            requested: self
                .provider
                .policies()
                .next()
                .map(Policy::requested_scopes),
            notes,
            steps: (self.detail == Detail::EveryStep).then_some(steps),
        })
    }

    /// Verifies without waiting if the keys are at hand.
    fn verify(&self, token: &str) -> Result<Result<AccessToken, Rejection>, Failure> {
        self.fetch_first(token)?;
        Ok(match self.provider.try_verify_token(token) {
            TryVerify::Accepted(access) => Ok(access),
            TryVerify::Rejected(rejection) => Err(rejection),
            TryVerify::NeedsKeys(needs) => self
                .runtime()?
                .block_on(self.provider.verify_with_newer_keys(token, needs)),
        })
    }

    /// Waits once for the first fetch, even for a token that its own claims rule out: the user also
    /// wants to know whether it was signed. A server never waits for that.
    fn fetch_first(&self, token: &str) -> Result<(), Failure> {
        if self.warmed_up.get() {
            return Ok(());
        }
        let unverified = |verdict| matches!(verdict, TryVerify::Rejected(rejection) if rejection.is_unverified());
        let mut all = self.provider.key_status().into_iter();
        if all.all(|keys| !keys.snapshot.set.is_empty()) {
            self.warmed_up.set(true);
        } else if unverified(self.provider.try_verify_token(token)) {
            self.warmed_up.set(true);
            self.runtime()?.block_on(self.provider.warm_up());
        }
        Ok(())
    }

    fn runtime(&self) -> Result<&Runtime, Failure> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime =
            runtime.map_err(|error| Failure::problem(format!("no async runtime: {error}")))?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}

/// The clock of `--at`.
fn fixed_clock(seconds: u64) -> mcp_bearer::Clock {
    mcp_bearer::Clock::new(move || mcp_bearer::UnixTime::from_secs(seconds))
}
