# SPDX-License-Identifier: PostgreSQL
"""cleanup.py: what has had its time goes, at night.

Each returns how much there was of it. Done twice, there is nothing left the second time.
"""

from datetime import timedelta

from django.core.cache import cache
from django.db.models import F, Q
from django.db.models.functions import Trim
from django.utils import timezone

from assets import caching
from assets.models import Asset

from ..jobs import ask_for_all, task
from ..models import Job, Mail, Notification, Report, WorkOrder


def deleted(rows):
    count, _ = rows.delete()
    return count


@task
def read_notifications(customer, day):
    return deleted(Notification.objects.of(customer).filter(read__lt=day - timedelta(days=30)))


@task
def unread_notifications(customer, day):
    return deleted(Notification.objects.of(customer).filter(read=None, day__lt=day - timedelta(days=180)))


@task
def closed_orders(customer, day):
    """Five years are what auditors ask for."""
    return deleted(WorkOrder.objects.of(customer).filter(state=WorkOrder.State.CLOSED, done__lt=day - timedelta(days=5 * 365)))


@task
def sent_mails(customer, day):
    """All but the welcomes, which are sent once."""
    return deleted(Mail.objects.of(customer).filter(day__lt=day - timedelta(days=90)).exclude(kind="welcome"))


@task
def old_reports(customer, day):
    return deleted(Report.objects.of(customer).filter(day__lt=day - timedelta(days=2 * 365)))


@task
def orders_of_retired(customer, day):
    """What was planned for something that is not used any more."""
    return deleted(WorkOrder.objects.of(customer).filter(state__in=WorkOrder.OPEN, asset__state=Asset.State.RETIRED, due__gte=day))


@task
def stray_blanks(customer, day):
    """Around the names that people have typed."""
    untidy = Asset.objects.of(customer).filter(Q(name__startswith=" ") | Q(name__endswith=" ")).exclude(name=Trim(F("name")))
    count = untidy.update(name=Trim(F("name")))
    if count:
        caching.table_changed(customer)
    return count


@task
def cached_lists(customer, day):
    """Drop-downs are read anew in the morning, and their hits counted from nothing."""
    cache.delete_many([f"{customer}:{what}:{thing}" for what in ("hits", "misses") for thing in caching.THINGS])
    return caching.forget_dropdowns(customer)


@task
def nightly(day=None):
    old_jobs = deleted(Job.objects.filter(done_at__lt=timezone.now() - timedelta(days=30)))
    return ask_for_all([read_notifications, unread_notifications, closed_orders, sent_mails, old_reports, orders_of_retired,
                        stray_blanks, cached_lists], day)
