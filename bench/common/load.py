# SPDX-License-Identifier: PostgreSQL
"""load.py: the load generators behind one face, and the measuring of one run.

A `Work` says what is asked of a server; a peer turns it into a load that is ready to go; `measure`
runs it and says what it brought and what it cost the server.
"""

import collections
import csv
import io
import os
import socket
import subprocess
import threading
import time

from common import machine, settings

# space: durable, relaxed, volatile or held; transport: tcp or unix
Work = collections.namedtuple("Work", "op space transport pipeline clients keys")

Outcome = collections.namedtuple(
    "Outcome", "requests seconds rate p50 p95 p99 cpu_us log_bytes checkpoints"
)

MANY_KEYS = 10  # of MGET and MSET
TASK_BYTES = 800  # of a task, as Celery sends it


def work(op, space="durable", transport="tcp", pipeline=1, clients=None, keys=None):
    return Work(op, space, transport, pipeline, clients or settings.CLIENTS, keys or settings.KEYS)


# ---- programs of ours ----------------------------------------------------------------------------


class SteadyLoad:
    """A program of ours that stands, logged in, before it begins, and says then what it has measured."""

    def __init__(self, argv, requests, environment=None):
        self.requests = requests
        self.busy = False
        self.child = machine.start(
            argv, machine.CLIENT_CPUS, environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.name = os.path.basename(argv[0])
        if self.child.stdout.readline() != "ready\n":
            raise RuntimeError("%s did not begin" % self.name)

    def begin(self):
        self.busy = True
        self.child.stdin.write("go\n")
        self.child.stdin.flush()

    def finish(self):
        """(requests, seconds, p50, p95, p99)"""
        said = self.child.stdout.readline().split("\t")
        if len(said) != 5:
            raise RuntimeError("%s failed" % self.name)
        self.busy = False
        return (int(said[0]),) + tuple(float(field) for field in said[1:])

    def close(self):
        """Of itself, with a goodbye on every connection; one that is still busy is ended."""
        if not self.busy:
            self.child.stdin.close()
            try:
                self.child.wait(machine.STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        machine.stop(self.child)


# ---- the Redis protocol --------------------------------------------------------------------------

VALUE = "x" * settings.VALUE_BYTES
KEY = "bench"  # the one list, hash, set, sorted set or stream; redis/typed.py fills it
MEMBER = "element:__rand_int__"

# What redis-benchmark is given word by word. It has tests of its own for some of these, which send the
# same, but not for all; here each takes its values from BENCH_VALUE_BYTES and uses the one key.
COMMANDS = {
    "ping": ["PING"],
    "mget": ["MGET"] + ["key:__rand_int__"] * MANY_KEYS,
    "lpush": ["LPUSH", KEY, VALUE],
    "rpush": ["RPUSH", KEY, VALUE],
    "rpop": ["RPOP", KEY],
    "lpop": ["LPOP", KEY],
    "lrange": ["LRANGE", KEY, "0", "99"],
    "sadd": ["SADD", KEY, MEMBER],
    "spop": ["SPOP", KEY],
    "hset": ["HSET", KEY, MEMBER, VALUE],
    "hget": ["HGET", KEY, MEMBER],
    "zadd": ["ZADD", KEY, "__rand_int__", MEMBER],
    "zpopmin": ["ZPOPMIN", KEY],
    "xadd": ["XADD", KEY, "*", "field", VALUE],
}


class RedisLoad:
    """redis-benchmark, unmodified, as the role `app` with a password."""

    def __init__(self, address, work_, requests):
        """address: host, port, socket, user, password, database"""
        self.requests = requests
        argv = ["redis-benchmark", "--user", address["user"], "-a", address["password"]]
        if work_.transport == "unix":
            argv += ["-s", address["socket"]]
        else:
            argv += ["-h", address["host"], "-p", str(address["port"])]
        argv += ["--dbnum", str(address["database"]), "--csv", "-c", str(work_.clients)]
        argv += ["-P", str(work_.pipeline), "-n", str(requests), "-r", str(work_.keys)]
        argv += ["-d", str(settings.VALUE_BYTES)]
        self.argv = argv + (COMMANDS.get(work_.op) or ["-t", work_.op])
        self.child = None

    def begin(self):
        self.child = machine.start(
            self.argv, machine.CLIENT_CPUS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def finish(self):
        """(requests, seconds, p50, p95, p99)"""
        said, _ = self.child.communicate()
        rows = [line for line in said.splitlines() if line.startswith('"') and line[:6] != '"test"']
        if self.child.returncode != 0 or len(rows) != 1 or "rror" in said:
            raise RuntimeError("redis-benchmark failed: %s" % said.strip())
        row = [float(cell) for cell in next(csv.reader(io.StringIO(rows[0])))[1:]]
        # Its clock counts milliseconds; a run of none says "inf".
        return self.requests, max(self.requests / row[0], 0.0005), row[3], row[4], row[5]

    def close(self):
        if self.child is not None:
            machine.stop(self.child)


# What redis-benchmark cannot send: commands one behind the other, sent as one piece.
SCRIPT = "redis.call('SET',KEYS[1],ARGV[1]);redis.call('EXPIRE',KEYS[1],1000);return(redis.call('GET',KEYS[1]))"
SEQUENCES = {
    "multi": ["MULTI"] + ["SET KEY VALUE"] * MANY_KEYS + ["EXEC"],
    "eval": ["EVAL %s 1 KEY VALUE" % SCRIPT],
    # What a worker of Celery's sends for a task, a round trip for each line, and then the next task: see snapshot.py.
    "task": [
        "BRPOP celery 30", "/",
        "MULTI", "ZADD unacked_index NOW KEY", "HSET unacked AGAIN VALUE", "EXEC", "/",
        "MULTI", "ZREM unacked_index AGAIN", "HDEL unacked AGAIN", "EXEC", "/",
        "LPUSH celery VALUE",
    ],
}


def sequence_load(address, work_, requests):
    """bench/redis/seqload.c; a request is the whole sequence."""
    argv = [os.path.join(os.getcwd(), "build/bench/seqload")]
    argv += ["-h", address["host"], "-p", str(address["port"]), "-u", address["user"]]
    argv += ["-a", address["password"], "-b", str(address["database"])]
    if work_.transport == "unix":
        argv += ["-s", address["socket"]]
    argv += ["-c", str(work_.clients), "-n", str(requests), "-r", str(work_.keys)]
    argv += ["-d", str(TASK_BYTES if work_.op == "task" else settings.VALUE_BYTES)]
    return SteadyLoad(argv + SEQUENCES[work_.op], requests)


# By op: what a stage measures with a program of its own. Called with address, work and requests.
LOADS = {}


def redis_load(address, work_, requests):
    if work_.op in LOADS:
        return LOADS[work_.op](address, work_, requests)
    if work_.op in SEQUENCES:
        return sequence_load(address, work_, requests)
    return RedisLoad(address, work_, requests)


class RedisConnection:
    """Just enough of the protocol to fill, ask and count."""

    def __init__(self, address):
        self.socket = socket.create_connection((address["host"], address["port"]), 60)
        self.file = self.socket.makefile("rb")
        self.queued = []
        self.call("AUTH", address["user"], address["password"])
        if address["database"]:
            self.call("SELECT", address["database"])

    def call(self, *words):
        self.send(*words)
        return self.answer()

    def send(self, *words):
        self.queue(*words)
        self.flush()

    def queue(self, *words):
        """To be sent with what comes before and behind it, by flush."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.queued.append(b"*%d\r\n" % len(words))
        self.queued += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]

    def flush(self):
        self.socket.sendall(b"".join(self.queued))
        self.queued = []

    def answer(self):
        """What came, as text, or a list of that; None for null."""
        line = self.file.readline()
        if line[:1] == b"-" or not line:
            raise RuntimeError("the server said: %s" % (line.decode().strip() or "nothing"))
        if line[:3] in (b"$-1", b"*-1"):
            return None
        if line[:1] == b"$":
            return self.file.read(int(line[1:]) + 2)[:-2].decode()
        if line[:1] == b"*":
            return [self.answer() for _ in range(int(line[1:]))]
        return line[1:].decode().strip()

    def info(self, section):
        pairs = (line.split(":", 1) for line in self.call("INFO", section).splitlines() if ":" in line)
        return dict(pairs)

    def fill(self, keys):
        """Every key that redis-benchmark may ask for is there: a miss is cheaper than a hit."""
        value = "x" * settings.VALUE_BYTES
        for begin in range(0, keys, 1000):
            words = ["MSET"]
            for key in range(begin, min(begin + 1000, keys)):
                words += ["key:%012d" % key, value]
            self.call(*words)

    def close(self):
        self.file.close()
        self.socket.close()


# ---- PostgreSQL's protocol -----------------------------------------------------------------------


def postgres_load(conninfo, table, work_, requests):
    """
    bench/redis/pgload.c; ten changes between MULTI and EXEC are one statement of ten there, and a script
    that sets a key is one of one.
    """
    op = {"multi": "mset", "eval": "set"}.get(work_.op, work_.op)
    argv = [os.path.join(os.getcwd(), "build/bench/pgload"), "-d", conninfo, "-t", table, "-o", op]
    argv += ["-c", str(work_.clients), "-P", str(work_.pipeline), "-n", str(requests)]
    argv += ["-r", str(work_.keys), "-s", str(settings.VALUE_BYTES)]
    return SteadyLoad(argv, requests)


class Sql:
    """A session that stays, a superuser's or that of `app`: psql, fed through a pipe."""

    MARK = "--end--"

    def __init__(self, directory, superuser=True):
        program = os.path.join(os.getcwd(), "build/pgfirst")
        role = ["--superuser"] if superuser else []
        self.child = machine.start(
            [program, "psql", "--dir", directory] + role + ["-XqAt", "-v", "ON_ERROR_STOP=1"],
            machine.CLIENT_CPUS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, sql):
        """Runs it when what was sent before is done; does not wait."""
        self.child.stdin.write(sql + ";\n")
        self.child.stdin.flush()

    def ask(self, sql):
        """Runs it after everything that was sent before; what it and that printed, by lines."""
        self.send(sql)
        self.child.stdin.write("\\echo %s\n" % self.MARK)
        self.child.stdin.flush()
        lines = []
        while True:
            line = self.child.stdout.readline()
            if not line:
                raise RuntimeError("psql ended at: %s" % sql)
            if line.strip() == self.MARK:
                return lines
            lines.append(line.rstrip("\n"))

    def close(self):
        machine.stop(self.child)


# ---- one run -------------------------------------------------------------------------------------

Latency = collections.namedtuple("Latency", "requests seconds p50 p95 p99")


def run(load):
    """Runs a load and measures nothing but what it says itself."""
    try:
        load.begin()
        return Latency(*load.finish())
    finally:
        load.close()


def measure(peer, work_, requests, checkpoints_over=None):
    """Runs the work once. With `checkpoints_over`, the seconds it will probably take, the peer is
    told to make two checkpoints meanwhile, one at the beginning and one halfway."""
    load = peer.load(work_, requests)
    timer = None
    made = []

    def checkpoint():
        peer.checkpoint(work_.space)
        made.append(time.monotonic())

    try:
        cpu, log = peer.cpu_seconds(work_.space), peer.log_bytes(work_.space)
        load.begin()
        if checkpoints_over:
            checkpoint()
            timer = threading.Timer(checkpoints_over / 2, checkpoint)
            timer.start()
        count, seconds, p50, p95, p99 = load.finish()
        if timer:
            timer.cancel()
            timer.join()
        # What was asked for meanwhile belongs to the run's cost, also if it ends a little later.
        peer.settle(work_.space)
        cpu, log_after = peer.cpu_seconds(work_.space) - cpu, peer.log_bytes(work_.space)
    finally:
        if timer:
            timer.cancel()
        load.close()
    written = None if log is None or log_after is None or log_after < log else log_after - log
    return Outcome(
        count,
        seconds,
        count / seconds,
        p50,
        p95,
        p99,
        cpu / count * 1e6,
        None if written is None else written / count,
        len(made),
    )
