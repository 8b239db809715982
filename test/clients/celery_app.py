# SPDX-License-Identifier: PostgreSQL
"""celery_app.py: tasks for celery_run.py, in an application that knows of its broker and its results by a URL alone."""

import os
import time

import redis
from celery import Celery

URL = os.environ["CELERY_URL"]

app = Celery("tasks", broker=URL, backend=URL)
app.conf.update(
    broker_transport_options={"visibility_timeout": int(os.environ.get("CELERY_VISIBILITY", "3600"))},
    result_expires=int(os.environ.get("CELERY_EXPIRES", "1000")),
    beat_schedule={"beat": {"task": "celery_app.count", "schedule": 0.5, "args": ("beats",)}}, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def third_time(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def fails(words):
    raise ValueError(words)


@app.task
def count(key):
    return redis.Redis.from_url(URL).incr(key)


@app.task
def moment():
    return time.time()


@app.task(acks_late=True, reject_on_worker_lost=True)
def patient(key, seconds):
    """Says that it has begun; takes its time only when it is the first to begin."""
    begun = redis.Redis.from_url(URL).incr(key)
    if begun == 1:
        time.sleep(seconds)
    return begun
