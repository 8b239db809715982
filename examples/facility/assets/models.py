# SPDX-License-Identifier: PostgreSQL
"""models.py: what a facility-management team keeps: whose buildings they are, what stands in them,
who looks after it.

Every row belongs to a customer, and nobody sees another's: views ask through `of(customer)`.
"""

from django.conf import settings
from django.db import models


class OfCustomer(models.QuerySet):
    """Rows that belong to a customer, directly or through the field named in the model."""

    def of(self, customer):
        return self.filter(**{getattr(self.model, "customer_field", "customer"): customer})


class Customer(models.Model):
    name = models.CharField(max_length=80, unique=True)

    def __str__(self):
        return self.name


class Person(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="person")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="people")
    name = models.CharField(max_length=80)
    job = models.CharField(max_length=80)
    phone = models.CharField(max_length=40, blank=True)

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["name", "id"]
        verbose_name_plural = "people"

    def __str__(self):
        return self.name


class Site(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="sites")
    name = models.CharField(max_length=80)
    city = models.CharField(max_length=80)

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["customer", "name"], name="site_name_once")]

    def __str__(self):
        return self.name


class Building(models.Model):
    customer_field = "site__customer"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="buildings")
    name = models.CharField(max_length=80)

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["site__name", "name"]
        constraints = [models.UniqueConstraint(fields=["site", "name"], name="building_name_once")]

    def __str__(self):
        return f"{self.site.name}, {self.name}"

    @property
    def customer_id(self):
        return self.site.customer_id


class Category(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="categories")
    name = models.CharField(max_length=80)

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "categories"
        constraints = [models.UniqueConstraint(fields=["customer", "name"], name="category_name_once")]

    def __str__(self):
        return self.name


class Asset(models.Model):
    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DUE = "due", "Inspection due"
        BROKEN = "broken", "Out of order"
        RETIRED = "retired", "Retired"

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="assets")
    tag = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    building = models.ForeignKey(Building, on_delete=models.PROTECT, related_name="assets")
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="assets")
    responsible = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="assets")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    installed = models.DateField()
    next_check = models.DateField(null=True, blank=True)
    note = models.TextField(blank=True, max_length=2000)

    objects = OfCustomer.as_manager()

    class Meta:
        ordering = ["tag"]
        constraints = [models.UniqueConstraint(fields=["customer", "tag"], name="asset_tag_once")]
        indexes = [models.Index(fields=["customer", "state"], name="asset_by_state"),
                   models.Index(fields=["customer", "category"], name="asset_by_category")]

    def __str__(self):
        return f"{self.tag} {self.name}"
