#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""elements.py: hashes, lists, sets, sorted sets, streams and who waits for them: Redis and pgfirst compared.

  elements.py [--seed N] [--elements N] OURS THEIRS

OURS and THEIRS are files written by server.py. Prints TAP: for each type and protocol a random stream of its commands (typed.py
says what is in it), in pipelines, transactions and scripts, after each of which both have to hold
the same; every command on a collection that has just expired; and conversations of several clients (scenes.py).

Replies are equal byte for byte but for what differential.py allows and for what has no order or is left to chance. A stream
also fails when it has not seen every command of its type succeed, or collections of one layout only: it would prove nothing.
"""

import argparse
import random
import sys
import time

from differential import Pair, Report, allowed, same_but_for, same_set, shorten
from hashes import Hashes
from lists import Lists
from resp import Closed, Error, encode
from scenes import SCENES, scene_differences
from server import load
from sets import Sets
from streams import Streams
from typed import KEYS, Command, pairs_of
from zsets import Zsets

TYPES = [Hashes, Lists, Sets, Zsets, Streams]
READS = {b"string": (b"GET", None), **{kind.type: kind.reads for kind in TYPES}}
TELLS = {kind.type: kind.tells for kind in TYPES if kind.tells}

# ---- what may differ ---------------------------------------------------------------------------


def same_pairs(ours, theirs):
    """Equal but for the order of the pairs."""
    return ours.kind == theirs.kind and sorted(pairs_of(ours.plain())) == sorted(pairs_of(theirs.plain()))


def scanned(pairs):
    """The same members, or some of them where pgfirst says that its time was up before the end."""

    def same_scanned(ours, theirs):
        if ours.kind != "*" or theirs.kind != "*":
            return False
        (cursor, our), (their_cursor, their) = ours.plain(), theirs.plain()
        if pairs:
            our, their = pairs_of(our), pairs_of(their)
        return their_cursor == b"0" and ({*our} <= {*their} if cursor != b"0" else sorted(our) == sorted(their))

    return same_scanned


def same_shape(ours, theirs):
    """So many of them, whichever."""
    return (ours.kind == theirs.kind and ours.kind in "*$" and (ours.value is None) == (theirs.value is None)
            and (ours.kind == "$" or [item.kind for item in ours.value] == [item.kind for item in theirs.value]))


def both_encodings(ours, theirs):
    known = {b"listpack", b"hashtable", b"quicklist", b"skiplist", b"intset", b"stream"}
    return {ours.value, theirs.value} <= known and ours.value != b"intset"


DIFFERENT = {
    # No order.
    b"HGETALL": same_pairs, b"HKEYS": same_set, b"HVALS": same_set, b"SMEMBERS": same_set, b"SINTER": same_set, b"SUNION": same_set,
    b"SDIFF": same_set, b"SPOP": same_set, b"HSCAN": scanned(True), b"SSCAN": scanned(False), b"ZSCAN": scanned(True),
    # Chance.
    b"HRANDFIELD": same_shape, b"SRANDMEMBER": same_shape, b"ZRANDMEMBER": same_shape,
    # pgfirst says whether the elements are in the key's record, Redis how it keeps them in memory.
    b"OBJECT": both_encodings,
    # pgfirst's streams have no nodes.
    b"XINFO": same_but_for("radix-tree-keys", "radix-tree-nodes"),
}


def says(ours, theirs):
    """These errors, of pgfirst and of Redis."""
    return lambda our, their: our.raw.startswith(f"-ERR {ours}".encode()) and their.raw.startswith(f"-ERR {theirs}".encode())


# The names of commands, which errors they may answer with, and why.
ERRORS = [
    ((b"HSCAN", b"SSCAN", b"ZSCAN"), says("invalid cursor", ""), "no server gives one that is empty or has a sign"),
    ((b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP"),
     says("timeout is out of range", "timeout is negative"), "7.2 does not take too much for too little"),
    ((b"LPOS",), lambda our, their: our.raw.startswith(b"-ERR value is out of range, value must between"), "7.2 takes no rank that it cannot negate"),
    ((b"XREAD",), says("Unbalanced 'xread' list", "Unbalanced XREAD list"), "7.2 names the command as it was sent"),
    ((b"ZINCRBY",), says("value is not a valid float", "syntax error"), "an option of ZADD where the increment belongs"),
]


def without_minus_zero(raw):
    """Whether Redis keeps the sign of a score of 0 depends on how it has encoded the sorted set."""
    return raw.replace(b"$2\r\n-0\r\n", b"$1\r\n0\r\n").replace(b",-0\r\n", b",0\r\n")


def same(command, ours, theirs, queued=None):
    """Whether the replies are equal, or different as they may be; queued is what EXEC does."""
    if without_minus_zero(ours.raw) == without_minus_zero(theirs.raw) or allowed(command.words, ours, theirs):
        return True
    if any(command.words[0].upper() in names and good(ours, theirs) for names, good, _ in ERRORS):
        return True
    if isinstance(ours.value, Error) or isinstance(theirs.value, Error):
        return False
    name = command.words[0].upper()
    within = queued if name == b"EXEC" else command.inner
    if within is not None:
        return (ours.kind == theirs.kind == "*" and ours.value is not None and theirs.value is not None
                and len(ours.value) == len(theirs.value) == len(within) and all(map(same, within, ours.value, theirs.value)))
    return name in DIFFERENT and DIFFERENT[name](ours, theirs)


def parting(command, ours, theirs):
    """What differs, and where; of what a transaction or a script has answered, the first reply."""
    if command.inner and {ours.kind, theirs.kind} == {"*"} and None not in (ours.value, theirs.value) and len(ours.value) == len(theirs.value) == len(command.inner):
        for inner, our, their in zip(command.inner, ours.value, theirs.value):
            if not same(inner, our, their):
                return f"{shorten(command.words[:1])}: {parting(inner, our, their)}"
    at = next((i for i, (our, their) in enumerate(zip(ours.raw, theirs.raw)) if our != their), min(len(ours.raw), len(theirs.raw)))
    begin, end = max(at - 40, 0), at + 100
    text = f"{shorten(command.words)}: at {at}: pgfirst {ours.raw[begin:end]!r}, Redis {theirs.raw[begin:end]!r}"
    return text


# ---- what both hold ----------------------------------------------------------------------------


def pipeline(pair, commands):
    """The replies of both."""
    payload = b"".join(encode(*words) for words in commands)
    for end in pair.ends:
        end.send(payload)
    return [[end.reply() for _ in commands] for end in pair.ends]


def state_difference(pair):
    """What the selected databases hold differently: text, or None."""
    ours, theirs = pair.plain("KEYS", "*")
    if sorted(ours) != sorted(theirs):
        return f"keys: only in pgfirst {sorted({*ours} - {*theirs})}, only in Redis {sorted({*theirs} - {*ours})}"
    types = [reply.plain() for reply in pipeline(pair, [(b"TYPE", key) for key in ours])[0]]
    commands = [[key if word is None else word for word in words[of]]
                for words in (READS, TELLS) for key, of in zip(ours, types) if of in words]
    commands += [[b"PTTL", key] for key in ours]
    for words, our, their in zip(commands, *pipeline(pair, commands)):
        if not same(Command(words), our, their):
            return parting(Command(words), our, their)
    return None


def states_difference(pair, databases=2):
    """The same for the databases that a stream uses; ends in the first one."""
    found = None
    for number in reversed(range(databases)):
        pair.call("SELECT", number)
        found = found or state_difference(pair)
    return found


# ---- streams -----------------------------------------------------------------------------------


class Account:
    """What was seen in a stream."""

    def __init__(self):
        self.differences, self.shapes, self.succeeded, self.layouts = [], set(), set(), set()

    def count(self, command, reply, queued):
        """Which commands have succeeded, by themselves, in a script or in EXEC."""
        within = queued if command.words[0].upper() == b"EXEC" else command.inner
        if isinstance(reply.value, Error) or reply.raw == b"+QUEUED\r\n":
            return
        if within and reply.value is not None:
            for inner, item in zip(within, reply.value):
                self.count(inner, item, None)
            return
        self.succeeded.add(command.words[0].upper())

    def look(self, end):
        """Where the elements of what there is are."""
        for key in KEYS:
            self.layouts.add(end.call("OBJECT", "ENCODING", key).value)

    def compare(self, command, ours, theirs, queued):
        """Keeps each kind of difference once."""
        self.count(command, ours, queued)
        shape = (command.words[0].upper(), ours.raw[:12], theirs.raw[:12])
        if not same(command, ours, theirs, queued) and shape not in self.shapes:
            self.shapes.add(shape)
            self.differences.append(parting(Command(command.words, queued or command.inner), ours, theirs))

    def missing(self, stream):
        """What the stream should have had and has not."""
        found = [f"{name.decode()}: has never succeeded" for name in stream.table if name not in self.succeeded]
        both = stream.one_name or b"listpack" in self.layouts and self.layouts & {b"quicklist", b"skiplist", b"hashtable"}
        return found + ["collections of one layout only"] * (not both)


def run_batch(pair, stream, account, batch):
    for end in pair.ends:
        end.send(b"".join(encode(*command.words) for command in batch))
    queued = []
    for command in batch:
        ours, theirs = [end.reply() for end in pair.ends]
        name = command.words[0].upper()
        account.compare(command, ours, theirs, queued if name == b"EXEC" else None)
        if name == b"MULTI":
            queued = []
        elif theirs.raw == b"+QUEUED\r\n":
            queued.append(command)


def stream_differences(pair, kind, known, seed, commands):
    chance = random.Random(seed)
    stream, account, sent = kind(chance, known), Account(), 0
    pair.call("FLUSHALL")
    while sent < commands and len(account.differences) < 20:
        batch = [command for _ in range(chance.choice([1, 1, 2, 3, 8, 20, 50])) for command in stream.group()]
        run_batch(pair, stream, account, batch)
        sent += len(batch)
        found = states_difference(pair) if chance.random() < 0.2 else state_difference(pair)
        if found:
            account.differences.append(f"{found} after {shorten([command.words for command in batch])}")
            pair.call("FLUSHALL")
        account.look(pair.ends[0])
        if stream.lonely() and chance.random() < 0.5:
            account.differences += chance.choice(stream.lonely())(pair, chance.choice(KEYS))
    return account.differences or (account.missing(stream) if sent >= 2000 else [])


def expired_differences(pair, kind, known):
    """Every command on a collection whose time is over, inline and paged: as if there was none, nor what it leaves has an end."""
    chance = random.Random(kind.type)
    stream, found = kind(chance, known), []
    pair.call("FLUSHALL")
    tries = [(name, b"x%d %d" % (number, large)) for number, name in enumerate(stream.table) for large in (0, 1)]
    for name, key in tries:
        stream.keys = [key]
        words = stream.grow()
        # Two or so of what fills a large one.
        words = words if key.endswith(b"1") else words[:kind.few]
        pipeline(pair, [[words[0], key, *words[2:]], [b"PEXPIRE", key, b"20"]])
    time.sleep(0.03)
    for name, key in tries:
        stream.keys = [key]
        words = [name, *stream.table[name][1]()]
        for words in (words, [b"TYPE", key], [b"TTL", key]):
            ours, theirs = pair.call(*words)
            if not same(Command(words), ours, theirs):
                found.append(parting(Command(words), ours, theirs))
    found += [text for text in [state_difference(pair)] if text]
    pair.call("FLUSHALL")
    return found


def left_differences(pair):
    """The last member that is left of many is found by chance, too, however often."""
    found, member = [], b"\0left"
    for add, remove, draw, value in [(b"SADD", b"SREM", b"SRANDMEMBER", []), (b"HSET", b"HDEL", b"HRANDFIELD", [b"x"]),
                                     (b"SADD", b"SREM", b"SPOP", [])]:
        others = [b"another%d" % i for i in range(200)]
        pipeline(pair, [[b"DEL", b"left"], [add, b"left", *[word for name in [member, *others] for word in [name, *value]]],
                        [remove, b"left", *others]])
        for words in ([draw, b"left"], [draw, b"left", b"1"]):
            again = [[words, [add, b"left", member, *value]][i % 2] for i in range(400)]
            for our, their in list(zip(*pipeline(pair, again)))[::2]:
                if our.raw != their.raw:
                    found.append(parting(Command(words), our, their))
                    break
    return found


def mixed_differences(pair, chance):
    """Ranges by member where scores differ: Redis says nothing of them, and programs have learned what small sets give."""
    found, names = [], [b"a", b"b", b"bb", b"c", b"d", b"e"]
    for _ in range(200):
        members = chance.sample(names, chance.randint(1, len(names)))
        low, high = [chance.choice([b"-", b"+", *[side + name for name in names for side in (b"[", b"(")]]) for _ in range(2)]
        commands = [
            [b"DEL", b"mixed"], [b"ZADD", b"mixed", *[word for name in members for word in (b"%d" % chance.randrange(3), name)]],
            [b"ZLEXCOUNT", b"mixed", low, high], [b"ZRANGEBYLEX", b"mixed", low, high], [b"ZREVRANGEBYLEX", b"mixed", high, low],
            [b"ZRANGE", b"mixed", low, high, b"BYLEX", b"LIMIT", b"1", b"1"], [b"ZRANGE", b"mixed", high, low, b"BYLEX", b"REV", b"LIMIT", b"0", b"2"],
            [b"ZRANGESTORE", b"stored", b"mixed", high, low, b"BYLEX", b"REV"], [b"ZRANGE", b"stored", b"0", b"-1", b"WITHSCORES"],
            [b"ZREMRANGEBYLEX", b"mixed", low, high], [b"ZRANGE", b"mixed", b"0", b"-1", b"WITHSCORES"]]
        found += [f"{shorten(commands[1])}, {parting(Command(words), our, their)}"
                  for words, our, their in zip(commands, *pipeline(pair, commands)) if our.raw != their.raw]
    return found


def first_differences(ours, theirs, protocol):
    """The first reply of a connection, for which there is no memory yet."""
    found = []
    for length in (1, 100, 400, 600, 900, 1100):
        for read, put in [((b"HGET", b"first", b"f"), (b"HSET", b"first", b"f")), ((b"LINDEX", b"first", b"0"), (b"RPUSH", b"first")),
                          ((b"SRANDMEMBER", b"first"), (b"SADD", b"first")), ((b"ZRANGE", b"first", b"0", b"0"), (b"ZADD", b"first", b"1"))]:
            value = b"".join(b"%04d," % i for i in range(250))[:length]
            pair = Pair(ours, theirs, unix=True, protocol=protocol)
            pair.call(b"DEL", b"first")
            pair.call(*put, value)
            pair.close()
            pair = Pair(ours, theirs, unix=True, protocol=protocol)
            replies = pair.call(*read)
            if replies[0].raw != replies[1].raw:
                found.append(parting(Command(read), *replies))
            pair.close()
    return found


def unknown_differences(pair, known):
    """Commands of these types that no stream sends: Redis says which are of them."""
    tables = {kind.type: kind(random.Random(0), known).table for kind in TYPES}
    found = []
    for kind, category in ((b"hash", "hash"), (b"list", "list"), (b"set", "set"), (b"zset", "sortedset"), (b"stream", "stream")):
        names = {name.upper() for name in pair.ends[1].call("COMMAND", "LIST", "FILTERBY", "ACLCAT", category).plain()}
        left = (names & known) - {b"SORT", b"SORT_RO"} - {*tables[kind]}
        found += [f"{name.decode()}: in no stream" for name in sorted(left) if b"|" not in name]
    return found


def main():
    parser = argparse.ArgumentParser(description="compare pgfirst's collections with Redis's")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--elements", type=int, default=2500)
    parser.add_argument("--test", default="")
    parser.add_argument("ours")
    parser.add_argument("theirs")
    options = parser.parse_args()
    ours, theirs = load(options.ours), load(options.theirs)
    report, seed = Report(options.test), options.seed
    for protocol in (2, 3):
        pair = Pair(ours, theirs, unix=protocol == 2, protocol=protocol)
        known = {name.upper() for name in pair.ends[0].call("COMMAND", "LIST").plain()}
        for kind in TYPES:
            name = f"elements: {options.elements} commands on {kind.__name__.lower()}, RESP{protocol}, seed {seed}"
            if options.test in name:
                report.result(name, stream_differences(pair, kind, known, seed, options.elements))
            name = f"elements: {kind.__name__.lower()} that have expired, RESP{protocol}"
            if options.test in name:
                report.result(name, expired_differences(pair, kind, known))
            seed += 1
        report.result(f"elements: one that is left of many, RESP{protocol}", left_differences(pair))
        report.result(f"elements: ranges by member where scores differ, RESP{protocol}", mixed_differences(pair, random.Random(seed)))
        report.result(f"elements: the first reply of a connection, RESP{protocol}", first_differences(ours, theirs, protocol))
        report.result(f"elements: every command is in a stream, RESP{protocol}", unknown_differences(pair, known))
        pair.close()
        for scene in SCENES:
            name = f"elements: {scene}, RESP{protocol}"
            if options.test in name:
                report.result(name, scene_differences(ours, theirs, protocol, SCENES[scene]))
    return 1 if report.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Closed as error:
        print(f"not ok - elements: a connection was closed\n#   {error}")
        sys.exit(1)
