#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""redispy.py: redis-py, Debian's, which speaks RESP2, through its own methods.

Run by test/clients/run; see tap.py for the environment.
"""

import concurrent.futures
import sys
import time

import redis

import tap
from server import wait_until
from tap import ON_PGFIRST, check, raises, test


def connect(**options):
    options = {"username": tap.USER, "password": tap.PASSWORD, "socket_timeout": 60, **options}
    if tap.SOCKET:
        return redis.Redis(unix_socket_path=tap.SOCKET, **options)
    if tap.TLS_PORT:
        return redis.Redis(host=tap.HOST, port=tap.TLS_PORT, ssl=True, ssl_ca_certs=tap.CERTIFICATE, **options)
    return redis.Redis(host=tap.HOST, port=tap.PORT, **options)


r = connect()


# ---- the connection ----------------------------------------------------------------------------


@test("PING, ECHO, TIME")
def _():
    check(r.ping(), True)
    check(r.echo("a\r\nb"), b"a\r\nb")
    seconds, microseconds = r.time()
    assert abs(seconds - time.time()) < 60 and 0 <= microseconds < 1000000


@test("SELECT")
def _():
    one, two = connect(db=1), connect(db=2)
    one.set("where", "one")
    two.set("where", "two")
    check([r.get("where"), one.get("where"), two.get("where")], [None, b"one", b"two"])
    check(one.client_info()["db"], 1)
    raises(redis.ResponseError, "DB index is out of range", connect(db=4).ping)
    raises(redis.ResponseError, "value is not an integer or out of range", r.execute_command, "SELECT", "x")
    for database in (one, two):
        database.flushdb()
        check(database.dbsize(), 0)


@test("CLIENT ID, GETNAME, SETNAME, INFO, LIST")
def _():
    c = connect(client_name="a-name", single_connection_client=True)
    check(c.client_getname(), "a-name")
    check(c.client_setname("other"), True)
    check(c.client_getname(), "other")
    raises(redis.ResponseError, "Client names cannot contain spaces, newlines or special characters.",
           c.client_setname, "two words")
    number = c.client_id()
    info = c.client_info()
    check([info["id"], info["name"], info["db"]], [number, "other", 0])
    check([int(line["id"]) for line in c.client_list() if line["name"] == "other"], [number])
    check([int(line["id"]) for line in c.client_list(client_id=[str(number)])], [number])
    assert connect().client_id() > number
    check(c.client_list(_type="pubsub"), [])


@test("CLIENT SETINFO")
def _():
    if not ON_PGFIRST:
        raise tap.Skip("Redis 7.0 has no CLIENT SETINFO")
    c = connect(single_connection_client=True)
    check(c.execute_command("CLIENT", "SETINFO", "LIB-NAME", "a-library"), b"OK")
    check(c.execute_command("CLIENT", "SETINFO", "LIB-VER", "4.3.4"), b"OK")
    info = c.client_info()
    # redis-py 4.3 leaves the line's end in the last field.
    check([info["lib-name"], info["lib-ver"].strip()], ["a-library", "4.3.4"])


@test("HELLO, AUTH, RESET, QUIT")
def _():
    c = connect(single_connection_client=True)
    hello = c.execute_command("HELLO")
    answer = dict(zip(hello[::2], hello[1::2]))
    check([answer[b"server"], answer[b"proto"], answer[b"mode"], answer[b"role"]],
          [b"redis", 2, b"standalone", b"master"])
    check(c.auth(tap.PASSWORD), True)
    check(c.auth(tap.PASSWORD, tap.USER), True)
    c.client_setname("before")
    c.select(3)
    check(c.reset(), "RESET")
    raises(redis.AuthenticationError, "Authentication required.", c.get, "key")
    check(c.auth(tap.PASSWORD, tap.USER), True)
    check([c.client_getname(), c.client_info()["db"]], [None, 0])
    check(c.quit(), True)


@test("wrong passwords, and none")
def _():
    wrong = "invalid username-password pair or user is disabled."
    raises(redis.ResponseError, f"WRONGPASS {wrong}", connect(password="wrong").ping)
    raises(redis.ResponseError, f"WRONGPASS {wrong}", connect(username="nobody").ping)
    raises(redis.AuthenticationError, "Authentication required.", connect(username=None, password=None).ping)
    check(connect(username=None).ping(), True)
    check(connect(username="default").ping(), True)


# ---- the server --------------------------------------------------------------------------------


@test("COMMAND COUNT, DOCS, INFO, LIST")
def _():
    assert r.command_count() >= 31
    commands = r.command()
    check([commands["get"][word] for word in ("arity", "first_key_pos", "last_key_pos", "step_count")],
          [2, 1, 1, 1])
    check([commands["mset"][word] for word in ("arity", "first_key_pos", "last_key_pos", "step_count")],
          [-3, 1, -1, 2])
    assert "readonly" in commands["get"]["flags"] and "write" in commands["set"]["flags"]
    info = r.execute_command("COMMAND INFO", "get", "nothing")
    check([info[0][0], info[0][1], info[1]], [b"get", 2, None])
    names = r.command_list()
    assert {b"get", b"set", b"scan", b"config|get"} <= set(names)
    check(r.command_list(pattern="mget"), [b"mget"])
    assert {b"get", b"incrby"} <= set(r.command_list(category="string")) <= set(names)
    docs = r.execute_command("COMMAND DOCS", "get", "nothing")
    check(docs[0], b"get")
    assert {b"summary", b"since", b"group", b"complexity"} <= set(docs[1][::2])


@test("ACL: WHOAMI, USERS, GETUSER, LIST, CAT, GENPASS")
def _():
    named = connect(username=tap.USER)
    check(named.acl_whoami(), tap.USER)
    assert tap.USER in named.acl_users()
    user = named.acl_getuser(tap.USER)
    check([user["enabled"], user["categories"], "on" in user["flags"]], [True, ["+@all"], True])
    check(named.acl_getuser("nowhere"), None)
    assert any(line.startswith(f"user {tap.USER} on ") for line in named.acl_list())
    assert {"keyspace", "read", "write", "admin"} <= set(named.acl_cat())
    assert {"get", "mget"} <= set(named.acl_cat("read"))
    check(len(named.acl_genpass()), 64)


@test("INFO")
def _():
    info = r.info()
    assert info["redis_version"].startswith("7.") and info["redis_mode"] == "standalone"
    check([info["role"], info["loading"], info["tcp_port"]], ["master", 0, tap.PORT])
    assert info["connected_clients"] >= 1 and info["used_memory"] >= 0 and info["uptime_in_seconds"] >= 0
    r.mset({"a": 1, "b": 2})
    r.expire("a", 1000)
    keyspace = r.info("keyspace")["db0"]
    check([keyspace["keys"], keyspace["expires"]], [2, 1])
    check("redis_version" in r.info("clients"), False)
    if ON_PGFIRST:
        assert r.info("pgfirst")["pgfirst_version"]


@test("CONFIG GET, SET")
def _():
    check(list(r.config_get("maxmemory")), ["maxmemory"])
    check(r.config_get("nothing-of-the-kind"), {})
    assert {"slowlog-max-len", "slowlog-log-slower-than"} <= set(r.config_get("slowlog-*"))
    check(sorted(r.config_get("port", "databases")), ["databases", "port"])
    before = r.config_get("slowlog-max-len")["slowlog-max-len"]
    check(r.config_set("slowlog-max-len", 77), True)
    check(r.config_get("slowlog-max-len"), {"slowlog-max-len": "77"})
    r.config_set("slowlog-max-len", before)
    raises(redis.ResponseError, "Unknown option or number of arguments for CONFIG SET - 'nothing'",
           r.config_set, "nothing", "1")
    if ON_PGFIRST:
        # What follows a setting of PostgreSQL is changed there, and the answer says where.
        raises(redis.ResponseError, "CONFIG SET failed (possibly related to argument 'port') - "
               "can't set it here; it follows pgfirst.redis_port", r.config_set, "port", "1")


@test("CLIENT KILL, PAUSE, UNPAUSE, REPLY, NO-EVICT, UNBLOCK, TRACKINGINFO, GETREDIR")
def _():
    victim = connect(single_connection_client=True, retry_on_timeout=False)
    number = victim.client_id()
    check(r.client_kill_filter(_id=str(number), skipme=True), 1)
    check(r.client_kill_filter(_id=str(number)), 0)
    raises(redis.ResponseError, "No such client", r.client_kill, "127.0.0.1:1")
    check(r.client_pause(1, all=False), True)
    check(r.client_unpause(), b"OK")
    check([r.client_unblock(999999), r.client_getredir()], [False, -1])
    check(r.client_trackinginfo()[:4], ["flags", [b"off"], "redirect", -1])
    check(r.client_no_evict("ON"), b"OK")
    raises(redis.ResponseError, "syntax error", r.client_no_evict, "x")
    check(connect(single_connection_client=True).client_reply("ON"), b"OK")


@test("WAIT, SAVE, BGSAVE, LASTSAVE")
def _():
    check([r.wait(0, 0), r.wait(1, 10)], [0, 0])
    check(r.save(), True)
    assert abs(r.lastsave().timestamp() - time.time()) < 60
    check(r.bgsave(), True)


@test("SLOWLOG, CONFIG RESETSTAT, COMMAND GETKEYS")
def _():
    before = r.config_get("slowlog-log-slower-than")["slowlog-log-slower-than"]
    check(r.config_set("slowlog-log-slower-than", 0), True)
    r.slowlog_reset()
    r.set("slow", "command")
    entries = [entry for entry in r.slowlog_get(10) if entry["command"] == b"SET slow command"]
    check(len(entries), 1)
    assert entries[0]["duration"] >= 0 and abs(entries[0]["start_time"] - time.time()) < 60
    check(r.config_set("slowlog-log-slower-than", before), True)
    check(r.slowlog_reset(), True)
    check(r.slowlog_len(), 0)
    check(r.config_resetstat(), True)
    check(r.command_getkeys("MSET", "a", "1", "b", "2"), ["a", "b"])
    check(r.command_getkeysandflags("GET", "a"), [[b"a", [b"RO", b"access"]]])
    r.delete("slow")


@test("DBSIZE, FLUSHDB")
def _():
    check(r.dbsize(), 0)
    r.mset({f"key{i}": i for i in range(100)})
    check(r.dbsize(), 100)
    check(r.flushdb(asynchronous=True), True)
    check(r.dbsize(), 0)
    r.set("key", "value")
    check([r.flushdb(), r.dbsize(), r.get("key")], [True, 0, None])


# ---- keys and strings --------------------------------------------------------------------------


@test("GET, SET")
def _():
    check([r.get("key"), r.set("key", "value"), r.get("key")], [None, True, b"value"])
    check([r.set("key", ""), r.get("key")], [True, b""])
    check([r.set("", "of the empty key"), r.get("")], [True, b"of the empty key"])
    check(connect(decode_responses=True).get(""), "of the empty key")


@test("SET with every option")
def _():
    check([r.set("key", "1", nx=True), r.set("key", "2", nx=True), r.get("key")], [True, None, b"1"])
    check([r.set("key", "3", xx=True), r.set("none", "3", xx=True), r.get("none")], [True, None, None])
    check([r.set("key", "4", get=True), r.set("none", "4", get=True)], [b"3", None])
    check([r.set("key", "5", nx=True, get=True), r.get("key")], [b"4", b"4"])
    r.set("key", "6", ex=100)
    check(99 <= r.ttl("key") <= 100, True)
    r.set("key", "7", keepttl=True)
    check([99 <= r.ttl("key") <= 100, r.get("key")], [True, b"7"])
    r.set("key", "8", px=100000)
    check(98000 <= r.pttl("key") <= 100000, True)
    r.set("key", "9")
    check(r.ttl("key"), -1)
    now = r.time()[0]
    r.set("key", "10", exat=now + 100)
    check(98 <= r.ttl("key") <= 100, True)
    r.set("key", "11", pxat=(now + 200) * 1000)
    check(198 <= r.ttl("key") <= 200, True)
    raises(redis.ResponseError, "invalid expire time in 'set' command", r.set, "key", "12", ex=0)
    raises(redis.ResponseError, "syntax error", r.execute_command, "SET", "key", "12", "NX", "XX")
    check(r.get("key"), b"11")


@test("SET with a moment that is over, and one that comes")
def _():
    r.set("key", "value", exat=1000)
    check([r.get("key"), r.exists("key"), r.ttl("key")], [None, 0, -2])
    r.set("key", "value", px=30)
    time.sleep(0.05)
    check([r.get("key"), r.keys("*"), r.set("key", "new", xx=True)], [None, [], None])


@test("MGET, MSET")
def _():
    check(r.mset({"a": "1", "b": "", "c": b"\x00\xff"}), True)
    check(r.mget("a", "none", "b", "c", "a"), [b"1", None, b"", b"\x00\xff", b"1"])
    raises(redis.ResponseError, "wrong number of arguments for 'mset' command", r.execute_command, "MSET", "a", "1", "b")


@test("INCR, DECR, INCRBY")
def _():
    # redis-py's incr() is INCRBY.
    check([r.execute_command("INCR", "n"), r.incr("n", 41), r.execute_command("DECR", "n"), r.incr("n", -1000)],
          [1, 42, 41, -959])
    check(r.get("n"), b"-959")
    r.set("n", "9223372036854775807")
    raises(redis.ResponseError, "increment or decrement would overflow", r.incr, "n")
    r.set("n", "text", ex=100)
    raises(redis.ResponseError, "value is not an integer or out of range", r.incr, "n")
    r.set("n", "5", keepttl=True)
    check([r.incr("n"), r.ttl("n") > 90], [6, True])


@test("SETNX, SETEX, PSETEX, GETSET, GETEX, GETDEL, MSETNX")
def _():
    check([r.setnx("key", "1"), r.setnx("key", "2"), r.get("key")], [True, False, b"1"])
    check([r.setex("key", 100, "3"), 99 <= r.ttl("key") <= 100], [True, True])
    check([r.psetex("key", 50500, "4"), 50000 <= r.pttl("key") <= 50500], [True, True])
    check([r.getset("key", "5"), r.ttl("key"), r.getset("none", "6")], [b"4", -1, None])
    check([r.getex("key"), r.getex("key", ex=100), r.ttl("key") >= 99], [b"5", b"5", True])
    check([r.getex("key", persist=True), r.ttl("key"), r.getex("missing", ex=100)], [b"5", -1, None])
    check([r.getex("key", pxat=1000), r.get("key")], [b"5", None])
    check([r.getdel("none"), r.getdel("none")], [b"6", None])
    check([r.msetnx({"a": "1", "b": "2"}), r.msetnx({"b": "3", "c": "4"}), r.mget("a", "b", "c")],
          [True, False, [b"1", b"2", None]])
    raises(redis.ResponseError, "invalid expire time in 'setex' command", r.setex, "key", 0, "x")


@test("APPEND, STRLEN, GETRANGE, SUBSTR, SETRANGE")
def _():
    check([r.append("key", "Hello"), r.append("key", " World"), r.strlen("key"), r.strlen("none")], [5, 11, 11, 0])
    check([r.getrange("key", 0, 4), r.getrange("key", -5, -1), r.substr("key", 3, 5), r.getrange("key", 5, 2)],
          [b"Hello", b"World", b"lo ", b""])
    check([r.setrange("key", 6, "Redis"), r.setrange("gap", 3, "x"), r.mget("key", "gap")],
          [11, 4, [b"Hello Redis", b"\x00\x00\x00x"]])
    raises(redis.ResponseError, "string exceeds maximum allowed size (proto-max-bulk-len)", r.setrange, "key", 1 << 29, "x")


@test("DECRBY, INCRBYFLOAT")
def _():
    # redis-py's decr() is DECRBY.
    check([r.decr("n", 7), r.incrbyfloat("n", 0.1), r.get("n")], [-7, -6.9, b"-6.9"])
    r.set("n", "5.0e3", ex=100)
    check([r.incrbyfloat("n", "2.0e2"), r.get("n"), r.ttl("n") > 90], [5200.0, b"5200", True])
    raises(redis.ResponseError, "value is not a valid float", r.incrbyfloat, "n", "x")


@test("SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP")
def _():
    check([r.setbit("key", 7, 1), r.setbit("key", 7, 0), r.setbit("key", 9, 1), r.getbit("key", 9), r.getbit("key", 1000)],
          [0, 1, 0, 1, 0])
    r.set("key", "foobar")
    check([r.bitcount("key"), r.bitcount("key", 1, 1), r.bitcount("key", 5, 30, "BIT")], [26, 6, 17])
    check([r.bitpos("key", 1), r.bitpos("key", 0, 1), r.bitpos("key", 1, 2, 4, "BIT"), r.bitpos("none", 1)], [1, 8, 2, -1])
    r.set("other", "abcdef")
    check([r.bitop("AND", "d", "key", "other"), r.get("d")], [6, b"`bc`ab"])
    check([r.bitop("NOT", "d", "key"), r.bitop("XOR", "d", "d", "key"), r.get("d"), r.bitop("OR", "d", "none"), r.exists("d")],
          [6, 6, b"\xff" * 6, 0, 0])


@test("DEL, EXISTS, TYPE")
def _():
    r.mset({"a": 1, "b": 2, "c": 3})
    check([r.exists("a", "b", "none", "a"), r.delete("a", "none", "b", "a"), r.exists("a", "b", "c")], [3, 2, 1])
    check([r.type("c"), r.type("none")], [b"string", b"none"])


@test("UNLINK, TOUCH, COPY, RENAME, RENAMENX, MOVE, RANDOMKEY")
def _():
    check(r.randomkey(), None)
    r.mset({"a": 1, "b": 2, "c": 3})
    check([r.touch("a", "b", "none", "a"), r.unlink("a", "none", "b"), r.randomkey()], [3, 2, b"c"])
    r.expire("c", 100)
    check([r.copy("c", "d"), r.copy("c", "d"), r.get("d"), r.ttl("d") > 90], [True, False, b"3", True])
    r.set("e", "5")
    check([r.copy("e", "d", replace=True), r.get("d"), r.ttl("d")], [True, b"5", -1])
    check([r.rename("c", "d"), r.get("d"), r.ttl("d") > 90, r.exists("c")], [True, b"3", True, 0])
    check([r.renamenx("d", "e"), r.renamenx("d", "f"), sorted(r.keys())], [False, True, [b"e", b"f"]])
    raises(redis.ResponseError, "no such key", r.rename, "none", "x")
    other = connect(db=1)
    other.set("e", "there")
    check([r.move("f", 1), r.move("e", 1), other.get("f"), other.ttl("f") > 90, r.keys()], [True, False, b"3", True, [b"e"]])
    check([r.copy("e", "g", destination_db=1), other.get("g"), other.flushdb(), r.get("e")], [True, b"5", True, b"5"])
    raises(redis.ResponseError, "source and destination objects are the same", r.move, "e", 0)
    raises(redis.ResponseError, "DB index is out of range", r.move, "e", 4)


@test("FLUSHALL")
def _():
    other = connect(db=1)
    other.set("key", "value")
    r.set("key", "value")
    check([r.flushall(), r.dbsize(), other.dbsize(), r.flushall(asynchronous=True)], [True, 0, 0, True])


@test("OBJECT")
def _():
    r.mset({"number": 12345, "short": "text", "long": "x" * 45})
    check([r.object("encoding", key) for key in ("number", "short", "long", "none")], [b"int", b"embstr", b"raw", None])
    check([r.object("refcount", "short"), r.object("idletime", "short")], [1, 0])
    raises(redis.ResponseError, "An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
           "that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
           r.object, "freq", "short")


@test("EXPIREAT, PEXPIREAT, EXPIRETIME, PEXPIRETIME")
def _():
    check([r.expireat("key", 4102444800), r.expiretime("key"), r.pexpiretime("key")], [False, -2, -2])
    r.set("key", "value")
    check([r.expiretime("key"), r.expireat("key", 4102444800), r.expiretime("key"), r.pexpiretime("key")],
          [-1, True, 4102444800, 4102444800000])
    check([r.pexpireat("key", 4102444800500), r.expiretime("key"), r.pexpiretime("key")],
          [True, 4102444801, 4102444800500])
    check([r.expireat("key", 4102444801, nx=True), r.pexpireat("key", 4102444801000, gt=True), r.expireat("key", 1, gt=True),
           r.expireat("key", 1), r.exists("key")], [False, True, False, True, 0])


@test("EXPIRE, PEXPIRE, TTL, PTTL, PERSIST")
def _():
    check([r.ttl("key"), r.pttl("key"), r.expire("key", 100), r.persist("key")], [-2, -2, False, False])
    r.set("key", "value")
    check([r.ttl("key"), r.pttl("key"), r.persist("key")], [-1, -1, False])
    check([r.expire("key", 100), r.ttl("key") in (99, 100)], [True, True])
    check([r.pexpire("key", 50500), 50000 <= r.pttl("key") <= 50500], [True, True])
    check([r.persist("key"), r.ttl("key")], [True, -1])
    check([r.expire("key", 10, xx=True), r.expire("key", 10, nx=True), r.expire("key", 20, nx=True)], [False, True, False])
    check([r.expire("key", 5, gt=True), r.expire("key", 20, gt=True), r.expire("key", 30, lt=True)], [False, True, False])
    check([r.expire("key", -1), r.exists("key")], [True, 0])


@test("KEYS, SCAN")
def _():
    r.mset({f"user:{i}": i for i in range(500)})
    r.mset({f"post:{i}": i for i in range(50)})
    check(sorted(r.keys("post:1?")), sorted(b"post:%d" % i for i in range(10, 20)))
    check(sorted(r.keys("post:[12]")), [b"post:1", b"post:2"])
    check(r.keys("none*"), [])
    found = list(r.scan_iter(match="user:*", count=7))
    check(sorted(set(found)), sorted(b"user:%d" % i for i in range(500)))
    if ON_PGFIRST:
        check(len(found), 500)
    check(len(set(r.scan_iter(_type="string"))), 550)
    check(list(r.scan_iter(_type="hash")), [])
    raises(redis.ResponseError, "invalid cursor", r.scan, "none")


# ---- sizes, pipelines, trouble -----------------------------------------------------------------


@test("keys and values of any bytes")
def _():
    every = bytes(range(256))
    for key in (every, b"\x00", b"\r\n", b"*3\r\n$3\r\nSET\r\n", "schlüssel".encode()):
        r.set(key, every + key)
        check(r.get(key), every + key)
        check(r.keys("*"), [key])
        check(r.delete(key), 1)


@test("a key of 100 KB and a value of 10 MB")
def _():
    key, value = b"k" * 102400, bytes(range(256)) * 40960
    check([r.set(key, value), r.exists(key), r.get(key) == value, r.keys("*") == [key]], [True, 1, True, True])
    check([r.set(key, "small", get=True) == value, r.get(key), r.delete(key)], [True, b"small", 1])


@test("a value of 100 MB")
def _():
    if not tap.SOCKET:
        raise tap.Skip("once, over the unix socket")
    value = bytes(range(256)) * 409600
    check([r.set("large", value), r.get("large") == value, r.delete("large")], [True, True, 1])


@test("a pipeline of 10,000")
def _():
    pipe = r.pipeline(transaction=False)
    for i in range(10000):
        pipe.set(f"key{i}", i) if i % 2 == 0 else pipe.get(f"key{i - 1}")
    check(pipe.execute() == [True if i % 2 == 0 else b"%d" % (i - 1) for i in range(10000)], True)
    check(r.dbsize(), 5000)


@test("errors within a pipeline concern one command")
def _():
    pipe = r.pipeline(transaction=False)
    pipe.set("key", "text").incr("key").get("key").execute_command("NOTHING").set("key", "end")
    results = pipe.execute(raise_on_error=False)
    check([results[0], str(results[1]), results[2], results[4]],
          [True, "value is not an integer or out of range", b"text", True])
    check(str(results[3]), "unknown command 'NOTHING', with args beginning with: ")


@test("many connections of one pool")
def _():
    connections = [connect(single_connection_client=True) for _ in range(50)]
    for number, connection in enumerate(connections):
        connection.set(f"key{number}", number)
    check(sorted(int(value) for value in r.mget([f"key{i}" for i in range(50)])), list(range(50)))
    assert len(r.client_list()) >= 50
    for connection in connections:
        connection.close()


# ---- collections, waiting, messages ------------------------------------------------------------


@test("hashes")
def _():
    check(r.hset("h", mapping={"a": "1", "b": "text", "c": ""}), 3)
    check([r.hget("h", "b"), r.hget("h", "none"), r.hmget("h", "a", "none"), r.hlen("h")], [b"text", None, [b"1", None], 3])
    check([r.hincrby("h", "a", 5), r.hincrbyfloat("h", "a", 0.5), r.hsetnx("h", "a", "x"), r.hexists("h", "c")], [6, 6.5, False, True])
    check(r.hgetall("h"), {b"a": b"6.5", b"b": b"text", b"c": b""})
    check(r.hdel("h", "b", "none"), 1)
    r.hset("many", mapping={f"field{i}": "x" * 50 for i in range(1000)})
    check(len(dict(r.hscan_iter("many", count=50))), 1000)
    check(r.hrandfield("many") in r.hkeys("many"), True)
    raises(redis.ResponseError, "WRONGTYPE Operation against a key holding the wrong kind of value", r.get, "h")


@test("lists")
def _():
    check([r.rpush("l", "a", "b", "c"), r.lpush("l", "z"), r.llen("l")], [3, 4, 4])
    check([r.lrange("l", 0, -1), r.lindex("l", -1), r.lpos("l", "b")], [[b"z", b"a", b"b", b"c"], b"c", 2])
    check([r.linsert("l", "BEFORE", "b", "x"), r.lset("l", 0, "y"), r.lrem("l", 0, "c"), r.ltrim("l", 0, 2)], [5, True, 1, True])
    check([r.lmove("l", "other", "LEFT", "RIGHT"), r.rpop("l", 2), r.lpop("l"), r.lrange("other", 0, -1)], [b"y", [b"x", b"a"], None, [b"y"]])
    r.rpush("many", *range(5000))
    check([r.lindex("many", 4321), r.lrange("many", 2000, 2001)], [b"4321", [b"2000", b"2001"]])


@test("sets")
def _():
    check([r.sadd("s", "a", "b", "c"), r.sadd("t", "b", "c", "d"), r.scard("s")], [3, 3, 3])
    check([r.sinter("s", "t"), r.sunion("s", "t"), r.sdiff("s", "t")], [{b"b", b"c"}, {b"a", b"b", b"c", b"d"}, {b"a"}])
    check([r.sismember("s", "a"), r.smismember("s", ["a", "d"]), r.smove("s", "t", "a"), r.sinterstore("u", "s", "t")], [True, [1, 0], True, 2])
    check([r.smembers("u"), r.srem("u", "b"), r.spop("u"), r.exists("u")], [{b"b", b"c"}, 1, b"c", 0])
    r.sadd("many", *range(5000))
    check(len(set(r.sscan_iter("many"))), 5000)


@test("sorted sets")
def _():
    check(r.zadd("z", {"a": 1, "b": 2.5, "c": float("-inf")}), 3)
    check(r.zrange("z", 0, -1, withscores=True), [(b"c", float("-inf")), (b"a", 1.0), (b"b", 2.5)])
    check([r.zscore("z", "b"), r.zrank("z", "b"), r.zincrby("z", 2, "a"), r.zcount("z", 0, "+inf")], [2.5, 2, 3.0, 2])
    check([r.zadd("z", {"a": 2}, gt=True, ch=True), r.zadd("z", {"n": 1}, nx=True), r.zrangebyscore("z", "(1", 3)], [0, 1, [b"b", b"a"]])
    check([r.zpopmin("z"), r.zrem("z", "n"), r.zremrangebyrank("z", 0, 0), r.zcard("z")], [[(b"c", float("-inf"))], 1, 1, 1])
    r.zadd("many", {f"m{i}": i for i in range(3000)})
    check([r.zrevrank("many", "m0"), r.zrange("many", 1500, 1501)], [2999, [b"m1500", b"m1501"]])


@test("waiting for a list and for a sorted set")
def _():
    with concurrent.futures.ThreadPoolExecutor() as threads:
        for wait, push, expected in [
                (lambda: r.blpop(["none", "q"], 30), lambda: r.rpush("q", "x"), (b"q", b"x")),
                (lambda: r.blmove("q", "got", 30, "LEFT", "RIGHT"), lambda: r.rpush("q", "y"), b"y"),
                (lambda: r.bzpopmin("q", 30), lambda: r.zadd("q", {"z": 1}), (b"q", b"z", 1.0))]:
            answer = threads.submit(wait)
            wait_until("a client waits", lambda: r.info("clients")["blocked_clients"] == 1)
            push()
            check(answer.result(30), expected)
    check([r.blpop("q", 0.05), r.bzpopmax("q", 0.05), r.brpoplpush("q", "q", 0.05)], [None, None, None])


@test("messages")
def _():
    ear = r.pubsub()
    ear.subscribe("news")
    ear.psubscribe("n*")
    check([ear.get_message(timeout=30)["type"] for _ in range(2)], ["subscribe", "psubscribe"])
    check([r.publish("news", "x"), r.pubsub_numsub("news"), r.pubsub_channels()], [2, [(b"news", 1)], [b"news"]])
    check([(message["type"], message["channel"], message["data"]) for message in [ear.get_message(timeout=30) for _ in range(2)]],
          [("message", b"news", b"x"), ("pmessage", b"news", b"x")])
    pipe = r.pipeline()
    check(pipe.set("key", "v").publish("news", "y").execute(), [True, 2])
    check(ear.get_message(timeout=30)["data"], b"y")
    ear.close()


@test("goes on by itself after the server was restarted")
def _():
    r.set("kept", "value")
    # The numbers begin anew with the server; one that fifty others came before is not met again so soon.
    r.connection_pool.disconnect()
    number = r.client_id()
    tap.restart_server()
    check([r.get("kept"), r.set("kept", "again"), r.get("kept")], [b"value", True, b"again"])
    assert r.client_id() != number or not ON_PGFIRST


if __name__ == "__main__":
    print(f"# redis-py {redis.__version__}, {redis.connection.DefaultParser.__name__}")
    sys.exit(tap.main(before=r.flushdb))
