//! Lists, and what a caller sees of them.

use mcp_bearer_testkit::vectors::operations::{Bytes, Format, ListExpect, ListFile, Rule, Rules};

use super::{Lists, hide, open, rule, rules, stranger, token};

pub(crate) fn files() -> Vec<ListFile> {
    vec![
        json(),
        kinds(),
        events(),
        ids(),
        notifications(),
        anonymous(),
    ]
}

/// Some tools, prompts and resources are hidden from a caller with the scope `read`.
pub(crate) fn hiding() -> Rules {
    rules(
        "allow",
        vec![
            hide(rule("tools/call", "admin_*", "admin")),
            hide(rule("prompts/get", "secret*", "prompts")),
            hide(rule("resources/read", "x:secret*", "files")),
            rule("tools/call", "write_*", "write"),
        ],
    )
}

pub(crate) fn changed(text: impl AsRef<[u8]>) -> ListExpect {
    ListExpect::Changed(Bytes::of(text.as_ref()))
}

/// The answer to a list request; `items` goes between the brackets.
pub(crate) fn tools(items: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{items}]}}}}"#)
}

fn json() -> ListFile {
    let mut file = Lists::new(
        "json.json",
        "Everything except the removed items passes byte for byte.",
        hiding(),
    );
    let mut case = |name: &str, input: String, expect: ListExpect| {
        file.push(name, Format::Json, input, expect);
        file.last().list_was_asked_for = true;
    };
    let (a, b, x, y) = (
        r#"{"name":"a","inputSchema":{"type":"object"}}"#,
        r#"{"inputSchema":{},"name":"b"}"#,
        r#"{"name":"admin_x","description":"admin"}"#,
        r#"{"description":"[{\"name\":\"a\"}]","name":"admin_y"}"#,
    );
    let join = |items: &[&str]| items.join(",");
    case(
        "nothing is hidden",
        tools(&join(&[a, b])),
        ListExpect::Unchanged,
    );
    case("an empty list", tools(""), ListExpect::Unchanged);
    case(
        "a list with a space in it",
        tools(" "),
        ListExpect::Unchanged,
    );
    case(
        "the first is hidden",
        tools(&join(&[x, a, b])),
        changed(tools(&join(&[a, b]))),
    );
    case(
        "the second is hidden",
        tools(&join(&[a, x, b])),
        changed(tools(&join(&[a, b]))),
    );
    case(
        "the last is hidden",
        tools(&join(&[a, b, x])),
        changed(tools(&join(&[a, b]))),
    );
    case(
        "the first and the last are hidden",
        tools(&join(&[x, a, y])),
        changed(tools(a)),
    );
    case(
        "two in the middle are hidden",
        tools(&join(&[a, x, y, b])),
        changed(tools(&join(&[a, b]))),
    );
    case(
        "every second is hidden",
        tools(&join(&[x, a, y, b, x])),
        changed(tools(&join(&[a, b]))),
    );
    case("all are hidden", tools(&join(&[x, y])), changed(tools("")));
    case(
        "a tool named twice",
        tools(&join(&[x, a, x, a])),
        changed(tools(&join(&[a, a]))),
    );
    case(
        "a tool that is not hidden but needs a scope",
        tools(r#"{"name":"write_x"}"#),
        ListExpect::Unchanged,
    );
    case(
        "a name by escapes",
        tools(r#"{"name":"\u0061dmin_x"},{"name":"\u0061"}"#),
        changed(tools(r#"{"name":"\u0061"}"#)),
    );
    case(
        "\"name\" by escapes",
        tools(r#"{"n\u0061me":"admin_x"}"#),
        changed(tools("")),
    );
    case(
        "\"tools\" by escapes",
        tools(x).replace(r#""tools""#, r#""t\u006fols""#),
        changed(tools("").replace(r#""tools""#, r#""t\u006fols""#)),
    );
    case(
        "\"result\" by escapes",
        tools(x).replace(r#""result""#, r#""\u0072esult""#),
        changed(tools("").replace(r#""result""#, r#""\u0072esult""#)),
    );
    case("white space stays", "{ \"id\" : 1 ,\r\n\t\"result\" : { \"tools\" : [ {\"name\":\"a\"} , {\"name\":\"admin_x\"} , {\"name\":\"b\"} ] } }\n".to_owned(),
        changed("{ \"id\" : 1 ,\r\n\t\"result\" : { \"tools\" : [ {\"name\":\"a\"} , {\"name\":\"b\"} ] } }\n"));
    case("white space around what is removed", "{\"result\":{\"tools\":[ {\"name\":\"admin_x\"} , {\"name\":\"a\"} , {\"name\":\"admin_y\"} ]}}".to_owned(),
        changed("{\"result\":{\"tools\":[ {\"name\":\"a\"} ]}}"));
    case(
        "names inside of a tool decide nothing",
        tools(
            r#"{"inputSchema":{"name":"admin_x"},"name":"a","_meta":{"tools":[{"name":"admin_x"}]}}"#,
        ),
        ListExpect::Unchanged,
    );
    case(
        "tools inside of a tool are not a list",
        tools(r#"{"name":"a","tools":[{"name":"admin_x"}]}"#),
        ListExpect::Unchanged,
    );
    case(
        "a cursor stays",
        tools(&join(&[x, a])).replace("]}", r#"],"nextCursor":"admin_x"}"#),
        changed(tools(a).replace("]}", r#"],"nextCursor":"admin_x"}"#)),
    );
    case(
        "all of a page are hidden",
        tools(x).replace("]}", r#"],"nextCursor":"2"}"#),
        changed(tools("").replace("]}", r#"],"nextCursor":"2"}"#)),
    );
    case(
        "the list behind other members",
        tools(x).replace(
            r#""tools""#,
            r#""_meta":{"a":[1,"\"]"]},"x":"content","tools""#,
        ),
        changed(tools("").replace(
            r#""tools""#,
            r#""_meta":{"a":[1,"\"]"]},"x":"content","tools""#,
        )),
    );
    case(
        "a list that may be shared between users",
        tools(a).replace("]}", r#"],"ttlMs":60000,"cacheScope":"public"}"#),
        changed(tools(a).replace("]}", r#"],"ttlMs":60000,"cacheScope":"private"}"#)),
    );
    case(
        "the same before the list",
        tools(&join(&[a, x])).replace(r#""tools""#, r#""cacheScope" : "public" ,"tools""#),
        changed(tools(a).replace(r#""tools""#, r#""cacheScope" : "private" ,"tools""#)),
    );
    case(
        "a list that is private already",
        tools(a).replace("]}", r#"],"cacheScope":"private"}"#),
        ListExpect::Unchanged,
    );
    case(
        "a cache scope of another type",
        tools(a).replace("]}", r#"],"cacheScope":null}"#),
        changed(tools(a).replace("]}", r#"],"cacheScope":"private"}"#)),
    );
    case(
        "a tool without a name",
        tools(r#"{"description":"admin_x"},{"name":"a"}"#),
        changed(tools(r#"{"name":"a"}"#)),
    );
    case(
        "a tool whose name is a number",
        tools(r#"{"name":1},{"name":"a"}"#),
        changed(tools(r#"{"name":"a"}"#)),
    );
    case(
        "tools that are not objects",
        tools(r#"null,"admin_x",["admin_x"],{"name":"a"},1"#),
        changed(tools(r#"{"name":"a"}"#)),
    );
    case(
        "a name that has two spellings",
        tools(r#"{"name":"e\u0301"},{"name":"a"}"#),
        changed(tools(r#"{"name":"a"}"#)),
    );
    case(
        "a name with a control character",
        tools(r#"{"name":"admin_x\u0000"},{"name":"a"}"#),
        changed(tools(r#"{"name":"a"}"#)),
    );
    case(
        "an error",
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"tools"}}"#.to_owned(),
        ListExpect::Unchanged,
    );
    case(
        "a result without a list",
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
        ListExpect::Unchanged,
    );
    case(
        "a result that is not an object",
        r#"{"jsonrpc":"2.0","id":1,"result":[{"tools":[{"name":"admin_x"}]}]}"#.to_owned(),
        ListExpect::Unchanged,
    );
    case("no body", String::new(), ListExpect::Unchanged);
    case(
        "content beside the list",
        tools(x).replace(r#""tools""#, r#""content":[],"tools""#),
        changed(tools("").replace(r#""tools""#, r#""content":[],"tools""#)),
    );
    case(
        "a batch",
        format!("[{},{}]", tools(&join(&[x, a])), tools(y)),
        changed(format!("[{},{}]", tools(a), tools(""))),
    );
    case(
        "a batch with the answer to a call",
        format!(
            r#"[{},{{"jsonrpc":"2.0","id":2,"result":{{"content":[]}}}}]"#,
            tools(x)
        ),
        changed(format!(
            r#"[{},{{"jsonrpc":"2.0","id":2,"result":{{"content":[]}}}}]"#,
            tools("")
        )),
    );
    let huge = "x".repeat(60_000);
    let schema =
        |name: &str| format!(r#"{{"name":"{name}","inputSchema":{{"description":"{huge}"}}}}"#);
    case(
        "a huge schema",
        tools(&join(&[&schema("admin_x"), &schema("a")])),
        changed(tools(&schema("a"))),
    );

    let mut case = |name: &str, input: String, expect: ListExpect| {
        file.push(name, Format::Json, input, expect);
    };
    let result = |members: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{members}}}}}"#);
    case(
        "a list that nobody asked for is filtered",
        tools(&join(&[x, a])),
        changed(tools(a)),
    );
    case(
        "the answer to a call",
        result(r#""content":[{"type":"text","text":"admin_x"}],"tools":[{"name":"admin_x"}]"#),
        ListExpect::Unchanged,
    );
    case(
        "the answer to a call, with a list in it",
        result(r#""content":[],"structuredContent":{"tools":[{"name":"admin_x"}]}"#),
        ListExpect::Unchanged,
    );
    case(
        "the answer to a call need not be strict",
        result(r#""content":[{"type":"text","text":"\ud800","x":NaN,"x":1}]"#),
        ListExpect::Unchanged,
    );
    case(
        "structured content first",
        result(r#""structuredContent":{"a":1,"a":2},"content":[]"#),
        ListExpect::Unchanged,
    );
    case(
        "a prompt",
        result(r#""description":"x","messages":[]"#),
        ListExpect::Unchanged,
    );
    case(
        "a resource",
        result(r#""contents":[{"uri":"x:secret","text":"t"}]"#),
        ListExpect::Unchanged,
    );
    case(
        "a completion",
        result(r#""completion":{"values":["admin_x"]}"#),
        ListExpect::Unchanged,
    );
    case(
        "initialize",
        result(r#""protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}}"#),
        ListExpect::Unchanged,
    );
    case("text", "not JSON".to_owned(), ListExpect::Unchanged);

    file.push(
        "a caller with all scopes",
        Format::Json,
        tools(x),
        ListExpect::Unchanged,
    );
    file.last().caller = token("admin prompts files");
    file.push(
        "a caller with all scopes: no cache may give its list to others",
        Format::Json,
        tools(x).replace("]}", r#"],"cacheScope":"public"}"#),
        changed(tools(x).replace("]}", r#"],"cacheScope":"private"}"#)),
    );
    file.last().caller = token("admin prompts files");
    file.push(
        "a caller with another scope",
        Format::Json,
        tools(x),
        changed(tools("")),
    );
    file.last().caller = token("prompts files");
    file.finish()
}

fn kinds() -> ListFile {
    let mut file = Lists::new(
        "kinds.json",
        "Each list is filtered where rules hide something of its kind.",
        rules(
            "allow",
            vec![
                hide(rule("prompts/get", "secret*", "prompts")),
                hide(rule("resources/read", "x:secret/*", "files")),
                hide(rule("resources/read", "file:///straße*", "files")),
            ],
        ),
    );
    let list = |member: &str, items: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"{member}":[{items}],"cacheScope":"public"}}}}"#
        )
    };
    let private = |member: &str, items: &str| list(member, items).replace("public", "private");
    let mut case = |name: &str, input: String, expect: ListExpect| {
        file.push(name, Format::Json, input, expect);
    };
    case(
        "prompts",
        list("prompts", r#"{"name":"secret1"},{"name":"p"}"#),
        changed(private("prompts", r#"{"name":"p"}"#)),
    );
    case(
        "resources by their URI",
        list(
            "resources",
            r#"{"name":"a","uri":"x:secret/1"},{"name":"x:secret/1","uri":"x:b"}"#,
        ),
        changed(private("resources", r#"{"name":"x:secret/1","uri":"x:b"}"#)),
    );
    case(
        "templates by their literal text",
        list(
            "resourceTemplates",
            r#"{"name":"a","uriTemplate":"x:secret/{id}"},{"name":"b","uriTemplate":"{+uri}"},{"uriTemplate":"x:s{a}"}"#,
        ),
        changed(private(
            "resourceTemplates",
            r#"{"name":"b","uriTemplate":"{+uri}"},{"uriTemplate":"x:s{a}"}"#,
        )),
    );
    case(
        "resources that are not spelt canonically",
        list(
            "resources",
            r#"{"uri":"x:a/../secret/1"},{"uri":"X:b"},{"uri":"x:%73ecret"},{"uri":"x:b"}"#,
        ),
        changed(private("resources", r#"{"uri":"x:b"}"#)),
    );
    case(
        "letters beyond ASCII, encoded or not",
        list(
            "resources",
            r#"{"uri":"file:///straße1"},{"uri":"file:///stra%c3%9fe2"},{"uri":"file:///strasse"}"#,
        ),
        changed(private("resources", r#"{"uri":"file:///strasse"}"#)),
    );
    case(
        "tools, of which no rule hides one",
        list("tools", r#"{"name":"secret1"},{"name":1}"#),
        ListExpect::Unchanged,
    );
    case("several lists in one result", r#"{"result":{"prompts":[{"name":"secret1"}],"resources":[{"uri":"x:secret/1"}],"tools":[{"name":"secret1"}]}}"#.to_owned(), changed(r#"{"result":{"prompts":[],"resources":[],"tools":[{"name":"secret1"}]}}"#));
    file.finish()
}

fn events() -> ListFile {
    let mut file = Lists::new(
        "events.json",
        "An event stream passes byte for byte, except for the data of changed events.",
        hiding(),
    );
    let a = r#"{"name":"a"}"#;
    let x = r#"{"name":"admin_x"}"#;
    let both = tools(&format!("{x},{a}"));
    let one = tools(a);
    let mut case = |name: &str, input: String, expect: ListExpect| {
        file.push(name, Format::Events, input, expect);
    };
    case(
        "no list",
        format!("event: message\nid: 1\ndata: {one}\n\n"),
        ListExpect::Unchanged,
    );
    case(
        "one event",
        format!("data: {both}\n\n"),
        changed(format!("data: {one}\n\n")),
    );
    case(
        "without a space",
        format!("data:{both}\n\n"),
        changed(format!("data: {one}\n\n")),
    );
    case(
        "fields around",
        format!("event: message\nid: 7\nretry: 10\ndata: {both}\nx: y\n\n"),
        changed(format!(
            "event: message\nid: 7\nretry: 10\ndata: {one}\nx: y\n\n"
        )),
    );
    case(
        "an id behind the data",
        format!("data: {both}\nid: 7\n\n"),
        changed(format!("data: {one}\nid: 7\n\n")),
    );
    case(
        "comments",
        format!(": ping\n\n:\r\n\n: a\n: b\ndata: {both}\n: c\n\n: d\n"),
        changed(format!(
            ": ping\n\n:\r\n\n: a\n: b\ndata: {one}\n: c\n\n: d\n"
        )),
    );
    case(
        "carriage returns",
        format!("data: {both}\r\rdata: {both}\r\r"),
        changed(format!("data: {one}\r\rdata: {one}\r\r")),
    );
    case(
        "carriage returns and line feeds",
        format!("id: 1\r\ndata: {both}\r\n\r\ndata: {both}\r\n\r\n"),
        changed(format!("id: 1\r\ndata: {one}\r\n\r\ndata: {one}\r\n\r\n")),
    );
    case(
        "every end of line",
        format!("id: 1\rdata: {both}\n\r\ndata: {both}\r\n\n"),
        changed(format!("id: 1\rdata: {one}\n\r\ndata: {one}\r\n\n")),
    );
    let split = |text: &str| {
        text.replace(r#""result""#, "\ndata: \"result\"")
            .replace(r#""tools":["#, "\"tools\":\ndata:[")
    };
    case(
        "several lines of data",
        format!("data: {}\n\n", split(&both)),
        changed(format!(
            "data: {}\n\n",
            one.replace(r#""result""#, r#" "result""#)
                .replace(r#""tools":["#, r#""tools": ["#)
        )),
    );
    case(
        "several lines of data that are not changed",
        format!("data: {}\nid: 1\n\n", split(&one)),
        ListExpect::Unchanged,
    );
    case(
        "an id between lines of data",
        format!("data: {{\"id\":1,\nid: 3\ndata:\"result\":{{\"tools\":[{x}]}}}}\n\n"),
        changed("data: {\"id\":1, \"result\":{\"tools\":[]}}\nid: 3\n\n"),
    );
    case(
        "data without a colon is an empty line",
        format!("data\ndata: {both}\n\n"),
        changed(format!("data:  {one}\n\n")),
    );
    case(
        "an event without data",
        "id: 0\nretry: 1000\n\n".to_owned(),
        ListExpect::Unchanged,
    );
    case(
        "an event with empty data",
        "id: 0\ndata: \n\ndata:\n\ndata\n\n".to_owned(),
        ListExpect::Unchanged,
    );
    case(
        "data that is not JSON",
        "event: endpoint\ndata: /messages?sessionId=1\n\n".to_owned(),
        ListExpect::Unchanged,
    );
    case(
        "a byte order mark",
        format!("\u{feff}data: {both}\n\n"),
        changed(format!("\u{feff}data: {one}\n\n")),
    );
    case(
        "a second byte order mark makes another field",
        format!("\u{feff}\u{feff}data: {both}\n\n"),
        ListExpect::Unchanged,
    );
    case(
        "another field",
        format!("dat: {both}\ndatas: {both}\n data: {both}\nData: {both}\n\n"),
        ListExpect::Unchanged,
    );
    case(
        "events of every kind",
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{}}}}\n\ndata: {both}\n\ndata: {{\"id\":2,\"result\":{{\"content\":[]}}}}\n\n"
        ),
        changed(format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{}}}}\n\ndata: {one}\n\ndata: {{\"id\":2,\"result\":{{\"content\":[]}}}}\n\n"
        )),
    );
    case(
        "a batch",
        format!("data: [{both},{{\"id\":2,\"result\":{{}}}}]\n\n"),
        changed(format!("data: [{one},{{\"id\":2,\"result\":{{}}}}]\n\n")),
    );
    case(
        "an event of another name",
        format!("event: other\ndata: {both}\n\n"),
        changed(format!("event: other\ndata: {one}\n\n")),
    );
    case(
        "a question to the client",
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{{\"tools\":[{x}]}}}}\n\n"
        ),
        ListExpect::Unchanged,
    );
    case(
        "an event that is not complete",
        format!("data: {both}\n"),
        changed(format!("data: {one}\n")),
    );
    case(
        "an event that is not complete, in its last line",
        format!("data: {both}"),
        changed(format!("data: {one}")),
    );
    case(
        "white space at the end of data",
        format!("data: {both} \t\n\n"),
        changed(format!("data: {one} \t\n\n")),
    );
    case("nothing at all", String::new(), ListExpect::Unchanged);
    case(
        "only empty lines",
        "\n\n\r\n\r".to_owned(),
        ListExpect::Unchanged,
    );
    file.finish()
}

fn ids() -> ListFile {
    let mut file = Lists::new(
        "event_ids.json",
        "The values of id lines are rewritten, wherever they are.",
        hiding(),
    );
    let both = tools(r#"{"name":"admin_x"},{"name":"a"}"#);
    let one = tools(r#"{"name":"a"}"#);
    let call = r#"{"id":1,"result":{"content":[]}}"#;
    for (name, input, output) in [
        (
            "before the data",
            format!("id: 1\ndata: {call}\n\n"),
            format!("id: tag.1\ndata: {call}\n\n"),
        ),
        (
            "behind the data",
            format!("data: {call}\nid: 1\n\n"),
            format!("data: {call}\nid: tag.1\n\n"),
        ),
        (
            "without a space",
            format!("id:1\r\ndata: {call}\r\n\r\n"),
            format!("id:tag.1\r\ndata: {call}\r\n\r\n"),
        ),
        (
            "more spaces belong to the id",
            format!("id:  1 \rdata: {call}\r\r"),
            format!("id: tag. 1 \rdata: {call}\r\r"),
        ),
        (
            "twice",
            format!("id: 1\ndata: {call}\nid: 2\n\n"),
            format!("id: tag.1\ndata: {call}\nid: tag.2\n\n"),
        ),
        (
            "in a changed event",
            format!("id: 1\ndata: {both}\nid: 2\n\n"),
            format!("id: tag.1\ndata: {one}\nid: tag.2\n\n"),
        ),
        (
            "without data",
            "id: 1\n\nid: 2\nretry: 1\n\n".to_owned(),
            "id: tag.1\n\nid: tag.2\nretry: 1\n\n".to_owned(),
        ),
        (
            "an empty one",
            format!("id:\nid: \nid\ndata: {call}\n\n"),
            format!("id:\nid: \nid\ndata: {call}\n\n"),
        ),
        (
            "one with a NUL",
            "id: a\0b\ndata: x\n\n".to_owned(),
            "id: a\0b\ndata: x\n\n".to_owned(),
        ),
        (
            "others fields stay",
            "ide: 1\nidx\nI: 1\n id: 1\n: id: 1\ndata: id: 1\n\n".to_owned(),
            "ide: 1\nidx\nI: 1\n id: 1\n: id: 1\ndata: id: 1\n\n".to_owned(),
        ),
        (
            "at the end of the stream",
            "data: x\nid: 1".to_owned(),
            "data: x\nid: tag.1".to_owned(),
        ),
    ] {
        file.push(name, Format::Events, input, changed(output));
        file.last().ids_are_tagged = true;
    }
    file.finish()
}

fn notifications() -> ListFile {
    let everything_hidden = vec![
        hide(rule("tools/call", "", "admin")),
        hide(rule("prompts/get", "secret*", "prompts")),
        hide(rule("resources/read", "x:secret*", "files")),
    ];
    let mut file = Lists::new(
        "notifications.json",
        "Notifications about what is hidden are dropped.",
        rules("allow", everything_hidden),
    );
    let note = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
    };
    let updated = |uri: &str| {
        note(
            "notifications/resources/updated",
            &format!(r#"{{"uri":"{uri}"}}"#),
        )
    };
    let mut case = |name: &str, input: String, expect: ListExpect| {
        file.push(name, Format::Events, input, expect);
    };
    case(
        "a resource that is seen",
        format!("data: {}\n\n", updated("x:a")),
        ListExpect::Unchanged,
    );
    case(
        "a hidden resource",
        format!("data: {}\n\n", updated("x:secret1")),
        changed(""),
    );
    case(
        "a hidden resource, in an event with an id",
        format!(
            ": a\n\nid: 1\r\nevent: message\r\ndata: {}\r\n\r\ndata: {}\n\n",
            updated("x:secret1"),
            updated("x:a")
        ),
        changed(format!(": a\n\ndata: {}\n\n", updated("x:a"))),
    );
    case(
        "a hidden resource by escapes",
        format!(
            "data: {}\n\n",
            updated(r"x:s\u0065cret1").replace("notifications", r"n\u006ftifications")
        ),
        changed(""),
    );
    case(
        "params first",
        format!(
            "data: {}\n\n",
            r#"{"params":{"uri":"x:secret1"},"method":"notifications/resources/updated"}"#
        ),
        changed(""),
    );
    case(
        "a resource that is not spelt canonically",
        format!("data: {}\n\n", updated("x:a/../secret1")),
        changed(""),
    );
    case(
        "no resource",
        format!(
            "data: {}\n\n",
            note("notifications/resources/updated", "{}")
        ),
        changed(""),
    );
    case(
        "tools, all of which are hidden",
        format!(
            "data: {}\n\n",
            note("notifications/tools/list_changed", "{}")
        ),
        changed(""),
    );
    case(
        "prompts, some of which are hidden",
        format!(
            "data: {}\n\n",
            note("notifications/prompts/list_changed", "{}")
        ),
        ListExpect::Unchanged,
    );
    case(
        "resources, some of which are hidden",
        format!(
            "data: {}\n\n",
            note("notifications/resources/list_changed", "{}")
        ),
        ListExpect::Unchanged,
    );
    case(
        "another notification",
        format!(
            "data: {}\n\n",
            note("notifications/message", r#"{"data":"x:secret1"}"#)
        ),
        ListExpect::Unchanged,
    );
    case(
        "one of a batch",
        format!("data: [{},{}]\n\n", updated("x:secret1"), updated("x:a")),
        changed(format!("data: [{}]\n\n", updated("x:a"))),
    );
    case(
        "all of a batch",
        format!(
            "data: [{},{}]\n\n",
            updated("x:secret1"),
            updated("x:secret2")
        ),
        changed(""),
    );
    case(
        "a list of tools",
        format!("data: {}\n\n", tools(r#"{"name":"a"},{"name":1}"#)),
        changed(format!("data: {}\n\n", tools(""))),
    );
    file.push(
        "a caller with the scope",
        Format::Events,
        format!(
            "data: {}\n\ndata: {}\n\n",
            note("notifications/tools/list_changed", "{}"),
            updated("x:secret1")
        ),
        ListExpect::Unchanged,
    );
    file.last().caller = token("admin files");
    file.finish()
}

fn anonymous() -> ListFile {
    let rules: Vec<Rule> = vec![
        open("tools/list", ""),
        open("tools/call", "public_*"),
        rule("tools/call", "*_write", "write"),
        hide(rule("prompts/get", "", "prompts")),
    ];
    let mut file = Lists::new(
        "anonymous.json",
        "Without a token a list shows what may be used without one.",
        super::rules("allow", rules),
    );
    let all = r#"{"name":"public_x"},{"name":"private"},{"name":"public_write"}"#;
    file.push(
        "tools",
        Format::Json,
        tools(all),
        changed(tools(r#"{"name":"public_x"}"#)),
    );
    file.last().caller = stranger();
    file.push(
        "tools, with a token",
        Format::Json,
        tools(all),
        ListExpect::Unchanged,
    );
    file.push(
        "tools, with a token: no cache may give the list to strangers",
        Format::Json,
        tools(all).replace("]}", r#"],"cacheScope":"public"}"#),
        changed(tools(all).replace("]}", r#"],"cacheScope":"private"}"#)),
    );
    file.push(
        "resources, none of which is open",
        Format::Json,
        r#"{"result":{"resources":[{"uri":"x:a"}]}}"#,
        changed(r#"{"result":{"resources":[]}}"#),
    );
    file.last().caller = stranger();
    file.finish()
}
