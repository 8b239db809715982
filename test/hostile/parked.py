#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""parked.py: clients whose key somebody else has.

A transaction in SQL holds the key `locked`. Who wants it waits, and leaves, dies, or sends on
meanwhile; the others do not notice. pgfirst.redis_lock_timeout is 2 s here.
"""

import time

from door import (MB, Client, Error, Session, Watch, begin, command, cpu_seconds, equal, info, note, ok,
                  patience, push, run, sql, wait_until)


class Held(Session):
    """The key is held as long as this is open."""

    def __init__(self, key="locked"):
        super().__init__()
        self.pid = int(self.run("SELECT pg_backend_pid();"))
        self.run("BEGIN; SELECT kv.set('%s', 'from SQL');" % key)

    def release(self):
        self.run("COMMIT;")


def blocked(count):
    return wait_until(lambda: info("blocked_clients") == count)


def waits():
    with Held() as held, Client() as client:
        client.send(command("PING") + command("SET", "locked", "mine") + command("GET", "locked") + command("PING"))
        equal(client.reply(), "PONG", "what stands before the locked key is answered")
        ok(blocked(1), "who wants a locked key waits")
        before = cpu_seconds()
        time.sleep(0.5)
        spent = cpu_seconds() - before
        ok(spent < 0.3, "and keeps nobody busy")
        note("%.2f s of CPU in half a second, the innocent client's share included" % spent)
        begin_at = time.monotonic()
        held.release()
        equal([client.reply() for _ in range(3)], ["OK", b"mine", "PONG"], "released, it goes on, in order")
        ok(time.monotonic() - begin_at < 0.5, "and at once, not when its time is up")


def holder_is_named():
    with Held() as held, Client() as client:
        begin_at = time.monotonic()
        client.send(command("INCR", "locked") + command("PING"))
        said = client.reply()
        seconds = time.monotonic() - begin_at
        equal(said, Error("ERR the key is locked by the transaction of process %d, for longer than "
                          "pgfirst.redis_lock_timeout; pg_stat_activity shows what it does" % held.pid),
              "in the end the holder is named")
        ok(1.5 < seconds < 4, "after the timeout")
        equal(client.reply(), "PONG", "and the connection goes on")


def holder_dies():
    with Client() as client:
        held = Held()
        client.send(command("SET", "locked", "mine"))
        ok(blocked(1), "a client waits")
        sql("SELECT pg_terminate_backend(%d);" % held.pid)
        equal(client.reply(), "OK", "the holder is terminated and the client goes on")
        held.psql.kill()
        held.psql.wait()


def leaves():
    """By FIN, by RST, with more commands behind it; nothing of it happens."""
    with Held() as held:
        fin, rst, more = Client(), Client(), Client()
        for client in (fin, rst, more):
            client.send(command("SET", "locked", "never") + command("SET", "behind", "never") * 10)
        ok(blocked(3), "three wait")
        rst.reset()
        ok(blocked(2), "the one that is reset is forgotten at once")
        more.send(command("PING") * 1000)
        fin.close()
        more.reset()
        ok(blocked(1), "so is the one that had sent more")
        ok(blocked(0), "the one that closed goes with the timeout at the latest")
        held.run("ROLLBACK;")
    ok(wait_until(lambda: info("connected_clients") <= 2), "all are gone")
    ok(wait_until(lambda: info("mem_clients_normal") < MB), "and their memory")


@patience(1000)
def gigabytes():
    """Sends on and on while it waits."""
    with Held() as held, Client(receive_buffer=65536) as client, Watch() as watch:
        client.send(command("SET", "locked", "mine"))
        sent = push(client.sock, command("SET", "behind", b"x" * 1000) * 100, 0.7)
        note("%.1f MB were taken before the sender was stopped" % (sent / MB))
        ok(sent < 64 * MB, "a client that waits is not listened to")
        ok(info("mem_clients_normal") < MB, "and nothing is gathered of it")
        held.release()
        client.sock.settimeout(10)
        good = client.exactly(5 * 1000) == b"+OK\r\n" * 1000
        ok(good, "released, all of it is done")
    watch.bounded(16 * MB, "in little memory")


@patience(1000)
def crowd():
    """A thousand wait while SQL commits and other clients write: each end of a transaction may be theirs."""
    with Held() as held, Session() as busy:
        clients = [Client() for _ in range(1000)]
        for client in clients:
            client.send(command("INCR", "locked"))
        ok(blocked(1000), "a thousand wait for one key")
        begin_at = time.monotonic()
        for number in range(200):
            busy.run("SELECT kv.set('busy', '%d');" % number)
        note("200 transactions of SQL beside them in %.2f s" % (time.monotonic() - begin_at))
        ok(time.monotonic() - begin_at < 1.9, "SQL goes on beside them")
        held.run("SELECT kv.set('locked', '0'); COMMIT;")
        replies = sorted(client.reply() for client in clients)
        equal(replies, list(range(1, 1001)), "released, each has its turn")
        for client in clients:
            client.close()


@patience(4000)
def databases_locked():
    """Even the list of databases may be locked: who needs it waits, who does not is answered."""
    with Session() as changer, Session() as holder, Client() as client, Client() as other:
        client.call("SET", "there", "1")
        # Changed by one and locked by the next at the same moment: no turn in between reads it anew.
        changer.run("BEGIN; LOCK TABLE kv.database; UPDATE kv.database SET number = number WHERE false;")
        holder.begin("BEGIN; LOCK TABLE kv.database;")
        wait_until(lambda: sql("SELECT count(*) FROM pg_locks WHERE NOT granted;") == "1")
        changer.run("COMMIT;")
        holder.end()
        client.send(command("SELECT", 0) + command("GET", "there"))
        before = cpu_seconds()
        time.sleep(1)
        spent = cpu_seconds() - before
        equal(other.call("PING"), "PONG", "PING needs no database")
        ok(spent < 0.5, "those who wait keep nobody busy")
        note("%.2f s of CPU in a second" % spent)
        holder.run("COMMIT;")
        equal([client.reply(), client.reply()], ["OK", b"1"], "and are answered when it is free")


begin(__doc__)
run([waits, holder_is_named, holder_dies, leaves, gigabytes, crowd, databases_locked])
