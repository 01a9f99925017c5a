//! What is printed about one token: one line, or one JSON object; with `--explain` the steps too.
//!
//! Text from the token is quoted and escaped. The token itself is never printed.

use std::time::SystemTime;

use mcp_bearer::{
    AccessToken, Challenge, ChallengeContext, ExplainedStep, NumericDate, Rejection, RejectionKind,
    Scopes, UnixTime,
};

use super::Format;
use crate::ui::{Failure, Outcome, Output, Plain, json_line, json_string, json_string_or_null};

pub(super) struct Answer<'a> {
    pub(super) verdict: Result<AccessToken, Rejection>,
    pub(super) hint: Option<&'static str>,
    pub(super) required: &'a Scopes,
    pub(super) steps: Option<Vec<ExplainedStep>>,
}

impl Answer<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        match &self.verdict {
            Ok(_) => Outcome::Done,
            Err(rejection) if rejection.kind() == RejectionKind::KeysUnavailable => Outcome::NoKeys,
            Err(_) => Outcome::No,
        }
    }

    pub(super) fn print(&self, output: &mut Output, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => output.line(json_line(&self.json())),
            Format::Text => self.print_text(output),
        }
    }

    fn json(&self) -> String {
        let mut json = match &self.verdict {
            Ok(access) => accepted_json(access),
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
        format!(
            r#"{{"accepted":false,"reason":"{}",{}"detail":{},"status":{},"www_authenticate":{}"#,
            rejection.kind(),
            // Only said where it is: no signature was checked, and the claims may be a stranger's.
            if rejection.is_unverified() {
                r#""verified":false,"#
            } else {
                ""
            },
            json_string(&self.detail(rejection)),
            challenge.status,
            json_string_or_null(challenge.www_authenticate.as_deref()),
        )
    }

    fn print_text(&self, output: &mut Output) -> Result<(), Failure> {
        for step in self.steps.iter().flatten() {
            let outcome = step.outcome.name().replace('_', " ");
            let colon = if step.facts.is_empty() { "" } else { ": " };
            let (number, title, facts) = (step.number, step.title, Plain(&step.facts));
            output.line(format_args!(
                "{number:>6}  {outcome:<11}  {title}{colon}{facts}"
            ))?;
        }
        match &self.verdict {
            Ok(access) => output.line(accepted_text(access))?,
            Err(rejection) => {
                let detail = self.detail(rejection);
                output.line(format_args!(
                    "rejected: {}: {}",
                    rejection.kind(),
                    Plain(&detail)
                ))?;
                if self.steps.is_some() {
                    let challenge = self.challenge(rejection);
                    output.line(format_args!("the peer sees: {}", peer_sees(&challenge)))?;
                }
            }
        }
        Ok(())
    }

    fn detail(&self, rejection: &Rejection) -> String {
        match self.hint {
            Some(hint) => format!("{rejection} ({hint})"),
            None => rejection.to_string(),
        }
    }

    fn challenge(&self, rejection: &Rejection) -> Challenge {
        let context = ChallengeContext {
            scopes: Some(self.required),
            ..ChallengeContext::default()
        };
        Challenge::new(rejection, &context)
    }
}

fn accepted_json(access: &AccessToken) -> String {
    let scopes: Vec<String> = access.scopes().iter().map(json_string).collect();
    format!(
        r#"{{"accepted":true,"client_id":{},"subject":{},"scopes":[{}],"expires_at":{},"claims":{}"#,
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

fn accepted_text(access: &AccessToken) -> String {
    let named = |what: &str, name: Option<&str>| match name {
        Some(name) => format!("{what} {name:?}"),
        None => format!("no {what}"),
    };
    format!(
        "accepted: {}, {}, scopes {:?}, {}",
        named("subject", access.subject()),
        named("client", access.client_id()),
        access.scopes().as_str(),
        access
            .expires_at()
            .map_or_else(|| "never expires".to_owned(), expiry_text),
    )
}

/// The time of expiry as a date where the calendar has one.
fn expiry_text(at: NumericDate) -> String {
    // The last second of the year 9999, beyond which RFC 3339 has no dates.
    const CALENDAR_END: UnixTime = UnixTime::from_secs(253_402_300_799);
    let date = at
        .to_unix_time()
        .map(|at| UnixTime::from_secs(at.as_secs()))
        .filter(|at| *at <= CALENDAR_END)
        .and_then(|at| SystemTime::UNIX_EPOCH.checked_add(at.into()))
        .map(humantime::format_rfc3339_seconds);
    match date {
        Some(date) => format!("expires {date}"),
        None => format!("expires {at}"),
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
