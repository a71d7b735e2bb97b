"""Shows which version runs, and where its packages come from."""

import sys
from pathlib import Path

import flask

app = flask.Flask(__name__)
version = (Path(__file__).parent / "version.txt").read_text(encoding="utf-8").strip()


@app.get("/")
def index():
    lines = [version, f"sys.prefix: {sys.prefix}", f"flask: {Path(flask.__file__).parent}"]
    return flask.Response("\n".join(lines) + "\n", mimetype="text/plain")


@app.get("/health")
def health():
    return flask.Response("ok\n", mimetype="text/plain")
