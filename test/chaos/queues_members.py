# SPDX-License-Identifier: PostgreSQL
"""queues_members.py: what belongs together in hashes, sets and sorted sets; see queues.py.

    pairs    ids in a sorted set and in a hash, as Celery keeps what is not acknowledged: each in both or in none
    places   members that move between two sets: each is always in one of them
    tags     members that come and go
    counts   fields of a hash that everybody counts
"""

import random

from queues_known import Counter, Members, Toggle, known, text_of
from queues_work import refused, refused_unit, script, transaction

ADDS = """
local scores, fields = {}, {}
for i = 1, #ARGV, 3 do
  table.insert(scores, ARGV[i])
  table.insert(scores, ARGV[i + 1])
  table.insert(fields, ARGV[i + 1])
  table.insert(fields, ARGV[i + 2])
end
local added = redis.call('ZADD', KEYS[1], unpack(scores))
return {added, redis.call('HSET', KEYS[2], unpack(fields))}
"""
REMOVES = """
local removed = redis.call('ZREM', KEYS[1], unpack(ARGV))
return {removed, redis.call('HDEL', KEYS[2], unpack(ARGV))}
"""
READS = "return {redis.call('ZRANGE', KEYS[1], 0, -1), redis.call('HGETALL', KEYS[2])}"
MOVES = """
local removed = redis.call('SREM', KEYS[1], ARGV[1])
return {removed, redis.call('SADD', KEYS[2], ARGV[1])}
"""


def write(toggles, commands):
    """The last reply, None if it was refused; whatever becomes of it, the toggles know."""
    for toggle in toggles:
        toggle.send()
    reply = (yield commands)[-1]
    if refused_unit(reply):
        for toggle in toggles:
            toggle.refuse()
        return None
    for toggle in toggles:
        toggle.acknowledge()
    known.count["acknowledged"] += 1
    return reply


def by_transaction_or_script(text, keys, arguments, *commands):
    """The commands as one unit."""
    if random.random() < 0.6:
        known.count["transactions"] += 1
        return transaction(*commands)
    known.count["scripts"] += 1
    return [script(text, keys, *arguments)]


# ---- pairs -------------------------------------------------------------------------------------


class Pairs:
    def __init__(self, name, limit):
        self.index = f"{name}:index"
        self.hash = name
        self.limit = limit
        self.members = Members(name)

    def payload(self, name):
        number = int(name.rpartition(b"-")[2])
        return text_of(name, 5000 if number % 100 == 0 else 20 + number % 200)

    def read(self):
        asked, floors = known.moment, self.members.floors()
        keys = (self.index, self.hash)
        units = [transaction(("ZRANGE", keys[0], "0", "-1"), ("HGETALL", keys[1])),
                 [script(READS, keys)]]
        reply = (yield random.choice(units))[-1]
        if refused_unit(reply):
            return
        indexed, names = set(reply[0]), set(reply[1][::2])
        if indexed != names or len(indexed) < len(reply[0]):
            known.half(f"{self.hash}: of the index only {sorted(indexed - names)[:3]}, "
                       f"of the hash only {sorted(names - indexed)[:3]}")
        for name, payload in zip(reply[1][::2], reply[1][1::2]):
            if payload != self.payload(name):
                known.wrong(f"{self.hash}: {name} has the payload {payload[:40]!r}…")
        self.members.shown(names, floors, asked)

    def settle(self):
        self.members.settle()
        for name, toggle in list(self.members.toggles.items()):
            if toggle.floor % 2 == 0:
                self.members.end(name)


class PairWriter:
    """Adds ids of its own, and removes them; one that may or may not be there is removed as well."""

    def __init__(self, number, pairs):
        self.number = number
        self.pairs = pairs
        self.made = 0

    def add(self, count):
        pairs, toggles = self.pairs, self.pairs.members.toggles
        scores, fields, words = [], [], []
        for _ in range(count):
            self.made += 1
            name = b"%d-%d" % (self.number, self.made)
            toggles[name] = Toggle()
            scores += [str(self.made), name]
            fields += [name, pairs.payload(name)]
            words += [str(self.made), *fields[-2:]]
        names = fields[::2]
        reply = yield from write([toggles[name] for name in names], by_transaction_or_script(
            ADDS, (pairs.index, pairs.hash), words,
            ("ZADD", pairs.index, *scores), ("HSET", pairs.hash, *fields)))
        if reply is None:
            for name in names:
                pairs.members.end(name)
        elif reply != [count, count]:
            known.half(f"{pairs.hash}: {count} new ids were answered {reply}")

    def remove(self, names):
        pairs, toggles = self.pairs, self.pairs.members.toggles
        certain = sum(toggles[name].certain() for name in names)
        sent = [toggles[name].sent for name in names]
        for name in names:
            # If its end was sent by a connection that was lost: the same again, and not a third operation.
            toggles[name].sent = 1
        reply = yield from write([toggles[name] for name in names], by_transaction_or_script(
            REMOVES, (pairs.index, pairs.hash), names,
            ("ZREM", pairs.index, *names), ("HDEL", pairs.hash, *names)))
        if reply is None:
            for name, before in zip(names, sent):
                toggles[name].sent = before
            return
        if reply[0] != reply[1] or not certain <= reply[0] <= len(names):
            known.half(f"{pairs.hash}: the end of {len(names)} ids, of which {certain} were there, "
                       f"was answered {reply}")
        for name in names:
            pairs.members.end(name)

    def work(self, client):
        mine = b"%d-" % self.number
        while True:
            names = [name for name in self.pairs.members.toggles if name.startswith(mine)]
            # What was shown to be gone was removed by a connection that was lost.
            for name in [name for name in names if self.pairs.members.toggles[name].floor == 2]:
                self.pairs.members.end(name)
                names.remove(name)
            count = random.randint(1, self.pairs.limit // 5)
            if len(names) < self.pairs.limit and random.random() < 0.55:
                yield from self.add(count)
            elif names:
                yield from self.remove(random.sample(names, min(count, len(names))))
            yield REST_BETWEEN


# ---- places and tags ---------------------------------------------------------------------------


class Places:
    """Even operations bring a member to the first set, odd ones to the second."""

    def __init__(self, name, members, filled):
        self.keys = (f"{name}:0", f"{name}:1")
        self.members = Members(name)
        self.all = [b"m%d" % n + b"." * filled for n in range(members)]
        for member in self.all:
            self.members.toggles[member] = Toggle()

    def begin(self):
        yield [("SADD", self.keys[0], *self.all)]

    def read(self):
        asked, floors = known.moment, self.members.floors()
        reply = (yield transaction(*(("SMEMBERS", key) for key in self.keys)))[-1]
        if refused_unit(reply):
            return
        sets = [set(names) for names in reply]
        if len(reply[0]) + len(reply[1]) != len(self.all) or sets[0] | sets[1] != set(self.all):
            known.half(f"{self.keys}: {len(reply[0])} and {len(reply[1])} of {len(self.all)}")
        self.members.shown(sets[1], floors, asked)

    def settle(self):
        self.members.settle()

    def move(self, member):
        toggle = self.members.toggles[member]
        certain = toggle.certain()
        source, target = self.keys if toggle.sent % 2 == 0 else self.keys[::-1]
        if random.random() < 0.6:
            reply = yield from write([toggle], [("SMOVE", source, target, member)])
            right = reply in (None, 1)
        else:
            reply = yield from write([toggle], by_transaction_or_script(
                MOVES, (source, target), (member,),
                ("SREM", source, member), ("SADD", target, member)))
            right = reply in (None, [1, 1])
        if certain and not right:
            known.half(f"{self.keys}: a move of {member} was answered {reply}")


class Tags:
    def __init__(self, name, members):
        self.key = name
        self.members = Members(name)
        self.all = [b"tag%d" % n for n in range(members)]
        for member in self.all:
            self.members.toggles[member] = Toggle()

    def read(self):
        asked, floors = known.moment, self.members.floors()
        (reply,) = yield [("SMEMBERS", self.key)]
        if not refused(reply):
            self.members.shown(set(reply), floors, asked)

    def settle(self):
        self.members.settle()

    def move(self, member):
        toggle = self.members.toggles[member]
        certain = toggle.certain()
        word = "SADD" if toggle.sent % 2 == 0 else "SREM"
        reply = yield from write([toggle], [(word, self.key, member)])
        if certain and reply not in (None, 1):
            known.wrong(f"{self.key}: {word} of {member} was answered {reply}")


class Mover:
    """Every so many members, which are its own."""

    def __init__(self, number, movers, where):
        self.where = where
        self.mine = where.all[number::movers]

    def work(self, client):
        while True:
            yield from self.where.move(random.choice(self.mine))
            yield REST_BETWEEN


# ---- counts ------------------------------------------------------------------------------------


class Counts:
    def __init__(self, name, fields, filled):
        self.key = name
        self.counters = {b"f%d" % n + b"." * filled: Counter(f"{name} {n}") for n in range(fields)}

    def floors(self):
        return {field: counter.floor for field, counter in self.counters.items()}

    def read(self):
        floors = self.floors()
        (reply,) = yield [("HGETALL", self.key)]
        if refused(reply):
            return
        values = dict(zip(reply[::2], map(int, reply[1::2])))
        for field, floor in floors.items():
            self.counters[field].shown(values.get(field, 0), floor)

    def settle(self):
        for counter in self.counters.values():
            counter.sent = counter.floor

    def count(self, client):
        while True:
            field, counter = random.choice(list(self.counters.items()))
            floor = counter.floor
            counter.sent += 1
            (reply,) = yield [("HINCRBY", self.key, field, "1")]
            if not refused(reply):
                counter.answered(reply, floor)
                known.count["acknowledged"] += 1
            yield REST_BETWEEN


REST_BETWEEN = 0.001
PAIRS = [Pairs("unacked", 5), Pairs("unacked:many", 60)]
PLACES = [Places("places", 20, 4), Places("places:many", 120, 30)]
TAGS = [Tags("tags", 20), Tags("tags:many", 300)]
COUNTS = [Counts("counts", 5, 2), Counts("counts:many", 100, 20)]
ALL = PAIRS + PLACES + TAGS + COUNTS
