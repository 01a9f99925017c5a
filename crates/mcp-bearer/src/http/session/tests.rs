use super::*;

fn keys(bytes: &[u8]) -> SessionKeys {
    SessionKeys::new(bytes.iter().map(|byte| [*byte; 32])).unwrap()
}

fn binding(bytes: &[u8]) -> SessionBinding {
    SessionBinding::new(keys(bytes), "https://mcp.example.com/mcp")
}

fn principal<'a>(subject: &'a str, client: &'a str) -> Principal<'a> {
    Principal::Token {
        issuer: Some("https://idp.example.com/"),
        subject: (!subject.is_empty()).then_some(subject),
        client: (!client.is_empty()).then_some(client),
    }
}

#[test]
fn a_session_opens_for_the_principal_that_it_was_given_to() {
    let binding = binding(&[1]);
    let alice = principal("alice", "app");
    let id = binding.bind_session(alice, "upstream.id").unwrap();
    assert_eq!(binding.open_session(alice, &id), Some("upstream.id"));
    // It is a session id by the specification: visible ASCII.
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()));
    for other in [
        principal("bob", "app"),
        principal("alice", "other"),
        principal("alice", ""),
        principal("", "alice"),
        principal("", "app"),
        principal("aliceapp", ""),
        principal("alic", "eapp"),
        Principal::Anonymous,
        Principal::Token {
            issuer: None,
            subject: Some("alice"),
            client: Some("app"),
        },
        Principal::Token {
            issuer: Some("https://idp.example.org/"),
            subject: Some("alice"),
            client: Some("app"),
        },
    ] {
        assert_eq!(binding.open_session(other, &id), None, "{other:?}");
    }
    let elsewhere = SessionBinding::new(keys(&[1]), "https://mcp.example.com/other");
    assert_eq!(elsewhere.open_session(alice, &id), None);
}

#[test]
fn a_tag_that_is_forged_cut_or_of_another_key_opens_nothing() {
    let (binding, other) = (binding(&[1]), binding(&[2]));
    let alice = principal("alice", "");
    let id = binding.bind_session(alice, "s-1").unwrap();
    for cut in 0..id.len() {
        assert_eq!(binding.open_session(alice, &id[..cut]), None, "{cut}");
    }
    for at in 0..id.len() {
        for byte in *b"Az0-_.=" {
            let mut forged = id.clone().into_bytes();
            if forged[at] == byte {
                continue;
            }
            forged[at] = byte;
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(binding.open_session(alice, &forged), None, "{forged}");
        }
    }
    for more in ["A", "=", ".", " ", "é"] {
        assert_eq!(binding.open_session(alice, &format!("{id}{more}")), None);
        assert_eq!(binding.open_session(alice, &format!("{more}{id}")), None);
    }
    for none in ["", ".", "s-1", "s-1.", &".".repeat(30), &"A".repeat(22)] {
        assert_eq!(binding.open_session(alice, none), None, "{none}");
    }
    assert_eq!(other.open_session(alice, &id), None);
}

#[test]
fn keys_rotate() {
    let alice = principal("alice", "");
    let (old, both, new) = (binding(&[1]), binding(&[2, 1]), binding(&[2]));
    let id = old.bind_session(alice, "s").unwrap();
    assert_eq!(both.open_session(alice, &id), Some("s"));
    assert_eq!(new.open_session(alice, &id), None);
    let id = both.bind_session(alice, "s").unwrap();
    assert_eq!(new.open_session(alice, &id), Some("s"));
    assert_eq!(old.open_session(alice, &id), None);
}

#[test]
fn an_event_belongs_to_its_principal_and_session() {
    let binding = binding(&[1]);
    let alice = principal("alice", "");
    let tag = binding.event_tag(alice, Some("s-1")).unwrap();
    let id = tag.of("42");
    assert_eq!(binding.open_event(alice, Some("s-1"), &id), Some("42"));
    assert_eq!(binding.open_event(alice, Some("s-2"), &id), None);
    assert_eq!(binding.open_event(alice, None, &id), None);
    assert_eq!(
        binding.open_event(principal("bob", ""), Some("s-1"), &id),
        None
    );
    // A tag is valid only for its own purpose.
    assert_eq!(binding.open_session(alice, &id), None);
    let session = binding.bind_session(alice, "42").unwrap();
    assert_eq!(binding.open_event(alice, None, &session), None);
    let stateless = binding.event_tag(alice, None).unwrap().of("");
    assert_eq!(binding.open_event(alice, None, &stateless), Some(""));
    // The boundary between the session and the id matters.
    let shifted = binding.event_tag(alice, Some("s")).unwrap().of("-142");
    assert_eq!(binding.open_event(alice, Some("s-1"), &shifted), None);
}

#[test]
fn a_session_started_without_a_token_is_not_valid_with_one() {
    let binding = binding(&[1]);
    let id = binding.bind_session(Principal::Anonymous, "s").unwrap();
    assert_eq!(binding.open_session(Principal::Anonymous, &id), Some("s"));
    assert_eq!(binding.open_session(principal("alice", ""), &id), None);
    let nobody = Principal::Token {
        issuer: None,
        subject: None,
        client: None,
    };
    assert_eq!(binding.open_session(nobody, &id), None);
}

#[test]
fn keys_are_checked_and_never_shown() {
    assert_eq!(
        SessionKeys::new::<&[u8]>([]).unwrap_err(),
        SessionKeyError::Missing
    );
    let short = SessionKeys::new([&[1; 32][..], &[1; 31][..]]);
    assert_eq!(short.unwrap_err(), SessionKeyError::TooShort);
    assert_eq!(format!("{:?}", keys(b"abc")), "SessionKeys(3)");
    let (one, other) = (
        SessionKeys::of_this_process().unwrap(),
        SessionKeys::of_this_process().unwrap(),
    );
    let alice = principal("alice", "");
    let id = SessionBinding::new(one, "r")
        .bind_session(alice, "s")
        .unwrap();
    assert_eq!(
        SessionBinding::new(other, "r").open_session(alice, &id),
        None
    );
    let binding = binding(b"k");
    let shown = format!("{binding:?} {:?}", binding.event_tag(alice, None));
    assert!(!shown.contains('k') || shown.contains("keys"), "{shown}");
}
