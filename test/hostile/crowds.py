#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""crowds.py: many clients at once, most of whom want nothing.

  --crowd N       so many connections (default: 10,000, or what the limit of open files allows)
  --allowed N     the server is known to take only so many; the surplus must be told
"""

import resource
import socket
import sys
import threading
import time

import door
from door import (MB, Client, Error, Watch, begin, command, cpu_seconds, equal, info, note, ok,
                  patience, run, status, wait_until)

REFUSAL = b"-ERR max number of clients reached\r\n"
IDLE_BYTES = 20 * 1024  # what an idle connection may cost
crowd_size = 10000
allowed = 0


def flag(name, default):
    """An option of this program alone, taken off before the common ones are read."""
    if name not in sys.argv:
        return default
    at = sys.argv.index(name)
    value = int(sys.argv[at + 1])
    del sys.argv[at : at + 2]
    return value


def connect(number):
    """Plain sockets, several source addresses: one has no more ports than the kernel keeps."""
    sock = socket.socket()
    sock.settimeout(30)
    sock.bind(("127.0.0.%d" % (2 + number // 10000), 0))
    sock.connect(("127.0.0.1", door.options.port))
    return sock


def answered(sock):
    """What a socket has to say without being asked; None if nothing."""
    sock.setblocking(False)
    try:
        return sock.recv(1000)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""
    finally:
        sock.setblocking(True)


def kernel_memory():
    """Bytes that the kernel has in slabs, connections among them; of the whole machine."""
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Slab:"))


def room():
    """So many files has this process; a small limit makes a small crowd."""
    return min(crowd_size, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)


@patience(1000)
def idle():
    """Ten thousand connect and say nothing."""
    count = room()
    rss, kernel = status("VmRSS"), kernel_memory()
    with Watch() as watch:
        begin_at = time.monotonic()
        crowd = [connect(number) for number in range(count)]
        ok(wait_until(lambda: (info("connected_clients") or 0) >= count, 30), "%d clients connect" % count)
        seconds = time.monotonic() - begin_at
        before = cpu_seconds()
        time.sleep(1)
        spent = cpu_seconds() - before
    each = watch.grown / count
    ok(each <= IDLE_BYTES, "an idle connection costs 20 kB at most")
    ok(watch.grown <= 200 * MB, "all of them 200 MB at most")
    note("%d connections in %.1f s: %.2f kB of the worker each, %.1f MB together (RSS %+.1f MB); kernel slabs %+.1f MB"
         % (count, seconds, each / 1024, watch.grown / MB, (status("VmRSS") - rss) / 1024,
            (kernel_memory() - kernel) / MB))
    ok(spent < 0.6, "and no time")
    note("%.2f s of CPU in a second, the innocent client's share included" % spent)

    # Every tenth says something after all.
    for sock in crowd[::10]:
        sock.sendall(command("AUTH", door.options.password) + command("PING"))
    good = True
    for sock in crowd[::10]:
        data = b""
        while len(data) < 12:
            data += sock.recv(100)
        good &= data == b"+OK\r\n+PONG\r\n"
    ok(good, "each of them is answered when it asks")
    for sock in crowd:
        sock.close()
    ok(wait_until(lambda: info("connected_clients") < 10, 30), "and all are gone when they leave")


@patience(1000)
def surplus():
    """More than the server takes: the others are told, and the first stay."""
    count = allowed + 50
    if count > room():
        print("ok - surplus # skip this process may not open %d files" % count)
        return
    taken = info("connected_clients")
    crowd = [connect(number) for number in range(count)]
    ok(wait_until(lambda: answered(crowd[-1]) is not None), "the last of the surplus is answered")
    time.sleep(0.2)
    refused, silent = [], 0
    for sock in crowd[:-1]:
        words = answered(sock)
        silent += words is None
        refused += [words] if words is not None else []
    equal(set(refused), {REFUSAL}, "it is told that there are too many")
    ok(abs(silent - (allowed - taken + 1)) <= 2, "%d clients are taken" % allowed)
    note("%d silent, %d refused, %d were there before" % (silent, len(refused) + 1, taken))
    for sock in crowd:
        sock.close()
    ok(wait_until(lambda: not isinstance(try_again(), Exception)), "as soon as some leave, others come in")


def try_again():
    try:
        with Client(timeout=5) as client:
            return client.call("PING")
    except (Error, EOFError, OSError) as error:
        return error


@patience(1000)
def flood():
    """Open and close, as fast as four threads can, for a few seconds: by FIN, by RST, with half a command."""
    until = time.monotonic() + min(door.options.seconds, 5)
    counts = [0] * 4

    def one(index):
        while time.monotonic() < until:
            client = Client(login=False)
            if counts[index] % 3 == 1:
                client.send(b"*2\r\n$3\r\nGE")
            (client.reset if counts[index] % 2 else client.close)()
            counts[index] += 1

    with Watch() as watch:
        threads = [threading.Thread(target=one, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    note("%d connections" % sum(counts))
    ok(sum(counts) > 100, "connections come and go")
    watch.bounded(32 * MB, "without leaving memory")
    ok(wait_until(lambda: info("connected_clients") <= 3), "or sessions")


@patience(300)
def passwords():
    """A thousand wrong passwords, over fifty connections and all at once."""
    clients = [Client(login=False) for _ in range(50)]
    begin_at = time.monotonic()
    for client in clients:
        client.send(b"".join(command("AUTH", "wrong%d" % i) for i in range(20)))
    with Client() as right:  # remembered: need not wait for the thousand
        took = time.monotonic() - begin_at
        equal(right.call("PING"), "PONG", "who knows the password gets in meanwhile")
    note("in %.0f ms" % (took * 1000))
    ok(took < 1.5, "without waiting for the thousand")
    wanted = Error("WRONGPASS invalid username-password pair or user is disabled.")
    wrong = sum(client.reply() != wanted for client in clients for _ in range(20))
    seconds = time.monotonic() - begin_at
    equal(wrong, 0, "1,000 wrong passwords are refused")
    note("%.1f s, %.1f ms each" % (seconds, seconds))
    for client in clients:
        client.close()


@patience(500)
def unknown_users():
    """Refused as slowly as wrong passwords, so that nobody learns who exists."""
    clients = [Client(login=False) for _ in range(50)]
    for client in clients:
        client.send(b"".join(command("AUTH", "user%d" % i, "x") for i in range(10)))
    wanted = Error("WRONGPASS invalid username-password pair or user is disabled.")
    equal(sum(client.reply() != wanted for client in clients for _ in range(10)), 0,
          "500 unknown users are refused")
    for client in clients:
        client.close()


@patience(1000)
def greedy():
    """Four clients with endless pipelines beside the innocent one, and somebody who asks DBSIZE."""
    until = time.monotonic() + 3
    counts = [0] * 4

    def one(index):
        with Client() as client:
            batch = b"".join(command("SET", "greedy%d" % (i % 500), "x") for i in range(1000))
            while time.monotonic() < until:
                client.send(batch)
                client.exactly(5000)
                counts[index] += 1000

    threads = [threading.Thread(target=one, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    sizes = []
    with Client() as client:
        while time.monotonic() < until:
            begin_at = time.monotonic()
            client.call("DBSIZE")
            sizes.append(time.monotonic() - begin_at)
    for thread in threads:
        thread.join()
    note("%d SETs in 3 s, and %d DBSIZE, the slowest in %.1f ms" % (sum(counts), len(sizes), max(sizes) * 1000))
    ok(max(sizes) < 1, "DBSIZE, which wants a turn without changes, gets one")
    ok(min(counts) * 4 > sum(counts) / 4, "and the greedy get about the same")


crowd_size = flag("--crowd", crowd_size)
allowed = flag("--allowed", 0)
begin(__doc__)
run([surplus] if allowed else [idle, flood, passwords, unknown_users, greedy])
