//! The settings of `mcp-bearer authz`.

use std::time::Duration;

use mcp_bearer::ConfigError;
use mcp_bearer::config::{Problem, ServerDraft, Setting, Value};
use mcp_bearer::operation::OperationRules;
use url::Url;

use super::super::setting::GatewaySetting as Set;
use super::super::{AuthzConfig, AuthzSettings, GatewayDraft};
use super::{LISTEN, Values, no_resource};

/// What a check takes besides a wait for keys: the proxy must get the answer in time.
const ANSWER: Duration = Duration::from_millis(50);

pub(in crate::config) fn check(draft: GatewayDraft) -> Result<AuthzConfig, ConfigError> {
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
    let resource = values.resource(server.resource.as_deref());
    let settings = values.authz_settings(resource);
    values.report_rest(
        "does not apply to `mcp-bearer authz`: the proxy forwards requests, and it limits them",
    );
    let beyond = beyond_our_power(&server);
    for problem in values.problems.into_iter().chain(beyond) {
        server.problem(problem);
    }
    let server = server.check_server()?;
    // Cannot be: whatever is missing is a problem of the draft.
    let settings = settings.ok_or_else(no_resource)?;
    Ok(AuthzConfig { server, settings })
}

/// What needs more than a decision about one request. It must not look as if it were in force.
fn beyond_our_power(server: &ServerDraft) -> Vec<Problem> {
    let rules = server.rules.check().ok();
    let hides = rules.as_ref().is_some_and(OperationRules::may_hide);
    let anonymous = rules.as_ref().is_some_and(OperationRules::has_anonymous);
    let mut problems = Vec::new();
    if hides {
        problems.push(Problem::new(
            [],
            "rule.hide: `authz` does not see the server's answers, so it cannot hide what they list; \
             use `mcp-bearer gateway`, or leave out `hide`",
        ));
    }
    if anonymous {
        problems.push(Problem::new(
            [],
            "rule.anonymous: `authz` cannot allow operations without a token, because not every \
             proxy sends the body; use `mcp-bearer gateway`, or leave out `anonymous`",
        ));
    }
    if server.session_keys.is_some() {
        problems.push(Problem::new(
            [Setting::SessionKeysFile],
            "the keys of sessions: `authz` does not see the server's answers, so it cannot bind \
             sessions to their users; use `mcp-bearer gateway`, or leave out the keys",
        ));
    }
    if server.require_body_hash {
        problems.push(Problem::new(
            [Setting::RequireBodyHash],
            "require_body_hash: not every proxy sends the body to `authz`; check it in the server",
        ));
    }
    problems
}

impl Values {
    fn authz_settings(&mut self, resource: Option<Url>) -> Option<AuthzSettings> {
        let listen = self.address(Set::Listen).unwrap_or(LISTEN);
        let origins = self.read(Set::AllowedOrigins, super::parse::origins);
        let proxies = self.read(Set::TrustedProxies, super::parse::networks);
        let drain = self.read(Set::Drain, Value::into_duration);
        let tls = self.tls();
        let identity_headers = self.identity_headers();
        let limits = self.limits_of_proxies();
        let health = self.address(Set::HealthListen);
        let admin = self.admin();
        let audit = self.audit();
        let wait = self.key_wait();
        let mut switch = |setting| self.read(setting, Value::into_switch).unwrap_or(false);
        let upstream_checks_headers = switch(Set::AuthzUpstreamChecksHeaders);
        let pass_preflights = switch(Set::AuthzPassPreflights);
        let age = self.read(Set::AuthzConnectionAge, Value::into_duration);
        Some(AuthzSettings {
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
            key_wait: wait,
            upstream_checks_headers,
            pass_preflights,
            max_connection_age: age.unwrap_or(Duration::from_secs(300)),
        })
    }

    fn key_wait(&mut self) -> Duration {
        let Some(limit) = self.read(Set::AuthzProxyTimeout, Value::into_duration) else {
            return Duration::from_millis(150);
        };
        let wait = limit.saturating_sub(ANSWER);
        if wait.is_zero() {
            let why = "must be more than 50ms, which an answer may take";
            self.report(Set::AuthzProxyTimeout, None, why);
        }
        wait
    }

    /// All requests come from the proxy, so there is no limit per address or caller.
    fn limits_of_proxies(&mut self) -> super::LimitSettings {
        let mut number =
            |setting, default| self.read(setting, super::parse::number).unwrap_or(default);
        super::LimitSettings {
            connections: number(Set::Connections, 10_000),
            connections_per_peer: usize::MAX,
            requests: number(Set::Requests, 4096),
            requests_per_caller: usize::MAX,
            streams: 1,
            streams_per_caller: 1,
            per_peer: None,
            denials_per_peer: None,
            per_caller: None,
        }
    }
}
