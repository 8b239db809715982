#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""streams.py: who does not read, does not finish, or leaves in the middle.

Nothing that a client announces is allocated, nothing that it does not read is gathered, and what it
sent before it left is answered.
"""

import selectors
import socket
import time

from door import (MB, alone, Client, Error, Watch, begin, command, cpu_seconds, equal, info, note, ok,
                  patience, push, run, sql, wait_until)

OUTPUT_FULL = 1 * MB  # unsent replies from which on nothing more is run for a client


def never_reads():
    """Asks a hundred times for a megabyte."""
    with Client() as client:
        client.call("SET", "large", b"x" * MB)
    with Watch() as watch:
        mute = Client(receive_buffer=65536)
        mute.sock.settimeout(1)
        mute.send(command("GET", "large") * 100)
        time.sleep(1)
        gathered = info("mem_clients_normal")
    watch.bounded(24 * MB, "100 GETs of 1 MB by a client that does not read gather a few of them")
    ok(gathered < 4 * MB, "what is gathered is about OUTPUT_FULL")
    note("mem_clients_normal %.1f MB" % (gathered / MB))
    before = cpu_seconds()
    time.sleep(1)
    spent = cpu_seconds() - before
    ok(spent < 0.6, "a stalled client keeps nobody busy")
    note("%.2f s of CPU in a second, the innocent client's share included" % spent)
    mute.close()
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "what it has not read goes with it")


def reads_late():
    """The same, but everything is read in the end, in order."""
    with Client() as client:
        for number in range(10):
            client.call("SET", "late%d" % number, bytes([48 + number]) * MB)
    with Client(receive_buffer=65536) as late:
        late.send(b"".join(command("GET", "late%d" % (i % 10)) for i in range(50)))
        time.sleep(0.5)
        good = all(late.reply() == bytes([48 + i % 10]) * MB for i in range(50))
        ok(good, "50 MB of replies read late are whole and in order")
    with Client() as client:
        client.call("DEL", *["late%d" % number for number in range(10)])


def byte_by_byte():
    """A client whose bytes come one at a time."""
    with Client() as client:
        for byte in command("SET", "slow", "value") + command("GET", "slow"):
            client.send(bytes([byte]))
            time.sleep(0.005)
        equal([client.reply(), client.reply()], ["OK", b"value"], "a byte at a time is as good as all")


def thousand_bytes_by_bytes():
    data = command("SET", "slow", "value") + command("GET", "slow")
    with Watch() as watch:
        clients = [Client() for _ in range(1000)]
        for byte in data:
            for client in clients:
                client.send(bytes([byte]))
    watch.bounded(40 * MB, "1,000 clients that send a byte at a time take 40 kB each at most")
    wrong = sum([c.reply(), c.reply()] != ["OK", b"value"] for c in clients)
    equal(wrong, 0, "and all are answered")
    for client in clients:
        client.close()


@patience(1000)
def gigabyte():
    """A gigabyte of pipeline that nobody reads the answers of: the sender is stopped."""
    with Watch() as watch:
        client = Client(receive_buffer=65536)
        sent = push(client.sock, command("SET", "flood", b"x" * 100) * 1000, 2)
    note("%.1f MB were taken before the sender was stopped" % (sent / MB))
    ok(sent < 1024 * MB, "a gigabyte of pipeline without reading is not taken")
    watch.bounded(16 * MB, "and costs a few megabytes")
    client.close()
    with Watch() as watch:
        client = Client(receive_buffer=65536)
        sent = push(client.sock, command("GET", "flood") * 1000, 2)
    ok(sent < 1024 * MB, "nor of GETs")
    watch.bounded(16 * MB, "which cost as little")
    client.reset()
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "and nothing is left of them")


@patience(1000)
def gigabyte_read():
    """The same with reading: it passes through, in as little memory."""
    with Client() as reader:
        batch = command("SET", "flood", b"x" * 4000) * 250
        with Watch() as watch:
            sent = 0
            while sent < 256 * MB:
                reader.send(batch)
                sent += len(batch)
                reader.exactly(5 * 250)
        watch.bounded(32 * MB, "256 MB of pipeline whose answers are read pass in 32 MB")


def announced():
    """512 MB announced a thousand times, and nothing sent."""
    with Watch() as watch:
        clients = [Client() for _ in range(1000)]
        for client in clients:
            client.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n")
        time.sleep(0.5)
        # Memory that is taken and not written to does not show in the process.
        ok(info("mem_clients_normal") < 1000 * 20 * 1024, "512 MB announced by each of 1,000 clients are not taken")
        ok(info("connected_clients") >= 1000, "and nobody is disconnected for them")
    watch.bounded(40 * MB, "they cost what they have sent")
    for client in clients:
        client.send(b"x" * 100)
    for client in clients:
        client.close()
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "and are forgotten when they leave")


def million_announced():
    with Watch() as watch:
        clients = [Client() for _ in range(100)]
        for client in clients:
            client.send(b"*1000000\r\n")
        time.sleep(0.3)
    watch.bounded(8 * MB, "a million arguments announced by 100 clients cost nothing")
    for client in clients:
        client.reset()


def half_closed():
    """Says all it has to say and closes its side: everything is answered, then the door closes."""
    with Client() as client:
        client.call("DEL", "half")
        client.send(command("INCR", "half") * 1000 + command("PING"))
        client.sock.shutdown(socket.SHUT_WR)
        said = client.rest()
        equal(said, b"".join(b":%d\r\n" % i for i in range(1, 1001)) + b"+PONG\r\n",
              "after SHUT_WR every command is answered and the connection closed")
    with Client() as client:
        client.send(command("SET", "half", b"x" * MB) + command("GET", "half") * 20)
        client.sock.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        said = client.rest()
        equal(len(said), 5 + 20 * (MB + 12), "also 20 MB that are read later")
    with Client() as client:
        client.sock.shutdown(socket.SHUT_WR)
        equal(client.rest(), b"", "and who has nothing to say is let go")


def left_in_the_middle():
    """Leaves with answers on their way, by FIN and by RST; what was acknowledged by none still counts."""
    with Client() as client:
        client.call("DEL", "left")
    for turn in range(100):
        client = Client()
        client.send(command("INCR", "left") * 100)
        (client.reset if turn % 2 else client.close)()
    with Client() as client:
        ok(wait_until(lambda: info("connected_clients") <= 3), "they are gone")
        count = int(client.call("GET", "left") or 0)
        ok(0 < count <= 10000, "what they sent was done or not, nothing else")
        note("%d of 10000 increments by clients that left" % count)


def quit_in_the_middle():
    with Client() as client:
        client.send(command("SET", "quit", "1") + command("QUIT") + command("SET", "quit", "2"))
        equal(client.rest(), b"+OK\r\n+OK\r\n", "QUIT in a pipeline is answered and is the end")
    with Client() as client:
        equal(client.call("GET", "quit"), b"1", "what stands behind it is not run")


def errors_in_the_middle():
    """A deep pipeline in which every command of another kind fails: one answer for each, in order."""
    with Client() as client:
        client.call("MSET", "word", "w", "number", "0")
        kinds = [
            (("INCR", "number"), None),
            (("INCR", "word"), Error("ERR value is not an integer or out of range")),
            (("NOSUCH",), Error("ERR unknown command 'NOSUCH', with args beginning with: ")),
            (("GET",), Error("ERR wrong number of arguments for 'get' command")),
            (("PING",), "PONG"),
            (("SET", "word", "w", "NX", "XX"), Error("ERR syntax error")),
            (("GET", "word"), b"w"),
        ]
        rounds = 20000
        pipe = b"".join(command(*words) for words, _ in kinds) * rounds
        client.sock.setblocking(False)
        selector, sent, got = selectors.DefaultSelector(), 0, []
        selector.register(client.sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        limit = time.monotonic() + 60
        tail = command("ECHO", "the end")
        pipe += tail
        while not (got and got[-1].endswith(b"the end\r\n")) and time.monotonic() < limit:
            for _, events in selector.select(1):
                if events & selectors.EVENT_READ:
                    got.append(client.sock.recv(1 << 20))
                if events & selectors.EVENT_WRITE:
                    sent += client.sock.send(pipe[sent : sent + (1 << 18)])
                    if sent == len(pipe):
                        selector.modify(client.sock, selectors.EVENT_READ)
        lines = b"".join(got).split(b"\r\n")
        # The answers of a round in lines: a bulk string has two.
        period = len(kinds) + 1
        wanted = [None if v is None else v.args[0] if isinstance(v, Error) else v for _, v in kinds]
        wrong = 0
        for i in range(rounds):
            one = lines[i * period : (i + 1) * period]
            wrong += one != [b":%d" % (i + 1), b"-" + wanted[1].encode(), b"-" + wanted[2].encode(),
                             b"-" + wanted[3].encode(), b"+PONG", b"-" + wanted[5].encode(), b"$1", b"w"]
        equal((wrong, len(lines)), (0, rounds * period + 3), "140,000 commands in a pipeline, half of them wrong")


@alone
def undone():
    """The turn of a pipeline cannot be committed: each of its commands gets an answer, an error."""
    with Client() as client:
        client.call("DEL", "poison", "good")
        client.call("SET", "probe", "x")
        undone_words = Error('ERR injected at "before a record"')
        fail_next_change()
        # Behind the write stand all kinds of commands that write nothing.
        client.send(command("GET", "probe") + command("SET", "poison", "p") + command("PING") +
                    command("NOSUCH") + command("SET", "good", "1") + command("GET") + command("GET", "good") +
                    command("CLIENT", "GETNAME"))
        equal([client.reply() for _ in range(8)], [b"x"] + [undone_words] * 7,
              "what stands before the write is answered, each command from there on with the error")
        equal(client.call("ECHO", "here"), b"here", "and nothing is out of step")
        equal(client.call("EXISTS", "poison", "good"), 0, "nothing of it is done")
        fail_next_change()
        client.send(command("SET", "poison", "p") + command("PING") + b"*1\r\n$x\r\n")
        equal(client.rest(), b'-ERR injected at "before a record"\r\n' * 3, "a protocol error behind it is counted too")


def fail_next_change():
    """The worker cannot put its next change on a page."""
    sql("SELECT store_test.arm('raise', 'before a record', 0, 1, 'pgfirst redis');")


def begin_again():
    """A client that has done something large is small again."""
    with Client() as client:
        client.call("MGET", *range(200000))
        client.send(b"*")  # the next command has begun
        ok(wait_until(lambda: info("mem_clients_normal") < MB), "200,000 arguments are forgotten when they are answered")
        note("mem_clients_normal %d kB" % (info("mem_clients_normal") // 1024))


begin(__doc__)
run([never_reads, reads_late, byte_by_byte, thousand_bytes_by_bytes, gigabyte, gigabyte_read, announced,
     million_announced, half_closed, left_in_the_middle, quit_in_the_middle, errors_in_the_middle,
     undone, begin_again])
