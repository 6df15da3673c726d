#!/usr/bin/env python3
"""Reviews: what customers say about the goods. Python's standard library only.

The shop can live without this program: its pages then say that reviews are resting.
Flags: --port N, --data DIR. Environment: PORT, SHOP_DATA, SHOP_VERSION, REPLICA.
"""

import argparse
import json
import os
import re
import signal
import sqlite3
import sys
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES_MAX = 16 * 1024
TEXT_CHARS_MAX = 1000
NAME_CHARS_MAX = 60
LIST_MAX = 50
IDLE_SECONDS_MAX = 75
STOP_SECONDS_MAX = 15
PATH = re.compile(r"^/api/reviews/([a-z0-9-]{1,64})$")
SEED = [
    ("station", "Ines", 5, "I look at it more often than at my phone. The red hand really waits."),
    ("station", "Paul", 4, "Great clock, heavier than you think. Use the big screw."),
    ("alarm", "Ruth", 5, "The neighbours are awake now as well."),
    ("alarm", "Omar", 3, "Does what it says. I wish it did not."),
    ("field", "Mika", 5, "Readable at dusk, as promised. Strap needs a week to soften."),
    ("hourglass", "Jo", 5, "Seven minutes exactly, checked against the station clock."),
    ("cuckoo", "Lena", 4, "The lever for the night saved our marriage."),
    ("movement", "Sam", 5, "One afternoon became one weekend. It ticks!"),
    ("regulator", "Nora", 5, "Loses two seconds a week. I do not mind."),
    ("timer", "Ada", 4, "She clucks once, and means it."),
]


class Store:
    """The SQLite file; every call opens its own connection, copies of the program share it."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, "reviews.sqlite")
        with closing(self.connect()) as connection:
            connection.execute("begin immediate")
            connection.execute(
                "create table if not exists reviews (id integer primary key, product text not null,"
                " name text not null, stars integer not null, text text not null)"
            )
            connection.execute(
                "create index if not exists reviews_by_product on reviews (product, id)"
            )
            if connection.execute("select count(*) from reviews").fetchone()[0] == 0:
                connection.executemany(
                    "insert into reviews (product, name, stars, text) values (?, ?, ?, ?)", SEED
                )
            connection.execute("commit")

    def connect(self):
        connection = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        connection.execute("pragma busy_timeout = 5000")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        return connection

    def list(self, product):
        with closing(self.connect()) as connection:
            rows = connection.execute(
                "select name, stars, text from reviews where product = ? order by id desc limit ?",
                (product, LIST_MAX),
            ).fetchall()
        return [{"name": name, "stars": stars, "text": text} for name, stars, text in rows]

    def add(self, product, name, stars, text):
        with closing(self.connect()) as connection:
            connection.execute(
                "insert into reviews (product, name, stars, text) values (?, ?, ?, ?)",
                (product, name, stars, text),
            )


def checked(body):
    """The review in a request body; ValueError says what is wrong with it."""
    review = json.loads(body)
    if not isinstance(review, dict):
        raise ValueError("the body is a JSON object")
    name, stars, text = review.get("name"), review.get("stars"), review.get("text")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= NAME_CHARS_MAX:
        raise ValueError(f"`name` has 1 to {NAME_CHARS_MAX} characters")
    if not isinstance(stars, int) or isinstance(stars, bool) or not 1 <= stars <= 5:
        raise ValueError("`stars` is 1 to 5")
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= TEXT_CHARS_MAX:
        raise ValueError(f"`text` has 1 to {TEXT_CHARS_MAX} characters")
    return name.strip(), stars, text.strip()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS_MAX
    # Headers and body leave in one write: two would wait for each other's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        with self.server.in_hand():
            self.get()

    def do_POST(self):
        with self.server.in_hand():
            self.post()

    def get(self):
        if self.path == "/health":
            return self.answer(200, {"status": "ok"})
        match = PATH.match(self.path.split("?")[0])
        if not match:
            return self.problem(404, "there is no such page")
        return self.guard(lambda: self.list(match.group(1)))

    def post(self):
        match = PATH.match(self.path)
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            return self.problem(413, f"a body of at most {BODY_BYTES_MAX} bytes, with its length")
        body = self.rfile.read(int(length))
        if not match:
            return self.problem(404, "there is no such page")
        return self.guard(lambda: self.add(match.group(1), body))

    def list(self, product):
        reviews = self.server.store.list(product)
        average = round(sum(r["stars"] for r in reviews) / len(reviews), 2) if reviews else None
        self.answer(200, {"product": product, "average": average, "reviews": reviews})

    def add(self, product, body):
        try:
            name, stars, text = checked(body)
        except ValueError as error:
            return self.problem(422, str(error))
        self.server.store.add(product, name, stars, text)
        return self.answer(201, {"product": product})

    def guard(self, work):
        try:
            work()
        except sqlite3.Error as error:
            print(f"reviews: database: {error}", file=sys.stderr, flush=True)
            self.problem(500, "the database did not answer")

    def problem(self, status, detail):
        body = {"type": "about:blank", "title": self.responses[status][0], "status": status}
        self.answer(status, {**body, "detail": detail}, "application/problem+json")

    def answer(self, status, body, kind="application/json"):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.send_header("shop-version", self.server.version)
        self.send_header("shop-replica", self.server.replica)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format, *arguments):
        pass


class Server(ThreadingHTTPServer):
    # Idle connections end with the program; those with a request in hand are waited for.
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.busy = 0
        self.idle = threading.Condition()

    @contextmanager
    def in_hand(self):
        with self.idle:
            self.busy += 1
        try:
            yield
        finally:
            with self.idle:
                self.busy -= 1
                self.idle.notify_all()

    def finish(self):
        self.server_close()
        with self.idle:
            self.idle.wait_for(lambda: self.busy == 0, STOP_SECONDS_MAX)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "0")))
    parser.add_argument("--data", default=os.environ.get("SHOP_DATA", "shop-data"))
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Handler)
    server.store = Store(arguments.data)
    server.version = os.environ.get("SHOP_VERSION", "1")
    server.replica = os.environ.get("REPLICA", f"pid-{os.getpid()}")
    # `shutdown` waits for the loop, which runs in this thread: so it is called from another.
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    port = server.server_address[1]
    print(f"reviews: listening on http://127.0.0.1:{port}", file=sys.stderr, flush=True)
    server.serve_forever(poll_interval=0.1)
    server.finish()
    print("reviews: stopped", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
