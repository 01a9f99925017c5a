//! From variables to a provider. Looks at every variable before it gives up, so that one start shows all problems.

use std::fs::File;
use std::str::FromStr;
use std::time::Duration;

use mcp_bearer_core::{Algorithm, Decided, TokenType, Undecided};
use zeroize::Zeroizing;

use crate::provider::{BearerAuthProvider, IssuerBuilder};

/// What our names begin with.
const OWN: &str = "MCP_BEARER_";

/// What the reference system's names begin with.
pub(super) const REFERENCE: &str = "FASTMCP_AUTH_BEARER_";

const REFERENCE_NAMES: [&str; 5] = [
    "PUBLIC_KEY",
    "JWKS_URI",
    "ISSUER",
    "AUDIENCE",
    "REQUIRED_SCOPES",
];

const NOTHING: &str = "an empty list, which asks for nothing; unset it if that is meant";

type Problems = Vec<String>;
type WithKeys = IssuerBuilder<Decided, Undecided, Undecided>;

pub(super) fn provider(
    look_up: &dyn Fn(&str) -> Option<String>,
) -> Result<BearerAuthProvider, Problems> {
    let own = Variables {
        look_up,
        problems: Problems::new(),
    };
    let of_reference = REFERENCE_NAMES
        .into_iter()
        .find(|name| look_up(&format!("{REFERENCE}{name}")).is_some());
    match (own.any_set(), of_reference) {
        (None, _) => reference(look_up),
        (Some(_), None) => own.read(),
        (Some(one), Some(other)) => Err(vec![format!(
            "{REFERENCE}{other}: would do nothing beside {OWN}{one}; use the names of one family"
        )]),
    }
}

/// The reference system's names, with its words for what is wrong.
fn reference(look_up: &dyn Fn(&str) -> Option<String>) -> Result<BearerAuthProvider, Problems> {
    let get = |name: &str| look_up(&format!("{REFERENCE}{name}"));
    let begin = BearerAuthProvider::builder();
    let with_keys = match (get("PUBLIC_KEY"), get("JWKS_URI")) {
        (None, None) => Err("Either public_key or jwks_uri must be provided"),
        (Some(_), Some(_)) => Err("Provide either public_key or jwks_uri, not both"),
        (Some(pem), None) => Ok(begin.public_key(pem)),
        (None, Some(url)) => Ok(begin.jwks_uri(url)),
    };
    let scopes = match get("REQUIRED_SCOPES").map(|text| serde_json::from_str(&text)) {
        None => Ok(Vec::<String>::new()),
        Some(Ok(scopes)) => Ok(scopes),
        Some(Err(_)) => Err("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES: not a JSON list of strings"),
    };
    let (with_keys, scopes) = match (with_keys, scopes) {
        (Ok(with_keys), Ok(scopes)) => (with_keys, scopes),
        (keys, scopes) => {
            let problems = [keys.err(), scopes.err()];
            return Err(problems.into_iter().flatten().map(str::to_owned).collect());
        }
    };
    let with_issuer = match get("ISSUER") {
        Some(issuer) => with_keys.issuer(issuer),
        None => with_keys.any_issuer(),
    };
    let complete = match get("AUDIENCE") {
        Some(audience) => with_issuer.audience(audience),
        None => with_issuer.any_audience(),
    };
    let built = complete.required_scopes(scopes).build();
    built.map_err(|error| error.problems().to_vec())
}

/// Whether it is a name of one of the families; nothing when it belongs to neither. A name in small letters belongs to
/// one, and is not read.
pub(super) fn is_known(name: &str) -> Option<bool> {
    if !name.starts_with(OWN) && !name.starts_with(REFERENCE) {
        let upper = name.to_ascii_uppercase();
        let meant = upper.starts_with(OWN) || upper.starts_with(REFERENCE);
        return meant.then_some(false);
    }
    if let Some(own) = name.strip_prefix(OWN) {
        return Some(own == "LOG" || Variables::NAMES.contains(&own));
    }
    let of_reference = name.strip_prefix(REFERENCE)?;
    Some(REFERENCE_NAMES.contains(&of_reference))
}

struct Variables<'a> {
    look_up: &'a dyn Fn(&str) -> Option<String>,
    problems: Problems,
}

impl Variables<'_> {
    const NAMES: [&'static str; 16] = [
        "PUBLIC_KEY",
        "PUBLIC_KEY_FILE",
        "JWKS_FILE",
        "JWKS_URI",
        "SHARED_SECRET",
        "SHARED_SECRET_FILE",
        "ISSUER",
        "ANY_ISSUER",
        "AUDIENCE",
        "ANY_AUDIENCE",
        "REQUIRED_SCOPES",
        "ALGORITHMS",
        "LEEWAY_SECONDS",
        "MAX_AGE_SECONDS",
        "TOKEN_TYPE",
        "ALLOWED_CLIENT_IDS",
    ];

    fn get(&self, name: &str) -> Option<String> {
        (self.look_up)(&format!("{OWN}{name}"))
    }

    fn any_set(&self) -> Option<&'static str> {
        Self::NAMES
            .into_iter()
            .find(|name| self.get(name).is_some())
    }

    fn problem(&mut self, name: &str, why: &str) {
        self.problems.push(format!("{OWN}{name}: {why}"));
    }

    /// What the builder says, by the name of the variable that it is about.
    fn told(&self, problem: &str) -> String {
        const NAMES: [(&str, &[&str]); 12] = [
            ("public_key", &["PUBLIC_KEY"]),
            ("key_file", &["PUBLIC_KEY_FILE", "JWKS_FILE"]),
            ("jwks_uri", &["JWKS_URI"]),
            ("shared_secret", &["SHARED_SECRET", "SHARED_SECRET_FILE"]),
            ("issuer", &["ISSUER"]),
            ("audience", &["AUDIENCE"]),
            ("required_scopes", &["REQUIRED_SCOPES"]),
            ("algorithms", &["ALGORITHMS"]),
            ("leeway", &["LEEWAY_SECONDS"]),
            ("max_age", &["MAX_AGE_SECONDS"]),
            ("token_type", &["TOKEN_TYPE"]),
            ("allowed_client_ids", &["ALLOWED_CLIENT_IDS"]),
        ];
        let named = NAMES.iter().find_map(|(setting, variables)| {
            let rest = problem.strip_prefix(setting)?.strip_prefix(": ")?;
            let set = variables.iter().find(|name| self.get(name).is_some())?;
            Some(format!("{OWN}{set}: {rest}"))
        });
        named.unwrap_or_else(|| problem.to_owned())
    }

    fn read(mut self) -> Result<BearerAuthProvider, Problems> {
        let keys = self.keys();
        let issuers = self.decision("ISSUER", "ANY_ISSUER");
        let audiences = self.decision("AUDIENCE", "ANY_AUDIENCE");
        let scopes = self.list("REQUIRED_SCOPES").unwrap_or_default();
        let algorithms = self.algorithms();
        let leeway = self.seconds("LEEWAY_SECONDS");
        let max_age = self.seconds("MAX_AGE_SECONDS");
        let token_type = self.token_type();
        let clients = self.list("ALLOWED_CLIENT_IDS");
        let (Some(keys), Some(issuers), Some(audiences)) = (keys, issuers, audiences) else {
            return Err(self.problems);
        };
        let with_issuer = match issuers {
            Choice::Any => keys.any_issuer(),
            Choice::OneOf(names) => keys.issuers(names),
        };
        let mut builder = match audiences {
            Choice::Any => with_issuer.any_audience(),
            Choice::OneOf(names) => with_issuer.audiences(names),
        };
        builder = builder.required_scopes(scopes).token_type(token_type);
        if let Some(algorithms) = algorithms {
            builder = builder.algorithms(algorithms);
        }
        if let Some(leeway) = leeway {
            builder = builder.leeway(leeway);
        }
        if let Some(max_age) = max_age {
            builder = builder.max_age(max_age);
        }
        if let Some(clients) = clients {
            builder = builder.allowed_client_ids(clients);
        }
        match builder.build() {
            Ok(provider) if self.problems.is_empty() => Ok(provider),
            Ok(_) => Err(self.problems),
            Err(error) => {
                let told = error.problems().iter().map(|problem| self.told(problem));
                let told: Problems = told.collect();
                self.problems.extend(told);
                Err(self.problems)
            }
        }
    }

    /// Exactly one source of keys.
    fn keys(&mut self) -> Option<WithKeys> {
        let begin = BearerAuthProvider::builder;
        let mut found: Vec<WithKeys> = Vec::new();
        let mut given = 0_usize;
        for name in ["PUBLIC_KEY", "PUBLIC_KEY_FILE", "JWKS_FILE", "JWKS_URI"] {
            let Some(value) = self.get(name) else {
                continue;
            };
            given += 1;
            if name.ends_with("_FILE") && !self.can_be_read(name, &value) {
                continue;
            }
            found.push(match name {
                "PUBLIC_KEY" => begin().public_key(value),
                "JWKS_URI" => begin().jwks_uri(value),
                _ => begin().key_file(value),
            });
        }
        if let Some(secret) = self.get("SHARED_SECRET").map(Zeroizing::new) {
            given += 1;
            found.push(begin().shared_secret(secret.as_bytes()));
        }
        if let Some(path) = self.get("SHARED_SECRET_FILE") {
            given += 1;
            if self.can_be_read("SHARED_SECRET_FILE", &path) {
                found.push(begin().shared_secret_file(path));
            }
        }
        if given != 1 {
            let why = "exactly one of PUBLIC_KEY, PUBLIC_KEY_FILE, JWKS_FILE, JWKS_URI, SHARED_SECRET and \
                       SHARED_SECRET_FILE must be set";
            self.problem("*", why);
            return None;
        }
        found.pop()
    }

    /// Says so when a file cannot be read, without what was taken for its name: that may be the key itself.
    fn can_be_read(&mut self, name: &str, path: &str) -> bool {
        match File::open(path) {
            Ok(_) => true,
            Err(error) => {
                let why = format!("cannot be read: {error}; it takes the name of a file");
                self.problem(name, &why);
                false
            }
        }
    }

    fn decision(&mut self, name: &str, any: &str) -> Option<Choice> {
        let listed = self.list(name);
        let any_value = self.get(any);
        let all = match any_value.as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => {
                self.problem(any, "neither \"true\" nor \"false\"");
                return None;
            }
        };
        match (listed, all) {
            (Some(names), false) => Some(Choice::OneOf(names)),
            (None, true) => Some(Choice::Any),
            (Some(_), true) => {
                self.problem(any, &format!("contradicts {OWN}{name}; set one of them"));
                None
            }
            (None, false) => {
                let why = format!("must be set; or say {OWN}{any}=true if any will do");
                self.problem(name, &why);
                None
            }
        }
    }

    /// A JSON list, or one value. Scopes and clients may also be split by spaces.
    fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let text = self.get(name)?;
        if text.trim_start().starts_with('[') {
            let parsed: Result<Vec<String>, _> = serde_json::from_str(&text);
            match &parsed {
                Err(_) => self.problem(name, "not a JSON list of strings"),
                Ok(list) if list.is_empty() => self.problem(name, NOTHING),
                Ok(_) => {}
            }
            return parsed.ok();
        }
        if text.trim().is_empty() {
            self.problem(name, NOTHING);
        }
        if matches!(name, "ISSUER" | "AUDIENCE") {
            return Some(vec![text]);
        }
        Some(text.split_whitespace().map(str::to_owned).collect())
    }

    fn algorithms(&mut self) -> Option<Vec<Algorithm>> {
        let text = self.get("ALGORITHMS")?;
        let mut algorithms = Vec::new();
        for name in text.split([' ', ',']).filter(|name| !name.is_empty()) {
            match Algorithm::from_str(name) {
                Ok(algorithm) => algorithms.push(algorithm),
                Err(error) => self.problem("ALGORITHMS", &format!("{name:?} is {error}")),
            }
        }
        Some(algorithms)
    }

    fn seconds(&mut self, name: &str) -> Option<Duration> {
        let text = self.get(name)?;
        let parsed = text.trim().parse().ok().map(Duration::from_secs);
        if parsed.is_none() {
            self.problem(name, "not a whole number of seconds");
        }
        parsed
    }

    fn token_type(&mut self) -> TokenType {
        match self.get("TOKEN_TYPE").as_deref() {
            None | Some("any") => TokenType::Any,
            Some("rfc9068" | "at+jwt") => TokenType::Rfc9068,
            Some(_) => {
                self.problem("TOKEN_TYPE", "neither \"any\" nor \"rfc9068\"");
                TokenType::Rfc9068
            }
        }
    }
}

enum Choice {
    Any,
    OneOf(Vec<String>),
}
