//! What is printed about one token: one line, or one JSON object; with `--explain` the steps too.
//!
//! Text from the token is quoted and escaped. The token itself is never printed.

use mcp_bearer::core::{NumericDate, RequestedScopes, Scopes};
use mcp_bearer::explain::{ExplainedStep, StepOutcome};
use mcp_bearer::http::{Challenge, ChallengeContext};
use mcp_bearer::{AccessToken, Rejection, RejectionKind};

use super::Format;
use super::refused::Refused;
use crate::human_time::date;
use crate::ui::{
    Failure, Outcome, Output, Plain, Tone, in_flags, json_line, json_string, json_string_or_null,
};

pub(super) struct Answer<'a> {
    pub(super) verdict: Result<AccessToken, Rejection>,
    /// What an operator needs to know about a refused token.
    pub(super) refused: Option<Refused>,
    pub(super) required: &'a Scopes,
    /// What clients must request for a scope.
    pub(super) requested: Option<&'a RequestedScopes>,
    /// Notes about an accepted token.
    pub(super) notes: Vec<&'static str>,
    pub(super) steps: Option<Vec<ExplainedStep>>,
}

/// Whether everything wrong with a refused token, and its contents, is printed below the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Below,
    Left,
}

impl Answer<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        match &self.verdict {
            Ok(_) => Outcome::Done,
            Err(rejection) if rejection.kind() == RejectionKind::KeysUnavailable => Outcome::NoKeys,
            Err(_) => Outcome::No,
        }
    }

    /// JSON always has the block.
    pub(super) fn print(
        &self,
        output: &mut Output,
        format: Format,
        block: Block,
    ) -> Result<(), Failure> {
        match (format, block) {
            (Format::Json, _) => output.line(json_line(&self.json())),
            (Format::Text, Block::Left) => self.print_text(output),
            (Format::Text, Block::Below) => {
                self.print_text(output)?;
                self.print_block(output)
            }
        }
    }

    /// What is below the verdict of a refused token.
    pub(super) fn print_block(&self, output: &mut Output) -> Result<(), Failure> {
        let Some(refused) = &self.refused else {
            return Ok(());
        };
        for line in refused.text(output.colours()) {
            output.line(format_args!("  {line}"))?;
        }
        Ok(())
    }

    fn json(&self) -> String {
        let mut json = match &self.verdict {
            Ok(access) => accepted_json(access, &self.notes),
            Err(rejection) => self.rejected_json(rejection),
        };
        if let Some(steps) = &self.steps {
            let steps: Vec<String> = steps.iter().map(step_json).collect();
            json.push_str(&format!(r#","steps":[{}]"#, steps.join(",")));
        }
        json.push('}');
        json
    }

    fn rejected_json(&self, rejection: &Rejection) -> String {
        let challenge = self.challenge(rejection);
        let mut json = format!(
            r#"{{"accepted":false,"reason":"{}",{}"detail":{},"status":{},"www_authenticate":{}"#,
            rejection.kind(),
            // Printed only in this case: no signature was checked, and the claims may be a
            // stranger's.
            if rejection.is_unverified() {
                r#""verified":false,"#
            } else {
                ""
            },
            json_string(&self.detail(rejection)),
            challenge.status,
            json_string_or_null(challenge.www_authenticate.as_deref()),
        );
        if let Some(refused) = &self.refused {
            json.push_str(&refused.json_members());
        }
        json
    }

    fn print_text(&self, output: &mut Output) -> Result<(), Failure> {
        let colours = output.colours();
        // The failed step is printed last.
        let steps = self.steps.iter().flatten();
        for step in steps.filter(|step| step.outcome != StepOutcome::NotReached) {
            let outcome = step.outcome.name().replace('_', " ");
            let colon = if step.facts.is_empty() { "" } else { ": " };
            let (number, title, facts) = (step.number, step.title, Plain(&step.facts));
            let line = format!("{number:>6}  {outcome:<11}  {title}{colon}{facts}");
            match step.outcome {
                StepOutcome::Failed => output.line(colours.paint(Tone::Bad, line))?,
                StepOutcome::Skipped => output.line(colours.paint(Tone::Aside, line))?,
                _ => output.line(line)?,
            }
        }
        let rejection = match &self.verdict {
            Ok(access) => {
                let accepted = colours.paint(Tone::Good, "accepted");
                let text = accepted_text(access, &self.notes);
                return output.line(format_args!("{accepted}: {text}"));
            }
            Err(rejection) => rejection,
        };
        let (rejected, kind) = (colours.paint(Tone::Bad, "rejected"), rejection.kind());
        let detail = self.detail(rejection);
        output.line(format_args!("{rejected}: {kind}: {}", Plain(&detail)))?;
        if self.steps.is_some() {
            let challenge = self.challenge(rejection);
            output.line(format_args!("the peer sees: {}", peer_sees(&challenge)))?;
        }
        Ok(())
    }

    fn detail(&self, rejection: &Rejection) -> String {
        let told = told(rejection);
        match self.refused.as_ref().and_then(Refused::hint) {
            Some(hint) => format!("{told} ({hint})"),
            None => told,
        }
    }

    fn challenge(&self, rejection: &Rejection) -> Challenge {
        let context = ChallengeContext {
            scopes: Some(self.required),
            requested: self.requested,
            ..ChallengeContext::default()
        };
        Challenge::new(rejection, &context)
    }
}

/// Notes are a member only if there are any.
fn accepted_json(access: &AccessToken, notes: &[&str]) -> String {
    let notes: Vec<String> = notes.iter().map(|note| json_string(note)).collect();
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!(r#""notes":[{}],"#, notes.join(",")),
    };
    let scopes: Vec<String> = access.scopes().iter().map(json_string).collect();
    format!(
        r#"{{"accepted":true,{notes}"client_id":{},"subject":{},"scopes":[{}],"expires_at":{},"claims":{}"#,
        json_string_or_null(access.client_id()),
        json_string_or_null(access.subject()),
        scopes.join(","),
        // Finite by step 11, and never written with an exponent.
        access
            .expires_at()
            .map_or_else(|| "null".to_owned(), |at| at.to_string()),
        // Validated text: numbers keep the spelling they were signed with.
        access.claims_json(),
    )
}

fn step_json(step: &ExplainedStep) -> String {
    format!(
        r#"{{"number":"{}","title":"{}","outcome":"{}","facts":{}}}"#,
        step.number,
        step.title,
        step.outcome.name(),
        json_string(&step.facts),
    )
}

fn accepted_text(access: &AccessToken, notes: &[&str]) -> String {
    let named = |what: &str, name: Option<&str>| match name {
        Some(name) => format!("{what} {name:?}"),
        None => format!("no {what}"),
    };
    let notes: String = notes.iter().map(|note| format!("; note: {note}")).collect();
    format!(
        "{}, {}, scopes {:?}, {}{notes}",
        named("subject", access.subject()),
        named("client", access.client_id()),
        access.scopes().as_str(),
        access
            .expires_at()
            .map_or_else(|| "never expires".to_owned(), expiry_text),
    )
}

/// The time of expiry, as a date if the calendar has one.
fn expiry_text(at: NumericDate) -> String {
    match date(at.as_secs_f64()) {
        Some(date) => format!("expires {date}"),
        None => format!("expires {at}"),
    }
}

/// The sentence of a rejection, adapted to this program.
pub(super) fn told(rejection: &Rejection) -> String {
    let told = rejection.to_string();
    // Other sentences may quote the token, and stay as they are.
    match rejection.kind() {
        RejectionKind::KeysUnavailable => in_flags(&told),
        _ => told,
    }
}

fn peer_sees(challenge: &Challenge) -> String {
    let mut text = challenge.status.to_string();
    if let Some(header) = &challenge.www_authenticate {
        text.push_str(&format!(", WWW-Authenticate: {header}"));
    }
    if let Some(seconds) = challenge.retry_after {
        text.push_str(&format!(", Retry-After: {seconds}"));
    }
    text
}
