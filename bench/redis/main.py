# SPDX-License-Identifier: PostgreSQL
"""main.py: the stages of `make bench`, in order; bench/redis/run starts it, unprivileged.

Everything is started privately, below BENCH_WORK, on ports from 28000 to 28999, and stopped at the
end. The servers of a stage all run all the time; those whose turn it is not are idle.
"""

import sys
import time

from common import machine, results, settings
from common.load import TASK_BYTES
from peers.pgfirst import Pgfirst
from peers.postgres import Postgres
from peers.redis_server import RedisServer

import growth
import held
import idle
import many
import pairs
import report
import rows
import slow
import snapshot
import tasks
import typed
import wake

STAGES = ("rates", "types", "celery", "wake", "snapshot", "held", "many", "growth", "idle", "slow", "report")
SPACES = ("durable", "relaxed", "volatile")
USUAL_LOAD = "%d clients, %d keys, values of %d bytes, %d requests a run, %d pairs a row" % (
    settings.CLIENTS, settings.KEYS, settings.VALUE_BYTES, settings.REQUESTS, settings.PAIRS)


def describe(stage_name, peer, load):
    """
    What the page says about the machine; taken while nothing else runs. Each stage has an answer of its own: they may be
    measured on different days. That of the rates stands at the top.
    """
    with results.Writer(stage_name, "what", "value") as writer:
        facts = machine.describe(settings.WORK)
        commit = settings.COMMIT and " (%s)" % settings.COMMIT
        facts += [
            ("pgfirst", machine.version("build/pgfirst", "--version").split()[-1] + commit),
            ("PostgreSQL", peer.cluster.sql.ask("SHOW server_version")[-1]),
            ("Redis", machine.version("redis-server", "--version").split("v=")[1].split()[0]),
            ("load", load),
        ]
        for what, value in facts:
            writer.add(what=what, value=value)


def start(peers, environment=None):
    for peer in peers.values():
        peer.start(environment)


def fill(peers, spaces):
    for peer in peers.values():
        for space in spaces:
            peer.fill(space, settings.KEYS)


def run_rates(peers):
    with results.Writer("rates", *pairs.COLUMNS) as writer:
        for row in rows.ROWS:
            pairs.run_row(writer, row, peers)


def run_types():
    run_beside("types", typed.run,
               "%d clients, values of %d bytes, %d requests a run, %d if pipelined, %d pairs a row"
               % (settings.CLIENTS, settings.VALUE_BYTES, settings.REQUESTS // 2, settings.REQUESTS * 2,
                  settings.PAIRS))


def run_celery():
    versions = tasks.versions()
    if not versions:
        print("  left out: there is no Celery")
        return
    run_beside("celery", tasks.run,
               "Celery %s, kombu %s, redis-py %s; %d tasks a run, %d pairs"
               % (*versions, settings.TASKS, settings.PAIRS))


def run_wake():
    run_beside("wake", wake.run, "%d times each" % settings.WAKES, workers=2)


def run_snapshot():
    run_beside("snapshot", snapshot.run, "%d clients, %d bytes a task" % (settings.CLIENTS, TASK_BYTES))


def run_beside(name, function, load, workers=1):
    """A stage of pgfirst and Redis with servers of their own, in which there is nothing else."""
    peers = {"pgfirst": Pgfirst(name + "-pgfirst", workers), "redis": RedisServer(name + "-redis")}
    try:
        start(peers)
        describe(name + "_facts", peers["pgfirst"], load)
        function(peers)
    finally:
        for peer in peers.values():
            peer.stop()


def run_slow():
    """With servers of its own: the library has to be there when they start."""
    if not slow.available():
        print("  left out: there is no build/shim/slow_sync.so")
        return
    peers = {
        "pgfirst": Pgfirst("slow-pgfirst"),
        "redis": RedisServer("slow-redis", only="durable"),
        "postgres": Postgres("slow-postgres"),
    }
    try:
        # Made and filled on the quick disk, so that only what is measured is slow.
        start(peers)
        describe("slow_facts", peers["pgfirst"], USUAL_LOAD)
        fill(peers, ("durable",))
        for peer in peers.values():
            peer.stop()
        start(peers, slow.environment())
        slow.run(peers)
    finally:
        for peer in peers.values():
            peer.stop()


def run_many():
    """With a server of its own: what is left of ten million keys would be in the way of others."""
    peer = Pgfirst("many")
    try:
        many.run(peer)
        describe("many_facts", peer, USUAL_LOAD)
    finally:
        peer.stop()


def run_growth():
    """With a server of its own, whose file has held nothing else."""
    peer = Pgfirst("growth")
    try:
        peer.start()
        describe("growth_facts", peer, "values of %d bytes" % settings.VALUE_BYTES)
        growth.run(peer)
    finally:
        peer.stop()


def stage(name, function, *arguments):
    begin = time.monotonic()
    print("%s" % name, flush=True)
    function(*arguments)
    print("%s: %.0f s" % (name, time.monotonic() - begin), flush=True)


def run(stages):
    peers = {"pgfirst": Pgfirst(), "redis": RedisServer(), "postgres": Postgres()}
    if set(stages) & {"rates", "held", "idle"}:
        stage("start", start, peers)
        for name, file in (("rates", "machine"), ("held", "held_facts"), ("idle", "idle_facts")):
            if name in stages:
                describe(file, peers["pgfirst"], USUAL_LOAD)
        fill(peers, SPACES if "rates" in stages else ("durable",))
        if "rates" in stages:
            stage("rates", run_rates, peers)
        if "held" in stages:
            stage("held", held.run, peers)
        if "idle" in stages:
            stage("idle", idle.run, peers)
        for peer in peers.values():
            peer.stop()
    if "types" in stages:
        stage("types", run_types)
    if "celery" in stages:
        stage("celery", run_celery)
    if "wake" in stages:
        stage("wake", run_wake)
    if "snapshot" in stages:
        stage("snapshot", run_snapshot)
    if "many" in stages:
        stage("many", run_many)
    if "growth" in stages:
        stage("growth", run_growth)
    if "slow" in stages:
        stage("slow", run_slow)
    if "report" in stages:
        report.write()


def main():
    stages = sys.argv[1:] or list(STAGES)
    for name in stages:
        if name not in STAGES:
            print("bench: no stage %s (there are: %s)" % (name, " ".join(STAGES)), file=sys.stderr)
            return 2
    sys.stdout.reconfigure(line_buffering=True)
    machine.install_signals()
    try:
        run(stages)
    finally:
        machine.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
