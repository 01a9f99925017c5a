//! Opens the keys of an issuer: public keys from one source, a shared secret, or both. Keys that
//! could never verify an allowed algorithm are a problem, because they would refuse every token.

use std::path::Path;
use std::sync::Arc;

use mcp_bearer_core::{Algorithm, KeySet, Limits, VerifyingKey};

use super::draft::{IssuerDraft, Keys, Secret};
use super::problem::{ConfigError, Fact, Problem};
use super::setting::{Entrance, Group, Setting};
use super::{read_file, secret_file};
use crate::keys::{
    FileKeys, KeySource, KeysWithSecret, RemoteKeys, RemoteKeysBuilder, StaticKeys, no_usable_key,
};

type Opened = Result<Arc<dyn KeySource>, Vec<Problem>>;

impl IssuerDraft {
    /// Opens the keys that were given.
    pub(super) fn open_keys(&self, algorithms: &[Algorithm], entrance: Entrance) -> Opened {
        if self.found.problems.iter().any(is_about_keys) {
            return Err(Vec::new());
        }
        if self.keys.is_none() && self.secret.is_none() {
            let missing = (!self.found.discovered).then(|| missing(entrance));
            return Err(missing.into_iter().collect());
        }
        let mut problems = self.idle_options();
        // The allowed algorithms are unknown if one of them is invalid.
        let known = !self.found.spoiled(&[Setting::Algorithms]);
        let contradiction = self.contradiction(algorithms).filter(|_| known);
        let fits = known && contradiction.is_none();
        problems.extend(contradiction);
        let opened = match (&self.keys, &self.secret) {
            (Some(keys), secret) => {
                let opened = self.open(keys).map_err(|found| problems.extend(found));
                let secret = secret.as_ref().map(Secret::key).transpose();
                let secret = secret.map_err(|problem| problems.push(problem));
                opened.ok().zip(secret.ok())
            }
            (None, Some(secret)) => {
                let secret = secret.key();
                let secret = secret.map_err(|problem| problems.push(problem)).ok();
                secret.map(|secret| (fixed(KeySet::single(secret.clone())), Some(secret)))
            }
            (None, None) => None,
        };
        let Some((public, secret)) = opened else {
            return Err(problems);
        };
        if fits && problems.is_empty() {
            problems.extend(self.idle_keys(&*public, secret.as_ref(), algorithms));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        self.with_secret(public, secret)
    }

    /// Adds the secret to public keys.
    fn with_secret(&self, public: Arc<dyn KeySource>, secret: Option<VerifyingKey>) -> Opened {
        let (Some(keys), Some(given), Some(secret)) = (&self.keys, &self.secret, secret) else {
            return Ok(public);
        };
        let settings = [keys.setting(), given.setting()];
        let both = KeysWithSecret::new(public, secret)
            .map_err(|error| vec![Problem::new(settings, error.to_string())])?;
        if both.snapshot().set.publishes_the_secret() {
            let fact = "the key set holds the shared secret, so that everybody could sign tokens; \
                        replace the secret";
            return Err(vec![Problem::new(settings, fact)]);
        }
        Ok(Arc::new(both))
    }

    /// Options for fetching that would have no effect. An unneeded guard or permission does no
    /// harm.
    fn idle_options(&self) -> Vec<Problem> {
        let given = [
            (Setting::CaFile, self.ca_file.is_some()),
            (Setting::Proxy, self.proxy.is_some()),
            (Setting::MaxFreshness, self.max_freshness.is_some()),
            (Setting::StalenessBound, self.staleness_bound.is_some()),
        ];
        let fetched = matches!(self.keys, Some(Keys::JwksUri(_) | Keys::Discover(_)));
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

/// Uses FastMCP's words for its class and variables.
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

/// A file is watched; what a shell supplies for `<(command)` can be read only once.
fn key_file(setting: Setting, path: &Path) -> Result<Arc<dyn KeySource>, Fact> {
    let fault = |why: String| Fact::file(path, why);
    let watched = path.is_file();
    let text = read_file::text(path, Limits::JWKS_BYTES).map_err(fault)?;
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

impl IssuerDraft {
    /// Whether the allowed algorithms match the kinds of keys that are given: each algorithm
    /// belongs to one kind.
    fn contradiction(&self, algorithms: &[Algorithm]) -> Option<Problem> {
        let keys = self.keys.as_ref()?;
        let symmetric = algorithms.iter().filter(|one| one.is_symmetric()).count();
        match &self.secret {
            None if symmetric > 0 => {
                let fact = "HS256, HS384 and HS512 need a shared secret";
                Some(Problem::new([keys.setting(), Setting::Algorithms], fact))
            }
            Some(secret) if symmetric == 0 || symmetric == algorithms.len() => {
                let fact = "a shared secret beside public keys: list the algorithms of both, such as \
                            HS256 and ES256; HS256, HS384 and HS512 belong to the secret, and all \
                            others to the public keys";
                let settings = [keys.setting(), secret.setting(), Setting::Algorithms];
                Some(Problem::new(settings, fact))
            }
            _ => None,
        }
    }

    /// Known keys that fit no allowed algorithm of their kind. Keys that are not yet fetched, and
    /// those of another source, may still come.
    fn idle_keys(
        &self,
        public: &dyn KeySource,
        secret: Option<&VerifyingKey>,
        algorithms: &[Algorithm],
    ) -> Option<Problem> {
        let alone = self.keys.is_none();
        if let (Some(given), Some(secret)) = (&self.secret, secret) {
            // A secret that is too short for an allowed algorithm would give less security than its
            // operator expects.
            let wanted = algorithms.iter().filter(|one| alone || one.is_symmetric());
            let idle: Vec<Algorithm> = wanted.copied().filter(|one| !secret.fits(*one)).collect();
            if !idle.is_empty() {
                let (described, idle) = (secret.describe(), names(&idle));
                let fact = format!("{described} cannot be used with {idle}");
                return Some(Problem::of(given.setting(), fact));
            }
        }
        let keys = self.keys.as_ref()?;
        let to_come = matches!(
            keys,
            Keys::JwksUri(_) | Keys::Discover(_) | Keys::Remote(_) | Keys::Source(_)
        );
        let set = public.snapshot().set;
        let wanted = algorithms.iter().copied().filter(|one| !one.is_symmetric());
        let wanted: Vec<Algorithm> = wanted.collect();
        let serves = |one: &Algorithm| set.verifying_keys().any(|key| key.fits(*one));
        if to_come || wanted.iter().any(serves) {
            return None;
        }
        if set.is_empty() {
            return Some(Problem::of(keys.setting(), no_usable_key(&set)));
        }
        let described: Vec<String> = set.verifying_keys().map(VerifyingKey::describe).collect();
        let (described, idle) = (described.join(", "), names(&wanted));
        let next = "allow the algorithm that the issuer signs with";
        let fact = format!("no key ({described}) can be used with {idle}; {next}");
        Some(Problem::new([keys.setting(), Setting::Algorithms], fact))
    }
}

fn names(algorithms: &[Algorithm]) -> String {
    let names: Vec<&str> = algorithms.iter().map(|one| one.name()).collect();
    names.join(", ")
}

impl Secret {
    /// The key itself, for use before a provider is made.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a secret: see
    /// [`VerifyingKey::shared_secret`].
    pub fn key(&self) -> Result<VerifyingKey, Problem> {
        let problem = |fact: Fact| Problem::of(self.setting(), fact);
        let key = match self {
            Self::Bytes(secret) => VerifyingKey::shared_secret(secret),
            Self::File(path) => {
                let secret = secret_file::read(path);
                let secret = secret.map_err(|why| problem(Fact::file(path, why)))?;
                VerifyingKey::shared_secret(&secret)
            }
        };
        key.map_err(|error| problem(error.to_string().into()))
    }
}
