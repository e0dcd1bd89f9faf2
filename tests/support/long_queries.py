"""A query that takes minutes, to test time limits and cancellation."""

import time

from support.entity_api import REPO, Author
from support.file_api import ok
from support.table_api import TableClient


class LongQueries:
    """A table of a user and a query on it that takes minutes."""

    def __init__(self, rest_service, name):
        self.author = Author(rest_service, name)
        self.tables = TableClient(self.author)
        names = [f"l{number}" for number in range(8)]
        self.table = self.tables.create_table(*((each, "INTEGER_LIST") for each in names))["id"]
        items = str(list(range(100)))
        self.tables.append(self.table, [items] * len(names))
        columns = ", ".join(f"unnest({each})" for each in names)
        keys = ", ".join(str(number) for number in range(1, 9))
        self.sql = f"select {columns}, count(*) from {self.table} group by {keys}"

    @property
    def path(self):
        return f"{REPO}/entity/{self.table}/table/query/async"

    def start(self):
        body = {"query": {"sql": self.sql}, "partMask": 1}
        return ok(self.author.post(f"{self.path}/start", body))["token"]

    def get(self, token):
        return self.author.get(f"{self.path}/get/{token}")

    def wait(self, token, seconds=60):
        deadline = time.monotonic() + seconds
        while (answer := self.get(token)).status_code == 202 and time.monotonic() < deadline:
            time.sleep(0.05)
        return answer
