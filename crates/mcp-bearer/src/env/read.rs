//! From variables to a provider. Looks at every variable before it gives up, so that one start shows all problems.

use std::fs;
use std::str::FromStr;
use std::time::Duration;

use mcp_bearer_core::{Algorithm, Decided, TokenType, Undecided};
use zeroize::Zeroizing;

use crate::provider::{BearerAuthProvider, IssuerBuilder};

type Problems = Vec<String>;
type WithKeys = IssuerBuilder<Decided, Undecided, Undecided>;

pub(super) fn provider(
    look_up: &dyn Fn(&str) -> Option<String>,
) -> Result<BearerAuthProvider, Problems> {
    let own = Variables {
        prefix: "MCP_BEARER_",
        look_up,
        problems: Problems::new(),
    };
    if own.any_set() {
        own.read()
    } else {
        reference(look_up)
    }
}

/// The reference system's names, with its words for what is wrong.
fn reference(look_up: &dyn Fn(&str) -> Option<String>) -> Result<BearerAuthProvider, Problems> {
    let get = |name: &str| look_up(&format!("FASTMCP_AUTH_BEARER_{name}"));
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

/// Whether it is one of our names, without its prefix.
pub(super) fn is_known(name: &str) -> bool {
    Variables::NAMES.contains(&name)
}

struct Variables<'a> {
    prefix: &'static str,
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
        (self.look_up)(&format!("{}{name}", self.prefix))
    }

    fn any_set(&self) -> bool {
        Self::NAMES.into_iter().any(|name| self.get(name).is_some())
    }

    fn problem(&mut self, name: &str, why: &str) {
        self.problems.push(format!("{}{name}: {why}", self.prefix));
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
                self.problems.extend_from_slice(error.problems());
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
            match fs::read(path).map(Zeroizing::new) {
                Ok(secret) => found.push(begin().shared_secret(without_newline(&secret))),
                Err(error) => {
                    self.problem("SHARED_SECRET_FILE", &format!("cannot be read: {error}"));
                }
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
                self.problem(
                    any,
                    &format!("contradicts {}{name}; set one of them", self.prefix),
                );
                None
            }
            (None, false) => {
                let why = format!(
                    "must be set; or say {}{any}=true if any will do",
                    self.prefix
                );
                self.problem(name, &why);
                None
            }
        }
    }

    /// A JSON list, or one value. Scopes and clients may also be split by spaces.
    fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let text = self.get(name)?;
        if text.trim_start().starts_with('[') {
            let parsed = serde_json::from_str(&text);
            if parsed.is_err() {
                self.problem(name, "not a JSON list of strings");
            }
            return parsed.ok();
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

/// A secret file written by an editor ends with a newline that is not part of the secret.
fn without_newline(secret: &[u8]) -> &[u8] {
    let secret = secret.strip_suffix(b"\n").unwrap_or(secret);
    secret.strip_suffix(b"\r").unwrap_or(secret)
}
