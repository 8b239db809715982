# SPDX-License-Identifier: PostgreSQL
"""redis_server.py: redis-server, three times, from the distribution's package.

  durable    appendonly yes, appendfsync always: an answered write is on the disk
  relaxed    appendonly yes, appendfsync everysec
  volatile   no file at all

Otherwise as Redis comes: one thread, its own rewriting of the append-only file when that has doubled,
which is what PostgreSQL's checkpoints are compared with. In its favour: no snapshots (save ""), which
its defaults would also write every minute under such load; and `durable` is the strongest setting
that it has, not one that it recommends. It is logged in to like pgfirst, as user `app` with a password,
is pinned to the same core, and lies on the same disk.
"""

import os

from common import load, machine, settings

PASSWORD = "benchmark"
CONFIGURATION = """\
bind 127.0.0.1
port {port}
unixsocket {directory}/redis.sock
unixsocketperm 700
dir {directory}
pidfile {directory}/redis.pid
logfile {directory}/redis.log
maxclients 19000
save ""
appendonly {appendonly}
appendfsync {appendfsync}
user default off
user app on >{password} ~* &* +@all
"""
SYNCS = {"durable": "always", "relaxed": "everysec", "volatile": None}
SPACES = {"durable": "durable", "relaxed": "relaxed", "volatile": "volatile", "held": "relaxed"}


class RedisServer:
    name = "redis"
    title = "Redis"

    def __init__(self, name="redis", only=None):
        self.name_of_directory = name
        self.only = only
        self.servers = {}
        self.ports = {}
        self.connections = {}

    def start(self, environment=None):
        for space, sync in SYNCS.items():
            if self.only and space != self.only:
                continue
            directory = os.path.join(settings.WORK, "%s-%s" % (self.name_of_directory, space))
            os.makedirs(directory, exist_ok=True)
            if space not in self.ports:
                self.ports[space] = machine.free_port()
            path = os.path.join(directory, "redis.conf")
            with open(path, "w") as file:
                file.write(
                    CONFIGURATION.format(
                        port=self.ports[space],
                        directory=directory,
                        appendonly="yes" if sync else "no",
                        appendfsync=sync or "no",
                        password=PASSWORD,
                    )
                )
            child = machine.start(["redis-server", path], machine.SERVER_CPUS, environment)
            self.servers[space] = child
            machine.wait_until(lambda: self._connect(space), 60, "redis-server")

    def _connect(self, space):
        try:
            connection = load.RedisConnection(self.address(space))
            connection.call("PING")
        except (OSError, RuntimeError):
            return False
        self.connections[space] = connection
        return True

    def stop(self):
        for connection in self.connections.values():
            connection.close()
        for child in self.servers.values():
            machine.stop(child)
        self.connections, self.servers = {}, {}

    def address(self, space):
        space = SPACES[space]
        directory = os.path.join(settings.WORK, "%s-%s" % (self.name_of_directory, space))
        return {
            "host": "127.0.0.1",
            "port": self.ports[space],
            "socket": directory + "/redis.sock",
            "user": "app",
            "password": PASSWORD,
            "database": 0,
        }

    def fill(self, space, keys):
        connection = self.connections[SPACES[space]]
        connection.call("FLUSHDB")
        connection.fill(keys)

    def load(self, work, requests):
        return load.redis_load(self.address(work.space), work, requests)

    def cpu_seconds(self, space):
        return machine.cpu_seconds(self.root(space))

    def log_bytes(self, space):
        """The append-only file; less than before when it was rewritten: then nobody knows."""
        info = self.connections[SPACES[space]].info("persistence")
        return int(info["aof_current_size"]) if "aof_current_size" in info else None

    def checkpoint(self, _space):
        """It rewrites its file when it thinks fit."""

    def settle(self, _space):
        pass

    def forgotten(self, _space):
        """DEL has done it all when it answers."""

    def rest(self, space):
        """Waits until the append-only file is not being rewritten."""
        machine.wait_until(lambda: self._rests(SPACES[space]), 120, "redis-server's file")

    def _rests(self, space):
        info = self.connections[space].info("persistence")
        return info["aof_rewrite_in_progress"] == info["aof_rewrite_scheduled"] == "0"

    def hold_snapshot(self):
        """There is nothing like it."""
        return None

    def size_bytes(self, space):
        return int(self.connections[SPACES[space]].info("memory")["used_memory"])

    def file_bytes(self, space):
        """Its memory."""
        return self.size_bytes(space), None

    def root(self, space):
        return self.servers[SPACES[space]].pid
