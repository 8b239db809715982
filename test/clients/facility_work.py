#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""facility_work.py: the background work of a Django application, through the loss of a worker and of the server.

  facility_work.py [--test TEXT] PLACE [THEIRS]    as TAP; run by test/clients/run
  facility_work.py --tour DIRECTORY                as people read it; run by tools/show

PLACE is the file with the cluster (server.py). The work of examples/facility, forty-seven tasks in five queues, is
asked for by a command and, again and again, by beat. Two workers are at it, of two processes each. One is killed
with kill -9 and replaced, then the server, which is started again. After that nobody does anything: the
workers have to go on by themselves, and to do what the lost ones had. Then it is counted, in PostgreSQL.

The same on a redis-server of its own, which writes its log to disk (appendonly): there the cluster stays up, and only
the redis-server is killed. One after the other, because the work of both is in the tables of one cluster.

A message is lost now and then when Celery has taken it off its list and has not noted yet that it has it (work/jobs.py):
on redis-server as well. The application asks again for what was not done after five visibility timeouts.

Celery's own times decide how long it takes: messages of who is lost come again after the visibility timeout, which
a worker looks at when it connects and every ten seconds; a broker that is away is tried after 2, 4, 6 … seconds.

A worker is told --without-mingle: with it Celery 5.2 is deaf now and then after it has connected again, on
either server (examples/facility/README.md).

Seen to fail: with messages acknowledged before their task is done, what the killed worker had is not done; with mingle the worker that lived through does not go on.
"""

import argparse
import glob
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import server as servers
from both import STEPS, check, step
from facility_app import HOME, PYTHON, App

TASKS = 47
QUEUES = {"cleanup": 9, "mail": 3, "maintenance": 3, "notification": 0, "report": 6}
CUSTOMERS = 3
VISIBILITY = 4
BEAT_SECONDS = 3
# When the worker and then the server is killed, in tasks that are done. A day has some 137.
WORKER_KILLED_AT, SERVER_KILLED_AT = 25, 60
GOES_ON_SECONDS = 10
SECONDS = 90


class Work:
    """The processes that do the work of one application."""

    def __init__(self, app, directory):
        self.app, self.directory = app, os.path.join(directory, f"{app.schema}.work")
        self.processes = {}
        os.mkdir(self.directory)

    def celery(self, name, *words):
        """Starts a process of Celery's, and those it starts itself are a group of their own."""
        environment = {
            **self.app.environment, "VISIBILITY_TIMEOUT": str(VISIBILITY), "BEAT_SECONDS": str(BEAT_SECONDS),
            "MAIL_DIRECTORY": os.path.join(self.directory, "mail"), "C_FORCE_ROOT": "1"}
        with open(self.log(name), "w", encoding="utf-8") as log:
            self.processes[name] = subprocess.Popen(
                [PYTHON, "-m", "celery", "--app", "facility", *words], cwd=HOME, env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def worker(self, name):
        self.celery(name, "worker", "--without-mingle", "--concurrency", "2", "--loglevel", "INFO", "--hostname", f"{name}@{self.app.schema}")

    def beat(self):
        self.celery("beat", "beat", "--schedule", os.path.join(self.directory, "schedule"), "--pidfile", "", "--loglevel", "INFO")

    def log(self, name):
        return os.path.join(self.directory, f"{name}.log")

    def written(self, name):
        with open(self.log(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self, name):
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_at_work(self, name):
        """Kills it at a moment when it has received something and has not ended it."""
        group = self.processes[name].pid

        def stopped_at_work():
            os.killpg(group, signal.SIGSTOP)
            if self.begun(name):
                return True
            os.killpg(group, signal.SIGCONT)
            return False

        servers.wait_until(f"{name} is at work", stopped_at_work)
        self.kill(name)

    def end(self, name):
        """Tells it to end, which a worker does when it has done what it is at; the exit code."""
        process = self.processes[name]
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        del self.processes[name]
        return code

    def lost(self):
        """What was asked for and is not done, and what the processes have written about it."""
        found = []
        for number, name in (row.split("|") for row in self.app.sql("SELECT id, name FROM work_job WHERE done_at IS NULL").splitlines()):
            found.append(f"not done: {name}")
            for path in sorted(glob.glob(os.path.join(self.directory, "*.log"))):
                with open(path, encoding="utf-8", errors="replace") as file:
                    found += [f"{os.path.basename(path)}: {line.strip()}" for line in file if number in line]
        return found

    def received(self, name):
        """The ids of what a worker has received."""
        return set(re.findall(r"Task \S+\[(\S+)\] received", self.written(name)))

    def ended(self, name):
        """The ids of what it has ended."""
        return set(re.findall(r"Task \S+\[(\S+)\] (?:succeeded|retry)", self.written(name)))

    def begun(self, name):
        """The ids of what it has received and has not ended."""
        return self.received(name) - self.ended(name)

    def mails(self):
        """Their Message-IDs, of which each should be there once."""
        found = []
        for path in glob.glob(os.path.join(self.directory, "mail", "*")):
            with open(path, encoding="utf-8") as file:
                found += re.findall(r"^Message-ID: (<.*>)$", file.read(), re.M)
        return found

    def done(self, condition="true"):
        """How many tasks are, of which the condition is true."""
        return int(self.app.sql(f"SELECT count(*) FROM work_job WHERE done_at IS NOT NULL AND {condition}"))

    def forget(self):
        """Ends what is at work, and takes away what would stay in the Redis for another hour."""
        for name in list(self.processes):
            self.kill(name)
        connection = self.app.redis(0)
        for number in self.app.sql("SELECT id FROM work_job").split("\n"):
            connection.call("DEL", f"celery-task-meta-{number}")
        connection.close()
        self.app.stop()

    def waiting(self):
        """{queue: messages} of what waits in the broker, and of what workers have."""
        connection, prefix = self.app.redis(0), f"app.{self.app.schema}:work:"
        names = {name: f"{name}\x06\x16{priority}" if priority else name for name, priority in QUEUES.items()}
        found = {name: connection.call("LLEN", prefix + key).plain() for name, key in names.items()}
        found["unacknowledged"] = connection.call("HLEN", prefix + "unacked").plain()
        connection.close()
        return found


class Lived:
    """What happened on one server, in the order in which it is told."""

    def __init__(self):
        self.asked, self.done_at_kills, self.codes, self.mails = {}, [], {}, []
        self.registered, self.away, self.goes_on, self.seconds = [], 0.0, 0.0, 0.0
        self.left, self.sent_by_beat = {}, 0


def live_through(work):
    lived, begun, app = Lived(), time.monotonic(), work.app
    app.manage("migrate", "--verbosity", "0")
    app.manage("demo")
    app.manage("work", "ask")
    lived.asked = work.waiting()
    for name in ("one", "two"):
        work.worker(name)
    work.beat()

    servers.wait_until("some tasks are done", lambda: work.done() >= WORKER_KILLED_AT and work.done("worker LIKE 'one@%'"), SECONDS)
    lived.done_at_kills.append(work.done())
    work.kill_at_work("one")
    work.worker("three")

    servers.wait_until("more tasks are done", lambda: work.done() >= SERVER_KILLED_AT and work.done("worker LIKE 'two@%'"), SECONDS)
    lived.done_at_kills.append(work.done())
    killed = time.time()
    app.store.kill()
    # What it had before, it may end without a server; and of what there is now, the other one may do nearly all.
    before = work.received("two")
    app.store.start_again()
    back = time.time()
    lived.away = back - killed
    servers.wait_until("it goes on", lambda: (work.received("two") - before) & work.ended("two"), SECONDS)
    lived.goes_on = time.time() - back

    # Both are connected again before they are told to end, and what beat has sent last is done, too.
    servers.wait_until("beat sends again", lambda: work.done(f"arguments = '{{}}' AND done_at > to_timestamp({back + BEAT_SECONDS})"), SECONDS)
    servers.wait_until("every task is done, and what was lost again", lambda: not work.lost(), SECONDS)
    # Where nothing is lost all of it takes a few seconds only.
    servers.wait_until("beat has sent enough", lambda: work.done("arguments = '{}'") >= 10, SECONDS)
    lived.codes["beat"] = work.end("beat")
    servers.wait_until("every task is done", lambda: all_done(work), SECONDS)
    lived.left = work.waiting()
    lived.sent_by_beat = work.done("arguments = '{}'")
    lived.registered = re.findall(r"^  \. (work\.tasks\.\S+)$", work.written("two"), re.M)
    for name in ("two", "three"):
        lived.codes[name] = work.end(name)
    lived.mails = work.mails()
    lived.seconds = time.monotonic() - begun
    return lived


def all_done(work):
    return not any(work.waiting().values()) and not work.lost()


# ---- what must be true afterwards --------------------------------------------------------------

@step("47 tasks are registered, and every one is done")
def _(work, lived):
    check([len(lived.registered), len(set(lived.registered))], [TASKS, TASKS])
    done = work.app.sql("SELECT DISTINCT name FROM work_job WHERE done_at IS NOT NULL").split("\n")
    check(sorted(done), sorted(lived.registered))


@step("names say the queue, and five are used")
def _(_work, lived):
    check(lived.asked, {**dict.fromkeys(QUEUES, 1), "unacknowledged": 0})
    check({name.split(".")[2] for name in lived.registered}, set(QUEUES))


@step("every message that was sent is done, and nothing is left")
def _(work, lived):
    check(lived.left, {**dict.fromkeys(QUEUES, 0), "unacknowledged": 0})
    counted = work.app.sql("SELECT split_part(name, '.', 3), count(*), count(done_at) FROM work_job WHERE arguments <> '{}' GROUP BY 1 ORDER BY 1")
    check(counted.split("\n"), [f"{name}|{number}|{number}" for name, number in (
        ("cleanup", 1 + 8 * CUSTOMERS), ("mail", 1 + 8 * CUSTOMERS), ("maintenance", 1 + 9 * CUSTOMERS),
        ("notification", 1 + 8 * CUSTOMERS), ("report", 1 + 7 * CUSTOMERS + 9 + CUSTOMERS))])


@step("what is urgent comes first")
def _(work, _lived):
    order = work.app.sql("SELECT split_part(name, '.', 3) FROM work_job WHERE arguments ? 'customer' AND retries = 0 "
                         "GROUP BY 1 ORDER BY percentile_disc(0.5) WITHIN GROUP (ORDER BY done_at)").split("\n")
    check([order[0], order[-1]], ["notification", "cleanup"])


@step("what was busy twice is tried a third time")
def _(work, _lived):
    tried = work.app.sql("SELECT split_part(name, '.', 4), retries, count(*) FROM work_job WHERE retries > 0 GROUP BY 1, 2 ORDER BY 1")
    check(tried.split("\n"), [f"escalate|2|{CUSTOMERS}", f"order_part|2|{CUSTOMERS}"])


@step("each chord's sum is made once, of all its parts")
def _(work, _lived):
    check(work.app.sql("SELECT count(*), sum(result::int) FROM work_job WHERE name = 'work.tasks.report.total_costs'"), f"{CUSTOMERS}|{9 + CUSTOMERS}")
    check(work.app.sql(
        "SELECT count(*), bool_and((figures->>'all')::float = (SELECT sum(value::float) FROM jsonb_each_text(figures) WHERE key <> 'all')) "
        "FROM work_report WHERE kind = 'costs'"), f"{CUSTOMERS}|t")


@step("beat sends, before the server is lost and afterwards")
def _(work, lived):
    assert lived.sent_by_beat >= 10, lived.sent_by_beat
    check(lived.codes["beat"], 0)
    check(work.app.sql("SELECT count(DISTINCT name) FROM work_job WHERE arguments = '{}'"), "5")


@step(f"workers go on by themselves, within {GOES_ON_SECONDS} seconds")
def _(_work, lived):
    assert lived.goes_on < GOES_ON_SECONDS, lived.goes_on
    check([lived.codes["two"], lived.codes["three"]], [0, 0])


@step("what the killed ones had comes again, and its effect is there once")
def _(work, lived):
    had = work.begun("one")
    assert had
    for number in had:
        assert f"[{number}] received" in work.written("two") + work.written("three"), number
    # What is unique in the database cannot be there twice; an e-mail can, of a task that was lost after it was sent.
    sent = set(lived.mails)
    check(len(sent), int(work.app.sql("SELECT count(*) FROM work_mail")))
    assert len(sent) > 10, lived.mails


def told(work, lived):
    sql = work.app.sql
    messages, lost, twice = sql("SELECT count(*), count(*) FILTER (WHERE asked > 1), count(*) FILTER (WHERE times > 1) FROM work_job").split("|")
    first, second = lived.done_at_kills
    return (f"{work.app.kind}: {len(set(lived.registered))} tasks, {messages} messages ({lived.sent_by_beat} sent by beat): all done",
            f"a worker killed after {first} of them, the server after {second}; away for {lived.away:.1f} s, workers went on {lived.goes_on:.1f} s later",
            f"the killed worker had {len(work.begun('one'))}, which others did; lost by Celery and asked for again: {lost}; done twice: {twice}, without effect; mails: {len(set(lived.mails))}, twice: "
            f"{len(lived.mails) - len(set(lived.mails))}; {lived.seconds:.0f} s")


# ---- both --------------------------------------------------------------------------------------


def result(good, name, lines=()):
    print(f"{'ok' if good else 'not ok'} - facility_work: {name}", flush=True)
    for line in lines:
        print(f"#   {line[:400]}", flush=True)
    return 0 if good else 1


def attempt(work, function, *arguments):
    """What the function returns, and what went wrong as lines."""
    try:
        return function(work, *arguments), []
    except Exception as error:  # pylint: disable=broad-except
        lines = [f"{type(error).__name__}: {error}", *traceback.format_exc(limit=-3).splitlines()]
        lines += [f"in the broker: {work.waiting()}", *work.lost()]
        return None, lines


LIVED = "a worker is killed, and the server"


def suite(works, lives, text):
    failed = 0
    for work in works:
        lived, lines = lives[work.app.kind]
        failed += result(not lines, f"{LIVED}, on {work.app.kind}", lines)
        for name, function in STEPS if lived else ():
            if text in f"facility_work: {name}":
                _, lines = attempt(work, function, lived)
                failed += result(not lines, f"{name}, on {work.app.kind}", lines)
        for line in told(work, lived) if lived else ():
            print(f"# {line}")
    return 1 if failed else 0


def tour(works, lives):
    wrong = [line for _, lines in lives.values() for line in lines]
    for work in works:
        lived, _ = lives[work.app.kind]
        for _, function in STEPS if lived else ():
            wrong += attempt(work, function, lived)[1]
        if lived:
            print("\n    ".join(told(work, lived)))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def on_both(cluster, name, judge):
    """What judge(works, {kind: (lived, lines)}) returns for the work on a redis-server and on the cluster."""
    with tempfile.TemporaryDirectory(prefix="pgfirst-facility-") as directory:
        redis = servers.Redis(os.path.join(directory, "redis"), appendonly=True)
        redis.start()
        works = [Work(App(store, cluster.database_url, f"facility_{name}_{store.kind}", directory), directory) for store in (redis, cluster)]
        lives = {}

        def live(work):
            lives[work.app.kind] = attempt(work, live_through)

        try:
            for work in works:
                work.app.prepare()
            for work in works:
                live(work)
            return judge(works, lives)
        finally:
            try:
                for work in works:
                    work.forget()
            finally:
                redis.stop()


def main():
    parser = argparse.ArgumentParser(description="the background work of a Django application on Redis and on pgfirst")
    parser.add_argument("--test", default="", help="only the checks whose names contain this")
    parser.add_argument("--tour", action="store_true", help="what make run shows")
    parser.add_argument("place", help="the file with the cluster; its directory for the tour")
    parser.add_argument("theirs", nargs="?", help="not used: a redis-server that is killed is one of its own")
    options = parser.parse_args()
    # A signal ends the run as an exception does: by cleaning up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.tour:
        cluster = servers.Pgfirst(options.place)
        cluster.find()
        return on_both(cluster, "work_show", tour)
    # Half a minute for each server: not for checks that nobody has asked for.
    if not any(options.test in f"facility_work: {name}" for name in [LIVED, *(name for name, _ in STEPS)]):
        return 0
    return on_both(servers.load(options.place), "work", lambda works, lives: suite(works, lives, options.test))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
