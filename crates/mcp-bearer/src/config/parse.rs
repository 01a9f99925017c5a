//! Parses the values of single settings into the types of the rules that they set.

use mcp_bearer_core::{Algorithm, ClaimPath, TokenType, UnknownAlgorithm};
use serde_json::Value as Json;

use super::problem::Fact;
use super::value::Value;

pub(super) fn algorithms(value: Value) -> Result<Vec<Algorithm>, Fact> {
    let parse = |name: String| {
        let parsed = name.parse();
        parsed.map_err(|error: UnknownAlgorithm| {
            let given = Fact::given(format!("{name:?}"), "one of its names");
            given.text(&format!(": {error}"))
        })
    };
    value.into_some_texts()?.into_iter().map(parse).collect()
}

pub(super) fn claim_paths(value: Value) -> Result<Vec<ClaimPath>, Fact> {
    let texts = value.into_some_texts()?;
    texts.into_iter().map(claim_path).collect()
}

/// The name of a claim. A text that begins with `[` is a JSON array of names, the path to a nested
/// claim.
fn claim_path(text: String) -> Result<ClaimPath, Fact> {
    if !text.starts_with('[') {
        return Ok(ClaimPath::from(text));
    }
    let names = serde_json::from_str::<Vec<String>>(&text);
    names.map(ClaimPath::from).map_err(|_| {
        let why = "is not a JSON array of names; write it like [\"realm_access\",\"roles\"]";
        Fact::from(format!("{text:?} {why}"))
    })
}

pub(super) fn token_type(text: &str) -> Result<TokenType, Fact> {
    match text {
        "any" => Ok(TokenType::Any),
        "rfc9068" | "at+jwt" => Ok(TokenType::Rfc9068),
        _ => Err("neither \"any\" nor \"rfc9068\"".into()),
    }
}

/// An array lists the allowed values; so do several pairs with the same name.
pub(super) fn required_claims(value: Value) -> Result<Vec<(ClaimPath, Vec<Json>)>, Fact> {
    let json = |text: &str| {
        serde_json::from_str(text).map_err(|_| {
            let quoted = Json::from(text);
            Fact::from(format!(
                "{text:?} is not JSON; a string needs quotes of its own: {quoted}"
            ))
        })
    };
    let mut claims: Vec<(ClaimPath, Vec<Json>)> = Vec::new();
    for (name, value) in value.into_pairs(json)? {
        let path = claim_path(name)?;
        let allowed = match value {
            Json::Array(values) => values,
            one => vec![one],
        };
        match claims.iter_mut().find(|(other, _)| *other == path) {
            Some((_, values)) => values.extend(allowed),
            None => claims.push((path, allowed)),
        }
    }
    Ok(claims)
}

pub(super) fn scope_implies(value: Value) -> Result<Vec<(String, Vec<String>)>, Fact> {
    let words = |text: &str| Ok(Json::from_iter(text.split_whitespace()));
    let implied = |(scope, names): (String, Json)| match names {
        Json::String(one) => Ok((scope, vec![one])),
        Json::Array(names) => {
            let name = |name: Json| name.as_str().map(str::to_owned);
            let names: Option<Vec<String>> = names.into_iter().map(name).collect();
            names
                .map(|names| (scope, names))
                .ok_or_else(|| Fact::from(NO_SCOPES))
        }
        _ => Err(NO_SCOPES.into()),
    };
    value.into_pairs(words)?.into_iter().map(implied).collect()
}

pub(super) fn requested_scopes(value: Value) -> Result<Vec<(String, String)>, Fact> {
    let requested = |(scope, requested): (String, Json)| match requested {
        Json::String(requested) => Ok((scope, requested)),
        _ => Err("each scope must be followed by the one scope to request".into()),
    };
    let pairs = value.into_pairs(|text| Ok(Json::from(text)))?;
    pairs.into_iter().map(requested).collect()
}

const NO_SCOPES: &str = "each scope must be followed by one scope or a list of scopes";
