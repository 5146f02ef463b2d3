"""ADBC over TLS against the server that FLIGHT_URI names: adbc_tls.py CERTIFICATE. Prints `ok tls`, fails loudly."""

import os
import pathlib
import sys

import adbc_driver_flightsql.dbapi as flight
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_manager import Error

URI = os.environ["FLIGHT_URI"]
assert URI.startswith("grpc+tls://"), URI
LOGIN = {"username": os.environ["PGUSER"], "password": os.environ["PGPASSWORD"]}
certificate = pathlib.Path(sys.argv[1]).read_text()


def connect(uri=URI, **more):
    with flight.connect(uri, db_kwargs={**LOGIN, **more}, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sales.customers WHERE id = 3")
            return cursor.fetchone()


assert connect(**{DatabaseOptions.TLS_ROOT_CERTS.value: certificate}) == ("C3",)
assert connect(**{DatabaseOptions.TLS_SKIP_VERIFY.value: "true"}) == ("C3",)
for what, arguments in [
    ("a certificate that nobody vouches for", {}),
    ("clear text", {"uri": URI.replace("grpc+tls://", "grpc://")}),
    ("another name", {DatabaseOptions.TLS_ROOT_CERTS.value: certificate, DatabaseOptions.TLS_OVERRIDE_HOSTNAME.value: "elsewhere"}),
]:
    try:
        connect(**arguments)
    except Error:
        continue
    raise AssertionError(f"{what} is taken")
print("ok tls")
