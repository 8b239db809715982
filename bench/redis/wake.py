# SPDX-License-Identifier: PostgreSQL
"""wake.py: how soon one that waits in BRPOP has what another one pushes.

One client waits; when the server says that it does, and a millisecond later, so that everybody sleeps, the clock
starts, the element is pushed, and the clock stops when the waiter has read it. pgfirst has two workers here:

  same worker      both are at the same one (Redis has no other way)
  other worker     the one that waits is at one worker and the one that pushes at the other
  SQL commit       a transaction has called kv.lpush before; the clock starts when it is told to commit

A client knows its worker by INFO's process_id, and connects anew until it is at the one that is
wanted: the kernel deals connections out. All servers have one core, so two workers have to take turns
on it, and this program has the other. What psql needs to read COMMIT is in the figure.

At `durable` the waiter is answered when that it has taken the element is on the disk. The ways take turns, a
part of BENCH_WAKES at a time, so that what drifts on the machine drifts for all.
"""

import time

from common import load, machine, results, settings

KEY = "wake"
PARTS = 10
PAUSE_SECONDS = 0.001
CONNECT_SECONDS = 30  # a server that has just started may not have all its workers yet

# way, peer
WAYS = (
    ("same worker", "redis"),
    ("same worker", "pgfirst"),
    ("other worker", "pgfirst"),
    ("SQL commit", "pgfirst"),
)
SPACES = ("durable", "relaxed")


class FromClient:
    """Pushes as a client of the Redis door."""

    def __init__(self, peer, space, at):
        self.connection = _connect(peer, space, at)

    def prepare(self, element):
        self.element = element

    def push(self):
        self.connection.send("LPUSH", KEY, self.element)

    def done(self):
        self.connection.answer()

    def close(self):
        self.connection.close()


class FromSql:
    """Pushes in a transaction of the same role."""

    def __init__(self, peer, space):
        self.sql = load.Sql(peer.cluster.directory, superuser=False)
        self.database = peer.address(space)["database"]

    def prepare(self, element):
        self.sql.ask("BEGIN; SELECT kv.lpush('%s', '%s'::text, %d)" % (KEY, element, self.database))

    def push(self):
        self.sql.send("COMMIT")

    def done(self):
        self.sql.ask("SELECT")

    def close(self):
        self.sql.close()


class Pair:
    """One that waits, one that pushes, one that looks whether the first one does wait."""

    def __init__(self, peer, space, way):
        self.waiter = load.RedisConnection(peer.address(space))
        self.watch = load.RedisConnection(peer.address(space))
        self.waiter.call("DEL", KEY)
        at = _process(self.waiter)
        if way == "SQL commit":
            self.pusher = FromSql(peer, space)
        else:
            self.pusher = FromClient(peer, space, lambda process: (process == at) == (way == "same worker"))

    def wake(self, number):
        """Seconds from the push to the element's arrival."""
        element = "element:%d" % number
        self.pusher.prepare(element)
        self.waiter.send("BRPOP", KEY, 0)
        while self.watch.info("clients")["blocked_clients"] != "1":
            pass
        time.sleep(PAUSE_SECONDS)
        begin = time.monotonic()
        self.pusher.push()
        got = self.waiter.answer()
        took = time.monotonic() - begin
        self.pusher.done()
        if got != [KEY, element]:
            raise RuntimeError("BRPOP brought %s, not %s" % (got, element))
        return took

    def close(self):
        for each in (self.waiter, self.watch, self.pusher):
            each.close()


def run(peers):
    with results.Writer("wake", "way", "peer", "space", "count", "p50", "p99", "max") as writer:
        with machine.beside_servers():
            for space in SPACES:
                for (way, name), took in _measure(peers, space).items():
                    writer.add(way=way, peer=name, space=space, count=len(took),
                               p50=_ms(results.median(took)), p99=_ms(results.quantile(took, 0.99)),
                               max=_ms(max(took)))
                    print("  %-8s %-8s %-14s p50 %s ms, p99 %s ms"
                          % (name, space, way, _ms(results.median(took)), _ms(results.quantile(took, 0.99))))


def _measure(peers, space):
    """All that each way took."""
    pairs = {each: Pair(peers[each[1]], space, each[0]) for each in WAYS}
    took = {each: [] for each in WAYS}
    try:
        for pair in pairs.values():
            for number in range(settings.WAKES // PARTS):  # warms up
                pair.wake(number)
        for _ in range(PARTS):
            for each, pair in pairs.items():
                took[each] += [pair.wake(number) for number in range(settings.WAKES // PARTS)]
    finally:
        for pair in pairs.values():
            pair.close()
    return took


def _process(connection):
    return connection.info("server")["process_id"]


def _connect(peer, space, fits):
    until = time.monotonic() + CONNECT_SECONDS
    while time.monotonic() < until:
        connection = load.RedisConnection(peer.address(space))
        if fits(_process(connection)):
            return connection
        connection.close()
    raise RuntimeError("%s: no connection at the worker that is wanted" % peer.name)


def _ms(seconds):
    return "%.3f" % (seconds * 1e3)
