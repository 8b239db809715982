# SPDX-License-Identifier: PostgreSQL
"""typed.py: a list, a hash, a set, a sorted set, a stream: one of them under one key.

As redis-benchmark does it: all clients work on the same key, which is the hardest case for a store that
locks keys. What it does not do by itself is to see that there is something to pop, so both peers are
made ready before each run, in the same way and with the same elements:

  adds     the key is not there; it grows to what the run adds, sets and hashes to BENCH_KEYS members
  pops     it has as many elements as the run pops, and some more: never is an empty key asked
  reads    it has BENCH_KEYS elements

Behind each run the key is counted, and the run fails if that is not what must be left, or if a pop
could have met an empty key.

What making ready costs is not what is measured. So pgfirst has swept up what was deleted before, and
made a checkpoint, and Redis has ended rewriting its file, before the run begins; whatever the run itself
brings about of that kind belongs to it. The servers have nothing else in them.

There is no column for plain PostgreSQL: it has tables, not such keys. XADD is left out, and said to be,
where a server does not have it.
"""

import collections
import random

from common import load, results

import pairs
import rows

AT_ONCE = 1000

# How to count; the words for one element, from its number and a random score; what a run does to the key.
State = collections.namedtuple("State", "count add element effect")


def _state(count, add, element):
    return {effect: State(count, add, element, effect) for effect in ("adds", "pops", "reads")}


LIST = _state("LLEN", "RPUSH", lambda number, score: (load.VALUE,))
SET = _state("SCARD", "SADD", lambda number, score: ("element:%012d" % number,))
HASH = _state("HLEN", "HSET", lambda number, score: ("element:%012d" % number, load.VALUE))
ZSET = _state("ZCARD", "ZADD", lambda number, score: (score, "element:%012d" % number))

STATES = {
    "lpush": LIST["adds"],
    "rpush": LIST["adds"],
    "rpop": LIST["pops"],
    "lpop": LIST["pops"],
    "lrange": LIST["reads"],
    "sadd": SET["adds"],
    "spop": SET["pops"],
    "hset": HASH["adds"],
    "hget": HASH["reads"],
    "zadd": ZSET["adds"],
    "zpopmin": ZSET["pops"],
    "xadd": State("XLEN", None, None, "adds"),
}
# Whose elements are not always new ones.
MEMBERS = ("sadd", "hset", "zadd")


def run(peers):
    left_out = [op for op in ("xadd",) if not all(_knows(peer, "XLEN") for peer in peers.values())]
    with results.Writer("types", *pairs.COLUMNS) as writer:
        for row in rows.TYPE_ROWS:
            if row.work.op in left_out:
                print("  %-44s left out: unknown to a server" % row.name)
                continue
            pairs.run_row(writer, row, peers, ready=ready)
    for peer in peers.values():
        for space in ("durable", "relaxed", "volatile"):
            _call(peer, space, "DEL", load.KEY)


def ready(peer, work, requests):
    """Makes the key what the run needs; returns what looks at it afterwards."""
    state = STATES[work.op]
    spare = work.clients * work.pipeline
    elements = {"adds": 0, "pops": requests + spare, "reads": work.keys}[state.effect]
    _call(peer, work.space, "DEL", load.KEY)
    peer.forgotten(work.space)
    _fill(peer, work.space, state, elements)
    peer.rest(work.space)
    return lambda: _check(peer, work, _bounds(work, state, requests, spare))


def _fill(peer, space, state, elements):
    connection = load.RedisConnection(peer.address(space))
    choose = random.Random(1)
    for begin in range(0, elements, AT_ONCE):
        words = [state.add, load.KEY]
        for number in range(begin, min(begin + AT_ONCE, elements)):
            words += state.element(number, choose.randrange(10**12))
        connection.call(*words)
    connection.close()


def _bounds(work, state, requests, spare):
    """Between which the key's length is when all that was asked has been done, and not more."""
    if state.effect == "reads":
        return work.keys, work.keys
    if state.effect == "pops":
        return 1, spare
    if work.op in MEMBERS:
        return 1, min(work.keys, requests + spare)
    return requests, requests + spare


def _check(peer, work, bounds):
    length = int(_call(peer, work.space, STATES[work.op].count, load.KEY))
    if not bounds[0] <= length <= bounds[1]:
        raise RuntimeError("%s: after %s the key has %d elements, not from %d to %d"
                           % ((peer.name, work.op, length) + bounds))


def _call(peer, space, *words):
    connection = load.RedisConnection(peer.address(space))
    try:
        return connection.call(*words)
    finally:
        connection.close()


def _knows(peer, command):
    try:
        _call(peer, "durable", command, load.KEY)
    except RuntimeError:
        return False
    return True
