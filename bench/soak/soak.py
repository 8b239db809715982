# SPDX-License-Identifier: PostgreSQL
"""soak.py: a fixed load for a long time beside one idle transaction; nothing should grow.

Every second SOAK_RATE requests are made by fifty clients, half GET, half SET, of 10,000 keys in the
durable database: the same work each minute, well below what the server could do, while a session that
has read something in REPEATABLE READ sits idle from the beginning. A line a minute:

  latency as the clients saw it (median of the seconds' p50, worst of their p99), memory of the worker
  and of the whole server (PSS), size of the table, seconds in which the load did not fit

It prints; it judges in one line at the end: the last minute against the first. The heap store grows
by every version that is written while the snapshot is held. The clients of each second connect anew, so
that connecting and leaving is soaked too.

SOAK_MINUTES (10) and SOAK_RATE (4000) are taken from the environment.
"""

import sys
import time

from common import load, machine, results, settings
from peers.pgfirst import Pgfirst

KEYS = 10_000
COLUMNS = (
    "minute get_p50 get_p99 set_p50 set_p99 worker_mb server_mb table_mb late_seconds".split()
)


def worker_bytes(root):
    """The process that serves the door, by its title."""
    for pid in machine.tree(root):
        with open("/proc/%d/cmdline" % pid) as file:
            if file.read().startswith("postgres: pgfirst redis 1"):
                return machine.pss_of(pid)
    raise RuntimeError("the worker is not running")


def one_second(server):
    """(get, set) outcomes of one second's share, and whether it took longer than that."""
    begin = time.monotonic()
    outcomes = [
        load.run(server.load(load.work(op, keys=KEYS), settings.SOAK_RATE // 2))
        for op in ("get", "set")
    ]
    took = time.monotonic() - begin
    if took < 1:
        time.sleep(1 - took)
    return outcomes, took > 1


def one_minute(server, minute):
    limit = time.monotonic() + 60
    gets, sets, late = [], [], 0
    while time.monotonic() < limit:
        (get, set_), was_late = one_second(server)
        gets.append(get)
        sets.append(set_)
        late += was_late
    root = server.root("durable")
    return {
        "minute": minute,
        "get_p50": round(results.median([one.p50 for one in gets]), 3),
        "get_p99": max(one.p99 for one in gets),
        "set_p50": round(results.median([one.p50 for one in sets]), 3),
        "set_p99": max(one.p99 for one in sets),
        "worker_mb": round(worker_bytes(root) / 1e6, 1),
        "server_mb": round(machine.pss_bytes(root) / 1e6, 1),
        "table_mb": round(server.size_bytes("durable") / 1e6, 1),
        "late_seconds": late,
    }


def run(server):
    server.start()
    server.fill("durable", KEYS)
    holder = server.hold_snapshot()
    lines = []
    print("%d requests a second beside an idle transaction, %d minutes; latencies in ms, sizes in MB"
          % (settings.SOAK_RATE, settings.SOAK_MINUTES))
    print(" ".join("%12s" % column for column in COLUMNS))
    with results.Writer("soak", *COLUMNS) as writer:
        for minute in range(1, settings.SOAK_MINUTES + 1):
            line = one_minute(server, minute)
            writer.add(**line)
            lines.append(line)
            print(" ".join("%12s" % line[column] for column in COLUMNS))
    holder.close()
    first, last = lines[0], lines[-1]
    changes = ("%s ×%.2f" % (what, last[what] / first[what])
               for what in ("get_p50", "set_p50", "worker_mb", "server_mb", "table_mb"))
    print("last minute against the first: " + ", ".join(changes))


def main():
    sys.stdout.reconfigure(line_buffering=True)
    machine.install_signals()
    try:
        run(Pgfirst())
    finally:
        machine.stop_all()


if __name__ == "__main__":
    main()
