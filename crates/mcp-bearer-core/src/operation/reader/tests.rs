use super::*;

fn read(body: &str) -> Result<Operations, RpcAnswer> {
    Operations::read(body.as_bytes(), &RequestHeaders::default())
}

fn call_with_padding(length: usize) -> Vec<u8> {
    let mut body =
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","x":""#.to_vec();
    body.resize(length - 3, b'x');
    body.extend_from_slice(b"\"}}");
    body
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let limit = Limits::OPERATION_BODY_BYTES;
    let headers = RequestHeaders::default();
    let mut reader = OperationReader::new();
    reader.push(&call_with_padding(limit)).unwrap();
    let operations = reader.finish(&headers).unwrap();
    assert_eq!(operations.iter().count(), 1);

    let mut reader = OperationReader::new();
    let refused = call_with_padding(limit + 1)
        .chunks(65536)
        .find_map(|piece| reader.push(piece).err())
        .unwrap();
    assert_eq!(refused.status(), 413);
    assert!(
        refused.body().contains(r#""code":-32600"#),
        "{}",
        refused.body()
    );
    // The reader holds no more than the limit, and still refuses.
    assert_eq!(reader.push(&vec![b'x'; limit]).unwrap_err().status(), 413);

    let mut small = OperationReader::with_limit(4);
    assert!(small.push(b"1234").is_ok());
    assert!(small.push(b"").is_ok());
    assert!(small.push(b"5").is_err());
}

#[test]
fn a_call_over_the_limit_is_not_taken_for_a_shorter_one() {
    // A body cut at the limit could be a message of its own.
    let mut reader = OperationReader::with_limit(60);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping"}}{}"#,
        " ".repeat(100)
    );
    let refused = body
        .as_bytes()
        .chunks(7)
        .find_map(|piece| reader.push(piece).err());
    assert_eq!(refused.unwrap().status(), 413);
}

#[test]
fn a_batch_has_a_bounded_number_of_messages() {
    let batch = |count: usize| {
        let one = r#"{"jsonrpc":"2.0","method":"x"}"#;
        format!("[{}]", vec![one; count].join(","))
    };
    let most = read(&batch(Limits::BATCH_MESSAGES)).unwrap();
    assert_eq!(most.iter().count(), Limits::BATCH_MESSAGES);
    assert!(most.is_batch());
    let refused = read(&batch(Limits::BATCH_MESSAGES + 1)).unwrap_err();
    assert_eq!(refused.status(), 413);
}

#[test]
fn an_operation_says_what_it_was_read_from() {
    let body = r#"{"jsonrpc":"2.0","id":"i","method":"resources/templates/list"}"#;
    let operations = read(body).unwrap();
    assert!(operations.asks_for_list() && !operations.is_batch());
    assert_eq!(operations.version(), ProtocolVersion::UNNAMED);
    let operation = operations.iter().next().unwrap();
    assert_eq!(operation.kind(), MessageKind::Request);
    assert_eq!(operation.method(), "resources/templates/list");
    assert_eq!(operation.id().unwrap().as_json(), "\"i\"");
    assert!(operation.targets().is_empty());

    let note = read(r#"{"jsonrpc":"2.0","method":"a"}"#).unwrap();
    let note = note.iter().next().unwrap();
    assert_eq!((note.kind(), note.id()), (MessageKind::Notification, None));
    let response = read(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).unwrap();
    assert_eq!(
        response.iter().next().unwrap().kind(),
        MessageKind::Response
    );
    assert!(!response.asks_for_list());
}

#[test]
fn no_refusal_echoes_the_body() {
    for body in [
        "{\"secret\":1}",
        "secret",
        "{\"jsonrpc\":\"secret\"}",
        "[\"secret\"]",
    ] {
        let refused = read(body).unwrap_err();
        assert!(!refused.body().contains("secret"), "{}", refused.body());
        assert!(!refused.message().is_empty());
    }
}

#[test]
fn a_header_that_is_not_text_differs_from_every_body() {
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u00ff"}}"#;
    let headers = [
        RequestHeaders {
            name: super::super::HeaderField::Once(b"\xff"),
            ..RequestHeaders::default()
        },
        RequestHeaders {
            protocol_version: super::super::HeaderField::Once(b"\xff"),
            ..RequestHeaders::default()
        },
        RequestHeaders {
            method: super::super::HeaderField::Once(b"\xff"),
            ..RequestHeaders::default()
        },
    ];
    for headers in headers {
        let refused = Operations::read(body, &headers).unwrap_err();
        assert_eq!((refused.status(), refused.code()), (400, -32020));
    }
}

#[test]
fn of_several_wrong_messages_the_first_is_answered() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
    let old = r#"{"jsonrpc":"1.0","id":2,"method":"ping"}"#;
    for (body, code, id) in [
        (format!("[{call},{old}]"), code::INVALID_PARAMS, "1"),
        (format!("[{old},{call}]"), code::INVALID_REQUEST, "2"),
    ] {
        let refused = read(&body).unwrap_err();
        assert_eq!(refused.code(), code, "{body}");
        assert_eq!(refused.id().unwrap().as_json(), id, "{body}");
    }
}
