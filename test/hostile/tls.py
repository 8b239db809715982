#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""tls.py: what can be done to the TLS port, beside an innocent client of the port without.

A Wire is a connection whose records the test holds in its hands: it can send a part of them, or other
bytes in their place. The certificates are not looked at here; 067_tls.pl does that.

  --allowed N     the server is known to take only so many clients; the surplus must be told, by TLS
  --fits N        its buffers are so small that at most N connections fit; the surplus is disconnected
  --timeout N     its authentication_timeout is so many seconds, short enough to wait for
"""

import hashlib
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import door
from door import (CRLF, MB, Client, Watch, begin, command, cpu_seconds, equal, info, note, ok, patience, run,
                  status, wait_until)

IDLE_BYTES = 32 * 1024    # what an idle connection may cost
HALF_OPEN = 5000
BEGUN_MAX = 1000          # as in src/kv/net/tls.c
PLAIN_WORDS = b"-ERR Protocol error: this port speaks TLS; use rediss://, or the port without TLS\r\n"
TLS_WORDS = b"-ERR Protocol error: this port does not speak TLS; use redis://, or the port for TLS\r\n"
REFUSAL = b"-ERR max number of clients reached\r\n"


def flag(name):
    """An option of this program alone, taken off before the common ones are read."""
    if name not in sys.argv:
        return 0
    at = sys.argv.index(name)
    value = int(sys.argv[at + 1])
    del sys.argv[at : at + 2]
    return value


allowed, fits, timeout = flag("--allowed"), flag("--fits"), flag("--timeout")
begin(__doc__)


def context(version=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if version:
        made.maximum_version = version
    return made


ANY, OLD = context(), context(ssl.TLSVersion.TLSv1_2)


class TlsClient(Client):
    def __init__(self, login=True, timeout=60, receive_buffer=None, with_context=ANY):
        super().__init__(False, timeout, receive_buffer, door.options.tls_port)
        try:
            self.sock = with_context.wrap_socket(self.sock)
        except Exception:
            self.sock.close()
            raise
        if login:
            self.call("AUTH", door.options.password)

    def exchange(self, data, count):
        """Sends data while it reads, and returns the next count bytes. In one thread, because a write of one
        and a read of another share what OpenSSL knows of the socket: one of them would see an end that is none."""
        seconds, at, got = self.sock.gettimeout(), 0, bytearray()
        self.sock.setblocking(False)
        while len(got) < count:
            moved = False
            try:
                at += self.sock.send(memoryview(data)[at : at + MB]) if at < len(data) else 0
                moved = at < len(data)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            try:
                more = self.sock.recv(min(count - len(got), MB))
                if not more:
                    raise EOFError("connection closed")
                got += more
                moved = True
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            if not moved and not any(select.select([self.sock], [self.sock] if at < len(data) else [], [], seconds)):
                raise TimeoutError("neither takes nor gives, %d bytes sent, %d received" % (at, len(got)))
        self.sock.settimeout(seconds)
        return bytes(got)


class Wire:
    """TLS without a socket of its own: what would be sent is in our hands."""

    def __init__(self, with_context=ANY):
        self.sock = socket.create_connection(("127.0.0.1", door.options.tls_port), 30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.theirs, self.ours = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = with_context.wrap_bio(self.theirs, self.ours)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def hello(self):
        """The first message of a handshake, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.ours.read()

    def shake_hands(self, send=None):
        send = send or self.sock.sendall
        while True:
            try:
                self.tls.do_handshake()
                send(self.ours.read())
                return
            except ssl.SSLWantReadError:
                send(self.ours.read())
                self.more()

    def more(self):
        got = self.sock.recv(1 << 16)
        if not got:
            raise EOFError("connection closed")
        self.theirs.write(got)

    def records(self, data):
        """Data as the records that would be sent."""
        self.tls.write(data)
        return self.ours.read()

    def read(self):
        """What comes next; b"" after a goodbye. EOFError if the connection ends without one."""
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self.more()
            except ssl.SSLZeroReturnError:
                return b""

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.read()
            if not more:
                raise EOFError("said goodbye")
            data += more
        return data

    def login(self):
        self.sock.sendall(self.records(command("AUTH", door.options.password)))
        return self.exactly(5)


def gone(sock, seconds=10):
    """Whether the other side closes."""
    sock.settimeout(seconds)
    try:
        while sock.recv(1 << 16):
            pass
        return True
    except socket.timeout:
        return False
    except OSError:
        return True


def settled():
    """Nobody is connected but an innocent client and who asks, and nothing is kept for anybody."""
    ok(wait_until(lambda: info("connected_clients") <= 2, 30), "all are gone")
    ok(wait_until(lambda: info("mem_clients_normal") < MB, 10), "and their memory")


# ---- handshakes ----------------------------------------------------------------------------------


@patience(1000)
def idle():
    """Many that have shaken hands and say nothing."""
    count = 1000
    with Watch() as watch:
        crowd = [TlsClient(login=False) for _ in range(count)]
        time.sleep(0.2)
        before = cpu_seconds()
        time.sleep(1)
        spent = cpu_seconds() - before
    ok(watch.grown / count <= IDLE_BYTES, "an idle connection costs 32 kB at most")
    note("%.1f kB each; %d handshakes" % (watch.grown / count / 1024, info("pgfirst_tls_handshakes")))
    counted = info("mem_clients_normal") / count
    ok(watch.grown / count / 2 < counted <= IDLE_BYTES, "and is counted as about that")
    note("%.1f kB counted" % (counted / 1024))
    ok(spent < 0.6, "and no time")
    equal(sum(client.call("PING") != door.Error("NOAUTH Authentication required.") for client in crowd), 0,
          "each is answered when it asks")
    for client in crowd:
        client.close()
    settled()


@patience(2000)
def half_open():
    """Five thousand who begin and do not go on: silent, with a byte, with a whole first message."""
    firsts = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", Wire().hello()]
    crowd = []
    with Watch() as watch:
        for number in range(HALF_OPEN):
            sock = socket.create_connection(("127.0.0.1", door.options.tls_port), 30)
            first = firsts[number % 4] if number < HALF_OPEN - 1500 else firsts[3]
            if first:
                sock.sendall(first)
            crowd.append(sock)
            if number % 500 == 499:
                with TlsClient() as client:
                    ok(client.call("PING") == "PONG", "beside %d that begin, another finishes" % (number + 1))
    # The struct of each, and a handshake of each of those that may begin at a time.
    watch.bounded(HALF_OPEN * 4096 + BEGUN_MAX * 64 * 1024, "their memory is bounded")
    silent = (HALF_OPEN - 1500) // 4
    ok(wait_until(lambda: info("connected_clients") <= silent + BEGUN_MAX + 3), "of those that begin a thousand stay")
    note("%d of %d stay" % (info("connected_clients") - 2, HALF_OPEN))
    for sock in crowd:
        sock.close()
    settled()


def late():
    """authentication_timeout is so many seconds: who has not finished by then has lost, with a byte or without."""
    silent, begun, done = Wire(), Wire(), Wire()
    done.shake_hands()
    begun.sock.sendall(begun.hello()[:20])
    begin_at = time.monotonic()
    ok(gone(silent.sock) and gone(begun.sock), "who does not finish is disconnected")
    seconds = time.monotonic() - begin_at
    ok(timeout / 3 < seconds < timeout + 10, "after its time")
    note("%.1f s" % seconds)
    done.sock.settimeout(1)
    equal(done.login(), b"+OK\r\n", "who has finished stays")
    done.sock.close()


def slowly():
    """Byte by byte, a hundred at a time."""

    def one():
        with Wire() as wire:
            def dribble(data):
                for at in range(len(data)):
                    wire.sock.sendall(data[at : at + 1])
                    time.sleep(0.001)

            wire.shake_hands(dribble)
            dribble(wire.records(command("AUTH", door.options.password) + command("PING")))
            good.append(wire.exactly(12) == b"+OK\r\n+PONG\r\n")

    good = []
    threads = [threading.Thread(target=one) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(good, [True] * 100, "a handshake may come byte by byte")


@patience(2000)
def burst():
    """Nine hundred first messages at the same moment: a second of work, beside which others are served."""
    hello = Wire(OLD).hello()  # which has to be answered with a signature
    crowd = [socket.create_connection(("127.0.0.1", door.options.tls_port), 30) for _ in range(900)]
    wait_until(lambda: info("connected_clients") >= len(crowd))
    with Client() as client:
        client.call("PING")
        os.kill(door.options.pid, signal.SIGSTOP)
        for sock in crowd:
            sock.sendall(hello)
        os.kill(door.options.pid, signal.SIGCONT)
        waiting, pings, began = select.poll(), 0, time.monotonic()
        for sock in crowd:
            waiting.register(sock, select.POLLIN)
        left = len(crowd)
        while left > 0 and time.monotonic() < began + 60:
            client.call("PING")
            pings += 1
            for number, _ in waiting.poll(0) if pings % 5 == 0 else []:
                waiting.unregister(number)
                left -= 1
    note("%d commands beside them, in %.2f s" % (pings, time.monotonic() - began))
    equal(left, 0, "all are answered")
    # A round for each two hundred of them if they were not held back.
    ok(pings >= 40, "and others between them")
    for sock in crowd:
        sock.close()
    settled()


@patience(1000)
def flood():
    """Handshakes, as fast as four threads can."""
    until = time.monotonic() + min(door.options.seconds, 4)
    counts = [0] * 4

    def one(index):
        while time.monotonic() < until:
            client = TlsClient(login=False, with_context=OLD if counts[index] % 2 else ANY)
            if counts[index] % 3:
                client.close()
            else:
                client.reset()
            counts[index] += 1

    before = cpu_seconds()
    with Watch() as watch:
        threads = [threading.Thread(target=one, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    note("%d handshakes, %.2f ms of the worker each, the innocent client's share included"
         % (sum(counts), (cpu_seconds() - before) * 1000 / sum(counts)))
    ok(sum(counts) > 100, "handshakes are done")
    watch.bounded(32 * MB, "without leaving memory")
    settled()


# ---- the wrong port ------------------------------------------------------------------------------


def plain_text():
    """What speaks no TLS hears of it, and is gone."""
    for first in (command("AUTH", door.options.password), b"PING\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0", b"\x80\x2e\x01"):
        sock = socket.create_connection(("127.0.0.1", door.options.tls_port), 30)
        sock.sendall(first)
        got = b""
        try:
            while more := sock.recv(1000):
                got += more
        except OSError:
            pass
        equal(got, PLAIN_WORDS, "%r is told that this is TLS" % first[:10])
        sock.close()
    settled()


def tls_on_the_other_port():
    """A handshake on the port without, at once and byte by byte, and somebody's records."""
    for pause in (None, 0.001):
        hello = Wire().hello()
        client = Client(login=False)
        try:
            for byte in [hello] if pause is None else [hello[at : at + 1] for at in range(len(hello))]:
                client.send(byte)
                time.sleep(pause or 0)
        except OSError:
            pass
        equal(client.rest(), TLS_WORDS, "a handshake on the port without TLS is told so")
    try:
        ANY.wrap_socket(Client(login=False).sock)
        words = "it works"
    except ssl.SSLError as error:
        words = error.reason
    equal(words, "WRONG_VERSION_NUMBER", "its library says what is wrong")
    with Client() as client:
        equal(client.call("SET", "k", b"\x16\x03\x01"), "OK", "the byte is allowed anywhere else")
    settled()


# ---- records -------------------------------------------------------------------------------------


def goodbye():
    """Who says goodbye gets all its answers and a goodbye."""
    for with_context in (ANY, OLD):
        with Wire(with_context) as wire:
            wire.shake_hands()
            wire.login()
            data = wire.records(command("SET", "bye", "1") * 100)
            try:
                wire.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
            wire.sock.sendall(data + wire.ours.read())
            # After its own goodbye Python reads no more of it: only that the other side ends in order.
            raw = b""
            while more := wire.sock.recv(1 << 16):
                raw += more
            ok(len(raw) > 500, "the answers to what came before are sent")
        with Wire(with_context) as wire:
            wire.shake_hands()
            wire.login()
            wire.sock.sendall(wire.records(command("QUIT")))
            equal(wire.exactly(5), b"+OK\r\n", "QUIT is answered")
            equal(wire.read(), b"", "and followed by a goodbye")
    settled()


def cut():
    """The connection ends in the middle of a record, a handshake, a command: what was whole is done."""
    with Client() as other:
        for number, kind in enumerate(("FIN", "RST") * 2):
            other.call("SET", "cut", "before")
            with Wire() as wire:
                wire.shake_hands()
                wire.login()
                whole = wire.records(command("SET", "cut", "whole%d" % number))
                half = wire.records(command("SET", "cut", "half"))
                wire.sock.sendall(whole + half[: 5 + number])
                equal(wire.exactly(5), b"+OK\r\n", "what came whole is done")
                if kind == "RST":
                    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            equal(other.call("GET", "cut"), b"whole%d" % number, "and what was cut by %s is not" % kind)
    hello = Wire().hello()
    for length in (1, 4, 5, 6, 50, len(hello) - 1):
        with Wire() as wire:
            wire.sock.sendall(hello[:length])
            wire.sock.shutdown(socket.SHUT_WR)
            ok(gone(wire.sock), "a handshake that ends after %d bytes is over" % length)
    settled()


def garbage():
    """Damaged records end the connection, with an alert where there still can be one."""
    rng = random.Random(door.options.seed)
    cases = {
        "a flipped bit": lambda r: r[:20] + bytes([r[20] ^ 1]) + r[21:],
        "a length that is too large": lambda r: r[:3] + b"\xff\xff" + r[5:],
        "an unknown type of record": lambda r: b"\x63" + r[1:],
        "a record twice": lambda r: r + r,
        "bytes by chance": lambda r: bytes(rng.randrange(256) for _ in range(1000)),
        "a handshake within": lambda r: Wire().hello(),
        "an alert by chance": lambda r: b"\x15\x03\x03\x00\x02\x02\x28",
    }
    for name, damage in cases.items():
        for with_context in (ANY, OLD):
            with Wire(with_context) as wire:
                wire.shake_hands()
                wire.login()
                wire.sock.sendall(damage(wire.records(command("SET", "garbage", "x"))))
                ok(gone(wire.sock), "%s ends the connection" % name)
    settled()


@patience(1000)
def fuzz():
    """Damaged handshakes and damaged records, for a while."""
    rng = random.Random(door.options.seed)
    note("seed %d, %g s" % (door.options.seed, door.options.seconds))

    def damage(data):
        data = bytearray(data)
        for _ in range(rng.choice([0, 1, 1, 2, 5])):
            at = rng.randrange(len(data)) if data else 0
            kind = rng.randrange(5)
            if kind == 0 and data:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at : at + rng.choice([1, 1, 10, 1000])]
            elif kind == 2:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 40)))
            elif kind == 3:
                data[at:at] = data[: rng.randint(1, 400)]
            else:
                del data[at:]
        return bytes(data)

    def attack():
        with Wire(rng.choice([ANY, OLD])) as wire:
            wire.sock.settimeout(rng.choice([0.005, 0.02, 0.1]))
            if rng.random() < 0.4:
                wire.shake_hands(lambda data: wire.sock.sendall(damage(data)))
            else:
                wire.shake_hands()
                stream = command("AUTH", door.options.password) + command("SET", "fuzz", "x" * rng.choice([1, 100, 40000]))
                for _ in range(rng.randint(1, 5)):
                    wire.sock.sendall(damage(wire.records(stream)) if rng.random() < 0.7 else wire.records(stream))
                if rng.random() < 0.5:
                    wire.sock.shutdown(socket.SHUT_WR)
                if rng.random() < 0.7:
                    wire.read()

    until, streams, answered = time.monotonic() + door.options.seconds, 0, 0
    with Watch() as watch, Client() as client:
        while time.monotonic() < until:
            try:
                attack()
            except (OSError, EOFError):  # ssl.SSLError among them
                pass
            streams += 1
            if streams % 20 == 0:
                answered += client.call("PING") == "PONG"
    note("%d streams" % streams)
    ok(streams > 50 and answered == streams // 20, "the server answers all the while")
    watch.bounded(32 * MB, "its memory is bounded")
    settled()


# ---- amounts -------------------------------------------------------------------------------------


@patience(2000)
def pipelines():
    """Four clients with 30,000 commands in a piece each, and a large value, back and forth."""
    count = 30000

    def one(name):
        try:
            with TlsClient(receive_buffer=65536) as client:
                data = b"".join(command("SET", "%s%d" % (name, i % 1000), "v%d" % i) for i in range(count))
                answered.append(client.exchange(data, 5 * count) == b"+OK\r\n" * count)
                client.send(b"".join(command("GET", "%s%d" % (name, i)) for i in range(1000)))
                done.append(all(client.reply() == b"v%d" % (count - 1000 + i) for i in range(1000)))
        except (OSError, EOFError) as error:
            note("%s: %s" % (name, error))

    answered, done = [], []
    threads = [threading.Thread(target=one, args=(name,)) for name in "abcd"]
    with Watch() as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    equal(answered, [True] * 4, "30,000 pipelined commands of each of four are answered")
    equal(done, [True] * 4, "and have been done")
    watch.bounded(64 * MB, "in bounded memory")
    value = random.Random(1).randbytes(8 * MB)
    with TlsClient() as client, TlsClient(receive_buffer=4096) as reader:
        equal(client.call("SET", "large", value), "OK", "a value of 8 MB is taken")
        ok(hashlib.sha256(client.call("GET", "large")).digest() == hashlib.sha256(value).digest(), "and given back")
        # Slowly, with a small window.
        reader.send(command("GET", "large"))
        digest, total = hashlib.sha256(), 0
        reader.line()
        while total < 4 * MB:
            part = reader.exactly(10000)
            digest.update(part)
            total += len(part)
            if total % 1000000 < 10000:
                time.sleep(0.05)
        ok(digest.digest() == hashlib.sha256(value[:total]).digest(), "a slow reader gets the same")
        client.call("DEL", "large")
    settled()


@patience(1000)
def never_reads():
    """Sends on and on, and reads nothing: it is stopped, and costs what one without TLS costs."""
    with TlsClient(receive_buffer=4096) as client, Watch() as watch:
        client.call("SET", "much", "x" * 10000)
        client.sock.settimeout(1)
        sent = 0
        try:
            while sent < 512 * MB:
                sent += client.sock.send(command("GET", "much") * 1000)
        except OSError:
            pass
        note("%.1f MB were taken before the sender was stopped" % (sent / MB))
        ok(sent < 64 * MB, "it is stopped")
        ok(info("mem_clients_normal") < 4 * MB, "and little is kept for it")
        client.reset()
    watch.bounded(32 * MB, "in bounded memory")
    settled()


# ---- what comes after the handshake --------------------------------------------------------------


def s_client(words, wanted, *arguments):
    """openssl's own client, which knows how to ask for new keys (K) and a new handshake (R), logged in; a word at a
    time, or it would take them for one. What it has printed when `wanted` is in it or it has ended, and whether it had
    not ended."""
    with subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % door.options.tls_port, "-nbio", *arguments],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        out = []
        reader = threading.Thread(target=lambda: out.extend(iter(lambda: process.stdout.read1(1 << 16), b"")))
        reader.start()
        try:
            process.stdin.write(b"AUTH %s\r\n" % door.options.password.encode())
            process.stdin.flush()
            wait_until(lambda: b"+OK" in b"".join(out))
            for word in words:
                process.stdin.write(word)
                process.stdin.flush()
                time.sleep(0.03)
        except OSError:
            pass
        wait_until(lambda: process.poll() is not None or wanted and wanted(b"".join(out)), 10)
        alive = process.poll() is None
        try:
            process.stdin.close()
        except OSError:
            pass
        process.kill()
        reader.join()
        return b"".join(out), alive


def new_keys():
    ping = b"PING\r\n"
    out, alive = s_client([ping] + [b"K\n", ping] * 5, lambda out: out.count(b"+PONG") == 6, "-tls1_3")
    ok(alive and out.count(b"+PONG") == 6, "new keys now and then are agreed on")
    out, alive = s_client([ping] + [b"K\n"] * 60, None, "-tls1_3")
    ok(out.count(b"+PONG") == 1, "who begins well")
    ok(not alive, "and then wants nothing but new keys is disconnected")
    refused = b"no renegotiation"
    out, alive = s_client([ping, b"R\n", ping], lambda out: refused in out, "-tls1_2")
    ok(out.count(b"+PONG") == 1 and refused in out, "a new handshake within the old one is refused")
    settled()


# ---- too many ------------------------------------------------------------------------------------


def surplus():
    """More than the server takes: the others are told, by TLS, and the first stay."""
    first = TlsClient()

    def rejections():
        return int(first.call("INFO", "stats").decode().split("rejected_connections:")[1].split()[0])

    crowd = [TlsClient(login=False) for _ in range(allowed - info("connected_clients") + 1)]
    rejected = rejections()
    told = []
    for _ in range(20):
        client = TlsClient(login=False)
        told.append(client.rest())
        client.close()
    equal(set(told), {REFUSAL}, "whoever is too many is told, by TLS")
    with TlsClient(login=False, timeout=5) as client:
        client.sock.settimeout(5)
        equal(client.line() + CRLF, REFUSAL, "still")
    many = [socket.create_connection(("127.0.0.1", door.options.tls_port), 30) for _ in range(200)]
    ok(first.call("PING") == "PONG",
       "the first stay, also beside 200 that would have to be told and say nothing")
    for sock in many:
        sock.close()
    crowd.pop().close()
    def again():
        try:
            with TlsClient(timeout=5) as client:
                return client.call("PING") == "PONG"
        except (OSError, EOFError):
            return False
    ok(wait_until(again), "as soon as one leaves, another comes in")
    ok(rejections() >= rejected + 21, "they are counted")
    for client in [first] + crowd:
        client.close()


surplus.alone = True


def is_there(client):
    try:
        return client.call("PING") == door.Error("NOAUTH Authentication required.")
    except (OSError, EOFError):
        return False


def no_room():
    """Connections for which there is no memory are refused, not those that are there."""
    with Client() as first, TlsClient() as second:
        first.call("SET", "k", "v")
        crowd, refused = [], 0
        for _ in range(fits + 200):
            try:
                crowd.append(TlsClient(login=False, timeout=10))
            except (OSError, EOFError):
                refused += 1
        note("%d taken, %d refused" % (len(crowd), refused))
        # Who comes takes the place of one that has not logged in, or is refused.
        alive = sum(map(is_there, crowd))
        note("%d are there" % alive)
        ok(refused > 0 and fits / 2 < alive <= fits, "as many come in as there is memory for")
        # Whoever has logged in and needs a buffer takes it from one of them.
        equal([first.call("GET", "k"), second.call("GET", "k")], [b"v", b"v"], "who had logged in stays")
        for client in crowd:
            client.close()
    settled()


run([surplus] if allowed else [no_room] if fits else
    [late] if timeout else
    [idle, half_open, slowly, burst, flood, plain_text, tls_on_the_other_port, goodbye, cut, garbage, fuzz, pipelines,
     never_reads, new_keys])
