# SPDX-License-Identifier: PostgreSQL
"""slow.py: the same servers on a disk that takes a millisecond longer for every sync.

A cloud's disk does. A preloaded library (test/shim/slow_sync.c) adds the time to every fsync and
fdatasync of the server, asleep, not burning. Durable writes are measured as before, and then what readers
notice of writers: ten clients GET while fifty others SET durably as fast as they can. Redis's one
thread is inside fdatasync all the time; what a GET has to wait for there, and here, is the figure.

That the library works is checked, not believed: one client's SET takes a millisecond or the run fails.
"""

import time

from common import load, results, settings

import pairs
import rows

READERS = 10
# A SET without end: it is stopped when the readers are done.
ENDLESS = 1_000_000_000


def available():
    return bool(settings.SLOW_SYNC)


def environment():
    return {"LD_PRELOAD": settings.SLOW_SYNC, "PGFIRST_SLOW_SYNC_US": str(settings.SLOW_SYNC_US)}


def run(peers):
    for name, peer in peers.items():
        outcome = load.measure(peer, load.work("set", clients=1), 200)
        if outcome.p50 < settings.SLOW_SYNC_US / 1000:
            raise RuntimeError(
                "%s: a durable SET takes %.2f ms; the slow disk is not in use" % (name, outcome.p50)
            )
    with results.Writer("slow", *pairs.COLUMNS) as writer:
        for row in rows.SLOW_ROWS:
            pairs.run_row(writer, row, peers)
    with results.Writer("slow_reads", "peer", "pair", "rate", "p50", "p95", "p99") as writer:
        for pair in range(1, settings.PAIRS + 1):
            for name, peer in peers.items():
                if name == "postgres" and pair % 3 != 1:
                    continue
                outcome = _reads_beside_writes(peer)
                writer.add(
                    peer=name,
                    pair=pair,
                    rate=round(outcome.rate),
                    p50=outcome.p50,
                    p95=outcome.p95,
                    p99=outcome.p99,
                )
                if pair == 1:
                    print("  %-10s GET beside durable SETs: p50 %.3f ms" % (name, outcome.p50))


def _reads_beside_writes(peer):
    writers = peer.load(load.work("set"), ENDLESS)
    try:
        writers.begin()
        time.sleep(0.3)
        return load.measure(peer, load.work("get", clients=READERS), max(settings.REQUESTS // 10, 500))
    finally:
        writers.close()
