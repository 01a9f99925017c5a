//! A token explained: every step of its verification.

use maud::{Markup, html};
use mcp_bearer::AccessToken;
use mcp_bearer::core::{Challenge, NumericDate};
use mcp_bearer::explain::{ExplainedStep, Explanation, StepOutcome};

use super::advice;
use super::page::{badge, explain_form, page, with_code};
use crate::shown::{fact, sentence};

pub(super) fn explained(explanation: &Explanation, csrf: &str) -> Markup {
    page(
        "Token explained",
        Some(csrf),
        &html! {
            h1 { "Token explained" }
            @match &explanation.verdict {
                Ok(access) => {
                    p.verdict { (badge(true, "Accepted")) }
                    (facts(access))
                }
                Err(rejection) => {
                    p.verdict {
                        (badge(false, "Refused")) " "
                        strong { code { (rejection.kind().as_str()) } } " "
                        span.status { (Challenge::status_of(rejection.kind())) }
                    }
                    p { (sentence(&rejection.to_string())) }
                    p.advice { strong { "What to do: " } (with_code(advice::for_kind(rejection.kind()))) }
                }
            }
            section aria-labelledby="steps-title" {
                h2 id="steps-title" { "Every step" }
                div.wide tabindex="0" role="region" aria-label="Steps of the verification" {
                    table.steps {
                        thead { tr {
                            th.number scope="col" { "Step" } th scope="col" { "Checks" }
                            th scope="col" { "Outcome" } th scope="col" { "Found" }
                        } }
                        tbody { @for one in &explanation.steps { (step(one)) } }
                    }
                }
            }
            section id="explain" aria-labelledby="explain-title" {
                h2 id="explain-title" { "Explain another one" }
                (explain_form(csrf))
            }
        },
    )
}

fn step(step: &ExplainedStep) -> Markup {
    let (sign, words) = match step.outcome {
        StepOutcome::Passed => ("✓", "passed"),
        StepOutcome::Failed => ("✗", "failed"),
        StepOutcome::Skipped => ("–", "nothing to check"),
        _ => ("·", "not reached"),
    };
    html! {
        tr class=(step.outcome.name()) {
            td.number { (step.number) }
            td { (step.title) }
            td.nowrap { span aria-hidden="true" { (sign) } " " (words) }
            td { (sentence(&step.facts)) }
        }
    }
}

fn facts(access: &AccessToken) -> Markup {
    let scopes = access.scopes().to_string();
    let expires = access.expires_at().and_then(NumericDate::to_unix_time);
    let expires = expires.map(|at| {
        let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from(at);
        humantime::format_rfc3339_seconds(at).to_string()
    });
    let facts = [
        ("Issuer", access.issuer()),
        ("Subject", access.subject()),
        ("Client", access.client_id()),
        (
            "Scopes",
            Some(scopes.as_str()).filter(|scopes| !scopes.is_empty()),
        ),
        ("Expires", expires.as_deref()),
    ];
    html! {
        dl.facts {
            @for (name, value) in facts {
                @if let Some(value) = value {
                    div { dt { (name) } dd { code { (fact(value)) } } }
                }
            }
        }
    }
}
