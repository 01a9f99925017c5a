//! Lists that are not passed on.

use mcp_bearer_testkit::vectors::operations::{Format, ListExpect, ListFile, Rules};

use super::lists::{changed, hiding, tools};
use super::{Lists, open, rule, rules, stranger};

pub(crate) fn files() -> Vec<ListFile> {
    vec![json(), events(), sees_all()]
}

fn fault(kind: &str) -> ListExpect {
    ListExpect::Fault(kind.to_owned())
}

fn json() -> ListFile {
    let mut file = Lists::new(
        "faults.json",
        "A list that is cut, too large or not strict JSON is an error and never passed.",
        hiding(),
    );
    let list = tools(r#"{"name":"a"}"#);
    let mut case = |name: &str, asked: bool, input: Vec<u8>, expect: ListExpect| {
        file.push(name, Format::Json, input, expect);
        file.last().list_was_asked_for = asked;
    };
    for (asked, label) in [(true, ""), (false, ", though nobody asked for one")] {
        let mut strict = |name: &str, input: &str| {
            case(
                &format!("{name}{label}"),
                asked,
                input.into(),
                fault("not_strict"),
            );
        };
        strict("a name twice", &tools(r#"{"name":"a","name":"admin_x"}"#));
        strict(
            "a name twice by escapes",
            &tools(r#"{"name":"a","n\u0061me":"admin_x"}"#),
        );
        strict(
            "the list twice",
            &list.replace("]}", r#"],"tools":[{"name":"admin_x"}]}"#),
        );
        strict(
            "the result twice",
            &list.replace("]}}", r#"]},"result":{"tools":[{"name":"admin_x"}]}}"#),
        );
        strict(
            "a member of a schema twice",
            &tools(r#"{"name":"a","inputSchema":{"x":1,"x":2}}"#),
        );
        strict(
            "a list that is an object",
            &list
                .replace('[', "{")
                .replace(']', "}")
                .replace("{{", "{\"a\":{"),
        );
        strict(
            "a list that is a string",
            r#"{"result":{"tools":"admin_x"}}"#,
        );
        strict("a list that is null", r#"{"result":{"tools":null}}"#);
        strict("a lone surrogate", &tools(r#"{"name":"\ud800"}"#));
        strict("NaN", &tools(r#"{"name":"a","x":NaN}"#));
        strict("a comment in the list", &tools("/* */"));
        strict("a trailing comma", &tools(r#"{"name":"a"},"#));
        strict("something behind", &format!("{list}{list}"));
        strict("a byte order mark", &format!("\u{feff}{list}"));
        strict("a batch that is not strict", &format!("[{list},]"));
        strict(
            "200 levels",
            &tools(&format!(
                r#"{{"name":"a","x":{}{}}}"#,
                "[".repeat(200),
                "]".repeat(200)
            )),
        );
        let mut invalid = list.clone().into_bytes();
        let at = invalid.len() - 6;
        invalid.insert(at, 0xFF);
        case(
            &format!("no UTF-8{label}"),
            asked,
            invalid,
            fault("not_strict"),
        );
        let utf16: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
        case(&format!("UTF-16{label}"), asked, utf16, fault("not_strict"));
        for end in [list.len() - 1, list.len() - 3, list.len() - 8, 47] {
            case(
                &format!("cut at {end}{label}"),
                asked,
                list.as_bytes()[..end].into(),
                fault("cut"),
            );
        }
    }
    for end in [1, 5, 20, 40] {
        case(
            &format!("cut at {end}"),
            true,
            list.as_bytes()[..end].into(),
            fault("cut"),
        );
        case(
            &format!("cut at {end}: nobody asked for a list"),
            false,
            list.as_bytes()[..end].into(),
            ListExpect::Unchanged,
        );
    }
    case("no JSON", true, b"<html>".into(), fault("not_strict"));
    let utf16: Vec<u8> = list.encode_utf16().flat_map(u16::to_be_bytes).collect();
    case("UTF-16 big endian", true, utf16, fault("not_strict"));
    case(
        "a notification in the place of an answer",
        true,
        br#"{"method":"notifications/resources/updated","params":{"uri":"x:secret1"}}"#.into(),
        fault("not_strict"),
    );

    let padding = "x".repeat(200);
    let mut limited = |name: &str, asked: bool, input: String, expect: ListExpect| {
        file.push(name, Format::Json, input, expect);
        file.last().list_was_asked_for = asked;
        file.last().limit = Some(200);
    };
    let long = tools(&format!(
        r#"{{"name":"admin_x","description":"{padding}"}}"#
    ));
    limited("too large", true, long.clone(), fault("too_large"));
    limited(
        "too large, though nobody asked for one",
        false,
        long,
        fault("too_large"),
    );
    let exact = tools(&format!(r#"{{"name":"a","x":"{}"}}"#, &padding[..135]));
    let exact = format!("{exact}{}", " ".repeat(200 - exact.len()));
    limited(
        "as large as it may be",
        true,
        exact.clone(),
        ListExpect::Unchanged,
    );
    limited(
        "one byte too large",
        true,
        format!("{exact} "),
        fault("too_large"),
    );
    let result = |members: &str| format!(r#"{{"id":1,"result":{{{members}}}}}"#);
    limited(
        "the answer to a call may be larger",
        false,
        result(&format!(r#""content":["{padding}"]"#)),
        ListExpect::Unchanged,
    );
    limited(
        "another answer may be larger",
        false,
        result(&format!(r#""x":["{padding}"]"#)),
        ListExpect::Unchanged,
    );
    limited(
        "another answer to a list request",
        true,
        result(&format!(r#""x":["{padding}"]"#)),
        fault("too_large"),
    );
    limited(
        "a list that begins behind the limit",
        false,
        result(&format!(
            r#""x":["{padding}"],"tools":[{{"name":"admin_x"}}]"#
        )),
        fault("too_large"),
    );
    file.finish()
}

fn events() -> ListFile {
    let mut file = Lists::new(
        "event_faults.json",
        "An event with a list that cannot be filtered is replaced by an error, and the stream continues.",
        hiding(),
    );
    let list = tools(r#"{"name":"a"}"#);
    let error = |id: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":-32603,\"message\":\"the server's answer could not be filtered\"}}}}\n\n"
        )
    };
    let known = || error(r#""id":1,"#);
    let mut case = |name: &str, asked: bool, input: String, output: String| {
        file.push(name, Format::Events, input, changed(output));
        file.last().list_was_asked_for = asked;
    };
    let twice = tools(r#"{"name":"a","name":"admin_x"}"#);
    case(
        "not strict",
        true,
        format!("id: 1\ndata: {twice}\n\ndata: {list}\n\n"),
        format!("{}data: {list}\n\n", known()),
    );
    case(
        "not strict, with carriage returns",
        true,
        format!("data: {twice}\r\n\r\ndata: {list}\r\n\r\n"),
        format!("{}data: {list}\r\n\r\n", known()),
    );
    case(
        "not strict, nobody asked for one",
        false,
        format!("data: {twice}\n\n"),
        known(),
    );
    case(
        "an id that is a string",
        false,
        format!("data: {}\n\n", twice.replace(r#""id":1"#, r#""id":"a-1""#)),
        error(r#""id":"a-1","#),
    );
    case(
        "an id behind the list",
        false,
        "data: {\"result\":{\"tools\":[}},\"id\":1}\n\n".to_owned(),
        error(""),
    );
    case(
        "an id behind the list, of the one request",
        true,
        "data: {\"result\":{\"tools\":[}},\"id\":1}\n\n".to_owned(),
        known(),
    );
    case(
        "cut in an event",
        true,
        format!("data: {}\n\n: go on\n\n", &list[..45]),
        format!("{}: go on\n\n", known()),
    );
    case(
        "cut before the list in an event",
        true,
        format!("data: {}\n\n", &list[..30]),
        known(),
    );
    case(
        "the stream is cut in a list",
        true,
        format!("data: {}", &list[..50]),
        known(),
    );
    case(
        "the stream is cut before the list",
        true,
        format!("data: {}", &list[..30]),
        known(),
    );
    case(
        "a list in two events",
        true,
        format!("data: {}\n\ndata: {}\n\n", &list[..45], &list[45..]),
        format!("{}data: {}\n\n", known(), &list[45..]),
    );
    case(
        "not UTF-8 by escapes",
        false,
        format!("data: {}\n\n", tools(r#"{"name":"\udc00"}"#)),
        known(),
    );

    let padding = "x".repeat(300);
    let mut limited = |name: &str, asked: bool, input: String, output: String| {
        file.push(name, Format::Events, input, changed(output));
        file.last().list_was_asked_for = asked;
        file.last().limit = Some(200);
    };
    let long = tools(&format!(
        r#"{{"name":"admin_x","description":"{padding}"}}"#
    ));
    limited(
        "too large",
        true,
        format!("data: {long}\nid: 1\n\ndata: {list}\n\n"),
        format!("{}data: {list}\n\n", known()),
    );
    limited(
        "too large, nobody asked for one",
        false,
        format!("data: {long}\r\n\r\ndata: {list}\n\n"),
        format!("{}data: {list}\n\n", known()),
    );
    let lines = long.replace(r#""tools":["#, "\ndata: \"tools\":[\ndata: ");
    limited(
        "too large over several lines",
        true,
        format!("data: {lines}\n\n"),
        known(),
    );
    let big = |members: &str| format!("data: {{\"id\":1,\"result\":{{{members}}}}}\nid: 5\n\n");
    for (name, members) in [
        (
            "the answer to a call",
            format!(r#""content":["{padding}"]"#),
        ),
        ("another answer", format!(r#""x":["{padding}"]"#)),
    ] {
        let input = format!("{}data: {twice}\n\n", big(&members));
        limited(
            &format!("{name} may be larger"),
            false,
            input,
            format!("{}{}", big(&members), known()),
        );
    }
    let comment = format!(": {padding}\ndata: {long}\n\n: {padding}\n\n");
    limited(
        "a comment may be larger",
        false,
        comment,
        format!(": {padding}\n{}: {padding}\n\n", known()),
    );
    let field = format!("x: {padding}\ndata: {{\"id\":1,\"result\":{{\"content\":[]}}}}\n\n");
    limited("a field may be larger", false, field.clone(), field);
    file.push(
        "a list that begins behind the limit ends the stream",
        Format::Events,
        format!("data: {{\"id\":1,\"result\":{{\"x\":\"{padding}\",\"tools\":[{{\"name\":\"admin_x\"}}]}}}}\n\ndata: {list}\n\n"),
        fault("too_large"),
    );
    file.last().limit = Some(200);
    file.finish()
}

fn sees_all() -> ListFile {
    let rules = Rules {
        anonymous_sees_all: true,
        ..rules(
            "allow",
            vec![open("tools/list", ""), rule("tools/call", "", "call")],
        )
    };
    let mut file = Lists::new(
        "anonymous_sees_all.json",
        "With this setting callers without a token see everything, so that they know what signing in would allow.",
        rules,
    );
    file.push(
        "tools",
        Format::Json,
        tools(r#"{"name":"a"}"#),
        ListExpect::Unchanged,
    );
    file.last().caller = stranger();
    file.finish()
}
