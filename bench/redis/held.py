# SPDX-License-Identifier: PostgreSQL
"""held.py: what an idle transaction costs everybody else.

A session has read something in REPEATABLE READ and sits there: a pg_dump, a report, a forgotten psql
prompt. Beside it 1,000 keys are updated, again and again. What a heap then holds is every version ever
written, and each read and write has to walk past them. Slices of updates alternate with short slices
of reads, and after each the size is asked: so the curves share an x axis, the number of updates.

All three at `relaxed`, so that the disk's own time does not hide the effect. Redis has no snapshot
that could be held; it is there for the scale. A peer that becomes too slow is stopped after
BENCH_HELD_SECONDS, and its curve ends there.
"""

import time

from common import load, results, settings

KEYS = 1000
SLICES = 24
SPACE = "held"


def run(peers):
    with results.Writer("held", "peer", "updates", "set_rate", "get_rate", "bytes") as writer:
        for name, peer in peers.items():
            peer.fill(SPACE, KEYS)
            holder = peer.hold_snapshot()
            try:
                updates = _run_peer(writer, name, peer)
            finally:
                if holder:
                    holder.close()
            print("  %-10s %d updates" % (name, updates))


def _run_peer(writer, name, peer):
    begin = time.monotonic()
    step = settings.HELD_UPDATES // SLICES
    updates = 0
    while updates < settings.HELD_UPDATES and time.monotonic() - begin < settings.HELD_SECONDS:
        write = load.measure(peer, load.work("set", SPACE, "unix", keys=KEYS), step)
        read = load.measure(peer, load.work("get", SPACE, "unix", keys=KEYS), step // 2)
        updates += step
        writer.add(
            peer=name,
            updates=updates,
            set_rate=round(write.rate),
            get_rate=round(read.rate),
            bytes=peer.size_bytes(SPACE),
        )
    return updates
