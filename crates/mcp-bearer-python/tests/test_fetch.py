"""`fetch` functions when the process ends."""

import subprocess
import sys

ENDS_WHILE_ASKED = """
import asyncio, sys, threading, time
from mcp_bearer import BearerAuthProvider, _fetch

asked, loop = threading.Event(), _fetch._thread.loop

def slow():
    asked.set()
    time.sleep(0.3)
    return loop()

async def fetch(url):
    raise OSError

_fetch._thread.loop = slow
provider = BearerAuthProvider(jwks_uri="https://idp.example.com/jwks.json", fetch=fetch)
threading.Thread(target=lambda: asyncio.run(provider.verify_token(sys.argv[1])), daemon=True).start()
assert asked.wait(20)
"""


def test_the_process_may_end_while_a_fetch_is_asked(token):
    """A thread that Python does not know of is inside the interpreter then, and would be unwound there."""
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", ENDS_WHILE_ASKED, token], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr


ASKED_AT_EXIT = """
import asyncio, atexit, sys
from mcp_bearer import BearerAuthProvider

async def fetch(url):
    raise OSError

provider = BearerAuthProvider(jwks_uri="https://idp.example.com/jwks.json", fetch=fetch)
try:
    from mcp_bearer._native import interpreter_ends
    interpreter_ends()
    asyncio.run(provider.verify_token_or_raise(sys.argv[1]))
except Exception as error:
    print(error)
"""


def test_no_fetch_is_asked_once_the_interpreter_ends(token):
    ended = subprocess.run([sys.executable, "-c", ASKED_AT_EXIT, token], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    assert "the interpreter is shutting down" in ended.stdout
