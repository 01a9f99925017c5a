//! Which of the sources of keys that an issuer may have is given, and what it holds. Keys that could never verify an
//! allowed algorithm would refuse every token: they are a problem.

use std::path::Path;
use std::sync::Arc;

use mcp_bearer_core::{Algorithm, KeySet, Limits, VerifyingKey};

use super::draft::IssuerDraft;
use super::problem::{ConfigError, Fact, Problem};
use super::setting::{Entrance, Group, Setting};
use super::{file, secret_file};
use crate::keys::{FileKeys, KeySource, RemoteKeys, RemoteKeysBuilder, StaticKeys};

type Opened = Result<Arc<dyn KeySource>, Vec<Problem>>;

/// Opens the one source that is given.
pub(super) fn open(draft: &IssuerDraft, algorithms: &[Algorithm], entrance: Entrance) -> Opened {
    let given = draft.key_settings();
    let [setting] = given.as_slice() else {
        return Err(match given.is_empty() {
            true if draft.found.discovered => Vec::new(),
            true if draft.found.problems.iter().any(is_about_keys) => Vec::new(),
            true => vec![missing(entrance)],
            false => vec![conflict(given, entrance)],
        });
    };
    let mut problems = idle_options(draft, *setting);
    let opened = draft.open(*setting, entrance).and_then(|keys| {
        // Which algorithms are allowed is not known when one of them is none.
        if draft
            .found
            .spoiled(Setting::Algorithms, Setting::Algorithms)
        {
            return Ok(keys);
        }
        serves(&keys, *setting, algorithms).map(|()| keys)
    });
    let opened = opened.map_err(|found| problems.extend(found));
    opened.ok().filter(|_| problems.is_empty()).ok_or(problems)
}

fn is_about_keys(problem: &Problem) -> bool {
    let mut settings = problem.settings.iter();
    settings.any(|setting| setting.group() == Group::Keys)
}

/// Where FastMCP's class and variables are imitated, in its words.
fn is_fast_mcp(entrance: Entrance) -> bool {
    matches!(entrance, Entrance::FastMcpVariable | Entrance::Python)
}

fn missing(entrance: Entrance) -> Problem {
    if is_fast_mcp(entrance) {
        let either = Fact::from("Either ").name(Setting::PublicKey).text(" or ");
        let either = either.name(Setting::JwksUri).text(" must be provided");
        return Problem::new([Setting::PublicKey, Setting::JwksUri], either);
    }
    let all = Setting::ALL.iter().copied();
    let all = all.filter(|setting| setting.group() == Group::Keys);
    Problem::new([], Fact::from("no keys: give one of ").list(all))
}

fn conflict(given: Vec<Setting>, entrance: Entrance) -> Problem {
    if is_fast_mcp(entrance) && given == [Setting::PublicKey, Setting::JwksUri] {
        let either = Fact::from("Provide either ")
            .name(Setting::PublicKey)
            .text(" or ");
        return Problem::new(given, either.name(Setting::JwksUri).text(", not both"));
    }
    let fact = Fact::all(&given).text(" given together: keys come from one place; choose one");
    Problem::new(given, fact)
}

/// Options of fetching that would do nothing. A guard or a permission that is not needed does no harm.
fn idle_options(draft: &IssuerDraft, keys: Setting) -> Vec<Problem> {
    if matches!(keys, Setting::JwksUri | Setting::Discover) {
        return Vec::new();
    }
    let given = [
        (Setting::CaFile, draft.ca_file.is_some()),
        (Setting::Proxy, draft.proxy.is_some()),
        (Setting::MaxFreshness, draft.max_freshness.is_some()),
        (Setting::StalenessBound, draft.staleness_bound.is_some()),
    ];
    let given = given.into_iter().filter(|(_, given)| *given);
    given
        .map(|(option, _)| {
            let fact = Fact::from("has an effect on fetched keys only: with ");
            Problem::of(option, fact.list([Setting::JwksUri, Setting::Discover]))
        })
        .collect()
}

impl IssuerDraft {
    fn open(&self, setting: Setting, entrance: Entrance) -> Opened {
        let one = |fact: Fact| vec![Problem::of(setting, fact)];
        if let Some(pem) = &self.public_key {
            let key = VerifyingKey::from_pem(pem).map_err(|error| one(error.to_string().into()))?;
            return Ok(fixed(KeySet::single(key)));
        }
        if let Some(text) = &self.jwks_json {
            let set =
                KeySet::from_jwks_json(text).map_err(|error| one(error.to_string().into()))?;
            return Ok(fixed(set));
        }
        let files = [&self.public_key_file, &self.jwks_file, &self.key_file];
        if let Some(path) = files.into_iter().flatten().next() {
            return key_file(setting, path).map_err(one);
        }
        if let Some(secret) = &self.shared_secret {
            return shared_secret(secret).map_err(one);
        }
        if let Some(path) = &self.shared_secret_file {
            let secret = secret_file::read(path).map_err(|why| one(Fact::file(path, why)))?;
            return shared_secret(&secret).map_err(one);
        }
        if let Some(uri) = &self.jwks_uri {
            return self.fetched(RemoteKeys::builder(uri));
        }
        if let Some(issuer) = &self.discover {
            return self.fetched(RemoteKeys::discover(issuer));
        }
        if let Some(builder) = &self.remote_keys {
            let keys = builder
                .clone()
                .build()
                .map_err(ConfigError::into_problems)?;
            return Ok(Arc::new(keys));
        }
        match &self.key_source {
            Some(source) => Ok(Arc::clone(source)),
            None => Err(vec![missing(entrance)]),
        }
    }

    fn fetched(&self, mut keys: RemoteKeysBuilder) -> Opened {
        if let Some(path) = &self.ca_file {
            keys = keys.ca_file(path);
        }
        if let Some(url) = &self.proxy {
            keys = keys.proxy(url.as_str());
        }
        if self.ssrf_guard {
            keys = keys.ssrf_guard();
        }
        if self.insecure_allow_http {
            keys = keys.insecure_allow_http();
        }
        if let Some(ceiling) = self.max_freshness {
            keys = keys.max_freshness(ceiling);
        }
        if let Some(bound) = self.staleness_bound {
            keys = keys.staleness_bound(bound);
        }
        if let Some(fetch) = &self.fetch {
            keys = keys.fetch(Arc::clone(fetch));
        }
        let keys = keys.build().map_err(ConfigError::into_problems)?;
        Ok(Arc::new(keys))
    }
}

fn fixed(set: KeySet) -> Arc<dyn KeySource> {
    Arc::new(StaticKeys::new(set))
}

fn shared_secret(secret: &[u8]) -> Result<Arc<dyn KeySource>, Fact> {
    let key = VerifyingKey::shared_secret(secret).map_err(|error| error.to_string())?;
    Ok(fixed(KeySet::single(key)))
}

/// A file is watched; what a shell gives for `<(command)` can be read once.
fn key_file(setting: Setting, path: &Path) -> Result<Arc<dyn KeySource>, Fact> {
    let fault = |why: String| Fact::file(path, why);
    let watched = path.is_file();
    let text = file::text(path, Limits::JWKS_BYTES).map_err(fault)?;
    let start = text.trim_start();
    if setting == Setting::PublicKeyFile && start.starts_with('{') {
        let fact = Fact::file(path, "this looks like a JWK Set; use ");
        return Err(fact.name(Setting::JwksFile));
    }
    if setting == Setting::JwksFile && start.starts_with("-----BEGIN") {
        let fact = Fact::file(path, "this looks like PEM; use ");
        let fact = fact.name(Setting::PublicKeyFile);
        return Err(fact.text(", or make a set of it: mcp-bearer jwks"));
    }
    let set = if start.starts_with('{') {
        KeySet::from_jwks_json(&text)
    } else {
        VerifyingKey::from_pem(&text).map(KeySet::single)
    };
    let set = set.map_err(|error| error.to_string())?;
    if !watched || set.is_empty() {
        return Ok(fixed(set));
    }
    let keys = FileKeys::open(path).map_err(|error| error.to_string())?;
    Ok(Arc::new(keys))
}

/// Whether the keys at hand serve for an allowed algorithm. Those that are yet to be fetched, and those of another source,
/// may still come.
fn serves(
    keys: &Arc<dyn KeySource>,
    setting: Setting,
    algorithms: &[Algorithm],
) -> Result<(), Vec<Problem>> {
    let secret = matches!(setting, Setting::SharedSecret | Setting::SharedSecretFile);
    let both = |fact: String| Err(vec![Problem::new([setting, Setting::Algorithms], fact)]);
    if !secret && algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
        let fact = "HS256, HS384 and HS512 need a shared secret, and never go with public keys";
        return both(fact.to_owned());
    }
    if matches!(
        setting,
        Setting::JwksUri | Setting::Discover | Setting::RemoteKeys | Setting::KeySource
    ) {
        return Ok(());
    }
    let set = keys.snapshot().set;
    if set.is_empty() {
        let skipped: Vec<String> = set.skipped().iter().map(ToString::to_string).collect();
        let fact = format!("no usable key; {}", skipped.join("; "));
        return Err(vec![Problem::of(setting, fact)]);
    }
    let unserved = |algorithm: &&Algorithm| !set.verifying_keys().any(|key| key.fits(**algorithm));
    let unserved: Vec<&str> = algorithms
        .iter()
        .filter(unserved)
        .map(|one| one.name())
        .collect();
    let described: Vec<String> = set.verifying_keys().map(VerifyingKey::describe).collect();
    let described = described.join(", ");
    match unserved.as_slice() {
        // Of a secret that is too short for an algorithm, the operator expects more than it gives.
        [first, ..] if secret => {
            let fact = format!("{described} does not serve for {first}");
            Err(vec![Problem::of(setting, fact)])
        }
        idle if idle.len() == algorithms.len() && !idle.is_empty() => both(format!(
            "no key ({described}) serves for {}; allow the algorithm that the issuer signs with",
            idle.join(", ")
        )),
        _ => Ok(()),
    }
}
