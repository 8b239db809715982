# SPDX-License-Identifier: PostgreSQL
"""interleaving.py: a short random stream of commands that two or three clients send in turn, made from one number.

What a stream is about is what clients do to each other: one watches, begins a transaction and carries it out while others
change what is watched, let it expire, delete it and make it again, empty its database or exchange it with another one, by
commands, scripts and transactions of their own. So keys are few, and every client goes on with what it has begun only now and then.

A stream is a list of steps. A step is sent by one client as a whole, and no other one says anything before it has been answered,
so that there is one order of all commands. Both servers' clocks go on by themselves, so nothing may be said while a key is
about to expire: what gives a key a few milliseconds ends its step, and behind that step everybody waits until they are over. Where
something has to happen before that, a WATCH for one, it follows in the same step, the time is longer, and the step has
to be answered in less than it: `limit`. Within EXEC and scripts time stands still.
"""

import random
from collections import namedtuple

from hashes import Hashes
from lists import Lists
from scripting import Scripts
from sets import Sets
from stream import KEYS, VALUES, Stream
from streams import Streams
from typed import Command, script_of
from zsets import Zsets

TYPES = [Hashes, Lists, Sets, Zsets, Streams]

# Who sends (a client's place in the plan); what; how many seconds everybody waits then; and, if it is not None, in how
# many it has to be answered.
Step = namedtuple("Step", "client commands wait limit", defaults=(0, None))

# What waits if there is nothing to take costs Redis tens of milliseconds; elements.py has it. And behind XSETID Redis does not
# take the key for changed: whoever watches it is not told.
LEFT_OUT = (b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"BLOCK", b"XSETID")

BRIEF_MS = (1, 2, 5)
WATCHED_MS = 20
# A server's millisecond that has begun is over within one more, and a sleep does not end too soon.
MARGIN = 0.003


class Client:
    """How it comes in, and what it has begun, as far as a plan can tell."""

    def __init__(self, protocol, unix):
        self.protocol, self.unix = protocol, unix
        # In a transaction; watching; and a transaction that gives a key a short life.
        self.open = self.watching = self.brief = False

    def log_in(self):
        """Who has reset the connection; a word in place of the password, for each server has its own."""
        return Command([b"HELLO", b"%d" % self.protocol, b"AUTH", b"default", b"\0password"])

    def forget(self):
        self.open = self.watching = self.brief = False

    def __repr__(self):
        return f"RESP{self.protocol} {'unix socket' if self.unix else 'TCP'}"


class Plan:
    """The clients and the steps that a seed stands for; known are the commands of the server under test."""

    def __init__(self, seed, known):
        self.chance = random.Random(seed)
        self.pick = self.chance.choice
        self.clients = [Client(self.pick([2, 3]), self.pick([False, True])) for _ in range(self.pick([2, 2, 3]))]
        self.keys = self.chance.sample(KEYS, self.chance.randint(2, 4))
        self.scripts = Scripts(self.chance, self.keys)
        strings = Stream(self.chance, "", "", self.scripts, self.keys)
        self.strings = strings
        self.makers = [strings.next_on_strings, strings.next_on_strings, strings.next_on_keys]
        self.kinds = [kind(self.chance, known) for kind in self.chance.sample(TYPES, self.pick([0, 1, 1, 2]))]
        for kind in self.kinds:
            # Most of them on a key that is of no other type for long.
            kind.keys = [*self.keys, *[self.pick(self.keys)] * 4]
            self.makers += [kind.next] * 3
        # So often something expires, which takes time. What has expired counts in DBSIZE until it is swept, in both.
        self.expiries = self.pick([0, 0, 0, 0, 1, 2])
        self.left_out = (*LEFT_OUT, b"DBSIZE") if self.expiries else LEFT_OUT
        # The key that was given a short life last.
        self.short = None
        self.steps = []
        self.make(self.chance.randint(10, 60))

    # ---- one command ---------------------------------------------------------------------------

    def some_keys(self):
        return [self.pick(self.keys) for _ in range(self.pick([1, 1, 2]))]

    def data(self):
        """A command on keys."""
        while True:
            words = self.pick(self.makers)()
            if not {word.upper() for word in words} & {*self.left_out}:
                return Command(words)

    def script(self):
        while True:
            if self.chance.random() < 0.5:
                return script_of(self.chance, [self.data() for _ in range(self.pick([1, 2, 3]))])
            words = self.scripts.next()
            if b"DBSIZE" not in self.left_out or b"DBSIZE" not in b"".join(words):
                return Command(words)
            # It may not be called by its digest, either.
            self.scripts.known = []

    def wrong(self, client):
        """Who is in a transaction does not log in, which 7.2 refuses."""
        while True:
            words = self.strings.wrong()
            if not (client.open and words[0] == b"AUTH"):
                return Command(words)

    def empty(self):
        return Command([self.pick([b"FLUSHDB", b"FLUSHDB", b"FLUSHALL"]), *self.pick([[], [], [b"ASYNC"], [b"SYNC"]])])

    def exchange(self):
        return Command([b"SWAPDB", self.pick([b"0", b"1"]), self.pick([b"1", b"2"])])

    def select(self):
        return Command([b"SELECT", self.pick([b"0", b"0", b"0", b"1", b"2"])])

    def brief(self, ms):
        """Commands of which the last one gives a key a short life, if there is such a key."""
        key, time = self.pick(self.keys), b"%d" % ms
        self.short = key
        return self.pick([
            [[b"SET", key, self.pick(VALUES), b"PX", time]], [[b"PSETEX", key, time, self.pick(VALUES)]], [[b"GETEX", key, b"PX", time]],
            *[[[b"PEXPIRE", key, time, *self.pick([[], [], [b"LT"], [b"XX"]])]]] * 3,
            [[b"RPUSH", key, b"x"], [b"PEXPIRE", key, time]], [[b"HSET", key, b"f", b"v"], [b"PEXPIRE", key, time]],
            [[b"EVAL", b"return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])", b"1", key, b"scripted", time]],
            [[b"EVAL", b"redis.call('SADD', KEYS[1], 'm') return redis.call('PEXPIRE', KEYS[1], ARGV[1])", b"1", key, time]]])

    def about(self, key):
        """Commands on keys, on this one mostly."""
        keys, before = [key, key, key, self.pick(self.keys)], [kind.keys for kind in self.kinds]
        self.strings.names = keys
        for kind in self.kinds:
            kind.keys = keys
        commands = [self.data() for _ in range(self.pick([1, 2, 3, 5]))]
        self.strings.names = self.keys
        for kind, keys in zip(self.kinds, before):
            kind.keys = keys
        return commands

    # ---- what a client does next ---------------------------------------------------------------

    def expiry(self):
        """A step's commands, the time until what it says is over, and in which of it they have to be answered."""
        self.expiries -= 1
        if self.chance.random() < 0.4:
            ms = self.pick(BRIEF_MS)
            return [Command(words) for words in self.brief(ms)], ms / 1000 + MARGIN, None
        commands = [Command(words) for words in self.brief(WATCHED_MS)]
        commands.append(Command([b"WATCH", self.short]))
        commands += [self.data() for _ in range(self.pick([0, 0, 0, 1, 2]))]
        return commands, WATCHED_MS / 1000 + MARGIN, WATCHED_MS / 2000

    def outside(self, client):
        """Commands of a client that is in no transaction, the time to wait then, and a limit."""
        number, chance = self.chance.random(), self.chance.random()
        if self.expiries and chance < 0.1:
            commands, wait, limit = self.expiry()
            client.watching |= limit is not None
            return commands, wait, limit
        if chance < (0.35 if client.watching else 0.1):
            client.open = True
            return [Command([b"MULTI"])], 0, None
        if number < 0.17:
            client.watching = True
            return [Command([b"WATCH", *self.some_keys()])], 0, None
        if number < 0.26:
            return [self.script()], 0, None
        if number < 0.29:
            # What is not as it was because it was gone in between.
            return [Command([b"DEL", *self.some_keys()]), self.data()], 0, None
        rare = [(0.31, self.select), (0.325, self.empty), (0.335, self.exchange), (0.35, lambda: self.wrong(client)),
                (0.36, lambda: Command([self.pick([b"EXEC", b"DISCARD"])]))]
        for most, make in rare:
            if number < most:
                return [make()], 0, None
        if number < 0.375:
            client.watching = False
            return [Command([b"UNWATCH"])], 0, None
        if number < 0.385:
            client.forget()
            return [Command([b"RESET"]), client.log_in()], 0, None
        return [self.data()], 0, None

    def within(self, client):
        """The same of one that is in a transaction."""
        number = self.chance.random()
        if number < 0.24:
            wait = max(BRIEF_MS) / 1000 + MARGIN if client.brief else 0
            client.forget()
            return [Command([b"EXEC"])], wait, None
        if number < 0.26:
            client.forget()
            return [Command([b"DISCARD"])], 0, None
        if number < 0.265:
            client.forget()
            return [Command([b"RESET"]), client.log_in()], 0, None
        if self.expiries and number < 0.32:
            self.expiries -= 1
            client.brief = True
            return [Command(words) for words in self.brief(max(BRIEF_MS))], 0, None
        if number < 0.38:
            return [self.script()], 0, None
        rare = [(0.395, self.select), (0.405, self.empty), (0.41, lambda: self.wrong(client)),
                (0.42, lambda: Command([b"WATCH", *self.some_keys()])), (0.43, lambda: Command([b"UNWATCH"])),
                (0.435, lambda: Command([b"MULTI"]))]
        for most, make in rare:
            if number < most:
                return [make()], 0, None
        return [self.data()], 0, None

    def make(self, length):
        while length > 0:
            number = self.chance.randrange(len(self.clients))
            client, commands, wait, limit = self.clients[number], [], 0, None
            for _ in range(self.pick([1, 1, 1, 2, 3, 6])):
                more, wait, limit = (self.within if client.open else self.outside)(client)
                # What has to be in time is only what follows; of SWAPDB it is looked first whether it may be said; and Redis
                # drops those who have logged out while a kilobyte of answers is on its way.
                alone = limit or more[0].words[0] in (b"SWAPDB", b"RESET")
                if alone and commands:
                    self.steps.append(Step(number, commands))
                    commands = []
                commands += more
                if alone or wait:
                    break
            self.steps.append(Step(number, commands, wait, limit))
            if wait:
                self.steps.append(Step(self.chance.randrange(len(self.clients)), self.about(self.short)))
            length -= len(commands)
