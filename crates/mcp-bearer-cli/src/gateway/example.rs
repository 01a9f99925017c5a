//! The file that `gateway --example` prints: a working configuration, and every other setting as a
//! comment with its meaning and default. It is made from the tables of settings.

use std::fmt::Write as _;

use mcp_bearer::config::{Entrance, Group, Setting, Shape};
use mcp_bearer_gateway::GatewaySetting;

const START: &str = r#"# The configuration of `mcp-bearer gateway`. Settings that are commented out have the value shown,
# or none. `mcp-bearer check --config FILE` checks it.

# The URL of the MCP endpoint as clients know it, and the audience that tokens must have.
resource = "https://mcp.example.com/mcp"

# The MCP server.
upstream = "http://127.0.0.1:9000/mcp"
"#;

const ISSUER: &str = r#"
# Whose tokens are good; several issuers have a table each. Its keys are found by its metadata.
[[issuer]]
issuer = "https://idp.example.com/"
"#;

const RULES: &str = r#"
# What single operations need beyond that; see docs/operations.md.
#unmatched = "allow"
#[[rule]]
#method = "tools/call"
#name = "delete_*"
#scopes = ["mcp:admin"]
"#;

/// The text of the file.
pub(super) fn file() -> String {
    let mut text = START.to_owned();
    for setting in GatewaySetting::ALL {
        if !setting.path().contains('.') && *setting != GatewaySetting::Upstream {
            own(&mut text, *setting, setting.path());
        }
    }
    for setting in Setting::ALL {
        let of_server = matches!(setting.group(), Group::Server | Group::Layer);
        if of_server && *setting != Setting::Resource {
            about_tokens(&mut text, *setting, "");
        }
    }
    text.push_str(RULES);
    text.push_str(ISSUER);
    for setting in Setting::ALL {
        if setting.group().is_of_issuer() && *setting != Setting::Issuer {
            about_tokens(&mut text, *setting, "issuer.");
        }
    }
    let mut table = "";
    for setting in GatewaySetting::ALL {
        let Some((name, member)) = setting.path().split_once('.') else {
            continue;
        };
        if !setting.is_of_gateway() {
            continue;
        }
        if name != table {
            table = name;
            let _ = write!(text, "\n#[{name}]");
        }
        own(&mut text, *setting, member);
    }
    text
}

fn own(text: &mut String, setting: GatewaySetting, name: &str) {
    let default = match setting.default_value() {
        "" => String::new(),
        default => format!(" Default: {default}."),
    };
    comment(text, &format!("{}{default}", setting.about()));
    let _ = writeln!(text, "#{name} = {}", sample(setting.shape()));
}

fn about_tokens(text: &mut String, setting: Setting, table: &str) {
    let Some(name) = setting.name(Entrance::Toml) else {
        return;
    };
    let name = name.strip_prefix(table).unwrap_or(name);
    comment(text, setting.about());
    let _ = writeln!(text, "#{name} = {}", sample(setting.shape()));
}

const fn sample(shape: Shape) -> &'static str {
    match shape {
        Shape::Switch => "true",
        Shape::Texts(_) => "[\"...\"]",
        Shape::Duration => "\"30s\"",
        Shape::Number(_) => "1000",
        Shape::Pairs(_) => "{ name = [\"value\"] }",
        _ => "\"...\"",
    }
}

/// A comment of lines that fit.
fn comment(text: &mut String, about: &str) {
    text.push('\n');
    let mut width = 0;
    for word in about.split_whitespace() {
        if width == 0 || width + word.len() > 96 {
            if width > 0 {
                text.push('\n');
            }
            text.push('#');
            width = 1;
        }
        text.push(' ');
        text.push_str(word);
        width += word.len() + 1;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use mcp_bearer_gateway::{GatewayDraft, GatewaySetting};

    #[test]
    fn it_is_a_configuration_that_works_and_names_every_setting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        let text = super::file();
        std::fs::write(&path, &text).unwrap();
        let config = GatewayDraft::read_toml(&path).unwrap().check().unwrap();
        assert_eq!(config.settings.common.resource.path(), "/mcp");
        for setting in GatewaySetting::ALL {
            if !setting.is_of_gateway() {
                continue;
            }
            let (_, member) = setting
                .path()
                .split_once('.')
                .unwrap_or(("", setting.path()));
            assert!(text.contains(&format!("{member} = ")), "{setting:?}");
        }
        // Each commented setting is known: only values are wrong.
        let all: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        std::fs::write(&path, all).unwrap();
        let words = match GatewayDraft::read_toml(&path).and_then(GatewayDraft::check) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(!words.contains("not known here"), "{words}");
        assert!(!words.contains("not TOML"), "{words}");
    }
}
