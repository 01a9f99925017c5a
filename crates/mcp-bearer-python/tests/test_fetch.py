"""`fetch` functions that misbehave: nothing is kept, nothing piles up, everything is answered and logged."""

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import weakref

import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_jwks, make_token, until

from mcp_bearer import BearerAuthProvider, Rejection, _fetch_thread

ENDS_WHILE_ASKED = """
import asyncio, sys, threading, time
from mcp_bearer import BearerAuthProvider, _fetch_thread

asked, loop = threading.Event(), _fetch_thread._thread.loop

def slow():
    asked.set()
    time.sleep(0.3)
    return loop()

async def fetch(url):
    raise OSError

_fetch_thread._thread.loop = slow
provider = BearerAuthProvider(jwks_uri="https://idp.example.com/jwks.json", fetch=fetch)
threading.Thread(target=lambda: asyncio.run(provider.verify_token(sys.argv[1])), daemon=True).start()
assert asked.wait(20)
"""


def test_the_process_may_end_while_a_fetch_is_asked(token):
    """A thread that Python does not know of is then inside the interpreter, and would be unwound there."""
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


def test_no_fetch_is_called_once_the_interpreter_ends(token):
    ended = subprocess.run([sys.executable, "-c", ASKED_AT_EXIT, token], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    assert "the interpreter is shutting down" in ended.stdout


class OwnFetch(BearerAuthProvider):
    """The function refers to the provider."""

    def __init__(self):
        super().__init__(jwks_uri=JWKS_URI, issuer=ISSUER, audience=AUDIENCE, fetch=self._get)

    async def _get(self, url):
        raise OSError


def test_a_fetch_that_refers_to_its_provider_is_collected_with_it(token, monkeypatch):
    monkeypatch.setattr(logging.getLogger("mcp_bearer"), "disabled", True)  # pytest keeps log records
    references = []
    for _ in range(5):
        provider = OwnFetch()
        assert asyncio.run(provider.verify_token(token)) is None
        references += [weakref.ref(provider), weakref.ref(OwnFetch())]
    del provider

    def all_gone():
        gc.collect()
        return not any(reference() for reference in references)

    until(all_gone)


async def test_a_fetch_that_is_replaced_while_it_is_awaited_still_answers(pair, token):
    begun = asyncio.Event()
    loop, good = asyncio.get_running_loop(), make_jwks((pair, None))

    async def fetch(url):
        loop.call_soon_threadsafe(begun.set)
        await asyncio.sleep(0.3)
        return good

    provider = BearerAuthProvider(jwks_uri=JWKS_URI, fetch=fetch)
    waiting = asyncio.create_task(provider.verify_token(token))
    await begun.wait()
    provider.fetch = CountingFetch(b"")
    gc.collect()
    assert await waiting is not None


class Unreadable(Exception):
    def __str__(self):
        raise SystemExit(1)


class Log(Exception):
    def __str__(self):
        return f"GET {JWKS_URI}?key=s3cret failed for s3cret\n\ud800" + "x" * 10_000


@pytest.mark.parametrize(
    ("error", "said"),
    [(Unreadable(), "without a readable text"), (Log(), f"Log: GET {JWKS_URI} failed for s3cret  xxx")],
    ids=["unreadable", "long"],
)
def test_what_a_fetch_raises_is_logged_at_once_in_one_short_line(error, said, token, caplog):
    async def fetch(url):
        raise error

    provider = BearerAuthProvider(jwks_uri=f"{JWKS_URI}?key=s3cret", fetch=fetch, any_issuer=True, any_audience=True)
    with caplog.at_level(logging.WARNING, logger="mcp_bearer"):
        with pytest.raises(Rejection) as caught:
            asyncio.run(asyncio.wait_for(provider.verify_token_or_raise(token), 4))
        told = until(lambda: caplog.messages)[0]  # the answer comes first
    for text in (told, str(caught.value)):
        assert said in text
        assert "key=s3cret" not in text
    assert len(told) < 700 and told.isprintable()


async def test_a_failed_fetch_is_logged_while_keys_are_held(pair, other_pair, caplog):
    def fail():
        raise ConnectionError("the proxy is down")

    fetch = CountingFetch(make_jwks((pair, "a")))
    provider = BearerAuthProvider(jwks_uri=JWKS_URI, fetch=fetch)
    assert await provider.verify_token(make_token(pair, kid="a")) is not None
    fetch.answer = fail
    with caplog.at_level(logging.WARNING, logger="mcp_bearer"):
        assert await provider.verify_token(make_token(other_pair, kid="b")) is None
        told = f"no keys from {JWKS_URI}: the fetch function raised ConnectionError: the proxy is down"
        until(lambda: told in caplog.messages)


def test_a_thread_that_cannot_start_is_tried_again(pair, token, monkeypatch):
    start = threading.Thread.start

    def fail(thread):
        if thread.name == "mcp-bearer-fetch":
            raise RuntimeError("can't start new thread")
        start(thread)

    def provider():
        return BearerAuthProvider(jwks_uri=JWKS_URI, fetch=CountingFetch(make_jwks((pair, None))))

    monkeypatch.setattr(_fetch_thread, "_thread", _fetch_thread._LoopThread())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(Rejection, match="can't start new thread"):
            asyncio.run(provider().verify_token_or_raise(token))
    assert asyncio.run(provider().verify_token(token)) is not None


class Answer:
    def __init__(self):
        self.why = None
        self.given = threading.Event()

    def complete(self, body):
        self.fail(None)

    def fail(self, why):
        self.why = why
        self.given.set()


def test_calls_that_do_not_end_when_they_are_cancelled_do_not_pile_up(monkeypatch):
    calls, let_go = [], threading.Event()

    async def fetch(url):
        calls.append(url)
        while not let_go.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass

    monkeypatch.setattr(_fetch_thread, "_SECONDS", 0.05)
    hook = _fetch_thread.Hook(fetch)

    def ask():
        answer = Answer()
        hook.asker()(JWKS_URI, answer)
        assert answer.given.wait(10)
        return answer.why

    said = [ask() for _ in range(8)]
    assert len(calls) == 4
    assert "longer than" in said[3] and "still run" in said[4] and "still run" in said[7]
    let_go.set()
    until(lambda: "returned NoneType" in ask())


def test_a_fetch_of_a_provider_that_is_gone_fails():
    ask = _fetch_thread.Hook(CountingFetch(b"")).asker()
    answer = Answer()
    ask(JWKS_URI, answer)
    assert answer.why == "the provider is gone"
