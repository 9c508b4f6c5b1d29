"""P5, P6: one signal to 1,000 followers, against as many bare signed POSTs at the same concurrency.

The subject runs from the commit of the signal to the last leg accepted, booked and recorded, by a
worker as the demo runs it. The floor is one process that sends the same orders and keeps nothing.
"""

import asyncio
import time
from statistics import median

import aiohttp

from bench import copying, measure
from bench.copying import Crowd
from bench.measure import Line, tell
from bench.stand import Stand

GOAL = 3.0
FOLLOWERS = 1000
CONCURRENCY = 100
ROUNDS = 7
MOST_CPU_MS = 2.0
MOST_WEIGHT = 1.2
MOST_MB = 0.6


def run(stand: Stand) -> Line:
    """Seconds until all followers are served; lower is better."""
    crowd = copying.make(control=stand.exchange, followers=FOLLOWERS, label="fanout")
    url = stand.exchange.binance_url
    with stand.worker(include="agora.runtime.ready", queue="celery"):
        idle = stand.usage("worker").memory_mb
        copying.fan_out(crowd)  # connections, plans, and markets once
        before, counted = stand.usage("worker"), stand.exchange.binance.summary(label="-")
        pair = measure.alternate(
            subject=lambda: copying.fan_out(crowd),
            floor=lambda: asyncio.run(_bare(url, crowd)),
            rounds=ROUNDS,
        )
        after = stand.usage("worker")
    told = stand.exchange.binance.summary(label="-")
    sent = FOLLOWERS * (ROUNDS + 1)
    cpu_ms = 1000 * (after.cpu_seconds - before.cpu_seconds) / sent
    # The floor's orders weigh exactly one each.
    weight = (told["weight"] - counted["weight"] - sent) / sent
    memory = (after.memory_mb - idle) / FOLLOWERS
    return Line(
        name="copy_fanout",
        value=FOLLOWERS / pair.value,
        floor=FOLLOWERS / pair.least,
        goal=GOAL,
        better="lower",
        sound=cpu_ms <= MOST_CPU_MS and weight <= MOST_WEIGHT and memory <= MOST_MB,
        extra={
            "unit": "s",
            "followers": FOLLOWERS,
            "rounds": ROUNDS,
            "cpu_ms_per_order": round(cpu_ms, 3),
            "weight_per_copy": round(weight, 3),
            "mb_per_follower": round(memory, 3),
        },
    )


async def _bare(url: str, crowd: Crowd) -> float:
    """Orders per second of signed POSTs that nobody records."""
    slots = asyncio.Semaphore(CONCURRENCY)
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(key: dict[str, str]) -> None:
            async with slots:
                body, headers = copying.signed_order(key)
                async with session.post(f"{url}/api/v3/order", data=body, headers=headers) as done:
                    answer = await done.json()
                    if answer["status"] != "FILLED":
                        raise RuntimeError(f"The floor's order was not filled: {answer}")

        began = time.monotonic()
        await asyncio.gather(*(send(key) for key in crowd.keys))
        return len(crowd.keys) / (time.monotonic() - began)


def latency(stand: Stand) -> Line:
    """Seconds from the commit to the last order accepted, at 50 ms of the exchange's own."""
    seconds, crowd = 0.05, copying.make(control=stand.exchange, followers=FOLLOWERS, label="slow")
    stand.exchange.binance.venue(latency_ms=int(1000 * seconds))
    took = []
    with stand.worker(include="agora.runtime.ready", queue="celery"):
        for number in range(ROUNDS + 1):
            signal, began = copying.publish_open(crowd.strategy)
            copying.wait_recorded(signal, legs=FOLLOWERS)
            summary = stand.exchange.binance.summary(label="slow", since=began)
            took.append(summary["last_accepted"] - began)
            tell(f"  round {number}/{ROUNDS}: {took[-1]:.3f} s")
    stand.exchange.binance.venue(latency_ms=0)
    return Line(
        name="copy_fanout_latency",
        value=median(took[1:]),
        floor=FOLLOWERS * seconds / CONCURRENCY + seconds,
        goal=2.5,
        better="lower",
        extra={"unit": "s", "followers": FOLLOWERS, "rounds": ROUNDS},
    )
