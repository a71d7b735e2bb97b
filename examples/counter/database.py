"""Where the visits are, and how both the migration and the web process open them."""

import sqlite3
from pathlib import Path

FILE = Path(__file__).parent / "data" / "visits.sqlite"

# Each step brings the schema from its place in the list to the next; never edit one, add one.
MIGRATIONS = [
    "CREATE TABLE visit (id INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT (datetime('now')))",
    "ALTER TABLE visit ADD COLUMN version TEXT NOT NULL DEFAULT ''",
]


def connect():
    """Opens the database; while a migration writes, others wait up to ten seconds."""
    connection = sqlite3.connect(FILE, timeout=10, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def schema(connection):
    """The number of migrations that have run."""
    return connection.execute("PRAGMA user_version").fetchone()[0]
