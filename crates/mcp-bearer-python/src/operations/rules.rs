//! Rules from Python. Rust decides what they mean and what is wrong with them.

use std::fmt::{self, Display};
use std::str::FromStr;

use mcp_bearer::operation::{OperationRules, OperationRulesDraft, RuleDraft, Unmatched};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The rules of a server.
#[pyclass(frozen, module = "mcp_bearer._native")]
pub(crate) struct Rules(OperationRules);

/// `method`, `name`, `scopes`, `hide`, `anonymous`.
type Given = (String, Option<String>, Option<Vec<String>>, bool, bool);

#[pymethods]
impl Rules {
    /// # Errors
    /// A `ValueError` with every problem.
    #[new]
    #[pyo3(signature = (rules, *, unmatched, tasks, hidden_answer, anonymous_sees))]
    fn new(
        rules: Vec<Given>,
        unmatched: Option<&str>,
        tasks: &str,
        hidden_answer: &str,
        anonymous_sees: &str,
    ) -> PyResult<Self> {
        let mut problems = Vec::new();
        let mut draft = OperationRulesDraft::default();
        if let Some(unmatched) = unmatched {
            let word = word("unmatched", unmatched, &mut problems);
            // A value that does not fit is reported, and not as missing too.
            draft.unmatched = word.or(Some(Unmatched::Deny));
        }
        draft.tasks = word("tasks", tasks, &mut problems).unwrap_or_default();
        let hidden = word("hidden_answer", hidden_answer, &mut problems);
        draft.hidden = hidden.unwrap_or_default();
        let sees = word("anonymous_sees", anonymous_sees, &mut problems);
        draft.anonymous_sees = sees.unwrap_or_default();
        draft.rules = rules.into_iter().map(rule).collect();
        let checked = draft.check().map_err(|error| {
            problems.extend(error.problems().iter().map(ToString::to_string));
        });
        match checked {
            Ok(rules) if problems.is_empty() => Ok(Self(rules)),
            _ => Err(PyValueError::new_err(problems.join("; "))),
        }
    }

    /// The scopes for the RFC 9728 document.
    #[getter]
    fn scopes_to_publish(&self) -> Vec<String> {
        let scopes = self.0.scopes_to_publish();
        scopes.iter().map(str::to_owned).collect()
    }
}

impl Rules {
    pub(super) fn rules(&self) -> OperationRules {
        self.0.clone()
    }
}

fn rule((method, name, scopes, hide, anonymous): Given) -> RuleDraft {
    let mut rule = RuleDraft::new(method);
    rule.scopes = scopes;
    rule.name = name;
    rule.hide = hide;
    rule.anonymous = anonymous;
    rule
}

fn word<T: FromStr<Err: Display>>(name: &str, word: &str, problems: &mut Vec<String>) -> Option<T> {
    let parsed = word.parse();
    parsed
        .map_err(|why| problems.push(format!("{name}: {why}")))
        .ok()
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
