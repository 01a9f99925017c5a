use clap::{Args, Command, FromArgMatches};
use mcp_bearer::config::Shape;
use mcp_bearer_gateway::{GatewayConfig, GatewaySetting};

use super::Flags;

const BASE: [&str; 6] = [
    "--discover",
    "https://idp.example.com/",
    "--resource",
    "https://mcp.example.com/mcp",
    "--upstream",
    "http://127.0.0.1:9000/mcp",
];

fn check(further: &[&str]) -> Result<GatewayConfig, Vec<String>> {
    let command = Flags::augment_args(Command::new("test").no_binary_name(true));
    let base = BASE.iter().filter(|word| !further.contains(word));
    let all: Vec<&str> = base.chain(further).copied().collect();
    let matches = command.try_get_matches_from(all).unwrap();
    let draft = Flags::from_arg_matches(&matches).unwrap().draft().unwrap();
    draft.check().map_err(|error| error.own_words())
}

#[test]
fn an_option_that_is_wrong_is_reported_by_its_name() {
    assert!(check(&[]).is_ok());
    for setting in super::of_gateway() {
        let name = setting.flag();
        let words = match setting.shape() {
            // A switch has no wrong value, and the base already has an upstream.
            Shape::Switch => continue,
            _ if setting == GatewaySetting::Upstream => continue,
            _ => vec![name.as_str(), ""],
        };
        let problems = check(&words).unwrap_err();
        let named = problems.iter().any(|problem| problem.contains(&name));
        assert!(named, "{name}: {problems:?}");
    }
    let problems = check(&["--audit-grants"]).unwrap_err();
    assert!(
        problems[0].starts_with("--audit-file: missing"),
        "{problems:?}"
    );
}

#[test]
fn options_reach_the_configuration() {
    let config = check(&[
        "--listen",
        "[::1]:0",
        "--allowed-origins",
        "https://a.example",
        "--allowed-origins",
        "https://b.example",
        "--limits-streams",
        "7",
        "--limits-per-peer",
        "600/m",
        "--drain",
        "5s",
        "--token-header",
        "X-Assertion",
    ])
    .unwrap();
    let settings = config.settings;
    assert_eq!(settings.common.listen.to_string(), "[::1]:0");
    assert_eq!(
        settings.common.allowed_origins,
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(settings.common.limits.streams, 7);
    assert_eq!(settings.common.limits.per_peer.unwrap().count().get(), 600);
    assert_eq!(settings.common.drain.as_secs(), 5);
    assert_eq!(config.server.token_header.as_deref(), Some("X-Assertion"));
    assert_eq!(settings.upstream.as_str(), "http://127.0.0.1:9000/mcp");
}
