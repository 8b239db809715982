# SPDX-License-Identifier: PostgreSQL
"""zsets.py: random commands on sorted sets; see typed.py.

Ranges by member mean nothing where scores differ. They have keys of their own, whose members all have the score 0; small sets of other
scores are in elements.py.
"""

from stream import NUMBERS
from typed import Typed

LEX_KEYS = [b"lex", b"lex too"]


class Zsets(Typed):
    type = b"zset"
    # See score().
    junk = [number for number in NUMBERS if len(number) < 18 and number != b"-0"]
    options = [b"WITHSCORES", b"LIMIT", b"BYSCORE", b"REV", b"NX", b"XX", b"GT", b"CH", b"INCR", b"MIN", b"MAX", b"COUNT", b"WEIGHTS", b"AGGREGATE"]
    reads, has_values, scan, random = (b"ZRANGE", None, b"0", b"-1", b"WITHSCORES"), True, b"ZSCAN", b"ZRANDMEMBER"
    few = 6
    # ZRANK has one option more in 7.2.
    as_they_are = frozenset([b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"ZRANDMEMBER", b"ZSCAN", b"ZRANK", b"ZREVRANK"])

    def score(self):
        """None that Redis 7.0 writes with more digits than 7.2, nor -0, of which it keeps the sign only sometimes."""
        return self.pick([b"0", b"1", b"-1", b"2", b"3", b"1.5", b"inf", b"-inf", b"+inf", b"1e3", b"100", b"0.25",
                          b"%d" % self.chance.randrange(-50, 50), b"x"])

    def bound(self):
        return self.pick([b"-inf", b"+inf", b"(1", b"0", b"3", b"(-5", b"10", b"(2", b"1.5", b"(inf", b"(-inf", b"(", b"x"])

    def lex_bound(self):
        return self.pick([b"-", b"-", b"+", b"+", b"[m1", b"(m1", b"[m5", b"(x", b"[xxx", b"[", b"(m65", b"(" + b"x" * 128, b"m", b""])

    def scored(self, most):
        return self.many(lambda: [self.score(), self.member()], most)

    def add(self):
        if self.chance.random() < 0.25:
            return [self.pick(LEX_KEYS), *self.many(lambda: [b"0", self.member()], 8)]
        if self.chance.random() < 0.6:
            return [self.key(), *self.scored(6)]
        return [self.key(), *self.pick([
            [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"XX", b"CH"], [b"GT", b"CH"], [b"NX", b"CH"], [b"NX", b"XX"], [b"GT", b"LT"], [b"INCR"],
            [b"XX", b"INCR"], [b"NX", b"INCR"], [b"GT", b"INCR"], [b"lt", b"incr"], [b"GT", b"NX"], [b"CH", b"bogus"], [b"XX", b"GT", b"CH"]]),
                *self.scored(2)]

    def with_scores(self):
        return self.pick([[], [b"WITHSCORES"], [b"withscores"]])

    def range(self):
        if self.chance.random() < 0.4:
            return [self.key(), self.position(), self.position(), *self.pick([[], [b"REV"]]), *self.with_scores()]
        reverse, limit = self.pick([[], [b"REV"]]), self.limit()
        if self.chance.random() < 0.5:
            return [self.key(), self.bound(), self.bound(), b"BYSCORE", *reverse, *limit, *self.with_scores()]
        return [self.pick(LEX_KEYS), self.lex_bound(), self.lex_bound(), b"BYLEX", *limit, *reverse]

    def lex(self):
        return [self.pick(LEX_KEYS), self.lex_bound(), self.lex_bound()]

    def ranks(self):
        return [self.key(), self.position(), self.position()]

    def scores(self):
        return [self.key(), self.bound(), self.bound()]

    def stored_range(self):
        """A range by rank or score, into another key."""
        words = self.range()
        return [self.key(), *[word for word in words if word.upper() != b"WITHSCORES"]]

    def timeout(self):
        return self.pick([b"0.001"] * 8 + [b"x", b"-1", b"", b"1e20", b"inf"])

    def side(self):
        return self.pick([b"MIN", b"MAX", b"min", b"Max"] * 4 + [b"LEFT"])

    def pop_options(self):
        return [*self.counted_keys(), self.side(), *self.pick([
            [], [], [b"COUNT", b"3"], [b"count", b"100"], [b"COUNT", b"0"], [b"COUNT", b"x"], [b"COUNT"], [b"bogus", b"1"]])]

    def combined(self, weights=True):
        """Keys, what each counts, and how scores are put together."""
        keys = self.counted_keys()
        words = []
        if weights and self.chance.random() < 0.4:
            words += [b"WEIGHTS", *[self.pick([b"1", b"2", b"-1", b"0.5", b"0", b"inf", b"x"]) for _ in keys[1:]]]
        if weights and self.chance.random() < 0.4:
            words += [b"AGGREGATE", self.pick([b"SUM", b"MIN", b"MAX", b"max", b"bogus"])]
        return [*keys, *words]

    def commands(self):
        return {
            b"ZADD": (12, self.add),
            b"ZINCRBY": (3, lambda: [self.key(), self.score(), self.member()]),
            b"ZREM": (4, lambda: [self.pick([self.key(), self.pick(LEX_KEYS)]), *self.many(lambda: [self.member()], 12)]),
            b"ZCARD": (1, lambda: [self.key()]),
            b"ZSCORE": (2, lambda: [self.key(), self.member()]),
            b"ZMSCORE": (2, lambda: [self.key(), *self.many(lambda: [self.member()], 6)]),
            b"ZRANK": (3, lambda: [self.key(), self.member()]),
            b"ZREVRANK": (3, lambda: [self.key(), self.member()]),
            b"ZCOUNT": (2, self.scores),
            b"ZLEXCOUNT": (2, self.lex),
            b"ZRANGE": (6, self.range),
            b"ZREVRANGE": (2, lambda: [*self.ranks(), *self.with_scores()]),
            b"ZRANGEBYSCORE": (3, lambda: [*self.scores(), *self.with_scores(), *self.limit()]),
            b"ZREVRANGEBYSCORE": (3, lambda: [*self.scores(), *self.limit(), *self.with_scores()]),
            b"ZRANGEBYLEX": (2, lambda: [*self.lex(), *self.limit()]),
            b"ZREVRANGEBYLEX": (2, lambda: [*self.lex(), *self.limit()]),
            b"ZREMRANGEBYRANK": (1, self.ranks),
            b"ZREMRANGEBYSCORE": (1, self.scores),
            b"ZREMRANGEBYLEX": (1, self.lex),
            b"ZPOPMIN": (2, lambda: [self.key(), *self.pick([[], [], [b"1"], [b"3"], [b"0"], [b"-1"], [b"x"]])]),
            b"ZPOPMAX": (2, lambda: [self.key(), *self.pick([[], [], [b"1"], [b"3"], [b"0"], [b"-1"], [b"x"]])]),
            b"ZMPOP": (2, self.pop_options),
            b"BZPOPMIN": (1, lambda: [*self.some_keys(), self.timeout()]),
            b"BZPOPMAX": (1, lambda: [*self.some_keys(), self.timeout()]),
            b"BZMPOP": (1, lambda: [self.timeout(), *self.pop_options()]),
            b"ZRANGESTORE": (2, self.stored_range),
            b"ZUNION": (2, lambda: [*self.combined(), *self.with_scores()]),
            b"ZINTER": (2, lambda: [*self.combined(), *self.with_scores()]),
            b"ZDIFF": (2, lambda: [*self.combined(False), *self.with_scores()]),
            b"ZUNIONSTORE": (2, lambda: [self.key(), *self.combined()]),
            b"ZINTERSTORE": (2, lambda: [self.key(), *self.combined()]),
            b"ZDIFFSTORE": (2, lambda: [self.key(), *self.combined(False)]),
            b"ZINTERCARD": (2, lambda: [*self.counted_keys(), *self.pick([[], [], [b"LIMIT", b"0"], [b"LIMIT", b"2"], [b"LIMIT", b"-1"], [b"bogus"]])]),
            b"ZSCAN": (2, lambda: [self.key(), *self.cursor()]),
            b"ZRANDMEMBER": (2, lambda: [self.key(), *self.pick([
                [], [b"3"], [b"-3"], [b"0"], [b"x"], [b"2", b"WITHSCORES"], [b"-5", b"withscores"], [b"2", b"bogus"], [b"-9223372036854775808"]])]),
        }

    def may_mutate(self, words):
        return super().may_mutate(words) and not {*LEX_KEYS} & {*words} and b"LEX" not in words[0].upper()

    def grow(self):
        if self.chance.random() < 0.3:
            return [b"ZADD", self.pick(LEX_KEYS), *[word for i in range(80) for word in (b"0", b"m%d" % i)]]
        return [b"ZADD", self.key(), *[word for i in range(80) for word in (b"%d" % self.chance.randrange(30), b"m%d" % i)]]

    def lonely(self):
        return [self.walk] * (self.scan in self.table) + [self.sample] * (self.random in self.table)
