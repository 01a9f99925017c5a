"""What the compiler does not check: the walls between the crates, and what may stand in the tree.

Prints every violation and exits 1 if there is one. Reads only: `cargo tree`, `cargo metadata` and
the files of the tree. Each rule is one function that yields messages.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Core is bytes in, decision out: nothing that does I/O, waits or logs may be in its tree.
IMPURE_IN_CORE = {"tokio", "http", "hyper", "reqwest", "axum", "tracing", "tower", "rmcp", "mio"}

# Which of our crates each crate may depend on, development dependencies aside.
ARROWS = {
    "mcp-bearer-core": set(),
    "mcp-bearer": {"mcp-bearer-core"},
    "mcp-bearer-gateway": {"mcp-bearer"},
    "mcp-bearer-cli": {"mcp-bearer", "mcp-bearer-gateway"},
    "mcp-bearer-testkit": set(),
    "mcp-bearer-bench": {"mcp-bearer", "mcp-bearer-core", "mcp-bearer-testkit"},
}

# Core's files in their order: each imports only from files above it.
CORE_ORDER = [
    "limits", "algorithm", "base64url", "scope", "rejection", "step", "json", "compact", "header", "signature", "pem",
    "jwk", "key_set", "claims", "policy", "verify", "challenge", "metadata", "operation",
]  # fmt: skip

FILE_LINES = 600

# Folders that a build or a tool makes; .gitignore has them too.
NOT_OURS = {".git", "target", "corpus", "artifacts", "coverage", "node_modules", ".venv",
            "__pycache__", "dist"}  # fmt: skip

# Words that must not be left in Rust code.
LEFT_OVERS = re.compile(r"#\[ignore|\b(todo|unimplemented|dbg)!\s*[(\[{]")

# Traces of one machine: its folders, its package mirrors, folders beside the repository.
MACHINE_TRACES = [
    re.compile(r"(?<![\w.~-])/(?:home|root|work|Users|tmp|opt)/\w"),
    re.compile(r"\.\./" + "shared"),
    re.compile(r"(?:index|static)[.]crates[.]io|registry[.]npmjs|pythonhosted[.]org|/simple[/]", re.I),
]


def main() -> None:
    rules = [core_is_pure, arrows_hold, testkit_only_in_tests, core_files_in_order, lib_attributes,
             files_are_short, no_left_overs, no_machine_traces, dependencies_have_reasons]  # fmt: skip
    violations = [f"{rule.__name__}: {message}" for rule in rules for message in rule()]
    for violation in violations:
        print(violation, file=sys.stderr)
    print(f"{len(rules)} rules, {len(violations)} violations")
    sys.exit(1 if violations else 0)


def core_is_pure() -> Iterator[str]:
    tree = output("cargo", "tree", "-p", "mcp-bearer-core", "-e", "normal", "--prefix", "none",
                  "--all-features", "--target", "all", "--format", "{p}")  # fmt: skip
    names = {line.split()[0] for line in tree.splitlines() if line.strip()}
    for name in sorted(names & IMPURE_IN_CORE):
        yield f"mcp-bearer-core depends on {name} (cargo tree -p mcp-bearer-core -e normal -i {name})"


def arrows_hold() -> Iterator[str]:
    for package, kind, dependency in own_dependencies():
        if kind is None and dependency not in ARROWS.get(package, set()):
            yield f"{package} may not depend on {dependency}"
        if package == "mcp-bearer-testkit":
            yield f"the testkit must forge what core refuses, so it may not know {dependency}"
    for package in packages():
        if package["name"] not in ARROWS:
            yield f"{package['name']} has no row in ARROWS"


def testkit_only_in_tests() -> Iterator[str]:
    unpublished = {package["name"] for package in packages() if package["publish"] == []}
    for package, kind, dependency in own_dependencies():
        if dependency == "mcp-bearer-testkit" and kind != "dev" and package not in unpublished:
            yield f"{package} depends on the testkit outside its tests"


def core_files_in_order() -> Iterator[str]:
    source = Path("crates/mcp-bearer-core/src")
    for path in files(".rs", "crates/mcp-bearer-core/src"):
        module = path.relative_to(source).parts[0].removesuffix(".rs")
        if module == "lib" or is_test_file(path):
            continue
        if module not in CORE_ORDER:
            yield f"{path}: module {module} has no place in CORE_ORDER"
            continue
        allowed = CORE_ORDER[: CORE_ORDER.index(module) + 1]
        for number, line in numbered(code_without_tests(path)):
            for other in re.findall(r"\bcrate::(\w+)", line):
                if other in CORE_ORDER and other not in allowed:
                    yield f"{path}:{number}: {module} imports {other}, which stands below it"


def lib_attributes() -> Iterator[str]:
    for path in sorted(Path("crates").glob("*/src/lib.rs")):
        for attribute in ("#![forbid(unsafe_code)]", "#![deny(missing_docs)]"):
            if attribute not in path.read_text():
                yield f"{path}: {attribute} is missing"


def files_are_short() -> Iterator[str]:
    for path in files(".rs"):
        if is_test_file(path):
            continue
        lines = len(code_without_tests(path).splitlines())
        if lines > FILE_LINES:
            yield f"{path}: {lines} lines without its tests, the limit is {FILE_LINES}"


def no_left_overs() -> Iterator[str]:
    for path in files(".rs"):
        for number, line in numbered(path.read_text()):
            if LEFT_OVERS.search(line):
                yield f"{path}:{number}: {line.strip()}"


def no_machine_traces() -> Iterator[str]:
    for path in files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in numbered(text):
            if any(trace.search(line) for trace in MACHINE_TRACES):
                yield f"{path}:{number}: {line.strip()[:100]}"


def dependencies_have_reasons() -> Iterator[str]:
    section = ""
    for number, line in numbered(Path("Cargo.toml").read_text()):
        if line.startswith("["):
            section = line.strip()
        elif section == "[workspace.dependencies]" and re.match(r"[\w-]+\s*=", line):
            if "#" not in line and "path = " not in line:
                yield f"Cargo.toml:{number}: no reason beside {line.split('=')[0].strip()}"


def is_test_file(path: Path) -> bool:
    return bool({"tests", "benches", "examples", "fuzz"} & set(path.parts)) or path.name == "tests.rs"


def code_without_tests(path: Path) -> str:
    """The text before the module of tests, which stands last in a file."""
    return re.split(r"(?m)^#\[cfg\(test\)\]\nmod \w+ \{", path.read_text())[0]


def numbered(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.splitlines(), start=1)


def files(suffix: str = "", under: str = ".") -> Iterator[Path]:
    """The files of the tree, without git's help: a checkout may be an export, or another user's."""
    for folder, folders, names in os.walk(under):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS)
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(suffix))


def packages() -> list[dict]:
    return json.loads(output("cargo", "metadata", "--no-deps", "--format-version", "1"))["packages"]


def own_dependencies() -> Iterator[tuple[str, str | None, str]]:
    """Each dependency of one of our crates on another: (crate, kind, crate)."""
    for package in packages():
        for dependency in package["dependencies"]:
            if dependency["name"].startswith("mcp-bearer"):
                yield package["name"], dependency["kind"], dependency["name"]


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
