#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""server.py: the servers that the clients are tried on.

Pgfirst is a cluster of its own, made by `pgfirst up` in a temporary directory; Redis is a
redis-server of its own with the same user, the same password and as many databases. Both listen on a
free port of 127.0.0.1 and on a unix socket, and are gone after stop().

As a program it restarts the server that a running test has: server.py restart PLACE, PLACE being
the file that `save` has written.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from urllib.parse import unquote, urlsplit

from resp import Connection

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Below the range from which the kernel takes ports for outgoing connections: a restart finds its own free.
PORTS = range(25000, 26000)


def free_ports(count):
    """So many ports that nobody listens on, chosen by chance so that two runs do not meet."""
    found = []
    while len(found) < count:
        port = secrets.choice(PORTS)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def wait_until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} seconds")
        time.sleep(0.02)


class Server:
    """What both have: where they are and who may come in."""

    kind = None

    def __init__(self, directory):
        self.directory = directory
        self.host, self.port, self.user, self.password, self.socket = "127.0.0.1", 0, "app", "", ""
        self.tls_port, self.certificate = 0, ""

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"kind": self.kind, **vars(self)}, file)

    def environment(self):
        return {
            "CLIENTS_SERVER": self.kind,
            "CLIENTS_HOST": self.host,
            "CLIENTS_PORT": str(self.port),
            "CLIENTS_USER": self.user,
            "CLIENTS_PASSWORD": self.password,
            "CLIENTS_SOCKET": self.socket,
            "CLIENTS_TLS_PORT": str(self.tls_port),
            "CLIENTS_CERTIFICATE": self.certificate,
        }


class Pgfirst(Server):
    kind = "pgfirst"

    def __init__(self, directory):
        super().__init__(directory)
        self.database_url = ""
        self.program = os.environ.get("PGFIRST_PROGRAM", os.path.join(ROOT, "build", "pgfirst"))

    def _run(self, *words):
        done = subprocess.run(
            [self.program, *words, "--dir", self.directory],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"pgfirst {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self):
        pg_port, redis_port = free_ports(2)
        self._run("up", "--pg-port", str(pg_port), "--redis-port", str(redis_port),
                  "--memory", "512MB")
        # The tests log in with wrong passwords now and then, all from one address.
        with open(os.path.join(self.directory, "pgfirst.conf"), "a", encoding="utf-8") as file:
            file.write("pgfirst.redis_auth_delay = 0\n")
        self.restart()
        self.find()
        self._open_tls()

    def find(self):
        """Where the cluster that runs in the directory is."""
        urls = json.loads(self._run("env", "--format", "json"))
        self.database_url = urls["DATABASE_URL"]
        url = urlsplit(urls["REDIS_URL"])
        self.port, self.user = url.port, unquote(url.username)
        self.password = unquote(url.password)
        self.socket = os.path.join(self.directory, "run", "redis.sock")

    def _open_tls(self):
        """A certificate of its own, which clients get beside the cluster, in a directory that they may enter."""
        (self.tls_port,) = free_ports(1)
        data = os.path.join(self.directory, "data")
        key, made = os.path.join(data, "server.key"), os.path.join(data, "server.crt")
        self.certificate = self.directory + ".crt"
        subprocess.run(
            ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", made],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.copy(made, self.certificate)
        os.chmod(key, 0o600)
        if os.getuid() == 0:
            owner = os.stat(data)
            for file in (key, made):
                os.chown(file, owner.st_uid, owner.st_gid)
        with open(os.path.join(self.directory, "pgfirst.conf"), "a", encoding="utf-8") as file:
            file.write(f"pgfirst.redis_tls_port = {self.tls_port}\n")
        self._run("restart")

    def restart(self):
        self._run("restart")

    def kill(self):
        """As if the machine had lost it; start_again() brings it back."""
        with open(os.path.join(self.directory, "data", "postmaster.pid"), encoding="utf-8") as file:
            pid = int(file.readline())
        os.kill(pid, signal.SIGKILL)
        # Until somebody has asked how it ended PostgreSQL takes it for running.
        wait_until("the postmaster is gone", lambda: not os.path.exists(f"/proc/{pid}"))

    def start_again(self):
        self._run("up")

    def stop(self):
        if os.path.exists(self.directory):
            self._run("destroy", "--yes")


class Redis(Server):
    kind = "redis"

    def __init__(self, directory, appendonly=False):
        super().__init__(directory)
        self.pid, self.appendonly = 0, appendonly

    def start(self):
        (self.port,) = free_ports(1)
        self.password = secrets.token_hex(16)
        self.socket = os.path.join(self.directory, "redis.sock")
        os.mkdir(self.directory)
        # The default user and the named one have the same password, as with pgfirst. A snapshot on
        # shutdown, so that a restart loads what there is and not all that ever was; who kills it wants a log that is
        # written before the reply: with "everysec", the default, a busy disk puts the writing off, too, and kill -9 takes it.
        with open(os.path.join(self.directory, "redis.conf"), "w", encoding="utf-8") as file:
            file.write(
                f"port {self.port}\nbind {self.host}\nunixsocket {self.socket}\n"
                f"unixsocketperm 777\ndir {self.directory}\nsave 3600 1\nappendonly {'yes' if self.appendonly else 'no'}\nappendfsync always\n"
                f"databases 4\nlogfile {self.directory}/log\n"
                f"user default on >{self.password} ~* &* +@all\n"
                f"user {self.user} on >{self.password} ~* &* +@all\n")
        self._launch()

    def _launch(self):
        daemon = subprocess.Popen(
            ["redis-server", os.path.join(self.directory, "redis.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        self.pid = daemon.pid

        def answers():
            try:
                connection = Connection(self.socket)
                connection.call("AUTH", self.password)
                answer = connection.call("DBSIZE")
                connection.close()
                return answer.kind == ":"
            except OSError:
                return False

        wait_until("redis-server answers", answers)

    def _end(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGTERM)
                wait_until("redis-server ends", lambda: not running(self.pid))
            except ProcessLookupError:
                pass
            self.pid = 0

    def restart(self):
        self._end()
        self._launch()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        wait_until("redis-server is gone", lambda: not running(self.pid))

    def start_again(self):
        self._launch()

    def stop(self):
        self._end()
        shutil.rmtree(self.directory, ignore_errors=True)


def running(pid):
    """Whether the process is there and no zombie, whoever its parent is."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def workplace():
    """A directory for servers; short enough for a unix socket's path."""
    base = os.environ.get("TMPDIR", "/tmp")
    if len(base) > 60:
        base = "/tmp"
    path = tempfile.mkdtemp(prefix="pgfirst-clients-", dir=base)
    if os.getuid() == 0:
        # The cluster belongs to the owner of the directory above it; PostgreSQL refuses root.
        os.chmod(path, 0o755)
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            owner = pwd.getpwnam("nobody")
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def load(path):
    with open(path, encoding="utf-8") as file:
        state = json.load(file)
    kind = {"pgfirst": Pgfirst, "redis": Redis}[state.pop("kind")]
    server = kind(state["directory"])
    vars(server).update(state)
    return server


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "restart":
        print("usage: server.py restart PLACE", file=sys.stderr)
        return 2
    server = load(sys.argv[2])
    server.restart()
    server.save(sys.argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
