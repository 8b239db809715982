# SPDX-License-Identifier: PostgreSQL
"""hashes.py: random commands on hashes; see typed.py."""

from typed import Typed


class Hashes(Typed):
    type = b"hash"
    options = [b"WITHVALUES", b"COUNT", b"MATCH"]
    reads, has_values, scan, random = (b"HGETALL", None), True, b"HSCAN", b"HRANDFIELD"
    few = 6
    as_they_are = frozenset([b"HRANDFIELD", b"HSCAN"])

    def value(self):
        return self.pick([b"%d" % self.chance.randrange(-100, 100), b"1.5", b"9223372036854775807", b" 1", b"abc", self.text(), self.text()])

    def field(self):
        return [self.key(), self.member()]

    def number(self):
        return self.pick([b"1", b"1", b"-5", b"100", b"x", b"1.0", b"9223372036854775807", b"-9223372036854775808"])

    def float(self):
        return self.pick([b"1", b"0.25", b"-3e2", b"1e-17", b"x", b"inf", b"nan", b"1e4932"])

    def commands(self):
        return {
            b"HSET": (8, lambda: [self.key(), *self.many(lambda: [self.member(), self.value()], 5)]),
            b"HMSET": (2, lambda: [self.key(), *self.many(lambda: [self.member(), self.value()], 5)]),
            b"HSETNX": (2, lambda: [*self.field(), self.value()]),
            b"HGET": (3, self.field),
            b"HEXISTS": (2, self.field),
            b"HSTRLEN": (2, self.field),
            b"HMGET": (3, lambda: [self.key(), *self.many(lambda: [self.member()], 12)]),
            b"HDEL": (5, lambda: [self.key(), *self.many(lambda: [self.member()], 20)]),
            b"HGETALL": (2, lambda: [self.key()]),
            b"HKEYS": (1, lambda: [self.key()]),
            b"HVALS": (1, lambda: [self.key()]),
            b"HLEN": (2, lambda: [self.key()]),
            b"HINCRBY": (4, lambda: [*self.field(), self.number()]),
            b"HINCRBYFLOAT": (4, lambda: [*self.field(), self.float()]),
            b"HSCAN": (2, lambda: [self.key(), *self.cursor()]),
            b"HRANDFIELD": (2, lambda: [self.key(), *self.pick([
                [], [b"3"], [b"-3"], [b"0"], [b"x"], [b"2", b"WITHVALUES"], [b"-5", b"withvalues"], [b"2", b"bogus"], [b"1", b"WITHVALUES", b"x"],
                [b"-9223372036854775808"], [b"-9223372036854775807", b"WITHVALUES"]])]),
        }

    def grow(self):
        return [b"HSET", self.key(), *[word for i in range(80) for word in (b"m%d" % i, self.pick([b"%d" % i, self.text()]))]]
