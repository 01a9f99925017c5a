"""`warm_up`: keys before the first token, and no failure that stops a server from starting."""

import asyncio
import contextlib
import gc
import logging
import threading
import time

import anyio
import pytest
from cold import CONDEMNED, cold, good
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_jwks, until
from issuers import HookIssuer, HttpIssuer
from test_servers import SDK_2, VERSION, post, serving

from mcp_bearer import BearerAuthProvider, EnvBearerAuthProvider, Rejection
from mcp_bearer.asgi import BearerAuthMiddleware


def at_once(coroutine):
    """What a coroutine that never waits returns."""
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


async def test_the_first_token_does_not_wait(start, pair, log):
    issuer = start("up")
    provider = cold(issuer)
    assert await provider.warm_up() is None
    assert issuer.asked == 1
    assert at_once(provider.verify_token(good(pair))) is not None
    with pytest.raises(Rejection) as caught:
        await provider.verify_token_or_raise(CONDEMNED["expired"][1](pair))
    assert "not verified" not in str(caught.value)
    await provider.warm_up()
    assert issuer.asked == 1
    assert "warm_up" not in log.text


async def test_it_does_not_block_the_loop(start):
    issuer = start("held")
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    warming = asyncio.create_task(cold(issuer).warm_up())
    await asyncio.sleep(0.5)
    assert not warming.done()
    assert ticks > 20
    issuer.released.set()
    await warming
    ticking.cancel()


async def test_calls_at_once_share_one_fetch(start):
    issuer = start("held")
    provider = cold(issuer)
    threading.Timer(0.2, issuer.released.set).start()
    await asyncio.gather(*(provider.warm_up() for _ in range(10)))
    assert issuer.asked == 1


async def test_an_issuer_that_is_down_causes_no_error(start, pair, log):
    issuer = start("down")
    provider = cold(issuer)
    await provider.warm_up()
    assert issuer.asked == 1
    (said,) = [record for record in log.records if "warm_up" in record.message]
    assert said.levelno == logging.WARNING
    assert said.message.startswith(f"warm_up: no keys from {provider.jwks_uri}: ")
    issuer.state = "up"
    deadline = time.monotonic() + 10
    while await provider.verify_token(good(pair)) is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_an_issuer_that_does_not_answer_is_given_up_after_5_s(start, log):
    began = time.monotonic()
    await cold(start("held")).warm_up()
    assert 3 < time.monotonic() - began < 8
    assert "warm_up: no keys from " in log.text


async def test_nothing_secret_of_the_address_is_logged(log):
    fetch = CountingFetch(b"<html>")
    await BearerAuthProvider(jwks_uri=f"{JWKS_URI}?key=s3cret", fetch=fetch).warm_up()
    assert f"warm_up: no keys from {JWKS_URI}: " in log.text
    assert "s3cret" not in log.text


async def test_a_call_that_is_cancelled_cancels_no_fetch(start, pair):
    issuer = start("held")
    provider = cold(issuer)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(provider.warm_up(), 0.2)
    issuer.released.set()
    await provider.warm_up()
    assert at_once(provider.verify_token(good(pair))) is not None
    assert issuer.asked == 1


async def test_a_fetch_that_is_replaced_before_it_is_called_still_answers(pair, log, monkeypatch):
    issuer = HookIssuer(make_jwks((pair, None)), "up")
    provider = cold(issuer)
    run_sync = anyio.to_thread.run_sync

    async def run_later(wait, **options):
        provider.fetch = CountingFetch(b"")
        gc.collect()
        return await run_sync(wait, **options)

    monkeypatch.setattr(anyio.to_thread, "run_sync", run_later)
    await provider.warm_up()
    assert issuer.asked == 1
    assert log.text == ""


def test_keys_serve_every_loop_and_thread(start, pair):
    issuer = start("up")
    provider = cold(issuer)
    asyncio.run(provider.warm_up())
    assert asyncio.run(provider.verify_token(good(pair))) is not None
    seen = []
    thread = threading.Thread(target=lambda: seen.append(asyncio.run(provider.verify_token(good(pair)))))
    thread.start()
    thread.join()
    assert seen[0] is not None
    assert issuer.asked == 1


def test_it_works_under_trio(start):
    issuer = start("up")
    anyio.run(cold(issuer).warm_up, backend="trio")
    assert issuer.asked == 1


async def test_keys_that_are_not_fetched_need_nothing(pair, provider, log):
    await provider.warm_up()
    assert log.text == ""
    closed = BearerAuthProvider("abc")
    log.clear()
    await closed.warm_up()
    assert log.text == ""  # the constructor has logged it


async def test_settings_that_cannot_work_cause_no_error(provider, log):
    provider.leeway = 1e9
    await provider.warm_up()
    (said,) = log.records
    assert (said.levelno, said.message) == (logging.ERROR, "warm_up: the provider's settings cannot work")


def test_settings_from_the_environment(monkeypatch, pair):
    with contextlib.closing(HttpIssuer(make_jwks((pair, None)), "up")) as issuer:
        monkeypatch.setenv("FASTMCP_AUTH_BEARER_JWKS_URI", issuer.options()["jwks_uri"])
        provider = EnvBearerAuthProvider()
        asyncio.run(provider.warm_up())
        assert asyncio.run(provider.verify_token(good(pair))) is not None
        assert issuer.asked == 1


# --- In the lifespan of an app ---


def lifespan_of(provider):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        await provider.warm_up()
        yield

    return lifespan


def test_in_the_lifespan_of_an_app_behind_the_middleware(start, pair):
    applications = pytest.importorskip("starlette.applications")
    issuer = start("up")
    provider = cold(issuer)
    app = applications.Starlette(lifespan=lifespan_of(provider))
    app.add_middleware(BearerAuthMiddleware, provider=provider)
    with serving(app) as url:
        assert issuer.asked == 1
        assert post(url, good(pair))[0] == 404  # accepted, but there is nothing
        assert post(url, CONDEMNED["expired"][1](pair))[0] == 401
        assert issuer.asked == 1


def test_a_server_starts_though_its_issuer_is_down(start, pair):
    applications = pytest.importorskip("starlette.applications")
    issuer = start("down")
    provider = cold(issuer)
    app = applications.Starlette(lifespan=lifespan_of(provider))
    app.add_middleware(BearerAuthMiddleware, provider=provider)
    with serving(app) as url:
        assert post(url, good(pair))[0] == 503
        issuer.state = "up"
        until(lambda: post(url, good(pair))[0] == 404)


@pytest.mark.skipif(VERSION < (2, 13), reason="no FastMCP whose lifespan is the server's is installed")
def test_in_the_lifespan_of_a_fastmcp_server(start, pair):
    import fastmcp

    issuer = start("up")
    provider = cold(issuer)
    server = fastmcp.FastMCP("t", auth=provider, lifespan=lifespan_of(provider))
    with serving(server.http_app(path="/mcp")) as url:
        assert issuer.asked == 1
        assert post(url, good(pair))[0] == 200
        assert issuer.asked == 1


@pytest.mark.skipif(not SDK_2, reason="the SDK's release 2 is not installed")
def test_in_the_lifespan_of_a_server_of_the_sdk(start, pair):
    from mcp.server.auth.settings import AuthSettings
    from mcp.server.mcpserver import MCPServer

    issuer = start("up")
    provider = cold(issuer)
    auth = AuthSettings(issuer_url=ISSUER, resource_server_url=AUDIENCE, validate_token_resource=False)
    server = MCPServer("t", token_verifier=provider, auth=auth, lifespan=lifespan_of(provider))
    with serving(server.streamable_http_app()) as url:
        assert issuer.asked == 1
        assert post(url, good(pair))[0] == 200
        assert issuer.asked == 1
