"""Counts visits. Standard library only."""

import os
import signal
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from database import MIGRATIONS, connect, schema

VERSION = (Path(__file__).parent / "version.txt").read_text(encoding="utf-8").strip()


def visit():
    """Records a visit and tells how many there were."""
    with closing(connect()) as connection:
        connection.execute("INSERT INTO visit (version) VALUES (?)", (VERSION,))
        return connection.execute("SELECT count(*) FROM visit").fetchone()[0]


def healthy():
    """Whether the database is there with the schema that this version needs."""
    with closing(connect()) as connection:
        return schema(connection) >= len(MIGRATIONS)


class Handler(BaseHTTPRequestHandler):
    # HTTP/1.0, the default, closes each connection after its answer: none is idle at the end.
    timeout = 10

    def do_GET(self):
        if self.path == "/":
            self.answer(200, f"{VERSION}: visit {visit()}\n")
        elif self.path == "/health":
            good = healthy()
            self.answer(200 if good else 503, "ok\n" if good else "the schema is too old\n")
        else:
            self.answer(404, "not here\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        """Says nothing about each request; errors are still told."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    # Requests that have begun are answered before the process ends.
    daemon_threads = False


if __name__ == "__main__":
    server = Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler)
    # shutdown() waits for serve_forever(), which runs in this thread.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{VERSION} listens on port {server.server_port}", flush=True)
    server.serve_forever()
    server.server_close()
