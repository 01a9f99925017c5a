"""Counts the instructions of the main paths under callgrind and compares them with benches/instructions.json.

Instructions do not depend on the clock or on what else the machine does. The signature check
belongs to the crypto library and is subtracted, because growth of our own work would not show behind
it. Fails on more than 5 % growth, and if a count could not be taken; `--write` sets a new baseline
(give the reason in the commit).
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BASELINE = Path("benches/instructions.json")
GROWTH = 0.05
ROUNDS = 400
PATHS = {
    "parse": "steps 1 to 4",
    "verify": "all steps, without the signature check itself",
    "hit": "a hit of the token cache",
    "segments": "refused for its segments",
    "algorithm": "refused for its algorithm",
    "read": "the operations of a call of 943 bytes",
    "judge": "20 rules applied to them",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="set the baseline to what is counted now")
    options.add_argument("program", type=Path, help="the built example hot_path")
    arguments = options.parse_args()
    counted = {path: count(arguments.program, path) for path in PATHS}
    if arguments.write:
        BASELINE.write_text(json.dumps(counted, indent=2) + "\n")
    baseline = json.loads(BASELINE.read_text())
    grown = []
    for path, now in counted.items():
        before = baseline[path]
        ratio = now / before
        print(f"{path:<10} {now:>8} instructions, {100 * (ratio - 1):+6.1f} % ({PATHS[path]})")
        if ratio > 1 + GROWTH:
            grown.append(path)
    if grown:
        sys.exit(f"more than {GROWTH:.0%} more instructions: {', '.join(grown)}")


def count(program: Path, path: str) -> int:
    """The instructions of one round of our own work."""
    ours = collected(program, path, "*hot_path::*_once*")
    theirs = collected(program, path, "*VerifyingKey::is_signed*") if path == "verify" else 0
    return round((ours - theirs) / ROUNDS)


def collected(program: Path, path: str, function: str) -> int:
    """What callgrind collects inside one function and whatever it calls."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--toggle-collect={function}",
                   f"--callgrind-out-file={folder}/out", str(program), path, str(ROUNDS)]  # fmt: skip
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    total = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or total is None or int(total[1]) == 0:
        sys.exit(f"callgrind counted nothing for {path} ({function}):\n{run.stderr[-2000:]}")
    return int(total[1])


if __name__ == "__main__":
    main()
