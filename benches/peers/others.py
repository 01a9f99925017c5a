"""Peers in other languages on the token of the Rust run: `scripts/bench-peers others` calls it.

Each measures its own CPU time in its own process, a minute after the Rust run on the same machine: good for a factor, not
for a few percent. Must never compare with a run of another day.

Usage: others.py FOLDER     where the Rust run left rust.json
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    given = folder / "rust.json"
    micros = json.loads(given.read_text())["micros"]
    micros |= node(folder, given) | python(folder, given)
    bare = next(iter(micros.values()))
    print(f"{'':<44} {'us':>10} {'ratio':>10}")
    for name, time in micros.items():
        print(f"{name:<44} {time:>10.2f} {time / bare:>10.4f}")


def node(folder: Path, given: Path) -> dict[str, float]:
    """Node resolves imports from where the script is, so both are copied beside the packages."""
    place = folder / "node"
    place.mkdir(exist_ok=True)
    for name in ("package.json", "bench.mjs"):
        shutil.copy(HERE / "node" / name, place)
    run("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", cwd=place)
    figures = json.loads(run("node", "bench.mjs", str(given), cwd=place))
    return {f"{name} {version(place, name)} (Node)": time for name, time in figures.items()}


def version(place: Path, name: str) -> str:
    package = name.split(",")[0]
    return json.loads((place / "node_modules" / package / "package.json").read_text())["version"]


def python(folder: Path, given: Path) -> dict[str, float]:
    place = folder / "venv"
    if not place.exists():
        run(sys.executable, "-m", "venv", str(place), cwd=folder)
    run(str(place / "bin" / "pip"), "install", "--quiet", "pyjwt[crypto]", cwd=folder)
    program = str(place / "bin" / "python")
    name = run(program, "-c", "import jwt; print(jwt.__version__)", cwd=folder).strip()
    figures = json.loads(run(program, str(HERE / "python" / "bench.py"), str(given), cwd=folder))
    return {f"{peer} {name} (Python)": time for peer, time in figures.items()}


def run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, text=True, stdout=subprocess.PIPE, timeout=600).stdout


if __name__ == "__main__":
    main()
