//! Explains a verification step by step, for the operator: `--explain` of the program, and anything
//! else that shows why a token was refused.
//!
//! The facts may contain text of the token, quoted and cut by the verifier, but never the token.

use std::fmt;

use mcp_bearer_core::{AccessToken, Rejection, Scopes};
pub use mcp_bearer_core::{Observer, Step, Unobserved};

use crate::provider::BearerAuthProvider;

/// The result for a token, and for each step of its verification.
///
/// ```
/// # async fn doc(provider: mcp_bearer::BearerAuthProvider) {
/// let explained = provider.explain_token("eyJhbGciOi...").await;
/// for step in &explained.steps {
///     println!("{} {}: {} {}", step.number, step.title, step.outcome.name(), step.facts);
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether it is accepted, required scopes included.
    pub verdict: Result<AccessToken, Rejection>,
    /// Every [`Step`] in order, followed by the required scopes.
    pub steps: Vec<ExplainedStep>,
}

/// One step and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// Its number in the documentation of [`Step`]; `scopes` for the required scopes.
    pub number: &'static str,
    /// What it checks.
    pub title: &'static str,
    /// Its result.
    pub outcome: StepOutcome,
    /// What was found, or why it failed or was skipped. For operators, not for the peer.
    pub facts: String,
}

/// The possible results of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepOutcome {
    /// The token passed it.
    Passed,
    /// The token failed it.
    Failed,
    /// There was nothing to check.
    Skipped,
    /// An earlier step failed.
    NotReached,
}

impl StepOutcome {
    /// The stable name in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotReached => "not_reached",
        }
    }
}

impl BearerAuthProvider {
    /// Verifies a token, checks the required scopes of its issuer, and records every step.
    ///
    /// Keys are fetched first, even for a token that its own claims rule out, so that every step is
    /// reached.
    pub async fn explain_token(&self, token: &str) -> Explanation {
        let mut recorder = Recorder::default();
        let verified = self.verify_token_observed(token, &mut recorder).await;
        let verdict = verified.and_then(|access| {
            let required = self.required_scopes_for(&access);
            let enough = access.require_scopes(&required);
            recorder.required_scopes(&required, enough.as_ref().err());
            enough.map(|()| access)
        });
        recorder.explanation(verdict)
    }
}

impl Explanation {
    /// Explains a token that was refused before a provider saw it, such as one that is too long to
    /// read.
    #[must_use]
    pub fn refused(step: Step, rejection: Rejection) -> Self {
        let mut recorder = Recorder::default();
        recorder.failed(step, &rejection);
        recorder.explanation(Err(rejection))
    }
}

/// Records what it observes.
#[derive(Default)]
struct Recorder {
    steps: Vec<(Step, StepOutcome, String)>,
    scopes: Option<(StepOutcome, String)>,
}

impl Observer for Recorder {
    fn passed(&mut self, step: Step, facts: fmt::Arguments<'_>) {
        let facts = facts.to_string();
        self.steps.push((step, StepOutcome::Passed, facts));
    }

    fn skipped(&mut self, step: Step, why: &'static str) {
        let facts = why.to_owned();
        self.steps.push((step, StepOutcome::Skipped, facts));
    }

    fn failed(&mut self, step: Step, rejection: &Rejection) {
        let facts = rejection.to_string();
        self.steps.push((step, StepOutcome::Failed, facts));
    }
}

impl Recorder {
    /// The required scopes, checked after the verification.
    fn required_scopes(&mut self, required: &Scopes, refused: Option<&Rejection>) {
        self.scopes = Some(match refused {
            Some(rejection) => (StepOutcome::Failed, rejection.to_string()),
            None if required.is_empty() => (StepOutcome::Skipped, "none are required".to_owned()),
            None => (StepOutcome::Passed, format!("{:?}", required.as_str())),
        });
    }

    fn explanation(mut self, verdict: Result<AccessToken, Rejection>) -> Explanation {
        let not_reached = || (StepOutcome::NotReached, String::new());
        let mut steps = Vec::with_capacity(Step::ALL.len() + 1);
        for step in Step::ALL {
            // The last observation of a step is its result.
            let mut observed = self.steps.iter_mut().rev();
            let observed = observed.find(|(observed, ..)| *observed == step);
            let observed = observed.map(|(_, outcome, facts)| (*outcome, std::mem::take(facts)));
            let (outcome, facts) = observed.unwrap_or_else(not_reached);
            steps.push(ExplainedStep {
                number: step.number(),
                title: step.title(),
                outcome,
                facts,
            });
        }
        let (outcome, facts) = self.scopes.unwrap_or_else(not_reached);
        steps.push(ExplainedStep {
            number: "scopes",
            title: "required scopes",
            outcome,
            facts,
        });
        Explanation { verdict, steps }
    }
}
