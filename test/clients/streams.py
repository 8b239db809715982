# SPDX-License-Identifier: PostgreSQL
"""streams.py: random commands on streams; see typed.py.

Ids are few and low, so that entries meet those that were asked for, and most commands that add one find it higher
than the last. None is "*", which is the clock's: scenes.py has that. Nor is about a number trimmed ("~") but for nothing
and everything: in between each server has its own nodes, or none.
"""

from stream import NUMBERS
from typed import Typed

HIGHEST = b"18446744073709551615"
# Words that stand where others belong: none makes an id behind which a key takes no entry any more.
JUNK = [number for number in NUMBERS if not number.isdigit() or len(number) < 4 or number > HIGHEST]


class Streams(Typed):
    type = b"stream"
    junk = JUNK
    options = [b"MAXLEN", b"MINID", b"=", b"LIMIT", b"NOMKSTREAM", b"COUNT", b"BLOCK", b"STREAMS", b"-", b"+", b"$", b"5-*", b"ENTRIESADDED"]
    reads, tells, few = (b"XRANGE", None, b"-", b"+"), (b"XINFO", b"STREAM", None), 5
    one_name = True
    # With another timeout it would wait, with a lower id 7.2 refuses what 7.0 does.
    as_they_are = frozenset([b"XREAD", b"XSETID"])

    def __init__(self, chance, known):
        super().__init__(chance, known)
        self.ms = 0

    def next_id(self):
        """Mostly a little higher than those before."""
        self.ms += self.pick([0, 0, 1, 1, 2, 10])
        return self.pick([b"%d-*" % self.ms, b"%d-%d" % (self.ms, self.chance.randrange(6)), b"%d" % (self.ms + 1), b"%d-*" % (self.ms + 2),
                          b"%d-%d" % (self.ms + 1, self.chance.randrange(30))])

    def id(self):
        """One that may be there."""
        near = max(self.ms - self.chance.randrange(60), 0)
        return self.pick([b"%d-0" % near, b"%d-%d" % (near, self.chance.randrange(6)), b"%d-1" % near, b"%d" % near, b"%d" % near])

    def wrong_id(self):
        return self.pick([b"0-0", b"0", b"-", b"+", b"-1", b"1-", b"-1-1", b"1-x", b"x", b"", b"1-1-1", b" 1", b"01-01", HIGHEST + b"0", b"1-" + HIGHEST + b"0", b"1- 1", b"1-+1", b"1 ", b"0" * 127 + b"1"])

    def some_id(self):
        return self.wrong_id() if self.chance.random() < 0.05 else self.id()

    def bound(self):
        bound = self.pick([b"-", b"+", self.id(), self.id()])
        if bound[:1].isdigit() and self.chance.random() < 0.3:
            return b"(" + bound
        return self.pick([b"(", b"(-", b"(+", b"(" + HIGHEST + b"-" + HIGHEST, b"(0-0", b"((1", self.wrong_id()]) if self.chance.random() < 0.05 else bound

    def fields(self):
        return self.many(lambda: [self.member(), self.text()], 3)

    def trimming(self):
        about = self.pick([[], [], [b"="], [b"~"]])
        limit = self.pick([[], [], [], [b"LIMIT", b"0"], [b"LIMIT", b"10000"], [b"LIMIT", b"-1"], [b"limit", b"x"]]) if about == [b"~"] \
            else self.pick([[]] * 12 + [[b"LIMIT", b"5"]])
        if self.chance.random() < 0.5:
            length = [b"0", b"100000"] if about == [b"~"] else [b"0", b"3", b"10", b"30", b"100", b"200", b"-1", b"x"]
            return [self.pick([b"MAXLEN", b"maxlen"]), *about, self.pick(length), *limit]
        ids = [b"0-0", b"99999999"] if about == [b"~"] else [self.id(), self.id(), self.some_id()]
        return [self.pick([b"MINID", b"minid"]), *about, self.pick(ids), *limit]

    def add(self):
        name = self.key()
        options = [*self.pick([[]] * 8 + [[b"NOMKSTREAM"], [b"nomkstream"]]), *(self.trimming() if self.chance.random() < 0.12 else [])]
        new = self.next_id() if self.chance.random() < 0.9 else self.pick([self.id(), self.id(), self.wrong_id()])
        words = [name, *options, new, *self.fields()]
        return words[:-1] if self.chance.random() < 0.02 else words

    def count(self):
        return self.pick([[]] * 4 + [[b"COUNT", b"1"], [b"count", b"3"], [b"COUNT", b"20"], [b"COUNT", b"0"], [b"COUNT", b"-1"], [b"COUNT", b"x"], [b"COUNT"]])

    def read(self):
        """Never one that waits for long."""
        keys = self.some_keys(1, 3)
        ids = [self.pick([b"0", b"0-0", b"$", self.id(), self.id(), self.some_id()]) for _ in keys]
        if self.chance.random() < 0.05:
            ids = self.pick([ids[1:], [*ids, b"0"], [b">"] * len(ids), []])
        wait = self.pick([[]] * 10 + [[b"BLOCK", b"1"], [b"block", b"2"], [b"BLOCK", b"-1"], [b"BLOCK", b"x"], [b"BLOCK", b"1.5"]])
        words = [*self.count(), *wait, self.pick([b"STREAMS", b"streams"]), *keys, *ids]
        return self.pick([[b"GROUP", b"g", b"c", *words], [b"NOACK", *words], words[:1], [b"bogus", *words]]) if self.chance.random() < 0.04 else words

    def set_id(self):
        return [self.key(), self.pick([self.next_id(), self.next_id(), self.next_id(), b"x", b"5-*"]), *self.pick([
            [], [], [b"ENTRIESADDED", b"1000"], [b"entriesadded", b"3"], [b"MAXDELETEDID", self.id()], [b"MAXDELETEDID", b"0-0"],
            [b"ENTRIESADDED", b"100000", b"MAXDELETEDID", self.id()], [b"ENTRIESADDED", b"-1"], [b"ENTRIESADDED"], [b"bogus", b"1"]])]

    def commands(self):
        return {
            b"XADD": (30, self.add),
            b"XLEN": (2, lambda: [self.key()]),
            b"XRANGE": (6, lambda: [self.key(), self.bound(), self.bound(), *self.count()]),
            b"XREVRANGE": (6, lambda: [self.key(), self.bound(), self.bound(), *self.count()]),
            b"XREAD": (6, self.read),
            b"XDEL": (6, lambda: [self.key(), *self.many(lambda: [self.some_id()], 8)]),
            b"XTRIM": (3, lambda: [self.key(), *self.trimming()]),
            b"XSETID": (1, self.set_id),
            b"XINFO": (4, lambda: [self.pick([b"STREAM", b"stream"]), self.key(), *self.pick([
                [], [], [b"FULL"], [b"full", b"COUNT", b"3"], [b"FULL", b"COUNT", b"0"], [b"FULL", b"COUNT", b"-1"], [b"FULL", b"COUNT"], [b"bogus"]])]),
        }

    def may_mutate(self, words):
        return super().may_mutate(words) and b"~" not in words

    def lonely(self):
        return []

    def grow(self):
        """By one large entry."""
        return [b"XADD", self.key(), self.next_id(), *[word for i in range(40) for word in (b"f%d" % i, self.member())]]
