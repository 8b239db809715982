# SPDX-License-Identifier: PostgreSQL
"""facility_app.py: the application in examples/facility, running, and a browser for it.

The same code, the same Python, the same PostgreSQL; what differs is REDIS_URL, and the schema for the
tables, so that each application has its own. Standard library alone.
"""

import http.client
import os
import re
import signal
import subprocess
from html import unescape
from urllib.parse import quote, urlencode

import server as servers
from resp import Connection

HOME = os.path.join(servers.ROOT, "examples", "facility")
# Debian's, because Django is Debian's.
PYTHON = "/usr/bin/python3"
PREFIX_END = ":1:"


class App:
    def __init__(self, store, database_url, schema, directory):
        """store: the server.Server whose Redis it uses; database_url: of the cluster."""
        self.store, self.schema, self.database_url = store, schema, database_url
        self.kind = store.kind
        self.log = os.path.join(directory, f"{schema}.log")
        self.port, self.process, self.environment = 0, None, {}
        # What a browser kept after signing in, by user.
        self.cookies = {}

    def sql(self, statement):
        """What psql prints, in the application's schema."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.database_url, "-f", "-"], text=True,
            input=statement, capture_output=True, timeout=60, check=False,
            env={**os.environ, "PGOPTIONS": f"-c search_path={self.schema} -c client_min_messages=warning"})
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def prepare(self):
        """An empty schema, and what its processes need to know."""
        self.sql(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE; CREATE SCHEMA {self.schema}")
        self.forget()
        store = self.store
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "DJANGO", "PYTHON"))},
            "REDIS_URL": f"redis://{store.user}:{quote(store.password, safe='')}@{store.host}:{store.port}/0",
            "DATABASE_URL": f"{self.database_url}?schema={self.schema}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self):
        """Begins to start; wait() waits until it answers."""
        self.prepare()
        (self.port,) = servers.free_ports(1)
        with open(self.log, "w", encoding="utf-8") as log:
            # In this process's group, so that who ends the group ends the application as well.
            self.process = subprocess.Popen(
                [PYTHON, os.path.join(HOME, "run"), str(self.port)], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def manage(self, *words):
        """What one of Django's commands for the project prints."""
        done = subprocess.run(
            [PYTHON, os.path.join(HOME, "manage.py"), *words], env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"manage.py {' '.join(words)}: {done.stderr}")
        return done.stdout

    def wait(self):
        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"the application ended with {self.process.returncode}: {self.errors()}")
            try:
                return Browser(self).get("/login/").status == 200
            except OSError:
                return False

        servers.wait_until("the application answers", answers, 120)

    def errors(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def stop(self, remove=True):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
            self.process = None
        if remove:
            self.forget()
            self.sql(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")

    def redis(self, number):
        """A connection to one of its databases, beside the application."""
        connection = Connection((self.store.host, self.store.port))
        for words in (("AUTH", self.store.user, self.store.password), ("SELECT", number)):
            answer = connection.call(*words)
            if answer.kind == "-":
                raise RuntimeError(f"{words[0]}: {answer.value}")
        return connection

    def key(self, name):
        """The whole name of a key of the application."""
        return f"app.{self.schema}{PREFIX_END}{name}"

    def forget(self):
        """Deletes every key of the application, and no other."""
        for number in range(4):
            connection = self.redis(number)
            for key in connection.call("KEYS", f"app.{self.schema}{PREFIX_END if number else ':work:'}*").plain():
                connection.call("DEL", key)
            connection.close()


class Page:
    """What was answered: status, headers [(name, value)], text."""

    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)

    def main(self):
        """Its words, without tags and blanks."""
        found = re.search(r"<main>(.*)</main>", self.text, re.S)
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", found[1] if found else self.text))).strip()

    def column(self, name):
        """The cells below this heading, of every table that has it."""
        cells = []
        for table in re.findall(r"<table>(.*?)</table>", self.text, re.S):
            heads = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", table)
            if name in heads:
                rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)]
                cells += [row[heads.index(name)] for row in rows if len(row) == len(heads)]
        return [unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in cells]

    def options(self, name):
        """{text: value} of a drop-down."""
        found = re.search(rf'<select name="{name}".*?</select>', self.text, re.S)
        return {unescape(text): value
                for value, text in re.findall(r'<option value="([^"]*)"[^>]*>(.*?)</option>', found[0])}


def normalised(page):
    """The page with what must differ between two runs replaced, and nothing else:

    the moment of the answer and of a cookie's end, the secret in a cookie, the secret in a form, and
    how long something stays yet. A secret of another length or alphabet is not one, and stays.
    """
    headers = []
    for name, value in page.headers:
        if name == "Date":
            value = "…"
        elif name == "Content-Length":
            if int(value) != len(page.text.encode()):
                raise AssertionError(f"{value} bytes were announced, {len(page.text.encode())} came")
            value = "…"
        elif name == "Set-Cookie":
            value = re.sub(r"^sessionid=[a-z0-9]{32};", "sessionid=…;", value)
            value = re.sub(r"^csrftoken=[A-Za-z0-9]{64};", "csrftoken=…;", value)
            value = re.sub(r"expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "expires=…", value)
        headers.append(f"{name}: {value}")
    text = re.sub(r'(name="csrfmiddlewaretoken" value=")[A-Za-z0-9]{64}"', r'\1…"', page.text)
    text = re.sub(r'(<span class="left">)\d+:\d\d:\d\d<', r"\1…<", text)
    text = re.sub(r"Please wait 1[345] minutes", "Please wait … minutes", text)
    return "\n".join([str(page.status), *sorted(headers), "", text])


class Browser:
    """Keeps cookies, follows nothing by itself, and remembers the form that it saw last."""

    def __init__(self, app, record=None):
        self.app, self.record = app, record
        self.cookies, self.token, self.page = {}, "", None

    def get(self, path):
        return self._request("GET", path)

    def post(self, path, **fields):
        """As if the form on the last page had been filled in."""
        return self._request("POST", path, urlencode({"csrfmiddlewaretoken": self.token, **fields}))

    def follow(self):
        """Goes where the last page sent the browser."""
        return self.get(self.page.header("Location"))

    def sign_in(self, username, password="facility", **fields):
        self.get("/login/")
        return self.post("/login/", username=username, password=password, **fields)

    def _request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in sorted(self.cookies.items()))}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        self.page = Page(answer.status, answer.getheaders(), answer.read().decode())
        connection.close()
        self._keep()
        if self.record is not None:
            self.record.append((f"{method} {path}", normalised(self.page)))
        return self.page

    def _keep(self):
        for name, value in self.page.headers:
            if name == "Set-Cookie":
                cookie, _, attributes = value.partition(";")
                key, _, content = cookie.partition("=")
                if "Max-Age=0" in attributes:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = content
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', self.page.text)
        if found:
            self.token = found[1]
