"""Prints one line per clippy run of `scripts/check features`: a crate and its cargo options.

Each published crate runs by itself, without development dependencies; the libraries also with no
feature, with each feature alone, and with all. Development crates run once, with all features. The
sets come from `cargo metadata`, so a new feature is checked automatically.
"""

import json
import subprocess

# The libraries that users build with any set of features.
PER_FEATURE = {"mcp-bearer-core", "mcp-bearer", "mcp-bearer-gateway"}


def main() -> None:
    for package in workspace_packages():
        name = package["name"]
        if package["publish"] == []:
            print(name, "--all-features --all-targets")
            continue
        print(name)
        features = sorted(feature for feature in package["features"] if feature != "default")
        if name in PER_FEATURE and features:
            print(name, "--no-default-features")
            for feature in features:
                print(name, "--no-default-features --features", feature)
            print(name, "--all-features")


def workspace_packages() -> list[dict]:
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    metadata = json.loads(subprocess.check_output(command))
    return sorted(metadata["packages"], key=lambda package: package["name"])


if __name__ == "__main__":
    main()
