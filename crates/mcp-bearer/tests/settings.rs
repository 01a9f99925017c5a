//! Every setting through every entrance of this crate: each changes the result for a token, and
//! each error names it in the entrance's own words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_bearer::config::from_variables;
use mcp_bearer::config::{
    Entrance, Group, IssuerDraft, Keys, Secret, ServerDraft, Setting, Shape, Value,
};
use mcp_bearer::core::RsaBackend;
use mcp_bearer::keys::{self, RemoteKeysBuilder};
use mcp_bearer::{
    BearerAuthProvider, ClaimPath, Clock, ConfigError, TokenCacheSize, TokenType, UnixTime,
};
use mcp_bearer_testkit::vectors::{self, Effect, Effects};
use serde_json::{Value as Json, json};

type Given = BTreeMap<Setting, Json>;
type Entered = Result<BearerAuthProvider, ConfigError>;

/// The files of the vectors, in their own folder.
struct World {
    effects: Effects,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let (effects, folder) = (vectors::effects(), tempfile::tempdir().unwrap());
        for (name, text) in &effects.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { effects, folder }
    }

    fn value(&self, value: &Json) -> Json {
        let text = value.as_str().unwrap_or_default();
        if let Some(name) = text.strip_prefix("file:") {
            return self.folder.path().join(name).to_str().unwrap().into();
        }
        match text.strip_prefix("text:") {
            Some(name) => self.effects.files[name].as_str().into(),
            None => value.clone(),
        }
    }

    /// The settings of a case, without the one that it is about and with it.
    fn given(&self, case: &Effect) -> [Given; 2] {
        let named = |name: &str| Setting::named(name, Entrance::Rust).expect(name);
        let base = case.base.iter();
        let without: Given = base
            .map(|(name, value)| (named(name), self.value(value)))
            .collect();
        let mut with = without.clone();
        with.insert(named(&case.setting), self.value(&case.value));
        [without, with]
    }

    /// The result for the token of a case.
    fn outcome(&self, provider: Entered, case: &Effect) -> String {
        let Ok(provider) = provider else {
            return "does not start".to_owned();
        };
        let now = UnixTime::from_secs(self.effects.now);
        let provider = provider.with_clock(Clock::new(move || now));
        let verified = provider.try_verify_token(&case.token).into_result();
        let allowed = verified.and_then(|access| provider.check_required_scopes(&access));
        match allowed {
            Ok(()) if provider.cached_tokens() == Some(1) => "cached".to_owned(),
            Ok(()) if is_by_aws_lc_alone(&provider) => "accepted, by AWS-LC alone".to_owned(),
            Ok(()) => "accepted".to_owned(),
            Err(rejection) => match rejection.requested_scopes() {
                Some(scopes) => format!("{} asking for {scopes}", rejection.kind()),
                None => rejection.kind().to_string(),
            },
        }
    }

    /// Enters each case that the entrance has names for, and checks that it has an effect.
    fn walk(&self, entrance: Entrance, enter: impl Fn(&Given) -> Entered) {
        let mut seen = BTreeSet::new();
        for case in &self.effects.cases {
            let given = self.given(case);
            let setting = Setting::named(&case.setting, Entrance::Rust).unwrap();
            if given[1]
                .keys()
                .any(|setting| setting.name(entrance).is_none())
            {
                continue;
            }
            let [without, with] = given.map(|given| self.outcome(enter(&given), case));
            assert_eq!(with, case.with, "{entrance:?} with {setting:?}");
            assert_ne!(without, with, "{entrance:?}: {setting:?} changes nothing");
            // In FastMCP an absent issuer is not a mistake.
            if entrance != Entrance::FastMcpVariable {
                assert_eq!(without, case.without, "{entrance:?} without {setting:?}");
            }
            seen.insert(setting);
        }
        // The settings of a layer are tested with one.
        let of_provider = |setting: &&Setting| setting.group() != Group::Layer;
        for setting in Setting::ALL.iter().filter(of_provider) {
            let named = setting.name(entrance).is_some() && setting.shape() != Shape::Code;
            assert_eq!(seen.contains(setting), named, "{entrance:?}: {setting:?}");
        }
    }
}

fn is_by_aws_lc_alone(provider: &BearerAuthProvider) -> bool {
    let mut policies = provider.policies();
    policies.all(|policy| policy.rsa_backend() == RsaBackend::AwsLc)
}

#[test]
fn every_setting_has_an_effect_by_its_method() {
    World::new().walk(Entrance::Rust, |given| {
        let provider = by_methods(given);
        let drafted = by_fields(given).check();
        assert_eq!(provider.is_ok(), drafted.is_ok(), "{given:?}");
        provider
    });
}

#[test]
fn every_setting_has_an_effect_by_its_variable() {
    World::new().walk(Entrance::Variable, |given| {
        variables(given, Entrance::Variable)
    });
}

#[test]
fn every_setting_of_fastmcp_has_an_effect_by_its_variable() {
    let mut world = World::new();
    // FastMCP has no variable for a file.
    for case in &mut world.effects.cases {
        if let Some(file) = case.base.remove("public_key_file") {
            let text = file.as_str().unwrap().replace("file:", "text:");
            case.base.insert("public_key".to_owned(), text.into());
        }
    }
    let entrance = Entrance::FastMcpVariable;
    world.walk(entrance, |given| variables(given, entrance));
}

fn variables(given: &Given, entrance: Entrance) -> Entered {
    let variables: BTreeMap<&str, String> = given
        .iter()
        .map(|(setting, value)| {
            let text = match (setting, value) {
                // Unchanged, or as a JSON list.
                (Setting::Issuer | Setting::Audience, Json::Array(names)) if names.len() == 1 => {
                    names[0].as_str().unwrap().to_owned()
                }
                (_, Json::String(text)) => text.clone(),
                (_, other) => other.to_string(),
            };
            (setting.name(entrance).unwrap(), text)
        })
        .collect();
    from_variables(|name| variables.get(name).cloned())
}

#[cfg(feature = "toml")]
#[test]
fn every_setting_has_an_effect_in_a_file() {
    use std::fmt::Write;

    let world = World::new();
    world.walk(Entrance::Toml, |given| {
        let (mut top, mut issuer) = (String::new(), "[[issuer]]\n".to_owned());
        for (setting, value) in given {
            let name = setting.name(Entrance::Toml).unwrap();
            let value = match setting.shape() {
                Shape::Duration => format!("\"{value}s\""),
                _ => toml_value(value),
            };
            match name.strip_prefix("issuer.") {
                Some(name) => writeln!(issuer, "{name} = {value}").unwrap(),
                None => writeln!(top, "{name} = {value}").unwrap(),
            }
        }
        let file = world.folder.path().join("config.toml");
        std::fs::write(&file, top + &issuer).unwrap();
        let (draft, _) = ServerDraft::read_toml(&file, &[])?;
        draft.check()
    });
}

#[cfg(feature = "toml")]
fn toml_value(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let member =
                |(name, value): (&String, &Json)| format!("{name:?} = {}", toml_value(value));
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{ {} }}", members.join(", "))
        }
        // Strings, lists, numbers and switches are written as in JSON.
        other => other.to_string(),
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Json) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}

/// In the form that the other entrances read.
fn claim_path(text: String) -> ClaimPath {
    match serde_json::from_str::<Vec<String>>(&text) {
        Ok(names) => names.into(),
        Err(_) => text.into(),
    }
}

fn seconds(value: &Json) -> Duration {
    Duration::from_secs(value.as_u64().unwrap())
}

fn pairs(value: &Json) -> impl Iterator<Item = (String, Vec<Json>)> {
    let members = value.as_object().unwrap().clone().into_iter();
    members.map(|(name, values)| (name, values.as_array().unwrap().clone()))
}

/// The builder; what its types do not compile counts as refused.
fn by_methods(given: &Given) -> Entered {
    use Setting::*;
    let missing = || Err(ConfigError::new(Vec::new()));
    let begin = BearerAuthProvider::builder();
    let of_keys = given
        .iter()
        .filter(|(setting, _)| setting.group() == Group::Keys);
    let secret = |setting: &Setting| matches!(setting, SharedSecret | SharedSecretFile);
    let (secrets, sources): (Vec<_>, Vec<_>) = of_keys.partition(|(setting, _)| secret(setting));
    let Some((source, value)) = sources.first().or(secrets.first()).copied() else {
        return missing();
    };
    let builder = match source {
        PublicKey => begin.public_key(text(value)),
        PublicKeyFile | JwksFile | KeyFile => begin.key_file(text(value)),
        Jwks => begin.jwks_json(text(value)),
        JwksUri => match fetching(given, keys::RemoteKeys::builder(text(value))) {
            Some(keys) => begin.remote_keys(keys),
            None => begin.jwks_uri(text(value)),
        },
        Discover => begin.discover(text(value)),
        SharedSecret => begin.shared_secret(text(value)),
        SharedSecretFile => begin.shared_secret_file(text(value)),
        other => panic!("{other:?} is not wired"),
    };
    let builder = match secrets.first() {
        Some((SharedSecret, value)) => builder.shared_secret(text(value)),
        Some((_, value)) => builder.shared_secret_file(text(value)),
        None => builder,
    };
    let builder = match (
        given.get(&Issuer),
        given.get(&AnyIssuer),
        given.get(&Discover),
    ) {
        (Some(names), ..) => builder.issuers(texts(names)),
        (_, Some(_), _) => builder.any_issuer(),
        (_, _, Some(issuer)) => builder.issuer(text(issuer)),
        _ => return missing(),
    };
    let mut builder = match (
        given.get(&Audience),
        given.get(&AnyAudience),
        given.get(&Resource),
    ) {
        (Some(names), ..) => builder.audiences(texts(names)),
        (_, Some(_), _) => builder.any_audience(),
        (_, _, Some(resource)) => builder.resource(text(resource)),
        _ => return missing(),
    };
    for (setting, value) in given {
        builder = match setting {
            Algorithms => {
                let names = texts(value).into_iter();
                builder.algorithms(names.map(|name| name.parse().unwrap()))
            }
            RequiredScopes => builder.required_scopes(texts(value)),
            Leeway => builder.leeway(seconds(value)),
            MaxAge => builder.max_age(seconds(value)),
            TokenType => builder.token_type(mcp_bearer::TokenType::Rfc9068),
            RequiredClaims => pairs(value).fold(builder, |builder, (name, values)| {
                builder.required_claim(name, values)
            }),
            RequiredClaimsContaining => pairs(value).fold(builder, |builder, (name, values)| {
                builder.required_claim_containing(name, values)
            }),
            AllowedClientIds => builder.allowed_client_ids(texts(value)),
            ScopeClaims => builder.scope_claims(texts(value).into_iter().map(claim_path)),
            AcceptedTypes => texts(value)
                .iter()
                .fold(builder, mcp_bearer::config::IssuerBuilder::also_accept_type),
            AcceptTokensIssuedInTheFuture => builder.accept_tokens_issued_in_the_future(),
            AcceptScopesBeyondConsent => builder.accept_scopes_beyond_consent(),
            ScopeImplies => pairs(value).fold(builder, |builder, (scope, implied)| {
                builder.scope_implies(scope, implied.iter().map(text))
            }),
            RequestedScopePrefix => builder.requested_scope_prefix(text(value)),
            RequestedScopes => value
                .as_object()
                .unwrap()
                .iter()
                .fold(builder, |builder, (scope, requested)| {
                    builder.requested_scope(scope, text(requested))
                }),
            AcceptTokensThatNeverExpire => builder.accept_tokens_that_never_expire(),
            AcceptIdentityTokenShape => builder.accept_identity_token_shape(),
            WithoutRsaKernel => builder.without_rsa_kernel(),
            known if known.group() != Group::Rules => builder,
            other => panic!("{other:?} is not wired"),
        };
    }
    let provider = builder.build()?;
    Ok(match given.contains_key(&TokenCache) {
        true => provider.with_token_cache(TokenCacheSize::default()),
        false => provider,
    })
}

/// The settings of fetching, if there are any.
fn fetching(given: &Given, mut keys: RemoteKeysBuilder) -> Option<RemoteKeysBuilder> {
    let fetching = given
        .iter()
        .filter(|(setting, _)| setting.group() == Group::Fetching);
    let mut some = false;
    for (setting, value) in fetching {
        some = true;
        keys = match setting {
            Setting::CaFile => keys.ca_file(text(value)),
            Setting::Proxy => keys.proxy(text(value)),
            Setting::SsrfGuard => keys.ssrf_guard(),
            Setting::InsecureAllowHttp => keys.insecure_allow_http(),
            Setting::MaxFreshness => keys.max_freshness(seconds(value)),
            Setting::StalenessBound => keys.staleness_bound(seconds(value)),
            other => panic!("{other:?} is not wired"),
        };
    }
    some.then_some(keys)
}

/// The same by assignment to the fields of a draft.
fn by_fields(given: &Given) -> ServerDraft {
    let mut server = ServerDraft::default();
    let mut draft = IssuerDraft::default();
    for (setting, value) in given {
        match setting {
            Setting::PublicKey => draft.keys = Some(Keys::PublicKey(text(value))),
            Setting::PublicKeyFile => draft.keys = Some(Keys::PublicKeyFile(text(value).into())),
            Setting::Jwks => draft.keys = Some(Keys::JwksJson(text(value))),
            Setting::JwksFile => draft.keys = Some(Keys::JwksFile(text(value).into())),
            Setting::KeyFile => draft.keys = Some(Keys::File(text(value).into())),
            Setting::JwksUri => draft.keys = Some(Keys::JwksUri(text(value))),
            Setting::Discover => draft.keys = Some(Keys::Discover(text(value))),
            Setting::SharedSecret => {
                draft.secret = Some(Secret::Bytes(text(value).into_bytes().into()));
            }
            Setting::SharedSecretFile => {
                draft.secret = Some(Secret::File(text(value).into()));
            }
            Setting::Algorithms => {
                let names = texts(value).into_iter();
                draft.algorithms = Some(names.map(|name| name.parse().unwrap()).collect());
            }
            Setting::Issuer => draft.issuers = Some(texts(value).into()),
            Setting::Audience => draft.audiences = Some(texts(value).into()),
            Setting::AnyIssuer => draft.issuers = Some(mcp_bearer::config::Expected::Any),
            Setting::AnyAudience => draft.audiences = Some(mcp_bearer::config::Expected::Any),
            Setting::TokenType => draft.token_type = Some(TokenType::Rfc9068),
            Setting::MaxFreshness => draft.max_freshness = Some(seconds(value)),
            Setting::StalenessBound => draft.staleness_bound = Some(seconds(value)),
            Setting::CaFile => draft.ca_file = Some(text(value).into()),
            Setting::Proxy => draft.proxy = Some(text(value).into()),
            Setting::SsrfGuard => draft.ssrf_guard = true,
            Setting::InsecureAllowHttp => draft.insecure_allow_http = true,
            Setting::Resource => server.resource = Some(text(value)),
            _ => {}
        }
    }
    server.issuers.push(draft);
    server
}

/// Invalid values, of one setting or of several.
fn mistakes() -> Vec<Vec<(Setting, Value)>> {
    use Setting::*;
    let text = |text: &str| Value::text(text);
    let texts =
        |texts: &[&str]| Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
    let seconds = |seconds| Value::Duration(Duration::from_secs(seconds));
    let pair = |name: &str, value: Json| Value::Pairs(vec![(name.to_owned(), value)]);
    let on = || Value::Switch(true);
    let uri = || (JwksUri, text("https://idp.example.com/jwks.json"));
    let jwks = || (Jwks, text("{}"));
    let effects = vectors::effects();
    let pem = || text(&effects.files["public.pem"]);
    let secret = &effects.files["secret.txt"];
    let leak = json!({ "kty": "RSA", "n": "AQAB", "x-note": secret });
    let mut leaked: Json = serde_json::from_str(&effects.files["jwks.json"]).unwrap();
    leaked["keys"].as_array_mut().unwrap().push(leak);
    let leaked = leaked.to_string();
    let mut all = vec![
        vec![(Algorithms, texts(&["none"]))],
        vec![(Algorithms, texts(&["RS256", "HS256"]))],
        vec![(Algorithms, texts(&["HS256"]))],
        vec![(Algorithms, texts(&[]))],
        vec![(RequiredScopes, texts(&["a b"]))],
        vec![(Leeway, seconds(301))],
        vec![(MaxAge, seconds(0))],
        vec![(TokenType, text("id"))],
        vec![(RequiredClaims, pair("tenant", json!([])))],
        vec![(RequiredClaims, texts(&["tenant=blue"]))],
        vec![(ScopeImplies, pair("a", json!(["a"])))],
        vec![(ScopeImplies, pair("a", json!(7)))],
        vec![(RequestedScopePrefix, text("api://a b/"))],
        vec![(RequestedScopes, pair("read", json!(["a", "b"])))],
        vec![(RequestedScopes, pair("read", json!("a b")))],
        vec![(Resource, text("http://mcp.example.com/"))],
        vec![(Issuer, text("i")), (AnyIssuer, on())],
        vec![(AnyAudience, on()), (Audience, text("a"))],
        vec![uri(), (PublicKey, pem())],
        vec![
            (JwksFile, text("x")),
            (SharedSecret, text("x")),
            (Discover, text("x")),
        ],
        // A secret beside public keys: the algorithms of both, and a secret that cannot be read.
        vec![(PublicKey, pem()), (SharedSecret, text(secret))],
        vec![
            (PublicKey, pem()),
            (SharedSecret, text(secret)),
            (Algorithms, texts(&["RS256"])),
        ],
        vec![
            (PublicKey, pem()),
            (SharedSecret, text(secret)),
            (Algorithms, texts(&["HS256"])),
        ],
        vec![
            (PublicKey, pem()),
            (SharedSecret, text(secret)),
            (Algorithms, texts(&["RS256", "HS512"])),
        ],
        vec![
            (Jwks, text(&leaked)),
            (SharedSecret, text(secret)),
            (Algorithms, texts(&["RS256", "HS256"])),
        ],
        vec![
            (SharedSecret, text(secret)),
            (SharedSecretFile, Value::Path("x".into())),
        ],
        vec![(PublicKey, text("nonsense"))],
        vec![(PublicKey, pem()), (Algorithms, texts(&["ES256"]))],
        vec![(PublicKeyFile, Value::Path("no-such-file".into()))],
        vec![(JwksFile, Value::Path(std::env::temp_dir()))],
        vec![jwks()],
        vec![(Jwks, text("{\"keys\":[]}"))],
        vec![(JwksUri, text("http://idp.example.com/"))],
        vec![(Discover, text("https://idp.example.com/?a=b"))],
        vec![(SharedSecret, text("short"))],
        vec![(SharedSecretFile, Value::Path("no-such-file".into()))],
        vec![uri(), (MaxFreshness, seconds(0))],
        vec![uri(), (StalenessBound, seconds(u64::MAX))],
        vec![uri(), (CaFile, Value::Path("no-such-file".into()))],
        vec![uri(), (Proxy, text("::"))],
        vec![uri(), (Proxy, text("http://a:1")), (SsrfGuard, on())],
        vec![jwks(), (CaFile, Value::Path("x".into()))],
        vec![jwks(), (Proxy, text("x"))],
        vec![jwks(), (MaxFreshness, seconds(60))],
        vec![jwks(), (StalenessBound, seconds(60))],
    ];
    for setting in Setting::ALL {
        let wrong = match setting.shape() {
            Shape::Code => Vec::new(),
            Shape::Switch => vec![text("x"), seconds(1)],
            Shape::Texts(_) => vec![text(" "), texts(&["a", ""]), on()],
            Shape::Pairs(_) => vec![text("7"), texts(&["x"]), texts(&[]), seconds(1)],
            Shape::Path => vec![Value::Path("".into()), on()],
            _ => vec![text(""), on()],
        };
        all.extend(wrong.into_iter().map(|value| vec![(*setting, value)]));
    }
    all
}

const ENTRANCES: [Entrance; 6] = [
    Entrance::Rust,
    Entrance::Flag,
    Entrance::Variable,
    Entrance::FastMcpVariable,
    Entrance::Toml,
    Entrance::Python,
];

/// Names of settings in `text` that belong to other entrances and not to this one. A name that is
/// one plain word is also English.
fn foreign(text: &str, entrance: Entrance) -> Vec<&str> {
    let of = |entrance: Entrance| {
        let all = Setting::ALL.iter();
        all.filter_map(move |setting| setting.name(entrance))
    };
    let own: BTreeSet<&str> = of(entrance).collect();
    let all: BTreeSet<&str> = ENTRANCES.into_iter().flat_map(of).collect();
    let in_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words = text
        .split(|c| !in_name(c))
        .map(|word| word.trim_end_matches('.'));
    let telling = words.filter(|word| word.contains(['_', '-', '.']));
    telling
        .filter(|word| all.contains(word) && !own.contains(word))
        .collect()
}

#[test]
fn every_error_names_its_setting_in_the_words_of_its_entrance_and_in_no_others() {
    let usual = [
        (
            Setting::JwksUri,
            Value::text("https://idp.example.com/jwks.json"),
        ),
        (Setting::Issuer, Value::text("i")),
        (Setting::Audience, Value::text("a")),
    ];
    let mut seen = 0;
    for entrance in ENTRANCES {
        let enter = |settings: &[(Setting, Value)]| {
            let mut draft = ServerDraft::from_entrance(entrance);
            for (setting, value) in settings {
                draft.set(*setting, value.clone());
            }
            draft.check().expect_err("a mistake")
        };
        let mut errors = vec![enter(&[])];
        for mistake in mistakes() {
            if mistake
                .iter()
                .any(|(setting, _)| setting.name(entrance).is_none())
            {
                continue;
            }
            // The usual settings, except for what the mistake is about.
            let about = |setting: Setting| {
                let decision = setting.group() == Group::Decisions;
                mistake.iter().any(|(other, _)| match decision {
                    true => *other == setting,
                    false => other.group() == setting.group(),
                })
            };
            let rest = usual
                .iter()
                .filter(|(setting, _)| !about(*setting))
                .cloned();
            errors.push(enter(
                &mistake.iter().cloned().chain(rest).collect::<Vec<_>>(),
            ));
        }
        for error in errors {
            for (problem, words) in error.problems().iter().zip(error.own_words()) {
                for name in problem.settings.iter().filter_map(|one| one.name(entrance)) {
                    assert!(words.contains(name), "{entrance:?}: {words}");
                }
                assert_eq!(
                    foreign(&words, entrance),
                    Vec::<&str>::new(),
                    "{entrance:?}: {words}"
                );
                assert!(!words.contains("  ") && !words.ends_with('.'), "{words}");
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "only {seen} errors");
}

#[test]
fn a_draft_shows_no_secret() {
    let mut draft = ServerDraft::from_entrance(Entrance::Flag);
    let secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    draft.set(Setting::SharedSecret, Value::text(secret));
    draft.set(
        Setting::Proxy,
        Value::text(format!("http://user:{secret}@proxy:3128")),
    );
    draft.set(
        Setting::JwksUri,
        Value::text(format!("https://idp.example.com/?key={secret}")),
    );
    draft.set(Setting::PublicKey, Value::text(secret));
    let shown = format!("{draft:?} {:?} {:?}", Value::text(secret), draft.check());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("SharedSecret(..)"), "{shown}");
}

#[test]
fn the_page_of_settings_has_every_name() {
    let page = include_str!("../../../docs/settings.md");
    let shown = Setting::ALL.iter().map(|setting| {
        let name = |entrance| match setting.name(entrance) {
            Some(name) => format!("`{name}`"),
            None => "-".to_owned(),
        };
        let names = [
            Entrance::Rust,
            Entrance::Flag,
            Entrance::Variable,
            Entrance::Toml,
            Entrance::Python,
        ];
        let about = setting.about().split_whitespace().collect::<Vec<_>>();
        format!("| {} | {} |", names.map(name).join(" | "), about.join(" "))
    });
    let shown: Vec<String> = shown.collect();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| - "))
        .collect();
    assert!(rows == shown, "the rows should be:\n{}", shown.join("\n"));
}

#[cfg(feature = "http")]
#[test]
fn settings_of_a_layer_come_as_variables_too() {
    let read = |variables: &[(&str, &str)]| {
        let base = [
            ("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks.json"),
            ("MCP_BEARER_ISSUER", "https://idp.example.com/"),
            ("MCP_BEARER_RESOURCE", "https://mcp.example.com/mcp"),
        ];
        let all = base.iter().chain(variables);
        let all = all.map(|(name, value)| ((*name).to_owned(), Ok((*value).to_owned())));
        mcp_bearer::config::Variables::read(all).draft()
    };
    let keys = format!("{} {}", "a".repeat(32), "b".repeat(32));
    let given = [
        ("MCP_BEARER_SESSION_KEYS", keys.as_str()),
        ("MCP_BEARER_TOKEN_HEADER", "X-Assertion"),
        ("MCP_BEARER_REQUIRE_BODY_HASH", "true"),
    ];
    let draft = read(&given);
    assert!(!format!("{draft:?}").contains("aaaa"), "{draft:?}");
    let server = draft.check_server().unwrap();
    assert_eq!(server.token_header.as_deref(), Some("X-Assertion"));
    assert_eq!(format!("{:?}", server.session_keys), "Some(SessionKeys(2))");
    assert!(server.require_body_hash);
    assert!(format!("{:?}", server.layer().unwrap()).contains("needs_body_hash: true"));
    let told = draft.check().unwrap_err().own_words();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].starts_with("MCP_BEARER_SESSION_KEYS: would do nothing here"),
        "{told:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "short").unwrap();
    let told = read(&[("MCP_BEARER_SESSION_KEYS_FILE", file.to_str().unwrap())]);
    let told = told.check_server().unwrap_err().own_words();
    assert_eq!(
        told,
        ["MCP_BEARER_SESSION_KEYS_FILE: a session key has fewer than 32 bytes"]
    );
}
