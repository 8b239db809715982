#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""differential.py: the same commands to Redis and to pgfirst, the replies compared byte for byte.

  differential.py [--seed N] [--commands N] [--verbose] OURS THEIRS

OURS and THEIRS are files written by server.py. Prints TAP: a test for each protocol and transport with a random
stream of commands, then what a stream cannot hold: commands whose answer is compared by its
meaning, keys that expire, malformed bytes. The seed is printed and repeats a run. Of what several clients do to each other, and of
keys that expire in between, there are thousands of short streams in interleaved.py.

Streams go out in pipelines of random length and hold what a careless program sends: wrong numbers
of arguments, numbers that are none, options that exclude one another, keys and values of any
bytes, logging out and in, changes of protocol and database. Replies must be equal but for the
differences listed in ALLOWED, each of which says why it is one. Durations in the stream are long or over, so
that no answer depends on the moment; PTTL and TTL may differ by a second.
"""

import argparse
import random
import sys
import time

from resp import Closed, Connection, Error, encode
from server import load
from scripting import Scripts
from stream import Stream

# ---- what may differ ---------------------------------------------------------------------------


def fields_of(reply):
    """CLIENT INFO and LIST: the names of the fields."""
    return {word.split(b"=")[0] for word in reply.value.split()}


def same_set(ours, theirs):
    """Equal but for the order of an array's items."""
    return (ours.kind == theirs.kind and ours.value is not None and theirs.value is not None
            and sorted(item.raw for item in ours.value)
            == sorted(item.raw for item in theirs.value))


def same_scan(ours, theirs):
    """The whole of a database in one answer: cursor 0, and the same keys."""
    return (ours.kind == theirs.kind == "*" and ours.value[0].raw == theirs.value[0].raw
            and same_set(ours.value[1], theirs.value[1]))


def same_but_for(*names):
    """Equal maps (flat arrays in RESP2) whose named entries may have other values of their type."""

    def pairs(reply):
        return reply.value if reply.kind == "%" else zip(reply.value[::2], reply.value[1::2])

    def same(ours, theirs):
        if ours.kind != theirs.kind or ours.kind not in "%*":
            return False
        return all(our_key.raw == their_key.raw and (our.raw == their.raw or (
            our_key.value.decode() in names and our.kind == their.kind))
            for (our_key, our), (their_key, their) in zip(pairs(ours), pairs(theirs))
        ) and len(ours.value) == len(theirs.value)

    return same


def ours_says(begin):
    return lambda ours, theirs: ours.raw.startswith(begin.encode())


def error_for(*answers):
    """pgfirst says what is wrong with the arguments, Redis 7.0 gives one of these answers."""
    errors = (b"-ERR value is not an integer or out of range\r\n", b"-ERR syntax error\r\n")
    return lambda ours, theirs: ours.raw in errors and theirs.raw in answers


def theirs_says(begin):
    return lambda ours, theirs: theirs.raw.startswith(begin.encode())


def both_of(*begins):
    begins = tuple(begin.encode() for begin in begins)
    return lambda ours, theirs: ours.raw.startswith(begins) and theirs.raw.startswith(begins)


def both_say(begin):
    return lambda ours, theirs: all(reply.raw.startswith(begin.encode()) for reply in (ours, theirs))


def same_names(ours, theirs):
    """Equal but for the order in which the pairs come."""
    our, their = [
        sorted((key.raw, value.raw) for key, value in (
            reply.value if reply.kind == "%" else zip(reply.value[::2], reply.value[1::2])))
        for reply in (ours, theirs)] if ours.kind == theirs.kind and ours.kind in "%*" else (0, 1)
    return our == their


def within(limit):
    def same(ours, theirs):
        return (ours.kind == theirs.kind == ":" and ours.value >= 0 and theirs.value >= 0
                and abs(ours.value - theirs.value) <= limit)

    return same


def same_type(ours, theirs):
    return ours.kind == theirs.kind and (
        ours.kind != "*" or [item.kind for item in ours.value] == [item.kind for item in theirs.value])


def both_or_neither(ours, theirs):
    """Any key, or null."""
    return ours.kind == theirs.kind and (ours.value is None) == (theirs.value is None)


def not_looser(ours, theirs):
    """Encodings: Redis's was right once, ours is right now."""
    order = [b"int", b"embstr", b"raw"]
    return (ours.value in order and theirs.value in order
            and order.index(ours.value) < order.index(theirs.value))


WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

# The words that begin a command, how its replies may differ, and why.
ALLOWED = [
    (("TTL",), within(1), "the two were asked at different moments"),
    (("PTTL",), within(1000), "the two were asked at different moments"),
    (("EXPIRETIME",), within(1), "the two were asked at different moments"),
    (("PEXPIRETIME",), within(1000), "the two were asked at different moments"),
    (("RANDOMKEY",), both_or_neither, "chance"),
    (("OBJECT", "ENCODING"), not_looser, "Redis keeps the encoding that a value had before it was changed in place"),
    (("OBJECT", "IDLETIME"), lambda ours, theirs: ours.raw == b":0\r\n" and theirs.kind == ":",
     "pgfirst does not record when keys are used"),
    (("OBJECT", "REFCOUNT"), lambda ours, theirs: ours.raw == b":1\r\n" and theirs.kind == ":" and theirs.value > 1,
     "Redis shares small numbers, and a value with the command that has set it in the same transaction"),
    (("OBJECT", "HELP"), lambda ours, theirs: ours.kind == theirs.kind == "*"
     and {item.kind for item in ours.value} == {item.kind for item in theirs.value} == {"+"},
     "the words are our own"),
    (("KEYS",), same_set, "keys have no order"),
    (("SCAN",), same_scan, "keys have no order; the whole database in one call"),
    (("HELLO",), same_but_for("version", "id"), "pgfirst says 7.2, and numbers clients by itself"),
    (("HELLO",), both_say("-NOAUTH HELLO must be called"), "7.2 has added a word, <proto>"),
    (("SCAN",), ours_says("-ERR invalid cursor"), "an empty cursor or one with a plus sign: no server gives one"),
    (("CONFIG", "GET"), lambda ours, theirs: ours.raw.lower() == theirs.raw.lower(),
     "Redis repeats the name as it was asked for, pgfirst says the parameter's own"),
    (("CONFIG", "GET"), same_names, "what a pattern finds has no order"),
    (("CLIENT", "ID"), same_type, "each numbers its clients"),
    (("CLIENT", "INFO"), lambda ours, theirs: ours.kind == theirs.kind
     and fields_of(ours) >= fields_of(theirs), "7.2 has two fields more"),
    (("TIME",), same_type, "the two were asked at different moments"),
    (("BITCOUNT",), error_for(b":0\r\n", WRONG_TYPE), "7.2 looks at the arguments before it looks for the key"),
    (("BITPOS",), error_for(b":0\r\n", b":-1\r\n", WRONG_TYPE), "7.2 looks at the arguments before it looks for the key"),
    (("LASTSAVE",), same_type, "each has its own moments"),
    (("BGSAVE",), both_of("+Background saving started", "-ERR Background save already in progress"),
     "how long a save takes is nobody's promise"),
    (("CONFIG", "REWRITE"), ours_says("-ERR The server is running without a config file"),
     "pgfirst answers as a Redis without a file; this one has one"),
    (("SHUTDOWN",), ours_says("-ERR SHUTDOWN is refused"), "no client stops PostgreSQL"),
    (("SLOWLOG", "HELP"), lambda ours, theirs: ours.kind == theirs.kind == "*", "the words are our own, and their number"),
    (("SLOWLOG", "LEN"), same_type, "what is slow depends on the machine"),
    (("SLOWLOG", "GET"), lambda ours, theirs: ours.kind == theirs.kind == "*", "likewise"),
    (("CLIENT", "NO-TOUCH"), theirs_says("-ERR unknown subcommand"), "new in 7.2"),
    (("WAITAOF",), theirs_says("-ERR unknown command"), "new in 7.2"),
]


def allowed(words, ours, theirs):
    names = [word.upper() for word in words[:2]]
    for begin, same, _ in ALLOWED:
        if names[:len(begin)] == [word.encode() for word in begin] and same(ours, theirs):
            return True
    return False


# ---- comparing ---------------------------------------------------------------------------------


class Pair:
    """A connection to each server, logged in."""

    def __init__(self, ours, theirs, unix, protocol=2, log_in=True):
        self.ends = []
        for server in (ours, theirs):
            end = Connection(server.socket if unix else (server.host, server.port))
            self.ends.append(end)
            if log_in:
                answer = end.call("HELLO", protocol, "AUTH", server.user, server.password)
                if isinstance(answer.value, Error):
                    raise RuntimeError(answer.value)

    def close(self):
        for end in self.ends:
            end.close()

    def call(self, *words):
        return [end.call(*words) for end in self.ends]

    def plain(self, *words):
        return [reply.plain() for reply in self.call(*words)]


class Report:
    """TAP, and each kind of difference once."""

    def __init__(self, test):
        self.count, self.failed, self.only = 0, 0, test

    def result(self, name, differences):
        if self.only not in name:
            return
        self.count += 1
        self.failed += bool(differences)
        print(f"{'not ok' if differences else 'ok'} - {name}", flush=True)
        for line in differences[:40]:
            print(f"#   {line}")
        if len(differences) > 40:
            print(f"#   and {len(differences) - 40} more")


def shorten(words):
    # A password is nobody's business in a log.
    text = repr(words)
    return text if len(text) < 400 else text[:400] + "…"


def difference(words, ours, theirs):
    return f"{shorten(words)}: pgfirst {ours!r}, Redis {theirs!r}"


def state_difference(pair):
    """What the selected databases hold differently: text, or None. Says nothing when logged out."""
    ours, theirs = pair.plain("KEYS", "*")
    if isinstance(ours, Error) or isinstance(theirs, Error):
        return None
    if sorted(ours) != sorted(theirs):
        return (f"keys: only in pgfirst {sorted(set(ours) - set(theirs))}, "
                f"only in Redis {sorted(set(theirs) - set(ours))}")
    for words in [("MGET", *ours)] * bool(ours) + [("PTTL", key) for key in ours] + [("DBSIZE",)]:
        our, their = pair.call(*words)
        if our.raw != their.raw and not allowed([words[0].encode()], our, their):
            return difference(words, our, their)
    return None


def other_states_difference(pair):
    """The same for all databases; the selected one stays selected."""
    info = pair.ends[0].call("CLIENT", "INFO").plain()
    if isinstance(info, Error):
        return None
    selected = int(dict(field.split(b"=", 1) for field in info.split())[b"db"])
    found = None
    for number in range(4):
        pair.call("SELECT", number)
        found = found or state_difference(pair)
    pair.call("SELECT", selected)
    return found


def send_all(pair, servers, batch):
    """Both have the same users, but each its own password."""
    for end, server in zip(pair.ends, servers):
        end.send(b"".join(encode(*[
            server.password.encode() if word == b"\0password" else word for word in words])
            for words in batch))


def same_reply(words, our, their, kept):
    """Equal, or different as it may be; kept is what MULTI has kept, if this is EXEC."""
    if our.raw == their.raw or allowed(words, our, their):
        return True
    return (kept is not None and our.kind == their.kind == "*" and our.value is not None
            and their.value is not None and len(our.value) == len(their.value) == len(kept)
            and all(same_reply(inner, mine, yours, None)
                    for inner, mine, yours in zip(kept, our.value, their.value)))


def stream_differences(ours, theirs, unix, protocol, seed, commands):
    chance = random.Random(seed)
    stream = Stream(chance, ours.user, "\0password", Scripts(chance))
    pair = Pair(ours, theirs, unix, protocol)
    for number in range(4):
        pair.call("SELECT", number)
        pair.call("FLUSHDB")
    pair.call("SELECT", 0)
    pair.call("CONFIG", "SET", "hz", 10, "hash-max-listpack-entries", 512, "slowlog-max-len", 128,
              "slowlog-log-slower-than", 10000)
    differences, seen = [], set()
    sent, kept = 0, []
    while sent < commands:
        batch = [words for _ in range(chance.choice([1, 1, 1, 2, 3, 8, 20, 50])) for words in stream.group()]
        # Whoever is logged out stays so for a few commands, of ten words at most, and sends them one
        # by one: Redis drops those who have not logged in and leave a kilobyte of answers unread.
        together = len(batch)
        if any(words[0] == b"RESET" for words in batch):
            together = 1
            batch = [[b"RESET"],
                     *[words for words in batch if len(words) <= 10 and words[0].upper() != b"MULTI"][:4],
                     [b"AUTH", b"\0password"], [b"HELLO", str(protocol).encode()]]
        for number, words in enumerate(batch):
            if number % together == 0:
                send_all(pair, (ours, theirs), batch[number:number + together])
            try:
                our, their = [end.reply() for end in pair.ends]
            except Closed as error:
                return differences + [f"{shorten(words)} in {shorten(batch)}: {error}"]
            if words[0].upper() == b"MULTI" and their.raw == b"+OK\r\n":
                kept = []
            elif their.raw == b"+QUEUED\r\n":
                kept.append(words)
            if not same_reply(words, our, their, kept if words[0].upper() == b"EXEC" else None):
                # Once for each kind of difference.
                shape = (words[0].upper(), our.raw[:12], their.raw[:12])
                if shape not in seen:
                    seen.add(shape)
                    differences.append(difference(words, our, their))
        sent += len(batch)
        # Commands of one database change others too.
        found = other_states_difference(pair) if chance.random() < 0.1 else state_difference(pair)
        if found:
            differences.append(f"{found} after {shorten(batch)}")
            pair.call("FLUSHALL")
    pair.close()
    return differences


# ---- what a stream cannot hold -----------------------------------------------------------------


def compare(pair, commands):
    """Differences in the answers to these commands, one after the other."""
    found = []
    for words in commands:
        our, their = pair.call(*words)
        if our.raw != their.raw and not allowed([str(word).encode() for word in words], our, their):
            found.append(difference(words, our, their))
    return found


def expiry_differences(pair):
    """Keys whose time is over are not there, whoever asks, and whatever is done to them next."""
    asking = [
        ("GET", "x"), ("TTL", "x"), ("PTTL", "x"), ("EXISTS", "x", "x"), ("TYPE", "x"), ("KEYS", "x*"),
        ("SCAN", "0", "COUNT", "100000"), ("MGET", "x", "y"), ("PERSIST", "x"), ("EXPIRE", "x", "100"),
        ("DEL", "x"), ("INCR", "x"), ("DECR", "x"), ("INCRBY", "x", "5"), ("SET", "x", "new", "NX"),
        ("SET", "x", "new", "XX"), ("SET", "x", "new", "GET"), ("SET", "x", "new", "KEEPTTL"),
        ("SET", "x", "new", "XX", "GET"), ("MSET", "x", "1"), ("PEXPIRE", "x", "100", "XX"),
        ("SETNX", "x", "new"), ("MSETNX", "x", "1", "z", "2"), ("GETSET", "x", "new"), ("GETDEL", "x"), ("GETEX", "x"),
        ("GETEX", "x", "PERSIST"), ("GETEX", "x", "EX", "100"), ("APPEND", "x", "2"), ("STRLEN", "x"),
        ("GETRANGE", "x", "0", "-1"), ("SETRANGE", "x", "2", "2"), ("SETRANGE", "x", "2", ""), ("DECRBY", "x", "5"),
        ("INCRBYFLOAT", "x", "0.5"), ("SETBIT", "x", "1", "0"), ("GETBIT", "x", "2"), ("BITCOUNT", "x"), ("BITPOS", "x", "0"),
        ("BITOP", "OR", "x", "x", "y"), ("BITOP", "OR", "y", "x"), ("BITOP", "NOT", "y", "x"),
        ("UNLINK", "x", "y"), ("TOUCH", "x", "y", "x"), ("RENAME", "x", "y"), ("RENAME", "y", "x"), ("RENAMENX", "x", "z"),
        ("RENAMENX", "y", "x"), ("RENAME", "x", "x"), ("COPY", "x", "y", "REPLACE"), ("COPY", "y", "x"),
        ("COPY", "x", "z", "DB", "1"), ("COPY", "y", "x", "DB", "2"), ("MOVE", "x", "1"), ("MOVE", "y", "2"),
        ("RANDOMKEY",), ("OBJECT", "ENCODING", "x"), ("OBJECT", "FREQ", "x"), ("EXPIREAT", "x", "9999999999"),
        ("PEXPIREAT", "x", "1"), ("EXPIRETIME", "x"), ("PEXPIRETIME", "x"), ("FLUSHALL",)]
    found = []
    for words in asking:
        found += compare(pair, [
            ("FLUSHALL",), ("SET", "x", "41", "PX", "20"), ("SET", "y", "1"), ("SELECT", "2"),
            ("SET", "x", "2", "PX", "20"), ("SET", "y", "2", "PX", "20"), ("SELECT", "0")])
        time.sleep(0.03)
        found += compare(pair, [
            words, ("GET", "x"), ("TTL", "x"), ("SET", "x", "fresh"), ("TTL", "x"), ("DBSIZE",), ("MGET", "x", "y", "z"),
            ("SELECT", "1"), ("MGET", "x", "y", "z"), ("SELECT", "2"), ("MGET", "x", "y", "z"), ("TTL", "x"), ("TTL", "y"),
            ("SELECT", "0")])
    return found + compare(pair, [("FLUSHALL",)])


# Values that stand at the edges of Redis's encodings.
ENCODED = ["", "0", "-0", "00", "+1", "9999", "10000", "-9223372036854775808", "-9223372036854775809",
           "9223372036854775807", "9223372036854775808", "1.0", " 1", "1" * 20, "1" * 21, "x" * 44, "x" * 45, "x" * 5000]


def object_differences(pair):
    """What OBJECT says of values that were set, not changed in place: without what a stream may differ in."""
    found = []
    for value in ENCODED:
        for words in [("SET", "x", value), ("SET", "y", value), ("RENAME", "y", "z"), ("COPY", "x", "y")]:
            pair.call(*words)
        for key in ("x", "y", "z", "none"):
            our, their = pair.call("OBJECT", "ENCODING", key)
            if our.raw != their.raw:
                found.append(difference(("OBJECT", "ENCODING", key, value), our, their))
        found += compare(pair, [("INCR", "x"), ("INCRBY", "y", "-7"), ("OBJECT", "REFCOUNT", "x"), ("OBJECT", "FREQ", "x"),
                                ("FLUSHDB",)])
    return found


def random_differences(pair):
    """RANDOMKEY: every key sooner or later, and no other."""
    keys = [f"k{i}".encode() for i in range(8)]
    found = compare(pair, [("FLUSHDB",), ("RANDOMKEY",), ("MSET", *[word for key in keys for word in (key, b"1")]),
                           ("PEXPIRE", "k7", "1")])
    time.sleep(0.01)
    for name, end in zip(("pgfirst", "Redis"), pair.ends):
        missing = {*keys[:-1]}
        for _ in range(100000):
            key = end.call("RANDOMKEY").value
            missing.discard(key)
            if key not in keys[:-1]:
                found.append(f"RANDOMKEY: {name} {key}")
                break
            if not missing:
                break
        else:
            found.append(f"RANDOMKEY: {name} never gives {sorted(missing)}")
    return found + compare(pair, [("FLUSHDB",), ("RANDOMKEY",)])


def scan_differences(pair):
    """With small steps: the same keys in the end, and none twice from pgfirst."""
    found = compare(pair, [("FLUSHDB",), ("MSET", *[word for i in range(1000) for word in (f"k{i}", i)])])
    for options in [[], ["COUNT", 1], ["COUNT", 7, "MATCH", "k?5*"], ["MATCH", "none*"], ["TYPE", "string"]]:
        results = []
        for end in pair.ends:
            cursor, keys, rounds = b"0", [], 0
            while rounds == 0 or cursor != b"0":
                cursor, batch = end.call("SCAN", cursor, *options).plain()
                keys += batch
                rounds += 1
                if int(cursor) >= 2 ** 53:
                    found.append(f"SCAN {options}: a client that has only doubles cannot keep the cursor {cursor}")
                if rounds > 5000:
                    found.append(f"SCAN {options}: no end after {rounds} calls")
                    break
            results.append(keys)
        ours, theirs = results
        if sorted(ours) != sorted(set(theirs)):
            found.append(f"SCAN {options}: pgfirst {len(ours)} keys, {len(set(ours))} different ones, "
                         f"Redis {len(set(theirs))}")
    return found + compare(pair, [("FLUSHDB",), ("DBSIZE",)])


# What Redis knows of a command and pgfirst has no such thing to say about.
MEANINGLESS_FLAGS = {"denyoom", "noscript", "stale", "allow_busy", "skip_monitor", "skip_slowlog", "sentinel",
                     "no_async_loading", "loading", "no_multi", "movablekeys", "no_mandatory_keys", "admin"}


# Redis lists these under other categories of its access control, which pgfirst does not have: containers under
# none of their own, COMMAND with the connection's, DBSIZE, FLUSHALL, FLUSHDB and SWAPDB with the keyspace's, some as dangerous.
OTHER_CATEGORIES = {
    b"slowlog", b"command|getkeys", b"command|getkeysandflags", b"command|help", b"wait", b"eval_ro", b"evalsha_ro", b"script",
    b"script|flush", b"pubsub", b"pubsub|help",
    b"client", b"config", b"command", b"command|count", b"command|docs", b"command|info", b"command|list",
    b"dbsize", b"flushall", b"flushdb", b"info", b"keys", b"object", b"swapdb", b"xinfo"}


def command_differences(pair):
    """COMMAND INFO of every command pgfirst has: name, arity, place of keys, flags, key specs."""
    found = []
    names = pair.ends[0].call("COMMAND", "LIST").plain()
    for name in sorted(names):
        our, their = [reply[0] for reply in pair.plain("COMMAND", "INFO", name)]
        if their is None:
            # These came with 7.2.
            if name not in (b"client|setinfo", b"client|no-touch", b"waitaof"):
                found.append(f"COMMAND INFO {name}: Redis knows no such command")
            continue
        # ZRANK and ZREVRANK have got an option.
        if name in (b"zrank", b"zrevrank"):
            their[1] = -their[1]
        if our[:2] != their[:2] or our[3:6] != their[3:6]:
            found.append(f"COMMAND INFO {name}: pgfirst {our[:2]} {our[3:6]}, Redis {their[:2]} {their[3:6]}")
        flags = [{flag.decode() for flag in info[2]} - MEANINGLESS_FLAGS for info in (our, their)]
        if flags[0] != flags[1]:
            found.append(f"COMMAND INFO {name}: flags: pgfirst {sorted(flags[0])}, Redis {sorted(flags[1])}")
        if len(our) != len(their):
            found.append(f"COMMAND INFO {name}: {len(our)} items, Redis has {len(their)}")
        our_kinds, their_kinds = [
            [item.kind for item in reply.value[0].value] for reply in pair.call("COMMAND", "INFO", name)]
        if our_kinds != their_kinds:
            found.append(f"COMMAND INFO {name}: types: pgfirst {our_kinds}, Redis {their_kinds}")
        if {*our[6]} != {*their[6]} and name not in OTHER_CATEGORIES:
            found.append(f"COMMAND INFO {name}: categories: pgfirst {sorted(our[6])}, Redis {sorted(their[6])}")
        docs = [reply.plain() for reply in pair.call("COMMAND", "DOCS", name)]
        our_docs, their_docs = [
            doc if isinstance(doc, dict) else dict(zip(doc[::2], doc[1::2])) for doc in docs]
        if list(our_docs) != list(their_docs):
            found.append(f"COMMAND DOCS {name}: pgfirst {list(our_docs)}, Redis {list(their_docs)}")
    return found


def server_differences(pair):
    """INFO: the sections clients ask for, in the same form; CONFIG GET, CLIENT LIST, TIME."""
    found = []
    for words in [("INFO",), ("INFO", "server"), ("INFO", "bogus"), ("INFO", "server", "clients"),
                  ("CLIENT", "LIST"), ("CLIENT", "LIST", "TYPE", "normal"), ("CLIENT", "INFO"), ("TIME",),
                  ("CONFIG", "GET", "*"), ("COMMAND", "COUNT"), ("COMMAND", "DOCS", "get"), ("COMMAND",)]:
        our, their = pair.call(*words)
        # Verbatim text begins with its format.
        if our.kind != their.kind or (our.kind == "=" and our.value[:4] != their.value[:4]):
            found.append(difference(words, our, their))
    our, their = pair.plain("INFO", "everything")
    titles = [{line for line in text.decode().splitlines() if line.startswith("# ")} for text in (our, their)]
    missing = titles[1] - titles[0] - {"# Modules", "# Commandstats", "# Errorstats", "# Latencystats"}
    if missing:
        found.append(f"INFO: sections that are missing: {sorted(missing)}")
    our, their = pair.plain("INFO", "bogus")
    if our != their:
        found.append(f"INFO bogus: pgfirst {our!r}, Redis {their!r}")
    return found


# Each a pipeline behind a login; what comes back is compared as it is, until the server closes.
SILENT = [
    [["CLIENT", "REPLY", "OFF"], ["SET", "k", "1"], ["GET", "k"], ["CLIENT", "REPLY", "ON"], ["GET", "k"]],
    [["CLIENT", "REPLY", "SKIP"], ["SET", "k", "2"], ["GET", "k"], ["DEL", "k"]],
    [["CLIENT", "REPLY", "SKIP"], ["CLIENT", "REPLY", "SKIP"], ["PING"], ["PING", "two"]],
    [["CLIENT", "REPLY", "SKIP"], ["CLIENT", "REPLY", "ON"], ["PING"]],
    [["CLIENT", "REPLY", "SKIP"], ["CLIENT", "REPLY", "OFF"], ["PING"], ["CLIENT", "REPLY", "ON"]],
    [["CLIENT", "REPLY", "OFF"], ["CLIENT", "REPLY", "SKIP"], ["PING"], ["PING"], ["CLIENT", "REPLY", "ON"], ["PING"]],
    [["CLIENT", "REPLY", "OFF"], ["BOGUS"], ["GET"], ["CLIENT", "REPLY", "x"], ["CLIENT", "REPLY", "ON"], ["PING"]],
    [["CLIENT", "REPLY", "SKIP"], ["BOGUS"], ["PING"]],
    [["CLIENT", "REPLY", "SKIP"], ["GET"], ["PING"]],
    [["CLIENT", "REPLY", "x"], ["PING"]],
    [["CLIENT", "REPLY", "OFF"], ["RESET"], ["PING"]],
    [["CLIENT", "REPLY", "SKIP"], ["RESET"], ["PING"]],
    [["CLIENT", "REPLY", "OFF"], ["INCR", "n"], ["INCR", "n"], ["CLIENT", "REPLY", "ON"], ["GET", "n"], ["DEL", "n"]],
    [["CLIENT", "REPLY", "OFF"], ["WAIT", "0", "0"], ["CLIENT", "PAUSE", "1"], ["CLIENT", "REPLY", "ON"], ["PING"]],
]


def silent_differences(ours, theirs):
    found = []
    for commands in SILENT:
        payload = b"".join(encode(*words) for words in commands)
        our, their = [conversation(server, payload, True) for server in (ours, theirs)]
        if our != their:
            found.append(f"{commands}: pgfirst {shorten(our)}, Redis {shorten(their)}")
    return found


def is_open(end):
    try:
        return end.call("PING").kind == "+"
    except (Closed, ConnectionError):
        return False


def kill_differences(ours, theirs):
    """Three clients, the first of which kills: who is left, and what it was told."""

    def address(ends, number, what="addr"):
        fields = ends[number].call("CLIENT", "INFO").plain().decode().split()
        return next(field.split("=", 1)[1] for field in fields if field.startswith(f"{what}="))

    kinds = [
        lambda ends, server: [address(ends, 1)],
        lambda ends, server: [address(ends, 0)],
        lambda ends, server: ["ADDR", address(ends, 1)],
        lambda ends, server: ["LADDR", address(ends, 1, "laddr"), "ID", ends[2].call("CLIENT", "ID").value],
        lambda ends, server: ["ID", ends[1].call("CLIENT", "ID").value],
        lambda ends, server: ["ID", ends[0].call("CLIENT", "ID").value],
        lambda ends, server: ["ID", ends[0].call("CLIENT", "ID").value, "SKIPME", "no"],
        lambda ends, server: ["ID", ends[1].call("CLIENT", "ID").value, "TYPE", "pubsub"],
        lambda ends, server: ["TYPE", "normal", "ADDR", address(ends, 2)],
        lambda ends, server: ["USER", server.user],
        lambda ends, server: ["USER", server.user, "SKIPME", "no"],
        lambda ends, server: ["TYPE", "normal"],
        lambda ends, server: ["TYPE", "normal", "SKIPME", "no"],
    ]
    found = []
    for number, words in enumerate(kinds):
        outcomes = []
        for server in (ours, theirs):
            ends = [Connection((server.host, server.port)) for _ in range(3)]
            for end in ends:
                end.call("AUTH", server.user, server.password)
            answer = ends[0].call("CLIENT", "KILL", *words(ends, server))
            outcomes.append((answer.raw, [is_open(end) for end in ends]))
            for end in ends:
                end.close()
        if outcomes[0] != outcomes[1]:
            found.append(f"CLIENT KILL {number}: pgfirst {outcomes[0]}, Redis {outcomes[1]}")
    return found


def slowlog_differences(pair):
    """With every command logged: what the entries say but for numbers, moments and the clients."""

    def entries():
        results = []
        for end in pair.ends:
            found = end.call("SLOWLOG", "GET", -1).plain()
            results.append([[entry[3], entry[5]] + [type(part) for part in entry] for entry in found])
        return results

    found = compare(pair, [("CLIENT", "SETNAME", "slow"), ("CONFIG", "SET", "slowlog-max-len", 20),
                           ("SLOWLOG", "RESET"), ("CONFIG", "SET", "slowlog-log-slower-than", 0)])
    for words in [("SET", "k", "v" * 128), ("SET", "k", "v" * 129), ("SET", "k", "v" * 5000), ("MGET", *["k"] * 30),
                  ("MGET", *["k"] * 31), ("MGET", *["k"] * 32), ("MGET", *["k"] * 100), ("GET", b"\x00\xff\r\n"), ("GET",), ("BOGUS", "x"),
                  ("GET", ""), ("set", "k" * 200, "x", "bogus"), ("AUTH", "nobody", "wrong"), ("CLIENT", "ID"), ("DEL", "k")]:
        pair.call(*words)
    ours, theirs = entries()
    # Redis leaves AUTH's user and password out one by one, and a name of the connection is there either way.
    for our, their in zip(ours, theirs):
        if our != their:
            found.append(f"SLOWLOG GET: pgfirst {shorten(our)}, Redis {shorten(their)}")
    if len(ours) != len(theirs):
        found.append(f"SLOWLOG GET: pgfirst {len(ours)} entries, Redis {len(theirs)}")
    for _ in range(30):
        pair.call("GET", "k")
    for words in [("SLOWLOG", "LEN"), ("SLOWLOG", "GET"), ("SLOWLOG", "GET", 3), ("SLOWLOG", "GET", 0), ("SLOWLOG", "GET", 1000)]:
        our, their = pair.plain(*words)
        if (our, their) != (20, 20) and (isinstance(our, int) or len(our) != len(their)):
            found.append(f"{words}: pgfirst {our}, Redis {their}")
    numbers = [entry[0] for entry in pair.ends[0].call("SLOWLOG", "GET", 5).plain()]
    if numbers != list(range(numbers[0], numbers[0] - 5, -1)):
        found.append(f"SLOWLOG GET: numbers {numbers}")
    return found + compare(pair, [
        ("CONFIG", "SET", "slowlog-max-len", 128, "slowlog-log-slower-than", 10000), ("SLOWLOG", "RESET"),
        ("SLOWLOG", "GET"), ("CLIENT", "SETNAME", "")])


def save_differences(pair):
    """SAVE waits, BGSAVE does not, LASTSAVE moves on."""
    found = compare(pair, [("SAVE",), ("SET", "k", "v"), ("SAVE",), ("BGSAVE", "SCHEDULE"), ("DEL", "k")])
    for end in pair.ends:
        before, limit = end.call("LASTSAVE").value, time.time() + 60
        while end.call("LASTSAVE").value <= before:
            end.call("BGSAVE")
            if time.time() > limit:
                found.append("LASTSAVE does not move on")
                break
            time.sleep(0.1)
        while b"rdb_bgsave_in_progress:1" in end.call("INFO", "persistence").plain():
            if time.time() > limit:
                found.append("INFO: a save is in progress for a minute")
                break
            time.sleep(0.1)
    return found


# Each on a connection of its own, sent as it is, and behind it a QUIT where a new line begins; the
# answer is everything until the server closes.
MALFORMED = [
    b"PING\r\n", b"ping hello\r\n", b"\r\n\r\nPING\r\n", b"PING\n", b"   PING   \r\n",
    b'ECHO "a b"\r\n', b"ECHO 'a b'\r\n", b'ECHO "\\x41\\n\\"\r\n', b'ECHO "\\x41\\n\\""\r\n',
    b'ECHO "open\r\n', b"ECHO 'open\r\n", b'ECHO "a"b\r\n', b"ECHO 'a'b\r\n", b"ECHO 'it\\'s'\r\n",
    b"ECHO a\tb\r\n", b'ECHO "\\xzz\\q\\a"\r\n', b"ECHO a\"b c\"\r\n",
    b"*0\r\n", b"*-1\r\n", b"*-5\r\n", b"*x\r\n", b"*\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$x\r\n", b"*1\r\n$\r\n",
    b"*1\r\n:1\r\n", b"*1\r\n+PING\r\n", b"*1\r\nPING\r\n", b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    b"*1048577\r\n", b"*2147483648\r\n", b"*99999999999999999999\r\n", b"*1\r\n$536870913\r\n",
    b"*1\r\n$99999999999999999999\r\n", b"*01\r\n$4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n", b"*+1\r\n$4\r\nPING\r\n",
    b"*1 \r\n$4\r\nPING\r\n", b"* 1\r\n$4\r\nPING\r\n", b"*1\r\n$ 4\r\nPING\r\n", b"*1\r\n$0\r\n\r\n", b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*1\r\n$-0\r\nPING\r\n", b"$4\r\nPING\r\n", b"+OK\r\n", b"-ERR x\r\n", b":1\r\n", b"%1\r\n", b"~1\r\n", b"_\r\n", b"#t\r\n",
    b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", b"POST / HTTP/1.1\r\nHost: example.com\r\n\r\n", b"Host: example.com\r\n",
    b"post x\r\n", b"x" * 65537, b"ECHO " + b"x" * 65600 + b"\r\n", b"*1\r\n$" + b"1" * 65537, b"*" + b"1" * 65537,
    b"ECHO " + b"x" * 60000 + b"\r\n", b"SET k v\r\nGET k\r\nDEL k\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nv\r\r\nGET k\r\nDEL k\r\n",
    encode(*["PING"] * 11), encode("ECHO", "x" * 16384), b"*2\r\n$4\r\nECHO\r\n$16385\r\n", b"*10\r\n$4\r\nPING\r\n", b"*11\r\n",
    b"QUIT\r\nPING\r\n", b"*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n", b"quit now please\r\nPING\r\n",
]


def conversation(server, payload, log_in):
    end = Connection((server.host, server.port), timeout=5)
    try:
        if log_in:
            end.call("AUTH", server.password)
        end.send(payload + (b"PING still-here\r\nQUIT\r\n" if payload.endswith(b"\n") else b""))
        return end.rest()
    except ConnectionError:
        return b"<reset>"
    except TimeoutError:
        return b"<waits>"
    finally:
        end.close()


# Payload, whether logged in (None: either), and why the answers differ.
MALFORMED_ALLOWED = [
    (b"*1048577\r\n", True, "pgfirst takes at most 1,048,576 words a command, Redis 2,147,483,647"),
    (b"*1\r\n$536870913\r\n", False, "both refuse it; who has not logged in is told that limit first"),
    (b"ECHO " + b"x" * 65600 + b"\r\n", None, "over 64 KB; Redis lets it pass if it comes in one read"),
]


def malformed_differences(ours, theirs, log_in):
    found = []
    allowed_here = [payload for payload, when, _ in MALFORMED_ALLOWED if when in (None, log_in)]
    for payload in MALFORMED:
        if payload in allowed_here:
            continue
        our, their = [conversation(server, payload, log_in) for server in (ours, theirs)]
        if our != their:
            found.append(f"{shorten(payload)}: pgfirst {shorten(our)}, Redis {shorten(their)}")
    return found


def main():
    parser = argparse.ArgumentParser(description="compare pgfirst with Redis, byte for byte")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--commands", type=int, default=3000)
    parser.add_argument("--test", default="")
    parser.add_argument("ours")
    parser.add_argument("theirs")
    options = parser.parse_args()
    ours, theirs = load(options.ours), load(options.theirs)
    report = Report(options.test)

    seed = options.seed
    for protocol in (2, 3):
        for unix in (False, True):
            name = (f"differential: {options.commands} commands, RESP{protocol}, "
                    f"{'unix socket' if unix else 'TCP'}, seed {seed}")
            if options.test in name:
                report.result(name, stream_differences(ours, theirs, unix, protocol, seed, options.commands))
            seed += 1
    for protocol in (2, 3):
        pair = Pair(ours, theirs, unix=True, protocol=protocol)
        for name, differences in [("keys that expire", expiry_differences), ("SCAN in small steps", scan_differences),
                                  ("OBJECT", object_differences), ("RANDOMKEY", random_differences),
                                  ("COMMAND INFO and DOCS", command_differences),
                                  ("INFO, CONFIG, CLIENT", server_differences), ("SLOWLOG", slowlog_differences),
                                  ("SAVE, BGSAVE, LASTSAVE", save_differences)]:
            report.result(f"differential: {name}, RESP{protocol}", differences(pair))
        pair.close()
    report.result("differential: CLIENT REPLY", silent_differences(ours, theirs))
    report.result("differential: CLIENT KILL", kill_differences(ours, theirs))
    for log_in in (True, False):
        report.result(f"differential: malformed, {'' if log_in else 'not '}logged in",
                      malformed_differences(ours, theirs, log_in))
    return 1 if report.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Closed as error:
        print(f"not ok - differential: a connection was closed\n#   {error}")
        sys.exit(1)
