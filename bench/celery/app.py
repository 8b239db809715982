# SPDX-License-Identifier: PostgreSQL
"""app.py: an application of Celery's with one task that does nothing; its broker and its results are one URL.

Nothing else is set: what Celery does by itself is what is measured.
"""

import os

import celery

app = celery.Celery("bench", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])


@app.task
def nothing():
    pass
