# SPDX-License-Identifier: PostgreSQL
"""work: asks for the background work, and counts it.

    manage.py work ask [--days N]    what the schedule asks for today, and in the days before
    manage.py work count             what was asked for, what was done, and what of it twice
"""

from datetime import timedelta

from django.core.management.base import BaseCommand
from django.db.models import Count, Q, Sum
from django.utils import timezone

from facility.celery import QUEUES, SCHEDULE, app
from work.jobs import ask, named
from work.models import Job


class Command(BaseCommand):
    help = "Asks for the background work of some days, or counts what was done of it."

    def add_arguments(self, parser):
        parser.add_argument("what", choices=["ask", "count"])
        parser.add_argument("--days", type=int, default=1, help="how many days' work is asked for (1)")

    def handle(self, *_, what, days, **__):
        app.loader.import_default_modules()
        if what == "ask":
            self.ask(days)
        else:
            self.count()

    def ask(self, days):
        today = timezone.now().date()
        asked = ask([named(app.tasks[f"work.tasks.{name}"], day=today - timedelta(days=number))
                     for number in reversed(range(days)) for name in SCHEDULE])
        self.stdout.write(f"asked for {asked} tasks, each of which asks for those of its category")

    def count(self):
        """A line for each category."""
        registered = [name for name in app.tasks if name.startswith("work.tasks.")]
        done = Q(done_at__isnull=False)
        for name in [*QUEUES, ""]:
            rows = Job.objects.filter(name__startswith=f"work.tasks.{name}")
            found = rows.aggregate(asked=Count("id"), done=Count("id", filter=done), kinds=Count("name", filter=done, distinct=True),
                                   again=Count("id", filter=Q(redelivered=True)), lost=Count("id", filter=Q(asked__gt=1)),
                                   twice=Count("id", filter=Q(times__gt=1)), tries=Sum("retries"))
            kinds = sum(task.startswith(f"work.tasks.{name}") for task in registered)
            self.stdout.write(f"{name or 'all':<13}{kinds:3} tasks, {found['kinds']:3} done; messages:{found['asked']:5}, done:{found['done']:5}, "
                              f"tries after a failure:{found['tries'] or 0:3}, redelivered:{found['again']:3}, asked for again:{found['lost']:3}, done twice:{found['twice']:3}")
