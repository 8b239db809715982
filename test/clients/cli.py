#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""cli.py: redis-cli in its many ways of working, and redis-benchmark.

Run by test/clients/run; see tap.py for the environment.
"""

import os
import re
import subprocess
import sys
import time

import tap
from resp import Connection, encode
from tap import ON_PGFIRST, check, test

WHERE = (["-s", tap.SOCKET] if tap.SOCKET else
         ["-h", tap.HOST, "-p", str(tap.TLS_PORT), "--tls", "--cacert", tap.CERTIFICATE] if tap.TLS_PORT else
         ["-h", tap.HOST, "-p", str(tap.PORT)])
LOGIN = ["--user", tap.USER, "--pass", tap.PASSWORD, "--no-auth-warning"]
# A prompt would read its history and settings from the home of whoever runs the tests.
ENVIRONMENT = {**os.environ, "REDISCLI_HISTFILE": "/dev/null", "REDISCLI_RCFILE": "/dev/null"}


def run(words, given=b"", expected=0, seconds=60):
    """What a program printed on stdout; its exit code must be the expected one."""
    done = subprocess.run(words, input=given, capture_output=True, timeout=seconds, check=False, env=ENVIRONMENT)
    if done.returncode != expected:
        raise AssertionError(f"{words[0]} ended with {done.returncode}: {done.stdout[-500:]!r} {done.stderr[-500:]!r}")
    return done.stdout


def cli(*words, given=b"", expected=0):
    return run(["redis-cli", *WHERE, *LOGIN, *words], given, expected)


def shown(*words):
    """As on a terminal, with types."""
    return cli("--no-raw", *words).decode().strip()


def benchmark(*words, seconds=120):
    login = ["--user", tap.USER, "-a", tap.PASSWORD]
    return run(["redis-benchmark", *WHERE, *login, *words], seconds=seconds).decode()


# ---- redis-cli, one command --------------------------------------------------------------------


@test("redis-cli: PING, ECHO, TIME")
def _():
    check([cli("PING"), cli("PING", "a b"), cli("ECHO", "a\r\nb")], [b"PONG\n", b"a b\n", b"a\r\nb\n"])
    seconds, microseconds = cli("TIME").split()
    assert abs(int(seconds) - time.time()) < 60 and 0 <= int(microseconds) < 1000000


@test("redis-cli: SELECT, -n")
def _():
    check(cli("-n", "1", "SET", "where", "one"), b"OK\n")
    check([cli("GET", "where"), cli("-n", "1", "GET", "where"), cli("-n", "1", "FLUSHDB")], [b"\n", b"one\n", b"OK\n"])
    check(shown("SELECT", "4"), "(error) ERR DB index is out of range")


@test("redis-cli: CLIENT ID, GETNAME, SETNAME, SETINFO, INFO, LIST")
def _():
    assert re.fullmatch(r"\(integer\) \d+", shown("CLIENT", "ID"))
    check([shown("CLIENT", "GETNAME"), shown("CLIENT", "SETNAME", "me")], ["(nil)", "OK"])
    check(cli(given=b"CLIENT SETNAME me\nCLIENT GETNAME\n"), b"OK\nme\n")
    for command in ("INFO", "LIST"):
        line = cli("CLIENT", command).decode()
        assert re.search(rf"\bid=\d+ addr=\S+ laddr=\S+ fd=\d+ name= age=\d+ .* cmd=client\|{command.lower()} user={tap.USER} ",
                         line), line
    if ON_PGFIRST:
        check(shown("CLIENT", "SETINFO", "LIB-NAME", "x"), "OK")


@test("redis-cli: HELLO, AUTH, RESET, QUIT")
def _():
    check(cli("HELLO").split(b"\n")[:2], [b"server", b"redis"])
    hello = cli("-3", "--no-raw", "HELLO", "3").decode()
    assert '1# "server" => "redis"' in hello and '3# "proto" => (integer) 3' in hello, hello
    check(shown("AUTH", tap.USER, tap.PASSWORD), "OK")
    check(shown("AUTH", "wrong"), "(error) WRONGPASS invalid username-password pair or user is disabled.")
    check([shown("RESET"), shown("QUIT")], ["RESET", "OK"])


@test("redis-cli: wrong passwords, and none")
def _():
    noauth = run(["redis-cli", *WHERE, "GET", "key"]).decode().strip()
    check(noauth, "NOAUTH Authentication required.")
    done = subprocess.run(["redis-cli", *WHERE, "-a", "wrong", "--no-auth-warning", "PING"], capture_output=True, check=False)
    check(done.stdout.decode().strip(), "NOAUTH Authentication required.")
    assert b"WRONGPASS invalid username-password pair or user is disabled." in done.stderr, done.stderr
    check(run(["redis-cli", *WHERE, "-a", tap.PASSWORD, "--no-auth-warning", "PING"]), b"PONG\n")
    run(["redis-cli", "-e", *WHERE, *LOGIN, "INCR"], expected=1)


@test("redis-cli: COMMAND COUNT, DOCS, INFO, LIST")
def _():
    assert int(cli("COMMAND", "COUNT")) >= 31
    assert b"get\n" in cli("COMMAND", "LIST") and b"mget" in cli("COMMAND")
    assert cli("COMMAND", "INFO", "get").startswith(b"get\n2\nreadonly\n")
    docs = cli("COMMAND", "DOCS", "get")
    assert docs.startswith(b"get\nsummary\n") and b"\ngroup\nstring\n" in docs
    assert "nil" in shown("COMMAND", "INFO", "nothing")


@test("redis-cli: INFO, CONFIG GET, SET, DBSIZE, FLUSHDB")
def _():
    assert re.search(rb"^redis_version:7\.\d+\.\d+\r?$", cli("INFO"), re.M)
    assert cli("INFO", "keyspace").startswith(b"# Keyspace")
    check(cli("CONFIG", "GET", "maxmemory-policy"), b"maxmemory-policy\nnoeviction\n")
    check([cli("CONFIG", "SET", "slowlog-max-len", "128"), cli("CONFIG", "GET", "nothing")], [b"OK\n", b"\n"])
    cli("MSET", "a", "1", "b", "2")
    check([shown("DBSIZE"), shown("FLUSHDB"), shown("DBSIZE")], ["(integer) 2", "OK", "(integer) 0"])


@test("redis-cli: GET, SET with options, MGET, MSET")
def _():
    check([shown("GET", "key"), shown("SET", "key", "value"), shown("GET", "key")], ["(nil)", "OK", '"value"'])
    check([shown("SET", "key", "2", "NX"), shown("SET", "key", "2", "XX", "GET", "EX", "100")], ["(nil)", '"value"'])
    check([shown("SET", "key", "", "KEEPTTL"), shown("GET", "key"), int(cli("TTL", "key")) > 90], ["OK", '""', True])
    for option, value in (("PX", 100000), ("EXAT", int(time.time()) + 100), ("PXAT", int(time.time()) * 1000 + 100000)):
        check([shown("SET", "key", "x", option, str(value)), 95 <= int(cli("TTL", "key")) <= 101], ["OK", True])
    check(shown("MSET", "a", "1", "b", "\\x00"), "OK")
    check(shown("MGET", "a", "none", "b"), '1) "1"\n2) (nil)\n3) "\\\\x00"')
    check(shown("SET", "key", "x", "NX", "XX"), "(error) ERR syntax error")


@test("redis-cli: INCR, DECR, INCRBY, DEL, EXISTS, TYPE")
def _():
    check([shown("INCR", "n"), shown("INCRBY", "n", "41"), shown("DECR", "n")], [f"(integer) {n}" for n in (1, 42, 41)])
    check([shown("EXISTS", "n", "n"), shown("TYPE", "n"), shown("DEL", "n", "none"), shown("TYPE", "n")],
          ["(integer) 2", "string", "(integer) 1", "none"])
    cli("SET", "n", "text")
    check(shown("INCR", "n"), "(error) ERR value is not an integer or out of range")


@test("redis-cli: EXPIRE, PEXPIRE, TTL, PTTL, PERSIST, KEYS, SCAN")
def _():
    cli("SET", "key", "value")
    check([shown("TTL", "key"), shown("PTTL", "none"), shown("EXPIRE", "key", "100"), shown("PEXPIRE", "key", "90000", "LT")],
          ["(integer) -1", "(integer) -2", "(integer) 1", "(integer) 1"])
    assert 80 <= int(cli("TTL", "key")) <= 90 and 80000 < int(cli("PTTL", "key")) <= 90000
    check([shown("PERSIST", "key"), shown("TTL", "key"), shown("KEYS", "k?y")], ["(integer) 1", "(integer) -1", '1) "key"'])
    check(shown("SCAN", "0", "COUNT", "100000"), '1) "0"\n2) 1) "key"')


@test("redis-cli -3: types of RESP3")
def _():
    three = ["-3", "--no-raw"]
    check(cli(*three, "CONFIG", "GET", "maxmemory-policy"), b'1# "maxmemory-policy" => "noeviction"\n')
    check(cli(*three, "GET", "none"), b"(nil)\n")
    docs = cli(*three, "COMMAND", "DOCS", "get")
    assert docs.startswith(b'1# "get" => \n   1# "summary" => '), docs
    # A set is shown with tildes.
    assert b"3) 1~ readonly" in cli(*three, "COMMAND", "INFO", "get"), cli(*three, "COMMAND", "INFO", "get")
    # Verbatim text comes without quotes.
    assert cli(*three, "INFO", "server").startswith(b"# Server")
    assert cli("-3", "--json", "CONFIG", "GET", "maxmemory-policy") == b'{"maxmemory-policy":"noeviction"}\n'


# ---- redis-cli, its modes ----------------------------------------------------------------------


@test("redis-cli: commands from a file, and bytes from stdin")
def _():
    script = b'SET "a key" "with \\"quotes\\" and \\x00\\xff"\nGET "a key"\nNOTHING\nDEL "a key"\n'
    check(cli(given=script), b"OK\nwith \"quotes\" and \x00\xff\nERR unknown command 'NOTHING', with args beginning with: \n\n1\n")
    every = bytes(range(256))
    check([cli("-x", "SET", "key", given=every), cli("--raw", "GET", "key")], [b"OK\n", every + b"\n"])


@test("redis-cli -r, -i")
def _():
    check(cli("-r", "5", "-i", "0.01", "INCR", "n"), b"1\n2\n3\n4\n5\n")


@test("redis-cli: a value of 10 MB, a key of 100 KB")
def _():
    value = bytes(range(256)) * 40960
    key = "k" * 102400
    check([cli("-x", "SET", key, given=value), cli("--raw", "GET", key) == value + b"\n", cli("DEL", key)], [b"OK\n", True, b"1\n"])


@test("redis-cli --pipe")
def _():
    data = b"".join(encode("SET", f"key{i}", f"value {i}\r\n") for i in range(20000))
    output = cli("--pipe", given=data + b"INCR n\r\n" + encode("INCR", "key1"), expected=1).decode()
    assert "errors: 1, replies: 20002" in output, output
    check([cli("DBSIZE"), cli("GET", "key19999"), cli("GET", "n")], [b"20001\n", b"value 19999\r\n\n", b"1\n"])


@test("redis-cli --scan, --bigkeys")
def _():
    cli("MSET", *[word for i in range(500) for word in (f"user:{i}", "x" * (i + 1))], "other", "1")
    check(sorted(set(cli("--scan", "--pattern", "user:*").split())), sorted(b"user:%d" % i for i in range(500)))
    big = cli("--bigkeys").decode()
    assert "Sampled 501 keys" in big, big[-600:]
    if not ON_PGFIRST:
        # It asks each key's length with STRLEN, which pgfirst does not have yet: 0 bytes there.
        assert "501 strings with 125251 bytes" in big, big[-600:]


@test("redis-cli --stat")
def _():
    # It never ends by itself, and keeps its lines until the buffer is full: --raw does not help, a
    # terminal does.
    terminal, side = os.openpty()
    with subprocess.Popen(["redis-cli", *WHERE, *LOGIN, "--stat", "-i", "0.1"], stdout=side, stdin=subprocess.DEVNULL,
                          env=ENVIRONMENT) as process:
        os.close(side)
        output = b""
        while output.count(b"\n") < 4:
            output += os.read(terminal, 4096)
        process.kill()
    os.close(terminal)
    assert re.search(rb"keys +mem +clients.*\n\d+ +[\d.]+[BKMG] +\d+ ", output, re.S), output


@test("redis-cli reading from a pipe goes on after the server was restarted")
def _():
    cli("SET", "kept", "value")
    with subprocess.Popen(["redis-cli", *WHERE, *LOGIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=ENVIRONMENT) as process:
        process.stdin.write(b"GET kept\n")
        process.stdin.flush()
        check(process.stdout.readline(), b"value\n")
        tap.restart_server()
        # The first one it may lose, with an error on stderr.
        output, _ = process.communicate(b"GET kept\nGET kept\n", timeout=30)
    check(output.splitlines()[-1], b"value")


# ---- inline commands, as from telnet -----------------------------------------------------------


@test("inline commands")
def _():
    connection = Connection(tap.SOCKET or (tap.HOST, tap.PORT))
    for line, answer in [
            (f"AUTH {tap.USER} {tap.PASSWORD}", b"+OK\r\n"), ("PING", b"+PONG\r\n"), ('SET key "a \\x41\\n"', b"+OK\r\n"),
            ("get key", b"$4\r\na A\n\r\n"), ("INCR key", b"-ERR value is not an integer or out of range\r\n"),
            ("   ", None), ("DEL 'key'", b":1\r\n")]:
        connection.send(line.encode() + b"\r\n")
        if answer:
            check(connection.reply().raw, answer)
    connection.send(b'SET key "open\r\n')
    check(connection.rest(), b"-ERR Protocol error: unbalanced quotes in request\r\n")


# ---- redis-benchmark ---------------------------------------------------------------------------


def rates(output):
    """The names of the tests in a CSV; each must have done something."""
    lines = [line.split(",") for line in output.strip().splitlines()]
    rows = {line[0].strip('"'): float(line[1].strip('"')) for line in lines if line[0] != '"test"'}
    assert all(rate > 0 for rate in rows.values()), output
    return sorted(rows)


TESTS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]


@test("redis-benchmark -t ping,set,get,incr,mset")
def _():
    check(rates(benchmark("-t", "ping,set,get,incr,mset", "-n", "2000", "-c", "20", "--csv")), sorted(TESTS))
    check(cli("DBSIZE"), b"2\n")


@test("redis-benchmark -P 16, random keys, RESP3")
def _():
    words = ["-t", "ping,set,get,incr,mset", "-n", "20000", "-P", "16", "-r", "1000", "-d", "100", "--csv"]
    check(rates(benchmark(*words)), sorted(TESTS))
    check(rates(benchmark(*words, "-3")), sorted(TESTS))
    # Nearly all of a thousand keys have come up.
    assert int(cli("DBSIZE")) > 900


@test("redis-benchmark with threads, and a command of one's own")
def _():
    check(rates(benchmark("-t", "set,get", "-n", "5000", "--threads", "2", "-c", "10", "--csv")), ["GET", "SET"])
    assert len(rates(benchmark("-n", "1000", "-c", "5", "--csv", "INCRBY", "sum", "2"))) == 1
    check(cli("GET", "sum"), b"2000\n")


if __name__ == "__main__":
    print("# " + run(["redis-cli", "--version"]).decode().strip())
    print("# " + run(["redis-benchmark", "--version"]).decode().strip())
    sys.exit(tap.main(before=lambda: cli("FLUSHDB")))
