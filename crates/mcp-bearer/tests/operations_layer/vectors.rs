//! The cases under `vectors/operations/`, through the layer.

use http::{HeaderValue, Method, Request};
use mcp_bearer::operation::{
    AnonymousSees, HiddenAnswer, OperationRules, OperationRulesDraft, RuleDraft, Tasks, Unmatched,
};
use mcp_bearer_testkit::vectors::operations::{
    self, Expect, Format, Headers, ListExpect, RequestCase, Rules,
};

use crate::support::{LIST, Pieces, Server, ask, auth, post, token, typed};

fn rules_of(rules: &Rules) -> OperationRules {
    let mut draft = OperationRulesDraft::default();
    draft.unmatched = rules.unmatched.as_deref().map(|word| match word {
        "allow" => Unmatched::Allow,
        _ => Unmatched::Deny,
    });
    if rules.tasks_are_bound {
        draft.tasks = Tasks::BoundByServer;
    }
    if rules.hidden_is_challenged {
        draft.hidden = HiddenAnswer::Challenge;
    }
    if rules.anonymous_sees_all {
        draft.anonymous_sees = AnonymousSees::All;
    }
    for rule in &rules.rules {
        let mut one = RuleDraft::new(&rule.method);
        if !rule.scopes.is_empty() {
            one = one.scopes(&rule.scopes);
        }
        one.name.clone_from(&rule.name);
        one.hide = rule.hide;
        one.anonymous = rule.anonymous;
        draft.rules.push(one);
    }
    draft.check().unwrap()
}

fn request(case: &RequestCase, session: Option<&str>) -> Request<Pieces> {
    let body = case.body.to_vec();
    let scopes = case.caller.scopes.as_deref().unwrap_or_default();
    let mut request = post(&token(scopes), Pieces::cut(&body, 5));
    let headers = request.headers_mut();
    if case.caller.scopes.is_none() {
        headers.remove("authorization");
    }
    for (name, values) in [
        ("mcp-protocol-version", &case.headers.protocol_version),
        ("mcp-method", &case.headers.method),
        ("mcp-name", &case.headers.name),
    ] {
        for value in Headers::bytes(values) {
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
    }
    if let Some(session) = session {
        headers.insert("mcp-session-id", session.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn every_request_has_its_answer_and_only_those_that_are_allowed_reach_the_server() {
    let mut seen = 0;
    for file in operations::requests() {
        let rules = rules_of(&file.rules);
        for case in &file.cases {
            // Implied scopes belong to the policy.
            if !case.caller.implies.is_empty() {
                continue;
            }
            let required: Vec<&str> = case.caller.required.split_whitespace().collect();
            let server = Server::new(|_| {
                let mut response = typed("application/json", r#"{"result":{"content":[]}}"#);
                response
                    .headers_mut()
                    .insert("mcp-session-id", "s".parse().unwrap());
                response
            });
            let service = auth(&required)
                .operations(rules.clone())
                .layer(server.clone());
            let mut session = None;
            if case.caller.in_bound_session {
                let mut get = post(&token(case.caller.scopes.as_deref().unwrap()), "");
                *get.method_mut() = Method::GET;
                *get.body_mut() = Pieces::default();
                let answer = ask(service.clone(), get).await;
                session = answer.header("mcp-session-id").map(ToOwned::to_owned);
                server.last();
            }
            let answer = ask(service, request(case, session.as_deref())).await;
            let label = format!("{}: {}: {answer:?}", file.path, case.name);
            let is_open = case.caller.scopes.is_some() || rules.has_anonymous();
            let (status, challenge) = match &case.expect {
                _ if !is_open => (401, None),
                Expect::Allowed => (200, None),
                Expect::NeedsToken(_) => (401, None),
                Expect::NeedsScopes { challenge, .. } => (403, Some(challenge)),
                Expect::Refused(expected)
                | Expect::Hidden(expected)
                | Expect::BadRequest(expected) => {
                    let first = answer.json();
                    let first = first.get(0).unwrap_or(&first);
                    assert_eq!(first["error"]["code"], expected.code, "{label}");
                    let id = first.get("id").map(ToString::to_string);
                    assert_eq!(id, expected.id, "{label}");
                    (expected.status, None)
                }
            };
            assert_eq!(answer.status, status, "{label}");
            if let Some(scopes) = challenge {
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(
                    challenge.contains(&format!("scope=\"{scopes}\"")),
                    "{label}"
                );
            }
            let allowed = is_open && case.expect == Expect::Allowed;
            assert_eq!(server.calls(), usize::from(allowed), "{label}");
            if allowed {
                assert_eq!(server.last().body, case.body.to_vec(), "{label}");
            }
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen}");
}

#[tokio::test]
async fn every_list_comes_out_as_written() {
    let mut seen = 0;
    for file in operations::lists() {
        let rules = rules_of(&file.rules);
        for case in &file.cases {
            // The limit is the layer's own, and so are the tags of ids. Callers without a token
            // only POST.
            if case.limit.is_some() || case.ids_are_tagged {
                continue;
            }
            let Some(scopes) = case.caller.scopes.as_deref() else {
                continue;
            };
            let input = case.input.to_vec();
            let has_ids = String::from_utf8_lossy(&input).contains("id:");
            let kind = match case.format {
                Format::Json => "application/json",
                Format::Events if has_ids => continue,
                Format::Events => "text/event-stream",
            };
            let server = Server::new(move |_| typed(kind, Pieces::cut(&input, 11)));
            let mut asked = post(&token(scopes), LIST);
            if !case.list_was_asked_for {
                *asked.method_mut() = Method::GET;
                *asked.body_mut() = Pieces::default();
            }
            let answer = ask(auth(&[]).operations(rules.clone()).layer(server), asked).await;
            let label = format!("{}: {}: {answer:?}", file.path, case.name);
            match &case.expect {
                ListExpect::Unchanged => assert_eq!(answer.body, case.input.to_vec(), "{label}"),
                ListExpect::Changed(bytes) => assert_eq!(answer.body, bytes.to_vec(), "{label}"),
                ListExpect::Fault(_) => assert_eq!(answer.status, 502, "{label}"),
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}
