//! The pages: HTML that the compiler checks and in which every value is escaped (`maud`).

use std::time::{Duration, SystemTime};

use maud::{DOCTYPE, Markup, html};

use super::issuers::{IssuerView, KeyView};
use super::{advice, plot};
use crate::decision::{Caller, Decision, Outcome};
use crate::history::Minute;

/// What the status page shows.
pub(super) struct Status {
    pub(super) now: SystemTime,
    pub(super) issuers: Vec<IssuerView>,
    pub(super) hour: Vec<Minute>,
    /// Cut and escaped already.
    pub(super) denials: Vec<Decision>,
    pub(super) may_serve: bool,
    pub(super) connections: u64,
    pub(super) streams: u64,
    pub(super) csrf: String,
}

/// The frame of every page.
pub(super) fn page(title: &str, csrf: Option<&str>, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - mcp-bearer gateway" }
                link rel="stylesheet" href="/style.css";
                script src="/script.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.brand { a href="/" { "mcp-bearer " span { "gateway" } } }
                    @if let Some(csrf) = csrf {
                        nav aria-label="Sections" {
                            a href="/#issuers" { "Issuers" }
                            a href="/#hour" { "Last hour" }
                            a href="/#denials" { "Denials" }
                            a href="/#explain" { "Explain a token" }
                        }
                        form method="post" action="/sign-out" {
                            input type="hidden" name="csrf" value=(csrf);
                            button.quiet type="submit" { "Sign out" }
                        }
                    }
                }
                main id="main" tabindex="-1" { (main) }
                footer {
                    p { "This page comes from the gateway itself. It loads nothing from elsewhere and sends nothing elsewhere." }
                }
            }
        }
    }
}

/// The form for the secret.
pub(super) fn sign_in(fault: Option<&str>) -> Markup {
    page(
        "Sign in",
        None,
        &html! {
            section.narrow {
                h1 { "Status of the gateway" }
                p { "Enter the secret in the file that the setting " code { "admin.secret_file" } " names." }
                @if let Some(fault) = fault {
                    p.fault role="alert" { (fault) }
                }
                form.stack method="post" action="/sign-in" {
                    label for="secret" { "Secret" }
                    input id="secret" name="secret" type="password" autocomplete="current-password" required autofocus;
                    button type="submit" { "Sign in" }
                }
            }
        },
    )
}

/// A short page about a request that was refused.
pub(super) fn refusal(title: &str, what: &str) -> Markup {
    page(
        title,
        None,
        &html! {
            section.narrow {
                h1 { (title) }
                p { (what) }
                p { a href="/" { "Back to the status" } }
            }
        },
    )
}

/// The status page.
pub(super) fn status(status: &Status) -> Markup {
    page(
        "Status",
        Some(&status.csrf),
        &html! {
            h1 { "Status" }
            (summary(status))
            section id="issuers" aria-labelledby="issuers-title" {
                h2 id="issuers-title" { "Issuers" }
                @for view in &status.issuers { (issuer(view)) }
                p.note { "The same as JSON: " a href="/keys" { code { "/keys" } } }
            }
            section id="hour" aria-labelledby="hour-title" {
                h2 id="hour-title" { "The last hour" }
                (hour(&status.hour))
            }
            section id="denials" aria-labelledby="denials-title" {
                h2 id="denials-title" { "The latest denials" }
                @if status.denials.is_empty() {
                    p.empty { "No request was refused since the start." }
                } @else {
                    ol.denials { @for denial in &status.denials { (self::denial(denial)) } }
                }
            }
            section id="explain" aria-labelledby="explain-title" {
                h2 id="explain-title" { "Explain a token" }
                (explain_form(&status.csrf))
            }
        },
    )
}

fn summary(status: &Status) -> Markup {
    let usable = status.issuers.iter().filter(|issuer| issuer.usable).count();
    let all = status.issuers.len();
    let of = |outcome: Outcome| {
        let minutes = status.hour.iter();
        minutes
            .map(|minute| minute.count(|kind| kind.0 == outcome))
            .sum::<u64>()
    };
    html! {
        @if !status.may_serve {
            p.fault role="alert" {
                "The audit log cannot be written, so every request is answered with 503. Look at the disk and the file's permissions."
            }
        }
        dl.summary {
            div { dt { "Issuers with keys" } dd class=[(usable < all).then_some("bad")] { (usable) " of " (all) } }
            div { dt { "Granted (1 h)" } dd { (of(Outcome::Granted)) } }
            div { dt { "Denied (1 h)" } dd { (of(Outcome::Denied)) } }
            div { dt { "Failed (1 h)" } dd class=[(of(Outcome::Failed) > 0).then_some("bad")] { (of(Outcome::Failed)) } }
            div { dt { "Connections" } dd { (status.connections) } }
            div { dt { "Streams" } dd { (status.streams) } }
            div { dt { "As of" } dd { (moment(status.now)) } }
        }
    }
}

fn issuer(view: &IssuerView) -> Markup {
    html! {
        article.card {
            header {
                h3 {
                    @if view.issuers.is_empty() { "Any issuer" }
                    @for (number, name) in view.issuers.iter().enumerate() {
                        @if number > 0 { ", " }
                        (name)
                    }
                }
                (badge(view.usable, view.state))
            }
            dl.facts {
                div { dt { "Keys from" } dd { code { (view.keys_from) } } }
                @if let Some(age) = view.age_seconds {
                    div { dt { "Confirmed" } dd { (duration(age)) " ago" } }
                }
                @if let Some(next) = view.next_refresh_seconds {
                    div { dt { "Next refresh" } dd { @if next == 0 { "due" } @else { "in " (duration(next)) } } }
                }
                @if view.fetched + view.not_modified + view.failed > 0 {
                    div { dt { "Fetches" } dd {
                        (view.fetched) " new, " (view.not_modified) " unchanged, " (view.failed) " failed"
                    } }
                }
                div { dt { "Audience" } dd { (listed(&view.audiences)) } }
                div { dt { "Algorithms" } dd { (view.algorithms.join(", ")) } }
            }
            @if let Some(failure) = &view.last_failure {
                p.fault { strong { "The last fetch failed: " } (failure) }
            }
            @if view.keys.is_empty() {
                p.empty { "No keys are held." }
            } @else {
                (keys(&view.keys))
            }
        }
    }
}

fn keys(keys: &[KeyView]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Keys" {
            table {
                thead { tr {
                    th scope="col" { "Key (kid)" } th scope="col" { "State" } th scope="col" { "Type" }
                    th scope="col" { "Algorithms" } th scope="col" { "Thumbprint" }
                } }
                tbody {
                    @for key in keys {
                        tr {
                            td { @match &key.kid {
                                Some(kid) => code.name { (kid) },
                                None => span.empty { "none" },
                            } }
                            td {
                                (badge(key.usable, if key.usable { "Usable" } else { "Not used" }))
                                @if let Some(note) = &key.note { " " (note) }
                            }
                            td { (key.kind.as_deref().unwrap_or_default()) }
                            td { (key.algorithms.join(", ")) }
                            td { @if let Some(thumbprint) = &key.thumbprint { code.name.long { (thumbprint) } } }
                        }
                    }
                }
            }
        }
    }
}

fn hour(minutes: &[Minute]) -> Markup {
    let totals = plot::totals(minutes);
    html! {
        @if totals.is_empty() {
            p.empty { "No request in the last hour." }
        } @else {
            ul.legend aria-hidden="true" {
                @for outcome in plot::OUTCOMES { li class=(outcome.as_str()) { (outcome.as_str()) } }
            }
            div.wide tabindex="0" role="region" aria-label="Plot" { (plot::hour(minutes)) }
            div.wide tabindex="0" role="region" aria-label="Decisions by outcome and reason" {
                table.reasons {
                    thead { tr {
                        th scope="col" { "Outcome" } th scope="col" { "Reason" }
                        th.number scope="col" { "Requests" } th scope="col" { "Over the hour" }
                    } }
                    tbody {
                        @for (kind, count) in totals {
                            tr {
                                td { (outcome(kind.0)) }
                                td { code { (kind.1) } }
                                td.number { (count) }
                                td { (plot::spark(minutes, kind)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn denial(denial: &Decision) -> Markup {
    html! {
        li {
            p.line {
                (moment(denial.at)) " "
                (outcome(denial.outcome)) " "
                strong { code { (denial.reason) } }
                span.status { (denial.status) }
            }
            p { (denial.detail) }
            dl.facts {
                div { dt { "Request" } dd {
                    code { (denial.http_method) }
                    @if let Some(method) = &denial.method { " " code { (method) } }
                    @if let Some(name) = &denial.name { " " code { (name) } }
                } }
                div { dt { "From" } dd { (denial.peer) } }
                (caller(&denial.caller))
            }
            @if let Some(advice) = advice::for_reason(denial.reason) {
                details { summary { "What to do" } p { (with_code(advice)) } }
            }
        }
    }
}

fn caller(caller: &Caller) -> Markup {
    let facts = [
        ("Issuer", &caller.issuer),
        ("Subject", &caller.subject),
        ("Client", &caller.client_id),
        ("Key", &caller.key_id),
    ];
    html! {
        @for (name, value) in facts {
            @if let Some(value) = value {
                div {
                    dt { (name) @if !caller.proven { " " span.claimed { "(claimed)" } } }
                    dd { code { (value) } }
                }
            }
        }
    }
}

/// The form for a token.
pub(super) fn explain_form(csrf: &str) -> Markup {
    html! {
        p {
            "Paste an access token to see every step of its verification. It is checked by this process, and is not stored, logged or sent anywhere; keys may be fetched from your issuers."
        }
        form.stack method="post" action="/explain" {
            input type="hidden" name="csrf" value=(csrf);
            label for="token" { "Token" }
            textarea id="token" name="token" rows="5" required autocomplete="off" autocapitalize="off" spellcheck="false" {}
            button type="submit" { "Explain" }
        }
    }
}

/// A text in which names are between backticks.
pub(super) fn with_code(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// "Yes" or "no" with words, so that it does not depend on colours.
pub(super) fn badge(good: bool, words: &str) -> Markup {
    html! {
        span class=(if good { "badge good" } else { "badge bad" }) {
            span aria-hidden="true" { (if good { "✓" } else { "✗" }) } " " (words)
        }
    }
}

fn outcome(outcome: Outcome) -> Markup {
    html! { span class=(format!("outcome {}", outcome.as_str())) { (outcome.as_str()) } }
}

fn listed(names: &[String]) -> Markup {
    html! {
        @if names.is_empty() { "any" }
        @for (number, name) in names.iter().enumerate() {
            @if number > 0 { ", " }
            code { (name) }
        }
    }
}

/// In UTC; the script shows it in local time.
fn moment(at: SystemTime) -> Markup {
    let text = humantime::format_rfc3339_seconds(at).to_string();
    html! { time datetime=(text) { (text.replace('T', " ").replace('Z', " UTC")) } }
}

/// The two greatest units.
fn duration(seconds: u64) -> String {
    let seconds = if seconds > 24 * 60 * 60 {
        seconds - seconds % 3600
    } else {
        seconds
    };
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}
