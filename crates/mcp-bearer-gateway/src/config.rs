//! What an operator gives the gateway: its own settings, and those of the library about tokens.
//!
//! A draft comes from a file or from the options of a program; [`GatewayDraft::check`] makes a
//! [`GatewayConfig`] of it, or reports every problem of both at once.

mod check;
mod parse;
mod setting;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use mcp_bearer::ConfigError;
use mcp_bearer::config::{CheckedServer, Entrance, ServerDraft, Span, Value};
use url::Url;

pub use self::parse::Rate;
pub use self::setting::GatewaySetting;

/// What an operator has decided, not checked yet.
///
/// ```
/// use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
/// use mcp_bearer_gateway::{GatewayDraft, GatewaySetting};
/// let mut server = ServerDraft::from_entrance(Entrance::Flag);
/// server.set(Setting::Discover, Value::text("https://idp.example.com/"));
/// server.set(Setting::Resource, Value::text("https://mcp.example.com/mcp"));
/// let mut draft = GatewayDraft::new(server, Entrance::Flag);
/// let words = draft.clone().check().unwrap_err().to_string();
/// assert!(words.contains("--upstream"), "{words}");
/// draft.set(GatewaySetting::Upstream, Value::text("http://127.0.0.1:9000/mcp"));
/// assert_eq!(draft.check()?.settings.upstream.as_str(), "http://127.0.0.1:9000/mcp");
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GatewayDraft {
    /// Everything about tokens.
    pub server: ServerDraft,
    entrance: Entrance,
    values: Vec<(GatewaySetting, Value, Option<Span>)>,
    reads_files: bool,
}

impl GatewayDraft {
    /// A draft with settings about tokens that came by this entrance.
    #[must_use]
    pub fn new(server: ServerDraft, entrance: Entrance) -> Self {
        Self {
            server,
            entrance,
            values: Vec::new(),
            reads_files: false,
        }
    }

    /// Lets [`check`](Self::check) and `check_authz` also read the files that a start reads: those
    /// of TLS, the CA file, the keys of assertions, the secret of the status page. The audit log
    /// must have a place. Nothing is made or changed.
    ///
    /// ```
    /// use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
    /// use mcp_bearer_gateway::{GatewayDraft, GatewaySetting};
    /// let mut server = ServerDraft::from_entrance(Entrance::Flag);
    /// server.set(Setting::Discover, Value::text("https://idp.example.com/"));
    /// server.set(Setting::Resource, Value::text("https://mcp.example.com/mcp"));
    /// let mut draft = GatewayDraft::new(server, Entrance::Flag);
    /// draft.set(GatewaySetting::Upstream, Value::text("http://127.0.0.1:9000/mcp"));
    /// draft.set(GatewaySetting::AssertionPrivateKey, Value::text("no-such-file.pem"));
    /// assert!(draft.clone().check().is_ok());
    /// let words = draft.with_files().check().unwrap_err().to_string();
    /// assert!(words.contains("--assertion-private-key-file: no-such-file.pem: "), "{words}");
    /// ```
    #[must_use]
    pub const fn with_files(mut self) -> Self {
        self.reads_files = true;
        self
    }

    /// Reads a TOML file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// When it cannot be read, or is not TOML. Invalid values are reported by
    /// [`check`](Self::check).
    pub fn read_toml(path: &Path) -> Result<Self, ConfigError> {
        let (server, others) = ServerDraft::read_toml(path, GatewaySetting::KEYS)?;
        let mut draft = Self::new(server, Entrance::Toml);
        let values = others.into_iter().filter_map(|other| {
            let setting = GatewaySetting::of_path(other.path)?;
            Some((setting, other.value, Some(other.at)))
        });
        draft.values = values.collect();
        Ok(draft)
    }

    /// Sets a setting of the gateway; the last value counts.
    pub fn set(&mut self, setting: GatewaySetting, value: Value) {
        self.values.retain(|(other, ..)| *other != setting);
        self.values.push((setting, value, None));
    }

    /// What it configures, by the settings that were given.
    ///
    /// ```
    /// use mcp_bearer::config::{Entrance, ServerDraft, Value};
    /// use mcp_bearer_gateway::{ConfigKind, GatewayDraft, GatewaySetting};
    /// let server = ServerDraft::from_entrance(Entrance::Toml);
    /// let mut draft = GatewayDraft::new(server, Entrance::Toml);
    /// assert_eq!(draft.kind(), ConfigKind::Layer);
    /// draft.set(GatewaySetting::Listen, Value::text("127.0.0.1:9191"));
    /// assert_eq!(draft.kind(), ConfigKind::Authz);
    /// draft.set(GatewaySetting::Upstream, Value::text("http://127.0.0.1:9000/mcp"));
    /// assert_eq!(draft.kind(), ConfigKind::Gateway);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ConfigKind {
        let given = || self.values.iter().map(|(setting, ..)| *setting);
        if self.values.is_empty() {
            ConfigKind::Layer
        } else if given().any(GatewaySetting::is_of_authz_only) {
            ConfigKind::Authz
        } else if given().all(GatewaySetting::is_of_authz) {
            // The gateway cannot work without a setting of its own, which is `upstream`.
            ConfigKind::Authz
        } else {
            ConfigKind::Gateway
        }
    }

    /// Checks everything, and reads the files that hold keys of issuers. Nothing is fetched.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn check(self) -> Result<GatewayConfig, ConfigError> {
        check::check(self)
    }

    /// The same for [`Authz`](crate::Authz), which has no upstream and cannot see answers. What it
    /// cannot enforce is a problem: rules that hide, rules for callers without a token, and keys
    /// that bind sessions.
    ///
    /// ```
    /// use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};
    /// use mcp_bearer_gateway::{GatewayDraft, GatewaySetting};
    /// let mut server = ServerDraft::from_entrance(Entrance::Flag);
    /// server.set(Setting::Discover, Value::text("https://idp.example.com/"));
    /// server.set(Setting::Resource, Value::text("https://mcp.example.com/mcp"));
    /// let mut draft = GatewayDraft::new(server, Entrance::Toml);
    /// assert_eq!(draft.clone().check_authz()?.settings.key_wait.as_millis(), 150);
    /// draft.set(GatewaySetting::Upstream, Value::text("http://127.0.0.1:9000/mcp"));
    /// let words = draft.check_authz().unwrap_err().to_string();
    /// assert!(words.contains("upstream: does not apply to `mcp-bearer authz`"), "{words}");
    /// # Ok::<(), mcp_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Every problem at once.
    #[cfg(feature = "authz")]
    pub fn check_authz(self) -> Result<AuthzConfig, ConfigError> {
        check::check_authz(self)
    }
}

/// What a draft configures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigKind {
    /// A server that has the layer inside: there are only settings about tokens.
    Layer,
    /// [`Gateway`](crate::Gateway): there is a setting that only it has, such as `upstream`.
    Gateway,
    /// `Authz`: there is a setting that only it has, or all are settings that it has too.
    Authz,
}

/// A checked configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Everything about tokens.
    pub server: CheckedServer,
    /// Everything else.
    pub settings: Settings,
}

/// The settings of the gateway itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Those that external authorization has too.
    pub common: CommonSettings,
    /// The URL of the MCP server's endpoint.
    pub upstream: Url,
    /// The certificates to trust for an https upstream.
    pub upstream_ca_file: Option<PathBuf>,
    /// The hosts that requests may name, in lower case, with the port if it is not the default.
    pub allowed_hosts: Vec<String>,
    /// The assertion for the server.
    pub assertion: Option<AssertionSettings>,
    /// Traces.
    pub traces: Option<TracesSettings>,
}

impl Settings {
    /// Those that differ in another configuration and that only a start can change.
    pub(crate) fn only_a_start_changes(&self, other: &Self) -> Vec<GatewaySetting> {
        let mut changed = self.common.only_a_start_changes(&other.common);
        if self.traces != other.traces {
            changed.push(GatewaySetting::TracesEndpoint);
        }
        changed
    }
}

/// The settings that the gateway and external authorization have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommonSettings {
    /// The address that clients or proxies connect to.
    pub listen: SocketAddr,
    /// The URL of the MCP endpoint as clients know it.
    pub resource: Url,
    /// The origins of web pages that may call.
    pub allowed_origins: Vec<String>,
    /// The networks of proxies whose `X-Forwarded-For` names the client.
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests may take at the end.
    pub drain: Duration,
    /// TLS for clients or proxies.
    pub tls: Option<TlsSettings>,
    /// The names of the identity headers.
    pub identity_headers: IdentityHeaderNames,
    /// The limits.
    pub limits: LimitSettings,
    /// The address of probes and metrics.
    pub health: Option<SocketAddr>,
    /// The status page.
    pub admin: Option<AdminSettings>,
    /// The audit log.
    pub audit: Option<AuditSettings>,
}

impl CommonSettings {
    /// Those that differ in another configuration and that only a start can change.
    pub(crate) fn only_a_start_changes(&self, other: &Self) -> Vec<GatewaySetting> {
        let changes = [
            (GatewaySetting::Listen, self.listen != other.listen),
            (GatewaySetting::TlsCertificate, self.tls != other.tls),
            (
                GatewaySetting::Connections,
                self.limits.connections != other.limits.connections,
            ),
            (GatewaySetting::Drain, self.drain != other.drain),
            (GatewaySetting::HealthListen, self.health != other.health),
            (GatewaySetting::AdminListen, self.admin != other.admin),
            (GatewaySetting::AuditFile, self.audit != other.audit),
        ];
        let changed = changes.into_iter().filter(|(_, differs)| *differs);
        changed.map(|(setting, _)| setting).collect()
    }
}

/// A checked configuration of external authorization.
#[cfg(feature = "authz")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthzConfig {
    /// Everything about tokens.
    pub server: CheckedServer,
    /// Everything else.
    pub settings: AuthzSettings,
}

/// The settings of external authorization itself.
#[cfg(feature = "authz")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthzSettings {
    /// Those that the gateway has too.
    pub common: CommonSettings,
    /// How long a request waits for newer keys.
    pub key_wait: Duration,
    /// Whether the server refuses requests whose headers differ from their body.
    pub upstream_checks_headers: bool,
    /// Whether CORS preflights pass without a token.
    pub pass_preflights: bool,
    /// How long a connection is used.
    pub max_connection_age: Duration,
}

/// Files for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSettings {
    /// The certificate chain in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub private_key: PathBuf,
}

/// The headers that tell the server about the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityHeaderNames {
    /// The caller's `sub`.
    pub subject: HeaderName,
    /// The caller's client id.
    pub client_id: HeaderName,
    /// The caller's scopes.
    pub scopes: HeaderName,
    /// The issuer of the token.
    pub issuer: HeaderName,
}

/// The assertion that the server gets instead of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssertionSettings {
    /// Our private key in PEM.
    pub private_key_file: PathBuf,
    /// Further public keys to publish.
    pub other_keys_file: Option<PathBuf>,
    /// Its `iss`.
    pub issuer: String,
    /// Its `aud`.
    pub audience: String,
}

/// How much is served at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitSettings {
    /// Connections.
    pub connections: usize,
    /// Connections from one address that is not a trusted proxy.
    pub connections_per_peer: usize,
    /// Requests, long streams not counted.
    pub requests: usize,
    /// Requests of one caller.
    pub requests_per_caller: usize,
    /// Long streams.
    pub streams: usize,
    /// Long streams of one caller.
    pub streams_per_caller: usize,
    /// Requests from one address.
    pub per_peer: Option<Rate>,
    /// Refused requests from one address.
    pub denials_per_peer: Option<Rate>,
    /// Requests of one caller.
    pub per_caller: Option<Rate>,
}

/// The status page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminSettings {
    /// Its address.
    pub listen: SocketAddr,
    /// The file with its secret.
    pub secret_file: PathBuf,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditSettings {
    /// The file; stdout if there is none.
    pub file: Option<PathBuf>,
    /// Whether accepted requests are written too.
    pub grants: bool,
    /// What happens while it cannot be written.
    pub when_blocked: WhenBlocked,
}

/// Traces by OpenTelemetry.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TracesSettings {
    /// The URL of the collector for traces.
    pub endpoint: Url,
    /// The part of requests that is traced, from 0 to 1.
    pub sampled: f64,
}

/// What happens to requests while the audit log cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBlocked {
    /// They are answered with 503.
    Refuse,
    /// They are served, and the missing lines are counted.
    Drop,
}
