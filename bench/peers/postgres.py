# SPDX-License-Identifier: PostgreSQL
"""postgres.py: plain PostgreSQL, what those compare with who stay with an ordinary table.

The same server with the same settings as pgfirst's, without its library, in a cluster of its own.
A table of keys, values and expiries, with a primary key and nothing else; prepared statements over
the unix socket, values in binary, one connection per client and no pool between (bench/redis/pgload.c
says what else is done in its favour). durable is synchronous_commit = on, relaxed is off, volatile an
UNLOGGED table.

Its connections are processes and could use more cores than one; here every server has one.
"""

import os

from common import load, settings
from common.cluster import Cluster

TABLES = {"durable": "kv", "relaxed": "kv_relaxed", "volatile": "kv_volatile", "held": "kv_held"}
ASYNCHRONOUS = ("relaxed", "held")


class Postgres:
    name = "postgres"
    title = "PostgreSQL"

    def __init__(self, name="postgres"):
        self.cluster = Cluster(name, redis=False)
        self.made = False

    def start(self, environment=None):
        if not self.made:
            self.cluster.start()
            self.cluster.sql.ask("DROP EXTENSION pgfirst, pgfirst_kv CASCADE")
            self._make_tables()
            self.cluster.stop()
            self._unload()
            self.made = True
        self.cluster.start(environment)

    def _unload(self):
        path = os.path.join(self.cluster.directory, "pgfirst.conf")
        with open(path) as file:
            lines = file.readlines()
        with open(path, "w") as file:
            for line in lines:
                without = line.startswith("shared_preload_libraries")
                file.write("shared_preload_libraries = ''\n" if without else line)

    def _make_tables(self):
        ask = self.cluster.sql.ask
        ask("CREATE SCHEMA AUTHORIZATION app; SET ROLE app")
        for space, table in TABLES.items():
            ask(
                "CREATE %s TABLE app.%s (key text PRIMARY KEY, value bytea NOT NULL, expiry timestamptz)"
                % ("UNLOGGED" if space == "volatile" else "", table)
            )
        ask("CREATE TABLE app.counter (key text PRIMARY KEY, value bigint NOT NULL, expiry timestamptz)")

    def stop(self):
        self.cluster.stop()

    def fill(self, space, keys):
        table = "app." + TABLES[space]
        self.cluster.sql.ask("TRUNCATE %s" % table)
        self.cluster.sql.ask(
            "INSERT INTO %s (key, value) SELECT 'key:' || lpad(i::text, 12, '0'),"
            " convert_to(repeat('x', %d), 'UTF8') FROM generate_series(0, %d - 1) AS i"
            % (table, settings.VALUE_BYTES, keys)
        )
        self.cluster.sql.ask("VACUUM ANALYZE %s" % table)

    def conninfo(self, space):
        text = "host='%s/run' port=%d user=app password='%s' dbname=app" % (
            self.cluster.directory,
            self.cluster.port,
            self.cluster.password(),
        )
        if space in ASYNCHRONOUS:
            text += " options='-c synchronous_commit=off'"
        return text

    def load(self, work, requests):
        table = "counter" if work.op == "incr" else TABLES[work.space]
        return load.postgres_load(self.conninfo(work.space), "app." + table, work, requests)

    def cpu_seconds(self, _space):
        return self.cluster.cpu_seconds()

    def log_bytes(self, _space):
        return self.cluster.log_bytes()

    def checkpoint(self, _space):
        self.cluster.checkpoint()

    def settle(self, _space):
        self.cluster.settle()

    def hold_snapshot(self):
        return self.cluster.hold_snapshot()

    def size_bytes(self, space):
        name = "app." + TABLES[space]
        return int(self.cluster.sql.ask("SELECT pg_total_relation_size('%s')" % name)[-1])

    def root(self, _space):
        return self.cluster.child.pid
