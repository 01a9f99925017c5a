"""Drives the gateway's status page in headless Chromium, with made-up issuers and traffic.

The steps are in browser/page.mjs. Screenshots are in the folder `page` of --work-dir. Chromium is the one
that CHROMIUM names, or the first that is found; a run without it is never "ok".

Usage: page.py --bin-dir target/debug --work-dir target/clients
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from drive import HERE, beside_any_proxy, install_npm, parse_arguments
from issuer import process

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
SECONDS = 180


def main() -> None:
    options = parse_arguments(__doc__)
    work = options.work_dir.resolve() / "page"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    beside_any_proxy()
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        skip("no Chromium is found (Debian package chromium, or set CHROMIUM)")
    try:
        folder = install_npm(HERE / "browser", work / "browser")
    except (OSError, subprocess.SubprocessError) as error:
        skip(f"playwright-core cannot be installed: {error}")
    script = Path(shutil.copy(HERE / "browser" / "page.mjs", folder))
    example = options.bin_dir.resolve() / "examples" / "status_page"
    with process([example, work], work / "server.log") as server:
        driven = subprocess.run(["node", script, browser, work], input=json.dumps(server.line), text=True,
                                timeout=SECONDS, check=False)  # fmt: skip
    log = (work / "server.log").read_text()
    secret = Path(server.line["secret_file"]).read_text().strip()
    if secret in log or any(token in log for token in server.line["tokens"].values()):
        sys.exit("page: a secret is in the log")
    sys.exit(driven.returncode)


def skip(why: str) -> None:
    print(f"!!! SKIPPED: page: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 0)


if __name__ == "__main__":
    main()
