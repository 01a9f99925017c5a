//! One attempt to get the keys: discovery if needed, then the JWKS.
//!
//! The conditions of one address are never sent to another.

use std::pin::pin;

use futures_util::future::{Either, select};
use mcp_bearer_core::{KeySet, Limits};
use url::Url;

use super::discovery::{Document, Trust, discover};
use crate::keys::fetch::address::AddressRules;
use crate::keys::fetch::{EXCHANGE, Exchanger, FetchRequest, FetchResponse};
use crate::keys::freshness::{CacheHeaders, Lifetimes, Validators};
use crate::keys::rejected_body::RefusedAnswer;
use crate::keys::rotation::FetchResult;
use crate::keys::snapshot::sha256;
use crate::keys::withdrawal_of_all::not_taken;

/// Where the keys of a source come from, and how they are requested.
pub(super) struct Origin {
    pub(super) address: Address,
    pub(super) rules: AddressRules,
    pub(super) lifetimes: Lifetimes,
    pub(super) exchanger: Exchanger,
}

pub(super) enum Address {
    JwksUri(Url),
    /// The issuer exactly as configured.
    Issuer(String),
}

/// Where the keys were last found. A new task resumes from it.
#[derive(Clone, Default)]
pub(super) struct Location {
    pub(super) document: Option<Document>,
    /// The address that the held set, and so its validators, came from.
    pub(super) keys_from: Option<Url>,
}

/// How an attempt ended.
pub(super) struct Outcome {
    pub(super) result: FetchResult,
    pub(super) location: Location,
    /// Why the document was not read, if that was tried.
    pub(super) unread: Option<Unread>,
    /// What the address of the JWKS answered, whether or not it is taken.
    pub(super) text: Option<RefusedAnswer>,
}

/// Why a document was not read.
pub(super) enum Unread {
    Failed(String),
    /// It takes longer than an attempt waits for it.
    TooLong,
}

/// How the address of the JWKS answered.
struct JwksAnswer {
    result: FetchResult,
    verdict: Verdict,
    text: Option<RefusedAnswer>,
}

/// What an answer shows about the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    /// It is not the right address, or no longer.
    Gone,
    Doubtful,
    /// It is the right address, but must not get more requests now: it is too slow, or asked to
    /// wait.
    Busy,
}

/// One attempt: what it requests, and the conditions it may send.
struct Attempt<'a> {
    origin: &'a Origin,
    validators: Validators,
    keys_from: Option<Url>,
}

impl Origin {
    /// Makes one attempt. `validators` are those of the held set.
    pub(super) async fn attempt(&self, validators: Validators, known: Location) -> Outcome {
        let attempt = Attempt {
            origin: self,
            validators,
            keys_from: known.keys_from,
        };
        match (&self.address, known.document) {
            (Address::JwksUri(url), _) => {
                let answer = attempt.ask(url).await;
                Outcome {
                    result: answer.result,
                    location: Location {
                        document: None,
                        keys_from: Some(url.clone()),
                    },
                    unread: None,
                    text: answer.text,
                }
            }
            (Address::Issuer(_), None) => attempt.read_then_ask().await,
            (Address::Issuer(_), Some(document)) => match document.trust {
                Trust::Good => attempt.ask_then_read(document).await,
                Trust::Doubtful => attempt.ask_and_read(document).await,
            },
        }
    }

    /// Reads the issuer's document.
    pub(super) async fn read_document(&self) -> Result<Document, String> {
        match &self.address {
            Address::Issuer(issuer) => discover(issuer, self.rules, &self.exchanger).await,
            Address::JwksUri(_) => Err("no issuer whose document could be read".to_owned()),
        }
    }
}

impl Attempt<'_> {
    /// No document is known: it must be read first.
    async fn read_then_ask(&self) -> Outcome {
        match self.origin.read_document().await {
            Ok(document) => {
                let answer = self.ask(&document.jwks_uri).await;
                Outcome::of(answer, document, None)
            }
            Err(reason) => Outcome::failed(reason),
        }
    }

    /// The known address worked last time: the document is read only if the address is gone.
    async fn ask_then_read(&self, known: Document) -> Outcome {
        let answer = self.ask(&known.jwks_uri).await;
        if answer.verdict != Verdict::Gone {
            return Outcome::of(answer, known, None);
        }
        let read = self.read_within_an_exchange().await;
        self.follow(known, answer, read).await
    }

    /// The known address failed last time: the document is read at the same time. Either may hang,
    /// so a good answer does not wait for the document, nor a new address for the old one.
    async fn ask_and_read(&self, known: Document) -> Outcome {
        let url = known.jwks_uri.clone();
        let (answer, read) = {
            let asking = pin!(self.ask(&url));
            let reading = pin!(self.read_within_an_exchange());
            match select(asking, reading).await {
                Either::Left((answer, _)) if answer.verdict == Verdict::Right => {
                    return Outcome::of(answer, known, None);
                }
                Either::Left((answer, reading)) => (answer, reading.await),
                Either::Right((Ok(found), _)) if found.jwks_uri != url => {
                    let moved = "the document names another address";
                    (
                        JwksAnswer::failed(Verdict::Gone, moved.to_owned()),
                        Ok(found),
                    )
                }
                Either::Right((read, asking)) => (asking.await, read),
            }
        };
        self.follow(known, answer, read).await
    }

    /// Requests the address in a document that was just read, if that is another one.
    async fn follow(
        &self,
        known: Document,
        answer: JwksAnswer,
        read: Result<Document, Unread>,
    ) -> Outcome {
        match read {
            Ok(found) if found.jwks_uri != known.jwks_uri => {
                let before = answer.text;
                let mut answer = self.ask(&found.jwks_uri).await;
                answer.text = answer.text.or(before);
                Outcome::of(answer, found, None)
            }
            Ok(found) => Outcome::of(answer, found, None),
            // The known address may still work.
            Err(unread) => Outcome::of(answer, known, Some(unread)),
        }
    }

    /// The three addresses of a document may hang one after the other: an attempt waits for only
    /// one.
    async fn read_within_an_exchange(&self) -> Result<Document, Unread> {
        let end = self.origin.exchanger.clock.now().saturating_add(EXCHANGE);
        tokio::select! {
            read = self.origin.read_document() => read.map_err(Unread::Failed),
            () = self.origin.exchanger.clock.sleep_until(end) => Err(Unread::TooLong),
        }
    }

    /// Asks an address for the JWKS.
    async fn ask(&self, url: &Url) -> JwksAnswer {
        let mut request = FetchRequest::new(url.to_string(), Limits::JWKS_BYTES);
        let conditional = self.keys_from.as_ref() == Some(url) && !self.validators.is_empty();
        if conditional {
            request.if_none_match.clone_from(&self.validators.etag);
            request
                .if_modified_since
                .clone_from(&self.validators.last_modified);
        }
        let answer = match self.origin.exchanger.exchange(request).await {
            Ok(answer) => answer,
            Err(error) => return JwksAnswer::failed(Verdict::Doubtful, error.to_string()),
        };
        let headers = CacheHeaders {
            cache_control: answer.header("cache-control"),
            age: answer.header("age"),
            etag: answer.header("etag"),
            last_modified: answer.header("last-modified"),
        };
        let text = RefusedAnswer::new(answer.body());
        let failed = JwksAnswer::failed;
        let judged = match answer.status() {
            200 => match parse(&answer) {
                Ok(set) => JwksAnswer {
                    // The keys may have moved and left an empty set behind.
                    verdict: match set.is_empty() {
                        true => Verdict::Doubtful,
                        false => Verdict::Right,
                    },
                    result: FetchResult::Set {
                        set,
                        digest: sha256(answer.body()),
                        headers,
                    },
                    text: None,
                },
                Err(reason) => failed(Verdict::Doubtful, reason),
            },
            304 if conditional => JwksAnswer {
                result: FetchResult::NotModified(headers),
                verdict: Verdict::Right,
                text: None,
            },
            304 => failed(
                Verdict::Doubtful,
                "status 304 to an unconditional request".to_owned(),
            ),
            status @ 300..=399 => failed(
                Verdict::Gone,
                format!(
                    "status {status}: redirects are not followed; configure the address itself"
                ),
            ),
            status @ (408 | 425 | 429) => failed(Verdict::Busy, format!("status {status}")),
            status @ 400..=499 => failed(Verdict::Gone, format!("status {status}")),
            status => failed(Verdict::Doubtful, format!("status {status}")),
        };
        JwksAnswer {
            text: Some(text),
            ..judged
        }
    }
}

impl Outcome {
    pub(super) fn failed(reason: String) -> Self {
        Self {
            result: FetchResult::Failed(reason),
            location: Location::default(),
            unread: None,
            text: None,
        }
    }

    fn of(answer: JwksAnswer, mut document: Document, unread: Option<Unread>) -> Self {
        document.trust = match answer.verdict {
            Verdict::Right => Trust::Good,
            Verdict::Busy => document.trust,
            Verdict::Gone | Verdict::Doubtful => Trust::Doubtful,
        };
        Self {
            result: answer.result,
            location: Location {
                keys_from: Some(document.jwks_uri.clone()),
                document: Some(document),
            },
            unread,
            text: answer.text,
        }
    }
}

impl JwksAnswer {
    fn failed(verdict: Verdict, reason: String) -> Self {
        Self {
            result: FetchResult::Failed(reason),
            verdict,
            text: None,
        }
    }
}

/// A set with a usable key, or one that withdraws every key.
fn parse(answer: &FetchResponse) -> Result<KeySet, String> {
    let text = std::str::from_utf8(answer.body()).map_err(|_| "the answer is not UTF-8")?;
    let set = KeySet::from_jwks_json(text)
        .map_err(|error| format!("the answer is not a JWK Set: {error}"))?;
    if set.is_empty() && !set.is_withdrawal() {
        return Err(not_taken(&set));
    }
    Ok(set)
}
