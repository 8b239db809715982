# SPDX-License-Identifier: PostgreSQL
"""demo: three customers with sites, people and 3,600 assets: the same ones each time.

    manage.py demo            makes them, unless there are customers already
    manage.py demo --remove   removes every customer, their users, and what is cached of them

Everybody's password is "facility". In each customer's team the first one is staff.
"""

import random
from datetime import date, timedelta

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management.base import BaseCommand
from django.db import transaction

from assets.models import Asset, Building, Category, Customer, Person, Site

ASSETS = 1200
CUSTOMERS = {
    "Harbour Hospitals": ("HH", ["Rotterdam", "Antwerp", "Bremen"], "Ward", [
        ("ada", "Ada Jansen", "Head of facilities"), ("bram", "Bram de Wit", "Electrician"),
        ("carla", "Carla Peeters", "Medical gases"), ("dirk", "Dirk Vos", "Lifts")]),
    "Northern Schools": ("NS", ["Oslo", "Turku"], "House", [
        ("eino", "Eino Salo", "Caretaker"), ("freja", "Freja Lund", "Heating"),
        ("gunnar", "Gunnar Dahl", "Playgrounds")]),
    "Ostrava Offices": ("OO", ["Ostrava", "Brno", "Opava", "Zlín"], "Tower", [
        ("hana", "Hana Malá", "Facility manager"), ("ivan", "Ivan Kučera", "Security systems"),
        ("jitka", "Jitka Horáková", "Cleaning & waste")]),
}
# Category: what is in it, and after how many days it is inspected.
KINDS = {
    "Lifts": (["Passenger lift", "Goods lift", "Stair lift"], 180),
    "Heating": (["Boiler", "Circulation pump", "Heat exchanger", "Expansion vessel"], 365),
    "Ventilation": (["Air handling unit", "Extract fan", "Fire damper"], 180),
    "Fire protection": (["Extinguisher", "Smoke detector", "Hydrant", "Fire door <T30>"], 365),
    "Electrical": (["Distribution board", "Emergency light", "UPS 10 kVA"], 730),
    "Water": (["Water softener", "Backflow preventer", "Drinking fountain"], 180),
    "Doors & gates": (["Sliding door", "Barrier", "Roller shutter"], 365),
}


class Command(BaseCommand):
    help = "Makes the demo customers with a few thousand assets, unless there are customers already."

    def add_arguments(self, parser):
        parser.add_argument("--remove", action="store_true", help="remove them, and what is cached of them")

    def handle(self, *_, remove=False, **__):
        if remove:
            self.remove()
        elif not Customer.objects.exists():
            # Hashed once: it takes as long as it is meant to.
            password = make_password("facility")
            with transaction.atomic():
                for name, details in CUSTOMERS.items():
                    self.customer(name, *details, password)

    @staticmethod
    def remove():
        with transaction.atomic():
            Asset.objects.all().delete()
            User.objects.filter(person__isnull=False).delete()
            Customer.objects.all().delete()
        # After the commit, which raises the customers' generations.
        for name in ("default", "dropdowns", "sessions"):
            caches[name].delete_pattern("*", itersize=1000)

    def customer(self, name, prefix, cities, house, team, password):
        chance = random.Random(name)
        customer = Customer.objects.create(name=name)
        people = []
        for number, (username, full_name, job) in enumerate(team):
            user = User.objects.create(username=username, password=password, is_staff=number == 0)
            people.append(Person.objects.create(user=user, customer=customer, name=full_name, job=job,
                                                phone=f"+00 555 {chance.randrange(1000, 10000)}"))
        buildings = []
        for city in cities:
            site = Site.objects.create(customer=customer, name=f"{city} site", city=city)
            for letter in "ABCD"[:chance.randint(2, 4)]:
                buildings.append(Building.objects.create(site=site, name=f"{house} {letter}"))
        categories = {kind: Category.objects.create(customer=customer, name=kind) for kind in KINDS}
        Asset.objects.bulk_create(
            self.asset(chance, customer, f"{prefix}-{number:05}", buildings, categories, people)
            for number in range(1, ASSETS + 1))

    @staticmethod
    def asset(chance, customer, tag, buildings, categories, people):
        kind = chance.choice(list(KINDS))
        things, days = KINDS[kind]
        installed = date(2010, 1, 1) + timedelta(days=chance.randrange(15 * 365))
        state = chance.choices(Asset.State.values, weights=[80, 12, 5, 3])[0]
        return Asset(
            customer=customer, tag=tag, name=f"{chance.choice(things)} {chance.randrange(1, 90)}",
            building=chance.choice(buildings), category=categories[kind], state=state,
            responsible=chance.choice([*people, None]), installed=installed,
            next_check=None if state == "retired" else date(2026, 1, 1) + timedelta(days=chance.randrange(days)),
            note=chance.choice(["", "", "", "Key at the porter's lodge.", "Noisy since the last repair."]))
