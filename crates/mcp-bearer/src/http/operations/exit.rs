//! How the inner service's answer is changed: its session and event ids are bound, and its lists
//! are filtered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, Entry};
use ::http::response::Parts;
use ::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use http_body::Body;
use mcp_bearer_core::operation::{Answers, ListFilter, ListView, RpcAnswer};

use super::entry::SESSION_ID;
use super::judging::Judging;
use super::refusal::{self, Reason};
use super::response_body::OperationsBody;
use crate::AccessToken;
use crate::http::session::{Principal, Tag};

/// What must be known about a request when its answer comes.
pub(super) struct Exchange {
    pub(super) judging: Arc<Judging>,
    /// `None` if the caller has no token.
    pub(super) access: Option<AccessToken>,
    /// Whether the protocol version of the request has sessions.
    pub(super) has_sessions: bool,
    /// Boxed, because requests without it are moved faster.
    pub(super) asked: Option<Box<Asked>>,
}

/// What a request asks for. The default is what a request without a session asks for if nothing is
/// hidden and its body was not read.
pub(super) struct Asked {
    /// The server's id of the session that the request names.
    pub(super) session: Option<String>,
    /// What the caller sees in lists, if anything is hidden from any caller.
    pub(super) view: Option<ListView>,
    pub(super) answers: Answers,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            session: None,
            view: None,
            answers: Answers::to_unknown(),
        }
    }
}

/// An answer on its way to the client.
pub(super) enum Leaving<R> {
    Done(Response<OperationsBody<R>>),
    /// It is held until it is complete, or known not to be a list.
    Held(Box<Held<R>>),
}

/// An answer that may not pass as it is.
pub(super) struct Change {
    outline: Outline,
    /// The server's id of the session that the answer begins.
    begun: Option<String>,
}

pub(super) struct Held<R> {
    /// Taken when the answer is ready.
    parts: Option<Parts>,
    body: Option<Pin<Box<R>>>,
    filter: Option<ListFilter>,
    out: Vec<u8>,
    trailers: Option<HeaderMap>,
}

/// The type of an answer, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Json,
    Events,
    Other,
}

impl Exchange {
    pub(super) fn principal(&self) -> Option<Principal<'_>> {
        match &self.access {
            Some(access) => Principal::of(access),
            None => Some(Principal::Anonymous),
        }
    }

    /// Binds the session id of an answer, and says what else is to be done with it: nothing for
    /// most answers.
    #[inline]
    pub(super) fn look(&self, headers: &mut HeaderMap) -> Option<Change> {
        let outline = Outline::of(headers);
        let begun = if outline.has_session {
            self.leave_session(headers)
        } else {
            None
        };
        let has_view = self
            .asked
            .as_ref()
            .is_some_and(|asked| asked.view.is_some());
        (has_view || outline.kind == Type::Events).then_some(Change { outline, begun })
    }

    /// Changes an answer.
    pub(super) fn change<R: Body<Data = Bytes>>(
        mut self,
        change: Change,
        response: Response<R>,
    ) -> Leaving<R> {
        let Outline {
            kind, is_encoded, ..
        } = change.outline;
        let Asked {
            session,
            view,
            answers,
        } = self.asked.take().map(|asked| *asked).unwrap_or_default();
        let (parts, body) = response.into_parts();
        let session = change.begun.or(session);
        let is_empty = body.is_end_stream();
        let Some(view) = view else {
            return Leaving::Done(if is_encoded {
                Response::from_parts(parts, OperationsBody::inner(body))
            } else {
                self.stream(parts, body, None, answers, session.as_deref())
            });
        };
        let must_be_read = answers.has_list() && parts.status.is_success() && !is_empty;
        match kind {
            Type::Json | Type::Events if is_encoded && !is_empty => {
                Leaving::Done(unreadable("the server's answer is encoded"))
            }
            Type::Events => {
                let session = session.as_deref();
                Leaving::Done(self.stream(parts, body, Some(view), answers, session))
            }
            Type::Json if is_empty => {
                Leaving::Done(Response::from_parts(parts, OperationsBody::inner(body)))
            }
            Type::Json => Leaving::Held(Box::new(Held {
                parts: Some(parts),
                body: Some(Box::pin(body)),
                filter: Some(ListFilter::json(view, answers)),
                out: Vec::new(),
                trailers: None,
            })),
            Type::Other if must_be_read => {
                Leaving::Done(unreadable("the server's answer is neither JSON nor events"))
            }
            Type::Other => Leaving::Done(Response::from_parts(parts, OperationsBody::inner(body))),
        }
    }

    /// Binds the session id of an answer to the caller; returns the server's own.
    fn leave_session(&self, headers: &mut HeaderMap) -> Option<String> {
        let Entry::Occupied(mut ids) = headers.entry(SESSION_ID) else {
            return None;
        };
        let own = ids.get().to_str().map(ToOwned::to_owned);
        let is_one = ids.iter().count() == 1;
        let principal = self.principal();
        if principal.is_none() {
            self.judging.settings.warn_of_nobody();
        }
        let bound = own
            .as_ref()
            .ok()
            .filter(|_| is_one && self.has_sessions)
            .zip(self.judging.settings.binding.as_ref().zip(principal))
            .and_then(|(id, (binding, principal))| binding.bind_session(principal, id))
            .and_then(|bound| HeaderValue::try_from(bound).ok());
        let Some(bound) = bound else {
            ids.remove_entry_mult();
            return None;
        };
        ids.insert(bound);
        own.ok()
    }

    fn stream<R>(
        &self,
        mut parts: Parts,
        body: R,
        view: Option<ListView>,
        answers: Answers,
        session: Option<&str>,
    ) -> Response<OperationsBody<R>> {
        let tag: Option<Tag> = self
            .judging
            .settings
            .binding
            .as_ref()
            .zip(self.principal())
            .and_then(|(binding, principal)| binding.event_tag(principal, session));
        if view.is_some() {
            keep_from_shared_caches(&mut parts.headers);
        }
        parts.headers.remove(CONTENT_LENGTH);
        let filter = ListFilter::events(view, answers)
            .with_event_ids(move |id| tag.as_ref().map(|tag| tag.of(id)));
        let body = OperationsBody::filtered(filter, Vec::new(), Box::pin(body));
        Response::from_parts(parts, body)
    }
}

impl<R: Body<Data = Bytes>> Held<R> {
    /// The answer, once it is known what the caller may see of it. It must not be polled again
    /// after that.
    pub(super) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Response<OperationsBody<R>>> {
        loop {
            let (Some(body), Some(filter)) = (&mut self.body, &mut self.filter) else {
                return Poll::Ready(unreadable("the server's answer was taken"));
            };
            let filtered = match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => filter.push(&data, &mut self.out),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        continue;
                    }
                },
                Some(Err(_)) => {
                    return Poll::Ready(unreadable("the server's answer broke off"));
                }
                None => match filter.finish(&mut self.out) {
                    Ok(()) => return Poll::Ready(self.complete()),
                    Err(fault) => Err(fault),
                },
            };
            if let Err(fault) = filtered {
                let answer = refusal::bad_answer(&fault);
                return Poll::Ready(answer.map(OperationsBody::answer));
            }
            if !self.out.is_empty() {
                return Poll::Ready(self.go_on());
            }
        }
    }

    /// It is not a list, or not yet: the rest passes as it comes.
    fn go_on(&mut self) -> Response<OperationsBody<R>> {
        let out = std::mem::take(&mut self.out);
        match (self.parts.take(), self.body.take(), self.filter.take()) {
            (Some(parts), Some(body), Some(filter)) => {
                let body = OperationsBody::filtered(filter, out, body);
                Response::from_parts(parts, body)
            }
            _ => unreadable("the server's answer was taken"),
        }
    }

    fn complete(&mut self) -> Response<OperationsBody<R>> {
        let Some(mut parts) = self.parts.take() else {
            return unreadable("the server's answer was taken");
        };
        let out = std::mem::take(&mut self.out);
        keep_from_shared_caches(&mut parts.headers);
        if parts.headers.remove(CONTENT_LENGTH).is_some() {
            parts
                .headers
                .insert(CONTENT_LENGTH, HeaderValue::from(out.len()));
        }
        let body = OperationsBody::whole(out, self.trailers.take());
        Response::from_parts(parts, body)
    }
}

/// What the headers of every answer are asked for. One pass over the names costs less than a search
/// for each.
struct Outline {
    kind: Type,
    is_encoded: bool,
    has_session: bool,
}

impl Outline {
    fn of(headers: &HeaderMap) -> Self {
        let (mut kind, mut is_encoded, mut has_session) = (None, false, false);
        for (name, value) in headers {
            if *name == CONTENT_TYPE {
                // Of several values, the first one counts, as with `get`.
                kind.get_or_insert_with(|| Type::of(value));
            }
            is_encoded |= *name == CONTENT_ENCODING;
            has_session |= *name == SESSION_ID;
        }
        Self {
            kind: kind.unwrap_or(Type::Other),
            is_encoded,
            has_session,
        }
    }
}

impl Type {
    fn of(value: &HeaderValue) -> Self {
        // Bytes, because a text would be checked to be one, and every answer is asked.
        let mut parts = value.as_bytes().split(|byte| *byte == b';');
        match parts.next().unwrap_or_default().trim_ascii() {
            json if json.eq_ignore_ascii_case(b"application/json") => Self::Json,
            events if events.eq_ignore_ascii_case(b"text/event-stream") => Self::Events,
            _ => Self::Other,
        }
    }
}

/// A list that was filtered for one caller is for that caller only.
fn keep_from_shared_caches(headers: &mut HeaderMap) {
    headers.remove(ETAG);
    let is_kept = |value: &HeaderValue| {
        let directives = value.to_str().unwrap_or_default().split(',');
        directives
            .map(str::trim)
            .any(|one| one.eq_ignore_ascii_case("no-store") || one.eq_ignore_ascii_case("private"))
    };
    if !headers.get_all(CACHE_CONTROL).iter().any(is_kept) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

fn unreadable<R>(why: &str) -> Response<OperationsBody<R>> {
    let answer = RpcAnswer::of_transport(502, why);
    refusal::refuse(Reason::Answer, &answer, None).map(OperationsBody::answer)
}
