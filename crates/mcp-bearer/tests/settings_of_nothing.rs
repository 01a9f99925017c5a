//! Every setting through every entrance of this crate, set to nothing, as `AUDIENCE=${UNSET}` sets
//! it: each is refused by its name. Only an empty list of required scopes is a decision.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeMap;

use mcp_bearer::config::{Entrance, Group, IssuerDraft, Keys, ServerDraft, Setting, Shape, Value};
use mcp_bearer::config::{IssuerBuilder, from_variables};
use mcp_bearer::http::ProtectedResourceMetadata;
use mcp_bearer::keys::{RemoteKeys, RemoteKeysBuilder};
use mcp_bearer::{BearerAuthLayer, BearerAuthProvider, ClaimPath, ConfigError};
use serde_json::Value as Json;

const URI: &str = "https://idp.example.com/jwks.json";

/// The other settings that are given: keys, issuer and audience, unless the setting is one of them.
fn beside(setting: Setting) -> impl Iterator<Item = (Setting, &'static str)> {
    let usual = [
        (Setting::JwksUri, URI),
        (Setting::Issuer, "i"),
        (Setting::Audience, "a"),
    ];
    usual.into_iter().filter(move |(other, _)| {
        let keys = setting.group() == Group::Keys && other.group() == Group::Keys;
        let any = [
            (Setting::AnyIssuer, Setting::Issuer),
            (Setting::AnyAudience, Setting::Audience),
        ];
        !keys && *other != setting && !any.contains(&(setting, *other))
    })
}

/// Whether the error is about the setting and names it.
fn refuses<T>(entered: Result<T, ConfigError>, setting: Setting, entrance: Entrance, how: &str) {
    let error = entered.err().unwrap_or_else(|| {
        panic!("{entrance:?}: {setting:?} of {how:?} is let pass");
    });
    let about = |settings: &[Setting]| settings.contains(&setting);
    let mut problems = error.problems().iter().zip(error.own_words());
    let named = |words: &str| {
        let name = setting.name(entrance).unwrap();
        words.contains(name)
    };
    assert!(
        problems.any(|(problem, words)| about(&problem.settings) && named(&words)),
        "{entrance:?}: {setting:?} of {how:?}: {error}"
    );
}

const FAMILIES: [Entrance; 2] = [Entrance::Variable, Entrance::FastMcpVariable];

#[test]
fn a_variable_that_is_set_to_nothing_is_refused() {
    let mut seen = 0;
    for family in FAMILIES {
        for setting in Setting::ALL.iter().copied() {
            let Some(name) = setting.name(family) else {
                continue;
            };
            for nothing in ["", " ", "\t\n"] {
                let usual =
                    beside(setting).map(|(other, value)| (other.name(family).unwrap(), value));
                let variables: BTreeMap<_, _> = usual.chain([(name, nothing)]).collect();
                let entered = from_variables(|name| Some((*variables.get(name)?).to_owned()));
                refuses(entered, setting, family, nothing);
                seen += 1;
            }
        }
    }
    assert!(seen > 3 * 35, "only {seen}");
}

#[test]
fn a_list_or_object_without_an_element_is_refused_in_a_variable() {
    for setting in Setting::ALL.iter().copied() {
        let nothing: &[&str] = match setting.shape() {
            Shape::Texts(_) => &["[]", "[\"\"]", "[\" \"]"],
            Shape::Pairs(_) => &["{}", "{\"\":[\"a\"]}"],
            _ => continue,
        };
        for nothing in nothing {
            if (setting, *nothing) == (Setting::RequiredScopes, "[]") {
                continue;
            }
            let family = Entrance::Variable;
            let name = setting.name(family).unwrap();
            let usual = beside(setting).map(|(other, value)| (other.name(family).unwrap(), value));
            let variables: BTreeMap<_, _> = usual.chain([(name, *nothing)]).collect();
            let entered = from_variables(|name| Some((*variables.get(name)?).to_owned()));
            refuses(entered, setting, family, nothing);
        }
    }
}

#[cfg(feature = "toml")]
#[test]
fn a_key_of_a_file_that_is_set_to_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let enter = |setting: Setting, nothing: &str| {
        let (mut top, mut issuer) = (String::new(), "[[issuer]]\n".to_owned());
        let listed = |other| other == Setting::Audience;
        let usual = beside(setting).map(|(other, value)| match listed(other) {
            true => (other, format!("[\"{value}\"]")),
            false => (other, format!("\"{value}\"")),
        });
        for (setting, value) in usual.chain([(setting, nothing.to_owned())]) {
            let name = setting.name(Entrance::Toml).unwrap();
            match name.strip_prefix("issuer.") {
                Some(name) => issuer += &format!("{name} = {value}\n"),
                None => top += &format!("{name} = {value}\n"),
            }
        }
        std::fs::write(&file, top + &issuer).unwrap();
        ServerDraft::read_toml(&file, &[]).and_then(|(draft, _)| draft.check())
    };
    for setting in Setting::ALL.iter().copied() {
        if setting.name(Entrance::Toml).is_none() {
            continue;
        }
        for nothing in ["\"\"", "\" \"", "[]", "{}", "[\"\"]"] {
            if (setting, nothing) != (Setting::RequiredScopes, "[]") {
                refuses(enter(setting, nothing), setting, Entrance::Toml, nothing);
            }
        }
    }
    assert!(enter(Setting::RequiredScopes, "[]").is_ok());
}

/// What an entrance may pass, such as a flag or an argument.
fn values(setting: Setting) -> Vec<Value> {
    let texts = |texts: &[&str]| {
        let texts = texts.iter().map(|text| (*text).to_owned());
        Value::Texts(texts.collect())
    };
    let mut values = vec![Value::text(""), Value::text(" "), texts(&[""])];
    values.push(Value::Pairs(Vec::new()));
    values.push(Value::Bytes(Vec::new().into()));
    values.push(Value::Path("".into()));
    if setting != Setting::RequiredScopes {
        values.push(texts(&[]));
    }
    values
}

#[test]
fn an_empty_value_is_refused_whatever_read_it() {
    for entrance in [Entrance::Flag, Entrance::Python, Entrance::Toml] {
        for setting in Setting::ALL.iter().copied() {
            if setting.shape() == Shape::Code || setting.name(entrance).is_none() {
                continue;
            }
            for (index, value) in values(setting).into_iter().enumerate() {
                let mut draft = ServerDraft::from_entrance(entrance);
                draft.set(setting, value);
                for (other, value) in beside(setting) {
                    draft.set(other, Value::text(value));
                }
                let how = format!("value {index}");
                refuses(draft.check(), setting, entrance, &how);
            }
        }
    }
}

type Builder<K> = IssuerBuilder<K, mcp_bearer::config::Undecided, mcp_bearer::config::Undecided>;

/// The builder with one of its methods called with nothing; `None` for methods without an argument.
fn by_methods(setting: Setting) -> Option<Vec<Result<(), ConfigError>>> {
    use Setting::*;
    let begin = BearerAuthProvider::builder;
    let decided = |builder: Builder<mcp_bearer::config::Decided>| {
        let built = builder.issuer("i").audience("a").build();
        built.map(drop)
    };
    let usual = || begin().jwks_uri(URI).issuer("i").audience("a");
    let no_texts = || Vec::<String>::new();
    let no_values = Vec::<Json>::new;
    Some(match setting {
        PublicKey => vec![
            decided(begin().public_key("")),
            decided(begin().public_key(" ")),
        ],
        Jwks => vec![
            decided(begin().jwks_json("")),
            decided(begin().jwks_json("{}")),
        ],
        KeyFile | PublicKeyFile | JwksFile => vec![decided(begin().key_file(""))],
        JwksUri => vec![
            decided(begin().jwks_uri("")),
            decided(begin().jwks_uri(" ")),
        ],
        Discover => vec![
            decided(begin().discover("")),
            decided(begin().discover(" ")),
        ],
        SharedSecret => vec![decided(begin().shared_secret(""))],
        SharedSecretFile => vec![decided(begin().shared_secret_file(""))],
        Issuer => {
            let keys = || begin().jwks_uri(URI).audience("a");
            let built = [
                keys().issuer("").build(),
                keys().issuer(" ").build(),
                keys().issuers(no_texts()).build(),
                keys().issuers(["i", ""]).build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        Audience => {
            let keys = || begin().jwks_uri(URI).issuer("i");
            let built = [
                keys().audience("").build(),
                keys().audience(" ").build(),
                keys().audiences(no_texts()).build(),
                keys().audiences(["a", ""]).build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        Algorithms => vec![usual().algorithms([]).build().map(drop)],
        RequiredScopes => vec![usual().required_scopes([""]).build().map(drop)],
        RequiredClaims => {
            let built = [
                usual().required_claim("tenant", no_values()).build(),
                usual().required_claim("", ["a"]).build(),
                usual()
                    .required_claim(ClaimPath::from(no_texts()), ["a"])
                    .build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        RequiredClaimsContaining => {
            let built = [
                usual()
                    .required_claim_containing("tenant", no_values())
                    .build(),
                usual().required_claim_containing(" ", ["a"]).build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        AllowedClientIds => {
            let built = [
                usual().allowed_client_ids(no_texts()).build(),
                usual().allowed_client_ids([""]).build(),
                usual().allowed_client_ids(["a", " "]).build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        AcceptedTypes => {
            let built = ["", " "].map(|typ| usual().also_accept_type(typ).build());
            built.map(|built| built.map(drop)).into()
        }
        ScopeClaims => {
            let built = [
                usual().scope_claims(no_texts()).build(),
                usual().scope_claims([""]).build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        ScopeImplies => {
            let built = [
                usual().scope_implies("", ["a"]).build(),
                usual().scope_implies("a", no_texts()).build(),
                usual().scope_implies("a", [""]).build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        RequestedScopePrefix => {
            let built = ["", " "].map(|prefix| usual().requested_scope_prefix(prefix).build());
            built.map(|built| built.map(drop)).into()
        }
        RequestedScopes => {
            let built = [
                usual().requested_scope("", "a").build(),
                usual().requested_scope("a", "").build(),
            ];
            built.map(|built| built.map(drop)).into()
        }
        CaFile => vec![fetched(|keys| keys.ca_file(""))],
        Proxy => vec![
            fetched(|keys| keys.proxy("")),
            fetched(|keys| keys.proxy(" ")),
        ],
        MaxAge => vec![usual().max_age(std::time::Duration::ZERO).build().map(drop)],
        Resource => {
            let layer = || BearerAuthLayer::new(usual().build().unwrap());
            let layers = ["", " "].map(|resource| layer().resource(resource));
            layers.map(|layer| layer.map(drop)).into()
        }
        // An empty file is refused by the draft, as every file is.
        SessionKeys | SessionKeysFile => {
            let keys = mcp_bearer::http::SessionKeys::new([""]);
            assert!(keys.is_err());
            return None;
        }
        TokenHeader => {
            let layer = || BearerAuthLayer::new(usual().build().unwrap());
            let layers = ["", " "].map(|name| layer().token_header(name));
            layers.map(|layer| layer.map(drop)).into()
        }
        AuthorizationServers => [Vec::new(), vec![""], vec![" "]]
            .map(|servers| {
                let document = ProtectedResourceMetadata::builder("https://mcp.example.com/mcp");
                let built = document.authorization_servers(servers).build();
                built.map(drop).map_err(ConfigError::from)
            })
            .into(),
        // Switches, lengths of time, enumerations and objects are never empty.
        AnyIssuer
        | AnyAudience
        | Leeway
        | TokenType
        | AcceptScopesBeyondConsent
        | AcceptTokensThatNeverExpire
        | AcceptTokensIssuedInTheFuture
        | AcceptIdentityTokenShape
        | WithoutRsaKernel
        | SsrfGuard
        | InsecureAllowHttp
        | MaxFreshness
        | StalenessBound
        | Fetch
        | RemoteKeys
        | KeySource
        | TokenCache
        | ScopesSupported
        | RequireBodyHash => return None,
        other => panic!("{other:?} is not wired"),
    })
}

fn fetched(change: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder) -> Result<(), ConfigError> {
    let keys = change(RemoteKeys::builder(URI));
    let builder = BearerAuthProvider::builder().remote_keys(keys);
    builder.issuer("i").audience("a").build().map(drop)
}

#[test]
fn a_method_that_is_called_with_nothing_is_refused() {
    for setting in Setting::ALL.iter().copied() {
        let built = by_methods(setting).into_iter().flatten();
        for (index, built) in built.enumerate() {
            // One method covers both files, and reports by its name.
            let setting = match setting {
                Setting::PublicKeyFile | Setting::JwksFile => Setting::KeyFile,
                other => other,
            };
            refuses(built, setting, Entrance::Rust, &format!("call {index}"));
        }
    }
}

type Change<'a> = &'a dyn Fn(&mut IssuerDraft);

#[test]
fn a_field_of_a_draft_that_holds_nothing_is_refused() {
    let change = |change: &dyn Fn(&mut IssuerDraft)| {
        let mut draft = IssuerDraft::default();
        draft.keys = Some(Keys::JwksUri(URI.into()));
        (draft.issuers, draft.audiences) = (Some("i".into()), Some("a".into()));
        change(&mut draft);
        draft.check()
    };
    let checks: [(Setting, Change<'_>); 9] = [
        (Setting::JwksUri, &|draft| {
            draft.keys = Some(Keys::JwksUri(String::new()));
        }),
        (Setting::Issuer, &|draft| {
            draft.issuers = Some(Vec::<String>::new().into());
        }),
        (Setting::Audience, &|draft| {
            draft.audiences = Some("".into());
        }),
        (Setting::Algorithms, &|draft| {
            draft.algorithms = Some(Vec::new());
        }),
        (Setting::AllowedClientIds, &|draft| {
            draft.allowed_client_ids = Some(Vec::new());
        }),
        (Setting::ScopeClaims, &|draft| {
            draft.scope_claims = Some(Vec::new());
        }),
        (Setting::RequiredClaims, &|draft| {
            draft.required_claims = vec![("tenant".into(), Vec::new())];
        }),
        (Setting::CaFile, &|draft| draft.ca_file = Some("".into())),
        (Setting::Proxy, &|draft| {
            draft.proxy = Some(String::new().into());
        }),
    ];
    for (setting, field) in checks {
        refuses(change(field), setting, Entrance::Rust, "its field");
    }
    let missing = change(&|draft| (draft.issuers, draft.audiences) = (None, None));
    assert_eq!(missing.unwrap_err().problems().len(), 2);
}

#[test]
fn no_required_scope_is_a_decision() {
    let usual = || {
        BearerAuthProvider::builder()
            .jwks_uri(URI)
            .issuer("i")
            .audience("a")
    };
    assert!(
        usual()
            .required_scopes(Vec::<String>::new())
            .build()
            .is_ok()
    );
    for family in FAMILIES {
        let name = |setting: Setting| setting.name(family).unwrap();
        let variables = BTreeMap::from([
            (name(Setting::JwksUri), URI),
            (name(Setting::Issuer), "i"),
            (name(Setting::Audience), "a"),
            (name(Setting::RequiredScopes), "[]"),
        ]);
        let provider = from_variables(|name| Some((*variables.get(name)?).to_owned()));
        assert!(provider.unwrap().required_scopes().is_empty());
    }
}
