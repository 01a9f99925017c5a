//! `docs/identity-providers.md` and `vectors/providers/` agree.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;

use mcp_bearer_testkit::vectors;

const PAGE: &str = include_str!("../../../docs/identity-providers.md");

#[test]
fn each_section_has_the_settings_of_its_vectors() {
    let mut named = BTreeSet::new();
    for section in PAGE.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap();
        let files = files_named_in(section);
        assert!(
            title == "Any other" || !files.is_empty(),
            "{title}: no vectors"
        );
        for name in files {
            let file = vectors::all()
                .into_iter()
                .find(|file| file.path == name)
                .unwrap_or_else(|| panic!("{title}: there is no vectors/{name}"));
            let [setting] = file.settings.as_slice() else {
                panic!("{name}: several settings");
            };
            let values = [&setting.issuers, &setting.audiences].into_iter().flatten();
            let values = values.flatten().chain(&setting.scopes);
            for value in values {
                let quoted = format!("\"{value}\"");
                assert!(section.contains(&quoted), "{title}: {name} has {quoted}");
            }
            if setting.algorithms != ["RS256"] {
                for algorithm in &setting.algorithms {
                    assert!(section.contains(algorithm), "{title}: {algorithm}");
                }
            }
            named.insert(name);
        }
    }
    let all = vectors::all().into_iter().map(|file| file.path);
    let all: BTreeSet<String> = all.filter(|path| path.starts_with("providers/")).collect();
    assert_eq!(named, all, "a file that the page does not name");
}

#[test]
fn the_table_has_a_row_and_a_section_for_each_provider() {
    let sections: Vec<&str> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|title| *title != "Any other")
        .collect();
    let rows: Vec<&str> = PAGE
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| [")?
                .split_once("](#")?
                .1
                .split_once(')')
        })
        .map(|(anchor, _)| anchor)
        .collect();
    let anchors: Vec<String> = sections
        .iter()
        .map(|title| {
            let kept = title.chars().filter(|c| c.is_alphanumeric() || *c == ' ');
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect();
    assert_eq!(rows, anchors);
    assert_eq!(rows.len(), 15);
}

/// `vectors/NAME` in code spans, as the vectors call themselves.
fn files_named_in(section: &str) -> BTreeSet<String> {
    let pieces = section.split("`vectors/").skip(1);
    pieces
        .filter_map(|piece| piece.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}
