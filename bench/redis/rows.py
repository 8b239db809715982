# SPDX-License-Identifier: PostgreSQL
"""rows.py: what is measured: one line per row of the tables.

`target` is the ratio to Redis that design asks for, None where it asks for nothing yet. `scale`
multiplies BENCH_REQUESTS, so that a pipelined run is not over before it has begun, and one of ten keys
a command does not take ten times as long. With
`checkpoints` every run makes two, the first as it begins and the second halfway: a server makes one in
minutes, and here one in about a second, so these rows show the cost of whole pages in the log
at its worst. For each command the same row without them stands beside one of these.

`TYPE_ROWS` are those of the stage `types`: one collection under one key, which typed.py makes ready before
each run, so the runs are half as long.
"""

import collections

from common.load import work

Row = collections.namedtuple("Row", "name work target scale checkpoints")


def row(name, op, space="durable", transport="tcp", pipeline=1, target=1.0, checkpoints=False):
    scale = (1 if pipeline == 1 else 4) / (4 if op in ("mget", "mset", "multi") else 1)
    return Row(name, work(op, space, transport, pipeline), target, scale, checkpoints)


ROWS = [
    row("PING", "ping"),
    row("PING, 16 pipelined", "ping", pipeline=16, target=None),
    row("GET", "get"),
    row("GET, 16 pipelined", "get", pipeline=16, target=1.2),
    row("GET, unix socket", "get", transport="unix"),
    row("GET, unix socket, 16 pipelined", "get", transport="unix", pipeline=16, target=1.2),
    row("MGET of 10", "mget"),
    row("MGET of 10, 16 pipelined", "mget", pipeline=16, target=1.2),
    row("SET volatile", "set", "volatile"),
    row("SET volatile, 16 pipelined", "set", "volatile", pipeline=16, target=1.1),
    row("SET relaxed", "set", "relaxed"),
    row("SET relaxed, 16 pipelined", "set", "relaxed", pipeline=16, target=None),
    row("SET durable", "set", checkpoints=True),
    row("SET durable, 16 pipelined", "set", pipeline=16, target=1.2, checkpoints=True),
    row("SET durable, no checkpoint", "set"),
    row("SET durable, 16 pipelined, no checkpoint", "set", pipeline=16, target=1.2),
    row("SET durable, unix socket", "set", transport="unix", checkpoints=True),
    row("SET durable, unix socket, 16 pipelined", "set", transport="unix", pipeline=16,
        target=1.2, checkpoints=True),
    row("INCR durable", "incr", checkpoints=True),
    row("INCR durable, 16 pipelined", "incr", pipeline=16, target=None, checkpoints=True),
    row("INCR durable, no checkpoint", "incr"),
    row("MSET of 10, durable", "mset", checkpoints=True),
    row("MSET of 10, durable, no checkpoint", "mset"),
    row("MULTI of 10 SETs, durable", "multi", checkpoints=True),
    row("MULTI of 10 SETs, durable, no checkpoint", "multi"),
    row("EVAL of three calls, volatile", "eval", "volatile", target=0.8),
    row("EVAL of three calls, durable", "eval", target=0.8, checkpoints=True),
    row("EVAL of three calls, durable, no checkpoint", "eval", target=0.8),
]

SLOW_ROWS = [
    row("SET durable", "set", checkpoints=True),
    row("SET durable, 16 pipelined", "set", pipeline=16, target=1.2, checkpoints=True),
]


def _type_rows():
    """Each write at each durability, each read once: what is only read is the same in all three."""
    for title, op in (("LPUSH", "lpush"), ("RPUSH", "rpush"), ("RPOP", "rpop"), ("LPOP", "lpop"), ("LRANGE 100", "lrange"),
                      ("SADD", "sadd"), ("SPOP", "spop"), ("HSET", "hset"), ("HGET", "hget"),
                      ("ZADD", "zadd"), ("ZPOPMIN", "zpopmin"), ("XADD", "xadd")):
        reads = op in ("lrange", "hget")
        for space in ("durable",) if reads else ("durable", "relaxed", "volatile"):
            for pipeline, target in ((1, 1.0), (16, 0.8)):
                name = title if reads else "%s %s" % (title, space)
                name += "" if pipeline == 1 else ", %d pipelined" % pipeline
                made = row(name, op, space, pipeline=pipeline, target=target,
                           checkpoints=space == "durable" and not reads)
                yield made._replace(scale=made.scale / (4 if op == "lrange" else 2))


TYPE_ROWS = list(_type_rows())
