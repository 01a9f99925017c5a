use super::*;

#[test]
fn canonical_uris_have_no_fault() {
    for uri in [
        "file:///etc/passwd",
        "file:///a/.hidden/..x/x..",
        "test://static-text",
        "test://template/123/data",
        "https://example.com/",
        "https://example.com",
        "https://user:Pass@example.com:8443/Path?q=../..#./x",
        "http://[2001:db8::1]:8080/x",
        "http://127.0.0.1:8000/x",
        "urn:isbn:0451450523",
        "note:shopping",
        "memo://insights",
        "file:///C:/Windows",
        "file:///a%20b%2Fc%c3%a4",
        "x:%00",
        "plain-text",
        "some/path",
        "日本://メモ",
        "note:///メモ",
        "git+ssh://host/repo",
        "file://server/share",
        "postgres://db/Table:80",
        "test://%E6%97%A5/x",
    ] {
        assert_eq!(fault(uri), None, "{uri}");
    }
}

#[test]
fn other_spellings_are_refused() {
    for (uri, why) in [
        ("file:///public/../secret", "dot segment"),
        ("file:///./secret", "dot segment"),
        ("file:///secret/..", "dot segment"),
        ("file:///secret/.", "dot segment"),
        ("x:../y", "dot segment"),
        ("x://h/..?q", "dot segment"),
        ("x://h/..#f", "dot segment"),
        ("../x", "dot segment"),
        ("file:///%2e%2e/secret", "needs no encoding"),
        ("file:///%2E./secret", "needs no encoding"),
        ("file:///s%65cret", "needs no encoding"),
        ("file:///a?b=%41", "needs no encoding"),
        ("file:///%7euser", "needs no encoding"),
        ("file:///a#%2D", "needs no encoding"),
        ("file:///100%", "begins no encoding"),
        ("file:///%2", "begins no encoding"),
        ("file:///%zz", "begins no encoding"),
        ("file:///%+1", "begins no encoding"),
        ("file:///%é", "begins no encoding"),
        ("FILE:///secret", "scheme"),
        ("File:///secret", "scheme"),
        ("X:y", "scheme"),
        ("Git+ssh://h/x", "scheme"),
        ("https://Example.com/", "host"),
        ("test://Static-Text", "host"),
        ("https://u@EXAMPLE.com/", "host"),
        ("https://ｅxample.com/", "host"),
        ("https://exa%C3%A4mple.com/", "encoded host"),
        ("https://example.com:443/", "default"),
        ("http://example.com:80/", "default"),
        ("http://example.com:/", "default"),
        ("file://localhost/etc/passwd", "default"),
        ("file:/etc/passwd", "two slashes"),
        ("http:example.com", "two slashes"),
        ("http:/example.com/", "two slashes"),
        ("http:///example.com/", "without a host"),
        ("file:///a\\..\\b", "no URI may hold"),
        ("https:\\\\example.com/", "no URI may hold"),
        ("file:///sec\tret", "no URI may hold"),
        ("file:///secret\n", "no URI may hold"),
        (" file:///secret", "no URI may hold"),
        ("file:///secret ", "no URI may hold"),
        ("file:///secret\u{a0}", "no URI may hold"),
        ("file:///a\0", "no URI may hold"),
    ] {
        let fault = fault(uri).unwrap_or_else(|| panic!("{uri} has no fault"));
        assert!(fault.contains(why), "{uri}: {fault}");
    }
}

#[test]
fn only_the_literal_text_of_a_template_counts() {
    for good in [
        "users://{userId}/profile",
        "{+uri}",
        "file:///{path}",
        "x://h/{A..B}/c",
        "file:///{a}.{b}",
        "x://h/{",
    ] {
        assert_eq!(template_fault(good), None, "{good}");
    }
    for bad in ["file:///{a}/../b", "FILE:///{a}", "file:///%41{a}"] {
        assert!(template_fault(bad).is_some(), "{bad}");
    }
    // In a URI, braces are ordinary characters.
    assert!(fault("file:///{/../}x").is_some());
}

#[test]
fn a_pattern_that_no_canonical_uri_matches_has_a_fault() {
    for good in [
        "*",
        "file:*",
        "file:///a/*",
        "http*://example.com/*",
        "*.txt",
        "*/..x",
        "https://example.com:443*",
        "file:///%*",
        "file:///a%2F*",
        "file:///日本*",
    ] {
        assert_eq!(pattern_fault(good), None, "{good}");
    }
    for bad in [
        "FILE:///*",
        "file:///*/../x",
        "file:///%41*",
        "file:///.",
        "F*:x",
    ] {
        assert!(pattern_fault(bad).is_some(), "{bad}");
    }
}

#[test]
fn encodings_of_one_uri_compare_as_one() {
    assert!(matches!(comparable("file:///a/b?c#d"), Cow::Borrowed(_)));
    for (one, other) in [
        ("file:///straße", "file:///stra%C3%9Fe"),
        ("file:///stra%c3%9fe", "file:///stra%C3%9Fe"),
        ("file:///a b", "file:///a%20b"),
        ("file:///{a}|^`\"<>", "file:///%7Ba%7D%7C%5E%60%22%3C%3E"),
        ("file:///%2f%2F", "file:///%2F%2f"),
    ] {
        assert_eq!(comparable(one), comparable(other), "{one}");
    }
    for (one, other) in [
        ("file:///a%2Fb", "file:///a/b"),
        ("file:///A", "file:///a"),
        ("file:///%25c3", "file:///%25C3"),
    ] {
        assert_ne!(comparable(one), comparable(other), "{one}");
    }
}

#[test]
fn any_text_is_read_without_a_panic() {
    use proptest::prelude::*;
    proptest!(|(text in "[a-zA-Z0-9:/?#@%.{}*\\\\ \\[\\]é\u{0}]{0,24}")| {
        let _ = (fault(&text), template_fault(&text), pattern_fault(&text));
        let once = comparable(&text).into_owned();
        prop_assert_eq!(comparable(&once).into_owned(), once.clone());
        prop_assert!(once.is_ascii());
    });
}
