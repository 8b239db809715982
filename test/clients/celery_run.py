#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""celery_run.py: Celery, Debian's, with pgfirst as its broker and for its results: workers of two processes each.

Run by test/clients/run; see tap.py for the environment.
"""

import datetime
import os
import signal
import subprocess
import sys
import tempfile
import time
from urllib.parse import quote

import tap
from server import wait_until
from tap import check, raises, test

HERE = os.path.dirname(os.path.abspath(__file__))
URL = f"redis://{tap.USER}:{quote(tap.PASSWORD, safe='')}@{tap.HOST}:{tap.PORT}/0"
os.environ["CELERY_URL"] = URL

try:
    import celery
    import kombu
    import redis
    from celery.exceptions import TaskRevokedError
    from celery_app import add, app, fails, moment, patient, third_time, total
except ModuleNotFoundError as missing:
    print(f"ok - {tap.LABEL} # SKIP {missing}")
    sys.exit(0)

SECONDS = 30
r = redis.Redis.from_url(URL)


class Worker:
    """A worker and its processes, which are a group of their own."""

    def __init__(self, name, queue, visibility=3600, pool="prefork", expires=1000):
        self.log = tempfile.TemporaryFile("w+")
        self.name = f"{name}@test"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--concurrency", "2", "--pool", pool, "--loglevel", "INFO",
             "--hostname", self.name, "--queues", queue],
            cwd=HERE, env={**os.environ, "CELERY_VISIBILITY": str(visibility), "CELERY_EXPIRES": str(expires), "C_FORCE_ROOT": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_until("the worker is ready", lambda: f"{self.name} ready" in self.written() or self.process.poll() is not None, SECONDS)
        except RuntimeError:
            self.kill()
            raise
        if self.process.poll() is not None:
            raise RuntimeError(f"the worker ended: {self.written()[-500:]}")

    def written(self):
        self.log.seek(0)
        return self.log.read()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Lets it end what it does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


@test("tasks and their results")
def _():
    check(add.delay(2, 3).get(timeout=SECONDS), 5)
    results = [add.delay(i, i) for i in range(100)]
    check(sum(result.get(timeout=SECONDS) for result in results), sum(2 * i for i in range(100)))
    raises(ValueError, "no good", fails.delay("no good").get, timeout=SECONDS)


@test("a chord, a group, a chain")
def _():
    check(celery.chord(add.s(i, 1) for i in range(10))(total.s()).get(timeout=SECONDS), 55)
    check(celery.group(add.s(i, i) for i in range(5))().get(timeout=SECONDS), [0, 2, 4, 6, 8])
    check((add.s(1, 2) | add.s(3) | add.s(4))().get(timeout=SECONDS), 10)


@test("a task that is tried again")
def _():
    check(third_time.delay().get(timeout=SECONDS), 2)


@test("countdown and ETA")
def _():
    begun = time.time()
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    results = [moment.apply_async(countdown=0.5), moment.apply_async(eta=later)]
    waited = [result.get(timeout=SECONDS) - begun for result in results]
    assert waited[0] >= 0.4 and waited[1] >= 0.9, waited


@test("priorities")
def _():
    with app.connection() as connection:
        queue = connection.SimpleQueue("by priority")
        for number in (9, 3, 0, 6, 3):
            queue.put({"number": number}, priority=number)
        got = []
        for _ in range(5):
            message = queue.get(timeout=SECONDS)
            got.append(message.payload["number"])
            message.ack()
        queue.close()
    check(got, [0, 3, 3, 6, 9])


@test("a task that is revoked")
def _():
    result = add.apply_async((1, 1), countdown=1)
    app.control.revoke(result.id)
    raises(TaskRevokedError, "revoked", result.get, timeout=SECONDS)


@test("inspect: ping, queues, registered tasks")
def _():
    inspect = app.control.inspect(timeout=5, limit=1)
    check(inspect.ping(), {"one@test": {"ok": "pong"}})
    check([queue["name"] for queue in app.control.inspect(timeout=5, limit=1).active_queues()["one@test"]], ["celery"])
    assert "celery_app.add" in app.control.inspect(timeout=5, limit=1).registered()["one@test"]


@test("results expire")
def _():
    result = add.delay(1, 1)
    check(result.get(timeout=SECONDS), 2)
    assert 900 < r.ttl(f"celery-task-meta-{result.id}") <= 1000
    result.forget()
    check(r.exists(f"celery-task-meta-{result.id}"), 0)


@test("what a worker had that is killed, another one does")
def _():
    r.delete("begun")
    worker = Worker("late", "late", visibility=2)
    result = patient.apply_async(("begun", 60), queue="late")
    wait_until("the task begins", lambda: r.get("begun") == b"1", SECONDS)
    begun = time.time()
    worker.kill()
    check(r.hlen("unacked"), 1)
    wait_until("the time is over in which it is the first one's", lambda: time.time() > begun + 2.5, SECONDS)
    worker = Worker("later", "late", visibility=2)
    try:
        check(result.get(timeout=SECONDS), 2)
        wait_until("it is acknowledged", lambda: r.hlen("unacked") == 0, SECONDS)
        check(r.zcard("unacked_index"), 0)
    finally:
        check(worker.stop(), 0)


@test("a pool of threads; a rate that tasks are limited to; results that go; a worker that is told to end from afar")
def _():
    worker = Worker("threads", "threads", pool="threads", expires=1)
    try:
        results = [add.apply_async((i, i), queue="threads") for i in range(20)]
        check([result.get(timeout=SECONDS) for result in results], [2 * i for i in range(20)])
        wait_until("the last result has gone", lambda: r.exists(f"celery-task-meta-{results[-1].id}") == 0, SECONDS)
        check(app.AsyncResult(results[-1].id).state, "PENDING")

        check(app.control.rate_limit("celery_app.moment", "4/s", reply=True, timeout=5, limit=1, destination=[worker.name]),
              [{worker.name: {"ok": "new rate limit set successfully"}}])
        moments = sorted(result.get(timeout=SECONDS) for result in [moment.apply_async(queue="threads") for _ in range(5)])
        assert 0.8 <= moments[-1] - moments[0] < 5, moments

        app.control.shutdown(destination=[worker.name])
        check(worker.process.wait(SECONDS), 0)
    finally:
        if worker.process.poll() is None:
            worker.kill()


@test("beat sends when it is time")
def _():
    r.delete("beats")
    with tempfile.TemporaryDirectory() as directory, subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_app", "beat", "--schedule", os.path.join(directory, "schedule"), "--pidfile", ""],
            cwd=HERE, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL) as beat:
        try:
            wait_until("beat has sent three times", lambda: int(r.get("beats") or 0) >= 3, SECONDS)
            beat.terminate()
            check(beat.wait(SECONDS), 0)
        finally:
            beat.kill()


@test("the worker ends when it is told to, and leaves nothing behind")
def _():
    check(one.stop(), 0)
    check([r.hlen("unacked"), r.llen("celery")], [0, 0])


if __name__ == "__main__":
    print(f"# Celery {celery.__version__}, kombu {kombu.__version__}")
    r.flushdb()
    one = Worker("one", "celery")
    try:
        code = tap.main()
    finally:
        if one.process.poll() is None:
            one.kill()
    sys.exit(code)
