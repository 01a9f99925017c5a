//! Every case under `vectors/`, as a request to the layer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer::config::{Decided, IssuerBuilder, Limits};
use mcp_bearer::http::Challenge;
use mcp_bearer::keys::StaticKeys;
use mcp_bearer::keys::{KeySet, VerifyingKey};
use mcp_bearer::{
    Algorithm, BearerAuthLayer, BearerAuthProvider, Clock, FromExtensions, Rejection, TokenType,
    UnixTime,
};
use mcp_bearer_testkit::vectors::{
    self, Case, ChallengeCase, ClaimPlace, Expect, Keys, Setting, VectorFile,
};

use crate::support::{
    Answer, Everything, Inner, METADATA_URL, RESOURCE, ask, forge, with_authorization,
};

fn issuer(setting: &Setting) -> IssuerBuilder<Decided, Decided, Decided> {
    let builder = BearerAuthProvider::builder();
    // Unchanged: the builder would refuse keys that cannot be used, and these test exactly that.
    let fixed = |set| Arc::new(StaticKeys::new(set));
    let builder = match &setting.keys {
        Keys::Jwks(value) => {
            builder.key_source(fixed(KeySet::from_jwks_json(&value.to_string()).unwrap()))
        }
        Keys::PublicKey(pem) => {
            builder.key_source(fixed(KeySet::single(VerifyingKey::from_pem(pem).unwrap())))
        }
        Keys::Secret(text) => builder.shared_secret(text),
        Keys::JwksAndSecret(value, secret) => {
            let public = KeySet::from_jwks_json(&value.to_string()).unwrap();
            builder.key_source(fixed(public)).shared_secret(secret)
        }
        Keys::Unavailable(why) => builder.key_source(fixed(KeySet::unavailable(
            why.as_str(),
            Duration::from_secs(30),
        ))),
    };
    let builder = match &setting.issuers {
        Some(issuers) => builder.issuers(issuers),
        None => builder.any_issuer(),
    };
    let mut builder = match &setting.audiences {
        Some(audiences) => builder.audiences(audiences),
        None => builder.any_audience(),
    };
    let algorithms = setting.algorithms.iter();
    builder = builder
        .algorithms(algorithms.map(|name| name.parse::<Algorithm>().unwrap()))
        .required_scopes(&setting.scopes);
    if let Some(leeway) = setting.leeway {
        builder = builder.leeway(Duration::from_secs(leeway));
    }
    let options = &setting.policy;
    if options.token_type_rfc9068 {
        builder = builder.token_type(TokenType::Rfc9068);
    }
    for typ in &options.also_accept_types {
        builder = builder.also_accept_type(typ);
    }
    if let Some(age) = options.max_age {
        builder = builder.max_age(Duration::from_secs(age));
    }
    if options.accept_tokens_that_never_expire {
        builder = builder.accept_tokens_that_never_expire();
    }
    if options.accept_tokens_issued_in_the_future {
        builder = builder.accept_tokens_issued_in_the_future();
    }
    if options.accept_identity_token_shape {
        builder = builder.accept_identity_token_shape();
    }
    for (name, values) in &options.required_claims {
        builder = builder.required_claim(name, values.clone());
    }
    for (name, values) in &options.required_claims_containing {
        builder = builder.required_claim_containing(name, values.clone());
    }
    if let Some(clients) = &options.allowed_client_ids {
        builder = builder.allowed_client_ids(clients);
    }
    if let Some(claims) = &options.scope_claims {
        builder = builder.scope_claims(claims.iter().map(ClaimPlace::names));
    }
    if options.accept_scopes_beyond_consent {
        builder = builder.accept_scopes_beyond_consent();
    }
    for (scope, implied) in &options.scope_implies {
        builder = builder.scope_implies(scope, implied);
    }
    builder
}

fn layer(file: &VectorFile) -> Result<BearerAuthLayer, String> {
    let issuers = file.settings.iter().map(issuer);
    let provider = BearerAuthProvider::for_issuers(issuers).map_err(|error| error.to_string())?;
    let now = UnixTime::from_secs(file.now);
    let mut limits = Limits::default();
    if let Some(bytes) = file.token_bytes {
        limits = limits.with_token_bytes(bytes);
    }
    Ok(BearerAuthLayer::new(
        provider
            .with_clock(Clock::new(move || now))
            .with_limits(limits),
    ))
}

/// The kind that a case has here: what is not a credential is refused before it is parsed as a
/// token.
fn expected_kind(case: &Case, limit: usize) -> Option<&str> {
    let rejected = case.rejected()?;
    Some(match case.token.len() {
        length if length > limit => "token_too_large",
        0 => "missing_credential",
        _ if !case.is_credential() => "malformed",
        _ => rejected.kind.as_str(),
    })
}

async fn request(auth: &BearerAuthLayer, token: &str) -> Option<(Inner, Answer)> {
    // A value that no header can hold never gets here, and white space around the token belongs to
    // the header.
    http::HeaderValue::from_bytes(token.as_bytes()).ok()?;
    if token.starts_with(' ') || token.ends_with([' ', '\t']) {
        return None;
    }
    let inner = Inner::default();
    let request = with_authorization(format!("Bearer {token}"));
    let answer = ask(auth.layer(inner.clone()), request).await;
    Some((inner, answer))
}

/// Short pieces also occur as words, so they are skipped.
fn nothing_of_the_token(token: &str, log: &str, label: &str) {
    assert!(log.contains("TRACE"), "{label}");
    for segment in token.split('.').filter(|segment| segment.len() >= 12) {
        let mut pieces = segment
            .as_bytes()
            .chunks(12)
            .filter(|piece| piece.len() == 12);
        let shown = pieces.find(|piece| {
            let piece = std::str::from_utf8(piece).unwrap_or(segment);
            log.contains(piece)
        });
        assert!(shown.is_none(), "{label}: {shown:?} in {log}");
    }
}

#[tokio::test]
async fn every_token_vector_gets_its_answer() {
    let (mut accepted, mut refused, mut skipped, mut not_started) = (0, 0, 0, 0);
    let log = Everything::default();
    let _guard = log.listen();
    for file in vectors::all() {
        let auth = match layer(&file) {
            Ok(auth) => auth,
            // What core decides per token keeps the provider from starting.
            Err(error) => {
                assert!(error.contains("shared secret"), "{}: {error}", file.path);
                not_started += 1;
                continue;
            }
        };
        let limit = auth.provider().limits().token_bytes;
        for case in &file.cases {
            let label = file.label(case);
            let Some((inner, answer)) = request(&auth, &case.token).await else {
                assert!(case.rejected().is_some(), "{label}");
                skipped += 1;
                continue;
            };
            tracing::trace!(?auth, ?answer, "whatever a program may print");
            nothing_of_the_token(&case.token, &log.take(), &label);
            match &case.expect {
                Expect::Accept(says) => {
                    assert_eq!((answer.status.as_u16(), inner.calls()), (200, 1), "{label}");
                    let subject = says.subject.as_deref().unwrap_or("nobody");
                    assert_eq!(answer.body, subject, "{label}");
                    accepted += 1;
                }
                Expect::Reject(_) => {
                    let kind = expected_kind(case, limit);
                    let rejection = answer.rejection.as_ref();
                    let got = rejection.map(|rejection| rejection.kind().as_str());
                    assert_eq!(got, kind, "{label}: {answer:?}");
                    let status = Challenge::status_of(rejection.unwrap().kind());
                    assert_eq!(
                        (answer.status.as_u16(), inner.calls()),
                        (status, 0),
                        "{label}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(
        accepted > 20 && refused > 100,
        "{accepted} accepted, {refused} refused"
    );
    assert!(
        skipped < 20 && not_started < 6,
        "{skipped} skipped, {not_started} not started"
    );
}

/// One rejection of each kind, from the vectors; those that no token causes are constructed.
async fn rejections() -> BTreeMap<String, Rejection> {
    let mut found = BTreeMap::new();
    for rejection in [
        Rejection::missing_credential(),
        Rejection::bad_credential("a reason"),
        Rejection::token_too_large(2, 1),
        Rejection::keys_unavailable("a reason", Duration::from_secs(30)),
        Rejection::clock_unset(UnixTime::EPOCH),
    ] {
        found.insert(rejection.kind().as_str().to_owned(), rejection);
    }
    for file in vectors::all() {
        let Ok(auth) = layer(&file) else { continue };
        for case in &file.cases {
            let Some(rejected) = case.rejected() else {
                continue;
            };
            if found.contains_key(&rejected.kind) {
                continue;
            }
            if let Some((_, answer)) = request(&auth, &case.token).await {
                let rejection = answer.rejection.unwrap();
                found
                    .entry(rejection.kind().as_str().to_owned())
                    .or_insert(rejection);
            }
        }
    }
    found
}

#[tokio::test]
async fn every_challenge_vector_is_the_answer() {
    let rejections = rejections().await;
    let mut cases = 0;
    for case in vectors::challenges() {
        // A URL that cannot be quoted cannot be configured here.
        if case
            .resource_metadata
            .as_deref()
            .is_some_and(|url| url != METADATA_URL)
        {
            continue;
        }
        // A rejection for missing scopes names its own.
        let provider = crate::support::provider(&scopes(&case));
        let bare = provider.verify_token(&forge().token()).await.unwrap();
        let lacking = provider.check_required_scopes(&bare).err();
        let rejection = match (case.kind.as_str(), &lacking) {
            ("insufficient_scope", Some(lacking)) => lacking,
            ("insufficient_scope", None) => continue,
            (kind, _) => &rejections[kind],
        };
        let response = respond(&case, rejection);
        let label = format!(
            "{} {:?} {:?}",
            case.kind, case.scopes, case.resource_metadata
        );
        assert_eq!(response.status(), case.status, "{label}");
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap());
        let retry = case.retry_after.map(|seconds| seconds.to_string());
        assert_eq!(header("retry-after"), retry.as_deref(), "{label}");
        assert_eq!(response.body().as_bytes(), case.body.as_bytes(), "{label}");
        let kept = Rejection::from_extensions(response.extensions());
        assert_eq!(kept, Some(rejection), "{label}");
        let challenge = case.www_authenticate.as_deref();
        assert_eq!(header("www-authenticate"), challenge, "{label}");
        cases += 1;
    }
    assert!(cases > 60, "{cases} cases");
}

/// The scopes of a case, which may be an empty list.
fn scopes(case: &ChallengeCase) -> Vec<&str> {
    let text = case.scopes.iter().flat_map(|text| text.split(' '));
    text.filter(|scope| !scope.is_empty()).collect()
}

fn respond(
    case: &ChallengeCase,
    rejection: &Rejection,
) -> http::Response<mcp_bearer::http::AnswerBody> {
    let auth = BearerAuthLayer::new(crate::support::provider(&scopes(case)));
    match &case.resource_metadata {
        None => auth.challenge(rejection),
        Some(_) => auth.resource(RESOURCE).unwrap().challenge(rejection),
    }
}
