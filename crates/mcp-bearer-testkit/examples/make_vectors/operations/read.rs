//! How a request is read: JSON, JSON-RPC, headers and protocol versions.

use mcp_bearer_testkit::vectors::operations::{Expect, Headers, RequestFile, Rules};

use super::{
    Requests, answer, bad, bad_without_id, call, modern, modern_request, needs, request, rule,
    rules, token, version,
};

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const HEADER_MISMATCH: i32 = -32020;

pub(crate) fn files() -> Vec<RequestFile> {
    vec![json(), rpc(), names(), headers(), batches(), responses()]
}

/// One tool needs a scope that the caller lacks.
fn one_tool() -> Rules {
    rules("allow", vec![rule("tools/call", "delete_*", "admin")])
}

fn refused() -> Expect {
    needs("admin", "admin")
}

fn json() -> RequestFile {
    let mut file = Requests::new(
        "json.json",
        "A body is one strict JSON text; what two readers could read differently is refused.",
        one_tool(),
    );
    file.plain("a call that no rule matches", call("add"), Expect::Allowed);
    file.plain("a call that a rule matches", call("delete_all"), refused());
    for (name, body) in [
        ("an escape in the name", call(r"\u0064elete_all")),
        ("every letter of the name escaped", call(r"\u0064\u0065\u006c\u0065\u0074\u0065\u005F\u0061\u006c\u006C")),
        ("an escaped solidus in the method", call("delete_all").replace("tools/call", r"tools\/call")),
        ("an escape in the method", call("delete_all").replace("tools", r"\u0074ools")),
        ("an escape in \"method\"", call("delete_all").replace(r#""method""#, r#""\u006dethod""#)),
        ("an escape in \"params\"", call("delete_all").replace(r#""params""#, r#""p\u0061rams""#)),
        ("an escape in \"name\"", call("delete_all").replace(r#""name""#, r#""n\u0061me""#)),
        ("white space everywhere", call("delete_all").replace(':', " :\t").replace(',', "\r\n ,")),
        ("white space around", format!(" \r\n\t{}\n ", call("delete_all"))),
        ("members in another order", r#"{"params":{"arguments":{},"name":"delete_all"},"method":"tools/call","id":1,"jsonrpc":"2.0"}"#.to_owned()),
        ("a name in the arguments", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"name":"add"},"name":"delete_all"}}"#.to_owned()),
        ("look-alikes in the arguments", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"Name":"add","NAME":1},"name":"delete_all"}}"#.to_owned()),
        ("unknown members", r#"{"jsonrpc":"2.0","id":1,"x":{"method":"ping"},"method":"tools/call","params":{"x":{"name":"add"},"name":"delete_all"}}"#.to_owned()),
        ("a big number", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all","arguments":{"x":1e999}}}"#.to_owned()),
        ("127 levels", nested(127)),
    ] {
        file.plain(name, body, refused());
    }
    let twice = |member: &str| call("delete_all").replacen('{', &format!("{{{member},"), 1);
    let twice_in_params = |member: &str| {
        call("delete_all").replace(r#""params":{"#, &format!(r#""params":{{{member},"#))
    };
    for (name, body) in [
        ("method twice", twice(r#""method":"ping""#)),
        ("method twice, escaped", twice(r#""meth\u006fd":"ping""#)),
        ("method twice, the same", twice(r#""method":"tools/call""#)),
        ("params twice", twice(r#""params":{"name":"add"}"#)),
        (
            "params twice, escaped",
            twice(r#""\u0070arams":{"name":"add"}"#),
        ),
        ("id twice", twice(r#""id":2"#)),
        ("jsonrpc twice", twice(r#""jsonrpc":"2.0""#)),
        ("name twice", twice_in_params(r#""name":"add""#)),
        (
            "name twice, escaped",
            twice_in_params(r#""nam\u0065":"add""#),
        ),
        ("_meta twice", twice_in_params(r#""_meta":{},"_meta":{}"#)),
        (
            "a member of the arguments twice",
            call("delete_all").replace("{}", r#"{"a":1,"a":2}"#),
        ),
        (
            "a member deep inside twice",
            call("delete_all").replace("{}", r#"{"a":[{"b":{"c":1,"c":1}}]}"#),
        ),
        ("no body", String::new()),
        ("only white space", " \r\n".to_owned()),
        ("a byte order mark", format!("\u{feff}{}", call("add"))),
        (
            "a second message",
            format!("{}{}", call("add"), call("delete_all")),
        ),
        (
            "a second message behind a line feed",
            format!("{}\n{}", call("add"), call("delete_all")),
        ),
        ("a NUL behind", format!("{}\0", call("add"))),
        ("a comma behind", format!("{},", call("add"))),
        ("cut", call("add")[..40].to_owned()),
        ("a comment", call("add").replacen('{', "{/* */", 1)),
        ("single quotes", call("add").replace('"', "'")),
        ("a trailing comma", call("add").replacen('}', ",}", 1)),
        ("a lone surrogate", call(r"\ud800")),
        ("NaN", call("add").replace("{}", "NaN")),
        ("a line feed in a string", call("a\nb")),
        ("a NUL in a string", call("a\0b")),
        ("128 levels", nested(128)),
        ("2,000 levels", nested(2000)),
    ] {
        file.plain(name, body, bad_without_id(PARSE_ERROR));
    }
    let utf16: Vec<u8> = call("add")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut invalid = call("add").into_bytes();
    invalid.insert(60, 0xFF);
    let mut overlong = call("add?").into_bytes();
    let at = overlong.iter().position(|byte| *byte == b'?').unwrap();
    overlong.splice(at..=at, [0xC0, 0xAF]);
    for (name, body) in [
        ("UTF-16", utf16),
        ("invalid UTF-8", invalid),
        ("overlong UTF-8", overlong),
        ("a gzip header", vec![0x1f, 0x8b, 8, 0]),
    ] {
        file.plain(name, body, bad_without_id(PARSE_ERROR));
    }
    for (name, body) in [
        ("a string", r#""tools/call""#),
        ("a number", "1"),
        ("null", "null"),
    ] {
        file.plain(name, body, bad_without_id(INVALID_REQUEST));
    }
    file.finish()
}

/// A call with arguments nested so that the whole message has this many levels.
fn nested(levels: usize) -> String {
    let inner = levels - 2;
    call("delete_all").replace("{}", &format!("{}{}", "[".repeat(inner), "]".repeat(inner)))
}

fn rpc() -> RequestFile {
    let mut file = Requests::new(
        "json_rpc.json",
        "A message is a request, a notification or a response of JSON-RPC 2.0, and nothing between.",
        one_tool(),
    );
    let message = |members: &str| format!("{{{members}}}");
    for (name, body) in [
        (
            "a request without params",
            message(r#""jsonrpc":"2.0","id":1,"method":"ping""#),
        ),
        (
            "a request with null for params",
            message(r#""jsonrpc":"2.0","id":1,"method":"ping","params":null"#),
        ),
        (
            "a string as id",
            message(r#""jsonrpc":"2.0","id":"a","method":"ping""#),
        ),
        (
            "an empty string as id",
            message(r#""jsonrpc":"2.0","id":"","method":"ping""#),
        ),
        (
            "a negative number as id",
            message(r#""jsonrpc":"2.0","id":-1,"method":"ping""#),
        ),
        (
            "an unknown method",
            message(r#""jsonrpc":"2.0","id":1,"method":"x/y","params":{"name":"delete_all"}"#),
        ),
        (
            "a look-alike that means nothing to the method",
            message(r#""jsonrpc":"2.0","id":1,"method":"x/y","params":{"Name":"a"}"#),
        ),
        (
            "a notification",
            message(r#""jsonrpc":"2.0","method":"notifications/initialized""#),
        ),
        (
            "a notification that is unknown",
            message(r#""jsonrpc":"2.0","method":"notifications/x","params":{}"#),
        ),
        (
            "_meta that says nothing",
            message(
                r#""jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":1}}"#,
            ),
        ),
        (
            "_meta that is null",
            message(r#""jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":null}"#),
        ),
        (
            "an empty method",
            message(r#""jsonrpc":"2.0","id":1,"method":"""#),
        ),
    ] {
        file.plain(name, body, Expect::Allowed);
    }
    let no_id = call("delete_all").replace(r#""id":1,"#, "");
    file.plain("a call without an id is judged as well", no_id, refused());
    for (name, body) in [
        (
            "jsonrpc is missing",
            call("add").replace(r#""jsonrpc":"2.0","#, ""),
        ),
        ("jsonrpc is 1.0", call("add").replace("2.0", "1.0")),
        (
            "jsonrpc is a number",
            call("add").replace(r#""2.0""#, "2.0"),
        ),
        (
            "a method and a result",
            call("add").replacen('{', r#"{"result":{},"#, 1),
        ),
        (
            "a method and an error",
            call("add").replacen('{', r#"{"error":{},"#, 1),
        ),
        (
            "a method and null for a result",
            call("add").replacen('{', r#"{"result":null,"#, 1),
        ),
        (
            "Method beside method",
            call("add").replacen('{', r#"{"Method":"tools/list","#, 1),
        ),
        (
            "METHOD beside method",
            call("add").replacen('{', r#"{"METHOD":1,"#, 1),
        ),
        (
            "Params beside params",
            call("add").replacen('{', r#"{"Params":{"name":"delete_all"},"#, 1),
        ),
        (
            "params with a long s",
            call("add").replacen('{', "{\"param\u{17f}\":{\"name\":\"delete_all\"},", 1),
        ),
        ("Id beside id", call("add").replacen('{', r#"{"Id":2,"#, 1)),
        (
            "JSONRPC beside jsonrpc",
            call("add").replacen('{', r#"{"JSONRPC":"2.0","#, 1),
        ),
        (
            "Result beside method",
            call("add").replacen('{', r#"{"Result":{},"#, 1),
        ),
    ] {
        file.plain(name, body, bad(INVALID_REQUEST));
    }
    for (name, body) in [
        ("an empty object", "{}".to_owned()),
        (
            "method is missing",
            message(r#""jsonrpc":"2.0","id":1,"params":{"name":"delete_all"}"#),
        ),
        (
            "method is a number",
            message(r#""jsonrpc":"2.0","id":1,"method":1"#),
        ),
        (
            "method is null",
            message(r#""jsonrpc":"2.0","id":1,"method":null"#),
        ),
        (
            "method is an array",
            message(r#""jsonrpc":"2.0","id":1,"method":["tools/call"]"#),
        ),
        (
            "id is null",
            call("add").replace(r#""id":1"#, r#""id":null"#),
        ),
        (
            "id is true",
            call("add").replace(r#""id":1"#, r#""id":true"#),
        ),
        (
            "id is an object",
            call("add").replace(r#""id":1"#, r#""id":{}"#),
        ),
        (
            "id is an array",
            call("add").replace(r#""id":1"#, r#""id":[1]"#),
        ),
    ] {
        file.plain(name, body, bad_without_id(INVALID_REQUEST));
    }
    for (name, method, params) in [
        ("params is an array", "tools/call", r#"["add"]"#),
        (
            "params is an array of an object",
            "tools/call",
            r#"[{"name":"add"}]"#,
        ),
        ("params is a string", "tools/call", r#""add""#),
        ("params is a number", "ping", "1"),
        ("params is false", "ping", "false"),
        (
            "params is null where a name is needed",
            "tools/call",
            "null",
        ),
        ("no name", "tools/call", "{}"),
        ("a number as name", "tools/call", r#"{"name":1}"#),
        ("null as name", "tools/call", r#"{"name":null}"#),
        ("an array as name", "tools/call", r#"{"name":["add"]}"#),
        ("an object as name", "prompts/get", r#"{"name":{}}"#),
        ("no uri", "resources/read", r#"{"name":"x"}"#),
        ("a number as uri", "resources/read", r#"{"uri":1}"#),
        ("null as uri", "resources/subscribe", r#"{"uri":null}"#),
        ("no uri to unsubscribe from", "resources/unsubscribe", "{}"),
        (
            "Name beside name",
            "tools/call",
            r#"{"name":"add","Name":"delete_all"}"#,
        ),
        (
            "NAME beside name",
            "prompts/get",
            r#"{"NAME":"x","name":"add"}"#,
        ),
        (
            "URI beside uri",
            "resources/read",
            r#"{"uri":"x:y","URI":"x:z"}"#,
        ),
        ("only Name", "tools/call", r#"{"Name":"delete_all"}"#),
        (
            "_META beside _meta",
            "tools/call",
            r#"{"name":"add","_META":{}}"#,
        ),
        ("_meta is an array", "ping", r#"{"_meta":[]}"#),
        ("_meta is a string", "ping", r#"{"_meta":"x"}"#),
        (
            "the version in _meta is a number",
            "ping",
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":2026}}"#,
        ),
        (
            "the version in _meta by another case",
            "ping",
            r#"{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}}"#,
        ),
        ("ref is missing", "completion/complete", "{}"),
        ("ref is a string", "completion/complete", r#"{"ref":"x"}"#),
        (
            "ref of an unknown type",
            "completion/complete",
            r#"{"ref":{"type":"ref/tool","name":"x"}}"#,
        ),
        (
            "ref without a type",
            "completion/complete",
            r#"{"ref":{"name":"x"}}"#,
        ),
        (
            "ref to a prompt without a name",
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","uri":"x:y"}}"#,
        ),
        (
            "ref to a resource without a URI",
            "completion/complete",
            r#"{"ref":{"type":"ref/resource","name":"x"}}"#,
        ),
        (
            "Name beside name in ref",
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"x","Name":"y"}}"#,
        ),
        (
            "notifications is an array",
            "subscriptions/listen",
            r#"{"notifications":[]}"#,
        ),
        (
            "resourceSubscriptions is a string",
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":"x:y"}}"#,
        ),
        (
            "resourceSubscriptions with a number",
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["x:y",1]}}"#,
        ),
        (
            "ResourceSubscriptions beside the real one",
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":[],"ResourceSubscriptions":["x:y"]}}"#,
        ),
        (
            "TaskIds",
            "subscriptions/listen",
            r#"{"notifications":{"TaskIds":["x"]}}"#,
        ),
    ] {
        file.plain(name, request(method, params), bad(INVALID_PARAMS));
    }
    file.finish()
}

fn names() -> RequestFile {
    let mut file = Requests::new(
        "names.json",
        "Names are compared by code point; a name that has two spellings is refused.",
        rules(
            "allow",
            vec![
                rule("tools/call", "löschen", "admin"),
                rule("tools/call", "Kelvin", "admin"),
                rule("prompts/get", "secret", "admin"),
            ],
        ),
    );
    for (name, tool) in [
        ("composed", "löschen"),
        ("composed, escaped", r"l\u00f6schen"),
        ("composed, escaped in upper case", r"l\u00F6schen"),
    ] {
        file.plain(name, call(tool), refused());
    }
    for (name, tool) in [
        ("another name", "loschen"),
        ("another case", "Löschen"),
        ("full-width letters are other letters", "ｄelete"),
        ("a zero-width space makes another name", "löschen\u{200b}"),
        ("an emoji", "😀"),
        ("an emoji as a surrogate pair", r"\ud83d\ude00"),
        ("an empty name", ""),
        ("a name with spaces", " a b "),
    ] {
        file.plain(name, call(tool), Expect::Allowed);
    }
    for (name, tool) in [
        ("decomposed", "lo\u{308}schen"),
        ("decomposed, escaped", r"lo\u0308schen"),
        ("the Kelvin sign", "\u{212a}elvin"),
        ("the Kelvin sign, escaped", r"\u212aelvin"),
        ("Hangul jamo", r"\u1100\u1161"),
        ("marks in another order", r"a\u0301\u0323"),
        ("an escaped NUL", r"a\u0000"),
        ("an escaped line feed", r"a\nb"),
        ("a delete character", "a\u{7f}"),
        ("a C1 control character", r"a\u0085"),
        ("an escape sequence of terminals", r"\u001b[2J"),
    ] {
        file.plain(name, call(tool), bad(INVALID_PARAMS));
    }
    let prompt = |name: &str| request("prompts/get", &format!(r#"{{"name":"{name}"}}"#));
    file.plain("a prompt", prompt("secret"), refused());
    file.plain(
        "a prompt with a control character",
        prompt(r"secret\t"),
        bad(INVALID_PARAMS),
    );
    let complete = |name: &str| {
        let reference = format!(r#"{{"ref":{{"type":"ref/prompt","name":"{name}"}}}}"#);
        request("completion/complete", &reference)
    };
    file.plain("a completion for a prompt", complete("secret"), refused());
    file.plain(
        "a completion for no name",
        complete(r"secre\u0301t\u0000"),
        bad(INVALID_PARAMS),
    );
    file.finish()
}

fn headers() -> RequestFile {
    let mut file = Requests::new(
        "headers.json",
        "Headers decide nothing and agree with the body; from 2026-07-28 on they are required.",
        rules(
            "allow",
            vec![
                rule("tools/call", "delete_*", "admin"),
                rule("tasks/*", "", ""),
            ],
        ),
    );
    file.0.rules.tasks_are_bound = true;
    let with = |headers: Headers, method: &[&str], name: &[&str]| Headers {
        method: method.iter().map(ToString::to_string).collect(),
        name: name.iter().map(ToString::to_string).collect(),
        ..headers
    };
    let mismatch = || bad(HEADER_MISMATCH);
    for old in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut old_case = |name: &str, method: &[&str], names: &[&str], expect: Expect| {
            let headers = with(version(old), method, names);
            let name = format!("{old}: {name}");
            file.case(&name, headers, call("delete_all"), token("read"), expect);
        };
        old_case("no headers", &[], &[], refused());
        old_case(
            "headers that agree",
            &["tools/call"],
            &["delete_all"],
            refused(),
        );
        old_case("a harmless name", &[], &["add"], mismatch());
        old_case("a harmless method", &["ping"], &[], mismatch());
        old_case(
            "a harmless method and name",
            &["tools/list"],
            &["add"],
            mismatch(),
        );
        old_case(
            "the name twice",
            &[],
            &["delete_all", "delete_all"],
            mismatch(),
        );
        old_case(
            "the method twice",
            &["tools/call", "tools/call"],
            &[],
            mismatch(),
        );
    }
    let none = Headers::default;
    let mut unnamed = |name: &str, headers: Headers, expect: Expect| {
        file.case(name, headers, call("delete_all"), token("read"), expect);
    };
    unnamed("no version: no headers", none(), refused());
    unnamed(
        "no version: a harmless name",
        with(none(), &[], &["add"]),
        mismatch(),
    );
    unnamed(
        "no version: a harmless method",
        with(none(), &["ping"], &[]),
        mismatch(),
    );
    let old_list = request("tools/list", "{}");
    let named = with(version("2025-11-25"), &[], &["x"]);
    file.case(
        "a name for a method that has none",
        named,
        &old_list,
        token(""),
        mismatch(),
    );

    // 2026-07-28.
    let modern_call = |name: &str| modern_request("tools/call", &format!(r#""name":"{name}""#));
    let mut new = |name: &str, headers: Headers, tool: &str, expect: Expect| {
        file.case(name, headers, modern_call(tool), token("read"), expect);
    };
    new(
        "everything agrees",
        modern("tools/call", "delete_all"),
        "delete_all",
        refused(),
    );
    new(
        "everything agrees, and is allowed",
        modern("tools/call", "add"),
        "add",
        Expect::Allowed,
    );
    new(
        "white space around values",
        with(version(" 2026-07-28\t"), &["tools/call "], &["  add  "]),
        "add",
        Expect::Allowed,
    );
    new(
        "the method is missing",
        modern("", "add"),
        "add",
        mismatch(),
    );
    new(
        "the name is missing",
        modern("tools/call", ""),
        "add",
        mismatch(),
    );
    new(
        "the version is missing",
        with(none(), &["tools/call"], &["add"]),
        "add",
        mismatch(),
    );
    new(
        "another version",
        with(version("2025-11-25"), &["tools/call"], &["add"]),
        "add",
        mismatch(),
    );
    new(
        "a later version",
        with(version("2026-07-29"), &["tools/call"], &["add"]),
        "add",
        mismatch(),
    );
    new(
        "another method",
        modern("tools/list", "add"),
        "add",
        mismatch(),
    );
    new(
        "another name",
        modern("tools/call", "add"),
        "delete_all",
        mismatch(),
    );
    new(
        "another case of the method",
        modern("Tools/Call", "add"),
        "add",
        mismatch(),
    );
    new(
        "another case of the name",
        modern("tools/call", "Add"),
        "add",
        mismatch(),
    );
    new(
        "an empty name",
        with(version("2026-07-28"), &["tools/call"], &[""]),
        "add",
        mismatch(),
    );
    new(
        "an empty name that is right",
        with(version("2026-07-28"), &["tools/call"], &[""]),
        "",
        Expect::Allowed,
    );
    new(
        "the version twice",
        Headers {
            protocol_version: vec!["2026-07-28".to_owned(); 2],
            ..modern("tools/call", "add")
        },
        "add",
        mismatch(),
    );
    new(
        "the method twice",
        with(
            version("2026-07-28"),
            &["tools/call", "tools/call"],
            &["add"],
        ),
        "add",
        mismatch(),
    );
    new(
        "the name twice",
        with(version("2026-07-28"), &["tools/call"], &["add", "add"]),
        "add",
        mismatch(),
    );
    new(
        "two names",
        with(
            version("2026-07-28"),
            &["tools/call"],
            &["add", "delete_all"],
        ),
        "delete_all",
        mismatch(),
    );
    new(
        "a name in base64",
        modern("tools/call", "=?base64?ZGVsZXRlX2FsbA==?="),
        "delete_all",
        refused(),
    );
    new(
        "another name in base64",
        modern("tools/call", "=?base64?YWRk?="),
        "delete_all",
        mismatch(),
    );
    new(
        "base64 without padding",
        modern("tools/call", "=?base64?ZGVsZXRlX2FsbA?="),
        "delete_all",
        mismatch(),
    );
    new(
        "base64 of no UTF-8",
        modern("tools/call", "=?base64?/w==?="),
        "add",
        mismatch(),
    );
    new(
        "base64 with trailing bits",
        modern("tools/call", "=?base64?YWRkZZ==?="),
        "adde",
        mismatch(),
    );
    new(
        "base64 in upper-case marks is a name",
        modern("tools/call", "=?BASE64?YWRk?="),
        "add",
        mismatch(),
    );
    new(
        "a name that looks like base64",
        modern("tools/call", "=?base64?PT9iYXNlNjQ/eD89?="),
        "=?base64?x?=",
        Expect::Allowed,
    );
    new(
        "a name that looks like base64, as it is",
        modern("tools/call", "=?base64?x?="),
        "=?base64?x?=",
        mismatch(),
    );
    new(
        "letters beyond ASCII in base64",
        modern("tools/call", "=?base64?bMO2c2NoZW4=?="),
        "löschen",
        Expect::Allowed,
    );
    new(
        "letters beyond ASCII as UTF-8",
        with(
            version("2026-07-28"),
            &["tools/call"],
            &["l\u{c3}\u{b6}schen"],
        ),
        "löschen",
        Expect::Allowed,
    );
    new(
        "letters beyond ASCII as Latin-1",
        with(version("2026-07-28"), &["tools/call"], &["l\u{f6}schen"]),
        "löschen",
        mismatch(),
    );

    for unknown in ["v999", "2027-01-01", "DRAFT-2026", "", "2025", "2025-3-26"] {
        let body = call("delete_all");
        let name = format!("the version {unknown:?} has the newest rules");
        file.case(&name, version(unknown), &body, token("read"), mismatch());
    }
    let v999 = modern_call("delete_all").replace("2026-07-28", "v999");
    let headers = with(version("v999"), &["tools/call"], &["delete_all"]);
    file.case(
        "an unknown version is passed on if all agrees",
        headers,
        v999,
        token("read"),
        refused(),
    );
    let old_meta = call("delete_all").replace(
        r#""arguments""#,
        r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2025-06-18"},"arguments""#,
    );
    file.case(
        "_meta of an older version that agrees",
        version("2025-06-18"),
        &old_meta,
        token("read"),
        refused(),
    );
    file.case(
        "_meta of an older version that differs",
        version("2025-11-25"),
        &old_meta,
        token("read"),
        mismatch(),
    );
    file.case(
        "no _meta is for the server to refuse",
        modern("tools/call", "delete_all"),
        call("delete_all"),
        token("read"),
        refused(),
    );

    for (method, params, name) in [
        ("tools/list", "", ""),
        ("prompts/get", r#""name":"p""#, "p"),
        ("resources/read", r#""uri":"x://h/%41""#, "x://h/%41"),
        ("server/discover", "", ""),
        (
            "subscriptions/listen",
            r#""notifications":{"toolsListChanged":true}"#,
            "",
        ),
        (
            "completion/complete",
            r#""ref":{"type":"ref/prompt","name":"p"}"#,
            "",
        ),
        ("tasks/get", r#""taskId":"t-1""#, "t-1"),
        ("tasks/update", r#""taskId":"t-1""#, "t-1"),
        ("tasks/cancel", r#""taskId":"t-1""#, "t-1"),
        ("resources/subscribe", r#""uri":"x:y""#, "x:y"),
        ("resources/subscribe", r#""uri":"x:z""#, ""),
        ("x/y", "", ""),
    ] {
        let body = modern_request(method, params);
        let all = token("read");
        let label = |what: &str| format!("{method} {params}: {what}");
        file.case(
            &label("agrees"),
            modern(method, name),
            &body,
            all.clone(),
            Expect::Allowed,
        );
        file.case(
            &label("no method"),
            modern("", name),
            &body,
            all.clone(),
            mismatch(),
        );
        file.case(
            &label("another name"),
            modern(method, "other"),
            &body,
            all.clone(),
            mismatch(),
        );
        if !name.is_empty() && method != "resources/subscribe" {
            file.case(
                &label("no name"),
                modern(method, ""),
                &body,
                all,
                mismatch(),
            );
        }
    }
    let notification =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let without_id = || bad_without_id(HEADER_MISMATCH);
    file.case(
        "a notification needs no headers",
        version("2026-07-28"),
        notification,
        token("read"),
        Expect::Allowed,
    );
    file.case(
        "a notification whose method agrees",
        modern("notifications/cancelled", ""),
        notification,
        token("read"),
        Expect::Allowed,
    );
    file.case(
        "a notification whose method differs",
        modern("tools/list", ""),
        notification,
        token("read"),
        without_id(),
    );
    let initialize = |version: &str| {
        request(
            "initialize",
            &format!(r#"{{"protocolVersion":"{version}"}}"#),
        )
    };
    file.case(
        "initialize needs no headers",
        none(),
        initialize("2025-11-25"),
        token("read"),
        Expect::Allowed,
    );
    file.case(
        "initialize with another version than was agreed on before",
        version("2025-06-18"),
        initialize("2025-11-25"),
        token("read"),
        Expect::Allowed,
    );
    file.case(
        "initialize of the newest version",
        version("2026-07-28"),
        initialize("2026-07-28"),
        token("read"),
        Expect::Allowed,
    );
    file.case(
        "initialize that differs from a new version",
        version("2026-07-28"),
        initialize("2025-11-25"),
        token("read"),
        mismatch(),
    );
    // A method that 2026-07-28 removed is unknown, even if what it needs is missing.
    let unknown = || Expect::BadRequest(answer(404, METHOD_NOT_FOUND, "1"));
    for method in ["initialize", "resources/subscribe", "resources/unsubscribe"] {
        file.case(
            &format!("{method} of a version that has no such method"),
            modern(method, ""),
            modern_request(method, ""),
            token("read"),
            unknown(),
        );
        let expected = match method {
            "initialize" => Expect::Allowed,
            _ => bad(INVALID_PARAMS),
        };
        file.case(
            &format!("{method} of a version that has it"),
            version("2025-11-25"),
            request(method, "{}"),
            token("read"),
            expected,
        );
    }
    file.case(
        "a removed method in a body that is not JSON-RPC",
        modern("resources/subscribe", ""),
        r#"{"id":1,"method":"resources/subscribe"}"#,
        token("read"),
        bad(INVALID_REQUEST),
    );
    file.case(
        "initialize whose method differs",
        modern("tools/list", ""),
        initialize("2026-07-28"),
        token("read"),
        mismatch(),
    );
    file.finish()
}

fn batches() -> RequestFile {
    let mut file = Requests::new(
        "batches.json",
        "Only 2025-03-26 has batches; every message must be allowed, and all share one answer.",
        rules(
            "allow",
            vec![
                rule("tools/call", "delete_*", "admin"),
                rule("tools/call", "write_*", "write"),
            ],
        ),
    );
    let call = |id: u8, name: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}"}}}}"#
        )
    };
    let batch = |messages: &[String]| format!("[{}]", messages.join(","));
    let note = || r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned();
    let ping = || r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#.to_owned();
    let good = batch(&[ping(), note(), call(1, "add")]);
    let with_forbidden = batch(&[call(1, "add"), call(2, "delete_all")]);
    let with_two = batch(&[
        call(1, "write_x"),
        ping(),
        call(2, "delete_all"),
        call(3, "delete_x"),
    ]);
    for (name, headers) in [
        ("no version", Headers::default()),
        ("2025-03-26", version("2025-03-26")),
    ] {
        let mut case = |what: &str, body: &str, expect: Expect| {
            file.case(
                &format!("{name}: {what}"),
                headers.clone(),
                body,
                token("read"),
                expect,
            );
        };
        case("all allowed", &good, Expect::Allowed);
        case("one message", &batch(&[ping()]), Expect::Allowed);
        case("one forbidden call", &with_forbidden, refused());
        case(
            "several: one challenge for all",
            &with_two,
            needs("write admin", "write admin"),
        );
        case(
            "the forbidden call first",
            &batch(&[call(2, "delete_all"), ping()]),
            refused(),
        );
        case(
            "a notification that calls",
            &batch(&[ping(), call(1, "delete_x").replace(r#""id":1,"#, "")]),
            refused(),
        );
        case("empty", "[]", bad_without_id(INVALID_REQUEST));
        case("a number", "[1]", bad_without_id(INVALID_REQUEST));
        case(
            "a number beside a message",
            &format!("[{},1]", ping()),
            bad_without_id(INVALID_REQUEST),
        );
        case(
            "a batch in a batch",
            &format!("[[{}]]", ping()),
            bad_without_id(INVALID_REQUEST),
        );
        case(
            "one that is malformed",
            &batch(&[ping(), call(1, "add").replace("2.0", "1.0")]),
            bad(INVALID_REQUEST),
        );
        case(
            "one without a name",
            &batch(&[
                ping(),
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#.to_owned(),
            ]),
            bad(INVALID_PARAMS),
        );
        case(
            "one with a control character",
            &batch(&[call(1, r"\u0000"), call(2, "delete_x")]),
            bad(INVALID_PARAMS),
        );
        case(
            "initialize",
            &batch(&[r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#.to_owned()]),
            bad(INVALID_REQUEST),
        );
        case(
            "a request and a response",
            &batch(&[ping(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned()]),
            bad_without_id(INVALID_REQUEST),
        );
        case(
            "a trailing comma",
            &format!("[{},]", ping()),
            bad_without_id(PARSE_ERROR),
        );
        case(
            "a member twice in one",
            &format!("[{}]", ping().replacen('{', r#"{"id":8,"#, 1)),
            bad_without_id(PARSE_ERROR),
        );
        case("_meta of a version that differs", &batch(&[r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#.to_owned()]), bad(HEADER_MISMATCH));
    }
    for other in [
        "2024-11-05",
        "2025-06-18",
        "2025-11-25",
        "2026-07-28",
        "2027-01-01",
        "x",
    ] {
        let name = format!("{other}: no batches");
        file.case(
            &name,
            version(other),
            &good,
            token("read admin"),
            bad_without_id(INVALID_REQUEST),
        );
    }
    let two = batch(&[call(1, "add"), call(2, "add")]);
    let headers = Headers {
        method: vec!["tools/call".to_owned()],
        name: vec!["add".to_owned()],
        ..Headers::default()
    };
    file.case(
        "headers that agree with every message",
        headers.clone(),
        two,
        token("read"),
        Expect::Allowed,
    );
    file.case(
        "headers that agree with one message",
        headers,
        &with_forbidden,
        token("read"),
        Expect::BadRequest(answer(400, HEADER_MISMATCH, "2")),
    );
    file.finish()
}

fn responses() -> RequestFile {
    let mut file = Requests::new(
        "responses.json",
        "A client's response exists up to 2025-11-25, and needs a token and a session of the caller.",
        rules("deny", vec![rule("ping", "", "")]),
    );
    let result = r#"{"jsonrpc":"2.0","id":7,"result":{"action":"accept"}}"#;
    let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}"#;
    let bound = || super::Caller {
        in_bound_session: true,
        ..token("")
    };
    for old in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        for (name, body) in [("a result", result), ("an error", error)] {
            let headers = version(old);
            file.case(
                &format!("{old}: {name}"),
                headers.clone(),
                body,
                bound(),
                Expect::Allowed,
            );
            file.case(
                &format!("{old}: {name} outside a session"),
                headers.clone(),
                body,
                token(""),
                bad_without_id(INVALID_REQUEST),
            );
            file.case(
                &format!("{old}: {name} without a token"),
                headers,
                body,
                super::stranger(),
                Expect::NeedsToken(String::new()),
            );
        }
    }
    for new in ["2026-07-28", "2027-01-01", "x"] {
        file.case(
            &format!("{new}: a result"),
            version(new),
            result,
            bound(),
            bad_without_id(INVALID_REQUEST),
        );
        file.case(
            &format!("{new}: an error"),
            version(new),
            error,
            bound(),
            bad_without_id(INVALID_REQUEST),
        );
    }
    let headers = Headers::default;
    for (name, body) in [
        (
            "null as a result",
            r#"{"jsonrpc":"2.0","id":7,"result":null}"#,
        ),
        (
            "an error without an id",
            r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"no"}}"#,
        ),
        (
            "null for the error beside a result",
            r#"{"jsonrpc":"2.0","id":7,"result":{},"error":null}"#,
        ),
        (
            "a batch of responses",
            r#"[{"jsonrpc":"2.0","id":7,"result":{}},{"jsonrpc":"2.0","id":8,"result":{}}]"#,
        ),
    ] {
        file.case(name, headers(), body, bound(), Expect::Allowed);
    }
    for (name, body) in [
        (
            "a result and an error",
            r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}"#,
        ),
        ("neither", r#"{"jsonrpc":"2.0","id":7}"#),
        ("a result without an id", r#"{"jsonrpc":"2.0","result":{}}"#),
        (
            "a result with params",
            r#"{"jsonrpc":"2.0","id":7,"result":{},"params":{"name":"x"}}"#,
        ),
        (
            "Method beside the result",
            r#"{"jsonrpc":"2.0","id":7,"result":{},"Method":"tools/call"}"#,
        ),
    ] {
        file.case(
            name,
            headers(),
            body,
            bound(),
            bad_without_id(INVALID_REQUEST),
        );
    }
    let named = Headers {
        method: vec!["ping".to_owned()],
        ..Headers::default()
    };
    file.case(
        "a response with a method in the headers",
        named,
        result,
        bound(),
        bad_without_id(HEADER_MISMATCH),
    );
    file.finish()
}
