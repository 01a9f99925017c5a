//! The rules for operations in a file: `[[rule]]`, and the keys for them at the top.

use mcp_bearer_core::operation::{OperationRulesDraft, RuleDraft, RuleField, Unmatched};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::draft::{Found, RulePlaces, ServerDraft};
use super::super::problem::{Problem, Span};
use super::span;

/// The tables.
const RULE: &str = "rule";

/// The keys at the top.
pub(super) const KEYS: [&str; 5] = [RULE, UNMATCHED, TASKS, HIDDEN_ANSWER, ANONYMOUS_SEES];
const UNMATCHED: &str = "unmatched";
const TASKS: &str = "tasks";
const HIDDEN_ANSWER: &str = "hidden_answer";
const ANONYMOUS_SEES: &str = "anonymous_sees";

const MEMBERS: [RuleField; 5] = [
    RuleField::Method,
    RuleField::Name,
    RuleField::Scopes,
    RuleField::Hide,
    RuleField::Anonymous,
];

/// Reads one of [`KEYS`].
pub(super) fn read(draft: &mut ServerDraft, key: &str, value: &Spanned<DeValue<'_>>, text: &str) {
    let at = span(text, value.span());
    let rules = &mut draft.rules;
    let word = value.get_ref().as_str().unwrap_or_default();
    let read = match key {
        UNMATCHED => word.parse().map(|chosen| rules.unmatched = Some(chosen)),
        TASKS => word.parse().map(|chosen| rules.tasks = chosen),
        HIDDEN_ANSWER => word.parse().map(|chosen| rules.hidden = chosen),
        ANONYMOUS_SEES => word.parse().map(|chosen| rules.anonymous_sees = chosen),
        _ => {
            tables(rules, &mut draft.found, value, text);
            return;
        }
    };
    if let Err(why) = read {
        // A value that does not fit is reported here, and not as missing too.
        rules.unmatched.get_or_insert(Unmatched::Deny);
        report(&mut draft.found, at, format!("{key}: {why}"));
    }
}

fn tables(
    rules: &mut OperationRulesDraft,
    found: &mut Found,
    value: &Spanned<DeValue<'_>>,
    text: &str,
) {
    let all = match value.get_ref() {
        DeValue::Array(array) if !array.is_empty() => array.iter().collect(),
        _ => vec![value],
    };
    for table in all {
        let at = span(text, table.span());
        let DeValue::Table(members) = table.get_ref() else {
            let fact = format!("{RULE}: must be written [[{RULE}]], once for each");
            report(found, at, fact);
            continue;
        };
        let (rule, members) = one(members, found, text);
        rules.rules.push(rule);
        found.rules.push(RulePlaces {
            table: Some(at),
            members,
        });
    }
}

fn one(table: &DeTable<'_>, found: &mut Found, text: &str) -> (RuleDraft, Vec<(RuleField, Span)>) {
    let (mut rule, mut places) = (RuleDraft::default(), Vec::new());
    for (key, value) in table {
        let name: &str = key.get_ref();
        let mut members = MEMBERS.into_iter();
        let Some(field) = members.find(|field| field.to_string() == name) else {
            let known = MEMBERS.map(|field| field.to_string()).join(", ");
            let fact = format!("{RULE}.{name:?} is not known here; known: {known}");
            report(found, span(text, key.span()), fact);
            continue;
        };
        let at = span(text, value.span());
        places.push((field, at));
        if let Err(why) = set(&mut rule, field, value.get_ref()) {
            // A value that does not fit is reported here, and not as missing too.
            if field == RuleField::Method {
                rule.method = Some("*".to_owned());
            }
            if matches!(field, RuleField::Method | RuleField::Name) {
                rule.name.get_or_insert_with(|| "*".to_owned());
            }
            report(found, at, format!("{RULE}.{field}: {why}"));
        }
    }
    (rule, places)
}

fn set(rule: &mut RuleDraft, field: RuleField, value: &DeValue<'_>) -> Result<(), &'static str> {
    let string = || match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err("must be a string"),
    };
    let switch = || match value {
        DeValue::Boolean(on) => Ok(*on),
        _ => Err("must be true or false"),
    };
    match field {
        RuleField::Method => rule.method = Some(string()?),
        RuleField::Name => rule.name = Some(string()?),
        RuleField::Scopes => rule.scopes = Some(strings(value)?),
        RuleField::Hide => rule.hide = switch()?,
        RuleField::Anonymous => rule.anonymous = switch()?,
        RuleField::Unmatched => {}
    }
    Ok(())
}

fn strings(value: &DeValue<'_>) -> Result<Vec<String>, &'static str> {
    const LIST: &str = "must be a list of strings, such as [\"a\", \"b\"]";
    let DeValue::Array(items) = value else {
        return Err(LIST);
    };
    if items.is_empty() {
        return Err("an empty list; leave it out if it is not intended");
    }
    let texts = items.iter().map(|item| item.get_ref().as_str());
    let texts: Option<Vec<&str>> = texts.collect();
    let texts = texts.ok_or(LIST)?;
    Ok(texts.into_iter().map(ToOwned::to_owned).collect())
}

fn report(found: &mut Found, at: Span, fact: String) {
    found.problems.push(Problem {
        at: Some(at),
        ..Problem::new([], fact)
    });
}

#[cfg(test)]
mod tests;
