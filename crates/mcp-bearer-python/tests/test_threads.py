"""One provider in many threads: none waits for the interpreter, none sees an old policy."""

import asyncio
import concurrent.futures
import sys
import threading
import time

import pytest
from conftest import AUDIENCE, make_token

from mcp_bearer import BearerAuthProvider, _native


def test_the_interpreter_is_free_while_a_signature_is_checked(pair, token):
    provider = BearerAuthProvider(pair.public_key, token_cache=False)
    turns, done = 0, threading.Event()

    def take_turns():
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0)

    other = threading.Thread(target=take_turns)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # from now on no thread is made to release the interpreter
    try:
        other.start()
        before = turns
        # Each turn costs a wake-up, which may take as long as many checks. If the interpreter were kept, there would be none.
        end = time.monotonic() + 10
        while turns - before <= 20 and time.monotonic() < end:
            with pytest.raises(StopIteration):
                provider.verify_token(token).send(None)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        other.join()
    assert turns - before > 20


def test_one_provider_in_many_threads(provider, pair):
    tokens = [make_token(pair, subject=f"user-{number}") for number in range(40)]

    def verify(token):
        return asyncio.run(provider.verify_token(token)).client_id

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(verify, tokens * 5)) == [f"user-{number}" for number in range(40)] * 5


@pytest.fixture
def slow_builder(monkeypatch):
    """A thread named "slow" waits, with the verifier built, until it is released: who builds, who waits, who is released."""
    built, go, builds = threading.Event(), threading.Event(), []

    class Slow:
        def __new__(cls, *arguments):
            verifier = original(*arguments)
            builds.append(threading.current_thread().name)
            if threading.current_thread().name == "slow":
                built.set()
                assert go.wait(10)
            return verifier

    original = _native.Verifier
    monkeypatch.setattr(_native, "Verifier", Slow)
    yield built, go, builds
    go.set()


def test_a_list_that_is_changed_while_another_thread_builds_counts(pair, token, slow_builder):
    built, go, _ = slow_builder
    provider = BearerAuthProvider(pair.public_key, audience=[AUDIENCE, "b"])
    provider.leeway = 59  # cold
    slow = threading.Thread(target=provider._verifier, name="slow")
    slow.start()
    assert built.wait(10)
    provider.audience.remove(AUDIENCE)
    outcomes = []
    other = threading.Thread(target=lambda: outcomes.append(asyncio.run(provider.verify_token(token))))
    other.start()
    go.set()
    slow.join()
    other.join()
    assert outcomes == [None]
    assert asyncio.run(provider.verify_token(token)) is None


def test_threads_that_see_a_new_policy_build_one_verifier(pair, slow_builder):
    built, go, builds = slow_builder
    provider = BearerAuthProvider(pair.public_key)
    provider.leeway = 59
    builds.clear()
    threads = [threading.Thread(target=provider._verifier, name=name) for name in ("slow", "a", "b")]
    threads[0].start()
    assert built.wait(10)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.1)
    go.set()
    for thread in threads:
        thread.join()
    assert builds == ["slow"]
