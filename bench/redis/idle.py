# SPDX-License-Identifier: PostgreSQL
"""idle.py: ten thousand connections that are logged in and say nothing.

What they cost the server in memory (PSS of its processes before and after), and what fifty clients
that do work notice of them: the same runs without and with them, Redis beside. The kernel's own memory
for sockets is the same for both and not counted.

Plain PostgreSQL has a process per connection. It is not brought to ten thousand of them; what fifty
cost, each having run the prepared statement, is measured and stands for the rest.

Run as a program, it is the one that holds the connections: `idle.py NUMBER HOST PORT USER PASSWORD`
says "ready" when all are logged in and ends with its standard input.
"""

import os
import subprocess
import sys

from common import load, machine, results, settings

import pairs
import rows

ROWS = [rows.row("GET", "get"), rows.row("SET durable", "set")]


class Crowd:
    def __init__(self, address, number):
        self.child = machine.start(
            [sys.executable, os.path.abspath(__file__), str(number), address["host"]]
            + [str(address["port"]), address["user"], address["password"]],
            machine.CLIENT_CPUS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        if self.child.stdout.readline() != "ready\n":
            raise RuntimeError("could not make %d connections" % number)

    def close(self):
        machine.stop(self.child)


def affordable():
    """Not more than open files allow, here and in a server started from here."""
    limit = int(
        subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, text=True, check=True).stdout
    )
    return min(settings.IDLE, limit - 1000)


def run(peers):
    doors = {name: peers[name] for name in ("pgfirst", "redis")}
    number = affordable()
    crowds = []
    with results.Writer("idle_memory", "peer", "connections", "before", "after") as writer:
        with results.Writer("idle", *pairs.COLUMNS) as runs:
            # First without, after a warm-up, so that the servers' memory has been used already.
            _run_rows(runs, doors, "no others")
            try:
                for name, peer in doors.items():
                    before = machine.pss_bytes(peer.root("durable"))
                    crowds.append(Crowd(peer.address("durable"), number))
                    after = machine.pss_bytes(peer.root("durable"))
                    writer.add(peer=name, connections=number, before=before, after=after)
                    print("  %-10s %d connections: %.1f MB" % (name, number, (after - before) / 1e6))
                _run_rows(runs, doors, "%d idle" % number)
            finally:
                for crowd in crowds:
                    crowd.close()
        _postgres(writer, peers["postgres"])


def _run_rows(writer, doors, circumstance):
    for row in ROWS:
        named = row._replace(name="%s, %s" % (row.name, circumstance))
        pairs.run_row(writer, named, doors, max(2, (settings.PAIRS + 1) // 2))


def _postgres(writer, peer):
    before = machine.pss_bytes(peer.root("durable"))
    crowd = peer.load(load.work("get"), settings.CLIENTS * 200)
    try:
        crowd.begin()
        crowd.finish()
        after = machine.pss_bytes(peer.root("durable"))
    finally:
        crowd.close()
    writer.add(peer="postgres", connections=settings.CLIENTS, before=before, after=after)


def hold(number, host, port, user, password):
    address = {"host": host, "port": int(port), "user": user, "password": password, "database": 0}
    crowd = [load.RedisConnection(address) for _ in range(int(number))]
    print("ready", flush=True)
    sys.stdin.read()
    return crowd


if __name__ == "__main__":
    hold(*sys.argv[1:])
