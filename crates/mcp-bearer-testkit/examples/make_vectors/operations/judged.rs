//! What the rules decide about a request.

use std::collections::BTreeMap;

use mcp_bearer_testkit::vectors::operations::{Caller, Expect, Headers, RequestFile, Rules};

use super::{
    Requests, answer, bad, bad_without_id, call, hide, modern, modern_request, needs, open,
    request, rule, rules, stranger, token, version,
};

const INVALID_PARAMS: i32 = -32602;
const NOT_PERMITTED: i32 = -32003;

pub(crate) fn files() -> Vec<RequestFile> {
    vec![
        patterns(),
        challenge(),
        unmatched_denied(),
        uris(),
        targets(),
        tasks_refused(),
        tasks_bound(),
        hidden(),
        hidden_challenged(),
        anonymous(),
        no_rules(),
    ]
}

fn denied() -> Expect {
    Expect::Refused(answer(200, NOT_PERMITTED, "1"))
}

fn patterns() -> RequestFile {
    let mut file = Requests::new(
        "patterns.json",
        "All matching rules apply, their order means nothing, and their scopes add up.",
        rules(
            "allow",
            vec![
                rule("tools/call", "delete_*", "delete"),
                rule("tools/call", "*_user", "users"),
                rule("tools/*", "", "tools"),
                rule("*", "*_secret_*", "secret"),
                rule("prompts/get", "a*b*c", "abc"),
                rule("logging/setLevel", "", "admin"),
                rule("tools/call", "free", ""),
            ],
        ),
    );
    for (name, tool, scopes) in [
        ("one rule and the one for all", "delete_x", "delete tools"),
        (
            "two rules and the one for all",
            "delete_user",
            "delete users tools",
        ),
        ("the end of a name", "make_user", "users tools"),
        ("the middle of a name", "a_secret_b", "tools secret"),
        (
            "three rules and the one for all",
            "delete_secret_user",
            "delete users tools secret",
        ),
        ("nothing where the star stands", "delete_", "delete tools"),
        ("another case", "Delete_x", "tools"),
        ("a space before", " delete_x", "tools"),
        (
            "a rule without scopes opens nothing that another closes",
            "free",
            "tools",
        ),
    ] {
        file.case(
            name,
            Headers::default(),
            call(tool),
            token(""),
            needs(scopes, scopes),
        );
        let all = token("delete users tools secret");
        let name = format!("{name}, held");
        file.case(&name, Headers::default(), call(tool), all, Expect::Allowed);
    }
    let headers = Headers::default;
    file.case(
        "a method pattern without a name",
        headers(),
        request("tools/list", "{}"),
        token(""),
        needs("tools", "tools"),
    );
    file.case(
        "a method that only begins like one",
        headers(),
        request("tools", "{}"),
        token(""),
        Expect::Allowed,
    );
    file.case(
        "another case of the method",
        headers(),
        request("Tools/list", "{}"),
        token(""),
        Expect::Allowed,
    );
    file.case(
        "a method without a name",
        headers(),
        request("logging/setLevel", r#"{"level":"debug"}"#),
        token(""),
        needs("admin", "admin"),
    );
    for (name, prompt, refused) in [
        ("stars between", "a1b2c", true),
        ("stars for nothing", "abc", true),
        ("pieces in another order", "acb", false),
        ("more behind", "abcd", false),
    ] {
        let body = request("prompts/get", &format!(r#"{{"name":"{prompt}"}}"#));
        let expect = if refused {
            needs("abc", "abc")
        } else {
            Expect::Allowed
        };
        file.case(name, headers(), body, token(""), expect);
    }
    file.finish()
}

fn challenge() -> RequestFile {
    let mut file = Requests::new(
        "challenge.json",
        "A challenge names all scopes that the operation needs, then the other scopes of this server that the token has.",
        rules(
            "allow",
            vec![
                rule("tools/call", "write_*", "mcp:write"),
                rule("tools/call", "*_all", "mcp:write mcp:bulk"),
                rule("resources/read", "", "mcp:files"),
                rule("prompts/get", "", "mcp:prompts"),
            ],
        ),
    );
    let caller = |scopes: &str| Caller {
        required: "mcp:read".to_owned(),
        ..token(scopes)
    };
    let headers = Headers::default;
    for (name, scopes, tool, challenge, missing) in [
        (
            "only what every request needs",
            "mcp:read",
            "write_x",
            "mcp:read mcp:write",
            "mcp:write",
        ),
        (
            "scopes of other operations",
            "mcp:read mcp:prompts mcp:files",
            "write_x",
            "mcp:read mcp:write mcp:prompts mcp:files",
            "mcp:write",
        ),
        (
            "foreign scopes",
            "openid mcp:read profile offline_access mcp:files",
            "write_x",
            "mcp:read mcp:write mcp:files",
            "mcp:write",
        ),
        (
            "one of two",
            "mcp:read mcp:write",
            "write_all",
            "mcp:read mcp:write mcp:bulk",
            "mcp:bulk",
        ),
        (
            "the other of two",
            "mcp:bulk mcp:read",
            "write_all",
            "mcp:read mcp:write mcp:bulk",
            "mcp:write",
        ),
        (
            "a scope twice in the token",
            "mcp:read mcp:files mcp:files",
            "write_x",
            "mcp:read mcp:write mcp:files",
            "mcp:write",
        ),
        (
            "another case is another scope",
            "mcp:read MCP:WRITE",
            "write_x",
            "mcp:read mcp:write",
            "mcp:write",
        ),
    ] {
        file.case(
            name,
            headers(),
            call(tool),
            caller(scopes),
            needs(challenge, missing),
        );
    }
    file.case(
        "enough",
        headers(),
        call("write_all"),
        caller("mcp:read mcp:write mcp:bulk"),
        Expect::Allowed,
    );
    let admin = |scopes: &str| Caller {
        implies: BTreeMap::from([
            ("mcp:admin".to_owned(), vec!["mcp:write".to_owned()]),
            (
                "mcp:root".to_owned(),
                vec!["mcp:admin".to_owned(), "mcp:bulk".to_owned()],
            ),
        ]),
        ..caller(scopes)
    };
    file.case(
        "a scope that implies",
        headers(),
        call("write_x"),
        admin("mcp:read mcp:admin"),
        Expect::Allowed,
    );
    file.case(
        "a scope that implies through another",
        headers(),
        call("write_all"),
        admin("mcp:read mcp:root"),
        Expect::Allowed,
    );
    file.case(
        "a scope that implies some is kept",
        headers(),
        call("write_all"),
        admin("mcp:read mcp:admin"),
        needs("mcp:read mcp:write mcp:bulk mcp:admin", "mcp:bulk"),
    );
    file.finish()
}

fn unmatched_denied() -> RequestFile {
    let mut file = Requests::new(
        "unmatched_denied.json",
        "An operation that no rule matches is refused: HTTP 200 with a JSON-RPC error, never a 403.",
        rules(
            "deny",
            vec![
                rule("initialize", "", ""),
                rule("tools/call", "add", ""),
                rule("tools/call", "write_*", "write"),
                rule("prompts/get", "p", ""),
                rule("resources/read", "x:a", ""),
                rule("resources/subscribe", "x:b", ""),
                rule("subscriptions/listen", "", ""),
                rule("notifications/initialized", "", ""),
            ],
        ),
    );
    for (name, body) in [
        ("a rule without scopes", call("add")),
        ("a method without a name", request("initialize", "{}")),
        (
            "a notification",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        ),
        (
            "a completion for a prompt that may be got",
            request(
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"p"}}"#,
            ),
        ),
        (
            "a completion for a resource that may be read",
            request(
                "completion/complete",
                r#"{"ref":{"type":"ref/resource","uri":"x:a"}}"#,
            ),
        ),
        (
            "a subscription",
            request("resources/subscribe", r#"{"uri":"x:b"}"#),
        ),
    ] {
        file.plain(name, body, Expect::Allowed);
    }
    file.plain(
        "a rule with scopes",
        call("write_x"),
        needs("write", "write"),
    );
    for (name, body) in [
        ("another tool", call("sub")),
        ("a tool with an empty name", call("")),
        ("ping", request("ping", "{}")),
        ("a list", request("tools/list", "{}")),
        (
            "a completion for another prompt",
            request(
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"q"}}"#,
            ),
        ),
        (
            "a completion for a resource that may only be subscribed to",
            request(
                "completion/complete",
                r#"{"ref":{"type":"ref/resource","uri":"x:b"}}"#,
            ),
        ),
        (
            "a subscription to what may only be read",
            request("resources/subscribe", r#"{"uri":"x:a"}"#),
        ),
        (
            "to read what may only be subscribed to",
            request("resources/read", r#"{"uri":"x:b"}"#),
        ),
    ] {
        file.plain(name, body, denied());
    }
    let listen = |uris: &str| {
        modern_request(
            "subscriptions/listen",
            &format!(r#""notifications":{{"resourceSubscriptions":[{uris}]}}"#),
        )
    };
    let headers = || modern("subscriptions/listen", "");
    file.case(
        "to listen to nothing",
        headers(),
        listen(""),
        token(""),
        Expect::Allowed,
    );
    file.case(
        "to listen to what may be read",
        headers(),
        listen(r#""x:a""#),
        token(""),
        Expect::Allowed,
    );
    file.case(
        "to listen to one that may not be read",
        headers(),
        listen(r#""x:a","x:b""#),
        token(""),
        denied(),
    );
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    file.plain(
        "another notification: nobody awaits an answer",
        note,
        Expect::Refused(answer(400, NOT_PERMITTED, "")),
    );
    let batch = format!(
        "[{},{}]",
        call("add").replace(r#""id":1"#, r#""id":2"#),
        call("sub")
    );
    file.plain("a batch with one", batch, denied());
    let batch = format!(
        "[{},{}]",
        call("write_x").replace(r#""id":1"#, r#""id":2"#),
        call("sub")
    );
    file.plain(
        "a batch with one beside one that scopes would open",
        batch,
        denied(),
    );
    file.finish()
}

fn uris() -> RequestFile {
    let mut file = Requests::new(
        "uris.json",
        "With rules on resources a URI has one spelling, or it is refused.",
        rules(
            "allow",
            vec![
                rule("resources/*", "file:///secret/*", "secret"),
                rule("resources/read", "https://example.com/private*", "private"),
                rule("resources/read", "file:///straße/*", "street"),
            ],
        ),
    );
    let read = |uri: &str| request("resources/read", &format!(r#"{{"uri":"{uri}"}}"#));
    let secret = || needs("secret", "secret");
    file.plain(
        "a URI that a rule matches",
        read("file:///secret/key"),
        secret(),
    );
    file.plain(
        "the same by escapes",
        read(r"\u0066ile:\/\/\/secret\/key"),
        secret(),
    );
    file.plain(
        "subscribed to",
        request("resources/subscribe", r#"{"uri":"file:///secret/key"}"#),
        secret(),
    );
    file.plain(
        "unsubscribed from",
        request("resources/unsubscribe", r#"{"uri":"file:///secret/key"}"#),
        secret(),
    );
    for (name, uri) in [
        ("another file", "file:///public/key"),
        ("a name that only begins alike", "file:///secrets/key"),
        ("dots in names", "file:///a/..b/c.."),
        (
            "dot segments in the query",
            "https://example.com/?a=/../private",
        ),
        ("another scheme", "test://static-text"),
        (
            "an encoded slash is not a slash",
            "file:///public%2F..%2Fsecret",
        ),
        ("a port", "https://example.com:8443/private"),
        ("no scheme at all", "notes"),
        ("an empty URI", ""),
    ] {
        file.plain(name, read(uri), Expect::Allowed);
    }
    for (name, uri) in [
        ("letters beyond ASCII", "file:///straße/1"),
        ("the same, encoded", "file:///stra%C3%9Fe/1"),
        ("the same, encoded in lower case", "file:///stra%c3%9fe/1"),
    ] {
        file.plain(name, read(uri), needs("street", "street"));
    }
    for (name, uri) in [
        ("a dot segment up", "file:///public/../secret/key"),
        ("a dot segment in place", "file:///./secret/key"),
        ("a dot segment at the end", "file:///secret/.."),
        ("an encoded dot segment", "file:///public/%2e%2e/secret/key"),
        (
            "a half-encoded dot segment",
            "file:///public/.%2E/secret/key",
        ),
        ("an encoded letter", "file:///%73ecret/key"),
        ("an encoded digit in the query", "file:///x?%31"),
        ("an encoded tilde", "file:///%7Euser"),
        ("an upper-case scheme", "FILE:///secret/key"),
        ("a scheme with one upper-case letter", "filE:///secret/key"),
        ("an upper-case host", "https://EXAMPLE.com/private"),
        ("a host beyond ASCII", "https://ｅxample.com/private"),
        ("the default port", "https://example.com:443/private"),
        ("an empty port", "https://example.com:/private"),
        ("one slash", "file:/secret/key"),
        ("localhost", "file://localhost/secret/key"),
        ("backslashes", r"file:///public\\..\\secret\\key"),
        ("a backslash for a slash", r"https:\\\\example.com\\private"),
        ("a tab inside", r"file:///sec\tret/key"),
        ("a line feed at the end", r"file:///secret/key\n"),
        ("a space before", " file:///secret/key"),
        ("a percent sign alone", "file:///100%"),
    ] {
        file.plain(name, read(uri), bad(INVALID_PARAMS));
    }
    let listen = |uri: &str| {
        modern_request(
            "subscriptions/listen",
            &format!(r#""notifications":{{"resourceSubscriptions":["x:y","{uri}"]}}"#),
        )
    };
    let headers = || modern("subscriptions/listen", "");
    file.case(
        "listened to",
        headers(),
        listen("file:///secret/key"),
        token("read"),
        secret(),
    );
    file.case(
        "listened to in another spelling",
        headers(),
        listen("file:///x/../secret/key"),
        token("read"),
        bad(INVALID_PARAMS),
    );
    let complete = |uri: &str| {
        request(
            "completion/complete",
            &format!(r#"{{"ref":{{"type":"ref/resource","uri":"{uri}"}}}}"#),
        )
    };
    file.plain("a template", complete("file:///secret/{name}"), secret());
    file.plain(
        "a template that could expand to it",
        complete("file:///{+path}"),
        Expect::Allowed,
    );
    file.plain(
        "an upper-case variable in a host",
        complete("users://{UserId}/x"),
        Expect::Allowed,
    );
    file.plain(
        "a template with a dot segment",
        complete("file:///{a}/../secret"),
        bad(INVALID_PARAMS),
    );
    file.plain(
        "names of tools are not URIs",
        call("FILE:///a/../b"),
        Expect::Allowed,
    );
    file.finish()
}

fn targets() -> RequestFile {
    let mut file = Requests::new(
        "targets.json",
        "Completions and subscriptions are judged as what they refer to.",
        rules(
            "allow",
            vec![
                rule("prompts/get", "secret*", "prompts"),
                rule("resources/read", "x:secret*", "files"),
                rule("resources/subscribe", "x:watched*", "watch"),
                rule("completion/complete", "", "complete"),
                rule("subscriptions/listen", "", "listen"),
            ],
        ),
    );
    let headers = Headers::default;
    let complete = |reference: &str| {
        request(
            "completion/complete",
            &format!(r#"{{"ref":{reference},"argument":{{"name":"a","value":"b"}}}}"#),
        )
    };
    let all = |challenge: &str| needs(challenge, challenge);
    file.case(
        "a completion for a prompt",
        headers(),
        complete(r#"{"type":"ref/prompt","name":"secret1"}"#),
        token(""),
        all("prompts complete"),
    );
    file.case(
        "a completion for another prompt",
        headers(),
        complete(r#"{"type":"ref/prompt","name":"a"}"#),
        token(""),
        all("complete"),
    );
    file.case(
        "a completion for a resource",
        headers(),
        complete(r#"{"type":"ref/resource","uri":"x:secret1"}"#),
        token(""),
        all("files complete"),
    );
    file.case(
        "a URI in a reference to a prompt decides nothing",
        headers(),
        complete(r#"{"type":"ref/prompt","name":"a","uri":"x:secret"}"#),
        token("complete"),
        Expect::Allowed,
    );
    file.case(
        "a completion with all scopes",
        headers(),
        complete(r#"{"type":"ref/prompt","name":"secret1"}"#),
        token("prompts complete"),
        Expect::Allowed,
    );
    file.case(
        "an escaped type",
        headers(),
        complete(r#"{"type":"ref\/prompt","name":"secret1"}"#),
        token("complete"),
        needs("prompts complete", "prompts"),
    );
    let on = |method: &str, uri: &str| request(method, &format!(r#"{{"uri":"{uri}"}}"#));
    file.case(
        "to subscribe to what may not be read",
        headers(),
        on("resources/subscribe", "x:secret"),
        token(""),
        all("files"),
    );
    file.case(
        "to unsubscribe from what may not be read",
        headers(),
        on("resources/unsubscribe", "x:secret"),
        token(""),
        all("files"),
    );
    file.case(
        "to subscribe to what is watched",
        headers(),
        on("resources/subscribe", "x:watched"),
        token(""),
        all("watch"),
    );
    file.case(
        "to read what is watched",
        headers(),
        on("resources/read", "x:watched"),
        token(""),
        Expect::Allowed,
    );
    let listen = |notifications: &str| {
        modern_request(
            "subscriptions/listen",
            &format!(r#""notifications":{notifications}"#),
        )
    };
    let modern = || modern("subscriptions/listen", "");
    file.case(
        "to listen to lists",
        modern(),
        listen(r#"{"toolsListChanged":true}"#),
        token(""),
        all("listen"),
    );
    file.case(
        "to listen to what may not be read",
        modern(),
        listen(r#"{"resourceSubscriptions":["x:a","x:secret"]}"#),
        token(""),
        all("listen files"),
    );
    file.case(
        "to listen to what is watched",
        modern(),
        listen(r#"{"resourceSubscriptions":["x:watched"]}"#),
        token(""),
        all("listen watch"),
    );
    file.case(
        "to listen with all scopes",
        modern(),
        listen(r#"{"resourceSubscriptions":["x:watched","x:secret"]}"#),
        token("listen files watch"),
        Expect::Allowed,
    );
    file.case(
        "no URIs",
        modern(),
        listen(r#"{"resourceSubscriptions":null}"#),
        token("listen"),
        Expect::Allowed,
    );
    file.case(
        "nothing to listen to",
        modern(),
        modern_request("subscriptions/listen", ""),
        token("listen"),
        Expect::Allowed,
    );
    file.finish()
}

fn task_bodies() -> Vec<(&'static str, String)> {
    vec![
        ("tasks/get", request("tasks/get", r#"{"taskId":"t-1"}"#)),
        (
            "tasks/result",
            request("tasks/result", r#"{"taskId":"t-1"}"#),
        ),
        (
            "tasks/cancel",
            request("tasks/cancel", r#"{"taskId":"t-1"}"#),
        ),
        (
            "tasks/update",
            request("tasks/update", r#"{"taskId":"t-1","inputResponses":{}}"#),
        ),
        ("tasks/list", request("tasks/list", "{}")),
        ("tasks/unknown", request("tasks/unknown", "{}")),
        (
            "an escaped method",
            request(r"tasks\/\u0067et", r#"{"taskId":"t-1"}"#),
        ),
        (
            "taskIds",
            request(
                "subscriptions/listen",
                r#"{"notifications":{"taskIds":["t-1"]}}"#,
            ),
        ),
    ]
}

fn tasks_refused() -> RequestFile {
    let mut file = Requests::new(
        "tasks_refused.json",
        "Tasks are refused unless the server binds them to their owner.",
        rules("allow", vec![rule("tools/call", "delete_*", "admin")]),
    );
    for (name, body) in task_bodies() {
        file.case(
            name,
            Headers::default(),
            body,
            token("read admin"),
            denied(),
        );
    }
    let get = modern_request("tasks/get", r#""taskId":"t-1""#);
    file.case(
        "in the newest version",
        modern("tasks/get", "t-1"),
        get,
        token("admin"),
        denied(),
    );
    let note =
        r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t-1"}}"#;
    file.plain(
        "a notification about a task",
        note,
        Expect::Refused(answer(400, NOT_PERMITTED, "")),
    );
    for (name, body) in [
        (
            "no task ids",
            request(
                "subscriptions/listen",
                r#"{"notifications":{"taskIds":[]}}"#,
            ),
        ),
        (
            "null for the task ids",
            request(
                "subscriptions/listen",
                r#"{"notifications":{"taskIds":null}}"#,
            ),
        ),
        (
            "taskIds of another method",
            request("x/y", r#"{"notifications":{"taskIds":["t"]}}"#),
        ),
        (
            "a call that may become a task",
            request("tools/call", r#"{"name":"add","task":{"ttl":1}}"#),
        ),
        (
            "a method that only begins like one",
            request("tasksx/get", "{}"),
        ),
    ] {
        file.plain(name, body, Expect::Allowed);
    }
    file.plain(
        "taskIds that are not an array",
        request(
            "subscriptions/listen",
            r#"{"notifications":{"taskIds":"t"}}"#,
        ),
        bad(INVALID_PARAMS),
    );
    let batch = format!("[{}]", request("tasks/list", "{}"));
    file.plain("in a batch", batch, denied());
    file.case(
        "without a token",
        Headers::default(),
        request("tasks/list", "{}"),
        stranger(),
        Expect::NeedsToken(String::new()),
    );
    file.finish()
}

fn tasks_bound() -> RequestFile {
    let mut file = Requests::new(
        "tasks_bound.json",
        "Where the server binds tasks to their owner, the rules decide.",
        Rules {
            tasks_are_bound: true,
            ..rules(
                "allow",
                vec![
                    rule("tasks/cancel", "", "admin"),
                    rule("tasks/get", "secret-*", "secret"),
                ],
            )
        },
    );
    for (name, body) in task_bodies() {
        let expect = if name == "tasks/cancel" {
            needs("admin", "admin")
        } else {
            Expect::Allowed
        };
        file.case(name, Headers::default(), body, token("read"), expect);
    }
    file.plain(
        "an id that a rule matches",
        request("tasks/get", r#"{"taskId":"secret-1"}"#),
        needs("secret", "secret"),
    );
    file.plain(
        "listened to",
        request(
            "subscriptions/listen",
            r#"{"notifications":{"taskIds":["a","secret-1"]}}"#,
        ),
        needs("secret", "secret"),
    );
    file.plain(
        "a number as id",
        request("tasks/get", r#"{"taskId":1}"#),
        bad(INVALID_PARAMS),
    );
    file.finish()
}

fn hidden_rules() -> Vec<mcp_bearer_testkit::vectors::operations::Rule> {
    vec![
        hide(rule("tools/call", "admin_*", "admin")),
        rule("tools/call", "write_*", "write"),
        rule("tools/call", "admin_write_*", "write"),
        hide(rule("prompts/get", "secret*", "prompts")),
        hide(rule("resources/read", "x:secret*", "files")),
    ]
}

fn hidden() -> RequestFile {
    let mut file = Requests::new(
        "hidden.json",
        "A hidden operation is answered as if it did not exist.",
        rules("allow", hidden_rules()),
    );
    let not_found = |code: i32| Expect::Hidden(answer(200, code, "1"));
    let headers = Headers::default;
    file.plain("a tool", call("admin_x"), not_found(-32602));
    file.plain(
        "a tool that needs another scope as well",
        call("admin_write_x"),
        not_found(-32602),
    );
    file.case(
        "a tool with all scopes",
        headers(),
        call("admin_x"),
        token("admin"),
        Expect::Allowed,
    );
    file.case(
        "hidden by one rule, and another one's scope is missing",
        headers(),
        call("admin_write_x"),
        token("admin"),
        not_found(-32602),
    );
    file.plain(
        "a tool that is not hidden",
        call("write_x"),
        needs("write", "write"),
    );
    let prompt = request("prompts/get", r#"{"name":"secret1"}"#);
    file.plain("a prompt", &prompt, not_found(-32602));
    let complete = request(
        "completion/complete",
        r#"{"ref":{"type":"ref/prompt","name":"secret1"}}"#,
    );
    file.plain("a completion for it", complete, not_found(-32602));
    for (name, old) in [
        ("no version", Headers::default()),
        ("2025-11-25", version("2025-11-25")),
    ] {
        let mut case = |what: &str, body: String| {
            file.case(
                &format!("{name}: {what}"),
                old.clone(),
                body,
                token("read"),
                not_found(-32002),
            );
        };
        case(
            "a resource",
            request("resources/read", r#"{"uri":"x:secret1"}"#),
        );
        case(
            "a subscription to it",
            request("resources/subscribe", r#"{"uri":"x:secret1"}"#),
        );
        case(
            "a completion for it",
            request(
                "completion/complete",
                r#"{"ref":{"type":"ref/resource","uri":"x:secret1"}}"#,
            ),
        );
    }
    let read = modern_request("resources/read", r#""uri":"x:secret1""#);
    file.case(
        "2026-07-28: a resource",
        modern("resources/read", "x:secret1"),
        read,
        token("read"),
        not_found(-32602),
    );
    let listen = modern_request(
        "subscriptions/listen",
        r#""notifications":{"resourceSubscriptions":["x:a","x:secret1"]}"#,
    );
    file.case(
        "2026-07-28: a subscription to it",
        modern("subscriptions/listen", ""),
        listen,
        token("read"),
        not_found(-32602),
    );
    let note = call("admin_x").replace(r#""id":1,"#, "");
    file.plain(
        "a call that awaits no answer",
        note,
        Expect::Hidden(answer(400, -32602, "")),
    );
    let batch = format!(
        "[{},{}]",
        call("add").replace(r#""id":1"#, r#""id":2"#),
        call("admin_x")
    );
    file.plain("in a batch", batch, not_found(-32602));
    file.case(
        "without a token",
        headers(),
        call("admin_x"),
        stranger(),
        Expect::NeedsToken(String::new()),
    );
    file.case(
        "without a token, a tool that is not hidden",
        headers(),
        call("write_x"),
        stranger(),
        Expect::NeedsToken("write".to_owned()),
    );
    file.finish()
}

fn hidden_challenged() -> RequestFile {
    let mut file = Requests::new(
        "hidden_challenged.json",
        "With this setting a hidden operation is answered with a challenge.",
        Rules {
            hidden_is_challenged: true,
            ..rules("allow", hidden_rules())
        },
    );
    file.plain("a tool", call("admin_x"), needs("admin", "admin"));
    file.plain(
        "a tool that needs another scope as well",
        call("admin_write_x"),
        needs("admin write", "admin write"),
    );
    file.plain(
        "a prompt",
        request("prompts/get", r#"{"name":"secret1"}"#),
        needs("prompts", "prompts"),
    );
    file.plain(
        "a resource",
        request("resources/read", r#"{"uri":"x:secret1"}"#),
        needs("files", "files"),
    );
    file.finish()
}

fn anonymous() -> RequestFile {
    let mut file = Requests::new(
        "anonymous.json",
        "An operation needs no token if every rule that matches it, at least one, allows that.",
        rules(
            "allow",
            vec![
                open("initialize", ""),
                open("notifications/initialized", ""),
                open("tools/list", ""),
                open("tools/call", "public_*"),
                open("prompts/list", ""),
                open("prompts/get", "*"),
                open("resources/read", "x:public*"),
                rule("tools/call", "*_write", "write"),
                rule("tools/call", "public_plain", ""),
                rule("completion/complete", "closed", ""),
            ],
        ),
    );
    let headers = Headers::default;
    let needs_token = |scopes: &str| Expect::NeedsToken(scopes.to_owned());
    let ask = |prompt: &str| {
        request(
            "completion/complete",
            &format!(r#"{{"ref":{{"type":"ref/prompt","name":"{prompt}"}}}}"#),
        )
    };
    for (name, body) in [
        ("a method", request("initialize", "{}")),
        (
            "a notification",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        ),
        ("a list", request("tools/list", "{}")),
        ("a tool", call("public_x")),
        ("a tool by escapes", call(r"p\u0075blic_x")),
        ("a prompt", request("prompts/get", r#"{"name":"p"}"#)),
        ("a completion for a prompt", ask("p")),
        (
            "a resource",
            request("resources/read", r#"{"uri":"x:public1"}"#),
        ),
        (
            "a batch of them",
            format!("[{},{}]", call("public_x"), request("tools/list", "{}")),
        ),
    ] {
        file.case(name, headers(), &body, stranger(), Expect::Allowed);
        file.case(
            &format!("{name}, with a token"),
            headers(),
            &body,
            token(""),
            Expect::Allowed,
        );
    }
    for (name, body, scopes) in [
        ("what no rule matches", request("resources/list", "{}"), ""),
        ("another tool", call("private_x"), ""),
        ("another case", call("Public_x"), ""),
        (
            "a tool that also needs a scope",
            call("public_write"),
            "write",
        ),
        (
            "a tool that a second rule does not open",
            call("public_plain"),
            "",
        ),
        (
            "a completion that a second rule does not open",
            ask("closed"),
            "",
        ),
        (
            "another resource",
            request("resources/read", r#"{"uri":"x:private"}"#),
            "",
        ),
        (
            "a subscription to a resource that may be read",
            request("resources/subscribe", r#"{"uri":"x:public1"}"#),
            "",
        ),
        (
            "a batch with one that is not open",
            format!("[{},{}]", call("public_x"), call("private_x")),
            "",
        ),
        (
            "a batch with one that needs a scope",
            format!("[{},{}]", call("public_x"), call("a_write")),
            "write",
        ),
        (
            "a response",
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
            "",
        ),
        ("tasks", request("tasks/list", "{}"), ""),
    ] {
        file.case(name, headers(), body, stranger(), needs_token(scopes));
    }
    file.case(
        "a malformed body",
        headers(),
        "{",
        stranger(),
        bad_without_id(-32700),
    );
    file.case(
        "a name that has two spellings",
        headers(),
        call(r"public_e\u0301"),
        stranger(),
        bad(INVALID_PARAMS),
    );
    file.finish()
}

fn no_rules() -> RequestFile {
    let mut file = Requests::new(
        "no_rules.json",
        "Without rules everything that can be read is passed on.",
        Rules::default(),
    );
    for (name, body) in [
        ("a call", call("delete_all")),
        ("a name with a control character", call(r"\u0000")),
        (
            "a URI with dot segments",
            request("resources/read", r#"{"uri":"file:///../x"}"#),
        ),
        ("tasks", request("tasks/list", "{}")),
        (
            "a response",
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
        ),
    ] {
        file.plain(name, body, Expect::Allowed);
    }
    file.finish()
}
