//! The table of the gateway's own settings. Settings about tokens are the library's
//! ([`Setting`](mcp_bearer::config::Setting)).
//!
//! A setting has one name, its path in the file. The names of its option and its variable follow
//! from that.

use mcp_bearer::config::{Entrance, Fact, OtherKey, Problem, Shape, Span};

macro_rules! settings {
    ($($(#[doc = $about:literal])+ $setting:ident $path:literal ($shape:expr) $default:literal)+) => {
        /// One setting of the gateway itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum GatewaySetting {
            $($(#[doc = $about])+ $setting,)+
        }

        impl GatewaySetting {
            /// Every setting, in the order in which they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$setting),+];

            /// Every key of a file.
            pub const KEYS: &'static [OtherKey] = {
                use Shape::{Duration, Number, Path, Switch, Text, Texts};
                &[$(OtherKey { path: $path, shape: $shape }),+]
            };

            /// What it means, and why its default is what it is.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$setting => concat!($($about),+).trim_ascii(),)+
                }
            }

            /// What applies if it is not given, in words; empty if it must be given.
            #[must_use]
            pub const fn default_value(self) -> &'static str {
                match self {
                    $(Self::$setting => $default,)+
                }
            }

            /// Its name in a file, with its table.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$setting => $path,)+
                }
            }

            /// The setting with this path.
            #[must_use]
            pub fn of_path(path: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|setting| setting.path() == path)
            }
        }
    };
}

settings! {
    /// The address that clients connect to. Loopback unless given, so that nothing is reachable
    /// until you decide.
    Listen "listen" (Text("ADDRESS")) "127.0.0.1:8080"
    /// The MCP server: the http or https URL of its endpoint. Requests for the path of `resource`
    /// go there.
    Upstream "upstream" (Text("URL")) ""
    /// Trusts the certificates in this PEM file for an https upstream, and no others.
    UpstreamCaFile "upstream_ca_file" (Path) "the machine's"
    /// The hosts that requests may name (`Host`, `:authority`), against DNS rebinding.
    AllowedHosts "allowed_hosts" (Texts("HOST")) "the host of `resource`"
    /// The web pages that may call the server from a browser, such as `https://app.example.com`. A
    /// request with any other `Origin` is refused.
    AllowedOrigins "allowed_origins" (Texts("ORIGIN")) "none"
    /// The networks of proxies in front, whose `X-Forwarded-For` names the client.
    TrustedProxies "trusted_proxies" (Texts("NETWORK")) "none"
    /// How long requests in progress may take when the gateway stops.
    Drain "drain" (Duration) "30s"

    /// The certificate chain in PEM. It is read again when the file changes.
    TlsCertificate "tls.certificate" (Path) "no TLS"
    /// Its private key in PEM.
    TlsPrivateKey "tls.private_key" (Path) "no TLS"

    /// The header that tells the server the caller's `sub`.
    SubjectHeader "identity_headers.subject" (Text("NAME")) "X-Auth-Subject"
    /// The header that tells the server the caller's client id.
    ClientIdHeader "identity_headers.client_id" (Text("NAME")) "X-Auth-Client-Id"
    /// The header that tells the server the caller's scopes.
    ScopesHeader "identity_headers.scopes" (Text("NAME")) "X-Auth-Scopes"
    /// The header that tells the server who issued the token.
    IssuerHeader "identity_headers.issuer" (Text("NAME")) "X-Auth-Issuer"

    /// Signs an assertion about the caller for the server with this private key (ES256 or EdDSA, in
    /// PEM), in `Authorization`. Without it the server gets no token.
    AssertionPrivateKey "assertion.private_key_file" (Path) "no assertion"
    /// Public keys of earlier assertions, and those of other replicas, as a JWK Set. They are
    /// published with our own.
    AssertionOtherKeys "assertion.other_keys_file" (Path) "none"
    /// The `iss` of assertions.
    AssertionIssuer "assertion.issuer" (Text("URL")) "the origin of `resource`"
    /// The `aud` of assertions.
    AssertionAudience "assertion.audience" (Text("URL")) "the URL of `upstream`"

    /// Connections at one time. Further ones wait to be accepted.
    Connections "limits.connections" (Number("CONNECTIONS")) "10000"
    /// Connections from one address (IPv6: one /64 network) at one time, so that none can take all
    /// of them. Further ones are closed at once. There is no limit for `trusted_proxies`.
    ConnectionsPerPeer "limits.connections_per_peer" (Number("CONNECTIONS")) "a quarter of `limits.connections`"
    /// Requests at one time, long streams not counted. Further ones are answered with 503.
    Requests "limits.requests" (Number("REQUESTS")) "1024"
    /// Requests of one caller (issuer, subject and client) at one time, so that none can take all
    /// places. Further ones are answered with 429. Callers without a token are told apart by
    /// address.
    RequestsAtOncePerCaller "limits.requests_per_caller" (Number("REQUESTS")) "a quarter of `limits.requests`"
    /// Long streams at one time (GET, `subscriptions/listen`). Further ones are answered with 503.
    Streams "limits.streams" (Number("STREAMS")) "10000"
    /// Long streams of one caller at one time.
    StreamsPerCaller "limits.streams_per_caller" (Number("STREAMS")) "16"
    /// Requests from one address (IPv6: one /64 network) before authentication, such as `100/s` or
    /// `600/m`; twice that at once. `off` for none.
    RequestsPerPeer "limits.per_peer" (Text("RATE")) "200/s"
    /// Refused requests from one address. This slows down a client that guesses tokens, and no
    /// other.
    DenialsPerPeer "limits.denials_per_peer" (Text("RATE")) "20/s"
    /// Requests of one caller (issuer, subject and client), wherever they come from.
    RequestsPerCaller "limits.per_caller" (Text("RATE")) "off"

    /// The address of `/healthz`, `/readyz` and `/metrics`.
    HealthListen "health.listen" (Text("ADDRESS")) "off"
    /// The address of the status page.
    AdminListen "admin.listen" (Text("ADDRESS")) "off"
    /// The file with the secret for the status page. It is made if it is not there.
    AdminSecretFile "admin.secret_file" (Path) ""
    /// Allows the status page on an address that is not loopback.
    AdminExposed "admin.allow_other_machines" (Switch) "off"

    /// Writes one JSON line per denial to this file; `-` is stdout.
    AuditFile "audit.file" (Path) "off"
    /// Writes a line for accepted requests too.
    AuditGrants "audit.grants" (Switch) "off"
    /// What happens while the log cannot be written: `refuse` answers 503, `drop` goes on and
    /// counts the lines that are missing.
    AuditWhenBlocked "audit.when_blocked" (Text("CHOICE")) "refuse"

    /// Sends traces to an OpenTelemetry collector at this http URL (OTLP over HTTP). Each span has
    /// the decision and its reason, and no identity. A client's `traceparent` becomes a link: that
    /// of the header, and those in `_meta` of messages that are passed on. Only in builds with the
    /// feature `otlp`.
    TracesEndpoint "traces.endpoint" (Text("URL")) "off"
    /// The part of requests that is traced, from 0 to 1. What clients ask for does not change it.
    TracesSampled "traces.sampled" (Text("PART")) "0.1"
    /// How long the proxy waits for `authz`. Requests that need newer keys wait for at most 50 ms
    /// less, then the answer is 503. The default is Envoy's.
    AuthzProxyTimeout "authz.proxy_timeout" (Duration) "200ms"
    /// States that the server behind the proxy refuses requests whose `Mcp-Method` or `Mcp-Name`
    /// differs from the body. Then these headers decide about requests of protocol version
    /// 2026-07-28 or later whose body the proxy does not send.
    AuthzUpstreamChecksHeaders "authz.upstream_checks_headers" (Switch) "off"
    /// Lets CORS preflights pass without a token, for servers that answer them. The proxy must
    /// overwrite the header that names the method, as the files in `deploy/` do.
    AuthzPassPreflights "authz.pass_preflights" (Switch) "off"
    /// How long a connection is used before `authz` asks the proxy for another one, so that new
    /// replicas get requests too.
    AuthzConnectionAge "authz.max_connection_age" (Duration) "5m"
}

impl GatewaySetting {
    /// Whether `gateway` has it.
    #[must_use]
    pub fn is_of_gateway(self) -> bool {
        !self.is_of_authz_only()
    }

    /// Whether `authz` has it. That has no upstream, and serves its proxies only.
    #[must_use]
    pub fn is_of_authz(self) -> bool {
        const TABLES: [&str; 6] = [
            "tls",
            "identity_headers",
            "health",
            "admin",
            "audit",
            "authz",
        ];
        match self {
            Self::Listen
            | Self::AllowedOrigins
            | Self::TrustedProxies
            | Self::Drain
            | Self::Connections
            | Self::Requests => true,
            _ => {
                let table = self.path().split_once('.').map(|(table, _)| table);
                table.is_some_and(|table| TABLES.contains(&table))
            }
        }
    }

    pub(super) fn is_of_authz_only(self) -> bool {
        self.path().starts_with("authz.")
    }

    /// What its values look like.
    #[must_use]
    pub fn shape(self) -> Shape {
        let mut keys = Self::KEYS.iter();
        let key = keys.find(|key| key.path == self.path());
        key.map_or(Shape::Code, |key| key.shape)
    }

    /// Its option on the command line: `--tls-certificate`.
    #[must_use]
    pub fn flag(self) -> String {
        format!("--{}", self.path().replace(['.', '_'], "-"))
    }

    /// Its variable: `MCP_BEARER_TLS_CERTIFICATE`.
    #[must_use]
    pub fn variable(self) -> String {
        let name = self.path().replace('.', "_");
        format!("MCP_BEARER_{}", name.to_uppercase())
    }

    /// Its name there.
    #[must_use]
    pub fn name(self, entrance: Entrance) -> String {
        match entrance {
            Entrance::Flag => self.flag(),
            Entrance::Variable => self.variable(),
            _ => self.path().to_owned(),
        }
    }

    /// A problem with it.
    pub(super) fn problem(self, entrance: Entrance, at: Option<Span>, fact: Fact) -> Problem {
        let fact = Fact::from(format!("{}: ", self.name(entrance))).followed_by(fact);
        let mut problem = Problem::new([], fact);
        problem.at = at;
        problem
    }
}
