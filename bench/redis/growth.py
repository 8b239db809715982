# SPDX-License-Identifier: PostgreSQL
"""growth.py: keys come and go at random, and what their file takes meanwhile.

Single SETs of 50 to 149 bytes, one in five hundred of 3 to 20 kB, and DELs of 200,000 keys, pipelined.
Every few seconds a coin is thrown for whether more are set or more are deleted, so that the store
grows to several times its size and shrinks again. kv.space is asked all the time:

  pages in use    of the file, over the bytes of live records: what half-empty pages cost
  file            over the same: what free pages cost until the file is made shorter
"""

import random
import time

from common import load, results, settings

KEYS = 200_000
AT_ONCE = 500
LARGE = 0.002
LOOK_SECONDS = 5
PAGE = 8192


def run(peer):
    connection = load.RedisConnection(peer.address("durable"))
    choose = random.Random(1)
    with results.Writer("growth", "seconds", "operations", "file", "in_use", "live", "records") as writer:
        begin = time.monotonic()
        turn = look = begin
        operations = 0
        while time.monotonic() < begin + settings.GROW_SECONDS:
            now = time.monotonic()
            if now >= turn:
                sets = choose.choice((0.3, 0.4, 0.5, 0.6, 0.7))
                turn = now + choose.choice((5, 15, 40))
            if now >= look:
                _look(writer, peer, now - begin, operations)
                look = now + LOOK_SECONDS
            _step(connection, choose, sets)
            operations += AT_ONCE
        _look(writer, peer, time.monotonic() - begin, operations)
    connection.close()


def _step(connection, choose, sets):
    for _ in range(AT_ONCE):
        key = "grow:%d" % choose.randrange(KEYS)
        if choose.random() >= sets:
            connection.queue("DEL", key)
        elif choose.random() < LARGE:
            connection.queue("SET", key, "x" * choose.randrange(3000, 20000))
        else:
            connection.queue("SET", key, "x" * choose.randrange(50, 150))
    connection.flush()
    for _ in range(AT_ONCE):
        connection.answer()


def _look(writer, peer, seconds, operations):
    row = peer.cluster.sql.ask(
        "SELECT bytes, free_pages, live_bytes, records FROM kv.space WHERE db = 0")[-1]
    file, free, live, records = (int(cell) for cell in row.split("|"))
    writer.add(seconds=round(seconds), operations=operations, file=file, in_use=file - free * PAGE,
               live=live, records=records)
