# SPDX-License-Identifier: PostgreSQL
"""sets.py: random commands on sets; see typed.py."""

from typed import Typed


class Sets(Typed):
    type = b"set"
    options = [b"LIMIT", b"COUNT", b"MATCH"]
    reads, scan, random = (b"SMEMBERS", None), b"SSCAN", b"SRANDMEMBER"
    as_they_are = frozenset([b"SPOP", b"SRANDMEMBER", b"SSCAN"])

    def members(self, most):
        return [self.key(), *self.many(lambda: [self.member()], most)]

    def commands(self):
        return {
            b"SADD": (10, lambda: self.members(8)),
            b"SREM": (6, lambda: self.members(20)),
            b"SISMEMBER": (2, lambda: self.members(1)),
            b"SMISMEMBER": (2, lambda: self.members(8)),
            b"SMEMBERS": (2, lambda: [self.key()]),
            b"SCARD": (2, lambda: [self.key()]),
            b"SMOVE": (3, lambda: [self.key(), *self.members(1)]),
            b"SINTER": (2, self.some_keys),
            b"SUNION": (2, self.some_keys),
            b"SDIFF": (2, self.some_keys),
            b"SINTERSTORE": (2, lambda: [self.key(), *self.some_keys()]),
            b"SUNIONSTORE": (2, lambda: [self.key(), *self.some_keys()]),
            b"SDIFFSTORE": (2, lambda: [self.key(), *self.some_keys()]),
            b"SINTERCARD": (3, lambda: [*self.counted_keys(), *self.pick([
                [], [], [b"LIMIT", b"0"], [b"LIMIT", b"2"], [b"limit", b"1"], [b"LIMIT", b"-1"], [b"LIMIT", b"x"], [b"LIMIT"], [b"bogus"]])]),
            b"SSCAN": (2, lambda: [self.key(), *self.cursor()]),
            # All that there are, or none.
            b"SPOP": (1, lambda: [self.key(), *self.pick([
                [b"100000"], [b"0"], [b"-1"], [b"x"], [b""], [b"1", b"2"], [b"9223372036854775807"], [b"9223372036854775808"]])]),
            b"SRANDMEMBER": (2, lambda: [self.key(), *self.pick([
                [], [b"3"], [b"-3"], [b"0"], [b"100"], [b"x"], [b"1", b"2"], [b"-9223372036854775808"]])]),
        }

    def grow(self):
        return [b"SADD", self.key(), *[b"m%d" % i for i in range(80)], *[self.text() for _ in range(20)]]

    def lonely(self):
        return [self.walk, self.sample, self.pop]

    def pop(self, pair, key):
        """What pgfirst has taken Redis loses as well, in place of what it has taken itself."""
        count = self.pick([None, 0, 1, 2, 5, 60])
        words = [b"SPOP", key, *[count] * (count is not None)]
        whole = self.content(pair.ends[0], key)
        if whole is None:
            return []
        ours, theirs = pair.call(*words)
        taken = [reply.plain() if isinstance(reply.plain(), list) else [reply.plain()] * (reply.value is not None) for reply in (ours, theirs)]
        if taken[1] and {*taken[0]} != {*taken[1]}:
            pair.ends[1].call(b"SADD", key, *taken[1])
            pair.ends[1].call(b"SREM", key, *taken[0])
        there = {member for member, _ in whole}
        right = min(len(there), 1 if count is None else count)
        if ours.kind != theirs.kind or not {*taken[0]} <= there or len({*taken[0]}) != right or len(taken[0]) != right:
            return [f"{words}: pgfirst {ours!r}, of {len(there)} members, Redis {theirs!r}"]
        return []
