# SPDX-License-Identifier: PostgreSQL
"""lists.py: random commands on lists; see typed.py."""

from typed import Typed


class Lists(Typed):
    type = b"list"
    options = [b"LEFT", b"RIGHT", b"BEFORE", b"AFTER", b"COUNT", b"RANK", b"MAXLEN"]
    reads = (b"LRANGE", None, b"0", b"-1")
    # With another timeout they would wait.
    as_they_are = frozenset([b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP"])

    def element(self):
        return self.pick([b"e%d" % self.chance.randrange(12), b"e%d" % self.chance.randrange(12), self.text()])

    def elements(self, most):
        return [self.key(), *self.many(lambda: [self.element()], most)]

    def end(self):
        return self.pick([b"LEFT", b"RIGHT", b"left", b"Right"] * 5 + [b"UP", b""])

    def count(self):
        return self.pick([b"0", b"1", b"-1", b"2", b"-3", b"2", b"x"])

    def timeout(self):
        return self.pick([b"0.001"] * 8 + [b"1e-6", b"x", b"-1", b"", b"1e20", b"inf", b"nan", b"-0.5"])

    def pop_options(self):
        return [*self.counted_keys(), self.end(), *self.pick([
            [], [], [b"COUNT", b"3"], [b"count", b"100"], [b"COUNT", b"0"], [b"COUNT", b"-1"], [b"COUNT", b"x"], [b"COUNT"], [b"bogus", b"1"],
            [b"COUNT", b"1", b"COUNT", b"2"]])]

    def place_options(self):
        return self.many(lambda: self.pick([
            [], [b"RANK", b"1"], [b"RANK", b"2"], [b"RANK", b"-1"], [b"rank", b"-2"], [b"RANK", b"0"], [b"COUNT", b"0"], [b"COUNT", b"2"],
            [b"COUNT", b"-1"], [b"MAXLEN", b"5"], [b"MAXLEN", b"0"], [b"MAXLEN", b"-1"], [b"MAXLEN", b"x"], [b"bogus"], [b"RANK"]]), 3)

    def commands(self):
        return {
            b"LPUSH": (6, lambda: self.elements(8)),
            b"RPUSH": (6, lambda: self.elements(8)),
            b"LPUSHX": (2, lambda: self.elements(2)),
            b"RPUSHX": (2, lambda: self.elements(2)),
            b"LPOP": (3, lambda: [self.key(), *self.pick([[], [], [b"0"], [b"1"], [b"3"], [b"20"], [b"-1"], [b"x"]])]),
            b"RPOP": (3, lambda: [self.key(), *self.pick([[], [], [b"0"], [b"1"], [b"3"], [b"20"], [b"-1"], [b"x"]])]),
            b"LLEN": (1, lambda: [self.key()]),
            b"LRANGE": (4, lambda: [self.key(), self.position(), self.position()]),
            b"LINDEX": (3, lambda: [self.key(), self.position()]),
            b"LSET": (3, lambda: [self.key(), self.position(), self.element()]),
            b"LINSERT": (6, lambda: [self.key(), self.pick([b"BEFORE", b"after", b"AFTER", b"before", b"bogus"]), self.element(), self.element()]),
            b"LREM": (2, lambda: [self.key(), self.count(), self.element()]),
            b"LTRIM": (1, lambda: [self.key(), self.position(), self.position()]),
            b"LPOS": (4, lambda: [*self.elements(1), *self.place_options()]),
            b"LMOVE": (4, lambda: [self.key(), self.key(), self.end(), self.end()]),
            b"RPOPLPUSH": (3, lambda: [self.key(), self.key()]),
            b"LMPOP": (3, self.pop_options),
            b"BLPOP": (1, lambda: [*self.some_keys(), self.timeout()]),
            b"BRPOP": (1, lambda: [*self.some_keys(), self.timeout()]),
            b"BLMOVE": (1, lambda: [self.key(), self.key(), self.end(), self.end(), self.timeout()]),
            b"BRPOPLPUSH": (1, lambda: [self.key(), self.key(), self.timeout()]),
            b"BLMPOP": (1, lambda: [self.timeout(), *self.pop_options()]),
        }

    def grow(self):
        return [self.pick([b"LPUSH", b"RPUSH"]), self.key(), *[self.element() for _ in range(80)]]

    def lonely(self):
        return []
