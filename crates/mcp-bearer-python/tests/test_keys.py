"""Keys from an address: the `fetch` hook, waiting, many loops and threads, `fork`."""

import asyncio
import http.server
import logging
import os
import queue
import signal
import threading
import time

import anyio
import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_jwks, make_token

from mcp_bearer import BearerAuthProvider, Rejection, _native


def remote(fetch, **options):
    return BearerAuthProvider(jwks_uri=JWKS_URI, issuer=ISSUER, audience=AUDIENCE, fetch=fetch, **options)


async def test_keys_are_fetched_once_and_elsewhere(pair, token):
    fetch = CountingFetch(make_jwks((pair, "a")))
    provider = remote(fetch)
    for _ in range(5):
        assert await provider.verify_token(token) is not None
    assert fetch.urls == [JWKS_URI]
    assert fetch.threads == {"mcp-bearer-fetch"}


async def test_a_new_key_id_is_looked_up(pair, other_pair):
    fetch = CountingFetch(make_jwks((pair, "a")))
    provider = remote(fetch)
    assert await provider.verify_token(make_token(pair, kid="a")) is not None
    fetch.answer = make_jwks((pair, "a"), (other_pair, "b"))
    assert await provider.verify_token(make_token(other_pair, kid="b")) is not None
    assert len(fetch.urls) == 2


async def test_made_up_key_ids_cause_few_fetches_and_wait_for_none(pair, token):
    fetch = CountingFetch(make_jwks((pair, "a")))
    provider = remote(fetch)
    assert await provider.verify_token(token) is not None
    for number in range(200):
        assert await provider.verify_token(make_token(pair, kid=f"junk-{number % 20}")) is None
    assert len(fetch.urls) <= 4


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>", "JWK"),
        (b"{}", "keys"),
        (b'{"keys": []}', "key"),
        (b"x" * 600_000, "longer than"),
        ("a string", "returned str, not bytes"),
        (None, "returned NoneType, not bytes"),
    ],
)
async def test_answers_that_are_not_keys(token, answer, said):
    provider = remote(CountingFetch(answer))
    with pytest.raises(Rejection) as caught:
        await provider.verify_token_or_raise(token)
    assert caught.value.kind == "keys_unavailable"
    assert said in str(caught.value)
    assert caught.value.retry_after >= 1


async def test_a_fetch_that_raises_is_logged_and_tried_again(pair, token, caplog):
    def fail():
        raise ConnectionError("no route")

    fetch = CountingFetch(fail)
    provider = remote(fetch)
    with caplog.at_level(logging.WARNING, logger="mcp_bearer"):
        assert await provider.verify_token(token) is None
    assert "ConnectionError: no route" in caplog.text
    fetch.answer = make_jwks((pair, None))
    deadline = time.monotonic() + 10
    while await provider.verify_token(token) is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_a_fetch_that_ends_its_loop_ends_no_other_fetch(pair, token):
    """These would end the thread's loop for the life of the process."""
    good = make_jwks((pair, None))

    async def leave(url):
        raise SystemExit(3)

    async def interrupt(url):
        raise KeyboardInterrupt

    async def cancel(url):
        raise asyncio.CancelledError

    async def stop(url):
        asyncio.get_running_loop().stop()
        return good

    async def leave_later(url):
        asyncio.create_task(leave(url))
        await asyncio.sleep(0.05)
        return good

    for fetch, said in [(leave, "raised SystemExit"), (interrupt, "raised KeyboardInterrupt"), (cancel, "cancelled")]:
        with pytest.raises(Rejection) as caught:
            await remote(fetch).verify_token_or_raise(token)
        assert (caught.value.kind, said in str(caught.value)) == ("keys_unavailable", True)
        assert await remote(CountingFetch(good)).verify_token(token) is not None
    for fetch in (stop, leave_later):
        assert await remote(fetch).verify_token(token) is not None
        assert await remote(CountingFetch(good)).verify_token(token) is not None


async def test_a_filter_that_raises_does_not_end_the_loop_of_the_fetches(pair, token):
    good = make_jwks((pair, None))

    async def leave(url):
        raise SystemExit(3)

    async def leave_later(url):
        asyncio.create_task(leave(url))
        await asyncio.sleep(0.05)
        return good

    def broken(record):
        raise RuntimeError("broken")

    logging.getLogger("mcp_bearer").addFilter(broken)
    try:
        assert await remote(leave_later).verify_token(token) is not None
        assert await remote(CountingFetch(good)).verify_token(token) is not None
    finally:
        logging.getLogger("mcp_bearer").removeFilter(broken)


async def test_a_fetch_that_hangs_ends_after_5_s_and_others_continue(pair, token, provider):
    hanging = remote(CountingFetch(b"", seconds=60))
    started = time.monotonic()
    waiting = asyncio.create_task(hanging.verify_token(token))
    await asyncio.sleep(0.1)
    assert await provider.verify_token(token) is not None
    assert await remote(CountingFetch(make_jwks((pair, None)))).verify_token(token) is not None
    assert time.monotonic() - started < 4
    assert await waiting is None
    assert 3 < time.monotonic() - started < 8


async def test_a_cancelled_request_cancels_no_fetch(pair, token):
    fetch = CountingFetch(make_jwks((pair, None)), seconds=0.5)
    provider = remote(fetch)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(provider.verify_token(token), 0.1)
    await asyncio.sleep(1)
    with pytest.raises(StopIteration) as done:
        provider.verify_token(token).send(None)
    assert done.value.value is not None
    assert len(fetch.urls) == 1


async def test_tokens_that_are_hopeless_cause_no_fetch_while_keys_are_held(pair):
    fetch = CountingFetch(make_jwks((pair, "a")))
    provider = remote(fetch)
    await provider.warm_up()
    assert await provider.verify_token(make_token(pair, kid="b", expires_in_seconds=-3600)) is None
    assert await provider.verify_token("a.b.c") is None
    await asyncio.sleep(0.3)
    assert len(fetch.urls) == 1


def test_it_waits_under_trio_too(pair, token):
    provider = remote(CountingFetch(make_jwks((pair, None)), seconds=0.1))
    assert anyio.run(provider.verify_token, token, backend="trio") is not None


def test_without_a_hook_keys_come_over_http(pair, token):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = make_jwks((pair, None))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        provider = BearerAuthProvider(jwks_uri=f"http://127.0.0.1:{server.server_port}/jwks.json", issuer=ISSUER)
        assert asyncio.run(provider.verify_token(token)) is not None
        guarded = BearerAuthProvider(jwks_uri=f"http://127.0.0.1:{server.server_port}/jwks.json", ssrf_safe=True)
        assert asyncio.run(guarded.verify_token(token)) is None
    finally:
        server.shutdown()


def test_a_cold_cache_in_four_loops_in_four_threads(pair, token):
    jwks = make_jwks((pair, None))
    for _ in range(200):
        fetch = CountingFetch(jwks, seconds=0.001)
        provider = remote(fetch)
        barrier, outcomes = threading.Barrier(4), []

        def run(provider=provider, barrier=barrier, outcomes=outcomes):
            async def verify():
                barrier.wait()
                return [access and access.client_id for access in await asyncio.gather(
                    *(provider.verify_token(token) for _ in range(2)))]  # fmt: skip

            try:
                outcomes.extend(asyncio.run(verify()))
            except BaseException as error:
                outcomes.append(error)
                raise

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == ["alice"] * 8
        assert len(fetch.urls) == 1


def in_child(check, seconds=20):
    """What `check` returns after a `fork` must be true, and the child must not hang."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    deadline = time.monotonic() + seconds
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.001)
    assert os.waitstatus_to_exitcode(ended[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_it_survives_a_fork(pair, other_pair, token):
    """While other threads verify, so that some of their locks are never released in the child."""
    fetch = CountingFetch(lambda: make_jwks((pair, "a"), (other_pair, "b")))
    provider, static = remote(fetch), BearerAuthProvider(pair.public_key)
    assert asyncio.run(provider.verify_token(make_token(pair, kid="a"))) is not None
    good, bad = make_token(pair, kid="a"), make_token(other_pair)
    stop = threading.Event()

    def busy():
        verifier, _ = static._verifier()
        while not stop.is_set():
            verifier.verify(bad)  # failures are not cached, so this token is being verified nearly all the time

    def goes_on():
        refused = asyncio.run(static.verify_token(bad))
        kept = [asyncio.run(each.verify_token(good)) for each in (static, provider)]
        cold = asyncio.run(remote(fetch).verify_token(make_token(other_pair, kid="b")))
        return refused is None and all(kept) and cold

    threads = [threading.Thread(target=busy, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            in_child(goes_on)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_good_tokens_are_put_into_the_cache(pair):
    """Each of them is written under a lock of the cache, which the child must not take."""
    provider = BearerAuthProvider(pair.public_key)
    tokens = [make_token(pair, subject=f"user-{number}") for number in range(300)]
    stop = threading.Event()

    def busy(mine):
        while not stop.is_set():
            provider.leeway = 60  # the cache is cold again, and the key new
            verifier, _ = provider._verifier()
            for token in mine:
                verifier.verify(token)

    threads = [threading.Thread(target=busy, args=(tokens[half::2],), daemon=True) for half in range(2)]
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            in_child(lambda: asyncio.run(provider.verify_token(tokens[0])) is not None)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_fetched_keys_are_used_for_the_first_time(pair):
    """The crypto library prepares a key on its first use, under a lock that the child must not wait for."""
    token, unknown = make_token(pair, kid="a"), make_token(pair, kid="unknown")
    verifiers = queue.SimpleQueue()

    def busy():
        while (verifier := verifiers.get()) is not None:
            verifier.verify(token)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(100):
            provider = remote(CountingFetch(make_jwks((pair, "a"))))
            verifier, _ = provider._verifier()
            if isinstance(waiting := verifier.verify(unknown), _native.Pending):
                waiting.wait()
            verifiers.put(verifier)  # with keys that were never used
            time.sleep(0.00001)  # the other thread has started, and not ended
            in_child(lambda provider=provider: asyncio.run(provider.verify_token(token)) is not None)
    finally:
        verifiers.put(None)
        thread.join()
