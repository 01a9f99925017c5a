//! What rules for operations cost: over a call, where there are none, and over a list.
//!
//! `cargo bench -p mcp-bearer-bench --bench operations`
//!
//! It exits with 1 if a bar is missed. The bars are for a machine on which the bare signature check
//! takes 12.2 us, and grow with that check.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::convert::Infallible;
use std::hint::black_box;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use mcp_bearer::core::{ScopeHierarchy, Scopes};
use mcp_bearer::operation::{
    Answers, Caller, ListFilter, OperationRules, Operations, RequestHeaders,
};
use mcp_bearer::{BearerAuthLayer, TokenCacheSize};
use mcp_bearer_bench::{AUDIENCE, Contender, Subject, call, interleaved, rules};
use serde_json::json;
use tower::{Service, service_fn};

const BARE: &str = "bare signature check";
const HIT: &str = "the layer without operations, a hit";
const NO_RULES: &str = "operations without rules, a hit";
const RULES: &str = "operations with 20 rules, a hit";
const READ: &str = "core: read and judge the call";
const PARSE: &str = "200 tools: parse by the tokenizer";
const FILTER: &str = "200 tools: filter, half of them hidden";
const SHOWN: &str = "200 tools: filter, none hidden";

/// Nanoseconds of the bare check on the machine that the bars are for.
const REFERENCE: f64 = 12_200.0;

fn main() {
    let subject = Subject::rs256();
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    let (call, list, as_request) = (Bytes::from(call()), list(), list_as_request());
    println!("call: {} bytes; list: {} bytes", call.len(), list.len());

    let rules = rules();
    let layer = layer(&subject);
    let mut plain = layer.layer(answering());
    let mut without = layer
        .clone()
        .operations(OperationRules::none())
        .layer(answering());
    let mut with = layer.operations(rules.clone()).layer(answering());
    let headers = headers(&subject);
    let request = || request(&headers, &call);

    let (held, hierarchy) = (
        "mcp:read mcp:write".parse().unwrap(),
        ScopeHierarchy::default(),
    );
    let required: Scopes = "mcp:read".parse().unwrap();
    let caller = Caller::with_scopes(&held, &hierarchy, &required);
    let view = rules.list_view(&caller).unwrap();
    let admin: Scopes = "mcp:read mcp:admin".parse().unwrap();
    let sees_all = rules
        .list_view(&Caller::with_scopes(&admin, &hierarchy, &required))
        .unwrap();
    let filter = |view: &mcp_bearer::operation::ListView| {
        let mut out = Vec::new();
        let mut filter = ListFilter::json(view.clone(), Answers::to_unknown());
        filter.push(&list, &mut out).unwrap();
        filter.finish(&mut out).unwrap();
        out
    };
    assert!(filter(&view).len() < list.len() * 6 / 10);

    let mut contenders = [
        Contender::new(BARE, || bare.verify_sig(&input, &signature).is_ok()),
        Contender::new(HIT, || answered(plain.call(request()).now_or_never())),
        Contender::new(NO_RULES, || {
            answered(without.call(request()).now_or_never())
        }),
        Contender::new(RULES, || answered(with.call(request()).now_or_never())),
        Contender::new(READ, || {
            let operations = Operations::read(&call, &RequestHeaders::default()).unwrap();
            rules.judge(&operations, &caller)
        }),
        Contender::new(PARSE, || {
            Operations::read(&as_request, &RequestHeaders::default()).unwrap()
        }),
        Contender::new(FILTER, || filter(&view)),
        Contender::new(SHOWN, || filter(&sees_all)),
    ];
    let report = interleaved(&mut contenders, 400);
    println!("{report}");

    let nanos = |name| report.nanos(name);
    let scale = nanos(BARE) / REFERENCE;
    let bars = [
        (
            "rules beyond the hit, ns",
            nanos(RULES) - nanos(HIT),
            3000.0 * scale,
        ),
        (
            "no rules beyond the hit, ns",
            nanos(NO_RULES) - nanos(HIT),
            50.0 * scale,
        ),
        (
            "filter, half hidden, to parse",
            nanos(FILTER) / nanos(PARSE),
            2.0,
        ),
        (
            "filter, none hidden, to parse",
            nanos(SHOWN) / nanos(PARSE),
            2.0,
        ),
    ];
    let mut missed = false;
    for (what, value, bar) in bars {
        let word = if value <= bar { "" } else { "  MISSED" };
        println!("{what:<44} {value:>12.2}   bar {bar:>8.2}{word}");
        missed |= value > bar;
    }
    std::process::exit(missed.into());
}

fn tools() -> serde_json::Value {
    let tool = |number: u32| {
        let parity = if number % 2 == 1 { "odd" } else { "even" };
        let text = |about: &str| json!({ "type": "string", "description": about });
        json!({
            "name": format!("tool_{number}_{parity}"),
            "description": "Finds what matches the query, newest first, and returns a page of it.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "query": text("What to look for; words in quotes match exactly"),
                    "after": text("The earliest date, as in RFC 3339"),
                    "limit": { "type": "integer", "minimum": 1, "maximum": 100, "default": 20 },
                    "kind": { "type": "string", "enum": ["report", "invoice", "letter"] },
                },
                "required": ["query"],
            },
        })
    };
    (0..200).map(tool).collect()
}

fn list() -> Bytes {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools() } });
    message.to_string().into()
}

/// The same as a request with those parameters, which the reader of operations takes through the
/// same tokenizer.
fn list_as_request() -> Bytes {
    let params = json!({ "tools": tools() });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "x", "params": params });
    message.to_string().into()
}

fn layer(subject: &Subject) -> BearerAuthLayer<mcp_bearer::http::Resource> {
    let provider = subject
        .provider()
        .with_token_cache(TokenCacheSize::default());
    BearerAuthLayer::new(provider).resource(AUDIENCE).unwrap()
}

fn headers(subject: &Subject) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let token = format!("Bearer {}", subject.token);
    headers.insert("authorization", HeaderValue::from_str(&token).unwrap());
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers
}

fn request(headers: &HeaderMap, body: &Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::post("/mcp").body(Full::new(body.clone())).unwrap();
    *request.headers_mut() = headers.clone();
    request
}

/// A server that does nothing.
fn answering<B: Body>() -> impl Service<
    Request<B>,
    Response = Response<Empty<Bytes>>,
    Error = Infallible,
    Future: Future<Output = Result<Response<Empty<Bytes>>, Infallible>>,
> + Clone {
    service_fn(|request: Request<B>| async move {
        black_box(request);
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    })
}

fn answered<R>(answer: Option<Result<Response<R>, Infallible>>) -> Response<R> {
    let answer = answer.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    answer
}
