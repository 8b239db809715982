#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""memory.py: who wants much: of buffers, of a transaction, of a command.

The settings are made small for it, so that a test of a limit costs megabytes and not gigabytes.
"""

import time

from door import (MB, Client, Error, Watch, begin, command, equal, info, note, ok, patience, run, sql,
                  wait_until)

BUFFERS = 32 * MB  # pgfirst.redis_client_memory in the tests of it
OOM_BUFFERS = Error("OOM the buffers of all clients together would exceed pgfirst.redis_client_memory")
OOM_TURN = Error("OOM command not allowed when the changes of one turn would exceed pgfirst.write_set_limit")


class Setting:
    """A setting of the server for the time of a test."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __enter__(self):
        sql("ALTER SYSTEM SET %s = '%s'; SELECT pg_reload_conf();" % (self.name, self.value))
        self.settle()

    def __exit__(self, *unused):
        sql("ALTER SYSTEM RESET %s; SELECT pg_reload_conf();" % self.name)
        self.settle()

    def settle(self):
        time.sleep(0.3)
        with Client() as client:
            client.call("PING")


def oom(client, data=b""):
    """What a client that takes too much hears before it is disconnected."""
    try:
        if data:
            client.send(data)
        return client.reply()
    except (ConnectionError, EOFError):
        return "closed"


@patience(1000)
def one_takes_all():
    with Setting("pgfirst.redis_client_memory", "32MB"), Watch() as watch:
        hog = Client()
        said = oom(hog, b"*3\r\n$3\r\nSET\r\n$3\r\nhog\r\n$200000000\r\n" + b"x" * 60 * MB)
        ok(said in (OOM_BUFFERS, "closed"), "who takes more than redis_client_memory is disconnected")
        note("it heard: %s" % said)
        ok(wait_until(lambda: info("mem_clients_normal") < MB), "its memory is free")
    watch.bounded(BUFFERS + 8 * MB, "and it did not take more than it may")


@patience(1000)
def one_takes_nearly_all():
    with Setting("pgfirst.redis_client_memory", "32MB"):
        hog = Client()
        hog.send(b"*3\r\n$3\r\nSET\r\n$3\r\nhog\r\n$200000000\r\n" + b"x" * 15 * MB)
        ok(wait_until(lambda: info("mem_clients_normal") > 14 * MB), "a client holds most of the buffers")
        others = [Client() for _ in range(20)]
        for number, other in enumerate(others):
            other.send(command("SET", "other%d" % number, b"y" * 1400000)[:-1])
        ok(hog.closed(), "when twenty others want a little, it is the large one that goes")
        for other in others:
            other.send(b"\n")
        equal([other.reply() for other in others], ["OK"] * 20, "and they get theirs")
        for other in others:
            other.close()


@patience(1000)
def strangers_take_all():
    with Setting("pgfirst.redis_client_memory", "32MB"), Watch() as watch:
        known = Client()
        known.send(command("SET", "known", b"k" * 4 * MB)[:-1])
        strangers = [Client(login=False) for _ in range(1000)]
        for stranger in strangers:
            try:
                stranger.send(b"s" * 60000)
            except ConnectionError:
                pass
        known.send(b"\n")
        equal(known.reply(), "OK", "60 MB of strangers' lines do not cost a known client its 4 MB")
        ok(info("mem_clients_normal") <= BUFFERS, "the limit holds")
    watch.bounded(BUFFERS + 16 * MB, "in memory too")
    for stranger in strangers:
        stranger.close()


@patience(2000)
def large_replies():
    with Client() as client:
        client.call("SET", "large", b"l" * 40 * MB)
        client.call("SET", "megabyte", b"m" * MB)
    with Setting("pgfirst.redis_client_memory", "32MB"):
        with Client() as client:
            equal(oom(client, command("GET", "large")), "closed", "a reply beyond redis_client_memory closes")
        with Client() as client, Watch() as watch:
            equal(oom(client, command("MGET", *["megabyte"] * 1000)), "closed", "so does a gigabyte of MGET")
        watch.bounded(BUFFERS + 16 * MB, "which brings in what fits, and no more")
    with Client() as client, Watch() as watch:
        equal(sum(value == b"m" * MB for value in client.call("MGET", *["megabyte"] * 60)), 60, "60 MB of MGET fit")
    watch.bounded(100 * MB, "in the reply and little more")
    with Client() as client:
        client.call("DEL", "large", "megabyte")


def names():
    with Setting("pgfirst.redis_client_memory", "32MB"), Watch() as watch:
        clients, said = [], []
        for _ in range(10):
            clients.append(Client())
            said.append(oom(clients[-1], command("CLIENT", "SETNAME", "n" * 6 * MB)))
        ok(said[0] == "OK" and info("mem_clients_normal") <= BUFFERS, "names of 6 MB count as buffers")
    watch.bounded(BUFFERS + 8 * MB, "and are bounded with them")
    for client in clients:
        client.close()
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "and are forgotten with their clients")


@patience(1000)
def write_set():
    with Setting("pgfirst.write_set_limit", "8MB"):
        with Client() as client:
            equal(client.call("SET", "big", b"b" * 10 * MB), OOM_TURN, "a SET beyond write_set_limit is refused")
            equal(client.call("MSET", *[b"m" * MB] * 20), OOM_TURN, "so is an MSET")
            equal(client.call("EXISTS", "big", b"m" * MB), 0, "nothing of them is done")
            equal(client.call("PING"), "PONG", "and the connection lives")
            clients = [Client() for _ in range(20)]
            for number, other in enumerate(clients):
                other.send(command("SET", "part%d" % number, b"p" * 3 * MB))
            equal([other.reply() for other in clients], ["OK"] * 20,
                  "twenty SETs of 3 MB at once take more turns, and are done")
            for other in clients:
                other.close()
            client.call("DEL", *["part%d" % number for number in range(20)])


@patience(4000)
def large_keys_and_values():
    with Client() as client:
        for size, name in ((100 * 1024, "100 KB"), (MB, "1 MB")):
            key = b"k" * size
            equal([client.call("SET", key, "v"), client.call("GET", key), client.call("EXISTS", key[:-1]),
                   client.call("TYPE", key), client.call("DEL", key)], ["OK", b"v", 0, "string", 1],
                  "a key of %s" % name)
        client.call("SET", b"k" * MB, "v")
        equal(client.call("KEYS", "kkkk*k"), [b"k" * MB], "is listed whole")
        client.call("DEL", b"k" * MB)
        value = b"0123456789" * (10 * MB)
        begin_at = time.monotonic()
        equal(client.call("SET", "value", value), "OK", "a value of 100 MB is taken")
        note("in %.2f s" % (time.monotonic() - begin_at))
        begin_at = time.monotonic()
        ok(client.call("GET", "value") == value, "and comes back")
        note("in %.2f s" % (time.monotonic() - begin_at))
        client.call("DEL", "value")
    with Client() as client:
        client.send(b"*3\r\n$3\r\nSET\r\n$5\r\nvalue\r\n$536870913\r\n")
        equal(client.rest(), b"-ERR Protocol error: invalid bulk length\r\n", "one byte more than 512 MB is refused")
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "and nothing stays")


@patience(2000)
def listed():
    """KEYS and SCAN of keys with large values do not bring the values in."""
    with Client() as client:
        for number in range(100):
            client.call("SET", "listed%d" % number, b"v" * MB)
        with Watch() as watch:
            equal(len(client.call("KEYS", "listed*")), 100, "KEYS of 100 values of 1 MB")
            equal(client.call("SCAN", 0, "COUNT", 1000000, "MATCH", "nothing")[1], [], "SCAN of them")
        watch.bounded(2 * MB, "in little memory")
        begin_at = time.monotonic()
        for _ in range(10):
            client.call("KEYS", "listed*")
        ok(time.monotonic() - begin_at < 0.3, "and little time")
        note("%.1f ms each" % ((time.monotonic() - begin_at) * 100))
        client.call("DEL", *["listed%d" % number for number in range(100)])


@patience(8000)
def million_arguments():
    """Single commands that nobody can cut in pieces: how long they keep the others is reported."""
    with Client(timeout=120) as client, Watch() as watch:
        for words, wanted in (
            (["MGET"] + list(range(1000000)), [None] * 1000000),
            (["DEL"] + list(range(1000000)), 0),
            (["EXISTS"] + list(range(1000000)), 0),
            (["MSET"] + [word for i in range(100000) for word in ("million%d" % i, i)], "OK"),
            (["DEL"] + ["million%d" % i for i in range(100000)], 100000),
        ):
            data = command(*words)
            begin_at = time.monotonic()
            client.send(data)
            ok(client.reply() == wanted, "%s with %d arguments" % (words[0], len(words) - 1))
            note("in %.2f s" % (time.monotonic() - begin_at))
        client.send(command("GET", *["x"] * 1000000))
        equal(client.reply(), Error("ERR wrong number of arguments for 'get' command"), "GET with 1000000 arguments")
        others = [Client(login=False) for _ in range(500)]
        begin_at = time.monotonic()
        client.send(command("CLIENT", "LIST", "ID", *range(10 ** 9, 10 ** 9 + 1000000)))
        equal(client.reply(), b"", "CLIENT LIST of a million ids beside 500 clients")
        ok(time.monotonic() - begin_at < 4, "does not compare each with each")
        note("in %.2f s" % (time.monotonic() - begin_at))
        for other in others:
            other.close()
        client.send(b"*1048577\r\n")
        equal(client.reply(), Error("ERR Protocol error: invalid multibulk length"), "more than 2^20 arguments")
    watch.bounded(300 * MB, "in bounded memory")


@patience(400)
def patterns():
    """KEYS with what is exponential elsewhere, over 100,000 keys of 60 letters."""
    with Client(timeout=120) as client:
        for start in range(0, 100000, 10000):
            client.send(command("MSET", *[w for i in range(start, start + 10000) for w in ("a" * 54 + "%06d" % i, "")]))
            client.reply()
        with Watch() as watch:
            for pattern, count in (
                ("a*a*a*a*b", 0),
                ("a*" * 27 + "b", 0),
                ("*a" * 50 + "*x*", 0),
                ("[a-z]*[b-y]*[^a]*[", 0),
                ("*" * 10000 + "zz", 0),
                ("a*a*a*a*000001", 1),
            ):
                begin_at = time.monotonic()
                got = client.call("KEYS", pattern)
                equal(len(got), count, "KEYS %.20s..." % pattern)
                note("in %.2f s" % (time.monotonic() - begin_at))
            endless = b"*[" + b"b" * 2000000
            too_long = Error("ERR the pattern takes too long to match; a shorter one, or shorter runs in its "
                             "brackets, would not")
            for words in (["KEYS", endless], ["SCAN", "0", "MATCH", endless, "COUNT", "100"],
                          ["CONFIG", "GET", endless], ["COMMAND", "LIST", "FILTERBY", "PATTERN", endless]):
                begin_at = time.monotonic()
                equal(client.call(*words), too_long, "%s with a class of 2 MB is given up" % words[0])
                note("in %.2f s" % (time.monotonic() - begin_at))
            equal(len(client.call("KEYS", "aaaa*")), 100000, "KEYS of all")
            cursor, calls, seen = b"0", 0, []
            while calls == 0 or cursor != b"0":
                cursor, some = client.call("SCAN", cursor, "COUNT", 1000000000, "MATCH", "aaaa*")
                seen += some
                calls += 1
            equal((len(seen), len(set(seen))), (100000, 100000), "SCAN with an enormous COUNT, each key once")
            note("in %d calls" % calls)
        watch.bounded(32 * MB, "in bounded memory")
        # Eleven at once, from one client: they are not one turn.
        client.send(command("KEYS", "a*a*a*a*b") * 11)
        equal([client.reply() for _ in range(11)], [[]] * 11, "eleven of them in a pipeline")
        for start in range(0, 100000, 10000):
            client.call("DEL", *["a" * 54 + "%06d" % i for i in range(start, start + 10000)])


def keys_left():
    """Clients that leave in the middle of a KEYS, and one that asks on with another pattern."""
    with Client() as client:
        client.call("MSET", *[word for i in range(20000) for word in ("leave%d" % i, "")])
        for turn in range(20):
            leaver = Client()
            leaver.send(command("KEYS", "leave*"))
            time.sleep(0.003)
            (leaver.reset if turn % 2 else leaver.close)()
        client.send(command("KEYS", "leave*") + command("KEYS", "leave1") + command("SET", "leave1", "x") +
                    command("KEYS", "leave?"))
        got = [client.reply() for _ in range(4)]
        equal([len(got[0]), got[1], got[2], len(got[3])], [20000, [b"leave1"], "OK", 10], "each KEYS lists its own")
        client.call("DEL", *["leave%d" % i for i in range(20000)])
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "and nothing stays of those who left")


begin(__doc__)
run([one_takes_all, one_takes_nearly_all, strangers_take_all, large_replies, names, write_set,
     large_keys_and_values, listed, million_arguments, patterns, keys_left])
