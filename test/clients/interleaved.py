#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""interleaved.py: thousands of short streams of commands of several clients, to Redis and to pgfirst, compared.

  interleaved.py [--seed N] [--streams N] [--stream N] OURS THEIRS

OURS and THEIRS are files written by server.py. Each stream has a number, from which all of it is made (interleaving.py says
what is in it), and begins with empty databases; --stream runs the one of that number alone. First come the streams that
seeds.txt keeps, then as many as --streams says, whose numbers begin with a million times --seed.

Every reply has to be the same, as it has to in elements.py, and in the end what all databases hold. A stream ends with its
first difference. It is reported with its number and with the shortest conversation found that still differs:
command after command is left out, and the rest tried again.

May differ: whether EXEC answers null, in the cases of which docs/kv.md tells (`may_be_null`, `may_be_carried_out`). And because
watched keys are told apart by a hash, a null that has no reason at all: such a stream is run again and has to be the same then.

The run also fails when transactions that watch were not often enough carried out or not often enough answered null, as it
would prove nothing, and when too many of the latter needed one of these excuses.
"""

import argparse
import os
import sys
import time
from collections import Counter

from differential import Pair, Report, send_all, shorten
from elements import parting, pipeline, same, states_difference
from interleaving import Plan
from resp import Closed, Error
from server import load, wait_until

DATABASES = 4
STREAMS_A_TEST = 250
# So many times a stream that was too slow is run: on a slow disk it may never be in time, and is counted. So many streams that differ
# are shortened, and after so many the run ends.
TRIES, SHORTENED, ENOUGH = 5, 5, 20
SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds.txt")


class TooSlow(Exception):
    """What has to be answered before a key expires was not."""


class Allowed(Exception):
    """A null that only one of the two may answer. The databases differ from here on."""


class Difference(Exception):
    """In words; and whether it is a null of EXEC in pgfirst only, or a connection that has failed."""

    def __init__(self, text, null=False, failed=False):
        super().__init__(text)
        self.null, self.failed = null, failed


# ---- what is known of a stream under way ---------------------------------------------------------


class Past:
    """What has happened in a stream that may make only one of the two answer null."""

    def __init__(self):
        # Databases emptied and lists trimmed, at least so often; and keys that may have expired.
        self.flushes, self.trims, self.expired = 0, 0, set()

    def note(self, command):
        text = b" ".join(command.words).upper()
        self.trims += b"LTRIM" in text
        if text.startswith(b"EVAL"):
            # In a loop, or in a text of which there is only the digest.
            self.flushes += 2 * (b"FLUSH" in text or text.startswith(b"EVALSHA"))
        else:
            self.flushes += text.startswith(b"FLUSH")


class Session:
    """A client of a plan, connected to both servers, and what it has begun there."""

    def __init__(self, name, pair, past):
        self.name, self.pair, self.past, self.database = name, pair, past, 0
        self.forget()

    def forget(self):
        # With each watched key what had been emptied and trimmed before, and whether the key may have expired; and whether SWAPDB has
        # come since.
        self.open, self.queued, self.watched, self.exchanged = False, [], {}, False

    def may_be_null(self):
        """A key that was not there counts as changed when its database is emptied twice, and when what is left of it goes."""
        return any(expired or self.past.flushes > flushes + 1 for flushes, _, expired in self.watched.values())

    def may_be_carried_out(self):
        """LTRIM that takes nothing away changes nothing in pgfirst."""
        return any(self.past.trims > trims for _, trims, _ in self.watched.values())

    def note(self, command, reply):
        """What Redis has answered to it."""
        name, *words = command.words
        name = name.upper()
        if reply.raw == b"+QUEUED\r\n":
            self.queued.append(command)
            return
        self.past.note(command)
        if name == b"RESET" and reply.kind == "+":
            self.forget()
            self.database = 0
        elif name in (b"EXEC", b"DISCARD") and self.open:
            queued = self.queued
            self.forget()
            for inner, item in zip(queued, reply.value if reply.kind == "*" and reply.value else []):
                self.note(inner, item)
        elif name == b"MULTI":
            self.open = True
        elif name == b"UNWATCH":
            self.watched, self.exchanged = {}, False
        elif name == b"WATCH" and reply.kind == "+":
            for key in words:
                self.watched.setdefault((self.database, key), (self.past.flushes, self.past.trims, key in self.past.expired))
        elif name == b"SELECT" and reply.kind == "+":
            self.database = int(words[0])


# ---- running streams -----------------------------------------------------------------------------


class Runner:
    """Runs plans; the connections are used again from one to the next."""

    def __init__(self, ours, theirs):
        self.servers, self.pairs, self.counts = (ours, theirs), {}, Counter()
        self.observer = Pair(ours, theirs, unix=True)
        self.known = {name.upper() for name in self.observer.ends[0].call("COMMAND", "LIST").plain()}

    def close(self):
        for pair in [self.observer, *self.pairs.values()]:
            pair.close()
        self.pairs = {}

    def connect_again(self):
        """Replies may be on their way, or a server gone and on its way back."""

        def answer():
            try:
                self.observer = Pair(*self.servers, unix=True)
                return True
            except (OSError, RuntimeError):
                return False

        self.close()
        wait_until("both servers answer", answer, 60)

    def begin(self, plan):
        """The sessions of a plan. There are no keys and no scripts."""
        # Database by database, because Redis writes a file for FLUSHALL.
        empty = [words for number in range(DATABASES) for words in ((b"SELECT", b"%d" % number), (b"FLUSHDB",))]
        pipeline(self.observer, [*empty, (b"SCRIPT", b"FLUSH")])
        sessions, past = [], Past()
        for number, client in enumerate(plan.clients):
            place = (number, client.unix)
            if place not in self.pairs:
                self.pairs[place] = Pair(*self.servers, client.unix)
            send_all(self.pairs[place], self.servers, [[b"RESET"], client.log_in().words])
            for end in self.pairs[place].ends:
                reset, hello = end.reply(), end.reply()
                if isinstance(hello.value, Error):
                    raise RuntimeError(f"{reset.value}, {hello.value}")
            sessions.append(Session("ABC"[number], self.pairs[place], past))
        return sessions

    # ---- a step --------------------------------------------------------------------------------

    def may_exchange(self, sessions, words):
        """SWAPDB breaks a transaction in Redis if what it watches is in one of the two databases, in pgfirst unless it is undone."""
        numbers = {int(word) for word in words[1:]}
        if any(session.exchanged for session in sessions if session.watched):
            return False
        there = {key: 0 for session in sessions for number, key in session.watched if number in numbers}
        theirs = self.observer.ends[1]
        for number in numbers:
            theirs.call("SELECT", number)
            for key in there:
                there[key] += theirs.call("EXISTS", key).value
        return all(there.values())

    def compare(self, session, command, ours, theirs):
        is_exec = command.words[0].upper() == b"EXEC" and session.open
        watched = is_exec and bool(session.watched)
        if not same(command, ours, theirs, session.queued if is_exec else None):
            null = watched and ours.value is None and theirs.value is not None
            carried_out = watched and theirs.value is None and ours.kind == "*" and ours.value is not None
            if null and session.may_be_null() or carried_out and session.may_be_carried_out():
                raise Allowed
            text = parting(command._replace(inner=session.queued) if is_exec else command, ours, theirs)
            raise Difference(f"{session.name}: {text}", null)
        if watched and theirs.kind in "*_":
            self.counts["answered null" if theirs.value is None else "carried out"] += 1
        session.note(command, theirs)

    def take(self, plan, sessions, step):
        session, begin, first = sessions[step.client], time.monotonic(), step.commands[0].words
        if first[0] == b"SWAPDB" and (session.open or not self.may_exchange(sessions, first)):
            return
        for other in sessions:
            other.exchanged |= first[0] == b"SWAPDB" and bool(other.watched)
        said = b" ".join(word for command in [*session.queued, *step.commands] for word in command.words)
        send_all(session.pair, self.servers, [command.words for command in step.commands])
        for command in step.commands:
            self.compare(session, command, *[end.reply() for end in session.pair.ends])
        if step.limit and time.monotonic() - begin > step.limit:
            raise TooSlow
        if step.wait:
            time.sleep(step.wait)
            session.past.expired |= {key for key in plan.keys if key in said}

    # ---- a stream ------------------------------------------------------------------------------

    def run_once(self, plan, steps):
        """The first difference of these steps, or None."""
        sessions = self.begin(plan)
        try:
            for step in steps:
                self.take(plan, sessions, step)
            found = states_difference(self.observer, DATABASES)
            return Difference(f"in the end: {found}") if found else None
        except Allowed:
            self.counts["different as allowed"] += 1
            difference = None
        except Difference as found:
            difference = found
        except (Closed, OSError) as error:
            difference = Difference(f"a connection has failed: {error!r}", failed=True)
        self.connect_again()
        return difference

    def run(self, plan, steps):
        """The same, of steps that are all in time; None as well where they never are."""
        for _ in range(TRIES):
            try:
                return self.run_once(plan, steps)
            except TooSlow:
                self.counts["too slow, run again"] += 1
        self.counts["never in time"] += 1
        return None

    def shorten(self, plan):
        """As few commands of a plan as still lead to a difference, and that."""
        single = [part for step in plan.steps for part in parts(step)]
        difference = self.run(plan, single)
        # What is sent together may be what it is about.
        steps, difference = (single, difference) if difference else (plan.steps, self.run(plan, plan.steps))
        for at, step in reversed([*enumerate(steps)]):
            for command in reversed(step.commands):
                left = [other for other in steps[at].commands if other is not command]
                fewer = [*steps[:at], *[step._replace(commands=left)] * bool(left), *steps[at + 1:]]
                found = self.run(plan, fewer)
                if found:
                    steps, difference = fewer, found
        return steps, difference

    def differences(self, number, in_short):
        """What differs in the stream of this number, in lines."""
        plan = Plan(number, self.known)
        found = self.run(plan, plan.steps)
        if found and found.null and not self.run(plan, plan.steps):
            self.counts["null by chance"] += 1
            return []
        if not found:
            return []
        lines = [f"stream {number}: {found}", f"again: test/clients/run --stream {number} interleaved"]
        # What hangs would hang again and again.
        if in_short and not found.failed:
            counts = self.counts.copy()
            steps, found = self.shorten(plan)
            self.counts = counts
            lines += [f"in short: {found or 'not there when it was repeated'}", *told(plan, steps)]
        return lines


def parts(step):
    """A step's commands as steps of their own, but for those that have to be in time."""
    if step.limit or len(step.commands) == 1:
        return [step]
    *before, last = step.commands
    return [*[step._replace(commands=[command], wait=0) for command in before], step._replace(commands=[last])]


def told(plan, steps):
    """A conversation in lines."""
    lines = [f"  {name} is a client by {client}" for name, client in zip("ABC", plan.clients)]
    for step in steps:
        lines += [f"  {'ABC'[step.client]}: {shorten(command.words)}" for command in step.commands]
        lines += [f"  {step.wait * 1000:.0f} ms go by"] * bool(step.wait)
    return lines


# ---- tests ---------------------------------------------------------------------------------------


def kept_seeds():
    """The numbers that seeds.txt keeps, each with what it is kept for."""
    with open(SEEDS, encoding="utf-8") as file:
        lines = [line.split(None, 1) for line in file if line.strip() and not line.startswith("#")]
    return [(int(number), what.strip()) for number, what in lines]


def tests_of(options):
    """Names of tests, and the numbers of their streams."""
    if options.stream is not None:
        return [(f"interleaved: differential stream {options.stream}", [options.stream])]
    first = options.seed * 1000000
    last = first + options.streams
    return [*[(f"interleaved: differential stream {number}, kept: {what}", [number]) for number, what in kept_seeds()],
            *[(f"interleaved: differential streams {begin} to {min(begin + STREAMS_A_TEST, last) - 1}, seed {options.seed}",
               range(begin, min(begin + STREAMS_A_TEST, last))) for begin in range(first, last, STREAMS_A_TEST)]]


def seen_differences(counts, streams):
    """What these streams should have seen, and have not, or too often."""
    found = [f"{counts[what]} transactions that watched were {what}, in {streams} streams"
             for what, part in (("carried out", 2), ("answered null", 5)) if counts[what] < streams // part]
    return found + [f"{counts[what]} times {what}, in {streams} streams"
                    for what in ("null by chance", "different as allowed") if counts[what] > 3 + streams // 250]


def main():
    parser = argparse.ArgumentParser(description="compare pgfirst with Redis in short streams of several clients")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--streams", type=int, default=2500)
    parser.add_argument("--stream", type=int)
    parser.add_argument("--test", default="")
    parser.add_argument("ours")
    parser.add_argument("theirs")
    options = parser.parse_args()
    report, runner = Report(options.test), Runner(load(options.ours), load(options.theirs))
    streams = different = 0
    for name, numbers in tests_of(options):
        if options.test not in name:
            continue
        found = []
        for number in numbers:
            if different < ENOUGH:
                lines = runner.differences(number, different < SHORTENED)
                different += bool(lines)
                found += lines
        report.result(name, found)
        streams += len(numbers)
        if different == ENOUGH:
            break
    runner.close()
    counts = ", ".join(f"{what} {count}" for what, count in runner.counts.items())
    print(f"# {streams} streams; of transactions that watched: {counts}")
    if streams >= STREAMS_A_TEST:
        report.result("interleaved: differential streams in which enough happens", seen_differences(runner.counts, streams))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
