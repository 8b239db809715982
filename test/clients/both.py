# SPDX-License-Identifier: PostgreSQL
"""both.py: what other people's library does on a redis-server and on pgfirst: each step on both at once, the same answers.

A step is a function of a Visit, of which there is one for each server, and runs in a thread for each. It checks what it
knows must come, and returns what else it has seen: that has to be equal on both. Steps follow one another, each on what
the one before has left.

The redis-server is one of its own that writes its log to disk (appendonly): both are killed, and neither may forget then.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from urllib.parse import quote

import server as servers

STEPS = []
# Of one step on the slower server.
STEP_SECONDS = 120


def step(name):
    def keep(function):
        STEPS.append((name, function))
        return function

    return keep


def check(actual, expected):
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"got {actual!r:.600}, expected {expected!r:.600}")


class Visit:
    """One server, how a library is told of it, and what one step leaves for the next."""

    def __init__(self, server, directory, back):
        self.server, self.kind, self._back = server, server.kind, back
        self.directory = os.path.join(directory, f"{server.kind}.files")
        os.mkdir(self.directory)
        self.url = f"redis://{quote(server.user, safe='')}:{quote(server.password, safe='')}@{server.host}:{server.port}/0"
        self.told = []

    def tell(self, words):
        """For who reads the output; it is not compared."""
        self.told.append(f"{self.kind}: {words}")

    def restart(self):
        """The server in the ordinary way; returns when it is back."""
        self.server.restart()
        return time.monotonic()

    def lose(self):
        """The server by kill -9; returns when it was started again and is back.

        The redis-server, which would be back in a moment, is away for as long as pgfirst needs to recover.
        """
        self.server.kill()
        if self.kind == "redis":
            self._back.wait(STEP_SECONDS / 2)
        self.server.start_again()
        if self.kind != "redis":
            self._back.wait(STEP_SECONDS / 2)
        return time.monotonic()


def attempt(function, visit, answers):
    try:
        answers[visit.kind] = function(visit), []
    except Exception as error:  # pylint: disable=broad-except
        lines = [f"{type(error).__name__}: {error}", *traceback.format_exc(limit=-3).splitlines()]
        answers[visit.kind] = None, [f"on {visit.kind}: {line}" for line in lines]


def take(function, visits):
    """The step on both; the lines that say what is wrong."""
    answers = {}
    threads = [threading.Thread(target=attempt, args=(function, visit, answers), daemon=True) for visit in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(STEP_SECONDS)
    missing = [visit.kind for visit in visits if visit.kind not in answers]
    if missing:
        return [f"on {kind}: not within {STEP_SECONDS} seconds" for kind in missing]
    wrong = [line for _, lines in answers.values() for line in lines]
    seen = [answers[visit.kind][0] for visit in visits]
    if not wrong and seen[0] != seen[1]:
        wrong = [f"on {visit.kind}: {answer!r:.600}" for visit, answer in zip(visits, seen)]
    return wrong


def main(label, versions, begin=None, end=None):
    """Takes the steps whose names contain --test; begin and end are called with each Visit, whatever happens in between."""
    parser = argparse.ArgumentParser(description="one library on Redis and on pgfirst")
    parser.add_argument("--test", default="", help="only the steps whose names contain this")
    parser.add_argument("place", help="the file with the cluster")
    parser.add_argument("theirs", nargs="?", help="not used: a redis-server that is killed is one of its own")
    options = parser.parse_args()
    # A signal ends the run as an exception does: by cleaning up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = [(name, function) for name, function in STEPS if options.test in f"{label}: {name}"]
    if not wanted:
        return 0
    print(f"# {versions}", flush=True)
    failed, begun = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pgfirst-both-") as directory:
        redis = servers.Redis(os.path.join(directory, "redis"), appendonly=True)
        redis.start()
        back = threading.Barrier(2)
        visits = [Visit(server, directory, back) for server in (redis, servers.load(options.place))]
        try:
            for visit in visits if begin else ():
                begin(visit)
            for name, function in wanted:
                clock = time.monotonic()
                wrong = take(function, visits)
                failed += bool(wrong)
                print(f"{'not ok' if wrong else 'ok'} - {label}: {name}", flush=True)
                for line in wrong:
                    print(f"#   {line[:600]}", flush=True)
                for visit in visits:
                    for line in visit.told:
                        print(f"#   {line}", flush=True)
                    visit.told.clear()
                if os.environ.get("VERBOSE"):
                    print(f"#   {time.monotonic() - clock:.1f} s", flush=True)
                if any("not within" in line and "Error" not in line for line in wrong):
                    # Its thread is at it still: what follows would meet it.
                    break
        finally:
            try:
                for visit in visits if end else ():
                    end(visit)
            finally:
                redis.stop()
    print(f"# {label}: {time.monotonic() - begun:.0f} s", flush=True)
    return 1 if failed else 0
