#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""facility.py: a Django application on Redis and on pgfirst: the same pages, byte for byte.

  facility.py [--test TEXT] PLACE THEIRS        every step, as TAP; run by test/clients/run
  facility.py --tour DIRECTORY                  a short round as people read it; run by tools/show

PLACE is the file with the cluster, THEIRS the one with the redis-server (server.py). The tour is on the
cluster that runs in DIRECTORY and on a redis-server of its own. The application in examples/facility
is started twice, on the same PostgreSQL with a schema each, and both are driven
through the same steps over HTTP. Every page that a browser gets is kept; afterwards those of both are
compared, all but the secrets and moments that facility_app.normalised names.

Where a step has to look behind the application (what is in Redis, what another process does) it does
so with a connection of its own.

Seen to fail: without the lock twelve tries at once are all made; without raising the generation an edit is
not seen; without deleting them drop-downs keep the old name; without caching the row that SQL painted is
seen at once; with tries that do not expire the sixth is an error; without set_expiry a session that was to be kept
ends with the others; with an asset or a key of any customer they are not apart; with the port on every
page the pages differ.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import server as servers
from facility_app import App, Browser

STEPS = []
TOUR = {"signing in", "filters", "an edit is seen at once", "drop-downs are cached, and fresh after an edit"}
STATES = ("running", "due", "broken", "retired")


def step(name, only=None, compared=True):
    """Decorates a step, which gets a Visit.

    With `only` it is taken on that kind of server alone. Not compared is what keeps no pages, because
    they come in any order.
    """
    def keep(function):
        STEPS.append((name, only, compared and not only, function))
        return function

    return keep


def check(actual, expected):
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"got {actual!r:.400}, expected {expected!r:.400}")


def has(page, words):
    if words not in page.main():
        raise AssertionError(f"not on the page: {words!r}; there is {page.status} {page.main()[:600]!r}")


def hasnt(page, words):
    if words in page.main():
        raise AssertionError(f"on the page: {words!r}")


class Visit:
    """One step on one application: its browsers, and what they have got."""

    def __init__(self, app):
        self.app, self.pages = app, []

    def browser(self, username=None, record=True, fresh=False, **fields):
        """A browser, signed in; unless `fresh`, in the session that an earlier step has begun.

        Signing in takes a quarter of a second of pure computing, and is meant to.
        """
        found = Browser(self.app, self.pages if record else None)
        if username and not fresh and username in self.app.cookies:
            found.cookies = dict(self.app.cookies[username])
        elif username:
            page = found.sign_in(username, **fields)
            if page.status != 302:
                raise AssertionError(f"{username} was not signed in: {page.status} {page.main()[:300]}")
            if not fresh:
                self.app.cookies[username] = dict(found.cookies)
        return found

    def call(self, number, *words):
        """A command to the application's Redis, beside it."""
        connection = self.app.redis(number)
        try:
            return connection.call(*words).plain()
        finally:
            connection.close()

    def session(self, browser):
        return self.app.key("django.contrib.sessions.cache" + browser.cookies["sessionid"])

    def tries(self, username):
        return self.app.key(f"tries:127.0.0.1:{username}")

    def at_once(self, count, function):
        """Calls function(number) in so many threads, which begin together; their results, in order."""
        results, barrier = [None] * count, threading.Barrier(count)

        def one(number):
            barrier.wait(60)
            try:
                results[number] = function(number)
            except Exception as error:  # pylint: disable=broad-except
                results[number] = f"{type(error).__name__}: {error}"

        threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(180)
        return results


# ---- where it runs -----------------------------------------------------------------------------


URLS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from facility import urls_from_environment as urls
settings, schema = urls.database()
print(urls.redis_url(2), *(settings[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")), schema, sep="|")
"""


@step("two URLs say where it runs", only="pgfirst")
def _(_visit):
    def read(redis_url, database_url):
        environment = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", URLS, os.path.join(servers.ROOT, "examples", "facility")], text=True, check=False,
            capture_output=True, timeout=60, env={name: value for name, value in environment.items() if value})
        return done.stdout.strip() or done.stderr.strip().split("\n")[-1].partition(": ")[2]

    good = "postgresql://u:p@db/app"
    for redis_url, database_url, expected in (
            ("redis://u:p%2F@cache:6380/0", "postgresql://u%40x:p%2Fq@db.example:5433/app?schema=tools&sslmode=require",
             "redis://u:p%2F@cache:6380/2|app|u@x|p/q|db.example|5433|"
             "{'sslmode': 'require', 'options': '-c search_path=tools'}|tools"),
            ("unix://u:p@/run/My/redis.sock?db=0", "postgres://u@%2Frun%2FMy:5433/app",
             "unix://u:p@/run/My/redis.sock?db=2|app|u||/run/My|5433|{}|public"),
            ("rediss://cache", "postgresql://u@[::1]/app?host=/run/My", "rediss://cache/2|app|u||/run/My||{}|public"),
            ("rediss://[::1]:1", "postgresql://u@[::1]/app", "rediss://[::1]:1/2|app|u||::1||{}|public"),
            ("", good, "REDIS_URL is not set: the application needs REDIS_URL and DATABASE_URL"),
            ("redis://cache", "", "DATABASE_URL is not set: the application needs REDIS_URL and DATABASE_URL"),
            ("http://example.com", good, "REDIS_URL begins with http://, not with one of redis://, rediss://, unix://"),
            ("redis://cache", "mysql://db/app", "DATABASE_URL begins with mysql://, not with one of postgresql://, postgres://")):
        check(read(redis_url, database_url), expected)


# ---- coming in ---------------------------------------------------------------------------------


@step("signing in")
def _(visit):
    ada = visit.browser()
    check([ada.get("/assets/?state=due").status, ada.page.header("Location")], [302, "/login/?next=/assets/%3Fstate%3Ddue"])
    has(ada.follow(), "Sign in")
    has(ada.post("/login/", username="ada", password="wrong"), "The name or the password is wrong.")
    check("sessionid" in ada.cookies, False)
    page = ada.post("/login/", username="ada", password="facility", next="/assets/?state=due")
    check([page.status, page.header("Location")], [302, "/assets/?state=due"])
    cookie = next(value for name, value in page.headers if name == "Set-Cookie" and value.startswith("sessionid"))
    check([word in cookie for word in ("HttpOnly", "SameSite=Lax", "Max-Age=28800")], [True] * 3)
    has(ada.get("/"), "Harbour Hospitals")
    figures = [int(number) for number in re.findall(r"<b>(\d+)</b>", ada.page.text)]
    check([figures[0], sum(figures[1:])], [1200, 1200])


@step("no way to another site, none without the form's secret")
def _(visit):
    bram = visit.browser()
    bram.get("/login/")
    for elsewhere in ("https://example.com/", "//example.com", "javascript:alert(1)"):
        check(bram.post("/login/", username="bram", password="facility", next=elsewhere).header("Location"), "/")
        bram.get("/login/")
    bram.token = "x" * 64
    check(bram.post("/assets/HH-00001/", name="mine").status, 403)
    check(bram.post("/logout/").status, 403)
    check([bram.get("/logout/").status, bram.get("/nothing/").status, bram.get("/people/").status], [405, 404, 200])
    check(bram.get("/static/assets/facility.css").status, 200)


@step("signing out")
def _(visit):
    ada, again = visit.browser("ada", fresh=True), visit.browser("ada", fresh=True)
    check(ada.get("/").status, 200)
    key, cookie = visit.session(ada), ada.cookies["sessionid"]
    check(visit.call(3, "EXISTS", key), 1)
    check([ada.post("/logout/").status, "sessionid" in ada.cookies, visit.call(3, "EXISTS", key)], [302, False, 0])
    ada.cookies["sessionid"] = cookie
    check([ada.get("/people/").status, again.get("/people/").status], [302, 200])


@step("sessions end when their time is over")
def _(visit):
    short, long = visit.browser("bram", fresh=True), visit.browser("bram", fresh=True, keep="on")
    for browser, seconds in ((short, 8 * 60 * 60), (long, 14 * 24 * 60 * 60)):
        left = visit.call(3, "TTL", visit.session(browser))
        check([left, seconds - 60 < left <= seconds], [left, True])
    check(visit.call(3, "PEXPIRE", visit.session(short), 1), 1)
    key = visit.session(short)
    servers.wait_until("the session has ended", lambda: visit.call(3, "EXISTS", key) == 0)
    check([short.get("/people/").status, long.get("/people/").status], [302, 200])


# ---- the table ---------------------------------------------------------------------------------


@step("the table, page by page")
def _(visit):
    ada = visit.browser("ada")
    has(ada.get("/assets/"), "Page 1 of 48, 1200 assets")
    first = ada.page.column("Tag")
    check([len(first), first[0], first[24]], [25, "HH-00001", "HH-00025"])
    check(ada.get("/assets/?page=2").column("Tag")[0], "HH-00026")
    check(ada.get("/assets/?page=48").column("Tag")[-1], "HH-01200")
    check([ada.get(f"/assets/?page={number}").status for number in ("0", "49", "-1", "x", "1234567", "%D9%A3")],
          [404] * 6)
    # The same page again, from the cache now.
    check(ada.get("/assets/?page=2").column("Tag")[0], "HH-00026")


@step("filters")
def _(visit):
    ada = visit.browser("ada")
    page = ada.get("/assets/")
    totals = []
    for state in STATES:
        has(ada.get(f"/assets/?state={state}"), "Page 1 of ")
        totals.append(int(re.search(r"(\d+) assets", ada.page.main())[1]))
        check(len(set(ada.page.column("State"))), 1)
    check(sum(totals), 1200)
    lifts = page.options("category")["Lifts"]
    building = page.options("building")["Antwerp site, Ward A"]
    ada.get(f"/assets/?category={lifts}&building={building}&state=running")
    check([set(ada.page.column(name)) for name in ("Category", "Building", "State")],
          [{"Lifts"}, {"Antwerp site, Ward A"}, {"Running"}])
    check(ada.get("/assets/?q=hh-00077").column("Tag"), ["HH-00077"])
    has(ada.get("/assets/?q=nothing+like+this"), "Nothing like that.")
    has(ada.get("/assets/?q=%3Cscript%3E%26%22"), "Nothing like that.")
    check("<script>" in ada.page.text, False)
    has(ada.get("/assets/?state=none&category=x&building=999999"), "1200 assets")
    check(ada.get("/assets/?q=%3CT30%3E&page=1").column("Name")[0].startswith("Fire door <T30>"), True)


@step("a page of the table comes from the cache until something is edited")
def _(visit):
    ada, bram = visit.browser("ada"), visit.browser("bram")
    before = ada.get("/assets/?q=HH-0005").column("Name")
    # Behind the application's back, which nothing tells it.
    visit.app.sql("UPDATE assets_asset SET name = 'Painted by SQL' WHERE tag = 'HH-00050'")
    check(ada.get("/assets/?q=HH-0005").column("Name"), before)
    check(bram.get("/assets/?q=HH-0005").column("Name"), before)
    save(ada, "HH-00051", name="Sauna")
    after = bram.get("/assets/?q=HH-0005").column("Name")
    check([after[0], after[1], after[2:]], ["Painted by SQL", "Sauna", before[2:]])


def save(browser, tag, **changes):
    """Fills in an asset's form as it stands, but for the changes."""
    page = browser.get(f"/assets/{tag}/")
    fields = {name: re.search(rf'<input type="\w+" name="{name}" value="([^"]*)"', page.text) for name in ("name", "installed", "next_check")}
    fields = {name: found[1] if found else "" for name, found in fields.items()}
    for name in ("building", "category", "state", "responsible"):
        select = re.search(rf'<select name="{name}".*?</select>', page.text, re.S)[0]
        fields[name] = re.search(r'<option value="([^"]*)" selected', select)[1]
    return browser.post(f"/assets/{tag}/", **{**fields, "note": "", **changes})


@step("an edit is seen at once")
def _(visit):
    ada, bram = visit.browser("ada"), visit.browser("bram")
    for browser in (ada, bram):
        browser.get("/assets/?state=running&page=2")
    tag = ada.page.column("Tag")[3]
    running = int(re.search(r"(\d+) assets", ada.page.main())[1])
    figures = re.findall(r"<b>(\d+)</b>", ada.get("/").text)
    page = save(ada, tag, name='Lift "B" & <cage>', state="broken")
    # Back to where one came from, without the row, which is not running any more.
    check([page.status, page.header("Location")], [302, "/assets/?state=running&page=2"])
    has(ada.follow(), f"{tag} was saved.")
    hasnt(ada.get("/assets/?state=running&page=2"), "was saved")
    check([tag in browser.get("/assets/?state=running&page=2").column("Tag") for browser in (ada, bram)], [False, False])
    has(bram.page, f"{running - 1} assets")
    check(bram.get(f"/assets/?q={tag}").column("Name"), ['Lift "B" & <cage>'])
    after = re.findall(r"<b>(\d+)</b>", bram.get("/").text)
    check([int(a) - int(b) for a, b in zip(after, figures)], [0, -1, 0, 1, 0])


@step("what is not valid changes nothing")
def _(visit):
    ada, eino = visit.browser("ada"), visit.browser("eino")
    theirs = eino.get("/assets/NS-00001/").options("building")
    before = visit.app.sql("SELECT * FROM assets_asset WHERE tag = 'HH-00090'")
    for changes, words in (({"name": ""}, "This field is required."), ({"installed": "yesterday"}, "Enter a valid date."),
                           ({"building": theirs["Oslo site, House A"]}, "Select a valid choice."),
                           ({"state": "painted"}, "Select a valid choice."), ({"name": "x" * 121}, "at most 120 characters")):
        page = save(ada, "HH-00090", **changes)
        check(page.status, 200)
        has(page, words)
    check(visit.app.sql("SELECT * FROM assets_asset WHERE tag = 'HH-00090'"), before)


# ---- drop-downs, customers, the notice ---------------------------------------------------------


@step("drop-downs are cached, and fresh after an edit")
def _(visit):
    ada, bram, eino = visit.browser("ada"), visit.browser("bram"), visit.browser("eino")
    number = bram.get("/assets/").options("category")["Water"]
    check(eino.get("/assets/").options("category")["Water"] != number, True)
    visit.app.sql("UPDATE assets_person SET name = 'Bram by SQL' WHERE name = 'Bram de Wit'")
    check("Bram de Wit" in bram.get("/assets/HH-00001/").options("responsible"), True)
    ada.get("/cached/")
    check(ada.post("/cached/forget/").status, 302)
    has(ada.follow(), "lists will be read again.")
    check("Bram by SQL" in bram.get("/assets/HH-00001/").options("responsible"), True)
    has(ada.get(f"/lists/categories/{number}/"), "Rename")
    check(ada.post(f"/lists/categories/{number}/", name="Water & steam").status, 302)
    has(ada.follow(), "It is called Water & steam now.")
    check(bram.get("/assets/").options("category")["Water & steam"], number)
    check(set(bram.get(f"/assets/?category={number}").column("Category")), {"Water & steam"})
    check("Water" in eino.get("/assets/").options("category"), True)
    ada.get(f"/lists/categories/{number}/")
    has(ada.post(f"/lists/categories/{number}/", name="Lifts"), "There is one of this name already.")
    ada.get("/lists/")
    check(ada.post("/lists/", name="Gardens").status, 302)
    check("Gardens" in bram.get("/assets/HH-00001/").options("category"), True)
    visit.app.sql("UPDATE assets_person SET name = 'Bram de Wit' WHERE name = 'Bram by SQL'")
    ada.get("/cached/")
    ada.post("/cached/forget/")


@step("customers are kept apart, and staff from others")
def _(visit):
    ada, bram, eino = visit.browser("ada"), visit.browser("bram"), visit.browser("eino")
    category = ada.get("/assets/").options("category")["Lifts"]
    has(eino.get(f"/assets/?category={category}"), "1200 assets")
    has(eino.get("/assets/?q=HH-"), "0 assets")
    check([eino.get("/assets/HH-00001/").status, eino.post("/assets/HH-00001/", name="mine").status], [404, 404])
    eino.get("/lists/")
    check(eino.post(f"/lists/categories/{category}/", name="mine").status, 404)
    hasnt(eino.get("/people/"), "Ada Jansen")
    keys = eino.get("/cached/").column("Key")
    customer = visit.app.sql("SELECT id FROM assets_customer WHERE name = 'Northern Schools'")
    check([len(keys) > 5, {key.partition(":")[0] for key in keys}], [True, {customer}])
    check([bram.get(path).status for path in ("/lists/", "/cached/", f"/lists/categories/{category}/")], [403] * 3)
    bram.get("/people/")
    check([bram.post(path).status for path in ("/cached/forget/", "/cached/notice/put-up/")], [403] * 2)
    hasnt(bram.get("/people/"), "Caches")


@step("a notice stays for an hour, or for ever, or goes")
def _(visit):
    ada, bram, eino = visit.browser("ada"), visit.browser("bram"), visit.browser("eino")
    customer = visit.app.sql("SELECT id FROM assets_customer WHERE name = 'Harbour Hospitals'")
    key = visit.app.key(f"{customer}:notice")
    ada.get("/cached/")
    check(ada.post("/cached/notice/put-up/", text="Lift 3 & <stairs> closed").status, 302)
    has(bram.get("/"), "Lift 3 & <stairs> closed Ada Jansen, for another")
    left = visit.call(1, "PTTL", key)
    check([left, 3540000 < left <= 3600000], [left, True])
    hasnt(eino.get("/"), "Lift 3")
    ada.get("/cached/")
    ada.post("/cached/notice/keep/")
    has(bram.get("/"), "until further notice")
    check(visit.call(1, "PTTL", key), -1)
    ada.follow()
    ada.post("/cached/notice/let-go/")
    has(bram.get("/"), "for another")
    check(visit.call(1, "PEXPIRE", key, 1), 1)
    servers.wait_until("the notice has gone", lambda: visit.call(1, "EXISTS", key) == 0)
    hasnt(bram.get("/"), "Lift 3")
    ada.get("/cached/")
    ada.post("/cached/notice/put-up/", text="Again")
    ada.follow()
    ada.post("/cached/notice/take-down/")
    hasnt(bram.get("/"), "Again")


@step("staff see what was found in the cache, and how often")
def _(visit):
    hana = visit.browser("hana")
    counts = {}
    for number in range(3):
        hana.get("/assets/?q=OO-0007")
        page = hana.get("/cached/")
        counts[number] = {row[0]: (int(row[1]), int(row[2])) for row in re.findall(
            r'<tr><td>(\w+)</td><td class="number">(\d+)</td><td class="number">(\d+)</td></tr>', page.text)}
    for thing in ("table", "buildings", "categories"):
        check([counts[n][thing] for n in range(3)], [(0, 1), (1, 1), (2, 1)])
    check(len([key for key in page.column("Key") if ":table:" in key]), 1)


# ---- five tries in a quarter of an hour --------------------------------------------------------


@step("the sixth try is refused, for a quarter of an hour")
def _(visit):
    carla = visit.browser()
    carla.get("/login/")
    for _number in range(5):
        page = carla.post("/login/", username="carla", password="wrong")
        check(page.status, 200)
        has(page, "The name or the password is wrong.")
    for password in ("wrong", "facility"):
        page = carla.post("/login/", username="Carla", password=password)
        check(page.status, 429)
        has(page, "Too many tries. Please wait")
        check(re.search(r"wait (\d+) minutes", page.main())[1] in ("13", "14", "15"), True)
    check(visit.call(1, "GET", visit.tries("carla")), b"5")
    left = visit.call(1, "TTL", visit.tries("carla"))
    check([left, 780 < left <= 900], [left, True])
    check(visit.browser("ada", fresh=True).get("/").status, 200)
    # As if the quarter of an hour had passed.
    check(visit.call(1, "PEXPIRE", visit.tries("carla"), 1), 1)
    servers.wait_until("the tries are forgotten", lambda: visit.call(1, "EXISTS", visit.tries("carla")) == 0)
    check(carla.post("/login/", username="carla", password="facility").status, 302)


@step("a good password forgets the bad ones")
def _(visit):
    dirk = visit.browser()
    dirk.get("/login/")
    for _number in range(4):
        check(dirk.post("/login/", username="dirk", password="wrong").status, 200)
    check(visit.call(1, "GET", visit.tries("dirk")), b"4")
    check(dirk.post("/login/", username="dirk", password="facility").status, 302)
    check(visit.call(1, "EXISTS", visit.tries("dirk")), 0)


@step("of twelve tries at once five are made", compared=False)
def _(visit):
    browsers = [visit.browser(record=False) for _ in range(12)]
    for browser in browsers:
        browser.get("/login/")
    results = visit.at_once(12, lambda n: browsers[n].post("/login/", username="gunnar", password="wrong").status)
    check(sorted(results, key=str), [200] * 5 + [429] * 7)
    check(visit.call(1, "GET", visit.tries("gunnar")), b"5")
    check(visit.call(1, "EXISTS", visit.tries("gunnar") + ":lock"), 0)


@step("a lock that another process holds is waited for")
def _(visit):
    ivan, lock = visit.browser(), visit.tries("ivan") + ":lock"
    ivan.get("/login/")
    check(visit.call(1, "SET", lock, "another process", "NX", "PX", 1500), b"OK")
    begun = time.monotonic()
    check(ivan.post("/login/", username="ivan", password="facility").status, 302)
    check([time.monotonic() - begun > 1.2, visit.call(1, "EXISTS", lock)], [True, 0])


@step("nine people at once are nine sessions", compared=False)
def _(visit):
    names = ["ada", "bram", "carla", "dirk", "eino", "freja", "hana", "ivan", "jitka"]
    browsers = [visit.browser(record=False) for _ in names]
    check(visit.at_once(len(names), lambda n: browsers[n].sign_in(names[n]).status), [302] * 9)
    check(len({browser.cookies["sessionid"] for browser in browsers}), 9)
    pages = visit.at_once(len(names), lambda n: browsers[n].get("/").main())
    check([page.split(" ")[0] for page in pages], ["Harbour"] * 4 + ["Northern"] * 2 + ["Ostrava"] * 3)


# ---- what is only there on pgfirst -------------------------------------------------------------


def session_views(app):
    with open(os.path.join(servers.ROOT, "examples", "facility", "sessions.sql"), encoding="utf-8") as file:
        app.sql(file.read())


@step("the sessions are rows, which SQL joins with the users and ends", only="pgfirst")
def _(visit):
    app = visit.app
    session_views(app)
    for username in ("freja", "jitka"):
        app.sql(f"SELECT sign_out('{username}')")
    freja, jitka, again = [visit.browser(name, fresh=True) for name in ("freja", "jitka", "jitka")]
    freja.get("/assets/?state=due")
    query = ("SELECT name, customer, looked_at, expires_at > now() + interval '7 hours' FROM signed_in "
             "WHERE username IN ('freja', 'jitka') ORDER BY username")
    check(app.sql(query).split("\n"), ["Freja Lund|Northern Schools|state=due|t"] + ["Jitka Horáková|Ostrava Offices||t"] * 2)
    # What rolls back has not happened; what commits is true for the next request.
    app.sql("BEGIN; SELECT sign_out('jitka'); ROLLBACK")
    check([browser.get("/people/").status for browser in (freja, jitka, again)], [200, 200, 200])
    check(app.sql("SELECT sign_out('jitka')"), "2")
    check([browser.get("/people/").status for browser in (freja, jitka, again)], [200, 302, 302])
    check(app.sql("SELECT sign_out('jitka'), (SELECT count(*) FROM signed_in WHERE username = 'jitka')"), "0|0")


@step("who is signed in stays so when the server is restarted", only="pgfirst")
def _(visit):
    ada, eino = visit.browser("ada", fresh=True), visit.browser("eino")
    visit.app.store.restart()
    for _round in range(2):
        check([browser.get("/assets/").status for browser in (ada, eino)], [200, 200])


@step("the demo is removed, with what is cached of it, and comes again", compared=False)
def _(visit):
    def left():
        return [len(visit.call(number, "KEYS", visit.app.key("*"))) for number in (1, 2, 3)]

    visit.call(2, "SET", "somebody else's", "stays")
    visit.browser("ada").get("/assets/")
    check([number > 0 for number in left()], [True] * 3)
    check(visit.app.manage("makemigrations", "--check").strip(), "No changes detected")
    visit.app.manage("demo", "--remove")
    check([left(), visit.app.sql("SELECT count(*) FROM assets_asset"), visit.call(2, "DEL", "somebody else's")], [[0, 0, 0], "0", 1])
    check(visit.browser("ada").get("/assets/").status, 302)
    for _round in range(2):
        visit.app.manage("demo")
        check(visit.app.sql("SELECT count(*), md5(string_agg(concat_ws('|', tag, name, state, installed, next_check, note), ',' "
                            "ORDER BY tag)) FROM assets_asset"), "3600|5547f1d9cc74db1809ba2fc82e13cbbc")
    has(visit.browser("ada", fresh=True).get("/assets/"), "1200 assets")


# ---- both --------------------------------------------------------------------------------------


def differences(ours, theirs):
    """What two visits of one step got, compared: [(what was asked, first line that differs)]."""
    found = []
    for number in range(max(len(ours), len(theirs))):
        one = ours[number] if number < len(ours) else ("nothing", "")
        other = theirs[number] if number < len(theirs) else ("nothing", "")
        if one != other:
            pairs = zip(f"{one[0]}\n{one[1]}".split("\n") + [""], f"{other[0]}\n{other[1]}".split("\n") + [""])
            lines = next(((a, b) for a, b in pairs if a != b), ("more", "less"))
            found.append(f"page {number + 1}, {one[0]}: {lines[0].strip()[:150]!r} on pgfirst, {lines[1].strip()[:150]!r} on Redis")
    return found


def run_step(app, function):
    """The visit, and what went wrong as lines."""
    visit = Visit(app)
    try:
        function(visit)
        return visit, []
    except Exception as error:  # pylint: disable=broad-except
        lines = [f"{type(error).__name__}: {error}", *traceback.format_exc(limit=-3).splitlines(), *app.errors().splitlines()[-25:]]
        return visit, lines


def result(good, name, lines=()):
    print(f"{'ok' if good else 'not ok'} - facility: {name}", flush=True)
    for line in lines:
        print(f"#   {line[:400]}", flush=True)
    return 0 if good else 1


def suite(ours, theirs, text):
    """Step by step, on Redis first, because what fails there is the step's fault."""
    failed = 0
    for name, only, compared, function in STEPS:
        if text not in f"facility: {name}":
            continue
        pages = {}
        for app in (theirs, ours):
            if only in (None, app.kind):
                visit, lines = run_step(app, function)
                pages[app.kind] = visit.pages
                failed += result(not lines, f"{name}, on {app.kind}", lines)
        if compared:
            found = differences(pages["pgfirst"], pages["redis"]) if pages["redis"] else ["there were no pages"]
            failed += result(not found, f"{name}: {len(pages['redis'])} pages, the same on both", found)
    return 1 if failed else 0


def tour(ours, theirs):
    """What `make run` shows: both at a time, the differences, and what only one of them can do."""
    visits = {}
    threads = [threading.Thread(target=lambda app=app: visits.update({app.kind: round_of(app)})) for app in (ours, theirs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    pages = {kind: visit for kind, (visit, _) in visits.items()}
    wrong = [f"{kind}: {line}" for kind, (_, lines) in visits.items() for line in lines]
    found = differences(pages.get("pgfirst", []), pages.get("redis", []))
    print(f"redis-server: {len(pages.get('redis', []))} pages; pgfirst: {len(pages.get('pgfirst', []))} pages; "
          f"different: {len(found) or 'none'}")
    for line in [*found, *wrong]:
        print(line)
    if found or wrong:
        return 1
    session_views(ours)
    query = "SELECT name, customer, looked_at FROM signed_in WHERE looked_at <> '' ORDER BY name"
    print(f"psql> {query}")
    answer = ours.sql(query)
    for line in answer.split("\n"):
        print(f"    {line}")
    return 0 if answer.startswith("Ada Jansen|Harbour Hospitals|state=running&page=2\nBram de Wit|Harbour Hospitals|") else 1


def round_of(app):
    pages, wrong = [], []
    for name, _, _, function in STEPS:
        if name in TOUR:
            visit, lines = run_step(app, function)
            pages += visit.pages
            wrong += lines
    return pages, wrong


def on_both(cluster, redis, kind, function):
    """What function(ours, theirs) returns for the application on the cluster and on the redis-server."""
    with tempfile.TemporaryDirectory(prefix="pgfirst-facility-") as directory:
        ours = App(cluster, cluster.database_url, f"facility_{kind}", directory)
        theirs = App(redis, cluster.database_url, f"facility_{kind}_redis", directory)
        try:
            for app in (ours, theirs):
                app.start()
            for app in (ours, theirs):
                app.wait()
            return function(ours, theirs)
        finally:
            for app in (ours, theirs):
                app.stop()


def tour_of(directory):
    cluster = servers.Pgfirst(directory)
    cluster.find()
    with tempfile.TemporaryDirectory(prefix="pgfirst-redis-") as place:
        redis = servers.Redis(os.path.join(place, "redis"))
        redis.start()
        try:
            return on_both(cluster, redis, "show", tour)
        finally:
            redis.stop()


def main():
    parser = argparse.ArgumentParser(description="the Django application on Redis and on pgfirst")
    parser.add_argument("--test", default="", help="only the steps whose names contain this")
    parser.add_argument("--tour", action="store_true", help="the short round of make run")
    parser.add_argument("place", help="the file with the cluster; its directory for the tour")
    parser.add_argument("theirs", nargs="?", help="the file with the redis-server")
    options = parser.parse_args()
    # A signal ends the run as an exception does: by cleaning up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.tour:
        return tour_of(options.place)
    return on_both(servers.load(options.place), servers.load(options.theirs), "test",
                   lambda ours, theirs: suite(ours, theirs, options.test))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
