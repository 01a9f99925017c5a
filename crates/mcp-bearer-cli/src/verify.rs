//! `mcp-bearer verify`: one answer for each token.
//!
//! Tokens come as an argument or as lines of stdin; a line is bytes, and whatever it holds it gets exactly one answer,
//! in order, in bounded memory. It must never print a token.

mod answer;
mod explain;
mod lines;
mod refused;
mod settings;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::{Args, ValueEnum};
use mcp_bearer::{AccessToken, BearerAuthProvider, Rejection, Scopes, TryVerify, Unobserved};
use tokio::runtime::Runtime;

use self::answer::{Answer, Block};
use self::explain::Recorder;
use self::lines::{Line, Lines};
use self::refused::Refused;
use self::settings::Settings;
use crate::pasted;
use crate::ui::{Failure, Outcome, Output, note};

/// Verify tokens, and say why one is refused
///
/// Keys, issuer and audience must be decided; "any" is spelled out. --discover ISSUER decides the issuer too, unless
/// --issuer or --any-issuer says otherwise. Without TOKEN, reads one token a line from stdin
/// (better than an argument, which other users of the machine can see) and answers each line in order. Exits with 1 when
/// any token was refused, and with 2 when there were no keys to verify one with, or no token at all.
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
    /// The token, or the name of a file with it; quotes, a token response and the like are understood,
    /// as by inspect. `-` or nothing reads one per line from stdin
    #[arg(value_name = "TOKEN")]
    token: Option<OsString>,

    #[command(flatten)]
    settings: Settings,

    /// How to answer: a line of text, or a JSON object, for each token
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    format: Format,

    /// Say of every step of verification whether it was passed, and what was seen
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
        let provider = self.settings.provider()?;
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
}

fn from_stdin(
    verifier: &Verifier,
    output: &mut Output,
    format: Format,
) -> Result<Outcome, Failure> {
    if io::stdin().is_terminal() {
        note("Reading tokens from stdin, one a line; end with Ctrl-D.");
    }
    let mut lines = Lines::new(io::stdin().lock(), verifier.limit());
    let mut worst = None;
    // One line per answer, so that programs can count them. Only where a single token was given,
    // the answer goes on.
    let block = match verifier.detail {
        Detail::EveryStep => Block::Below,
        Detail::Verdict => Block::Left,
    };
    let mut only = None;
    // Answers are handed on before the next read could wait, so that a program can converse with this one.
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
    // A script that lets in whatever exits with 0 must not let in nothing at all.
    worst.ok_or_else(|| {
        Failure::problem(
            "no token on standard input; give one per line, or one as the argument TOKEN",
        )
    })
}

/// How much is told of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Verdict,
    EveryStep,
}

/// One provider for all tokens, and the runtime for those that have to wait for keys.
struct Verifier {
    provider: BearerAuthProvider,
    required: Scopes,
    detail: Detail,
    runtime: OnceCell<Runtime>,
}

impl Verifier {
    fn new(provider: BearerAuthProvider, detail: Detail) -> Self {
        let required = provider.all_required_scopes();
        Self {
            provider,
            required,
            detail,
            runtime: OnceCell::new(),
        }
    }

    fn limit(&self) -> usize {
        self.provider.limits().token_bytes
    }

    fn answer(&self, line: &Line<'_>) -> Result<Answer<'_>, Failure> {
        let mut recorder = Recorder::default();
        let verdict = if line.length > self.limit() {
            let rejection = Rejection::token_too_large(line.length, self.limit());
            recorder.too_large(&rejection);
            Err(rejection)
        } else {
            let token = line.text();
            match self.detail {
                Detail::Verdict => self.verify(&token)?,
                Detail::EveryStep => {
                    let verdict = self.provider.verify_token_observed(&token, &mut recorder);
                    self.runtime()?.block_on(verdict)
                }
            }
        };
        let verdict = verdict.and_then(|access| {
            let enough = self.provider.check_required_scopes(&access);
            recorder.required_scopes(&self.required, enough.as_ref().err());
            enough.map(|()| access)
        });
        let steps = (self.detail == Detail::EveryStep).then(|| recorder.into_steps());
        let refused = verdict.as_ref().err();
        let refused = refused.map(|rejection| Refused::new(&self.provider, line, rejection));
        Ok(Answer {
            refused,
            verdict,
            required: &self.required,
            steps,
        })
    }

    /// Without waiting where the keys are at hand. Keys are fetched first even for a token that its own claims condemn:
    /// what is asked here is whether it was signed, too.
    fn verify(&self, token: &str) -> Result<Result<AccessToken, Rejection>, Failure> {
        match self.provider.try_verify_token(token) {
            TryVerify::Accepted(access) => Ok(Ok(access)),
            TryVerify::Rejected(rejection) if !rejection.is_unverified() => Ok(Err(rejection)),
            TryVerify::Rejected(_) | TryVerify::NeedsKeys(_) => {
                let (runtime, mut unobserved) = (self.runtime()?, Unobserved);
                let verdict = self.provider.verify_token_observed(token, &mut unobserved);
                Ok(runtime.block_on(verdict))
            }
        }
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
    std::sync::Arc::new(move || Duration::from_secs(seconds))
}
