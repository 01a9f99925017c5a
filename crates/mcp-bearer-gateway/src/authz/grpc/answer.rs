//! Writes the answer to Envoy.

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption,
    HttpResponse, HttpStatus, OkHttpResponse,
};
use envoy_types::pb::google::rpc;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use tonic::Code;

use crate::authz::judge::{Judge, Verdict};
use crate::fields;

pub(super) fn of(verdict: Verdict, foreign: Vec<String>) -> CheckResponse {
    match verdict {
        Verdict::Allowed(identity) => CheckResponse {
            status: status(Code::Ok),
            http_response: Some(HttpResponse::OkResponse(OkHttpResponse {
                headers: options(&identity),
                headers_to_remove: foreign,
                ..OkHttpResponse::default()
            })),
            ..CheckResponse::default()
        },
        Verdict::Denied(answer) => {
            let (parts, body) = answer.into_parts();
            let body = futures_util::FutureExt::now_or_never(body.collect());
            let body = body.and_then(Result::ok).map(Collected::to_bytes);
            denied(&Response::from_parts(parts, body.unwrap_or_default()))
        }
    }
}

/// An answer for the client, whatever its status: Envoy forwards nothing.
pub(super) fn denied(answer: &Response<Bytes>) -> CheckResponse {
    let code = match answer.status() {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::PermissionDenied,
    };
    CheckResponse {
        status: status(code),
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus {
                code: i32::from(answer.status().as_u16()),
            }),
            headers: options(answer.headers()),
            body: String::from_utf8_lossy(answer.body()).into_owned(),
        })),
        ..CheckResponse::default()
    }
}

/// The client's headers that the server must not get: the token, and what looks like ours.
pub(super) fn foreign(headers: &HeaderMap, judge: &Judge) -> Vec<String> {
    let mut foreign = vec![judge.credential().as_str().to_owned()];
    let own = judge.identity();
    let found = headers.keys().filter(|name| {
        // Envoy writes `X-Forwarded-*` itself, and ours replace those of the same name.
        let spelt = !own.contains(name) && fields::is_spelt_like_ours(name, own);
        spelt && (name.as_str().contains('_') || !name.as_str().starts_with("x-forwarded-"))
    });
    let others = found.filter(|name| *name != judge.credential());
    foreign.extend(others.map(|name| name.as_str().to_owned()));
    foreign
}

fn options(headers: &HeaderMap) -> Vec<HeaderValueOption> {
    let all = headers.iter().filter(|(name, _)| **name != CONTENT_LENGTH);
    all.map(|(name, value)| option(name, value)).collect()
}

fn option(name: &HeaderName, value: &http::HeaderValue) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.as_str().to_owned(),
            value: value.to_str().unwrap_or_default().to_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        // An empty one replaces the client's, too.
        keep_empty_value: true,
        ..HeaderValueOption::default()
    }
}

fn status(code: Code) -> Option<rpc::Status> {
    Some(rpc::Status {
        code: i32::from(code),
        ..rpc::Status::default()
    })
}
