//! The status page: issuers and their keys, the last hour, the latest denials, and a token
//! explained.
//!
//! Everything but the form for the secret needs a session. No script is needed to read it, nothing
//! is loaded from elsewhere, and every value is a text node.

mod advice;
mod explain_token;
mod issuers;
mod origin_checks;
mod page;
mod plot;
mod secret;
mod sessions;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use maud::Markup;
use mcp_bearer::core::Rejection;
use mcp_bearer::explain::{Explanation, Step};
use tokio::net::TcpListener;
use url::form_urlencoded;
use zeroize::Zeroizing;

use self::origin_checks::Refused;
use self::secret::{Secret, is_same};
use self::sessions::{COOKIE, Entry, LIFETIME, Sessions};
use crate::config::AdminSettings;
use crate::decision::now;
use crate::observers::Observers;
use crate::own_server::{self, Answer, CurrentProvider, answer, method_not_allowed, text};

const STYLE: &str = include_str!("admin/style.css");
const SCRIPT: &str = include_str!("admin/script.js");

/// Only our own stylesheet and script, and forms that go back to us. Nothing else is loaded, framed
/// or sent.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// A token of the greatest length, each byte escaped, and the rest of the form.
const FORM_BYTES: usize = 64 * 1024;
const FORM_TIME: Duration = Duration::from_secs(10);

/// The status page.
pub(crate) struct Admin {
    observers: Arc<Observers>,
    provider: CurrentProvider,
    sessions: Sessions,
}

impl Admin {
    /// Reads the secret, or makes one.
    ///
    /// # Errors
    /// When the file of the secret cannot be used, with the reason.
    pub(crate) fn new(
        settings: &AdminSettings,
        observers: Arc<Observers>,
        provider: CurrentProvider,
    ) -> Result<Self, String> {
        let secret = Secret::open(&settings.secret_file)?;
        Ok(Self {
            observers,
            provider,
            sessions: Sessions::new(secret),
        })
    }

    async fn answer<B>(&self, request: Request<B>, peer: SocketAddr) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut answer = match origin_checks::check(&request) {
            Ok(()) => self.route(request, peer).await,
            Err(Refused::Host) => text(
                StatusCode::MISDIRECTED_REQUEST,
                "open this page by an IP address or localhost\n",
            ),
            Err(Refused::Origin) => {
                text(StatusCode::FORBIDDEN, "this form came from another site\n")
            }
        };
        protect(answer.headers_mut());
        answer
    }

    async fn route<B>(&self, request: Request<B>, peer: SocketAddr) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let session = origin_checks::session_id(&parts.headers);
        match parts.uri.path() {
            "/style.css" if reads => answer(StatusCode::OK, "text/css; charset=utf-8", STYLE),
            "/script.js" if reads => {
                answer(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT)
            }
            "/" if reads => match self.csrf(session) {
                Some(csrf) => html(StatusCode::OK, page::status(&self.status(csrf))),
                None => html(StatusCode::OK, page::sign_in(None)),
            },
            "/keys" if reads => self.keys(&parts.headers, peer),
            "/sign-in" if parts.method == Method::POST => {
                let form = Form::read(&parts.headers, body).await;
                form.map_or_else(|refused| refused, |form| self.sign_in(&form, peer))
            }
            "/sign-out" | "/explain" if parts.method == Method::POST => {
                // Without a session the body is not even read.
                let (Some(id), Some(csrf)) = (session, self.csrf(session)) else {
                    return see("/");
                };
                match Form::read(&parts.headers, body).await {
                    Err(refused) => refused,
                    Ok(form) if !is_same(form.get("csrf").as_bytes(), csrf.as_bytes()) => {
                        let what = "The form is not from this session. Go back, reload the page and try again.";
                        html(StatusCode::FORBIDDEN, page::refusal("Not accepted", what))
                    }
                    Ok(_) if parts.uri.path() == "/sign-out" => self.sign_out(id),
                    Ok(form) => self.explain(&form.get("token"), &csrf).await,
                }
            }
            "/" | "/keys" | "/style.css" | "/script.js" => method_not_allowed("GET, HEAD"),
            "/sign-in" | "/sign-out" | "/explain" if reads => see("/"),
            "/sign-in" | "/sign-out" | "/explain" => method_not_allowed("POST"),
            _ => text(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    fn csrf(&self, session: Option<&str>) -> Option<String> {
        self.sessions.csrf(session?, Instant::now())
    }

    fn status(&self, csrf: String) -> page::Status {
        let now = now();
        let (connections, streams) = self.observers.metrics.active();
        page::Status {
            now,
            issuers: issuers::of(&(self.provider)()),
            hour: self.observers.last_hour(now),
            denials: self.observers.latest_denials(),
            may_serve: self.observers.may_serve(),
            connections,
            streams,
            csrf,
        }
    }

    /// For people with a session, and for programs with the secret in `Authorization`.
    fn keys(&self, headers: &HeaderMap, peer: SocketAddr) -> Answer {
        if self.csrf(origin_checks::session_id(headers)).is_none() {
            let Some(entry) = origin_checks::bearer(headers) else {
                return unauthorized("the secret of the status page is needed\n");
            };
            match self.check(entry, peer) {
                Entry::Right => {}
                Entry::Wrong => return unauthorized("this is not the secret of the status page\n"),
                Entry::Later(after) => {
                    return later(text(TOO_MANY, "too many wrong entries\n"), after);
                }
            }
        }
        let issuers = serde_json::json!({ "issuers": issuers::of(&(self.provider)()) });
        answer(StatusCode::OK, "application/json", issuers.to_string())
    }

    fn sign_in(&self, form: &Form, peer: SocketAddr) -> Answer {
        match self.check(&form.get("secret"), peer) {
            Entry::Right => {}
            Entry::Wrong => {
                let fault = "This is not the secret.";
                return html(StatusCode::FORBIDDEN, page::sign_in(Some(fault)));
            }
            Entry::Later(after) => {
                let fault = "There were too many wrong entries. Try again in a minute.";
                return later(html(TOO_MANY, page::sign_in(Some(fault))), after);
            }
        }
        match self.sessions.start(Instant::now()) {
            Ok(id) => with_cookie(see("/"), &id, LIFETIME),
            Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")),
        }
    }

    fn check(&self, entry: &str, peer: SocketAddr) -> Entry {
        let checked = self.sessions.check(entry, Instant::now());
        if checked != Entry::Right {
            let peer = peer.ip();
            tracing::warn!(target: "mcp_bearer::admin", %peer, "wrong secret for the status page");
        }
        checked
    }

    fn sign_out(&self, id: &str) -> Answer {
        self.sessions.end(id);
        with_cookie(see("/"), "", Duration::ZERO)
    }

    async fn explain(&self, pasted: &str, csrf: &str) -> Answer {
        let token = token_in(pasted);
        let limit = (self.provider)().limits().token_bytes;
        let explanation = if token.len() > limit {
            let rejection = Rejection::token_too_large(token.len(), limit);
            Explanation::refused(Step::Length, rejection)
        } else {
            (self.provider)().explain_token(token).await
        };
        html(StatusCode::OK, explain_token::explained(&explanation, csrf))
    }
}

const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// What is wrong with the file of the secret.
pub(crate) fn problem_of_secret(file: &Path) -> Option<String> {
    secret::problem(file)
}

/// Serves the status page until `shutdown` ends.
pub(crate) async fn serve(
    listener: TcpListener,
    admin: Arc<Admin>,
    shutdown: impl Future<Output = ()>,
) {
    let answer = move |request, peer| {
        let admin = Arc::clone(&admin);
        async move { admin.answer(request, peer).await }
    };
    own_server::serve(listener, answer, shutdown).await;
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// A submitted form. It holds secrets, so it is wiped.
struct Form(Zeroizing<Vec<u8>>);

impl Form {
    async fn read<B>(headers: &HeaderMap, body: B) -> Result<Self, Answer>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind
            .and_then(|kind| kind.split(';').next())
            .unwrap_or_default();
        if !kind
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        {
            return Err(text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a form is needed\n",
            ));
        }
        let read = Limited::new(body, FORM_BYTES).collect();
        match tokio::time::timeout(FORM_TIME, read).await {
            Ok(Ok(read)) => Ok(Self(Zeroizing::new(read.to_bytes().to_vec()))),
            Ok(Err(_)) => {
                let what = "The form is larger than 64 KiB, and no token is.";
                Err(html(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    page::refusal("Too large", what),
                ))
            }
            Err(_) => Err(text(
                StatusCode::REQUEST_TIMEOUT,
                "the form did not arrive in time\n",
            )),
        }
    }

    /// The first value of a field; empty if there is none.
    fn get(&self, name: &str) -> Zeroizing<String> {
        let mut pairs = form_urlencoded::parse(&self.0);
        let found = pairs.find(|(other, _)| other == name);
        Zeroizing::new(
            found
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default(),
        )
    }
}

/// The token in what people paste: with the name of the header and the scheme, or without.
fn token_in(pasted: &str) -> &str {
    let mut rest = pasted.trim();
    for prefix in ["authorization:", "bearer "] {
        let start = rest.get(..prefix.len());
        if start.is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            rest = rest.get(prefix.len()..).unwrap_or_default().trim_start();
        }
    }
    rest.trim_matches(['"', '\''])
}

fn html(status: StatusCode, page: Markup) -> Answer {
    answer(status, "text/html; charset=utf-8", page.into_string())
}

fn see(path: &'static str) -> Answer {
    let mut answer = text(StatusCode::SEE_OTHER, "");
    answer
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static(path));
    answer
}

fn unauthorized(what: &'static str) -> Answer {
    let mut answer = text(StatusCode::UNAUTHORIZED, what);
    let challenge = HeaderValue::from_static("Bearer realm=\"status\"");
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

fn later(mut answer: Answer, after: Duration) -> Answer {
    let seconds = HeaderValue::from(after.as_secs().max(1));
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    answer
}

fn with_cookie(mut answer: Answer, id: &str, lifetime: Duration) -> Answer {
    let seconds = lifetime.as_secs();
    let cookie = format!("{COOKIE}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    // It is ASCII, so it always is a header.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

fn protect(headers: &mut HeaderMap) {
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    // `no-referrer` would make browsers send forms with `Origin: null`.
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(
        header::HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
}
