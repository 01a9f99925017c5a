//! The configurations in `deploy/` are right, and the files there agree with each other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::fs;
use std::path::{Path, PathBuf};

use mcp_bearer_gateway::{GatewayConfig, GatewayDraft};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// The checked configuration, without the files of secrets, which are not here.
fn checked(path: &Path) -> GatewayConfig {
    let mut draft = GatewayDraft::read_toml(path).unwrap();
    draft.server.session_keys = None;
    draft
        .check()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file inside the ConfigMap: the lines that are indented below its name.
fn of_config_map() -> String {
    let yaml = text("kubernetes/gateway.yaml");
    let (_, rest) = yaml.split_once("  gateway.toml: |\n").unwrap();
    let lines = rest
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "));
    lines
        .map(|line| line.get(4..).unwrap_or("").to_owned() + "\n")
        .collect()
}

#[test]
fn the_configuration_of_systemd_and_docker_is_right() {
    let settings = checked(&path("gateway.toml")).settings;
    assert_eq!(settings.common.listen.port(), 8443);
    assert!(settings.common.tls.is_some());
    assert!(settings.common.health.unwrap().ip().is_loopback());
    assert!(text("Dockerfile").contains("/etc/mcp-bearer/gateway.toml"));
    let unit = text("systemd/mcp-bearer-gateway.service");
    assert!(unit.contains("gateway --config /etc/mcp-bearer/gateway.toml"));
    let stop = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="));
    assert!(stop.unwrap().parse::<u64>().unwrap() > settings.common.drain.as_secs());
    let files = unit
        .lines()
        .find_map(|line| line.strip_prefix("LimitNOFILE="));
    assert!(files.unwrap().parse::<usize>().unwrap() > 2 * settings.common.limits.connections);
}

#[test]
fn the_configuration_of_kubernetes_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, of_config_map()).unwrap();
    let draft = GatewayDraft::read_toml(&file).unwrap();
    assert!(draft.server.session_keys.is_some(), "replicas share them");
    let settings = checked(&file).settings;
    let yaml = text("kubernetes/gateway.yaml");
    for address in [settings.common.listen, settings.common.health.unwrap()] {
        assert!(
            address.ip().is_unspecified(),
            "{address} is asked from outside the pod"
        );
        assert!(yaml.contains(&format!("containerPort: {}", address.port())));
    }
    let number = |name: &str| -> u64 {
        let (_, rest) = yaml.split_once(name).unwrap();
        let digits: String = rest
            .trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap()
    };
    let grace = number("terminationGracePeriodSeconds:");
    assert!(grace > number("sleep: {seconds:") + settings.common.drain.as_secs());
}

#[cfg(feature = "authz")]
mod authz {
    use super::*;
    use mcp_bearer_gateway::{AuthzSettings, ConfigKind};

    fn checked(path: &Path) -> AuthzSettings {
        let draft = GatewayDraft::read_toml(path).unwrap();
        assert_eq!(
            draft.kind(),
            ConfigKind::Authz,
            "`check --config` must know it"
        );
        let config = draft.check_authz();
        config
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .settings
    }

    #[test]
    fn the_configuration_beside_proxies_is_right() {
        let settings = checked(&path("authz.toml"));
        assert!(
            settings.common.listen.ip().is_loopback()
                && settings.common.health.unwrap().ip().is_loopback()
        );
        let listen = settings.common.listen;
        for file in [
            "nginx/nginx.conf",
            "caddy/Caddyfile",
            "traefik/dynamic.yaml",
        ] {
            assert!(text(file).contains(&listen.to_string()), "{file}");
        }
        for file in ["envoy/ext_authz_grpc.yaml", "envoy/ext_authz_http.yaml"] {
            let text = text(file);
            assert!(
                text.contains(&format!("port_value: {}", listen.port())),
                "{file}"
            );
            // The proxy waits as long as the service thinks.
            assert_eq!(settings.key_wait.as_millis(), 150);
            assert!(text.contains("timeout: 0.2s"), "{file}");
            assert!(text.contains("failure_mode_allow: false"), "{file}");
            assert!(
                text.contains("status_on_error: {code: ServiceUnavailable}"),
                "{file}"
            );
        }
    }

    #[test]
    fn the_configuration_of_replicas_is_right() {
        let yaml = text("kubernetes/authz.yaml");
        let (_, rest) = yaml.split_once("  authz.toml: |\n").unwrap();
        let lines = rest
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with("    "));
        let config: String = lines
            .map(|line| line.get(4..).unwrap_or("").to_owned() + "\n")
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authz.toml");
        fs::write(&file, config).unwrap();
        let settings = checked(&file);
        for address in [settings.common.listen, settings.common.health.unwrap()] {
            assert!(address.ip().is_unspecified());
            assert!(yaml.contains(&format!("containerPort: {}", address.port())));
        }
        assert!(
            yaml.contains("clusterIP: None"),
            "proxies must see every replica"
        );
    }

    #[test]
    fn what_was_not_run_says_so_at_its_top() {
        for file in [
            "traefik/dynamic.yaml",
            "kubernetes/authz.yaml",
            "envoy-gateway/security-policy.yaml",
            "istio/authorization-policy.yaml",
        ] {
            assert!(text(file).starts_with("# Not run"), "{file}");
        }
    }
}
