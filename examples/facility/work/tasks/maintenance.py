# SPDX-License-Identifier: PostgreSQL
"""maintenance.py: the life of a work order: planned, assigned, started, done, closed.

Each moves a customer's orders on by one step, and returns how many; done twice, the second time finds none. Those of
one customer go one after the other, so that no two wait for each other's rows.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Count, F, Q

from assets import caching
from assets.models import Asset, Customer, Person

from .. import outside
from ..jobs import ask_for_all, task
from ..models import WorkOrder

# What a customer's team can begin and end on one day.
A_DAY = 40
INTERVAL = timedelta(days=365)


def orders(customer, **condition):
    """The customer's orders, of which this transaction is the only one that changes them."""
    Customer.objects.select_for_update(no_key=True).get(pk=customer)
    return WorkOrder.objects.of(customer).filter(**condition)


def plan(customer, kind, assets, due):
    """An order for each of the assets that has none of the kind open."""
    busy = orders(customer, kind=kind, state__in=WorkOrder.OPEN).values("asset")
    made = [WorkOrder(customer_id=customer, asset=asset, kind=kind, due=due) for asset in assets.exclude(pk__in=busy)[:A_DAY]]
    WorkOrder.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def first(rows):
    """As many as can be done on a day, to be updated."""
    return WorkOrder.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:A_DAY]))


@task
def plan_inspections(customer, day):
    soon = Asset.objects.of(customer).filter(next_check__lt=day + timedelta(days=30)).order_by("next_check", "id")
    return plan(customer, WorkOrder.Kind.INSPECTION, soon, day + timedelta(days=1))


@task
def plan_repairs(customer, day):
    return plan(customer, WorkOrder.Kind.REPAIR, Asset.objects.of(customer).filter(state=Asset.State.BROKEN), day)


@task
def assign(customer, day):
    """To who looks after the asset; what nobody looks after to who has the least to do."""
    planned = orders(customer, state=WorkOrder.State.PLANNED).select_related("asset")
    load = Count("orders", filter=Q(orders__state__in=WorkOrder.OPEN))
    idle = Person.objects.of(customer).annotate(load=load).order_by("load", "id").first()
    assigned = list(planned)
    for order in assigned:
        order.assigned_id, order.state = order.asset.responsible_id or idle.pk, WorkOrder.State.ASSIGNED
    WorkOrder.objects.bulk_update(assigned, ["assigned", "state"], batch_size=200)
    return len(assigned)


@task(bind=True, **outside.TRY_AGAIN)
def order_part(self, customer, day):
    """For the repair that waits longest, if there is one; the supplier is asked in any case."""
    waiting = orders(customer, kind=WorkOrder.Kind.REPAIR, state__in=WorkOrder.OPEN, part="").first()
    number = outside.order_part(f"{customer}/{day}", self.request.retries)
    if waiting is None:
        return 0
    waiting.part = number
    waiting.save()
    return 1


@task
def start(customer, day):
    return first(orders(customer, state=WorkOrder.State.ASSIGNED, due__lte=day)).update(state=WorkOrder.State.STARTED, started=day)


@task
def finish(customer, day):
    """An hour costs fifty, and an order takes as many as its asset's number says."""
    return first(orders(customer, state=WorkOrder.State.STARTED, started__lte=day)).update(
        state=WorkOrder.State.DONE, done=day, cost=50 + F("asset_id") % 7 * 50)


@task
def close_inspections(customer, day):
    """The asset runs, and is inspected again in a year."""
    return close(orders(customer, state=WorkOrder.State.DONE, kind=WorkOrder.Kind.INSPECTION), customer,
                 state=Asset.State.RUNNING, next_check=day + INTERVAL)


@task
def close_repairs(customer, day):
    return close(orders(customer, state=WorkOrder.State.DONE, kind=WorkOrder.Kind.REPAIR), customer, state=Asset.State.RUNNING)


def close(done, customer, **changes):
    Asset.objects.filter(orders__in=done).update(**changes)
    # Pages of the table that are cached show the old state: they go when this is committed.
    transaction.on_commit(lambda: caching.table_changed(customer))
    return done.update(state=WorkOrder.State.CLOSED)


@task
def mark_due(customer, day):
    Customer.objects.select_for_update(no_key=True).get(pk=customer)
    count = Asset.objects.of(customer).filter(state=Asset.State.RUNNING, next_check__lte=day).update(state=Asset.State.DUE)
    transaction.on_commit(lambda: caching.table_changed(customer))
    return count


@task
def daily(day=None):
    return ask_for_all([plan_inspections, plan_repairs, assign, order_part, start, finish, close_inspections, close_repairs,
                        mark_due], day)
