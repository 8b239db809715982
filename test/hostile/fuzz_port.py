#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""fuzz_port.py: wrong bytes over many connections at once, for a while.

Streams of valid commands, transactions and scripts among them, are damaged (bytes flipped, cut, doubled, lengths changed, streams spliced)
and sent in pieces of any size, while replies are read at times, and connections half-closed, closed
and reset. All that is asked of the server is that it stays the same process, answers an innocent
client as always, and forgets what it was made to remember. Hostile.pm looks into the log.

The same --seed sends the same streams, though not at the same moments.
"""

import hashlib
import random
import socket
import struct
import time

import door
from door import MB, Client, Watch, begin, command, info, note, ok, patience, run, wait_until

CONNECTIONS = 60
KEYS = ["k%d" % i for i in range(30)] + ["", b"\0", b"a\r\nb", "x" * 300, b"\xff\xfe"]
VALUES = ["", "1", "-1", "9223372036854775807", b"\0\1\2", "word", b"\r\n$5\r\n", "v" * 5000, "v" * 70000]
NUMBERS = ["0", "1", "-1", "10", "100", "100000", "9223372036854775807", "-9223372036854775808",
           "18446744073709551615", "1e3", "01", "+1", "x", ""]
SCRIPTS = ["return 1", "return {KEYS[1], {1, {2, 3}}}", "return redis.call('SET', KEYS[1], ARGV[1])", "error('x')", "(", "\x1bLua",
           "for i = 1, 50 do redis.call('INCR', 'n' .. i) end return redis.status_reply('fine')"]
SHAS = [hashlib.sha1(script.encode()).hexdigest() for script in SCRIPTS] + ["0" * 40, "x"]
PATTERNS = ["*", "k*", "k?", "[k-z]*", "[^k]*", "[", "\\", "*" * 50, "k[0-", "*1*2*3*"]


def words(rng):
    """A valid command, or nearly so."""
    key, value, number = rng.choice(KEYS), rng.choice(VALUES), rng.choice(NUMBERS)
    keys = [rng.choice(KEYS) for _ in range(rng.randint(1, 5))]
    return rng.choice([
        lambda: ["GET", key],
        lambda: ["SET", key, value],
        lambda: ["SET", key, value] + rng.sample(["NX", "XX", "GET", "KEEPTTL", "EX", "PX", number], rng.randint(0, 4)),
        lambda: ["MGET"] + keys,
        lambda: ["MSET"] + [word for k in keys for word in (k, value)],
        lambda: ["DEL"] + keys,
        lambda: ["EXISTS"] + keys,
        lambda: ["TYPE", key],
        lambda: [rng.choice(["INCR", "DECR"]), key],
        lambda: ["INCRBY", key, number],
        lambda: [rng.choice(["EXPIRE", "PEXPIRE"]), key, number] + rng.sample(["NX", "XX", "GT", "LT"], rng.randint(0, 2)),
        lambda: [rng.choice(["TTL", "PTTL", "PERSIST"]), key],
        lambda: ["KEYS", rng.choice(PATTERNS)],
        lambda: ["SCAN", number, "MATCH", rng.choice(PATTERNS), "COUNT", rng.choice(NUMBERS)],
        lambda: ["DBSIZE"],
        lambda: ["PING"],
        lambda: ["ECHO", value],
        lambda: ["SELECT", rng.choice(["1", "2", "3", "16", "-1", "x"])],
        lambda: ["HELLO", rng.choice(["2", "3", "4", "x"])],
        lambda: ["HELLO", "3", "AUTH", "app", rng.choice([door.options.password, "wrong"]), "SETNAME", "fuzz"],
        lambda: ["AUTH", rng.choice([door.options.password, "wrong", b"\0"])],
        lambda: ["CLIENT"] + rng.choice([["ID"], ["GETNAME"], ["INFO"], ["LIST"], ["SETNAME", value[:20]],
                                         ["SETINFO", "LIB-NAME", "fuzz"], ["LIST", "ID", number], ["nosuch"]]),
        lambda: ["COMMAND"] + rng.choice([[], ["COUNT"], ["INFO", "get"], ["DOCS", "set"], ["LIST"]]),
        lambda: ["CONFIG"] + rng.choice([["GET", "*"], ["SET", "hz", number], ["GET", rng.choice(PATTERNS)]]),
        lambda: ["INFO", rng.choice(["all", "memory", "nosuch"])],
        lambda: ["TIME"],
        lambda: rng.choice([["MULTI"], ["EXEC"], ["EXEC"], ["DISCARD"], ["WATCH"] + keys, ["UNWATCH"]]),
        lambda: [rng.choice(["EVAL", "EVAL_RO"]), rng.choice(SCRIPTS), rng.choice(["0", "1", "1", "2", number]), key, value],
        lambda: [rng.choice(["EVALSHA", "EVALSHA_RO"]), rng.choice(SHAS), rng.choice(["0", "1", "1", number]), key, value],
        lambda: ["SCRIPT"] + rng.choice([["LOAD", rng.choice(SCRIPTS)], ["EXISTS"] + SHAS, ["FLUSH"], ["KILL"], ["nosuch"]]),
        lambda: rng.choice([["RESET"], ["QUIT"], ["NOSUCH", key]]),
    ])()


def stream(rng):
    parts = []
    for _ in range(rng.randint(1, 40)):
        if rng.random() < 0.05:
            parts.append(rng.choice([b"PING\r\n", b"GET k1\r\n", b'SET "a\\x00b" \'c d\'\n', b"\r\n", b"*0\r\n", b"*-1\r\n"]))
        else:
            parts.append(command(*words(rng)))
    return b"".join(parts)


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5, 20])):
        at = rng.randrange(len(data)) if data else 0
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.choice([1, 1, 2, 10, 1000])]
        elif kind == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 200)]
        elif kind == 4:
            data[at:at] = rng.choice([b"\r\n", b"\n", b"\0", b"$", b"*", b"$-1\r\n", b"*1000000\r\n",
                                      b"$536870912\r\n", b"$99999999999999999999\r\n", b'"', b"*2147483647\r\n"])
        elif kind == 5:
            other = stream(rng)
            data[at:] = other[rng.randrange(len(other)) :]
        elif data:
            # A length that does not fit what follows.
            line = data.find(b"$", at)
            if line >= 0 and line + 1 < len(data):
                data[line + 1 : line + 2] = str(rng.choice([0, 1, 9, 99, 70000])).encode()
    return bytes(data)


class Attacker:
    def __init__(self, rng):
        self.rng = rng
        self.sock = socket.socket()
        self.sock.connect(("127.0.0.1", door.options.port))
        self.sock.setblocking(False)
        login = command("AUTH", door.options.password) + command("SELECT", 1) if rng.random() < 0.9 else b""
        self.data = login + damage(rng, stream(rng))
        self.at = 0
        self.reads = rng.random() < 0.9
        self.leaves_at = rng.randrange(len(self.data) + 1) if rng.random() < 0.3 else None
        self.lives = rng.randint(20, 200)
        self.half_closed = False

    def step(self):
        """False when it is over."""
        self.lives -= 1
        try:
            if self.reads:
                try:
                    if self.sock.recv(1 << 16) == b"":
                        return False
                except BlockingIOError:
                    pass
            if self.at < len(self.data):
                size = self.rng.choice([1, 2, 7, 100, 5000, 1 << 20])
                self.at += self.sock.send(self.data[self.at : self.at + size])
            elif not self.half_closed and self.rng.random() < 0.3:
                self.half_closed = True
                self.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            return False
        if self.leaves_at is not None and self.at >= self.leaves_at:
            return False
        return self.lives > 0

    def leave(self):
        if self.rng.random() < 0.3:
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        self.sock.close()


@patience(1000)
def fuzz():
    rng = random.Random(door.options.seed)
    note("seed %d, %g s" % (door.options.seed, door.options.seconds))
    until = time.monotonic() + door.options.seconds
    streams = clean = 0
    with Watch() as watch, Client() as flusher:
        flusher.call("SELECT", 1)
        attackers = [Attacker(rng) for _ in range(CONNECTIONS)]
        while time.monotonic() < until:
            index = rng.randrange(CONNECTIONS)
            if not attackers[index].step():
                attackers[index].leave()
                attackers[index] = Attacker(rng)
                streams += 1
                if streams % 500 == 0:
                    flusher.call("FLUSHDB")
                if streams % 100 == 0:
                    clean += flusher.call("PING") == "PONG"
        for attacker in attackers:
            attacker.leave()
    note("%d streams" % streams)
    ok(clean == streams // 100 and streams > 100, "the server answers all the while")
    # Buffers of 32 MB, a turn's values of as much again, and what a write set takes.
    watch.bounded(96 * MB, "its memory is bounded")
    ok(wait_until(lambda: info("connected_clients") <= 3), "it has forgotten the connections")
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "and their buffers")


begin(__doc__)
run([fuzz])
