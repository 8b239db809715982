#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""acked.py: a load that knows every write that was acknowledged.

  acked.py write [--clients N] [--seconds S] [--prefix P] URL FILE
  acked.py check [--keep] URL FILE

`write` opens N connections to the Redis door at URL. Each sets P:<client>:0, P:<client>:1, … one
after the other and sends the next one only when the last one was answered, so that one number a
client, the last one answered, is the whole record. It ends after S seconds or when the server has
closed every connection, and leaves the record in FILE.

`check` reads every key that the record says was acknowledged, and its value; it prints
"<acknowledged> acknowledged, <missing> missing, <wrong> wrong", deletes the keys unless told to keep
them, and exits with 1 if one is missing or wrong. Whether the one write of each client that was sent
and never answered has happened is nobody's promise and is not asked.

Plain sockets and the standard library: the checker must not share a mistake with a client library.
"""

import argparse
import json
import selectors
import socket
import sys
import time
from urllib.parse import unquote, urlsplit

BATCH = 500


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        if isinstance(word, str):
            word = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def connect(url, timeout=30):
    """A connected, authenticated, blocking socket."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(unquote(parts.path))
        database = 0
    else:
        sock = socket.create_connection((parts.hostname, parts.port or 6379), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        database = int(parts.path.strip("/") or 0)
    if parts.password is not None:
        user = [unquote(parts.username)] if parts.username else []
        call(sock, "AUTH", *user, unquote(parts.password))
    if database:
        call(sock, "SELECT", str(database))
    return sock


def call(sock, *words):
    sock.sendall(command(*words))
    reply = Reader(sock).reply()
    if isinstance(reply, Exception):
        raise reply
    return reply


class Reader:
    """Replies, one by one: only the kinds that the commands here are answered with."""

    def __init__(self, sock):
        self.file = sock.makefile("rb")

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind in b"+:":
            return rest
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        raise ValueError(f"a reply that was not expected: {line!r}")


# ---- write ---------------------------------------------------------------------------------


class Writer:
    """One client: what it has sent, and how much of that was answered."""

    def __init__(self, prefix, number, sock):
        self.prefix = f"{prefix}:{number}"
        self.sock = sock
        self.acknowledged = 0
        self.answer = b""

    def send(self):
        at = self.acknowledged
        # A command of some fifty bytes fits an idle socket's buffer.
        self.sock.send(command("SET", f"{self.prefix}:{at}", f"{self.prefix}={at}"))

    def receive(self):
        """Takes what arrived; False when the connection is over."""
        data = self.sock.recv(4096)
        if not data:
            return False
        self.answer += data
        if self.answer.endswith(b"\r\n"):
            if self.answer != b"+OK\r\n":
                raise RuntimeError(f"SET was answered {self.answer!r}")
            self.acknowledged += 1
            self.answer = b""
            self.send()
        return True


def write(options):
    selector = selectors.DefaultSelector()
    writers = []
    for number in range(options.clients):
        sock = connect(options.url)
        sock.setblocking(False)
        writer = Writer(options.prefix, number, sock)
        selector.register(sock, selectors.EVENT_READ, writer)
        writers.append(writer)
    refused = None
    # "writing": whoever wants to break something meanwhile waits for this line.
    print("writing", flush=True)
    for writer in writers:
        writer.send()
    end = time.monotonic() + options.seconds
    while selector.get_map() and time.monotonic() < end:
        for key, _ in selector.select(timeout=0.1):
            writer = key.data
            try:
                alive = writer.receive()
            except OSError:
                alive = False
            except RuntimeError as error:
                refused = error
                alive = False
            if not alive:
                selector.unregister(writer.sock)
                writer.sock.close()
    with open(options.file, "w", encoding="utf-8") as file:
        json.dump({writer.prefix: writer.acknowledged for writer in writers}, file)
    print(sum(writer.acknowledged for writer in writers), "acknowledged")
    if refused is not None:
        print(refused, file=sys.stderr)
        return 1
    return 0


# ---- check ---------------------------------------------------------------------------------


def check(options):
    with open(options.file, encoding="utf-8") as file:
        record = json.load(file)
    sock = connect(options.url)
    reader = Reader(sock)
    acknowledged = missing = wrong = 0
    for prefix, count in record.items():
        # One more than was acknowledged, so that the last one sent is deleted as well.
        for begin in range(0, count + 1, BATCH):
            numbers = range(begin, min(begin + BATCH, count + 1))
            keys = [f"{prefix}:{number}" for number in numbers]
            sock.sendall(command("MGET", *keys))
            values = reader.reply()
            if isinstance(values, Exception):
                raise values
            for number, value in zip(numbers, values):
                if number == count:
                    continue
                acknowledged += 1
                if value is None:
                    missing += 1
                elif value != f"{prefix}={number}".encode():
                    wrong += 1
            if not options.keep:
                sock.sendall(command("DEL", *keys))
                answer = reader.reply()
                if isinstance(answer, Exception):
                    raise answer
    print(f"{acknowledged} acknowledged, {missing} missing, {wrong} wrong")
    return 1 if missing or wrong or acknowledged == 0 else 0


def main():
    parser = argparse.ArgumentParser(description="a load that knows every acknowledged write")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("write", "check"):
        sub = commands.add_parser(name)
        sub.add_argument("url")
        sub.add_argument("file")
    commands.choices["write"].add_argument("--clients", type=int, default=50)
    commands.choices["write"].add_argument("--seconds", type=float, default=60)
    commands.choices["write"].add_argument("--prefix", default="acked")
    commands.choices["check"].add_argument("--keep", action="store_true")
    options = parser.parse_args()
    try:
        return write(options) if options.command == "write" else check(options)
    except (OSError, RuntimeError) as error:
        print(f"acked.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
