#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""queues.py: a load on collections and commands that wait, which knows what was acknowledged and served.

    queues_wire.py     connections
    queues_known.py    what is known, and what may be shown
    queues_work.py     producers and consumers of queues, and their readers
    queues_members.py  hashes, sets and sorted sets whose members belong together

  queues.py PORT PASSWORD SEED

What must hold, while it runs and after every crash:

  - an element whose push was acknowledged is in its queue, or was served, or may have been served to
    a connection that was lost while it waited for one: at most as many as those commands could take
  - none is served twice, and none that was served is shown to who asks later
  - what was moved to a worker's own list is there until it is removed, and nothing of that is forgiven
  - elements of one producer are in the order in which they were pushed
  - of a command, transaction or script, whoever looks sees all or nothing
  - whoever waits gets an element soon after the server has begun to serve again, and nobody waits for a
    queue that has elements

It is told on standard input what to do, a word a line, and answers a line each:

  go        opens the connections and begins; a connection that is lost is opened again, for ever
  progress  says how many writes were acknowledged
  mark      begins to count who is served
  waiting   says which consumers have had no element since then
  stop      lets what was sent be answered, or be lost, and pauses
  check     reads everything back and compares; says what was wrong since the last time
  quit      says how much it was

Plain sockets and the standard library: the checker must not share a mistake with a client library.
"""

import os
import random
import selectors
import sys
import time

import queues_members as members
import queues_work as work
from queues_known import known, settle_queues
from queues_wire import Client, Control, Loop

PRODUCERS = 8
READERS = 6
DRAIN = 0.5  # seconds after which consumers have taken what there is
PATIENCE = 10  # seconds for which a consumer may wait while its queue has something


def consumers():
    return [
        work.Consumer("fifo", "BRPOP", work.FIFO),
        work.Consumer("fifo:long", "BLPOP", work.FIFO_LONG),
        *(work.Consumer(f"mixed:{n}", "BLPOP", work.MIXED, work.OTHER) for n in range(2)),
        *(work.Consumer(f"other:{n}", "BRPOP", work.OTHER, work.MIXED) for n in range(2)),
        *(work.Consumer(f"bulk:{n}", "BLMPOP", work.BULK) for n in range(2)),
        work.Consumer("bulk:other", "BLMPOP", work.OTHER, work.BULK),
        work.Consumer("jobs", "BZPOPMIN", work.JOBS),
        *(work.Consumer(f"jobs:{n}", "BZPOPMIN", work.JOBS, work.JOBS_LONG) for n in range(2)),
        work.Consumer("jobs:long", "BZMPOP", work.JOBS_LONG, work.JOBS),
    ]


class Load:
    def __init__(self, port, password):
        self.loop = Loop(port, password, known)
        self.workers = [work.Worker(str(n), work.WORK) for n in range(4)]
        self.consumers = consumers() + self.workers
        self.waiting = {}  # clients of the consumers
        self.begun = False
        self.marked = 0
        self.told = 0  # of what was wrong
        self.input = b""
        for number in range(PRODUCERS):
            Client(self.loop, f"producer {number}", work.Producer(number).work)
        for consumer in self.consumers:
            self.waiting[Client(self.loop, consumer.name, consumer.work)] = consumer
        self.open_members()
        for number in range(READERS):
            Client(self.loop, f"reader {number}", self.read)

    def open_members(self):
        for pairs in members.PAIRS:
            for number in range(3):
                Client(self.loop, "pairs", members.PairWriter(number, pairs).work)
        for where in members.PLACES + members.TAGS:
            for number in range(2):
                Client(self.loop, "mover", members.Mover(number, 2, where).work)
        for counts in members.COUNTS:
            for _ in range(2):
                Client(self.loop, "counts", counts.count)

    def read(self, client):
        while True:
            kind = random.randrange(4)
            if kind == 0:
                yield from work.read_work(work.WORK, self.workers)
            elif kind == 1:
                queue = random.choice([queue for queue in known.queues if queue is not work.WORK])
                yield from work.read_queue(queue, 30 if queue.long else -1)
            else:
                yield from random.choice(members.ALL).read()
            yield 0.001

    # ---- what the driver asks for -------------------------------------------------------------

    def go(self):
        if not self.begun:
            control = Control(self.loop)
            for places in members.PLACES:
                for words in places.begin():
                    control.ask(words)
            control.close()
            self.begun = True
        self.loop.running = self.loop.clients
        return "running"

    def progress(self):
        return f"progress {known.count['acknowledged']}"

    def mark(self):
        self.marked = time.monotonic()
        return "marked"

    def not_served(self):
        names = [c.name for c in self.consumers if c.served_at < self.marked]
        return " ".join(["waiting", str(len(names)), *names])

    def settle(self, who, seconds):
        """Until none of them has anything under way."""
        end = time.monotonic() + seconds
        while any(client.busy for client in who) and time.monotonic() < end:
            self.loop.turn(0.01)
        return [client for client in who if client.busy]

    def passed_over(self, control):
        """Consumers that wait, and for which there is something."""
        busy = [client for client in self.waiting if client.busy]
        keys = [[queue.key for queue in self.waiting[client].waits_for] for client in busy]
        there = control.ask([("EXISTS", *some) for some in keys]) if busy else []
        return [f"{client.name} waits for {' '.join(some)}"
                for client, some, count in zip(busy, keys, there) if count > 0]

    def release(self):
        """
        Ends the waiting of consumers when they wait for nothing; not before, because who is unblocked makes others look
        again. Each worker unblocks clients of its own, and which one answers is chance.
        """
        control = Control(self.loop)
        end = time.monotonic() + PATIENCE
        while late := self.passed_over(control):
            self.settle(self.waiting, 0.05)
            if time.monotonic() > end:
                known.wrong(f"{', '.join(late)}, where something is")
                break
        control.close()
        end = time.monotonic() + PATIENCE
        while busy := self.settle(self.waiting, 0.05):
            control = Control(self.loop)
            control.ask([("CLIENT", "UNBLOCK", str(client.id)) for client in busy])
            control.close()
            if time.monotonic() > end:
                known.wrong(f"cannot be unblocked: {', '.join(c.name for c in busy)}")
                break

    def stop(self):
        """Every other time consumers go on until they all wait."""
        self.loop.running = list(self.waiting) if random.random() < 0.5 else []
        others = [client for client in self.loop.clients if client not in self.waiting]
        if silent := self.settle(others, 60):
            known.wrong(f"no answer within a minute: {', '.join(c.name for c in silent)}")
        end = time.monotonic() + DRAIN
        while self.loop.running and time.monotonic() < end:
            self.loop.turn(0.01)
        self.loop.running = []
        self.release()
        return "stopped"

    def check(self):
        control = Control(self.loop)
        shown = []
        for queue in known.queues:
            read = work.read_work(queue, self.workers) if queue is work.WORK else work.read_queue(queue)
            shown.append((queue, control.run(read)))
        settle_queues(shown)
        for what in members.ALL:
            control.run(what.read())
            what.settle()
        control.close()
        left = sum(len(queue.elements) for queue in known.queues)
        wrong = known.count["wrong"] - self.told
        self.told = known.count["wrong"]
        return f"checked {left} elements, {wrong} wrong"

    def quit(self):
        return "total " + ", ".join(f"{count} {what}" for what, count in known.count.items())

    # ---- the loop -------------------------------------------------------------------------------

    def run(self):
        words = {"go": self.go, "progress": self.progress, "mark": self.mark, "stop": self.stop,
                 "waiting": self.not_served, "check": self.check, "quit": self.quit}
        stdin = selectors.DefaultSelector()
        stdin.register(sys.stdin.fileno(), selectors.EVENT_READ)
        while True:
            if stdin.select(0 if self.loop.running else None):
                data = os.read(sys.stdin.fileno(), 4096)
                self.input += data
                while b"\n" in self.input:
                    line, _, self.input = self.input.partition(b"\n")
                    print(words[line.decode()](), flush=True)
                    if line == b"quit":
                        return 1 if known.count["wrong"] else 0
                if not data:
                    return 2
            else:
                self.loop.turn(0.002)


def main():
    if len(sys.argv) != 4:
        print("usage: queues.py PORT PASSWORD SEED", file=sys.stderr)
        return 2
    random.seed(int(sys.argv[3]))
    return Load(int(sys.argv[1]), sys.argv[2]).run()


if __name__ == "__main__":
    sys.exit(main())
