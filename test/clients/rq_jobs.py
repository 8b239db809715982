# SPDX-License-Identifier: PostgreSQL
"""rq_jobs.py: jobs for rq_run.py; they know of no server but through RQ."""

import time

from rq import get_current_connection, get_current_job


def add(a, b):
    return a + b


def fails(words):
    raise ValueError(words)


def note(key, value):
    """Leaves a trace in the order in which jobs are run."""
    return get_current_connection().rpush(key, value)


def third_time(key):
    """How many times it was tried, of which the first two fail."""
    tried = get_current_connection().incr(key)
    if tried < 3:
        raise ValueError(f"try {tried}")
    return tried


def patient(key, seconds):
    """Says that it has begun; takes its time only when it is the first to begin."""
    begun = get_current_connection().incr(key)
    if begun == 1:
        time.sleep(seconds)
    return begun


def total():
    """Of what the jobs returned that this one waited for."""
    return sum(job.return_value() for job in get_current_job().fetch_dependencies())


def remember(words):
    job = get_current_job()
    job.meta["words"] = words
    job.save_meta()
    return job.id


def succeeded(_job, connection, result, *_):
    connection.rpush("callbacks", f"succeeded {result}")


def failed(_job, connection, kind, error, *_):
    connection.rpush("callbacks", f"failed {kind.__name__} {error}")
