"""Brings the database on the mount to the newest schema. May run any number of times."""

from database import MIGRATIONS, connect, schema

connection = connect()
connection.execute("BEGIN IMMEDIATE")
before = schema(connection)
for statement in MIGRATIONS[before:]:
    print(f"migrate: {statement}")
    connection.execute(statement)
connection.execute(f"PRAGMA user_version = {max(before, len(MIGRATIONS))}")
connection.execute("COMMIT")
print(f"schema {before} -> {schema(connection)}")
