# SPDX-License-Identifier: PostgreSQL
"""queues_wire.py: connections that are lost and opened again, many in one process; see queues.py.

What a client does is a generator: it yields a list of commands, which are sent together, and is given
their replies; or it yields a number, when nothing of it is under way, and is called again after so many
seconds, if it is to run then. When the connection is lost while it waits, Lost is raised there, with the replies that
had come; the client connects again and begins its work anew.
"""

import selectors
import socket
import time

from acked import command

RETRY = 0.02  # seconds between attempts to connect
ROOM = 1 << 20


class Lost(Exception):
    def __init__(self, replies):
        super().__init__("the connection was lost")
        self.replies = replies


class Refusal:
    """An error that a command was answered with."""

    def __init__(self, text):
        self.text = text


class Incomplete(Exception):
    pass


class Replies:
    """Bytes that came, and the replies in them."""

    def __init__(self):
        self.bytes = b""

    def line(self, at):
        end = self.bytes.find(b"\r\n", at)
        if end < 0:
            raise Incomplete
        return self.bytes[at:end], end + 2

    def parse(self, at):
        line, at = self.line(at)
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest, at
        if kind == b":":
            return int(rest), at
        if kind == b"-":
            return Refusal(rest.decode(errors="replace")), at
        if kind not in b"$*" or not line:
            raise ValueError(f"a reply that was not expected: {line!r}")
        count = int(rest)
        if count < 0:
            return None, at
        if kind == b"$":
            if len(self.bytes) < at + count + 2:
                raise Incomplete
            return self.bytes[at : at + count], at + count + 2
        replies = []
        for _ in range(count):
            reply, at = self.parse(at)
            replies.append(reply)
        return replies, at

    def take(self):
        """All that are complete."""
        at = 0
        while at < len(self.bytes):
            try:
                reply, at = self.parse(at)
            except Incomplete:
                break
            yield reply
        self.bytes = self.bytes[at:]


def open_socket(port):
    sock = socket.create_connection(("127.0.0.1", port), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Client:
    """begin is called after each login, and gives what the client does."""

    def __init__(self, loop, name, begin):
        self.loop = loop
        self.name = name
        self.begin = begin
        self.sock = None
        self.work = None
        self.retry_at = 0
        self.busy = False
        self.id = 0
        loop.clients.append(self)

    def connect(self):
        self.retry_at = time.monotonic() + RETRY
        try:
            self.sock = open_socket(self.loop.port)
        except OSError:
            return
        self.sock.setblocking(False)
        self.input = Replies()
        self.output = b""
        self.loop.selector.register(self.sock, selectors.EVENT_READ, self)
        self.work = self.session()
        self.step(self.work.send, None)

    def session(self):
        login, number = yield [("AUTH", self.loop.password), ("CLIENT", "ID")]
        if login != b"OK":
            raise Lost([])
        self.id = number
        yield from self.begin(self)

    def step(self, resume, value):
        """Goes on with the work up to where it waits again."""
        try:
            wanted = resume(value)
        except Lost:
            self.close()
            return
        self.busy = isinstance(wanted, list)
        if not self.busy:
            self.rests_until = time.monotonic() + wanted
            return
        self.wanted = len(wanted)
        self.replies = []
        self.output += b"".join(command(*words) for words in wanted)
        self.send()

    def send(self):
        try:
            self.output = self.output[self.sock.send(self.output) :]
        except BlockingIOError:
            pass
        except OSError:
            self.lose()
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.output else 0)
        self.loop.selector.modify(self.sock, events, self)

    def receive(self):
        try:
            data = self.sock.recv(ROOM)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lose()
            return
        self.input.bytes += data
        for reply in self.input.take():
            if isinstance(reply, Refusal) and reply.text.startswith("LOADING"):
                self.lose()
                return
            self.replies.append(reply)
        if self.busy and len(self.replies) >= self.wanted:
            self.step(self.work.send, self.replies)

    def lose(self):
        work, self.work = self.work, None
        if self.busy:
            self.loop.known.count["lost"] += 1
            try:
                work.throw(Lost(self.replies))
            except Lost:
                pass
        self.close()

    def close(self):
        if self.sock:
            self.loop.selector.unregister(self.sock)
            self.sock.close()
        self.sock = self.work = None
        self.busy = False


class Loop:
    def __init__(self, port, password, known):
        self.port = port
        self.password = password
        self.known = known
        self.selector = selectors.DefaultSelector()
        self.clients = []
        self.running = []  # those of the clients that begin anything

    def turn(self, seconds):
        for key, events in self.selector.select(seconds):
            if not isinstance(key.data, Client):
                continue
            if events & selectors.EVENT_READ:
                key.data.receive()
            if events & selectors.EVENT_WRITE and key.data.sock:
                key.data.send()
        now = time.monotonic()
        for client in self.running:
            if not client.sock and now >= client.retry_at:
                client.connect()
            elif client.work and not client.busy and now >= client.rests_until:
                client.step(client.work.send, None)


class Control:
    """A connection for one question after the other, while the load pauses."""

    def __init__(self, loop):
        self.sock = open_socket(loop.port)
        self.input = Replies()
        self.ask([("AUTH", loop.password)])

    def ask(self, commands):
        self.sock.sendall(b"".join(command(*words) for words in commands))
        replies = []
        while len(replies) < len(commands):
            data = self.sock.recv(ROOM)
            if not data:
                raise ConnectionError("the server closed the connection during the check")
            self.input.bytes += data
            replies.extend(self.input.take())
        return replies

    def run(self, work):
        """What a client's generator does, up to its end."""
        wanted = next(work)
        try:
            while True:
                wanted = work.send(self.ask(wanted) if isinstance(wanted, list) else None)
        except StopIteration as end:
            return end.value

    def close(self):
        self.sock.close()
