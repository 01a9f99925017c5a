//! Remarks about what is odd in an unverified token.

use mcp_bearer::config::Limits;
use mcp_bearer::core::NumericDate;
use mcp_bearer::{Algorithm, UnixTime};

use super::members::Members;
use crate::human_time::late_expiry;

/// Remarks on a token whose header was read.
pub(super) fn of(
    bytes: usize,
    header: &Members,
    claims: Option<&Members>,
    now: UnixTime,
) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut say = |text: &str| remarks.push(text.to_owned());
    match header.text("alg").as_deref() {
        Some(name) if name.eq_ignore_ascii_case("none") => {
            say("it is not signed (alg none): anyone can write it, and no server accepts it");
        }
        Some(name) if header.has("enc") || name.parse::<Algorithm>().is_ok() => {}
        Some(_) => say("its algorithm is none of those that verify takes"),
        None => say("its header names no algorithm"),
    }
    for name in ["jwk", "jku", "x5u"] {
        if header.has(name) {
            remarks.push(format!(
                "its header contains a key ({name}), which is never used"
            ));
        }
    }
    let limit = Limits::default().token_bytes;
    if bytes > limit {
        remarks.push(format!(
            "it is longer than the {limit} bytes that servers take"
        ));
    }
    let Some(claims) = claims else {
        return remarks;
    };
    match (claims.has("exp"), claims.number("exp")) {
        (false, _) => remarks.push("it has no exp, so it never expires".to_owned()),
        (true, Some(exp)) => {
            let late = late_expiry(NumericDate::from_secs_f64(exp), now);
            remarks.extend(late.map(str::to_owned));
        }
        (true, None) => {}
    }
    for name in ["exp", "nbf", "iat"] {
        if claims.has(name) && claims.number(name).is_none() {
            remarks.push(format!("its {name} is not a number, so it is not a time"));
        }
    }
    if header.has("nonce") && is_microsoft(claims) {
        remarks.push(
            "the nonce in its header shows that Microsoft made it for Graph, which alone can verify it: ask for a token for an API of your own"
                .to_owned(),
        );
    }
    remarks
}

fn is_microsoft(claims: &Members) -> bool {
    let issuer = claims.text("iss").unwrap_or_default();
    ["https://sts.windows.net/", "https://login.microsoftonline."]
        .iter()
        .any(|start| issuer.starts_with(start))
}
