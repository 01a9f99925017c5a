"""Lists what the libraries export and compares it with the committed lists in docs/public-surface/.

A name in a list is a promise to users, so the lists change only on purpose: `--write` rewrites them.
The names come from rustdoc's JSON, with all features on. Items marked `#[doc(hidden)]` are not
promised and are left out.
"""

import argparse
import difflib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CRATES = ["mcp-bearer", "mcp-bearer-core"]
LISTS = Path("docs/public-surface")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="write the lists anew")
    arguments = options.parse_args()
    changed = False
    for crate in CRATES:
        path = LISTS / f"{crate}.txt"
        now = sorted(set(Surface(crate).names()))
        if not now:
            sys.exit(f"{crate}: rustdoc's JSON gave no public name")
        if arguments.write:
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(now) + "\n")
        before = path.read_text().splitlines() if path.exists() else []
        difference = list(difflib.unified_diff(before, now, str(path), "as built", lineterm="", n=0))
        print("\n".join(difference) or f"{crate}: {len(now)} names, as listed")
        changed |= bool(difference)
    if changed:
        sys.exit("the public surface has changed; if that is intended: python3 scripts/public_surface.py --write")


class Surface:
    """The public names of one crate."""

    def __init__(self, crate: str) -> None:
        self.crate = crate.replace("-", "_")
        document = json.loads(document_of(crate).read_text())
        self.index = document["index"]
        self.root = document["root"]

    def names(self) -> Iterator[str]:
        yield from self.module(self.item(self.root), self.crate)

    def item(self, number: int) -> dict | None:
        """`None` for an item of another crate."""
        return self.index.get(str(number))

    def module(self, module: dict, path: str) -> Iterator[str]:
        for number in kind_of(module)[1]["items"]:
            item = self.item(number)
            if item is None or item["visibility"] != "public":
                continue
            kind, inner = kind_of(item)
            if kind == "use":
                yield from self.reexport(inner, path)
            elif kind == "module":
                yield f"{path}::{item['name']}"
                yield from self.module(item, f"{path}::{item['name']}")
            else:
                yield from self.named(item, f"{path}::{item['name']}")

    def reexport(self, use: dict, path: str) -> Iterator[str]:
        target = self.item(use["id"]) if use["id"] is not None else None
        name = f"{path}::{use['name']}"
        if use["is_glob"]:
            yield from self.module(target, path) if target else iter([f"{path}::*"])
        elif target is None or kind_of(target)[0] == "module":
            yield name
        else:
            yield from self.named(target, name)

    def named(self, item: dict, path: str) -> Iterator[str]:
        kind, inner = kind_of(item)
        yield path
        if kind == "trait":
            yield from self.members(inner["items"], path, "default")
            return
        yield from self.members(inner.get("variants", []), path, "default")
        fields = inner.get("kind", {})
        if isinstance(fields, dict) and "plain" in fields:
            yield from self.members(fields["plain"]["fields"], path, "public")
        for number in inner.get("impls", []):
            block = self.item(number)
            if block is not None and kind_of(block)[1]["trait"] is None:
                yield from self.members(kind_of(block)[1]["items"], path, "public")

    def members(self, numbers: list[int], path: str, visibility: str) -> Iterator[str]:
        for number in numbers:
            item = self.item(number)
            if item is not None and item["visibility"] == visibility:
                yield f"{path}::{item['name']}"


def kind_of(item: dict) -> tuple[str, dict]:
    return next(iter(item["inner"].items()))


def document_of(crate: str) -> Path:
    """Rustdoc's JSON needs an unstable option, which the stable compiler accepts with RUSTC_BOOTSTRAP."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    command = ["cargo", "rustdoc", "--quiet", "--locked", "-p", crate, "--lib", "--all-features", "--",
               "-Z", "unstable-options", "--output-format", "json"]  # fmt: skip
    subprocess.run(command, check=True, env={**os.environ, "RUSTC_BOOTSTRAP": "1"})
    return target / "doc" / f"{crate.replace('-', '_')}.json"


if __name__ == "__main__":
    main()
