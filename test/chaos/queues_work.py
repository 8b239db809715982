# SPDX-License-Identifier: PostgreSQL
"""queues_work.py: what the clients do, and what the collections are; see queues.py.

Each is a generator for queues_wire.py, which changes what is known right before it yields commands and right
after it gets their replies.
"""

import random
import time

from queues_known import Element, Queue, Unit, known
from queues_wire import Lost, Refusal

# What may be answered at any time to who did nothing wrong; by then nothing has happened.
MAY_BE = ("pgfirst.redis_lock_timeout", "administrator command")
REST = 0.003
BATCH = 10  # elements of one push, at most
POPS = 5  # elements that BLMPOP and BZMPOP ask for
LARGE = 5000

FIFO = Queue("queue:fifo", "LPUSH", 12, large=False, alone=True)
FIFO_LONG = Queue("queue:fifo:long", "RPUSH", 120, long=True, alone=True)
MIXED = Queue("queue:mixed", None, 12, ordered=False)
OTHER = Queue("queue:other", "RPUSH", 12, large=False, ordered=False)
BULK = Queue("queue:bulk", "LPUSH", 300, long=True)
WORK = Queue("queue:work", "LPUSH", 30)
JOBS = Queue("queue:jobs", "ZADD", 12, large=False)
JOBS_LONG = Queue("queue:jobs:long", "ZADD", 300, long=True)

# Several keys, for each of which ARGV has a command, a number of words, and these.
PUSHES = """
local at = 1
for i = 1, #KEYS do
  local words, count = {}, tonumber(ARGV[at + 1])
  for j = 1, count do words[j] = ARGV[at + 1 + j] end
  redis.call(ARGV[at], KEYS[i], unpack(words))
  at = at + 2 + count
end
return #KEYS
"""


def refused(reply):
    """Whether it is an error: then nothing has happened."""
    if not isinstance(reply, Refusal):
        return False
    known.count["refused"] += 1
    if not any(words in reply.text for words in MAY_BE):
        known.wrong(f"an error that is nobody's fault here: {reply.text}")
    return True


def refused_unit(reply):
    """The same of EXEC and EVAL, in which no command may be refused alone."""
    if isinstance(reply, list) and any(isinstance(part, Refusal) for part in reply):
        known.half("EXEC was answered " + str([getattr(r, "text", r) for r in reply]))
    return refused(reply)


def transaction(*commands):
    return [("MULTI",), *commands, ("EXEC",)]


def script(text, keys, *arguments):
    return ("EVAL", text, str(len(keys)), *keys, *arguments)


# ---- pushing -----------------------------------------------------------------------------------


class Producer:
    def __init__(self, number):
        self.number = number
        self.made = 0

    def push(self, unit, queue, count):
        """The words that push so many new elements, which belong to the unit."""
        words = [queue.push or random.choice(("LPUSH", "RPUSH")), queue.key]
        for _ in range(count):
            large = queue.large and random.random() < 0.05
            self.made += 1
            size = LARGE if large else random.randrange(12, 50)
            element = Element(self.number, self.made, size, unit)
            unit.elements.append((queue, element))
            queue.sent(element)
            if queue.push == "ZADD":
                words.append(str(element.number))
            words.append(element.text)
        return words

    def count(self, queue):
        return random.randint(1, BATCH if queue.long else 3)

    def single(self, queues):
        """Units of one command each, in a pipeline."""
        for queue in queues[: random.randint(1, 3)]:
            unit = Unit()
            yield unit, [self.push(unit, queue, self.count(queue))]

    def several(self, queues):
        unit = Unit()
        pushes = [self.push(unit, queue, self.count(queue)) for queue in queues[:4]]
        if random.random() < 0.5:
            known.count["transactions"] += 1
            yield unit, transaction(*pushes)
        else:
            known.count["scripts"] += 1
            keys = [words[1] for words in pushes]
            arguments = [a for w in pushes for a in (w[0], str(len(w) - 2), *w[2:])]
            yield unit, [script(PUSHES, keys, *arguments)]

    def work(self, client):
        while True:
            queues = [queue for queue in known.queues if queue.has_room()]
            if not queues or random.random() < 0.5:
                yield REST
                continue
            random.shuffle(queues)
            make = self.single if len(queues) == 1 or random.random() < 0.5 else self.several
            units = list(make(queues))
            try:
                replies = yield [words for _, commands in units for words in commands]
            except Lost as lost:
                self.answered(units, lost.replies)
                raise
            self.answered(units, replies)
            yield 0

    def answered(self, units, replies):
        at = 0
        for unit, commands in units:
            at += len(commands)
            if at > len(replies):
                for queue, element in unit.elements:
                    queue.sender_lost(element)
            elif refused_unit(replies[at - 1]):
                for queue, element in unit.elements:
                    queue.never(element)
            else:
                unit.happened = True
                known.count["acknowledged"] += 1


# ---- popping -----------------------------------------------------------------------------------


class Consumer:
    """Waits for elements of some queues, by one of the commands that do."""

    def __init__(self, name, word, *queues):
        self.name = name
        self.word = word
        self.queues = queues
        self.served_at = 0
        self.waits_for = []

    def command(self, queues):
        keys = [queue.key for queue in queues]
        timeout = "0" if random.random() < 0.8 else "0.05"
        if self.word in ("BLMPOP", "BZMPOP"):
            side = "RIGHT" if self.word == "BLMPOP" else "MIN"
            return [self.word, timeout, str(len(keys)), *keys, side, "COUNT", str(POPS)]
        return [self.word, *keys, timeout]

    def served(self, reply):
        queue = next(queue for queue in self.queues if queue.key.encode() == reply[0])
        if self.word == "BLMPOP":
            elements = [(text, None) for text in reply[1]]
        elif self.word == "BZMPOP":
            elements = reply[1]
        else:
            elements = [(reply[1], reply[2] if len(reply) > 2 else None)]
        for text, score in elements:
            queue.served(text, score)
        self.served_at = time.monotonic()

    def work(self, client):
        while True:
            self.waits_for = [queue for queue in self.queues if queue.draining or not queue.long]
            if not self.waits_for:
                yield REST
                continue
            try:
                (reply,) = yield [self.command(self.waits_for)]
            except Lost:
                many = self.word in ("BLMPOP", "BZMPOP")
                known.forgive(self.waits_for, POPS if many else 1)
                raise
            if reply is not None and not refused(reply):
                self.served(reply)
            yield 0


class Worker:
    """Moves elements to a list of its own, from which it removes what is done: there nothing may get lost."""

    def __init__(self, name, queue):
        self.name = name
        self.queue = queue
        self.waits_for = [queue]
        self.key = f"{queue.key}:{name}"
        self.served_at = 0

    def moved(self, text):
        element = self.queue.find(text)
        if not element or element.holder:
            known.wrong(f"{self.queue.key}: {text[:40]!r} was moved "
                        + (f"to {element.holder.name} before" if element else "and is over"))
            return None
        element.holder = self
        self.served_at = time.monotonic()
        known.count["served"] += 1
        return element

    def remove(self, element):
        element.removing = True
        (reply,) = yield [("LREM", self.key, random.choice(("0", "1", "-1")), element.text)]
        if refused(reply):
            element.removing = False
        elif reply != 1:
            known.wrong(f"{self.key}: LREM of {element.name} was answered {reply}")
        if reply == 1:
            self.queue.finish(element)

    def held(self):
        return [e for e in self.queue.elements.values() if e.holder is self]

    def recover(self):
        """What a connection that was lost has left."""
        (texts,) = yield [("LRANGE", self.key, "0", "-1")]
        if refused(texts):
            return
        elements = []
        for text in texts:
            element = self.queue.find(text)
            if not element or element.holder not in (None, self):
                known.wrong(f"{self.key}: {text[:40]!r} does not belong there")
                continue
            element.holder = self
            element.removing = False
            elements.append(element)
        for element in self.held():
            if element in elements:
                continue
            if not element.removing:
                known.wrong(f"{self.key}: {element.name} was moved there and is missing")
            self.queue.finish(element)
        for element in elements:
            yield from self.remove(element)

    def work(self, client):
        yield from self.recover()
        while True:
            moves = [("BLMOVE", self.queue.key, self.key, "RIGHT", "LEFT", "0")]
            elements = []
            for _ in range(random.randint(1, 5)):
                (reply,) = yield moves
                if reply is None or refused(reply):
                    break
                elements.append(self.moved(reply))
                moves = [("LMOVE", self.queue.key, self.key, "RIGHT", "LEFT")]
            random.shuffle(elements)
            for element in filter(None, elements):
                yield from self.remove(element)
            yield 0


def read_queue(queue, end=-1):
    asked = known.moment
    reads = ("ZRANGE", "ZCARD") if queue.push == "ZADD" else ("LRANGE", "LLEN")
    reply = (yield transaction((reads[0], queue.key, "0", str(end)), (reads[1], queue.key)))[-1]
    if refused_unit(reply):
        return set()
    texts, size = reply
    if end < 0 and size != len(texts):
        known.half(f"{queue.key} has {len(texts)} elements, and says {size}")
    return queue.shown(texts, asked)


def read_work(queue, workers):
    """Each element is in the queue or with one of the workers, for whoever looks."""
    asked = known.moment
    expected = [e for e in queue.elements.values() if e.unit.happened and not e.removing]
    keys = [queue.key] + [worker.key for worker in workers]
    reply = (yield transaction(*(("LRANGE", key, "0", "-1") for key in keys)))[-1]
    if refused_unit(reply):
        return set()
    names = [text.partition(b":")[0] for texts in reply for text in texts]
    if len(set(names)) < len(names):
        known.half(f"{queue.key}: an element is in two lists, or twice in one")
    for name in names:
        if name in known.over and known.over[name] <= asked:
            known.wrong(f"{queue.key}: {name} is there, which was removed")
    for element in expected:
        if element.name not in names and element.name in queue.elements and not element.removing:
            known.half(f"{queue.key}: {element.name} is in none of the lists")
            queue.finish(element)
    queue.shown(reply[0], asked)
    return set(names)
