# SPDX-License-Identifier: PostgreSQL
"""door.py: what the hostile clients share.

Plain sockets, because no client library sends what is wrong. A test program is called with the
address of a Redis door and the pid of the worker behind it, makes trouble, and prints TAP lines
without numbers; Hostile.pm counts them. What every test watches beside its own:

  Innocent   a process of its own with one connection that sets, gets and compares all the while,
             and knows its slowest answer. Nobody else's behaviour may show in it.
  private()  the worker's memory that is not shared with the server
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time

MB = 1 << 20
CRLF = b"\r\n"

options = None
failed = 0


def begin(description):
    """Reads the command line; every program has the same."""
    global options
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, default=0)
    parser.add_argument("--pid", type=int, required=True, help="of the worker")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="run the tests whose names begin so")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return options


# ---- TAP -----------------------------------------------------------------------------------------


def ok(condition, name):
    global failed
    failed += not condition
    print("%s - %s" % ("ok" if condition else "not ok", name), flush=True)
    return condition


def equal(got, wanted, name):
    if not ok(got == wanted, name):
        note("got    %.300r" % (got,))
        note("wanted %.300r" % (wanted,))


def note(text):
    print("# " + text, flush=True)


def run(tests):
    """Each test beside an innocent client; all of them, or those that --only names."""
    for test in tests:
        if not test.__name__.startswith(options.only):
            continue
        note("%s" % test.__name__)
        innocent = contextlib.nullcontext() if hasattr(test, "alone") else Innocent()
        with innocent:
            try:
                test()
            except Exception as error:  # a test that cannot go on has failed, the others go on
                ok(False, "%s: %s: %s" % (test.__name__, type(error).__name__, error))
        if not hasattr(test, "alone"):
            innocent.verdict(test.__name__, getattr(test, "patience_ms", PATIENCE_MS))
    sys.exit(failed > 0)


def alone(test):
    """For a test that others are rightly affected by."""
    test.alone = True
    return test


def patience(milliseconds):
    """For a test whose commands are long by themselves: how long the innocent may wait for one."""

    def mark(test):
        test.patience_ms = milliseconds
        return test

    return mark


# ---- talking -------------------------------------------------------------------------------------


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Error(Exception):
    def __eq__(self, other):
        return isinstance(other, Error) and self.args == other.args

    __hash__ = Exception.__hash__


class Client:
    """A connection. Logged in unless told otherwise."""

    def __init__(self, login=True, timeout=60, receive_buffer=None, port=None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        self.sock.connect(("127.0.0.1", port or options.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.at = b"", 0  # received; what has been read of it
        if login:
            self.call("AUTH", options.password)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self):
        more = self.sock.recv(1 << 20)
        if not more:
            raise EOFError("connection closed")
        self.buffer, self.at = self.buffer[self.at :] + more, 0

    def line(self):
        while (end := self.buffer.find(CRLF, self.at)) < 0:
            self._more()
        line, self.at = self.buffer[self.at : end], end + 2
        return line

    def exactly(self, count):
        if len(self.buffer) - self.at < count:
            parts = [self.buffer[self.at :]]
            have = len(parts[0])
            while have < count:
                part = self.sock.recv(min(count - have, 1 << 22))
                if not part:
                    raise EOFError("connection closed")
                parts.append(part)
                have += len(part)
            self.buffer, self.at = b"".join(parts), 0
        data = self.buffer[self.at : self.at + count]
        self.at += count
        return data

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Error(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind in b"$=":
            return None if rest == b"-1" else self.exactly(int(rest) + 2)[:-2]
        if kind in b"*~>":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return {self.reply(): self.reply() for _ in range(int(rest))}
        if kind == b"_":
            return None
        raise ValueError("not a reply: %r" % line[:80])

    def call(self, *words):
        self.send(command(*words))
        return self.reply()

    def rest(self, timeout=10):
        """Everything until the other side closes; None if it does not."""
        self.sock.settimeout(timeout)
        parts = [self.buffer[self.at :]]
        self.buffer, self.at = b"", 0
        try:
            while True:
                more = self.sock.recv(1 << 20)
                if not more:
                    return b"".join(parts)
                parts.append(more)
        except ConnectionResetError:
            return b"".join(parts)
        except socket.timeout:
            self.buffer = b"".join(parts)
            return None

    def closed(self, timeout=10):
        """Whether the other side closes; what it says before is thrown away."""
        return self.rest(timeout) is not None


def info(field):
    """A number of INFO."""
    with Client() as client:
        for line in client.call("INFO").decode().splitlines():
            if line.startswith(field + ":"):
                return int(line.split(":")[1])
    return None


def wait_until(condition, seconds=10):
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def push(sock, data, seconds):
    """Sends the endless repetition of data until nothing has been taken for `seconds`; the bytes."""
    total, view, at = 0, memoryview(data), 0
    sock.settimeout(seconds)
    try:
        while True:
            sent = sock.send(view[at:])
            total += sent
            at = (at + sent) % len(data)
    except socket.timeout:
        return total


# ---- the worker ----------------------------------------------------------------------------------


def status(field, pid=None):
    with open("/proc/%d/status" % (pid or options.pid)) as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def private(pid=None):
    """Bytes of the worker's own memory: pages of shared memory are the server's."""
    return status("RssAnon", pid) * 1024


def cpu_seconds():
    with open("/proc/%d/stat" % options.pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """The most private memory that the worker has while this is open, above what it had before."""

    def __init__(self, pid=None):
        self.pid = pid or options.pid

    def __enter__(self):
        self.before = self.most = private(self.pid)
        self.going = True
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def _look(self):
        while self.going:
            self.most = max(self.most, private(self.pid))
            time.sleep(0.01)

    def __exit__(self, *unused):
        self.going = False
        self.thread.join()
        self.most = max(self.most, private(self.pid))

    @property
    def grown(self):
        return self.most - self.before

    def bounded(self, limit, name):
        if ok(self.grown <= limit, name):
            note("the worker's memory grew by %.1f MB at most" % (self.grown / MB))
        else:
            note("grew by %.1f MB, allowed are %.1f" % (self.grown / MB, limit / MB))


# ---- the innocent --------------------------------------------------------------------------------

# Two busy cores of a small machine with other tests on them: what is asserted is that nobody waits
# for another client, and that would be seconds.
PATIENCE_MS = 1000


def _innocent_loop(port, stop, results):
    times, wrong = [], 0
    try:
        with Client(timeout=120) as client:
            number = 0
            results.send("ready")
            while not stop.is_set() or not times:
                number += 1
                for words, wanted in (
                    (("SET", "innocent", number), "OK"),
                    (("GET", "innocent"), b"%d" % number),
                    (("PING",), "PONG"),
                ):
                    begin_at = time.monotonic()
                    wrong += client.call(*words) != wanted
                    times.append(time.monotonic() - begin_at)
                time.sleep(0.002)
    except Exception as error:
        results.send((times, wrong, "%s: %s" % (type(error).__name__, error)))
        return
    results.send((times, wrong, None))


class Innocent:
    def __enter__(self):
        self.stop = multiprocessing.Event()
        self.results, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=_innocent_loop, args=(options.port, self.stop, theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        first = self.results.recv()
        self.early = None if first == "ready" else first
        return self

    def __exit__(self, *unused):
        self.stop.set()
        try:
            self.times, self.wrong, self.error = self.early or self.results.recv()
        except EOFError:
            self.times, self.wrong, self.error = [], 0, "it died"
        self.process.join()

    def verdict(self, name, patience_ms):
        times = sorted(self.times) or [0]
        slowest = times[-1] * 1000
        good = self.error is None and self.wrong == 0 and slowest <= patience_ms and self.times
        ok(bool(good), "%s: an innocent client has right answers, within %d ms" % (name, patience_ms))
        note(
            "innocent: %d commands, p50 %.2f ms, p99 %.2f ms, slowest %.1f ms, %d wrong%s"
            % (len(self.times), times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000,
               slowest, self.wrong, ", " + self.error if self.error else "")
        )


# ---- SQL -----------------------------------------------------------------------------------------


class Session:
    """A psql that stays: for transactions that hold something."""

    def __init__(self):
        self.psql = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.psql.stdin.close()
        self.psql.wait()

    def begin(self, sql):
        self.psql.stdin.write(sql + "\n\\echo done\n")
        self.psql.stdin.flush()
        self.last = sql

    def end(self):
        lines = []
        while True:
            line = self.psql.stdout.readline()
            if not line:
                raise EOFError("psql ended at " + self.last)
            if line == "done\n":
                return "".join(lines).strip()
            lines.append(line)

    def run(self, sql):
        self.begin(sql)
        return self.end()


def sql(statement):
    with Session() as session:
        return session.run(statement)
