# SPDX-License-Identifier: PostgreSQL
"""pgfirst.py: the Redis door, as `pgfirst up` makes it.

One worker, except where a stage asks for more, the settings that everybody gets, a login with a password. Database 0 is durable, as all
are in the beginning; 4 is made relaxed, 5 volatile, and 6 relaxed for the run beside a held snapshot.
Nothing is set for the benchmark. The server's core is shared by the worker, the flush helper, the
WAL writer, the checkpointer and autovacuum: whatever they need is taken from the rate, and counted.
"""

from common import load, machine
from common.cluster import Cluster

DATABASES = {"durable": 0, "relaxed": 4, "volatile": 5, "held": 6}

PAGE = 8192
# What the sweep clears away at a glance.
FEW_RECORDS = 1000


class Pgfirst:
    name = "pgfirst"
    title = "pgfirst"

    def __init__(self, name="pgfirst", workers=1):
        self.cluster = Cluster(name, redis=True)
        self.workers = workers
        self.made = False

    def start(self, environment=None):
        self.cluster.start(environment)
        if not self.made:
            for space in ("relaxed", "volatile"):
                self.cluster.sql.ask("SELECT kv.create_database(%d, '%s')" % (DATABASES[space], space))
            self.cluster.sql.ask("SELECT kv.create_database(%d, 'relaxed')" % DATABASES["held"])
            self.made = True
            if self.workers > 1:
                self.cluster.sql.ask("ALTER SYSTEM SET pgfirst.redis_workers = %d" % self.workers)
                self.cluster.stop()
                self.cluster.start(environment)

    def stop(self):
        self.cluster.stop()

    def fill(self, space, keys):
        connection = load.RedisConnection(self.address(space))
        connection.fill(keys)
        connection.close()
        self.cluster.sql.ask("VACUUM ANALYZE kv.database_%d" % DATABASES[space])

    def address(self, space):
        return {
            "host": "127.0.0.1",
            "port": self.cluster.redis_port,
            "socket": self.cluster.directory + "/run/redis.sock",
            "user": "app",
            "password": self.cluster.password(),
            "database": DATABASES[space],
        }

    def load(self, work, requests):
        return load.redis_load(self.address(work.space), work, requests)

    def cpu_seconds(self, _space):
        return self.cluster.cpu_seconds()

    def log_bytes(self, _space):
        return self.cluster.log_bytes()

    def checkpoint(self, _space):
        self.cluster.checkpoint()

    def settle(self, _space):
        self.cluster.settle()

    def forgotten(self, space):
        """Waits until next to nothing is left in the file of a database in which no key is."""
        sql = "SELECT records FROM kv.space WHERE db = %d" % DATABASES[space]
        machine.wait_until(lambda: int(self.cluster.sql.ask(sql)[-1]) < FEW_RECORDS, 120, "swept")

    def rest(self, space):
        """Nothing of what was done until now is left to be done."""
        self.cluster.sql.ask("VACUUM kv.database_%d; CHECKPOINT" % DATABASES[space])

    def hold_snapshot(self):
        return self.cluster.hold_snapshot()

    def size_bytes(self, space):
        name = "kv.database_%d" % DATABASES[space]
        return int(self.cluster.sql.ask("SELECT pg_total_relation_size('%s')" % name)[-1])

    def file_bytes(self, space):
        """Of the database's file, and of the pages of it that are in use."""
        sql = "SELECT bytes, free_pages FROM kv.space WHERE db = %d" % DATABASES[space]
        size, free = (int(cell) for cell in self.cluster.sql.ask(sql)[-1].split("|"))
        return size, size - free * PAGE

    def root(self, _space):
        return self.cluster.child.pid
