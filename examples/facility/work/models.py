# SPDX-License-Identifier: PostgreSQL
"""models.py: what the background work makes and keeps, and a record of the work itself.

What a task makes has a name that the same task would give it again (an order's asset, kind and due day,
say), unique in the database: done twice, it is there once.
"""

from django.db import models

from assets.models import Asset, Customer, OfCustomer, Person


class Job(models.Model):
    """A task that was asked for, under the id that its message has. See jobs.py."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=80)
    arguments = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    # More than once if its message was lost.
    asked = models.PositiveIntegerField(default=1)
    done_at = models.DateTimeField(null=True)
    # How often it was carried through: more than once if its message came again although it had been done.
    times = models.PositiveIntegerField(default=0)
    # Its message came again, because a worker or the server was lost.
    redelivered = models.BooleanField(default=False)
    retries = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [models.Index(fields=["done_at"], name="job_by_done")]

    def __str__(self):
        return f"{self.name} {self.arguments}"


class WorkOrder(models.Model):
    class Kind(models.TextChoices):
        INSPECTION = "inspection", "Inspection"
        REPAIR = "repair", "Repair"

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        ASSIGNED = "assigned", "Assigned"
        STARTED = "started", "Started"
        DONE = "done", "Done"
        CLOSED = "closed", "Closed"

    OPEN = [State.PLANNED, State.ASSIGNED, State.STARTED]

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="orders")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    due = models.DateField()
    assigned = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="orders")
    started = models.DateField(null=True)
    done = models.DateField(null=True)
    cost = models.DecimalField(max_digits=9, decimal_places=2, default=0)
    part = models.CharField(max_length=40, blank=True)

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["due", "id"]
        constraints = [models.UniqueConstraint(fields=["asset", "kind", "due"], name="order_once")]
        indexes = [models.Index(fields=["customer", "state", "due"], name="order_by_state")]

    def __str__(self):
        return f"{self.get_kind_display()} of {self.asset}"


class Notification(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="notifications")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=40)
    day = models.DateField()
    text = models.CharField(max_length=200)
    read = models.DateField(null=True)

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["-day", "kind"]
        constraints = [models.UniqueConstraint(fields=["person", "kind", "day"], name="notification_once")]

    def __str__(self):
        return self.text


class Mail(models.Model):
    """That an e-mail was sent; the e-mail itself is the mail server's."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="mails")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="mails")
    kind = models.CharField(max_length=40)
    day = models.DateField()

    objects = OfCustomer.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind", "day"], name="mail_once")]

    def __str__(self):
        return f"{self.kind} to {self.person}"


class Report(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="reports")
    kind = models.CharField(max_length=40)
    day = models.DateField()
    figures = models.JSONField()

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["-day", "kind"]
        constraints = [models.UniqueConstraint(fields=["customer", "kind", "day"], name="report_once")]

    def __str__(self):
        return f"{self.kind}, {self.day}"
