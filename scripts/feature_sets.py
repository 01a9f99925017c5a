"""Prints one line for each clippy run of `scripts/check features`: a crate and its feature options.

Every crate of the workspace once by itself; the crates with features also with none, with each
one alone, and with all. The sets come from `cargo metadata`, so a new feature is checked unasked.
"""

import json
import subprocess


def main() -> None:
    for package in workspace_packages():
        print(package["name"])
        features = sorted(name for name in package["features"] if name != "default")
        if not features:
            continue
        print(package["name"], "--no-default-features")
        for feature in features:
            print(package["name"], "--no-default-features --features", feature)
        print(package["name"], "--all-features")


def workspace_packages() -> list[dict]:
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    metadata = json.loads(subprocess.check_output(command))
    return sorted(metadata["packages"], key=lambda package: package["name"])


if __name__ == "__main__":
    main()
