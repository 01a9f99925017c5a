//! `docs/gateway.md` has every setting with its default and its reason, in the words of the tables.

use mcp_bearer::config::{Entrance, Setting};
use mcp_bearer_gateway::GatewaySetting;

#[test]
fn the_page_of_the_gateway_has_every_setting() {
    let page = include_str!("../../../docs/gateway.md");
    let own = GatewaySetting::ALL.iter().map(|setting| {
        let default = match setting.default_value() {
            "" => "must be given",
            default => default,
        };
        let about = words(setting.about());
        format!("| `{}` | {default} | {about} |", setting.path())
    });
    // The text about a setting of the library contains its default.
    let about_tokens = Setting::ALL.iter().filter_map(|setting| {
        let name = setting.name(Entrance::Toml)?;
        Some(format!("| `{name}` | {} |", words(setting.about())))
    });
    let expected: Vec<String> = own.chain(about_tokens).collect();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert!(
        rows == expected,
        "the rows should be:\n{}",
        expected.join("\n")
    );
}

fn words(about: &str) -> String {
    about.split_whitespace().collect::<Vec<_>>().join(" ")
}
