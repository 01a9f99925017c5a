//! Which of the sources of keys that an issuer may have is given, and what it holds. Keys that
//! could never verify an allowed algorithm would refuse every token: they are a problem.

use std::path::Path;
use std::sync::Arc;

use mcp_bearer_core::{Algorithm, KeySet, Limits, VerifyingKey};

use super::draft::{IssuerDraft, Keys};
use super::problem::{ConfigError, Fact, Problem};
use super::setting::{Entrance, Group, Setting};
use super::{file, secret_file};
use crate::keys::{FileKeys, KeySource, RemoteKeys, RemoteKeysBuilder, StaticKeys, no_usable_key};

type Opened = Result<Arc<dyn KeySource>, Vec<Problem>>;

impl IssuerDraft {
    /// Opens the source that is given.
    pub(super) fn open_keys(&self, algorithms: &[Algorithm], entrance: Entrance) -> Opened {
        if self.found.problems.iter().any(is_about_keys) {
            return Err(Vec::new());
        }
        let Some(keys) = &self.keys else {
            let missing = (!self.found.discovered).then(|| missing(entrance));
            return Err(missing.into_iter().collect());
        };
        let mut problems = self.idle_options(keys);
        let opened = self.open(keys).and_then(|opened| {
            // Which algorithms are allowed is not known when one of them is none.
            if self.found.spoiled(&[Setting::Algorithms]) {
                return Ok(opened);
            }
            serves(&*opened, keys.setting(), algorithms).map(|()| opened)
        });
        let opened = opened.map_err(|found| problems.extend(found));
        opened.ok().filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// Options of fetching that would do nothing. A guard or a permission that is not needed does
    /// no harm.
    fn idle_options(&self, keys: &Keys) -> Vec<Problem> {
        let given = [
            (Setting::CaFile, self.ca_file.is_some()),
            (Setting::Proxy, self.proxy.is_some()),
            (Setting::MaxFreshness, self.max_freshness.is_some()),
            (Setting::StalenessBound, self.staleness_bound.is_some()),
        ];
        let fetched = matches!(keys, Keys::JwksUri(_) | Keys::Discover(_));
        let idle = given.into_iter().filter(|(_, given)| *given && !fetched);
        let why = "has an effect on fetched keys only";
        idle.map(|(option, _)| Problem::of(option, why)).collect()
    }

    fn open(&self, keys: &Keys) -> Opened {
        let setting = keys.setting();
        let one = |fact: Fact| vec![Problem::of(setting, fact)];
        let opened = match keys {
            Keys::PublicKey(pem) => VerifyingKey::from_pem(pem).map(KeySet::single),
            Keys::JwksJson(text) => KeySet::from_jwks_json(text),
            Keys::SharedSecret(secret) => VerifyingKey::shared_secret(secret).map(KeySet::single),
            Keys::SharedSecretFile(path) => {
                let secret = secret_file::read(path).map_err(|why| one(Fact::file(path, why)))?;
                VerifyingKey::shared_secret(&secret).map(KeySet::single)
            }
            Keys::PublicKeyFile(path) | Keys::JwksFile(path) | Keys::File(path) => {
                return key_file(setting, path).map_err(one);
            }
            Keys::JwksUri(uri) => return self.fetched(RemoteKeys::builder(uri)),
            Keys::Discover(issuer) => return self.fetched(RemoteKeys::discover(issuer)),
            Keys::Remote(builder) => {
                let keys = builder
                    .clone()
                    .build()
                    .map_err(ConfigError::into_problems)?;
                return Ok(Arc::new(keys));
            }
            Keys::Source(source) => return Ok(Arc::clone(source)),
        };
        opened
            .map(fixed)
            .map_err(|error| one(error.to_string().into()))
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

fn is_about_keys(problem: &Problem) -> bool {
    let mut settings = problem.settings.iter();
    settings.any(|setting| setting.group() == Group::Keys)
}

/// Where FastMCP's class and variables are imitated, in its words.
fn missing(entrance: Entrance) -> Problem {
    if matches!(entrance, Entrance::FastMcpVariable | Entrance::Python) {
        let either = [Setting::PublicKey, Setting::JwksUri];
        let fact = Fact::from("Either ").names(&either, " or ");
        return Problem::new(either, fact.text(" must be provided"));
    }
    let all = Setting::ALL.iter().copied();
    let all: Vec<Setting> = all.filter(|one| one.group() == Group::Keys).collect();
    Problem::new([], Fact::from("no keys: give one of ").names(&all, ", "))
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

/// Whether the keys at hand serve for an allowed algorithm. Those that are yet to be fetched, and
/// those of another source, may still come.
fn serves(
    keys: &dyn KeySource,
    setting: Setting,
    algorithms: &[Algorithm],
) -> Result<(), Vec<Problem>> {
    let secret = matches!(setting, Setting::SharedSecret | Setting::SharedSecretFile);
    let to_come = matches!(
        setting,
        Setting::JwksUri | Setting::Discover | Setting::RemoteKeys | Setting::KeySource
    );
    let set = keys.snapshot().set;
    let described: Vec<String> = set.verifying_keys().map(VerifyingKey::describe).collect();
    let described = described.join(", ");
    let idle = |algorithm: &&Algorithm| !set.verifying_keys().any(|key| key.fits(**algorithm));
    let idle: Vec<&str> = algorithms
        .iter()
        .filter(idle)
        .map(|one| one.name())
        .collect();
    let both = vec![setting, Setting::Algorithms];
    let (settings, fact) = if !secret && algorithms.iter().any(|one| one.is_symmetric()) {
        let why = "HS256, HS384 and HS512 need a shared secret, and never go with public keys";
        (both, why.to_owned())
    } else if to_come || idle.is_empty() {
        return Ok(());
    } else if set.is_empty() {
        (vec![setting], no_usable_key(&set))
    } else if secret {
        // Of a secret that is too short for an algorithm, the operator expects more than it gives.
        let idle = idle.join(", ");
        (
            vec![setting],
            format!("{described} does not serve for {idle}"),
        )
    } else if idle.len() == algorithms.len() {
        let idle = idle.join(", ");
        let next = "allow the algorithm that the issuer signs with";
        (
            both,
            format!("no key ({described}) serves for {idle}; {next}"),
        )
    } else {
        return Ok(());
    };
    Err(vec![Problem::new(settings, fact)])
}
