"""The Python code of the pages that a newcomer reads: each block runs by itself.

The second word of a block's info string says what it needs: `fastmcp`, `fastmcp-4` (its newest releases), or `fastmcp-2.9`
(those that have `fastmcp.server.auth.providers.bearer`).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_servers import OAUTH_PROVIDER, VERSION

ROOT = Path(__file__).parents[3]
PAGES = ["README.md", "docs/from-fastmcp.md", "docs/identity-providers.md", "docs/operations.md", "docs/testing.md"]
FENCE = re.compile(r"^```python(?: (?P<needs>\S+))?\n(?P<code>.*?)^```$", re.M | re.S)

AVAILABLE = {
    None: True,
    "fastmcp": VERSION != (0, 0),
    "fastmcp-2.9": OAUTH_PROVIDER,
    "fastmcp-4": VERSION >= (4, 0),
}


def blocks():
    for page in PAGES:
        text = (ROOT / page).read_text()
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(match["needs"], match["code"], id=f"{page}:{line}")


@pytest.mark.parametrize(("needs", "code"), blocks())
def test_block(needs, code, tmp_path):
    if not AVAILABLE[needs]:
        pytest.skip(f"needs {needs}")
    # In its own process and folder: some set variables, and providers read `.env`.
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("FASTMCP_", "MCP_BEARER_"))}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr


def test_there_is_code_on_every_page():
    pages = {param.id.split(":")[0] for param in blocks()}
    assert pages == set(PAGES)
