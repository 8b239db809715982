# SPDX-License-Identifier: PostgreSQL
"""mail.py: e-mail in the morning, one of a kind to a person. Each returns how many were sent.

The one effect that is not in the database: what is sent stays sent if the transaction is lost afterwards, and is sent
again. So its Message-ID is made of what it is, and whoever receives it twice can tell.
"""

from django.core.mail import EmailMessage
from django.db.models import Q
from django.utils.text import slugify

from assets.models import Asset, Person

from ..jobs import ask_for_all, task
from ..models import Mail, Notification, Report, WorkOrder
from .notification import staff

LINES = 40


def send(people, kind, day, subject, lines):
    """`lines` is a function of the person; who has none gets no mail."""
    sent = 0
    for person in people.select_related("user"):
        text = [str(line) for line in lines(person)[:LINES]]
        if text and not Mail.objects.filter(person=person, kind=kind, day=day).exists():
            Mail.objects.create(customer_id=person.customer_id, person=person, kind=kind, day=day)
            address = person.user.email or f"{person.user.username}@facility.invalid"
            name = f"<{slugify(kind)}.{day}.{person.user.username}@facility.invalid>"
            EmailMessage(f"{subject}, {day}", "\n".join(text), to=[address], headers={"Message-ID": name}).send()
            sent += 1
    return sent


def people_of(customer):
    return Person.objects.of(customer)


@task
def welcome(customer, day):
    return send(people_of(customer).exclude(mails__kind="welcome"), "welcome", day, "Welcome",
                lambda person: [f"Dear {person.name},", "you will get your orders here, in the morning."])


@task
def orders_of_the_day(customer, day):
    return send(people_of(customer), "orders", day, "Your orders",
                lambda person: person.orders.filter(state__in=WorkOrder.OPEN, due=day).select_related("asset"))


@task
def overdue(customer, day):
    return send(people_of(customer), "overdue", day, "Overdue",
                lambda person: person.orders.filter(state__in=WorkOrder.OPEN, due__lt=day).select_related("asset"))


@task
def done_yesterday(customer, day):
    done = WorkOrder.objects.of(customer).filter(done__lte=day, state=WorkOrder.State.DONE).select_related("asset")
    return send(staff(customer), "done", day, "What was done", lambda _: done)


@task
def unread(customer, day):
    return send(people_of(customer), "unread", day, "What you have not read", lambda person: person.notifications.filter(read=None))


@task
def out_of_order(customer, day):
    broken = Asset.objects.of(customer).filter(state=Asset.State.BROKEN)
    return send(staff(customer), "out of order", day, "Out of order", lambda _: broken)


@task
def aged(customer, day):
    """What is older than fifteen years, or has no inspection ahead of it."""
    old = Q(installed__lt=day.replace(year=day.year - 15, day=1)) | Q(next_check=None)
    return send(staff(customer), "aged", day, "To be replaced", lambda _: Asset.objects.of(customer).filter(old))


@task
def reports(customer, day):
    return send(staff(customer), "reports", day, "Reports", lambda _: [
        f"{report}: {report.figures}" for report in Report.objects.of(customer).filter(day=day)])


@task
def morning(day=None):
    return ask_for_all([welcome, orders_of_the_day, overdue, done_yesterday, unread, out_of_order, aged, reports], day)
