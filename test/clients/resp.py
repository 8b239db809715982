# SPDX-License-Identifier: PostgreSQL
"""resp.py: one connection to a Redis server, byte for byte, with the standard library alone.

Tests that compare what two servers answer must not look through a client library, which would hide
or mend what differs. A reply here is the bytes that came, and beside them the same thing taken apart.
"""

import re
import socket


class Closed(ConnectionError):
    """The server has closed the connection."""


class Error(str):
    """An error reply."""


class Reply:
    """A reply: `raw`, its bytes; `kind`, its first one; `value`, what it says.

    Aggregates have a list of replies as their value, maps and attributes one of pairs.
    """

    def __init__(self, raw, kind, value):
        self.raw, self.kind, self.value = raw, kind, value

    def plain(self):
        """The value without the types: bytes, int, None, Error, lists, and dicts for maps."""
        if self.kind in "*~>" and self.value is not None:
            return [item.plain() for item in self.value]
        if self.kind == "%":
            return {key.plain(): value.plain() for key, value in self.value}
        return self.value

    def __repr__(self):
        shown = repr(self.raw)
        return shown if len(shown) <= 300 else f"{shown[:300]}… ({len(self.raw)} bytes)"


def encode(*words):
    """A command as clients send it."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Connection:
    def __init__(self, address, timeout=30):
        """address: a path, or (host, port)."""
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def call(self, *words):
        self.send(encode(*words))
        return self.reply()

    def _line(self):
        try:
            line = self.file.readline()
        except ConnectionError:
            line = b""
        if not line.endswith(b"\r\n"):
            raise Closed(f"closed after {line!r}")
        return line

    def _many(self, raw, count):
        items = [self.reply() for _ in range(count)]
        return b"".join([raw] + [item.raw for item in items]), items

    def reply(self):
        raw = self._line()
        kind, rest = raw[:1].decode("latin-1"), raw[1:-2]
        if kind == "-":
            return Reply(raw, kind, Error(rest.decode("latin-1")))
        if kind == ":":
            return Reply(raw, kind, int(rest))
        if kind in "+,(#":
            return Reply(raw, kind, rest)
        if kind == "_":
            return Reply(raw, kind, None)
        if kind not in "$=!*~>%|" or not re.fullmatch(rb"-1|\d+", rest):
            raise ValueError(f"not a reply: {raw!r}")
        count = int(rest)
        if count < 0:
            return Reply(raw, kind, None)
        if kind in "$=!":
            body = self.file.read(count + 2)
            if len(body) != count + 2 or not body.endswith(b"\r\n"):
                raise Closed(f"closed within a string of {count} bytes")
            return Reply(raw + body, kind, body[:-2])
        if kind in "%|":
            raw, items = self._many(raw, count * 2)
            return Reply(raw, kind, list(zip(items[::2], items[1::2])))
        raw, items = self._many(raw, count)
        return Reply(raw, kind, items)

    def rest(self):
        """Everything until the server closes."""
        try:
            return self.file.read()
        except ConnectionError:
            return b""
