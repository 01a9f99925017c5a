//! One attempt to get the keys: discovery where needed, then the JWKS.
//! It must never send the conditions of one address to another, nor turn a failure into a set.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use mcp_bearer_core::{KeySet, Limits};
use url::Url;

use crate::keys::{
    Fetch, FetchRequest, FetchResponse, MonotonicClock,
    discovery::{Document, Trust, discover, exchange},
    rotation::{Answer, CacheHeaders, Cause, Settings, Start, Validators},
    transport::Transport,
};

/// A discovery document older than this is read again with the next scheduled refresh.
const DOCUMENT_LIFETIME: Duration = Duration::from_secs(3600);

/// What does not change about a source.
pub(super) struct Plan {
    pub(super) address: Address,
    pub(super) label: String,
    pub(super) transport: Transport,
    pub(super) settings: Settings,
    pub(super) fetch: Arc<dyn Fetch>,
}

pub(super) enum Address {
    JwksUri(Url),
    /// The issuer exactly as configured.
    Issuer(String),
}

/// What an attempt begins with.
pub(super) struct Known {
    pub(super) document: Option<Document>,
    /// The address that the held set, and so its validators, came from.
    pub(super) keys_from: Option<Url>,
}

/// What came of an attempt.
pub(super) struct Outcome {
    pub(super) answer: Answer<KeySet>,
    pub(super) document: Option<Document>,
    /// The address that answered.
    pub(super) keys_from: Option<Url>,
}

impl Plan {
    /// Makes the attempt that `start` orders.
    pub(super) async fn attempt(
        &self,
        clock: &MonotonicClock,
        start: Start,
        known: Known,
    ) -> Outcome {
        match &self.address {
            Address::JwksUri(url) => Outcome {
                answer: self.keys(clock, url, start.validators).await.into_answer(),
                document: None,
                keys_from: Some(url.clone()),
            },
            Address::Issuer(issuer) => self.attempt_by_issuer(clock, issuer, start, known).await,
        }
    }

    async fn attempt_by_issuer(
        &self,
        clock: &MonotonicClock,
        issuer: &str,
        start: Start,
        known: Known,
    ) -> Outcome {
        let mut read = Read::Before;
        let mut document = known.document;
        if must_read(document.as_ref(), start.cause, clock.now()) {
            read = Read::Now;
            match discover(issuer, self.transport, &*self.fetch, clock).await {
                Ok(found) => document = Some(found),
                Err(reason) if document.is_none() => return Outcome::failed(reason, None),
                // The address of old may still work.
                Err(_) => {}
            }
        }
        let Some(mut document) = document else {
            return Outcome::failed("no discovery document".to_owned(), None);
        };
        let conditions = |url: &Url| match &known.keys_from {
            Some(from) if from == url => start.validators.clone(),
            _ => Validators::default(),
        };
        let url = document.jwks_uri.clone();
        let mut result = self.keys(clock, &url, conditions(&url)).await;
        if matches!((&result, read), (Keys::Gone(_), Read::Before))
            && let Ok(found) = discover(issuer, self.transport, &*self.fetch, clock).await
        {
            let moved = found.jwks_uri != document.jwks_uri;
            document = found;
            if moved {
                let url = document.jwks_uri.clone();
                result = self.keys(clock, &url, conditions(&url)).await;
            }
        }
        document.trust = match &result {
            Keys::Good(_) => Trust::Good,
            Keys::Gone(_) | Keys::Bad(_) => Trust::Doubtful,
        };
        Outcome {
            answer: result.into_answer(),
            keys_from: Some(document.jwks_uri.clone()),
            document: Some(document),
        }
    }

    async fn keys(&self, clock: &MonotonicClock, url: &Url, conditions: Validators) -> Keys {
        let conditional = !conditions.is_empty();
        let mut request = FetchRequest::new(url.to_string(), Limits::JWKS_BYTES);
        request.if_none_match = conditions.etag;
        request.if_modified_since = conditions.last_modified;
        let answer = match exchange(&*self.fetch, clock, request).await {
            Ok(answer) => answer,
            Err(reason) => return Keys::Bad(reason),
        };
        let headers = CacheHeaders {
            cache_control: answer.header("cache-control"),
            age: answer.header("age"),
            etag: answer.header("etag"),
            last_modified: answer.header("last-modified"),
        };
        match answer.status() {
            200 => match parse(&answer) {
                Ok((set, digest)) => Keys::Good(Answer::Set {
                    set,
                    digest,
                    headers,
                }),
                Err(reason) => Keys::Bad(reason),
            },
            304 if conditional => Keys::Good(Answer::NotModified(headers)),
            304 => Keys::Bad("status 304 though no set was named".to_owned()),
            status @ 300..=399 => Keys::Gone(format!(
                "status {status}: redirects are not followed; configure the address itself"
            )),
            status @ 400..=499 => Keys::Gone(format!("status {status}")),
            status => Keys::Bad(format!("status {status}")),
        }
    }
}

impl Outcome {
    pub(super) fn failed(reason: String, document: Option<Document>) -> Self {
        Self {
            answer: Answer::Failed(reason),
            document,
            keys_from: None,
        }
    }
}

/// How the address of the JWKS answered.
enum Keys {
    Good(Answer<KeySet>),
    /// It is not, or no longer, the right address.
    Gone(String),
    Bad(String),
}

impl Keys {
    fn into_answer(self) -> Answer<KeySet> {
        match self {
            Self::Good(answer) => answer,
            Self::Gone(reason) | Self::Bad(reason) => Answer::Failed(reason),
        }
    }
}

/// When the discovery document was read.
#[derive(Clone, Copy)]
enum Read {
    Before,
    Now,
}

fn must_read(document: Option<&Document>, cause: Cause, now: Duration) -> bool {
    let Some(document) = document else {
        return true;
    };
    let old = now.saturating_sub(document.read_at) >= DOCUMENT_LIFETIME;
    document.trust == Trust::Doubtful || (cause == Cause::Schedule && old)
}

fn parse(answer: &FetchResponse) -> Result<(Arc<KeySet>, [u8; 32]), String> {
    let text = std::str::from_utf8(answer.body()).map_err(|_| "the answer is not UTF-8")?;
    let set = KeySet::from_jwks_json(text)
        .map_err(|error| format!("the answer is not a JWK Set: {error}"))?;
    if set.is_empty() {
        return Err(match set.skipped() {
            [] => "the JWK Set is empty".to_owned(),
            [first, ..] => format!(
                "the JWK Set has {} keys, none of them usable; the first: {}",
                set.skipped().len(),
                first.reason
            ),
        });
    }
    let hash = digest::digest(&digest::SHA256, answer.body());
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    Ok((Arc::new(set), bytes))
}
