# SPDX-License-Identifier: PostgreSQL
"""report.py: figures of a customer, one report of a kind and a day. Each returns how many rows its report has.

`costs` is a chord: a task for each site, at once, and when all are done one that adds them up.
"""

from celery import chord
from django.db.models import Count, Q, Sum
from django.db.models.functions import ExtractYear

from assets.models import Asset, Site

from ..jobs import ask_for_all, named, note, overdue, task
from ..models import Job, Mail, Notification, Report, WorkOrder


def keep(customer, kind, day, figures):
    Report.objects.update_or_create(customer_id=customer, kind=kind, day=day, defaults={"figures": figures})
    return len(figures)


def table(customer, kind, day, rows, by, **columns):
    """{what it is counted by: number}, or of several columns {…: [numbers]}."""
    found = rows.order_by().values_list(by).annotate(**(columns or {"number": Count("id")}))
    return keep(customer, kind, day, {str(key): [float(value or 0) for value in values] for key, *values in found})


@task
def states(customer, day):
    return table(customer, "states", day, Asset.objects.of(customer), "state")


@task
def ages(customer, day):
    return table(customer, "ages", day, Asset.objects.of(customer).annotate(year=ExtractYear("installed")), "year")


@task
def inspections(customer, day):
    overdue = Count("id", filter=Q(next_check__lt=day))
    return table(customer, "inspections", day, Asset.objects.of(customer), "category__name", all=Count("id"), overdue=overdue)


@task
def workload(customer, day):
    still = Count("id", filter=Q(state__in=WorkOrder.OPEN))
    return table(customer, "workload", day, WorkOrder.objects.of(customer), "assigned__name", all=Count("id"), still=still)


@task
def orders(customer, day):
    return table(customer, "orders", day, WorkOrder.objects.of(customer), "kind", number=Count("id"), cost=Sum("cost"))


@task
def volumes(customer, day):
    """How many of what was sent to people."""
    return keep(customer, "volumes", day, {
        name: model.objects.of(customer).filter(day=day).count() for name, model in (("mails", Mail), ("notifications", Notification))})


@task
def costs(customer, day):
    sites = Site.objects.of(customer).order_by("id").values_list("id", flat=True)
    parts = [named(site_costs, site=site, day=day) for site in sites]
    total = named(total_costs, customer=customer, day=day)
    note([*parts, total])
    chord(parts)(total)
    return len(parts)


@task
def site_costs(site, day):
    found = WorkOrder.objects.filter(asset__building__site=site, done__lte=day).aggregate(Sum("cost"))
    return [Site.objects.get(pk=site).name, float(found["cost__sum"] or 0)]


@task
def total_costs(parts, customer, day):
    return keep(customer, "costs", day, {**dict(parts), "all": sum(cost for _, cost in parts)})


@task
def weekly(day=None):
    # A chord that has lost a part waits for it for ever: all of it is asked for again.
    stuck = overdue().filter(name=total_costs.name).values("arguments")
    Job.objects.filter(name=costs.name, arguments__in=stuck).update(done_at=None)
    return ask_for_all([states, ages, inspections, workload, orders, volumes, costs], day)
