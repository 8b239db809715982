# SPDX-License-Identifier: PostgreSQL
"""cluster.py: a private PostgreSQL made by `pgfirst up`, for the peers that are one.

It runs in the foreground as a child of ours, pinned with all its processes, and is stopped in order.
Both peers that use it have the same settings, which are those that `pgfirst up` writes: a quarter of
`memory`, 1 GB, as shared buffers, data checksums, fsync, full-page writes, compressed where the server can, a
checkpoint every 15 minutes or 4 GB of log. Autovacuum is on.
"""

import os
import subprocess

from common import load, machine, settings


class Cluster:
    def __init__(self, name, redis, memory="1GB"):
        self.directory = os.path.join(settings.WORK, name)
        self.program = os.path.join(os.getcwd(), "build/pgfirst")
        self.port = machine.free_port()
        self.redis_port = machine.free_port() if redis else 0
        self.memory = memory  # from the next start on
        self.child = None
        self.sql = None

    def start(self, environment=None):
        """Makes it the first time; `environment` is for a library that is to be preloaded."""
        log = open(self.directory + ".log", "a")
        self.child = machine.start(
            [self.program, "up", "--foreground", "--dir", self.directory, "--memory", self.memory]
            + ["--pg-port", str(self.port), "--redis-port", str(self.redis_port)],
            machine.SERVER_CPUS,
            environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        machine.wait_until(self._answers, 120, self.directory)
        self.sql = load.Sql(self.directory)

    def _answers(self):
        if self.child.poll() is not None:
            with open(self.directory + ".log") as log:
                raise RuntimeError("pgfirst up ended:\n" + "".join(log.readlines()[-15:]))
        status = subprocess.run(
            [self.program, "status", "--dir", self.directory],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return status.returncode == 0

    def stop(self):
        if self.sql is not None:
            self.sql.close()
        if self.child is not None:
            machine.stop(self.child)
        self.sql = self.child = None

    def password(self):
        with open(os.path.join(self.directory, "pgfirst.env")) as file:
            for line in file:
                if line.startswith("REDIS_URL=") or line.startswith("DATABASE_URL="):
                    return line.split("://app:", 1)[1].split("@", 1)[0]
        raise RuntimeError("no password in pgfirst.env")

    # ---- what it costs -----------------------------------------------------------------------

    def cpu_seconds(self):
        return machine.cpu_seconds(self.child.pid)

    def log_bytes(self):
        return int(self.sql.ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[-1])

    def checkpoint(self):
        """Asks for one that starts now and is not spread out; does not wait for it."""
        self.sql.send("CHECKPOINT")

    def settle(self):
        self.sql.ask("SELECT")

    def hold_snapshot(self):
        """A session that has read something in REPEATABLE READ and then does nothing."""
        holder = load.Sql(self.directory)
        holder.ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
        return holder
