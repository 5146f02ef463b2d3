"""Runs each query of a folder through ADBC, and writes the answers as CSV: queries_adbc.py QUERIES ANSWERS"""

import csv
import os
import pathlib
import sys

import adbc_driver_flightsql.dbapi as flight

queries, answers = map(pathlib.Path, sys.argv[1:])
login = {"username": os.environ["PGUSER"], "password": ""}
with flight.connect(os.environ["FLIGHT_URI"], db_kwargs=login, autocommit=True) as connection:
    for query in sorted(queries.glob("*.sql")):
        with connection.cursor() as cursor, open(answers / f"{query.stem}.csv", "w", newline="") as file:
            cursor.execute(query.read_text().strip().removesuffix(";"))
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(column[0] for column in cursor.description)
            writer.writerows(cursor.fetchall())
print("ok")
