//! Every rule of the tokenizer, and its agreement with `serde_json`.

use proptest::prelude::*;
use serde_json::{Map, Value as Tree, json};

use super::{JsonError, Members, Text, Value, elements, entries, utf8};

fn read(bytes: &[u8]) -> Result<Members, JsonError> {
    utf8(bytes.to_vec()).and_then(|text| Members::parse(&text))
}

fn parse(text: &str) -> Result<Map<String, Tree>, &'static str> {
    let object = Members::parse(text).map_err(|error| error.why)?;
    Ok(object.to_map(text))
}

fn why(bytes: &[u8]) -> (&'static str, usize) {
    let error = read(bytes).map(|_| ()).unwrap_err();
    (error.why, error.at)
}

#[test]
fn each_fault_is_named_with_its_place() {
    for (text, reason, at) in [
        ("", "empty", 0),
        ("  ", "empty", 2),
        ("[]", "not an object", 0),
        ("1", "not an object", 0),
        ("{", "ends too early", 1),
        (r#"{"a":1"#, "ends too early", 6),
        (r#"{"a""#, "a member name without a colon", 4),
        (r#"{"a" 1}"#, "a member name without a colon", 5),
        ("{a:1}", "not a member name", 1),
        (r#"{"a":1,}"#, "not a member name", 7),
        ("{,}", "not a member name", 1),
        (r#"{"a":}"#, "not a value", 5),
        (r#"{"a":]}"#, "not a value", 5),
        (r#"{"a":tru}"#, "not a value", 5),
        (r#"{"a":1 "b":2}"#, "neither a comma nor the end", 7),
        (r#"{"a":1]"#, "neither a comma nor the end", 6),
        (r#"{"a":[1}"#, "neither a comma nor the end", 7),
        (r#"{"a":[1,]}"#, "not a value", 8),
        (r#"{"a":[,1]}"#, "not a value", 6),
        ("{}x", "something follows the object", 2),
        ("{} {}", "something follows the object", 3),
        (r#"{"a":"x"#, "a string without an end", 7),
        ("{\"a\":\"\n\"}", "a control character in a string", 6),
        ("{\"a\":\"\u{1f}\"}", "a control character in a string", 6),
        (r#"{"a":"\x"}"#, "not an escape", 6),
        (r#"{"a":"\u12"}"#, "not four hexadecimal digits", 7),
        (r#"{"a":"\u12g4"}"#, "not four hexadecimal digits", 7),
        (r#"{"a":"\u+123"}"#, "not four hexadecimal digits", 7),
        (r#"{"a":"\ud800"}"#, "a lone surrogate", 6),
        (r#"{"a":"\udc00"}"#, "a lone surrogate", 6),
        (r#"{"a":"\ud800x"}"#, "a lone surrogate", 6),
        (r#"{"a":"\ud800\n"}"#, "a lone surrogate", 6),
        (r#"{"a":"\ud800\ud800"}"#, "a lone surrogate", 6),
        (r#"{"a":-}"#, "not a number", 6),
        (r#"{"a":1.}"#, "not a number", 7),
        (r#"{"a":1e}"#, "not a number", 7),
        (r#"{"a":1e+}"#, "not a number", 8),
        (r#"{"a":01}"#, "a number with a leading zero", 5),
        (r#"{"a":-01}"#, "a number with a leading zero", 6),
        (r#"{"a":1,"a":2}"#, "a member name twice", 8),
        (r#"{"a":1,"\u0061":2}"#, "a member name twice", 8),
        (r#"{"x":{"a":1,"b":2,"a":3}}"#, "a member name twice", 19),
        (r#"{"x":[{"a":1,"a":3}]}"#, "a member name twice", 14),
        ("\u{feff}{}", "a byte order mark", 0),
    ] {
        assert_eq!(why(text.as_bytes()), (reason, at), "{text}");
    }
    assert_eq!(why(b"{\"a\":\"\xff\"}"), ("not valid UTF-8", 6));
    assert_eq!(why(b"{\"a\":\"\xed\xa0\x80\"}"), ("not valid UTF-8", 6));
    assert_eq!(why(b"\xff\xfe{\x00"), ("not valid UTF-8", 0));
}

#[test]
fn values_are_what_they_say() {
    let text = r#" {"s":"a\u00e9\ud83d\ude00\n\/","n":-1.5e1,"t":true,"f":false,"z":null,"a":[1,[2]],"o":{"x":{}},"":0} "#;
    let expected = json!({"s": "aé😀\n/", "n": -15.0, "t": true, "f": false, "z": null, "a": [1, [2]], "o": {"x": {}}, "": 0});
    assert!(same(&Tree::Object(parse(text).unwrap()), &expected));
    let object = Members::parse(text).unwrap();
    assert_eq!(object.get(text, "s"), Some(Value::String("aé😀\n/".into())));
    assert_eq!(object.get(text, "n"), Some(Value::Number("-1.5e1")));
    assert_eq!(object.get(text, "t"), Some(Value::Bool(true)));
    assert_eq!(object.get(text, "f"), Some(Value::Bool(false)));
    assert_eq!(object.get(text, "z"), Some(Value::Null));
    assert_eq!(object.get(text, "a"), Some(Value::Array("[1,[2]]")));
    assert_eq!(object.get(text, "o"), Some(Value::Object(r#"{"x":{}}"#)));
    assert_eq!(object.get(text, ""), Some(Value::Number("0")));
    assert_eq!(object.get(text, "S"), None);
}

#[test]
fn a_value_is_found_without_the_space_around_it() {
    let text = "{\"a\" : \t1 , \"b\":\n[ ] ,\"c\": \"x\" }";
    let object = Members::parse(text).unwrap();
    assert_eq!(object.get(text, "a"), Some(Value::Number("1")));
    assert_eq!(object.get(text, "b"), Some(Value::Array("[ ]")));
    assert_eq!(object.get(text, "c"), Some(Value::String("x".into())));
}

#[test]
fn an_escaped_name_is_found_by_what_it_means() {
    let text = r#"{"\u0061ud":1,"b\/c":2,"\ud83d\ude00":3}"#;
    let object = Members::parse(text).unwrap();
    assert_eq!(object.get(text, "aud"), Some(Value::Number("1")));
    assert_eq!(object.get(text, "b/c"), Some(Value::Number("2")));
    assert_eq!(object.get(text, "😀"), Some(Value::Number("3")));
    assert_eq!(object.get(text, r"\u0061ud"), None);
}

#[test]
fn elements_and_entries_walk_a_validated_text() {
    let array = r#"[ "a,]" , -1.5 ,{"x":[1,"}"]},[[],[ ]], true,null,"\"" ]"#;
    let all: Vec<Tree> = elements(array).map(|value| value.to_tree()).collect();
    assert_eq!(
        Tree::Array(all),
        serde_json::from_str::<Tree>(array).unwrap()
    );
    let object = r#"{ "a:" : {"b":"}"} , "\u0063":[{}], "d":1 }"#;
    let all: Map<String, Tree> = entries(object)
        .map(|(name, value)| (name.into_owned(), value.to_tree()))
        .collect();
    assert_eq!(
        Tree::Object(all),
        serde_json::from_str::<Tree>(object).unwrap()
    );
    assert_eq!(elements("[]").count(), 0);
    assert_eq!(elements("[ ]").count(), 0);
    assert_eq!(entries("{ }").count(), 0);
}

#[test]
fn depth_is_bounded_at_127() {
    let arrays = |inner: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(inner), "]".repeat(inner));
    let objects = |inner: usize| {
        format!(
            r#"{}1{}"#,
            r#"{"x":"#.repeat(inner + 1),
            "}".repeat(inner + 1)
        )
    };
    for text in [arrays(126), objects(126)] {
        assert!(parse(&text).is_ok());
        assert!(
            serde_json::from_str::<Tree>(&text).is_ok(),
            "serde_json reads what we accept"
        );
    }
    for text in [arrays(127), objects(127), arrays(100_000), objects(100_000)] {
        assert_eq!(parse(&text), Err("nested deeper than 127 levels"));
    }
    // Breadth is not depth.
    let wide = format!(r#"{{"x":[{}1]}}"#, "[[]],".repeat(10_000));
    assert!(parse(&wide).is_ok());
}

#[test]
fn duplicates_are_found_in_every_object_and_in_no_other() {
    let names = |count: usize, name: &dyn Fn(usize) -> String| {
        (0..count)
            .map(|n| format!("\"{}\":{n}", name(n)))
            .collect::<Vec<_>>()
            .join(",")
    };
    let plain = |n: usize| format!("n{n}");
    for count in [2, 11, 12, 13, 23, 24, 25, 26, 40, 500] {
        let members = names(count, &plain);
        assert!(parse(&format!("{{{members}}}")).is_ok(), "{count}");
        assert!(
            parse(&format!("{{\"x\":{{{members}}},{members}}}")).is_ok(),
            "{count}"
        );
        let escaped = names(count, &|n| {
            if n == 1 { "\\u006e1".into() } else { plain(n) }
        });
        assert!(parse(&format!("{{{escaped}}}")).is_ok(), "{count}");
        for twice in [
            "n0",
            "n1",
            &plain(count - 1),
            "\\u006e0",
            "\\u006e1",
            "n\\u0031",
        ] {
            let refused = Err("a member name twice");
            let bad = format!("{members},\"{twice}\":0");
            assert_eq!(parse(&format!("{{{bad}}}")), refused, "{count} {twice}");
            assert_eq!(
                parse(&format!("{{\"x\":[0,{{{bad}}}]}}")),
                refused,
                "{count} {twice}"
            );
            let bad = format!("\"{twice}\":0,{escaped}");
            assert_eq!(parse(&format!("{{{bad}}}")), refused, "{count} {twice}");
        }
    }
    assert!(parse(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#).is_ok());
    // A member after a nested object is compared with those before it.
    let text = r#"{"x":{"a":1,"b":{"c":1,"d":2},"a":2}}"#;
    assert_eq!(parse(text), Err("a member name twice"));
    assert!(parse(r#"{"x":{"a":1,"b":{"a":1,"b":2},"c":2}}"#).is_ok());
}

#[test]
fn the_first_number_beyond_a_double_is_reported() {
    let at = |text: &str| Members::parse(text).unwrap().huge_number_at();
    assert_eq!(
        at(r#"{"a":1e308,"b":[-1.7976931348623157e308,1e-999,0e999]}"#),
        None
    );
    assert_eq!(at(r#"{"a":1e309}"#), Some(5));
    assert_eq!(at(r#"{"a":[1,{"b":-1e999}],"c":1e999}"#), Some(13));
    assert_eq!(at(&format!(r#"{{"a":{}}}"#, "9".repeat(308))), None);
    assert_eq!(at(&format!(r#"{{"a":{}}}"#, "9".repeat(310))), Some(5));
    assert_eq!(at(&format!(r#"{{"a":0.{}}}"#, "9".repeat(5000))), None);
    assert_eq!(at(&format!(r#"{{"a":1e{}}}"#, "9".repeat(100))), Some(5));
}

#[test]
fn a_special_byte_is_found_at_any_position() {
    // Strings are searched eight bytes at a time: every position, every byte, beside every
    // neighbour that could carry into it.
    for length in 0..20 {
        for at in 0..=length {
            for special in ["\"", "\\", "\u{1f}", "\0", "\n"] {
                for filler in ["a", " ", "!", "#", "[", "]", "\u{7f}", "é"] {
                    let text = format!(
                        "{}{special}{}",
                        filler.repeat(at),
                        filler.repeat(length - at)
                    );
                    let whole = format!("{{\"x\":\"{text}\"}}");
                    let theirs = serde_json::from_str::<Tree>(&whole).is_ok();
                    assert_eq!(parse(&whole).is_ok(), theirs, "{whole:?}");
                    if special == "\"" {
                        let good = format!("{{\"{}\":1}}", filler.repeat(at));
                        assert_eq!(
                            parse(&good).unwrap().keys().next().unwrap(),
                            &filler.repeat(at)
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_part_is_kept_by_its_place_or_by_its_contents() {
    let whole = "the whole text".to_owned();
    for part in ["", "whole", "the whole text"] {
        let at = whole.find(part).unwrap();
        let kept = Text::keep(&whole, &whole[at..at + part.len()]);
        assert!(matches!(kept, Text::At(_)));
        assert_eq!(kept.of(&whole), part);
        let copy = part.to_owned();
        assert_eq!(Text::keep(&whole, &copy).of(&whole), part);
    }
    // A neighbour in memory that only begins inside the text is not part of it.
    assert_eq!(
        Text::keep(&whole[..5], &whole[3..9]).of(&whole[..5]),
        &whole[3..9]
    );
}

#[test]
fn numbers_keep_their_value() {
    for (text, value) in [
        ("0", 0.0),
        ("-0", 0.0),
        ("1e2", 100.0),
        ("1E+2", 100.0),
        ("100e-2", 1.0),
        ("0.5", 0.5),
        ("9007199254740993", 9_007_199_254_740_992.0),
        ("1e-400", 0.0),
    ] {
        assert_eq!(Value::Number(text).as_finite(), Some(value), "{text}");
    }
    assert_eq!(Value::Number("1e999").as_finite(), None);
    assert_eq!(Value::String("1".into()).as_finite(), None);
}

#[test]
fn a_value_equals_its_tree_and_no_other() {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("a"),
        json!("1"),
        json!([]),
        json!([1]),
        json!([1, 2]),
        json!([2, 1]),
        json!([[]]),
        json!({}),
        json!({"a": 1}),
        json!({"a": 2}),
        json!({"b": 1}),
        json!({"a": 1, "b": 1}),
        json!({"a": [{"b": null}]}),
        json!({"a": null}),
    ];
    for one in &values {
        let text = json!({ "x": one }).to_string();
        let object = Members::parse(&text).unwrap();
        let value = object.get(&text, "x").unwrap();
        for other in &values {
            assert_eq!(value.equals(other), one == other, "{one} {other}");
        }
    }
    for (one, other, same) in [
        ("1", "1.0", true),
        ("10e-1", "1", true),
        ("-0", "0", true),
        ("0.5", "5e-1", true),
        ("1", "1.5", false),
        ("9007199254740993", "9007199254740993", true),
        ("9007199254740993", "9007199254740992", false),
        ("9007199254740992.0", "9007199254740993", false),
        ("1e999", "1e998", false),
    ] {
        assert_eq!(super::same_number(one, other), same, "{one} {other}");
        assert_eq!(super::same_number(other, one), same, "{one} {other}");
    }
    let text = r#"{"x":{"\u0061":[1 , "\u0062"]}}"#;
    let object = Members::parse(text).unwrap();
    assert!(
        object
            .get(text, "x")
            .unwrap()
            .equals(&json!({"a": [1, "b"]}))
    );
}

#[test]
fn members_of_a_json_library_mean_nothing() {
    let text =
        r#"{"a":{"$serde_json::private::Number":"7"},"b":{"$serde_json::private::RawValue":"[]"}}"#;
    let map = parse(text).unwrap();
    assert!(map["a"].is_object() && map["b"].is_object());
}

/// Whether two trees are the same; numbers by their double, since some features of `serde_json`
/// keep their text.
fn same(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Number(one), Tree::Number(other)) => one.as_f64() == other.as_f64(),
        (Tree::Array(one), Tree::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Tree::Object(one), Tree::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// Whether the text has a member with a name that `serde_json` may treat specially.
fn is_private(text: &str) -> bool {
    text.contains("$serde_json") || text.contains("\\u")
}

/// `serde_json` accepts what ours accepts, with the same value; the reverse holds except for the
/// named extra rules.
fn compare(text: &str) -> Result<(), TestCaseError> {
    let ours = Members::parse(text);
    let theirs = serde_json::from_str::<Tree>(text);
    match (ours, theirs) {
        (Ok(object), Ok(tree)) => {
            let ours = Tree::Object(object.to_map(text));
            prop_assert!(same(&ours, &tree) || is_private(text), "{} {}", ours, tree);
        }
        (Ok(object), Err(error)) => {
            prop_assert!(
                object.huge_number_at().is_some(),
                "theirs refuses: {}",
                error
            );
        }
        (Err(error), Ok(tree)) => {
            let extra = [
                "a member name twice",
                "not an object",
                "nested deeper than 127 levels",
            ];
            prop_assert!(
                extra.contains(&error.why),
                "{} at {}: {}",
                error.why,
                error.at,
                tree
            );
        }
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

/// Texts that are nearly JSON: pieces of it in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\"a\""),
        Just("\"b\":"),
        Just("\"a\":"),
        Just("1"),
        Just("-"),
        Just("0"),
        Just("."),
        Just("e"),
        Just("+"),
        Just("1e999"),
        Just("true"),
        Just("null"),
        Just("false"),
        Just(" "),
        Just("\n"),
        Just("\\"),
        Just("\\u0061"),
        Just("\\ud83d\\ude00"),
        Just("\\ud800"),
        Just("\u{1}"),
        Just("é"),
        Just("\u{feff}"),
        Just("\\n"),
        Just("00"),
        Just("1.5"),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Short, so that some are equal; every kind of character.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab\"\\\\/]{0,2}", "\\PC{0,3}", "[\u{0}-\u{20}\u{7f}]{0,2}"]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::from),
        any::<u64>().prop_map(Tree::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Tree::from),
        name().prop_map(Tree::String),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Tree::Array),
            proptest::collection::vec((name(), inner), 0..8)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn texts_near_json_agree_with_serde_json(text in pieces()) {
        compare(&text)?;
        compare(&format!("{{{text}}}"))?;
        compare(&format!("{{\"x\":{text}}}"))?;
    }

    #[test]
    fn any_text_in_a_string_agrees_with_serde_json(text in "[ -~\\\\\"u0-9a-fA-FdD\u{0}-\u{20}é😀]{0,30}") {
        compare(&format!("{{\"x\":\"{text}\"}}"))?;
        compare(&format!("{{\"{text}\":1}}"))?;
    }

    #[test]
    fn any_number_like_text_agrees_with_serde_json(text in "[-+0-9.eE]{0,12}") {
        compare(&format!("{{\"x\":{text}}}"))?;
        compare(&format!("{{\"x\":[{text}]}}"))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_serde_json_prints_is_read_as_it_was(members in proptest::collection::vec((name(), tree()), 0..8)) {
        let tree = Tree::Object(members.into_iter().collect());
        for text in [serde_json::to_string(&tree).unwrap(), serde_json::to_string_pretty(&tree).unwrap()] {
            let ours = parse(&text).unwrap();
            // Without `float_roundtrip` a double may come back with another last bit.
            let theirs = serde_json::from_str(&text).unwrap();
            prop_assert!(same(&Tree::Object(ours), &theirs));
        }
    }

    #[test]
    fn a_changed_byte_agrees_with_serde_json(tree in tree(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&json!({ "x": tree })).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match std::str::from_utf8(&bytes) {
            Ok(text) => compare(text)?,
            Err(_) => prop_assert!(read(&bytes).is_err()),
        }
    }
}

#[test]
fn a_small_integer_is_read_as_the_same_double() {
    for text in [
        "0",
        "7",
        "999999",
        "1000000",
        "1800000000",
        "123456789012345",
        "999999999999999",
        "9007199254740992",
        "9007199254740993",
        "-1",
        "1.5",
        "1e3",
        "12345678901234567890",
    ] {
        let read = Value::Number(text).as_finite();
        assert_eq!(read, text.parse().ok(), "{text}");
    }
}
