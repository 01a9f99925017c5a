//! One attempt to get the keys: discovery where needed, then the JWKS.
//! It must never send the conditions of one address to another, nor turn a failure into a set.

use std::{pin::pin, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use futures_util::future::{Either, select};
use mcp_bearer_core::{KeySet, Limits};
use url::Url;

use crate::keys::{
    Fetch, FetchRequest, FetchResponse, MonotonicClock,
    discovery::{Document, EXCHANGE, Trust, discover, exchange},
    rotation::{Answer, CacheHeaders, Settings, Start, Validators},
    transport::Transport,
};

/// A discovery document older than this is read again with the next fetch, whatever its cause.
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
    /// Why the document was not read, where that was tried.
    pub(super) unread: Option<Unread>,
    /// The address that answered.
    pub(super) keys_from: Option<Url>,
}

/// Why a document was not read.
pub(super) enum Unread {
    Failed(String),
    /// It takes longer than an attempt may wait for it.
    TooLong,
}

enum Read {
    Ended(Result<Document, String>),
    TooLong,
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
                unread: None,
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
        let discover = || discover(issuer, self.transport, &*self.fetch, clock);
        let conditions = |url: &Url| match &known.keys_from {
            Some(from) if from == url => start.validators.clone(),
            _ => Validators::default(),
        };
        let Some(mut document) = known.document else {
            return match discover().await {
                Ok(document) => {
                    let result =
                        self.keys(clock, &document.jwks_uri, conditions(&document.jwks_uri));
                    let result = result.await;
                    Outcome::of(result, document, None)
                }
                Err(reason) => Outcome::failed(reason, None),
            };
        };
        let url = document.jwks_uri.clone();
        // No later attempt waits for a document that cannot be had: its three addresses may hang one after the other.
        let in_time =
            async |reading: &mut (dyn Future<Output = Result<Document, String>> + Send + Unpin),
                   end| {
                tokio::select! {
                    read = reading => Read::Ended(read),
                    () = clock.sleep_until(end) => Read::TooLong,
                }
            };
        let end = clock.now().saturating_add(EXCHANGE);
        let asked = self.keys(clock, &url, conditions(&url));
        let (mut result, mut read) = match document.trust {
            Trust::Good => (asked.await, None),
            // Either may hang: a good answer is not made to wait for the document.
            Trust::Doubtful => match select(pin!(asked), pin!(discover())).await {
                Either::Left((result @ Keys::Good(_), _)) => (result, None),
                Either::Left((result, mut reading)) => {
                    (result, Some(in_time(&mut reading, end).await))
                }
                // What the address of old will say is of no interest.
                Either::Right((Ok(found), _)) if found.jwks_uri != url => {
                    let moved = Keys::Gone("the document names another address".to_owned());
                    (moved, Some(Read::Ended(Ok(found))))
                }
                Either::Right((read, asked)) => (asked.await, Some(Read::Ended(read))),
            },
        };
        if matches!((&result, &read), (Keys::Gone(_), None)) {
            let end = clock.now().saturating_add(EXCHANGE);
            read = Some(in_time(&mut pin!(discover()), end).await);
        }
        let mut unread = None;
        match read {
            Some(Read::Ended(Ok(found))) => {
                let moved = found.jwks_uri != document.jwks_uri;
                document = found;
                if moved {
                    let url = document.jwks_uri.clone();
                    result = self.keys(clock, &url, conditions(&url)).await;
                }
            }
            // The address of old may still work.
            Some(Read::Ended(Err(reason))) => unread = Some(Unread::Failed(reason)),
            Some(Read::TooLong) => unread = Some(Unread::TooLong),
            None => {}
        }
        Outcome::of(result, document, unread)
    }

    /// Reads the document of an issuer anew, beside whatever else goes on.
    pub(super) async fn read_document(&self, clock: &MonotonicClock) -> Result<Document, String> {
        match &self.address {
            Address::Issuer(issuer) => discover(issuer, self.transport, &*self.fetch, clock).await,
            Address::JwksUri(_) => Err("no issuer whose document could be read".to_owned()),
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
            status @ (408 | 425 | 429) => Keys::Busy(format!("status {status}")),
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
            unread: None,
            keys_from: None,
        }
    }

    fn of(result: Keys, mut document: Document, unread: Option<Unread>) -> Self {
        document.trust = match &result {
            Keys::Good(_) => Trust::Good,
            Keys::Busy(_) => document.trust,
            Keys::Gone(_) | Keys::Bad(_) => Trust::Doubtful,
        };
        Self {
            answer: result.into_answer(),
            keys_from: Some(document.jwks_uri.clone()),
            document: Some(document),
            unread,
        }
    }
}

/// How the address of the JWKS answered.
enum Keys {
    Good(Answer<KeySet>),
    /// It is not, or no longer, the right address.
    Gone(String),
    Bad(String),
    /// Too slow, too early, too many: it is the right address, and should not be asked for more.
    Busy(String),
}

impl Keys {
    fn into_answer(self) -> Answer<KeySet> {
        match self {
            Self::Good(answer) => answer,
            Self::Gone(reason) | Self::Bad(reason) | Self::Busy(reason) => Answer::Failed(reason),
        }
    }
}

/// Whether the document was read so long ago that it should be read again. Nothing waits for that: the address that it
/// gave still works.
pub(super) fn is_old(document: &Document, now: Duration) -> bool {
    now.saturating_sub(document.read_at) >= DOCUMENT_LIFETIME
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
