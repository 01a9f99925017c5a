//! Commands in the pages that a newcomer reads: each uses options that the program has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    reason = "a test stops at the first surprise"
)]

mod support;

const PAGES: [(&str, &str, usize); 3] = [
    ("README.md", include_str!("../../../README.md"), 5),
    (
        "docs/gateway.md",
        include_str!("../../../docs/gateway.md"),
        6,
    ),
    (
        "docs/identity-providers.md",
        include_str!("../../../docs/identity-providers.md"),
        12,
    ),
];

#[test]
fn the_program_knows_every_option_of_every_command() {
    for (page, text, at_least) in PAGES {
        let commands = commands_in(text);
        assert!(commands.len() >= at_least, "{page}: {commands:?}");
        for command in commands {
            // Wrong options are found before help is printed.
            let mut arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
            arguments.push("--help");
            let ran = support::run(&arguments);
            assert_eq!(ran.code, Some(0), "{page}: {command}\n{}", ran.stderr);
        }
    }
}

#[test]
fn an_option_that_does_not_exist_is_found() {
    let ran = support::run(&["verify", "--jwks-url", "https://idp.example.com/", "--help"]);
    assert_eq!(ran.code, Some(2));
}

/// The `mcp-bearer` commands of the shell blocks, each on one line, without redirections.
fn commands_in(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut blocks = text.split("\n```").skip(1);
    while let (Some(block), Some(_)) = (blocks.next(), blocks.next()) {
        let Some((language, lines)) = block.split_once('\n') else {
            continue;
        };
        if !["sh", "console"].contains(&language) {
            continue;
        }
        for line in lines.replace("\\\n", " ").lines() {
            let command = line.strip_prefix("$ ").unwrap_or(line);
            if command.starts_with("mcp-bearer ") {
                let end = command.find(['<', '>', '|', '#']).unwrap_or(command.len());
                commands.push(command.get(..end).unwrap_or_default().to_owned());
            }
        }
    }
    commands
}
