//! Converts the variables of an environment into arguments.

use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value, Variables};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::arguments::{argument_of, fill};
use crate::make_provider::provider;

/// `found` are variables of any name (`None`: a name without a value), `given` the arguments, which
/// override their variables.
///
/// # Errors
/// A `ValueError` with every problem, by the names that were used: those of variables or of
/// arguments.
#[pyfunction]
pub(crate) fn variables<'py>(
    found: &Bound<'py, PyDict>,
    given: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut read = Variables::read(read_all(found)?);
    let arguments = PyDict::new(found.py());
    if read.values.is_empty() && read.problems.is_empty() {
        return Ok(arguments);
    }
    let argument = |setting: Setting| {
        let decided = match setting {
            Setting::AnyIssuer => Setting::Issuer,
            Setting::AnyAudience => Setting::Audience,
            other => other,
        };
        let names = [setting, decided].map(|setting| setting.name(Entrance::Python));
        let mut names = names.into_iter().flatten();
        names.find(|name| given.contains(name).unwrap_or(true))
    };
    let overruled = |setting: &Setting| argument(*setting).is_some();
    read.values.retain(|(setting, _)| !overruled(setting));
    read.problems
        .retain(|problem| problem.settings.is_empty() || !problem.settings.iter().all(overruled));
    for (setting, value) in &read.values {
        let name = setting.name(Entrance::Python);
        match value {
            Value::Switch(on) => arguments.set_item(name, argument_of(*setting, *on))?,
            Value::Duration(time) => arguments.set_item(name, time.as_secs())?,
            Value::Text(text) => arguments.set_item(name, text.as_str())?,
            Value::Texts(texts) => arguments.set_item(name, texts)?,
            _ => return Err(PyTypeError::new_err(format!("{setting:?} has no argument"))),
        }
    }
    let family = read.family;
    let mut draft = ServerDraft::from_entrance(family);
    fill(&mut draft, given)?;
    read.fill(&mut draft);
    provider(&draft, family, &argument)?;
    Ok(arguments)
}

type Found = Vec<(String, Result<String, String>)>;

fn read_all(found: &Bound<'_, PyDict>) -> PyResult<Found> {
    let read = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name = name.cast::<PyString>()?.to_string_lossy().into_owned();
        if value.is_none() {
            let why = "has no value in the .env file; a line is NAME=value";
            return Ok((name, Err(why.to_owned())));
        }
        let value = value.cast::<PyString>()?.to_str().map(str::to_owned);
        Ok((name, value.map_err(|_| "not Unicode".to_owned())))
    };
    found.iter().map(read).collect()
}
