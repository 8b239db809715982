# SPDX-License-Identifier: PostgreSQL
"""celery.py: the background work: where its messages go, which first, and when what is asked for by itself.

REDIS_URL is the broker and keeps the results, in database 0, beside the caches in 1 to 3. A task's name
says its queue: work.tasks.mail.welcome goes to `mail`. A worker takes from all five, unless told which,
and serves what is more urgent first, whatever came first: 0 is the most urgent.

A message is acknowledged when its task has been done, not before: what a worker has that is killed comes
again after VISIBILITY_TIMEOUT seconds, and so does what was at work when the server went away. The price is
that a task may be done twice; work/jobs.py says how that does no harm.

For trying things out: VISIBILITY_TIMEOUT, and BEAT_SECONDS, which replaces every time of the schedule.
"""

import os

from celery import Celery
from celery.schedules import crontab
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facility.settings")

from .settings import INSTALLATION  # noqa: E402, pylint: disable=wrong-import-position
from .urls_from_environment import redis_url  # noqa: E402, pylint: disable=wrong-import-position

VISIBILITY_TIMEOUT = int(os.environ.get("VISIBILITY_TIMEOUT", 3600))
# Queue and category, with the priority.
QUEUES = {"notification": 0, "maintenance": 3, "mail": 3, "report": 6, "cleanup": 9}

SCHEDULE = {
    "cleanup.nightly": crontab(hour=2, minute=0),
    "report.weekly": crontab(day_of_week="mon", hour=3, minute=0),
    "maintenance.daily": crontab(hour=5, minute=0),
    "mail.morning": crontab(hour=6, minute=30),
    "notification.hourly": crontab(minute=0),
}

app = Celery("facility", broker=redis_url(0), backend=redis_url(0))
app.conf.update(
    timezone="UTC",
    task_queues=[Queue(name) for name in QUEUES],
    task_routes={f"work.tasks.{name}.*": {"queue": name, "priority": priority} for name, priority in QUEUES.items()},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # Who sends while the server is away waits for it: half a minute, and not 0.6 seconds.
    task_publish_retry_policy={"max_retries": 40, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 1},
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT,
        # A worker that is killed while it looks for what others have lost keeps the rest from looking so long.
        "unacked_mutex_expire": min(VISIBILITY_TIMEOUT, 60),
        # Two installations on one Redis must not do each other's work.
        "global_keyprefix": f"{INSTALLATION}:work:",
    },
    result_expires=3600,
    # As little waits in a worker as can be: it would not be served by its priority there.
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    # A connection to PostgreSQL serves some hundred tasks, and not one.
    CELERY_DB_REUSE_MAX=100,
    beat_schedule={
        name: {"task": f"work.tasks.{name}", "schedule": float(os.environ.get("BEAT_SECONDS", 0)) or when}
        for name, when in SCHEDULE.items()},
)
app.autodiscover_tasks()
