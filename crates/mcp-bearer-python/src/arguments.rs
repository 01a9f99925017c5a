//! Converts arguments from Python for the library's table of settings.
//!
//! As in FastMCP, an issuer or audience that is `None` is not checked. Unlike in FastMCP,
//! `public_key` is never the secret of HS* algorithms: anyone who knows the public key could sign
//! tokens.

use std::sync::Arc;

use mcp_bearer::Algorithm;
use mcp_bearer::config::{Entrance, Keys, ServerDraft, Setting, Shape, Value};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::fetch::PythonFetch;

/// Sets the values of the arguments.
///
/// # Errors
/// A `TypeError` for a value of another type, and a `ValueError` in FastMCP's words.
pub(crate) fn fill(draft: &mut ServerDraft, arguments: &Bound<'_, PyDict>) -> PyResult<()> {
    refuse_keys_as_secrets(arguments)?;
    for setting in Setting::ALL.iter().copied() {
        let Some(name) = setting.name(Entrance::Python) else {
            continue;
        };
        let Some(given) = given(arguments, name)? else {
            continue;
        };
        match setting {
            Setting::Fetch => {
                let fetch = PythonFetch::new(given.unbind());
                if let Some(issuer) = draft.issuers.first_mut() {
                    issuer.fetch = Some(Arc::new(fetch));
                }
            }
            _ if setting.shape() == Shape::Code => {}
            _ => draft.set(setting, value(setting, name, &given)?),
        }
    }
    // `None` is not checked, unless another argument decides.
    let resource = draft.resource.is_some();
    if let Some(issuer) = draft.issuers.first_mut() {
        let discovered = matches!(issuer.keys, Some(Keys::Discover(_)));
        if arguments.contains("issuer")? && !discovered {
            issuer.leave_unchecked(Setting::Issuer);
        }
        if arguments.contains("audience")? && !resource {
            issuer.leave_unchecked(Setting::Audience);
        }
    }
    Ok(())
}

/// Refuses, in FastMCP's words, what an algorithm with a shared secret excludes, and names the
/// argument for the secret.
fn refuse_keys_as_secrets(arguments: &Bound<'_, PyDict>) -> PyResult<()> {
    let Some(given) = given(arguments, "algorithm")? else {
        return Ok(());
    };
    let mut symmetric = false;
    for name in texts("algorithm", &given)? {
        let algorithm: Algorithm = name
            .parse()
            .map_err(|_| PyValueError::new_err(format!("Unsupported algorithm: {name}.")))?;
        symmetric |= algorithm.is_symmetric();
    }
    for (name, why) in [
        (
            "jwks_uri",
            "Symmetric HS* algorithms cannot be used with jwks_uri; give a shared secret as secret=.",
        ),
        (
            "public_key",
            "Symmetric HS* algorithms require a shared secret, not a public key; give it as secret=, \
             not as public_key=.",
        ),
    ] {
        if symmetric && !has_own_secret(arguments)? && self::given(arguments, name)?.is_some() {
            return Err(PyValueError::new_err(why));
        }
    }
    Ok(())
}

/// Whether the secret has its own argument, so that `public_key` is a public key.
fn has_own_secret(arguments: &Bound<'_, PyDict>) -> PyResult<bool> {
    Ok(given(arguments, "secret")?.is_some() || given(arguments, "secret_file")?.is_some())
}

fn value(setting: Setting, name: &str, given: &Bound<'_, PyAny>) -> PyResult<Value> {
    let wrong = |wanted: &str| must_be(name, wanted, given);
    let is_text = given.is_instance_of::<PyString>();
    match setting.shape() {
        Shape::Switch => {
            let switch = given.extract().map_err(|_| wrong("True or False"))?;
            Ok(Value::Switch(argument_of(setting, switch)))
        }
        Shape::Duration => {
            let seconds = given.extract().map(Value::Seconds);
            seconds.map_err(|_| wrong("a number of seconds"))
        }
        Shape::Path => {
            let path = given.extract().map(Value::Path);
            path.map_err(|_| wrong("the name of a file"))
        }
        Shape::Texts(_) if !is_text => {
            let given = match setting {
                Setting::ScopeClaims => &paths(given)?,
                _ => given,
            };
            texts(name, given).map(Value::Texts)
        }
        Shape::Pairs(_) if !is_text => {
            let pairs = given.cast::<PyDict>().map_err(|_| wrong("a dict"))?;
            json(pairs)
                .map(Value::text)
                .map_err(|_| wrong("a dict of values that JSON has"))
        }
        _ => match (setting, given.cast::<PyBytes>()) {
            (Setting::SharedSecret, Ok(bytes)) => {
                Ok(Value::Bytes(bytes.as_bytes().to_vec().into()))
            }
            (Setting::PublicKey, Ok(bytes)) => {
                Ok(Value::text(String::from_utf8_lossy(bytes.as_bytes())))
            }
            _ => text(name, given).map(Value::text),
        },
    }
}

/// Converts a switch to its argument, and back: `require_expiry` is the opposite of what it
/// switches.
pub(crate) fn argument_of(setting: Setting, switch: bool) -> bool {
    switch != (setting == Setting::AcceptTokensThatNeverExpire)
}

/// An argument that is present and not `None`.
pub(crate) fn given<'py>(
    arguments: &Bound<'py, PyDict>,
    name: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(arguments.get_item(name)?.filter(|given| !given.is_none()))
}

fn json(given: &Bound<'_, PyAny>) -> PyResult<String> {
    let options = [("allow_nan", false)].into_py_dict(given.py())?;
    let json = given.py().import("json")?;
    json.call_method("dumps", (given,), Some(&options))?
        .extract()
}

/// The names of claims; a nested claim, which is a list of names, is written as JSON.
fn paths<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if !is_list(given) {
        return Ok(given.clone());
    }
    let path = |name: PyResult<Bound<'py, PyAny>>| {
        let name = name?;
        if is_list(&name) {
            return Ok(json(&name)?.into_pyobject(name.py())?.into_any());
        }
        Ok(name)
    };
    let paths: Vec<_> = given.try_iter()?.map(path).collect::<PyResult<_>>()?;
    Ok(PyList::new(given.py(), paths)?.into_any())
}

fn is_list(given: &Bound<'_, PyAny>) -> bool {
    given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>()
}

/// One text or several. A member of a string enumeration means its value.
fn texts(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if given.is_instance_of::<PyString>() {
        return Ok(vec![text(name, given)?]);
    }
    if !is_list(given) {
        return Err(must_be(name, "a string or a list of strings", given));
    }
    let one = |given: PyResult<Bound<'_, PyAny>>| {
        let given = given?;
        if given.is_instance_of::<PyString>() {
            return text(name, &given);
        }
        let kind = given.get_type().name()?;
        let why = format!("{name}: must be a list of strings, but contains {kind}");
        Err(PyTypeError::new_err(why))
    };
    given.try_iter()?.map(one).collect()
}

fn text(name: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = given.cast::<PyString>();
    let text = text.map_err(|_| must_be(name, "a string", given))?.to_str();
    text.map(str::to_owned)
        .map_err(|_| PyValueError::new_err(format!("{name}: not Unicode")))
}

fn must_be(name: &str, wanted: &str, given: &Bound<'_, PyAny>) -> PyErr {
    match given.get_type().name() {
        Ok(kind) => PyTypeError::new_err(format!("{name}: must be {wanted}, not {kind}")),
        Err(error) => error,
    }
}
