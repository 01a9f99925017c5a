//! The configuration file of the gateway, as far as it says whose tokens are good: `resource` and `[[issuer]]`.
//!
//! Everything that is wrong is told at once, with its line. An unknown member is an error: a misspelt rule must not
//! silently fail to hold.

mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer::keys::RemoteKeys;
use mcp_bearer::{
    Algorithm, BearerAuthProvider, Decided, IssuerBuilder, ProtectedResourceMetadata,
};
use toml::de::DeTable;

use self::table::{Found, Members, Problems};
use crate::files;

/// Sections of the gateway that say nothing about tokens.
const OTHER_SECTIONS: [&str; 6] = [
    "listen",
    "upstream",
    "allowed_origins",
    "rule",
    "tls",
    "admin",
];

/// Whose tokens are good, and for what.
#[derive(Debug)]
pub(crate) struct Config {
    /// The RFC 9728 identifier of the MCP server.
    pub(crate) resource: Option<String>,
    pub(crate) issuers: Vec<IssuerEntry>,
    /// The sections that are there and were not looked at.
    pub(crate) unread: Vec<&'static str>,
}

/// One issuer's rules.
#[derive(Clone, Debug)]
pub(crate) struct IssuerEntry {
    pub(crate) issuer: String,
    pub(crate) keys: KeysFrom,
    /// RS256 alone when empty.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) audiences: Vec<String>,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) leeway: Option<Duration>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub(crate) enum KeysFrom {
    /// The metadata of the issuer.
    Discovery,
    JwksUri(String),
    /// A JWK Set or a PEM key.
    File(PathBuf),
}

impl Config {
    /// Reads the file. Paths in it are relative to its own folder.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<String>> {
        let text = files::read_text("--config", path).map_err(|problem| vec![problem])?;
        let mut problems = Problems::new(path, &text);
        let folder = path.parent().unwrap_or(Path::new(""));
        let config = Self::parse(&text, folder, &mut problems);
        let found = problems.into_found();
        if found.is_empty() {
            Ok(config)
        } else {
            Err(found)
        }
    }

    fn parse(text: &str, folder: &Path, problems: &mut Problems<'_>) -> Self {
        let (document, faults) = DeTable::parse_recoverable(text);
        for fault in &faults {
            let at = fault.span().map_or(0, |span| span.start);
            problems.tell(at, &format!("not TOML: {}", one_line(fault.message())));
        }
        let mut members = Members::new("", document.get_ref(), 0);
        let resource = members.text("resource", problems);
        let sections = members.sections("issuer", "issuer.", problems);
        if sections.is_empty() && faults.is_empty() {
            problems.tell_of_all(
                "no [[issuer]]: say whose tokens are good, with issuer = \"https://...\"",
            );
        }
        let unread = OTHER_SECTIONS.map(|name| members.holds(name).then_some(name));
        if faults.is_empty() {
            members.finish(problems);
        }
        if let Some(Found { value, at }) = &resource
            && let Err(error) = check_resource(value)
        {
            problems.tell(*at, &error);
        }
        let resource = resource.map(|found| found.value);
        let issuers = sections
            .into_iter()
            .filter_map(|section| {
                IssuerEntry::parse(section, resource.as_deref(), folder, problems)
            })
            .collect();
        Self {
            resource,
            issuers,
            unread: unread.into_iter().flatten().collect(),
        }
    }
}

impl IssuerEntry {
    fn parse(
        mut members: Members<'_>,
        resource: Option<&str>,
        folder: &Path,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let at = members.at;
        let issuer = members.text("issuer", problems);
        if members.lacks("issuer") {
            problems.tell(at, "issuer.issuer: missing; it is the `iss` of the tokens");
        }
        let keys = keys_from(&mut members, folder, problems);
        let algorithms = members.texts("algorithms", problems).unwrap_or_default();
        let algorithms = algorithms.iter().filter_map(|found| {
            let name = &found.value;
            let told =
                |error| problems.tell(found.at, &format!("issuer.algorithms: {name:?}: {error}"));
            name.parse().map_err(told).ok()
        });
        let algorithms = algorithms.collect();
        let audiences = members.texts("audiences", problems).map(values);
        if audiences.is_none() && resource.is_none() {
            let what = "issuer.audiences: missing, and there is no resource to take its place; it is the `aud` of the tokens";
            problems.tell(at, what);
        }
        let audiences =
            audiences.unwrap_or_else(|| resource.into_iter().map(str::to_owned).collect());
        let required_scopes = members.texts("required_scopes", problems).map(values);
        let leeway = members.text("leeway", problems).and_then(|found| {
            let leeway = duration("issuer.leeway", &found.value);
            leeway.map_err(|what| problems.tell(found.at, &what)).ok()
        });
        members.finish(problems);
        Some(Self {
            issuer: issuer?.value,
            keys,
            algorithms,
            audiences,
            required_scopes: required_scopes.unwrap_or_default(),
            leeway,
        })
    }

    /// A provider for this issuer alone, and the rules for one of several.
    ///
    /// # Errors
    /// Everything that cannot work, without asking anyone.
    pub(crate) fn provider(&self) -> Result<BearerAuthProvider, Vec<String>> {
        let built = self.builder()?.build();
        built.map_err(|error| error.problems().to_vec())
    }

    pub(crate) fn builder(&self) -> Result<IssuerBuilder<Decided, Decided, Decided>, Vec<String>> {
        let builder = BearerAuthProvider::builder();
        let builder = match &self.keys {
            KeysFrom::Discovery => {
                // Built here, so that a problem with the address is told once.
                let keys = RemoteKeys::discover(&self.issuer).build()?;
                builder.key_source(Arc::new(keys))
            }
            KeysFrom::JwksUri(url) => builder.jwks_uri(url),
            KeysFrom::File(path) => builder.key_file(path),
        };
        let mut builder = builder
            .issuer(&self.issuer)
            .audiences(&self.audiences)
            .required_scopes(&self.required_scopes);
        if !self.algorithms.is_empty() {
            builder = builder.algorithms(self.algorithms.iter().copied());
        }
        if let Some(leeway) = self.leeway {
            builder = builder.leeway(leeway);
        }
        Ok(builder)
    }
}

/// Whether this can be the identifier of a protected resource (RFC 9728 section 1.2).
pub(crate) fn check_resource(resource: &str) -> Result<(), String> {
    let metadata = ProtectedResourceMetadata::builder(resource)
        .authorization_servers(["https://idp.example.com/"])
        .build();
    metadata
        .map(|_| ())
        .map_err(|error| error.problems().join("; "))
}

/// A duration as people write it.
pub(crate) fn duration(name: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{name}: {text:?}: {error}; write it like 60s or 2m"))
}

fn keys_from(members: &mut Members<'_>, folder: &Path, problems: &mut Problems<'_>) -> KeysFrom {
    let given = [
        ("jwks_uri", members.text("jwks_uri", problems)),
        ("public_key_file", members.text("public_key_file", problems)),
        ("jwks_file", members.text("jwks_file", problems)),
    ];
    let mut given: Vec<(&str, Found<String>)> = given
        .into_iter()
        .filter_map(|(name, found)| Some((name, found?)))
        .collect();
    if let [.., (_, last)] = given.as_slice()
        && given.len() > 1
    {
        let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        let names = names.join(" and ");
        let what = format!("issuer: {names} given together: keys come from one place; choose one");
        problems.tell(last.at, &what);
    }
    match given.pop() {
        None => KeysFrom::Discovery,
        Some(("jwks_uri", found)) => KeysFrom::JwksUri(found.value),
        Some((_, found)) => KeysFrom::File(folder.join(found.value)),
    }
}

fn values(found: Vec<Found<String>>) -> Vec<String> {
    found.into_iter().map(|found| found.value).collect()
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
