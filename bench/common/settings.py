# SPDX-License-Identifier: PostgreSQL
"""settings.py: what the environment says about a run; bench/README.md lists it for people.

Everything here and beside it keeps to what python3-minimal holds, which is little.
"""

import os

QUICK = bool(os.environ.get("BENCH_QUICK"))


def number(name, usual, quick):
    """A variable of the environment, else the usual value, or that of a quick run."""
    return int(os.environ.get(name) or (quick if QUICK else usual))


PAIRS = number("BENCH_PAIRS", 9, 2)
REQUESTS = number("BENCH_REQUESTS", 100_000, 5_000)
CLIENTS = number("BENCH_CLIENTS", 50, 50)
KEYS = number("BENCH_KEYS", 100_000, 10_000)
VALUE_BYTES = number("BENCH_VALUE_BYTES", 100, 100)
HELD_UPDATES = number("BENCH_HELD_UPDATES", 600_000, 30_000)
HELD_SECONDS = number("BENCH_HELD_SECONDS", 75, 20)
MANY_KEYS = number("BENCH_MANY_KEYS", 10_000_000, 100_000)
MANY_MEMORY = os.environ.get("BENCH_MANY_MEMORY") or ("2GB" if QUICK else "22GB")
TASKS = number("BENCH_TASKS", 3_000, 200)
WAKES = number("BENCH_WAKES", 3_000, 100)
SNAPSHOT_MINUTES = float(os.environ.get("BENCH_SNAPSHOT_MINUTES") or (0.3 if QUICK else 10))
GROW_SECONDS = number("BENCH_GROW_SECONDS", 120, 5)
IDLE = number("BENCH_IDLE", 10_000, 1_000)
SLOW_SYNC_US = number("BENCH_SLOW_SYNC_US", 1_000, 1_000)
SLOW_SYNC = os.environ.get("BENCH_SLOW_SYNC", "")
SOAK_MINUTES = number("SOAK_MINUTES", 10, 1)
SOAK_RATE = number("SOAK_RATE", 4_000, 4_000)

WORK = os.environ.get("BENCH_WORK", "")
OUT = os.path.join(WORK, "out")
COMMIT = os.environ.get("BENCH_COMMIT", "")
