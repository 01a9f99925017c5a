"""What the compiler does not check: the walls between the crates, and what the tree may contain.

Prints every violation and exits 1 if there is one. It only reads: `cargo tree`, `cargo metadata` and
the files of the tree. Each rule is one function that yields messages.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Core turns bytes into a decision: nothing that does I/O, waits or logs may be in its tree.
IMPURE_IN_CORE = {"tokio", "http", "hyper", "reqwest", "axum", "tracing", "tower", "rmcp", "mio"}

# Which of our crates each crate may depend on, except for development.
ARROWS = {
    "mcp-bearer-rsa": set(),
    "mcp-bearer-fork": set(),
    # Optional, behind a feature: signatures are checked in core, and nowhere else.
    "mcp-bearer-core": {"mcp-bearer-rsa"},
    # `mcp-bearer-rsa` only to log that its kernel has failed.
    "mcp-bearer": {"mcp-bearer-core", "mcp-bearer-fork", "mcp-bearer-rsa"},
    "mcp-bearer-gateway": {"mcp-bearer"},
    "mcp-bearer-cli": {"mcp-bearer", "mcp-bearer-gateway"},
    "mcp-bearer-testkit": set(),
    "mcp-bearer-bench": {"mcp-bearer", "mcp-bearer-core", "mcp-bearer-gateway", "mcp-bearer-rsa", "mcp-bearer-testkit"},
}

# The crates that may hold unsafe code, the files of each that have it, and why.
UNSAFE = {
    "mcp-bearer-rsa": {"engine.rs": "calls of functions that need AVX-512, behind a witness that the processor has it"},
    "mcp-bearer-fork": {
        "page.rs": "a page of memory that the kernel wipes in children",
        "at_fork.rs": "a handler that the C library runs in children, where there is no such page",
    },
}

# Core's files in their order: each imports only from files above it.
CORE_ORDER = [
    "limits", "time", "algorithm", "base64url", "thumbprint", "scope", "rejection", "near_miss", "step", "json", "compact", "header",
    "signature", "pem", "jwk", "key_set", "claims", "policy", "verify", "challenge", "metadata", "operation",
]  # fmt: skip

# The files of `keys/` in their order: each imports only from files above it, so there is no circle.
KEYS_ORDER = [
    "monotonic", "freshness", "no_usable_key", "withdrawal_of_all", "events", "rejected_body", "snapshot", "source", "static_keys", "with_secret", "published", "driver_thread",
    "file", "rotation/miss_budget", "rotation", "simulation", "fetch/address", "fetch/concurrency_limit", "fetch/tls_error", "fetch",
    "fetch/connect", "fetch/http", "fetch/builder", "remote/issuer_url_advice", "remote/discovery", "remote/attempt", "remote/task",
    "remote", "remote/builder", "mod",
]  # fmt: skip

FILE_LINES = 600

# Folders that a build or a tool makes; .gitignore has them too.
NOT_OURS = {".git", "target", "corpus", "artifacts", "coverage", "node_modules", ".venv",
            "__pycache__", "dist"}  # fmt: skip

# Leftovers that Rust code must not contain.
LEFT_OVERS = re.compile(r"#\[ignore|\b(todo|unimplemented|dbg)!\s*[(\[{]")

# Traces of one machine: its folders, its package mirrors, folders beside the repository.
MACHINE_TRACES = [
    re.compile(r"(?<![\w.~-])/(?:home|root|work|Users|tmp|opt)/\w"),
    re.compile(r"\.\./" + "shared"),
    re.compile(r"(?:index|static)[.]crates[.]io|registry[.]npmjs|pythonhosted[.]org|/simple[/]", re.I),
]


def main() -> None:
    rules = [core_is_pure, arrows_hold, testkit_only_in_tests, core_files_in_order, keys_files_in_order,
             lib_attributes, unsafe_code_in_its_files, files_are_short, no_file_is_empty, no_left_overs, no_machine_traces,
             dependencies_have_reasons, packages_are_complete, attacks_have_tests]  # fmt: skip
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


def keys_files_in_order() -> Iterator[str]:
    source = Path("crates/mcp-bearer/src/keys")
    for path in files(".rs", str(source)):
        name = path.relative_to(source).as_posix().removesuffix(".rs")
        if is_test_file(path):
            continue
        if name not in KEYS_ORDER:
            yield f"{path}: has no place in KEYS_ORDER"
            continue
        module = [] if name == "mod" else name.split("/")
        for number, used in paths_used(code_without_tests(path)):
            other = keys_file(module, used)
            if other and KEYS_ORDER.index(other) > KEYS_ORDER.index(name):
                yield f"{path}:{number}: imports {'::'.join(used)} from {other}.rs, which stands below it"


def keys_file(module: list[str], used: list[str]) -> str | None:
    """The file of `keys/` that a path names when used in the given module of `keys`; None outside it."""
    start, rest = list(module), list(used)
    if rest[:2] == ["crate", "keys"]:
        start, rest = [], rest[2:]
    elif rest[0] == "self":
        rest = rest[1:]
    elif rest[0] == "super":
        while rest and rest[0] == "super":
            if not start:
                return None
            start, rest = start[:-1], rest[1:]
    elif "/".join([*start, rest[0]]) not in KEYS_ORDER:
        return None
    while rest and "/".join([*start, rest[0]]) in KEYS_ORDER:
        start, rest = [*start, rest[0]], rest[1:]
    return "/".join(start) or "mod"


def paths_used(code: str) -> Iterator[tuple[int, list[str]]]:
    """The paths in `use` items, with braces resolved, and those written out in other code; each with its line."""
    code = re.sub(r"//.*|pub\(in [\w:]+\)", "", code)
    uses = re.compile(r"\buse\s+([\w:{},\s*]+);")
    for item in uses.finditer(code):
        for path in expanded(re.sub(r"\s+as\s+\w+|\s+", "", item[1])):
            yield code.count("\n", 0, item.start()) + 1, path.split("::")
    rest = uses.sub(lambda item: "\n" * item[0].count("\n"), code)
    for item in re.finditer(r"(?<![\w:])(?:crate|self|super)(?:::\w+)+", rest):
        yield rest.count("\n", 0, item.start()) + 1, item[0].split("::")


def expanded(tree: str) -> Iterator[str]:
    """`a::{b, c::{d}}` as `a::b` and `a::c::d`."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield tree
        return
    depth, begin = 0, 0
    inside = rest[: rest.rindex("}")] + ","
    for at, char in enumerate(inside):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if inside[begin:at]:
                yield from (head + path for path in expanded(inside[begin:at]))
            begin = at + 1


def lib_attributes() -> Iterator[str]:
    for path in sorted(Path("crates").glob("*/src/lib.rs")):
        unsafe_code = "deny" if path.parts[1] in UNSAFE else "forbid"
        for attribute in (f"#![{unsafe_code}(unsafe_code)]", "#![deny(missing_docs)]"):
            if attribute not in path.read_text():
                yield f"{path}: {attribute} is missing"


def unsafe_code_in_its_files() -> Iterator[str]:
    for crate, names in UNSAFE.items():
        for path in files(".rs", f"crates/{crate}/src"):
            if path.name in names:
                continue
            for number, line in numbered(path.read_text()):
                if re.search(r"\bunsafe\b", line.split("//")[0]) or "expect(unsafe_code" in line:
                    yield f"{path}:{number}: unsafe code is in {' and '.join(names)} only"


def files_are_short() -> Iterator[str]:
    for path in files(".rs"):
        if is_test_file(path):
            continue
        lines = len(code_without_tests(path).splitlines())
        if lines > FILE_LINES:
            yield f"{path}: {lines} lines without its tests, the limit is {FILE_LINES}"


def no_file_is_empty() -> Iterator[str]:
    """A file of tests once was, and nothing noticed."""
    for path in files(".rs"):
        lines = [line.strip() for line in path.read_text().splitlines()]
        if not any(line and not line.startswith("//") for line in lines):
            yield f"{path} has no code"


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


# Where the tests are that the map of attacks names; see its head.
ATTACKS = [
    Path("crates/mcp-bearer/tests/operations_layer/ATTACKS.md"),
    Path("crates/mcp-bearer-gateway/tests/ATTACKS.md"),
]
TEST_PLACES = {
    "gateway": Path("crates/mcp-bearer-gateway/tests/gateway"),
    "authz": Path("crates/mcp-bearer-gateway/tests/authz"),
    "gwlib": Path("crates/mcp-bearer-gateway/src"),
    "files": ATTACKS[1].parent,
    "layer": ATTACKS[0].parent,
    "http": Path("crates/mcp-bearer/tests/http_layer"),
    "lib": Path("crates/mcp-bearer"),
    "core": Path("crates/mcp-bearer-core"),
    "requests": Path("vectors/operations/requests"),
    "lists": Path("vectors/operations/lists"),
    "python": Path("crates/mcp-bearer-python/tests"),
    "clients": Path("clients"),
    "fuzz": Path("fuzz"),
}


def attacks_have_tests() -> Iterator[str]:
    """Each row of the tables names at least one test, and each test exists."""
    for table in ATTACKS:
        begun = False
        for number, line in numbered(table.read_text()):
            begun = begun or line.startswith("## ")
            if not begun or not line.startswith("| ") or line.startswith(("| attack |", "| what |")):
                continue
            tests = re.findall(r"`([^`]+?)::([^`]+)`", line)
            if not tests:
                yield f"{table}:{number}: names no test"
            for file, name in tests:
                place, _, rest = file.partition("/")
                path = TEST_PLACES.get(place, Path("no such place")) / rest
                if not path.is_file() or not has_test(path, name):
                    yield f"{table}:{number}: {file} has no {name!r}"


def has_test(path: Path, name: str) -> bool:
    text = path.read_text()
    if path.suffix == ".json":
        return any(case["name"] == name for case in json.loads(text)["cases"])
    return re.search(rf"\b(fn|def|mod) {re.escape(name)}\b|\b{re.escape(name)}!\(", text) is not None


def packages_are_complete() -> Iterator[str]:
    for package in packages():
        if package["publish"] == []:
            continue
        listed = output("cargo", "package", "--list", "--allow-dirty", "--locked", "-p", package["name"]).splitlines()
        for name in ("README.md", "LICENSE-MIT", "LICENSE-APACHE"):
            if name not in listed:
                yield f"{package['name']}: its package has no {name}"
        if has_library(package) and not docs_rs(package).get("all-features"):
            yield f"{package['name']}: docs.rs would leave out what a feature adds (package.metadata.docs.rs)"


def has_library(package: dict) -> bool:
    return any("lib" in target["kind"] for target in package["targets"])


def docs_rs(package: dict) -> dict:
    return ((package["metadata"] or {}).get("docs") or {}).get("rs") or {}


def is_test_file(path: Path) -> bool:
    return bool({"tests", "benches", "examples", "fuzz"} & set(path.parts)) or path.name == "tests.rs"


def code_without_tests(path: Path) -> str:
    """The text before the module of tests, which comes last in a file."""
    return re.split(r"(?m)^#\[cfg\(test\)\]\nmod \w+ \{", path.read_text())[0]


def numbered(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.splitlines(), start=1)


def files(suffix: str = "", under: str = ".") -> Iterator[Path]:
    """The files of the tree, without git: a checkout may be an export, or another user's."""
    for folder, folders, names in os.walk(under):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS)
        yield from (Path(folder, name) for name in sorted(names)
                    if name.endswith(suffix) and name not in NOT_OURS)


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
