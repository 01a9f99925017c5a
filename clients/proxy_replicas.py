"""Two replicas behind one proxy: a rotation, and replicas that hang or are killed under load."""

import signal
import threading
import time
from collections.abc import Iterator

from proxy_programs import Proxy
from proxy_requests import post, within
from proxy_stage import Stage

LOAD_SECONDS, LOAD_THREADS = 4, 8
# A probe each second, and a second until it counts as failed.
HUNG_SECONDS = 2.5


def replicas(proxy: Proxy, stage: Stage) -> Iterator[str]:
    """Both replicas follow a rotation. One killed under load costs no more than what was in progress."""
    if not proxy.has_replicas:
        return
    for hung in [False, True]:
        yield from replica_killed(proxy, stage, hung)


def replica_killed(proxy: Proxy, stage: Stage, hung: bool) -> Iterator[str]:
    """If `hung`, the other replica answered nothing for a while just before: the proxy must use it again at once."""
    bad = stage.token("--scope", "mcp:read", "--expires-in=-1h")
    # A machine that is busy with other checks would need more than the 200 ms.
    patient = {"timeout: 0.2s": "timeout: 5s", "max_interval: 0.1s": "max_interval: 2s"}
    with stage.authz(replicas=2) as ports, stage.proxy(proxy, ports, changes=patient) as port:
        stage.issuer.rotate()
        token = stage.token("--scope", "mcp:read")
        if not within(20, lambda: all(post(port, token).status == 200 for _ in range(20))):
            yield "a rotation is not followed"
        lost, passed, served = [], [], []
        ended = threading.Event()

        def load() -> None:
            while not ended.is_set():
                status = post(port, token).status
                (served if status == 200 else lost).append((status, time.monotonic()))
                if post(port, bad).status == 200:
                    passed.append(bad)

        threads = [threading.Thread(target=load) for _ in range(LOAD_THREADS)]
        for thread in threads:
            thread.start()
        time.sleep(LOAD_SECONDS / 3)
        if hung:
            stage.services[1].send_signal(signal.SIGSTOP)
            time.sleep(HUNG_SECONDS)
            stage.services[1].send_signal(signal.SIGCONT)
        killed = time.monotonic()
        stage.services[0].kill()
        time.sleep(LOAD_SECONDS * 2 / 3)
        ended.set()
        for thread in threads:
            thread.join()
        about = [(status, round(at - killed, 2)) for status, at in lost]
        before = " after the other one hung" if hung else ""
        print(f"{proxy.name}, one killed{before}: {len(served)} good requests served, {len(lost)} lost", about[:8])
        if len(lost) > LOAD_THREADS:
            yield f"{len(lost)} good requests were lost{before}, and {LOAD_THREADS} were in progress: {about[:8]}"
        if passed or len(served) < 100:
            yield f"{len(passed)} bad requests passed, {len(served)} good ones were served"
