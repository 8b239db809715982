# SPDX-License-Identifier: PostgreSQL
"""send.py TASKS: sends so many tasks, one by one, and waits for the result of each.

Says "ready" when a worker has done some before, begins with the first line of its standard input and prints what
the other loads print: tasks, seconds from the first that was sent until the last result had come, and
milliseconds of p50, p95 and p99 that sending one took. A task that failed ends it.
"""

import sys
import time

from app import nothing

WARM = 100
SECONDS = 120


def run(tasks):
    begin = time.monotonic()
    sent, took = [], []
    for _ in range(tasks):
        began = time.monotonic()
        sent.append(nothing.delay())
        took.append(time.monotonic() - began)
    for result in sent:
        result.get(timeout=SECONDS)
    return time.monotonic() - begin, sorted(took)


def main():
    tasks = int(sys.argv[1])
    run(WARM)
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    seconds, took = run(tasks)
    parts = (took[int((tasks - 1) * part)] * 1e3 for part in (0.5, 0.95, 0.99))
    print("%d\t%f\t%f\t%f\t%f" % (tasks, seconds, *parts), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
