# SPDX-License-Identifier: PostgreSQL
"""notification.py: what people should know soon: one of a kind for a person and a day.

Each returns how many are new. The most urgent queue: `escalate` rings somebody's pager.
"""

from datetime import timedelta

from django.db.models import Count, Q

from assets import caching
from assets.models import Asset, Person

from .. import outside
from ..jobs import ask_for_all, task
from ..models import Notification, WorkOrder


def notify(people, kind, day, text):
    """`text` is a function of the person."""
    made = 0
    for person in people:
        _, new = Notification.objects.get_or_create(
            person=person, kind=kind, day=day, defaults={"customer_id": person.customer_id, "text": text(person)[:200]})
        made += new
    return made


def notify_numbers(customer, kind, day, words, **condition):
    """Tells everybody of how many of their assets or orders the condition is true, unless of none."""
    what = next(iter(condition)).partition("__")[0]
    people = Person.objects.of(customer).annotate(number=Count(what, filter=Q(**condition))).filter(number__gt=0)
    return notify(people, kind, day, lambda person: f"{words}: {person.number}")


def notify_staff(customer, kind, day, words, rows):
    number = rows.count()
    return notify(staff(customer), kind, day, lambda _: f"{words}: {number}") if number else 0


def staff(customer):
    return Person.objects.of(customer).filter(user__is_staff=True)


@task
def broken_assets(customer, day):
    return notify_numbers(customer, "broken", day, "Out of order, and yours to look after", assets__state=Asset.State.BROKEN)


@task
def inspections_soon(customer, day):
    return notify_numbers(customer, "inspections", day, "Inspections in the next two weeks",
                          assets__next_check__range=(day, day + timedelta(days=14)))


@task
def orders_assigned(customer, day):
    return notify_numbers(customer, "assigned", day, "Orders that wait for you", orders__state=WorkOrder.State.ASSIGNED)


@task
def orders_overdue(customer, day):
    return notify_numbers(customer, "overdue", day, "Orders that should have been done by now",
                          orders__state__in=WorkOrder.OPEN, orders__due__lt=day)


@task
def orders_unassigned(customer, day):
    return notify_staff(customer, "unassigned", day, "Orders that nobody has",
                        WorkOrder.objects.of(customer).filter(state__in=WorkOrder.OPEN, assigned=None))


@task
def assets_without_anybody(customer, day):
    return notify_staff(customer, "without anybody", day, "Assets that nobody looks after",
                        Asset.objects.of(customer).filter(responsible=None).exclude(state=Asset.State.RETIRED))


@task
def notice_board(customer, day):
    notice = caching.notice(customer)
    return notify(Person.objects.of(customer), "notice", day, lambda _: f"On the board: {notice['text']}") if notice else 0


@task(bind=True, **outside.TRY_AGAIN)
def escalate(self, customer, day):
    """Whoever has the most that is out of order is called."""
    broken = Q(assets__state=Asset.State.BROKEN)
    person = Person.objects.of(customer).annotate(number=Count("assets", filter=broken)).order_by("-number", "id").first()
    words = outside.page(person, f"{person.number} out of order", self.request.retries)
    return notify([person], "escalated", day, lambda _: words)


@task
def hourly(day=None):
    return ask_for_all([broken_assets, inspections_soon, orders_assigned, orders_overdue, orders_unassigned,
                        assets_without_anybody, notice_board, escalate], day)
