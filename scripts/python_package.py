"""The checks of the Python package: builds the wheel once and tests it in separate environments.

`scripts/check python` runs what CI runs, `scripts/check python-all` every release that is named
here. The contents of the environments are locked with hashes (`scripts/locks.py`). The checks test
the wheel and not the source folder, and fail if a package cannot be installed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
CRATE = ROOT / "crates" / "mcp-bearer-python"
BUILD = CRATE / "target"
ENVIRONMENTS_FOLDER = ROOT / "target" / "python-envs"
EXAMPLES = ROOT / "examples" / "python"
SOURCES = ROOT / "target" / "python-sources"
LOCKS = CRATE / "requirements"

# What the wheel itself needs; `pip check` reports if pyproject.toml has more.
RUNTIME = ["anyio>=4", "pydantic>=2", "python-dotenv>=0.21"]

TESTING = ["cryptography", "hypothesis", "pytest>=8", "pytest-asyncio>=1", "trio", "uvicorn"]
# What FastMCP's own tests also import.
UPSTREAM_TESTING = ["pytest-env", "pytest-timeout"]

# FastMCP 2.9.2 cannot be imported with the newest of these three.
FASTMCP_2_9 = ["fastmcp==2.9.2", "pydantic==2.11.7", "authlib==1.6.0", "mcp==1.9.4"]

ENVIRONMENTS = {
    # The last two build the metadata of FastMCP's sources, and uv makes the lock files.
    "tools": ["maturin>=1.9,<2", "mypy", "starlette", "uv", "hatchling", "uv-dynamic-versioning"],
    "fastmcp-2.9.2": [*FASTMCP_2_9, *TESTING, *UPSTREAM_TESTING, "pytest-httpx"],
    # The last release whose challenges name the RFC 9728 document at a different path.
    "fastmcp-2.12": ["fastmcp==2.12.5", *TESTING],
    "fastmcp-2": ["fastmcp<3", *TESTING],
    "fastmcp-3": ["fastmcp<4", *TESTING],
    "fastmcp-4": ["fastmcp<5", *TESTING, *UPSTREAM_TESTING, "inline-snapshot", "opentelemetry-sdk"],
    "mcp-1": ["mcp<2", *TESTING],
    "mcp-2": ["mcp<3", "fastapi", "httpx2", *TESTING],
    "empty": [],
}

# A type checker's view of the base class depends on what is installed.
TYPED_EXAMPLES = {"fastmcp_after.py": "fastmcp-4", "behind_gateway.py": "fastmcp-4", "sdk_server.py": "mcp-2", "fastapi_app.py": "mcp-2"}

IN_CI = ["fastmcp-2.9.2", "fastmcp-4", "mcp-2"]
ALL = [name for name in ENVIRONMENTS if name not in ("tools", "empty")]

# Only the source distributions have the suites. Version, environment, files.
UPSTREAM = {
    "2": ("2.9.2", "fastmcp-2.9.2", ["tests/auth/providers/test_bearer.py", "tests/auth/providers/test_bearer_env.py"]),
    "4": (
        "4.1.6",
        "fastmcp-4",
        [
            "tests/server/auth/test_jwt_provider_bearer.py",
            "tests/server/auth/test_jwt_provider.py",
            "tests/server/auth/test_jwks_refresh.py",
            "tests/server/auth/test_multi_auth.py",
            "tests/server/auth/test_enhanced_error_responses.py",
            "tests/server/auth/providers/test_http_client.py",
            "tests/server/http/test_bearer_auth_backend.py",
            "tests/server/http/test_http_auth_middleware.py",
        ],
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["check", "all", "build", "bench"])
    parser.add_argument("raw", nargs="?", type=Path, help="bench: the time of every batch are written here, as CSV")
    arguments = parser.parse_args()
    command = arguments.command
    wheel = build()
    if command == "build":
        print(wheel)
    elif command == "bench":
        bench(wheel, arguments.raw and arguments.raw.resolve())
    else:
        lint()
        types(wheel)
        imports_where_nothing_else_is(wheel)
        outcomes = [tests(name, wheel) for name in (IN_CI if command == "check" else ALL)]
        refuse_tests_that_never_ran(outcomes)
        for suite in UPSTREAM:
            upstream(suite, wheel)


def build() -> Path:
    """The wheel, from a build folder that nothing else uses: artifacts of one path confuse builds of another."""
    step("wheel")
    wheels = BUILD / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    maturin = environment("tools") / "maturin"
    run(maturin, "build", "--release", "--locked", "--out", wheels, "--interpreter", sys.executable, cwd=CRATE, CARGO_TARGET_DIR=BUILD)
    (wheel,) = wheels.glob("*.whl")
    return wheel


def lint() -> None:
    step("rustfmt, clippy")
    run("cargo", "fmt", "--check", cwd=CRATE)
    # In the profile of the wheel, whose dependencies are built already.
    run("cargo", "clippy", "--release", "--locked", "--", "-D", "warnings", cwd=CRATE, CARGO_TARGET_DIR=BUILD)


def types(wheel: Path) -> None:
    step("mypy, stubtest")
    tools = environment("tools", wheel)
    run(tools / "python", "-m", "mypy", "--strict", "python", cwd=CRATE)
    run(tools / "python", "-m", "mypy.stubtest", "mcp_bearer._native", cwd=BUILD)
    step("mypy on the examples, as users have it")
    for example, name in TYPED_EXAMPLES.items():
        python = environment(name, wheel) / "python"
        # Without the package's configuration, and outside its folder.
        run(
            tools / "python", "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent",
            "--cache-dir", BUILD / f"mypy-{name}", "--python-executable", python, EXAMPLES / example, cwd=BUILD,
        )  # fmt: skip


def imports_where_nothing_else_is(wheel: Path) -> None:
    step("import in an empty environment")
    python = environment("empty", wheel) / "python"
    code = "import mcp_bearer, mcp_bearer.asgi as a; mcp_bearer.BearerAuthProvider(mcp_bearer.RSAKeyPair.generate().public_key)"
    run(python, "-c", code, cwd=BUILD)


def tests(name: str, wheel: Path) -> dict[str, bool]:
    """Checks that each test ran in some environment: tests of what one lacks are skipped there."""
    step(f"tests with {name}")
    python = environment(name, wheel) / "python"
    report = BUILD / f"tests-{name}.xml"
    report.unlink(missing_ok=True)
    run(python, "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check", only=("fastmcp=", "mcp=", "pydantic="))
    run(
        python, "-W", "ignore", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"--junitxml={report}",
        "tests", "--ignore", "tests/upstream", cwd=CRATE,
    )  # fmt: skip
    cases = ElementTree.parse(report).iter("testcase")
    return {f"{case.get('classname')}.{case.get('name')}": case.find("skipped") is None for case in cases}


def refuse_tests_that_never_ran(outcomes: list[dict[str, bool]]) -> None:
    every = {test for outcome in outcomes for test in outcome}
    never = [test for test in sorted(every) if not any(outcome.get(test) for outcome in outcomes)]
    if not every or never:
        sys.exit(f"skipped in every environment: {', '.join(never) or 'there is no test'}")


def upstream(suite: str, wheel: Path) -> None:
    version, name, files = UPSTREAM[suite]
    step(f"FastMCP {version}'s own tests")
    python = environment(name, wheel) / "python"
    run(
        python, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", *files,
        cwd=source(version), PYTHONPATH=CRATE / "tests" / "upstream", UPSTREAM_SUITE=suite,
    )  # fmt: skip


def bench(wheel: Path, raw: Path | None) -> None:
    """Compares with both releases, even if the first result is below what is promised."""
    failed = []
    if raw:
        raw.write_text("# scripts/bench-peers python FILE\n# Microseconds of CPU time per call, per batch; one round per line.\n")
    for name in ("fastmcp-2.9.2", "fastmcp-4"):
        step(f"against {name}")
        python = environment(name, wheel) / "python"
        if subprocess.run([python, CRATE / "benches" / "peers.py", *([raw] if raw else [])], cwd=BUILD).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def locked() -> dict[str, list[str]]:
    """The purpose of each lock file: an environment, or a source distribution."""
    environments = {name: [*RUNTIME, *packages] for name, packages in ENVIRONMENTS.items()}
    sources = {f"source-fastmcp-{version}": [f"fastmcp=={version}"] for version, _, _ in UPSTREAM.values()}
    return environments | sources


def lock(name: str) -> Path:
    return LOCKS / f"{name}.txt"


def environment(name: str, wheel: Path | None = None) -> Path:
    """The folder of its programs. It is made if it is missing or its lock file has changed."""
    folder = ENVIRONMENTS_FOLDER / name
    programs = folder / "bin"
    wanted = lock(name).read_text()
    mark = folder / "mcp-bearer-requirements.txt"
    if not mark.is_file() or mark.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", folder)
        pip(programs, "--require-hashes", "--only-binary", ":all:", "-r", lock(name))
        mark.write_text(wanted)
    if wheel is not None:
        pip(programs, "--force-reinstall", "--no-deps", wheel)
        run(programs / "python", "-m", "pip", "check", "-q", "--disable-pip-version-check")
    return programs


def source(version: str) -> Path:
    """FastMCP's source distribution, unpacked."""
    folder = SOURCES / f"fastmcp-{version}"
    if not folder.is_dir():
        SOURCES.mkdir(parents=True, exist_ok=True)
        python = environment("tools") / "python"
        run(
            python, "-m", "pip", "download", "-q", "--require-hashes", "--no-deps", "--no-binary", "fastmcp",
            "--no-build-isolation", "-d", SOURCES, "-r", lock(f"source-fastmcp-{version}"),
        )  # fmt: skip
        with tarfile.open(SOURCES / f"fastmcp-{version}.tar.gz") as archive:
            archive.extractall(SOURCES, filter="data")
    return folder


def pip(programs: Path, *arguments: object) -> None:
    run(programs / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments)


def step(name: str) -> None:
    print(f"-- {name}", flush=True)


def run(*command: object, cwd: Path = ROOT, only: tuple[str, ...] | None = None, **variables: object) -> None:
    words = [str(word) for word in command]
    surroundings = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    shown = subprocess.run(words, cwd=cwd, env=surroundings, stdout=subprocess.PIPE if only else None, text=True)
    if shown.returncode:
        sys.exit(f"failed: {' '.join(words)}")
    for line in (shown.stdout or "").splitlines():
        if only and line.startswith(only):
            print("  ", line)


if __name__ == "__main__":
    main()
