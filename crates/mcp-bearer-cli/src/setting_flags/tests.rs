//! Every option changes the result for a token.
#![allow(clippy::as_conversions, reason = "a test")]

use std::collections::BTreeSet;

use clap::{Args, Command, FromArgMatches};
use mcp_bearer::config::{Entrance, Group, Setting, Shape};
use mcp_bearer::core::RsaBackend;
use mcp_bearer::{BearerAuthProvider, Clock, UnixTime};
use mcp_bearer_testkit::vectors::{self, Effects};
use serde_json::Value as Json;

use super::{Flags, all};

fn parse(arguments: Vec<String>) -> Flags {
    let command = Flags::augment_args(Command::new("test").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments).unwrap();
    Flags::from_arg_matches(&matches).unwrap()
}

/// As a user types it.
fn words(setting: Setting, value: &Json) -> Vec<String> {
    let name = setting.name(Entrance::Flag).unwrap();
    let with = |text: String| [name.to_owned(), text];
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    match (setting, setting.shape(), value) {
        (_, Shape::Switch, _) => vec![name.to_owned()],
        (_, Shape::Duration, value) => with(format!("{value}s")).to_vec(),
        (_, _, Json::Array(values)) => values.iter().map(text).flat_map(with).collect(),
        (Setting::ScopeImplies, _, Json::Object(pairs)) => pairs
            .iter()
            .flat_map(|(scope, implied)| {
                let implied: Vec<String> = implied.as_array().unwrap().iter().map(text).collect();
                with(format!("{scope}={}", implied.join(" ")))
            })
            .collect(),
        (Setting::RequestedScopes, _, Json::Object(pairs)) => pairs
            .iter()
            .flat_map(|(scope, requested)| with(format!("{scope}={}", text(requested))))
            .collect(),
        (_, _, Json::Object(pairs)) => pairs
            .iter()
            .flat_map(|(name, value)| with(format!("{name}={value}")))
            .collect(),
        (_, _, value) => with(text(value)).to_vec(),
    }
}

#[test]
fn every_option_has_an_effect() {
    let (effects, folder) = (vectors::effects(), tempfile::tempdir().unwrap());
    for (name, text) in &effects.files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let value = |value: &Json| match value.as_str().and_then(|text| text.strip_prefix("file:")) {
        Some(name) => Json::from(folder.path().join(name).to_str().unwrap()),
        None => value.clone(),
    };
    let outcome = |arguments: Vec<String>, token: &str, effects: &Effects| {
        let Ok(provider) = parse(arguments).draft().check() else {
            return "does not start".to_owned();
        };
        let now = UnixTime::from_secs(effects.now);
        let provider = provider.with_clock(Clock::new(move || now));
        let verified = provider.try_verify_token(token).into_result();
        match verified.and_then(|access| provider.check_required_scopes(&access)) {
            Ok(()) if provider.cached_tokens() == Some(1) => "cached".to_owned(),
            Ok(()) if is_by_aws_lc_alone(&provider) => "accepted, by AWS-LC alone".to_owned(),
            Ok(()) => "accepted".to_owned(),
            Err(rejection) => match rejection.requested_scopes() {
                Some(scopes) => format!("{} asking for {scopes}", rejection.kind()),
                None => rejection.kind().to_string(),
            },
        }
    };
    let mut seen = BTreeSet::new();
    for case in &effects.cases {
        let setting = Setting::named(&case.setting, Entrance::Rust).unwrap();
        if all().all(|(other, _)| other != setting) {
            continue;
        }
        let base = case.base.iter().flat_map(|(name, given)| {
            let setting = Setting::named(name, Entrance::Rust).unwrap();
            words(setting, &value(given))
        });
        let base: Vec<String> = base.collect();
        let with = [base.clone(), words(setting, &value(&case.value))].concat();
        assert_eq!(
            outcome(base, &case.token, &effects),
            case.without,
            "{setting:?}"
        );
        assert_eq!(
            outcome(with, &case.token, &effects),
            case.with,
            "{setting:?}"
        );
        seen.insert(setting);
    }
    for setting in Setting::ALL {
        let named = all().any(|(other, _)| other == *setting);
        assert_eq!(seen.contains(setting), named, "{setting:?}");
    }
}

fn is_by_aws_lc_alone(provider: &BearerAuthProvider) -> bool {
    let mut policies = provider.policies();
    policies.all(|policy| policy.rsa_backend() == RsaBackend::AwsLc)
}

#[test]
fn an_option_that_is_given_nothing_is_refused() {
    for (setting, name) in all() {
        if setting.shape() == Shape::Switch {
            continue;
        }
        let draft = parse(vec![name.to_owned(), String::new()]).draft();
        let words = draft.check().unwrap_err().own_words();
        let of_it = words
            .iter()
            .filter(|words| words.starts_with(&format!("{name}: ")));
        assert_eq!(of_it.count(), 1, "{words:?}");
    }
}

#[test]
fn values_are_read_as_a_shell_gives_them() {
    let words = |arguments: &[&str]| {
        let given = [
            "--any-issuer",
            "--any-audience",
            "--jwks-uri",
            "https://a.example/",
        ];
        let all = given.iter().chain(arguments).map(|word| (*word).to_owned());
        let checked = parse(all.collect()).draft().check();
        checked.map_or_else(|error| error.own_words(), |_| Vec::new())
    };
    let claims = [
        "--required-claim",
        "level=3",
        "--required-claim",
        "tenant=[\"a\",\"b\"]",
    ];
    assert_eq!(words(&claims), Vec::<String>::new());
    let unquoted = words(&["--required-claim", "tenant=blue"]);
    let expected =
        "--required-claim: \"blue\" is not JSON; a string needs quotes of its own: \"blue\"";
    assert_eq!(unquoted, [expected]);
    let nameless = words(&["--scope-implies", "admin"]);
    assert_eq!(
        nameless,
        ["--scope-implies: \"admin\" has no \"=\" after the name"]
    );
}

#[test]
fn an_option_that_is_set_to_nothing_is_refused_by_its_name() {
    let usual = [
        (Setting::JwksUri, "https://idp.example.com/jwks.json"),
        (Setting::Issuer, "https://idp.example.com/"),
        (Setting::Audience, "https://mcp.example.com/mcp"),
    ];
    for (setting, name) in all() {
        if setting.shape() == Shape::Switch {
            let matches = Flags::augment_args(Command::new("test").no_binary_name(true))
                .try_get_matches_from([format!("{name}=")]);
            assert!(matches.is_err(), "{name}");
            continue;
        }
        let beside = usual.iter().filter(|(other, _)| {
            *other != setting && (setting.group() != Group::Keys || other.group() != Group::Keys)
        });
        let mut arguments: Vec<String> = beside
            .map(|(other, value)| format!("{}={value}", other.name(Entrance::Flag).unwrap()))
            .collect();
        for nothing in ["", " "] {
            arguments.push(format!("{name}={nothing}"));
            let error = parse(arguments.clone()).draft().check().unwrap_err();
            let named = error.own_words().iter().any(|words| words.contains(name));
            assert!(named, "{name}={nothing:?}: {error}");
            arguments.pop();
        }
    }
}
