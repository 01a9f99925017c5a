//! `--explain`: the steps of a verification, as the verifier itself tells them.
//!
//! The facts may hold text of the token, quoted and cut by the verifier; never the token.

use std::fmt;

use mcp_bearer::{Observer, Rejection, RejectionKind, Scopes, Step};

use crate::ui::without_foreign_options;

/// One step of the specification and what came of it.
pub(super) struct StepReport {
    pub(super) number: &'static str,
    pub(super) title: &'static str,
    pub(super) outcome: StepOutcome,
    pub(super) facts: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepOutcome {
    Passed,
    Failed,
    Skipped,
    NotReached,
}

impl StepOutcome {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotReached => "not_reached",
        }
    }
}

/// Keeps what it is told.
#[derive(Default)]
pub(super) struct Recorder {
    told: Vec<(Step, StepOutcome, String)>,
    scopes: Option<(StepOutcome, String)>,
}

impl Observer for Recorder {
    fn passed(&mut self, step: Step, facts: fmt::Arguments<'_>) {
        self.told
            .push((step, StepOutcome::Passed, facts.to_string()));
    }

    fn skipped(&mut self, step: Step, why: &'static str) {
        self.told.push((step, StepOutcome::Skipped, why.to_owned()));
    }

    fn failed(&mut self, step: Step, rejection: &Rejection) {
        let told = rejection.to_string();
        let told = match rejection.kind() {
            RejectionKind::KeysUnavailable => without_foreign_options(&told),
            _ => told,
        };
        self.told.push((step, StepOutcome::Failed, told));
    }
}

impl Recorder {
    /// A line that was too long to be held.
    pub(super) fn too_large(&mut self, rejection: &Rejection) {
        self.failed(Step::Length, rejection);
    }

    /// What is asked of a token after its verification.
    pub(super) fn required_scopes(&mut self, required: &Scopes, refused: Option<&Rejection>) {
        self.scopes = Some(match refused {
            Some(rejection) => (StepOutcome::Failed, rejection.to_string()),
            None if required.is_empty() => (StepOutcome::Skipped, "none are required".to_owned()),
            None => (StepOutcome::Passed, format!("{:?}", required.as_str())),
        });
    }

    /// Every step of the specification, and after them the required scopes.
    pub(super) fn into_steps(mut self) -> Vec<StepReport> {
        let mut steps = Vec::with_capacity(Step::ALL.len() + 1);
        let not_reached = || (StepOutcome::NotReached, String::new());
        for step in Step::ALL {
            // What was told last of a step is what came of it.
            let told = self.told.iter_mut().rev().find(|(told, ..)| *told == step);
            let told = told.map(|(_, outcome, facts)| (*outcome, std::mem::take(facts)));
            let (outcome, facts) = told.unwrap_or_else(not_reached);
            steps.push(StepReport {
                number: step.number(),
                title: step.title(),
                outcome,
                facts,
            });
        }
        let (outcome, facts) = self.scopes.unwrap_or_else(not_reached);
        steps.push(StepReport {
            number: "scopes",
            title: "required scopes",
            outcome,
            facts,
        });
        steps
    }
}
