"""pyarrow.flight, which knows nothing of SQL, against the server that FLIGHT_URI names: commands of Flight SQL are written
byte by byte. Prints `ok <step>`, fails loudly."""

import os
import threading
import time

import pyarrow as pa
import pyarrow.flight as flight

URI, USER, PASSWORD = (os.environ[name] for name in ("FLIGHT_URI", "PGUSER", "PGPASSWORD"))
TYPES = "type.googleapis.com/arrow.flight.protocol.sql."


def ok(step):
    print("ok", step, flush=True)


def same(got, expected, what):
    assert got == expected, f"{what}: {got!r} instead of {expected!r}"


# Protocol buffers: numbers seven bits at a time, fields by number.
def number(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def message(*fields):
    """Fields as (number, value): text and bytes with their length, others as numbers."""
    out = b""
    for at, value in fields:
        if isinstance(value, (bool, int)):
            out += number(at << 3) + number(int(value))
        else:
            value = value.encode() if isinstance(value, str) else value
            out += number(at << 3 | 2) + number(len(value)) + value
    return out


def fields(data):
    """The fields of a message that hold bytes, by number."""
    found, at = {}, 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = data[at], at + 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = read()
        length = read()
        if tag & 7 == 2:
            found[tag >> 3] = data[at:at + length]
            at += length
    return found


def any_of(name, *of):
    return message((1, TYPES + name), (2, message(*of)))


def command(name, *of):
    return flight.FlightDescriptor.for_command(any_of(name, *of))


class Cookies(flight.ClientMiddlewareFactory):
    """Keeps the cookies of one client, as a browser does."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def start_call(self, info):
        return Cookie(self.kept)


class Cookie(flight.ClientMiddleware):
    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def sending_headers(self):
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.kept.items())} if self.kept else {}

    def received_headers(self, headers):
        for cookie in headers.get("set-cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.kept[name] = value


class Client:
    def __init__(self, *middleware):
        self.client = flight.connect(URI, middleware=middleware)
        self.headers = [self.client.authenticate_basic_token(USER, PASSWORD)]
        self.options = flight.FlightCallOptions(headers=self.headers)

    def get(self, descriptor):
        info = self.client.get_flight_info(descriptor, self.options)
        reader = self.client.do_get(info.endpoints[0].ticket, self.options)
        same(reader.schema, info.schema, "the schema in the answer")
        return reader

    def query(self, sql):
        return self.get(command("CommandStatementQuery", (1, sql))).read_all()

    def rows(self, sql):
        return [tuple(row.values()) for row in self.query(sql).to_pylist()]

    def action(self, name, body):
        return [result.body.to_pybytes() for result in self.client.do_action(flight.Action(name, body), self.options)]

    def scans(self, table):
        return self.rows(f"SELECT begun, open FROM slow.scans WHERE name = '{table}'")[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()


def fails(kind, action, *texts):
    try:
        action()
    except kind as error:
        for text in texts:
            assert text in str(error), f"no {text!r} in: {error}"
        return error
    raise AssertionError(f"no error of {kind}")


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it does not come"


client = Client()
assert client.headers[0][0] == b"authorization" and client.headers[0][1].startswith(b"Bearer "), "a token instead of the password"
same(client.rows("SELECT current_user"), [("dana",)], "who")
with flight.connect(URI) as stranger:
    fails(flight.FlightUnauthenticatedError, lambda: stranger.authenticate_basic_token(USER, "wrong"), "authentication failed")
    fails(flight.FlightUnauthenticatedError, lambda: stranger.get_flight_info(command("CommandGetCatalogs")), "authentication failed")
    forged = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer forged")])
    fails(flight.FlightUnauthenticatedError, lambda: stranger.get_flight_info(command("CommandGetCatalogs"), forged), "authentication failed")
    basic = flight.FlightCallOptions(headers=[(b"authorization", b"Basic ZGFuYTpwZW5jaWw=")])
    same(len(stranger.get_flight_info(command("CommandGetCatalogs"), basic).endpoints), 1, "the password in each call")
ok("connect")

assert "lake" in client.get(command("CommandGetCatalogs")).read_all()["catalog_name"].to_pylist()
schemas = client.get(command("CommandGetDbSchemas", (1, "lake"), (2, "s%"))).read_all()["db_schema_name"].to_pylist()
same(schemas, ["sales", "slow"], "schemas")
tables = client.get(command("CommandGetTables", (1, "lake"), (2, "sales"), (4, "TABLE"), (5, True))).read_all()
same(tables["table_name"].to_pylist(), ["customers", "order_items", "orders", "products"], "tables")
schema = pa.ipc.read_schema(pa.py_buffer(tables["table_schema"][0].as_py()))
answer = client.query("SELECT * FROM sales.customers LIMIT 0").schema
same([(field.name, field.type) for field in schema], [(field.name, field.type) for field in answer], "columns")
same(client.get(command("CommandGetTableTypes")).read_all()["table_type"].to_pylist(), ["TABLE", "VIEW"], "table types")
same(client.get(command("CommandGetPrimaryKeys", (2, "sales"), (3, "customers"))).read_all().num_rows, 0, "primary keys")
info = client.get(command("CommandGetSqlInfo", (1, number(0) + number(3)))).read_all().to_pylist()
same([(row["info_name"], row["value"]) for row in info], [(0, "Lakegate"), (3, True)], "name, read only")
types = client.get(command("CommandGetXdbcTypeInfo")).read_all()["type_name"].to_pylist()
assert {"bigint", "numeric", "timestamptz", "bytea"} <= set(types), types
actions = {action.type for action in client.client.list_actions(client.options)}
assert {"CreatePreparedStatement", "CancelFlightInfo", "SetSessionOptions"} <= actions, actions
described = client.client.get_schema(command("CommandStatementQuery", (1, "SELECT id, balance FROM sales.customers")), client.options)
same([field.type for field in described.schema], [pa.int32(), pa.decimal128(12, 2)], "GetSchema")
ok("metadata")

prepared = client.action("CreatePreparedStatement", any_of("ActionCreatePreparedStatementRequest", (1, "SELECT id, name FROM sales.customers WHERE id >= $1 ORDER BY id LIMIT $2")))
result = fields(fields(prepared[0])[2])
handle = result[1]
same([field.type for field in pa.ipc.read_schema(pa.py_buffer(result[3]))], [pa.int32(), pa.int64()], "parameters")
statement = command("CommandPreparedStatementQuery", (1, handle))
for values, expected in [([(3, 2)], ["C3", "C4"]), ([(50, 9)], ["C50"]), ([(1, 1), (9, 1)], ["C1", "C9"])]:
    batch = pa.record_batch([pa.array([row[0] for row in values], pa.int32()), pa.array([row[1] for row in values], pa.int64())], names=["1", "2"])
    writer, told = client.client.do_put(statement, batch.schema, client.options)
    writer.write_batch(batch)
    writer.done_writing()
    same(fields(told.read().to_pybytes())[1], handle, "the handle")
    writer.close()
    same(client.get(statement).read_all()["name"].to_pylist(), expected, "executed again")
client.action("ClosePreparedStatement", any_of("ActionClosePreparedStatementRequest", (1, handle)))
fails(pa.ArrowKeyError, lambda: client.get(statement), "the statement does not exist")
ok("parameters")

begun, _ = client.scans("endless")
reader = client.get(command("CommandStatementQuery", (1, "SELECT n FROM slow.endless")))
same([reader.read_chunk().data.column(0)[0].as_py() for _ in range(1)], [0], "the first batch")
same(client.scans("endless"), (begun + 1, 1), "it is read")
reader.cancel()
until(lambda: client.scans("endless") == (begun + 1, 0))
ok("paging")

# From the side, by CancelFlightInfo.
other = Client()
info = client.client.get_flight_info(command("CommandStatementQuery", (1, "SELECT n FROM slow.waits")), client.options)


def stop():
    until(lambda: other.scans("waits")[1] == 1)
    same(other.action("CancelFlightInfo", message((1, info.serialize()))), [message((1, 1))], "canceled")


thread = threading.Thread(target=stop)
thread.start()
# By chunk: read_all takes any cancel for one of the keyboard.
fails(flight.FlightCancelledError, lambda: client.client.do_get(info.endpoints[0].ticket, client.options).read_chunk(), "canceling statement")
thread.join()
until(lambda: client.scans("waits")[1] == 0)
# By a deadline of the client, which the server watches too: either may be first to say so.
info = client.client.get_flight_info(command("CommandStatementQuery", (1, "SELECT n FROM slow.waits")), client.options)
impatient = flight.FlightCallOptions(headers=client.headers, timeout=0.5)
fails((flight.FlightTimedOutError, flight.FlightCancelledError), lambda: client.client.do_get(info.endpoints[0].ticket, impatient).read_chunk())
until(lambda: client.scans("waits")[1] == 0)
# By a client that goes away.
reader = other.get(command("CommandStatementQuery", (1, "SELECT n FROM slow.endless")))
reader.read_chunk()
same(client.scans("endless")[1], 1, "it is read")
reader.cancel()
del reader
other.client.close()
until(lambda: client.scans("endless")[1] == 0)
ok("cancel")

for kind, sql, texts in [
    (pa.ArrowInvalid, "SELECT nope FROM sales.orders", ['column "nope" does not exist']),
    (pa.ArrowInvalid, "SELECT nofunc(1)", ["function nofunc does not exist", "HINT:  No function matches"]),
    (pa.ArrowInvalid, "SELECT 1/0", ["division by zero"]),
    (pa.ArrowKeyError, "SELECT * FROM nosuch", ['relation "nosuch" does not exist']),
    (pa.ArrowInvalid, "INSERT INTO sales.orders (id) VALUES (1)", ["read-only"]),
]:
    fails(kind, lambda: client.query(sql), *texts)
    same(client.rows("SELECT 2"), [(2,)], "after an error")
fails(pa.ArrowInvalid, lambda: client.get(flight.FlightDescriptor.for_command(b"\xff")), "cannot be decoded")
fails(pa.ArrowInvalid, lambda: client.get(flight.FlightDescriptor.for_path("a")), "Flight SQL")
fails(NotImplementedError, lambda: client.action("Reboot", b""), "not supported")
fails(pa.ArrowKeyError, lambda: client.client.do_get(flight.Ticket(any_of("TicketStatementQuery", (1, b"forged"))), client.options).read_all(), "does not exist")
ok("errors")

with Client(Cookies()) as session:
    # The answer to the handshake named a session.
    options = message((1, message((1, "schema"), (2, message((1, "sales"))))))
    same(session.action("SetSessionOptions", options), [b""], "no option is wrong")
    same(session.rows("SELECT count(*) FROM orders"), [(300,)], "the schema of the session")
    session.query("SET TimeZone = 'Europe/Warsaw'")
    same(session.rows("SHOW TimeZone"), [("Europe/Warsaw",)], "the zone of the session")
    session.query("BEGIN")
    fails(pa.ArrowInvalid, lambda: session.query("SELECT 1/0"))
    fails(pa.ArrowInvalid, lambda: session.query("SELECT 1"), "transaction is aborted")
    session.query("ROLLBACK")
    same(session.rows("SELECT 1"), [(1,)], "after ROLLBACK")
    same(session.action("CloseSession", b""), [message((1, 1))], "closed")
    same(session.rows("SHOW TimeZone"), [("UTC",)], "a new session")
ok("session")
