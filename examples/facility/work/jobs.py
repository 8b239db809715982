# SPDX-License-Identifier: PostgreSQL
"""jobs.py: what every task has in common: however often its message comes, its effect is there once.

A broker that loses nothing delivers now and then twice: a worker is killed after its task was done and before it
said so. So each task is a row, a Job, whose key is the message's id. The task's changes and the row's are one
transaction: either the row says done and the effect is there, or neither. A message that comes again finds the row,
waits for whoever is at it, answers what was answered before, and is counted.

The id is made of the task and its arguments: asking twice for the welcome mails of a day is asking once.

A task is asked for before the transaction of who asks commits. If that is lost in between, there is a message too
many, which does no harm; the other way round there would be one too few.

Celery loses a message now and then: it takes it off the list, and notes that it has it, in two steps, and a worker
or a server that is killed in between has lost it. So what was asked for and has not been done for a long time is asked for
again when the schedule comes to it again.

A PostgreSQL that is away is not the task's fault: its message is handed back, and comes again. With the
broker in the same server handing back fails as well, and it comes again after the visibility timeout.
"""

import time
import uuid
from datetime import date, timedelta
from functools import partial

from celery import Task
from celery.exceptions import Reject
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone
from django_redis.exceptions import ConnectionInterrupted

from assets.models import Customer
from facility.celery import VISIBILITY_TIMEOUT, app
from facility.settings import INSTALLATION

from .models import Job


LOST_AFTER = timedelta(seconds=5 * VISIBILITY_TIMEOUT)


class Recorded(Task):
    """A task whose effect and record are one transaction. Its arguments come by name."""

    abstract = True

    def __call__(self, *results, **arguments):
        try:
            with transaction.atomic():
                return self.once(results, arguments)
        except (OperationalError, InterfaceError, ConnectionInterrupted) as error:
            time.sleep(0.5)  # it comes back at once, and a server that is away stays so for a while
            raise Reject(str(error), requeue=True) from error

    def once(self, results, arguments):
        job, _ = Job.objects.select_for_update().get_or_create(
            id=self.request.id, defaults={"name": self.name, "arguments": arguments})
        job.times += 1
        job.redelivered |= bool(self.request.delivery_info.get("redelivered"))
        if job.done_at is None:
            job.result = self.run(*results, **readable(arguments))
            job.done_at = timezone.now()
            job.retries, job.worker = self.request.retries, self.request.hostname
        job.save()
        return job.result


task = partial(app.task, base=Recorded)


def readable(arguments):
    """A day travels as text."""
    return {name: date.fromisoformat(value) if name == "day" and value else value for name, value in arguments.items()}


def named(wanted, **arguments):
    """The message that asks for a task, under the id that these arguments have."""
    arguments = {name: value.isoformat() if isinstance(value, date) else value for name, value in arguments.items()}
    words = [INSTALLATION, wanted.name, *(f"{name}={value}" for name, value in sorted(arguments.items()))]
    return wanted.s(**arguments).set(task_id=str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(words))))


def overdue():
    """Jobs whose message is taken for lost."""
    return Job.objects.filter(done_at=None, asked_at__lt=timezone.now() - LOST_AFTER)


def note(messages):
    """Makes their Jobs; those that are to be sent. Who asks at the same time waits, and has none to send."""
    known = set(map(str, Job.objects.filter(id__in=[message.id for message in messages]).values_list("id", flat=True)))
    return [message for message in messages if (noted_again(message) if message.id in known else noted(message))]


def noted(message):
    _, new = Job.objects.get_or_create(id=message.id, defaults={"name": message.task, "arguments": message.kwargs})
    return new


def noted_again(message):
    return overdue().filter(id=message.id).update(asked_at=timezone.now(), asked=F("asked") + 1)


def ask(messages):
    """Sends those that nobody had asked for before, or that were lost; how many there were."""
    new = note(messages)
    for message in new:
        message.apply_async()
    return len(new)


def ask_for_all(wanted, day):
    """Asks for each of the tasks for every customer; the day is today if none is given."""
    day = day or timezone.now().date()
    customers = Customer.objects.order_by("id").values_list("id", flat=True)
    return ask([named(one, customer=customer, day=day) for one in wanted for customer in customers])
