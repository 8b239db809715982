# SPDX-License-Identifier: PostgreSQL
"""many.py: ten million keys beside a hundred thousand.

First with few keys, then the rest is added and the same is asked again: reads, writes that are not
logged, and durable ones over two checkpoints, with the log that they take. At the end the time of a
VACUUM of a store in which nothing has changed since the one before.

Ten million keys take some gigabytes. They are measured twice: in a server with so much memory that
they fit into its shared buffers, as anybody would run them; and then in one with what `pgfirst up`
gives without --memory, 256 MB of shared buffers, where most reads go to the kernel's cache.
"""

import time

from common import load, results, settings

# name, op, space, pipeline, checkpoints
ROWS = (
    ("GET", "get", "durable", 1, False),
    ("GET, 16 pipelined", "get", "durable", 16, False),
    ("SET volatile", "set", "volatile", 1, False),
    ("SET volatile, 16 pipelined", "set", "volatile", 16, False),
    ("SET durable", "set", "durable", 1, True),
    ("SET durable, 16 pipelined", "set", "durable", 16, True),
)
SPACES = ("durable", "volatile")


AMPLE, USUAL = settings.MANY_MEMORY, "1GB"


def run(peer):
    with results.Writer("many", "row", "memory", "keys", "rate", "log_bytes") as writer:
        _start(peer, AMPLE)
        for keys in (settings.KEYS, settings.MANY_KEYS):
            for space in SPACES:
                peer.fill(space, keys)
            _measure(writer, peer, keys)
        peer.stop()
        _start(peer, USUAL)
        _measure(writer, peer, settings.MANY_KEYS)
    with results.Writer("many_store", "what", "value") as writer:
        size = peer.size_bytes("durable")
        writer.add(what="size of the file", value="%.1f GB" % (size / 1e9))
        writer.add(what="VACUUM of the unchanged store", value="%.1f ms" % _vacuum_ms(peer))


def _start(peer, memory):
    peer.cluster.memory = memory
    peer.start()


def _measure(writer, peer, keys):
    for row in ROWS:
        _measure_row(writer, peer, row, keys)


def _measure_row(writer, peer, row, keys):
    name, op, space, pipeline, checkpoints = row
    requests = settings.REQUESTS * (1 if pipeline == 1 else 4)
    work = load.work(op, space, "tcp", pipeline, keys=keys)
    probable = None
    for number in range(settings.PAIRS // 2 + 1):
        outcome = load.measure(peer, work, requests, probable)
        if checkpoints:
            probable = outcome.seconds
        if number > 0 or settings.PAIRS < 3:  # the first one warms up, and says how long it takes
            writer.add(row=name, memory=peer.cluster.memory, keys=keys, rate=round(outcome.rate),
                       log_bytes=round(outcome.log_bytes or 0))
    print("  %-28s %5s %10d keys %10.0f/s" % (name, peer.cluster.memory, keys, outcome.rate))


def _vacuum_ms(peer):
    sql = peer.cluster.sql
    sql.ask("VACUUM kv.database_0")
    begin = time.monotonic()
    sql.ask("VACUUM kv.database_0")
    return (time.monotonic() - begin) * 1e3
