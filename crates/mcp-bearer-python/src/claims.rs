//! Converts validated JSON text into Python objects, without a tree in between.
//!
//! Only text that the core has validated gets here: its depth and its numbers are bounded.

use std::fmt;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyList, PyString};
use pyo3::{IntoPyObjectExt, intern};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// From here on an integer fits neither `i64` nor `u64`, and would become a float.
const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;

/// The value of the text.
pub(crate) fn to_python<'py>(py: Python<'py>, json: &str) -> PyResult<Bound<'py, PyAny>> {
    let mut text = serde_json::Deserializer::from_str(json);
    match Json(py).deserialize(&mut text) {
        Ok(value) => Ok(value),
        // Slower, but Python's integers have no limit.
        Err(_) => py.import("json")?.call_method1("loads", (json,)),
    }
}

/// Any value.
#[derive(Clone, Copy)]
struct Json<'py>(Python<'py>);

impl<'de, 'py> DeserializeSeed<'de> for Json<'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Self::Value, D::Error> {
        text.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Json<'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(self.0.None().into_bound(self.0))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.abs() >= BEYOND_INTEGERS {
            return Err(E::custom("perhaps an integer"));
        }
        Ok(PyFloat::new(self.0, value).into_any())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.0, value).into_any())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.0);
        while let Some(element) = elements.next_element_seed(self)? {
            list.append(element).map_err(Error::custom)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.0);
        while let Some(name) = members.next_key_seed(Name(self.0))? {
            let value = members.next_value_seed(self)?;
            dict.set_item(name, value).map_err(Error::custom)?;
        }
        Ok(dict.into_any())
    }
}

/// A name of a member.
struct Name<'py>(Python<'py>);

impl<'de, 'py> DeserializeSeed<'de> for Name<'py> {
    type Value = Bound<'py, PyString>;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Self::Value, D::Error> {
        text.deserialize_str(self)
    }
}

impl<'py> Visitor<'_> for Name<'py> {
    type Value = Bound<'py, PyString>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(usual(self.0, name).unwrap_or_else(|| PyString::new(self.0, name)))
    }
}

/// The one object for each name that most tokens have: it is neither made nor hashed again.
fn usual<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
    let object = match name {
        "iss" => intern!(py, "iss"),
        "sub" => intern!(py, "sub"),
        "aud" => intern!(py, "aud"),
        "exp" => intern!(py, "exp"),
        "nbf" => intern!(py, "nbf"),
        "iat" => intern!(py, "iat"),
        "jti" => intern!(py, "jti"),
        "scope" => intern!(py, "scope"),
        "scp" => intern!(py, "scp"),
        "client_id" => intern!(py, "client_id"),
        "azp" => intern!(py, "azp"),
        "sid" => intern!(py, "sid"),
        "roles" => intern!(py, "roles"),
        "email" => intern!(py, "email"),
        "name" => intern!(py, "name"),
        "preferred_username" => intern!(py, "preferred_username"),
        _ => return None,
    };
    Some(object.clone())
}

impl<'py> Json<'py> {
    fn object<E: Error>(self, value: impl IntoPyObjectExt<'py>) -> Result<Bound<'py, PyAny>, E> {
        value.into_bound_py_any(self.0).map_err(Error::custom)
    }
}
