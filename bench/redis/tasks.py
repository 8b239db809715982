# SPDX-License-Identifier: PostgreSQL
"""tasks.py: Celery, unmodified, end to end: send, run a task that does nothing, store the result, receive it.

The same script with another URL, and nothing else: bench/celery/send.py sends, Debian's Celery works with two
processes (prefork). A run begins with an empty database and with a worker that has just been started and
has done a hundred tasks; it ends when the last result has come. Peers alternate as in pairs.py.

The server has its core, sender and worker share the other. Most of a task's time is Celery's own there, so
the rate says what a user notices, and the server's CPU for each task what a server costs. Bytes
are those of the write-ahead log and of the append-only file. Durable runs make two checkpoints, as all do.
"""

import os
import subprocess
import sys
from urllib.parse import quote

from common import load, machine, results, settings

import pairs
import rows

PROGRAMS = os.path.join(os.getcwd(), "bench/celery")
VERSIONS = "import celery, kombu, redis; print(celery.__version__, kombu.__version__, redis.__version__)"

ROWS = [
    rows.row("Celery, durable", "celery", "durable", target=1.0, checkpoints=True),
    rows.row("Celery, relaxed", "celery", "relaxed", target=0.95),
]


def versions():
    """Celery's, kombu's, redis-py's; None where they are not installed."""
    # Isolated: bench/celery is no Celery.
    done = subprocess.run([sys.executable, "-I", "-c", VERSIONS], capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else None


class CeleryLoad(load.SteadyLoad):
    """A worker, and a sender that is ready when the worker has done something for it."""

    def __init__(self, address, _work, requests):
        url = "redis://%s:%s@%s:%d/%d" % (
            address["user"], quote(address["password"], safe=""), address["host"], address["port"], address["database"])
        environment = {"BENCH_URL": url, "PYTHONPATH": PROGRAMS}
        self.worker = None
        with open(os.path.join(settings.WORK, "celery.log"), "w") as log:
            self.worker = machine.start(
                [sys.executable, "-m", "celery", "-A", "app", "worker", "--pool", "prefork", "--concurrency", "2",
                 "--loglevel", "WARNING"],
                machine.CLIENT_CPUS, environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            super().__init__([sys.executable, os.path.join(PROGRAMS, "send.py"), str(requests)], requests,
                             environment)
        except RuntimeError:
            machine.stop(self.worker)
            raise

    def close(self):
        super().close()
        machine.stop(self.worker)


load.LOADS["celery"] = CeleryLoad


def run(peers):
    with results.Writer("celery", *pairs.COLUMNS) as writer:
        for row in ROWS:
            row = row._replace(scale=settings.TASKS / settings.REQUESTS)
            pairs.run_row(writer, row, peers, ready=empty)


def empty(peer, work, _requests):
    connection = load.RedisConnection(peer.address(work.space))
    connection.call("FLUSHDB")
    connection.close()
    peer.forgotten(work.space)
    peer.rest(work.space)
