//! The settings of `mcp-bearer authz`.

use std::time::Duration;

use mcp_bearer::ConfigError;
use mcp_bearer::config::{Problem, ServerDraft, Setting, Value};
use mcp_bearer::operation::OperationRules;

use super::super::setting::GatewaySetting as Set;
use super::super::{AuthzConfig, AuthzSettings, GatewayDraft};
use super::{LimitSettings, Values};

/// What a check takes besides a wait for keys: the proxy must get the answer in time.
const ANSWER: Duration = Duration::from_millis(50);

pub(in crate::config) fn check(draft: GatewayDraft) -> Result<AuthzConfig, ConfigError> {
    let rest =
        "does not apply to `mcp-bearer authz`: the proxy forwards requests, and it limits them";
    let (_, server, settings) = super::checked(draft, rest, |values, draft| {
        values.problems.extend(beyond_our_power(draft));
        values.authz_settings(draft)
    })?;
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
    fn authz_settings(&mut self, draft: &ServerDraft) -> Option<AuthzSettings> {
        let common = self.common(draft, Self::limits_of_proxies);
        let key_wait = self.key_wait();
        let mut switch = |setting| self.read(setting, Value::into_switch).unwrap_or(false);
        let upstream_checks_headers = switch(Set::AuthzUpstreamChecksHeaders);
        let pass_preflights = switch(Set::AuthzPassPreflights);
        let age = self.read(Set::AuthzConnectionAge, Value::into_duration);
        Some(AuthzSettings {
            common: common?,
            key_wait,
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
    fn limits_of_proxies(&mut self) -> LimitSettings {
        let mut number =
            |setting, default| self.read(setting, super::parse::number).unwrap_or(default);
        LimitSettings {
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
