# SPDX-License-Identifier: PostgreSQL
"""snapshot.py: what an old snapshot costs the background work.

The load is a worker's of Celery, command for command (load.SEQUENCES): it waits for a task in BRPOP, notes
it in `unacked_index` and `unacked`, takes it out of both again, and pushes another one. These three keys are the same
for all, and each task changes each of them twice. There are half as many tasks as clients, so that half
of the clients sleep in BRPOP all the time and are woken by the others' pushes, and the list neither
grows nor runs dry.

First without a snapshot, for a fifth of the time; then a transaction in REPEATABLE READ has read something and is
held open for BENCH_SNAPSHOT_MINUTES; then it ends, and for another fifth what is measured tells what the machine
did by itself. Slices of about SLICE_SECONDS, and after each the file is looked at. In a heap each change
would leave a version behind that nobody could clear away; here the rate and the file are to stay as they are.
Redis has no snapshots; it runs the first part alone, before, for the scale.

Relaxed, in the database that `held` uses, so that the disk's own time does not hide the effect.
"""

import time

from common import load, results, settings

SPACE = "held"
SLICE_SECONDS = 5
CALIBRATE = 2000  # tasks, from which the length of a slice is known
COLUMNS = "peer phase seconds tasks rate p99 cpu_us file used".split()


def run(peers):
    minutes = settings.SNAPSHOT_MINUTES
    with results.Writer("snapshot", *COLUMNS) as writer:
        for name in ("redis", "pgfirst"):
            peer = peers[name]
            _seed(peer)
            load.measure(peer, _work(), CALIBRATE)
            calibrated = load.measure(peer, _work(), CALIBRATE)
            tasks = max(CALIBRATE, int(calibrated.rate * SLICE_SECONDS))
            _phase(writer, peer, "before", minutes / 5, tasks)
            if name == "pgfirst":
                holder = peer.hold_snapshot()
                try:
                    _phase(writer, peer, "during", minutes, tasks)
                finally:
                    holder.close()
                _phase(writer, peer, "after", minutes / 5, tasks)


def _work():
    return load.work("task", SPACE)


def _seed(peer):
    """Half as many tasks as there are clients."""
    connection = load.RedisConnection(peer.address(SPACE))
    connection.call("DEL", "celery", "unacked", "unacked_index")
    for _ in range(max(settings.CLIENTS // 2, 1)):
        connection.call("LPUSH", "celery", "x" * load.TASK_BYTES)
    connection.close()


def _phase(writer, peer, phase, minutes, tasks):
    end = time.monotonic() + minutes * 60
    rates = []
    while time.monotonic() < end or not rates:
        outcome = load.measure(peer, _work(), tasks)
        rates.append(outcome.rate)
        _look(peer)
        file, used = peer.file_bytes(SPACE)
        writer.add(peer=peer.name, phase=phase, seconds=round(outcome.seconds, 3), tasks=tasks,
                   rate=round(outcome.rate), p99=outcome.p99, cpu_us=round(outcome.cpu_us, 2), file=file,
                   used="" if used is None else used)
    print("  %-8s %-7s %8.0f tasks/s" % (peer.name, phase, results.median(rates)))


def _look(peer):
    """Nothing has been lost, and nothing is left behind."""
    connection = load.RedisConnection(peer.address(SPACE))
    left = [int(connection.call(*words)) for words in
            (("LLEN", "celery"), ("ZCARD", "unacked_index"), ("HLEN", "unacked"))]
    connection.close()
    if left != [max(settings.CLIENTS // 2, 1), 0, 0]:
        raise RuntimeError("%s: %d tasks, %d and %d noted" % (peer.name, *left))
