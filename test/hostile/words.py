#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""words.py: what is malformed gets exactly the bytes that Redis answers, and no more.

Every row is sent over a connection of its own, at once and byte by byte, and what comes back until
the door closes, or until a PING behind the row is answered, is compared. Where a row says CLOSED the
door closes after it; everywhere else the connection must go on.
"""

import socket
import struct

from door import Client, Error, begin, command, equal, note, ok, run

CLOSED = True
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(40, 72)) + b"\x20"  # TLS 1.2 hello
WRONG = b"-ERR wrong number of arguments for '%s' command\r\n"
SYNTAX = b"-ERR syntax error\r\n"
INTEGER = b"-ERR value is not an integer or out of range\r\n"
HTTP_GET = b"GET / HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"
HTTP_POST = b"POST / HTTP/1.1\r\nHost: example.com\r\n\r\nSET stolen 1\r\n"

# (name, what is sent, what comes back, whether the door closes then)
PROTOCOL = [
    ("a count that is no number", b"*abc\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", CLOSED),
    ("a count with a sign", b"*+1\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", CLOSED),
    ("a count beyond 2^20", b"*1048577\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", CLOSED),
    ("a count beyond 2^31", b"*3000000000\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", CLOSED),
    ("a count beyond 2^64", b"*99999999999999999999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", CLOSED),
    ("a negative count is skipped", b"*-1\r\n", b"", not CLOSED),
    ("a very negative count is skipped", b"*-2147483648\r\n", b"", not CLOSED),
    ("a count of nothing is skipped", b"*0\r\n", b"", not CLOSED),
    ("a length that is no number", b"*1\r\n$abc\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    ("a negative length", b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    ("an empty length", b"*1\r\n$\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    ("a length beyond 512 MB", b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    ("a length beyond 2^63", b"*1\r\n$9223372036854775808\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    ("a length with zeros in front", b"*1\r\n$04\r\nPING\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    ("another type than $", b"*1\r\n:4\r\nPING\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n", CLOSED),
    ("a zero byte instead of $", b"*1\r\n\0004\r\n", b"-ERR Protocol error: expected '$', got ' '\r\n", CLOSED),
    ("an endless count", b"*" + b"1" * 70000, b"-ERR Protocol error: too big mbulk count string\r\n", CLOSED),
    ("an endless length", b"*1\r\n$" + b"1" * 70000, b"-ERR Protocol error: too big bulk count string\r\n", CLOSED),
    ("an endless line", b"x" * 70000, b"-ERR Protocol error: too big inline request\r\n", CLOSED),
    ("an open quote", b'SET a "b\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n", CLOSED),
    ("a quote with something behind it", b'SET a "b"c\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n", CLOSED),
    ("empty lines", b"\r\n\r\n\n\r\n", b"", not CLOSED),
    ("what stands before the error is answered", b"ECHO a\r\n*1\r\n$x\r\n", b"$1\r\na\r\n-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    ("nothing behind the error is run", b"*1\r\n$x\r\nPING\r\nPING\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
    # As in Redis, whose answer to the request line may get lost with the connection.
    ("HTTP GET", HTTP_GET, None, CLOSED),
    ("HTTP POST", HTTP_POST, b"", CLOSED),
    ("TLS", TLS + b"\n", b"-ERR unknown command '\x16\x03\x01\x02', with args beginning with: \r\n", None),
]

COMMANDS = [
    ("an unknown command", ["NOSUCH"], b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n"),
    ("an unknown command with arguments", ["NOSUCH", "a", "b c"], b"-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b c' \r\n"),
    ("an unknown command of 10 kB", ["N" * 10000], b"-ERR unknown command '" + b"N" * 128 + b"', with args beginning with: \r\n"),
    ("an unknown command with an argument of 10 kB", ["X", "y" * 10000], b"-ERR unknown command 'X', with args beginning with: '" + b"y" * 128 + b"' \r\n"),
    ("an unknown command with line ends", [b"a\r\nb"], b"-ERR unknown command 'a  b', with args beginning with: \r\n"),
    ("an empty command", [""], b"-ERR unknown command '', with args beginning with: \r\n"),
    ("an unknown subcommand", ["CLIENT", "nosuch"], b"-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.\r\n"),
    ("an unknown subcommand of CONFIG", ["config", "NOSUCH", "x"], b"-ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.\r\n"),
    ("GET without key", ["GET"], WRONG % b"get"),
    ("GET with two keys", ["GET", "a", "b"], WRONG % b"get"),
    ("SET without value", ["SET", "a"], WRONG % b"set"),
    ("MSET with half a pair", ["MSET", "a", "1", "b"], WRONG % b"mset"),
    ("DEL without key", ["DEL"], WRONG % b"del"),
    ("PING with too much", ["PING", "a", "b"], WRONG % b"ping"),
    ("CLIENT without subcommand", ["CLIENT"], WRONG % b"client"),
    ("CLIENT SETNAME without name", ["CLIENT", "SETNAME"], WRONG % b"client|setname"),
    ("CONFIG SET with half a pair", ["CONFIG", "SET", "hz"], WRONG % b"config|set"),
    ("SET with NX and XX", ["SET", "k", "v", "NX", "XX"], SYNTAX),
    ("SET with EX and PX", ["SET", "k", "v", "EX", "1", "PX", "1"], SYNTAX),
    ("SET with EX and KEEPTTL", ["SET", "k", "v", "EX", "1", "KEEPTTL"], SYNTAX),
    ("SET with KEEPTTL and PXAT", ["SET", "k", "v", "KEEPTTL", "PXAT", "1"], SYNTAX),
    ("SET with EX and nothing", ["SET", "k", "v", "EX"], SYNTAX),
    ("SET with a word", ["SET", "k", "v", "WORD"], SYNTAX),
    ("SET with EX of a word", ["SET", "k", "v", "EX", "soon"], INTEGER),
    ("SET with EX 0", ["SET", "k", "v", "EX", "0"], b"-ERR invalid expire time in 'set' command\r\n"),
    ("SET with EX of minus one", ["SET", "k", "v", "EX", "-1"], b"-ERR invalid expire time in 'set' command\r\n"),
    ("SET with EX beyond 64 bits of ms", ["SET", "k", "v", "EX", "9223372036854775807"], b"-ERR invalid expire time in 'set' command\r\n"),
    ("SET with PX that overflows now", ["SET", "k", "v", "PX", "9223372036854775807"], b"-ERR invalid expire time in 'set' command\r\n"),
    ("none of them has set anything", ["EXISTS", "k"], b":0\r\n"),
    ("EXPIRE beyond 64 bits of ms", ["EXPIRE", "there", "9223372036854775807"], b"-ERR invalid expire time in 'expire' command\r\n"),
    ("PEXPIRE that overflows now", ["PEXPIRE", "there", "9223372036854775807"], b"-ERR invalid expire time in 'pexpire' command\r\n"),
    ("EXPIRE of a word", ["EXPIRE", "there", "soon"], INTEGER),
    ("EXPIRE with a word", ["EXPIRE", "there", "10", "WORD"], b"-ERR Unsupported option WORD\r\n"),
    ("EXPIRE with NX and GT", ["EXPIRE", "there", "10", "NX", "GT"], b"-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    ("EXPIRE with GT and LT", ["EXPIRE", "there", "10", "GT", "LT"], b"-ERR GT and LT options at the same time are not compatible\r\n"),
    ("none of them has changed the key", ["TTL", "there"], b":-1\r\n"),
    ("INCR of a word", ["INCR", "there"], INTEGER),
    ("INCR beyond 64 bits", ["INCR", "most"], b"-ERR increment or decrement would overflow\r\n"),
    ("DECR beyond 64 bits", ["DECR", "least"], b"-ERR increment or decrement would overflow\r\n"),
    ("INCRBY of a word", ["INCRBY", "most", "x"], INTEGER),
    ("INCRBY beyond 64 bits", ["INCRBY", "most", "9223372036854775808"], INTEGER),
    ("INCR of a number with a blank", ["INCR", "blank"], INTEGER),
    ("INCR of a number with a zero byte", ["INCR", "zero"], INTEGER),
    ("SELECT of a word", ["SELECT", "x"], INTEGER),
    ("SELECT beyond", ["SELECT", "16"], b"-ERR DB index is out of range\r\n"),
    ("SELECT of minus one", ["SELECT", "-1"], b"-ERR DB index is out of range\r\n"),
    ("SELECT of 2^32", ["SELECT", "4294967296"],
     b"-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"),
    ("SELECT of nothing", ["SELECT", ""], INTEGER),
    ("HELLO 4", ["HELLO", "4"], b"-NOPROTO unsupported protocol version\r\n"),
    ("HELLO 1", ["HELLO", "1"], b"-NOPROTO unsupported protocol version\r\n"),
    ("HELLO of a word", ["HELLO", "three"], b"-ERR Protocol version is not an integer or out of range\r\n"),
    ("HELLO with half an AUTH", ["HELLO", "3", "AUTH", "app"], b"-ERR Syntax error in HELLO option 'AUTH'\r\n"),
    ("HELLO with a word", ["HELLO", "3", "WORD"], b"-ERR Syntax error in HELLO option 'WORD'\r\n"),
    ("HELLO with a wrong password", ["HELLO", "3", "AUTH", "app", "x"], b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
    ("a password of a megabyte, which nobody hashes", ["AUTH", "app", "x" * 1000000], b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
    ("HELLO with a name with a blank", ["HELLO", "3", "SETNAME", "a b"], b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n"),
    ("none of them has switched to RESP3", ["GET", "nothing"], b"$-1\r\n"),
    ("SCAN of a word", ["SCAN", "x"], b"-ERR invalid cursor\r\n"),
    ("SCAN of minus one", ["SCAN", "-1"], b"-ERR invalid cursor\r\n"),
    ("SCAN beyond 64 bits", ["SCAN", "18446744073709551616"], b"-ERR invalid cursor\r\n"),
    ("SCAN of nothing", ["SCAN", ""], b"-ERR invalid cursor\r\n"),
    ("SCAN with COUNT 0", ["SCAN", "0", "COUNT", "0"], SYNTAX),
    ("SCAN with COUNT of a word", ["SCAN", "0", "COUNT", "x"], INTEGER),
    ("SCAN with half an option", ["SCAN", "0", "MATCH"], SYNTAX),
    ("SCAN with a word", ["SCAN", "0", "WORD", "x"], SYNTAX),
    ("SCAN at a cursor nobody gave, near the end", ["SCAN", "18446744073709551615"], b"*2\r\n$1\r\n0\r\n*0\r\n"),
    ("CLIENT SETNAME with a blank", ["CLIENT", "SETNAME", "a b"], b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n"),
    ("CLIENT LIST ID of a word", ["CLIENT", "LIST", "ID", "x"], b"-ERR Invalid client ID\r\n"),
    ("a key with a zero byte", ["SET", b"a\0b", b"\0\r\n\0"], b"+OK\r\n"),
    ("is another than its beginning", ["EXISTS", "a"], b":0\r\n"),
    ("and has the value with zero bytes", ["GET", b"a\0b"], b"$4\r\n\0\r\n\0\r\n"),
    ("an empty key", ["SET", "", "empty"], b"+OK\r\n"),
    ("is a key", ["GET", ""], b"$5\r\nempty\r\n"),
]

STRANGER = [
    ("a stranger's GET", command("GET", "a"), b"-NOAUTH Authentication required.\r\n", not CLOSED),
    ("a stranger's HELLO", command("HELLO", "3"),
     b"-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> "
     b"AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
     b"version at the same time\r\n", not CLOSED),
    ("a stranger's wrong password", command("AUTH", "x"), b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", not CLOSED),
    ("a stranger's unknown user", command("AUTH", "nobody", "x"), b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", not CLOSED),
    ("a stranger's password with a zero byte", command("AUTH", b"secret\0"), b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", not CLOSED),
    ("a stranger's AUTH with too much", command("AUTH", "a", "b", "c"), SYNTAX, not CLOSED),
    ("a stranger's 11th argument", b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n", CLOSED),
    ("a stranger's 10 arguments", command("PING", *"123456789"), b"-NOAUTH Authentication required.\r\n", None),
    ("a stranger's 16,385 bytes", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n", CLOSED),
    ("a stranger's 16,384 bytes", command("AUTH", "x" * 16384), b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", not CLOSED),
    ("a stranger's HTTP", HTTP_POST, b"", CLOSED),
]


def answer(sent, login, slowly):
    """What comes back: bytes, and whether the door closed."""
    with Client(login) as client:
        # Behind a command that is complete, PING tells that the door has no more to say.
        end = b"-NOAUTH Authentication required.\r\n" if not login else b"+PONG\r\n"
        data = sent + b"PING\r\n"
        try:
            if slowly:
                for i in range(len(data)):
                    client.send(data[i : i + 1])
            else:
                client.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed in the middle, with the answer on its way or here
        client.sock.settimeout(10)
        said = b""
        while not said.endswith(end):
            try:
                more = client.sock.recv(65536)
            except (ConnectionResetError, socket.timeout):
                more = b""
            if not more:
                return said, True
            said += more
        # The end may be the answer itself.
        client.sock.settimeout(0.02)
        try:
            said += client.sock.recv(65536)
        except socket.timeout:
            pass
        return said[: -len(end)], False


def check(rows, login):
    for name, sent, wanted, closes in rows:
        for slowly in (False, True) if len(sent) < 1000 else (False,):
            got, closed = answer(sent, login, slowly)
            words = name + (", byte by byte" if slowly else "")
            if wanted is None:
                ok(closed and got in (b"", WRONG % b"get"), words)
            elif closed == bool(closes) or closes is None:
                equal(got, wanted, words)
            else:
                ok(False, words + (": closed" if closed else ": still open"))
                note("got %.300r" % got)


def protocol():
    check(PROTOCOL, True)


def commands():
    with Client() as client:
        client.call("MSET", "there", "word", "most", "9223372036854775807", "least",
                    "-9223372036854775808", "blank", " 1", "zero", b"1\0")
    check([(name, command(*words), wanted, not CLOSED) for name, words, wanted in COMMANDS], True)
    with Client() as client:
        equal(client.call("EXISTS", "stolen"), 0, "what HTTP carries is not run")


def strangers():
    check(STRANGER, False)


def truncated():
    """Every beginning of a command, then the end of the connection: nothing answers, nothing is set."""
    whole = command("SET", "half", "value")
    with Client() as other:
        for length in range(1, len(whole)):
            with Client() as client:
                client.send(whole[:length])
                client.sock.shutdown(socket.SHUT_WR)
                said = client.rest()
            if said != b"" or other.call("EXISTS", "half") != 0:
                ok(False, "a SET cut after %d bytes is nothing" % length)
                return
    ok(True, "a SET that is cut anywhere is nothing")


def resp3():
    with Client() as client:
        client.call("HELLO", "3")
        client.send(command("GET", "nothing") + b"*1\r\n_\r\n")
        equal(client.rest(), b"_\r\n-ERR Protocol error: expected '$', got '_'\r\n",
              "RESP3 types in a request are refused")
    with Client() as client:
        client.call("HELLO", "3")
        client.send(b"%1\r\n$1\r\na\r\n$1\r\nb\r\n")
        ok(isinstance(client.reply(), Error), "a map as request is no command")
        equal(client.call("RESET"), Error("ERR unknown command '$1', with args beginning with: "),
              "and its parts are read as inline commands, as Redis does")


def linger():
    """A close with RST while the answer is on its way."""
    for _ in range(200):
        with Client() as client:
            client.send(command("GET", "there") * 20)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with Client() as client:
        equal(client.call("GET", "there"), b"word", "200 connections reset with answers on their way")


begin(__doc__)
run([protocol, commands, strangers, truncated, resp3, linger])
