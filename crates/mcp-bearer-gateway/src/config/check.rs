//! Turns a draft into a configuration, or into all of its problems.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use mcp_bearer::config::{
    CheckedServer, Entrance, Fact, Problem, ServerDraft, Setting, Span, Value,
};
use mcp_bearer::core::Policy;
use mcp_bearer::{BearerAuthProvider, ConfigError};
use url::Url;

use super::parse;
use super::setting::GatewaySetting as Set;
use super::{
    AdminSettings, AssertionSettings, AuditSettings, CommonSettings, GatewayConfig, GatewayDraft,
    IdentityHeaderNames, LimitSettings, Rate, Settings, TlsSettings, TracesSettings, WhenBlocked,
};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[cfg(feature = "authz")]
mod authz;
mod files;
#[cfg(feature = "authz")]
pub(super) use self::authz::check as check_authz;

pub(super) fn check(draft: GatewayDraft) -> Result<GatewayConfig, ConfigError> {
    let entrance = draft.entrance;
    let mut assertion_at = [None, None];
    let rest = "only for `mcp-bearer authz`";
    let (mut draft, server, settings) = checked(draft, rest, |values, draft| {
        assertion_at = [Set::AssertionIssuer, Set::AssertionAudience].map(|set| values.place(set));
        values.settings(draft)
    })?;
    if let Some(assertion) = &settings.assertion {
        let found = own_assertions(assertion, &server.provider, entrance, assertion_at);
        if !found.is_empty() {
            found.into_iter().for_each(|problem| draft.problem(problem));
            draft.check_server()?;
        }
    }
    Ok(GatewayConfig { server, settings })
}

/// Reads the settings of the gateway or of `authz`, and checks those about tokens with them, so
/// that every problem is reported at once. `rest` says why what was not read does not apply.
fn checked<S>(
    draft: GatewayDraft,
    rest: &str,
    read: impl FnOnce(&mut Values, &ServerDraft) -> Option<S>,
) -> Result<(ServerDraft, CheckedServer, S), ConfigError> {
    let GatewayDraft {
        mut server,
        entrance,
        values,
        reads_files,
    } = draft;
    let mut values = Values {
        entrance,
        values,
        reads_files,
        places: Vec::new(),
        problems: Vec::new(),
    };
    let settings = read(&mut values, &server);
    values.report_rest(rest);
    for problem in values.problems {
        server.problem(problem);
    }
    let checked = server.check_server()?;
    // Cannot be: whatever is missing is a problem of the draft.
    let settings = settings.ok_or_else(no_resource)?;
    Ok((server, checked, settings))
}

/// Our policy must refuse our own assertions, whatever keys it has: the server could otherwise send
/// one back to us, and call as the client.
fn own_assertions(
    assertion: &AssertionSettings,
    provider: &BearerAuthProvider,
    entrance: Entrance,
    [issuer_at, audience_at]: [Option<Span>; 2],
) -> Vec<Problem> {
    let (issuer, audience) = (&assertion.issuer, &assertion.audience);
    let accepted = |policy: &Policy| {
        if policy.issuers().listed().contains(issuer) {
            let fact = format!(
                "{issuer:?} is an issuer whose tokens the gateway accepts; give assertions one of \
                 their own"
            );
            return Some(Set::AssertionIssuer.problem(entrance, issuer_at, fact.into()));
        }
        if policy.issuers().allows(issuer) && policy.audiences().allows(audience) {
            let fact = format!(
                "the gateway accepts tokens of any issuer for {audience:?}; name the issuers, or \
                 give assertions another audience"
            );
            return Some(Set::AssertionAudience.problem(entrance, audience_at, fact.into()));
        }
        None
    };
    provider.policies().filter_map(accepted).collect()
}

fn no_resource() -> Problem {
    let fact = "missing: the URL of the MCP endpoint as clients know it";
    Problem::new([Setting::Resource], fact)
}

/// The values that were given, and the problems found.
struct Values {
    entrance: Entrance,
    values: Vec<(Set, Value, Option<Span>)>,
    /// Whether problems of files are reported too.
    reads_files: bool,
    /// Where the values were that have been read.
    places: Vec<(Set, Span)>,
    problems: Vec<Problem>,
}

impl Values {
    fn resource(&mut self, given: Option<&str>) -> Option<Url> {
        match given.map(Url::parse) {
            // The library reports what is wrong with it.
            Some(parsed) => parsed.ok(),
            None => {
                self.problems.push(no_resource());
                None
            }
        }
    }

    /// Reports the settings that nothing has read.
    fn report_rest(&mut self, why: &str) {
        for (setting, _, at) in std::mem::take(&mut self.values) {
            self.report(setting, at, why.to_owned());
        }
    }

    /// Reads every value, so that every problem is reported; `None` if it cannot work without one
    /// that is missing.
    fn settings(&mut self, draft: &ServerDraft) -> Option<Settings> {
        let common = self.common(draft, Self::limits);
        if !self.is_given(Set::Upstream) {
            self.report(Set::Upstream, None, "missing: the URL of the MCP server");
        }
        let upstream = self.read(Set::Upstream, parse::upstream);
        let upstream_ca_file = self.path(Set::UpstreamCaFile);
        self.report_files(|| files::of_upstream(upstream_ca_file.as_deref()));
        let hosts = self.read(Set::AllowedHosts, parse::hosts);
        let resource = common.as_ref().map(|common| &common.resource);
        let assertion = self.assertion(resource, upstream.as_ref());
        let traces = self.traces();
        let (common, upstream) = (common?, upstream?);
        Some(Settings {
            upstream_ca_file,
            allowed_hosts: hosts.unwrap_or_else(|| own_hosts(&common.resource)),
            assertion,
            traces,
            common,
            upstream,
        })
    }

    /// What the gateway and `authz` have; `None` without a resource.
    fn common(
        &mut self,
        draft: &ServerDraft,
        limits: impl FnOnce(&mut Self) -> LimitSettings,
    ) -> Option<CommonSettings> {
        let resource = self.resource(draft.resource.as_deref());
        let listen = self.address(Set::Listen).unwrap_or(LISTEN);
        let origins = self.read(Set::AllowedOrigins, parse::origins);
        let proxies = self.read(Set::TrustedProxies, parse::networks);
        let drain = self.read(Set::Drain, Value::into_duration);
        let tls = self.tls();
        let identity_headers = self.identity_headers();
        let limits = limits(self);
        let health = self.address(Set::HealthListen);
        let admin = self.admin();
        let audit = self.audit();
        Some(CommonSettings {
            listen,
            resource: resource?,
            allowed_origins: origins.unwrap_or_default(),
            trusted_proxies: proxies.unwrap_or_default(),
            drain: drain.unwrap_or(Duration::from_secs(30)),
            tls,
            identity_headers,
            limits,
            health,
            admin,
            audit,
        })
    }

    fn tls(&mut self) -> Option<TlsSettings> {
        let both = (
            self.path(Set::TlsCertificate),
            self.path(Set::TlsPrivateKey),
        );
        match both {
            (Some(certificate), Some(private_key)) => {
                let tls = TlsSettings {
                    certificate,
                    private_key,
                };
                self.report_files(|| files::of_tls(&tls));
                Some(tls)
            }
            (None, None) => None,
            (Some(_), None) => {
                self.report(Set::TlsPrivateKey, None, "missing beside the certificate");
                None
            }
            (None, Some(_)) => {
                self.report(Set::TlsCertificate, None, "missing beside the private key");
                None
            }
        }
    }

    fn identity_headers(&mut self) -> IdentityHeaderNames {
        let mut name = |setting: Set, default: &'static str| {
            self.read(setting, parse::header_name)
                .unwrap_or(HeaderName::from_static(default))
        };
        let names = IdentityHeaderNames {
            subject: name(Set::SubjectHeader, "x-auth-subject"),
            client_id: name(Set::ClientIdHeader, "x-auth-client-id"),
            scopes: name(Set::ScopesHeader, "x-auth-scopes"),
            issuer: name(Set::IssuerHeader, "x-auth-issuer"),
        };
        let all = [
            (Set::ClientIdHeader, &names.client_id, vec![&names.subject]),
            (
                Set::ScopesHeader,
                &names.scopes,
                vec![&names.subject, &names.client_id],
            ),
            (
                Set::IssuerHeader,
                &names.issuer,
                vec![&names.subject, &names.client_id, &names.scopes],
            ),
        ];
        for (setting, name, others) in all {
            if others.contains(&name) {
                let fact = format!("{:?} already holds another fact", name.as_str());
                self.report(setting, None, fact);
            }
        }
        names
    }

    fn assertion(
        &mut self,
        resource: Option<&Url>,
        upstream: Option<&Url>,
    ) -> Option<AssertionSettings> {
        let private_key_file = self.path(Set::AssertionPrivateKey);
        let other_keys_file = self.path(Set::AssertionOtherKeys);
        let issuer = self.read(Set::AssertionIssuer, Value::into_text);
        let audience = self.read(Set::AssertionAudience, Value::into_text);
        let Some(private_key_file) = private_key_file else {
            if other_keys_file.is_some() || issuer.is_some() || audience.is_some() {
                let why = "missing beside the other settings of assertions";
                self.report(Set::AssertionPrivateKey, None, why);
            }
            return None;
        };
        self.report_files(|| files::of_assertions(&private_key_file, other_keys_file.as_deref()));
        Some(AssertionSettings {
            private_key_file,
            other_keys_file,
            issuer: issuer.or(resource.map(|url| url.origin().ascii_serialization()))?,
            audience: audience.or(upstream.map(Url::to_string))?,
        })
    }

    fn limits(&mut self) -> LimitSettings {
        let mut number = |setting, default| self.read(setting, parse::number).unwrap_or(default);
        let connections = number(Set::Connections, 10_000);
        let connections_per_peer = number(Set::ConnectionsPerPeer, a_quarter_of(connections));
        let requests = number(Set::Requests, 1024);
        let requests_per_caller = number(Set::RequestsAtOncePerCaller, a_quarter_of(requests));
        let streams = number(Set::Streams, 10_000);
        let streams_per_caller = number(Set::StreamsPerCaller, 16);
        let mut rate = |setting, default: Option<u32>| {
            let given = self.read(setting, parse::rate);
            given.unwrap_or_else(|| {
                let count = default.and_then(NonZeroU32::new);
                count.map(|count| Rate::new(count, Duration::from_secs(1)))
            })
        };
        LimitSettings {
            connections,
            connections_per_peer,
            requests,
            requests_per_caller,
            streams,
            streams_per_caller,
            per_peer: rate(Set::RequestsPerPeer, Some(200)),
            denials_per_peer: rate(Set::DenialsPerPeer, Some(20)),
            per_caller: rate(Set::RequestsPerCaller, None),
        }
    }

    fn admin(&mut self) -> Option<AdminSettings> {
        let listen = self.address(Set::AdminListen);
        let secret_file = self.path(Set::AdminSecretFile);
        let exposed = self
            .read(Set::AdminExposed, Value::into_switch)
            .unwrap_or(false);
        match (listen, secret_file) {
            (None, None) => None,
            (Some(listen), Some(secret_file)) => {
                if !listen.ip().is_loopback() && !exposed {
                    let fact = format!(
                        "{listen} can be reached from other machines; use a loopback address, or set {}",
                        Set::AdminExposed.name(self.entrance)
                    );
                    self.report(Set::AdminListen, None, fact);
                }
                self.report_files(|| files::of_admin(&secret_file));
                Some(AdminSettings {
                    listen,
                    secret_file,
                })
            }
            (Some(_), None) => {
                let why = "missing: the status page is never without a secret";
                self.report(Set::AdminSecretFile, None, why);
                None
            }
            (None, Some(_)) => {
                let why = "missing beside the secret of the status page";
                self.report(Set::AdminListen, None, why);
                None
            }
        }
    }

    fn audit(&mut self) -> Option<AuditSettings> {
        let file = self.path(Set::AuditFile);
        let grants = self.read(Set::AuditGrants, Value::into_switch);
        let when_blocked = self.read(Set::AuditWhenBlocked, parse::when_blocked);
        let Some(file) = file else {
            if grants.is_some() || when_blocked.is_some() {
                let why = "missing beside the other settings of the audit log";
                self.report(Set::AuditFile, None, why);
            }
            return None;
        };
        let file = (file.file_name() != Some(OsStr::new("-"))).then_some(file);
        self.report_files(|| files::of_audit(file.as_deref()));
        Some(AuditSettings {
            file,
            grants: grants.unwrap_or(false),
            when_blocked: when_blocked.unwrap_or(WhenBlocked::Refuse),
        })
    }

    fn traces(&mut self) -> Option<TracesSettings> {
        let given = self.is_given(Set::TracesEndpoint);
        let endpoint = self.read(Set::TracesEndpoint, parse::collector);
        let sampled = self.read(Set::TracesSampled, parse::part);
        if given && !cfg!(feature = "otlp") {
            let why = "this program was built without the feature otlp";
            self.report(Set::TracesEndpoint, None, why);
        }
        if !given && sampled.is_some() {
            let why = "missing beside the other settings of traces";
            self.report(Set::TracesEndpoint, None, why);
        }
        Some(TracesSettings {
            endpoint: endpoint?,
            sampled: sampled.unwrap_or(0.1),
        })
    }

    fn address(&mut self, setting: Set) -> Option<SocketAddr> {
        let what = "an address; write it like 127.0.0.1:8080 or [::1]:8080";
        self.read(setting, |value| parse::parsed(value, what))
    }

    fn path(&mut self, setting: Set) -> Option<PathBuf> {
        self.read(setting, Value::into_path)
    }

    /// The value of a setting; `None` if it was not given or is wrong.
    fn read<T>(&mut self, setting: Set, read: impl Fn(Value) -> Result<T, Fact>) -> Option<T> {
        let index = self
            .values
            .iter()
            .position(|(other, ..)| *other == setting)?;
        let (_, value, at) = self.values.swap_remove(index);
        self.places.extend(at.map(|at| (setting, at)));
        read(value)
            .map_err(|fact| self.report(setting, at, fact))
            .ok()
    }

    fn report(&mut self, setting: Set, at: Option<Span>, fact: impl Into<Fact>) {
        let problem = setting.problem(self.entrance, at, fact.into());
        self.problems.push(problem);
    }

    /// Reports what is wrong with files, if they are to be read.
    fn report_files(&mut self, find: impl FnOnce() -> files::Problems) {
        if !self.reads_files {
            return;
        }
        for (setting, why) in find() {
            let at = self.place(setting);
            self.report(setting, at, why);
        }
    }

    fn place(&self, setting: Set) -> Option<Span> {
        let mut values = self.values.iter();
        let unread = values.find(|(other, ..)| *other == setting);
        let mut places = self.places.iter();
        let read = places.find(|(other, _)| *other == setting);
        unread.map_or(read.map(|(_, at)| *at), |(.., at)| *at)
    }

    fn is_given(&self, setting: Set) -> bool {
        self.values.iter().any(|(other, ..)| *other == setting)
    }
}

/// The share of one peer or caller unless given: others are served while it has all of that.
fn a_quarter_of(places: usize) -> usize {
    (places / 4).max(1)
}

/// The authority of the resource, with and without a default port.
fn own_hosts(resource: &Url) -> Vec<String> {
    let Some(host) = resource.host_str() else {
        return Vec::new();
    };
    match (resource.port(), resource.port_or_known_default()) {
        (Some(port), _) => vec![format!("{host}:{port}")],
        (None, Some(port)) => vec![host.to_owned(), format!("{host}:{port}")],
        (None, None) => vec![host.to_owned()],
    }
}

#[cfg(test)]
mod tests;
