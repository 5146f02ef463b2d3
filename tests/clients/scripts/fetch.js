// The fetch of Node, which browsers have too, against the server that REST_URL names. Prints `ok <step>`, fails loudly.
"use strict";
const assert = require("node:assert/strict");

const { REST_URL, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const API = `${REST_URL}/api/v2/${PGDATABASE}`;
const login = { Authorization: `Basic ${btoa(`${PGUSER}:${PGPASSWORD}`)}` };

const ok = (step) => console.log("ok", step);

const get = (path, headers = {}, more = {}) => fetch(API + path, { headers: { ...login, ...headers }, ...more });

const query = (sql, params = [], headers = {}, more = {}) =>
  fetch(`${API}/_query`, {
    method: "POST",
    headers: { ...login, "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ sql, params }),
    ...more,
  });

async function rows(...question) {
  const answer = await query(...question);
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  return body.resource;
}

async function fails(status, sqlstate, answer, text = "") {
  const body = await (await answer).json();
  assert.equal((await answer).status, status, JSON.stringify(body));
  assert.equal(body.error.context.sqlstate, sqlstate);
  assert.equal(body.error.status_code, status);
  assert.ok(body.error.message.includes(text), body.error.message);
  assert.ok(body.error.context.request_id);
  return body.error;
}

async function until(condition) {
  const end = Date.now() + 60_000;
  while (!(await condition())) assert.ok(Date.now() < end, "it does not come");
}

const open = async (table) => (await rows("SELECT open FROM slow.scans WHERE name = ?", [table]))[0].open;

async function main() {
  assert.deepEqual(await rows("SELECT current_user AS who"), [{ who: "dana" }]);
  const wrong = { Authorization: `Basic ${btoa(`${PGUSER}:wrong`)}` };
  await fails(401, "28P01", get("/_table", wrong), "password authentication failed");
  await fails(401, "28000", fetch(`${API}/_table`), "no credentials were sent");
  ok("connect");

  const columns = (await (await get("/_catalog/sales/customers")).json()).resource;
  assert.equal(columns.length, 11, JSON.stringify(columns));
  assert.ok((await (await get("/_table")).json()).resource.some((table) => table.name === "sales.customers"));
  ok("metadata");

  const text = "Łódź 'q' \"d\" \\ \n 你好 🚲";
  const given = [true, 7, 0.1, text, null, "2024-02-29", "1999-12-31T23:00:00Z", "{1,NULL,3}"];
  const casts = ["bool", "int", "float8", "text", "text", "date", "timestamptz", "int[]"];
  const [values] = await rows(`SELECT ${casts.map((cast, at) => `?::${cast} AS v${at}`).join(", ")}`, given);
  assert.deepEqual(Object.values(values).slice(0, 6), given.slice(0, 6));
  assert.equal(new Date(values.v6).getTime(), Date.UTC(1999, 11, 31, 23));
  assert.deepEqual(values.v7, [1, null, 3]);
  // JavaScript's numbers would lose digits of these, so that they are looked at in the text.
  const exact = await (await query("SELECT 9223372036854775807::bigint AS i, 12345678901234567890.12 AS d")).text();
  assert.match(exact, /9223372036854775807/);
  assert.match(exact, /12345678901234567890\.12/);
  assert.deepEqual(await rows("SELECT 'NaN'::float8 AS n, '-Infinity'::float8 AS i"), [{ n: "NaN", i: "-Infinity" }]);
  ok("types");

  const page = await (await get("/_table/sales.orders?fields=id&order=id&limit=100&offset=250&include_count=true")).json();
  assert.deepEqual([page.resource.length, page.resource[0].id, page.meta.count, page.meta.next], [50, 251, 300, undefined]);
  const filter = new URLSearchParams({ filter: "(status = 'paid') AND (id > 290)", fields: "id", order: "id" });
  assert.deepEqual((await (await get(`/_table/sales.orders?${filter}`)).json()).resource, [{ id: 292 }, { id: 295 }, { id: 298 }]);
  // Lines as they come, of what does not end.
  const stop = new AbortController();
  const lines = await query("SELECT n FROM slow.endless", [], { Accept: "application/x-ndjson" }, { signal: stop.signal });
  assert.equal(lines.headers.get("content-type"), "application/x-ndjson");
  const reader = lines.body.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  assert.deepEqual(JSON.parse(value.split("\n")[0]), { n: 0 });
  assert.equal(await open("endless"), 1);
  stop.abort();
  // What came before may still be read.
  const rest = async () => {
    while (!(await reader.read()).done);
  };
  await assert.rejects(rest(), { name: "AbortError" });
  await until(async () => (await open("endless")) === 0);
  ok("paging");

  const waits = query("SELECT n FROM slow.waits", [], {}, { signal: AbortSignal.timeout(500) });
  await assert.rejects(waits, { name: "TimeoutError" });
  await until(async () => (await open("waits")) === 0);
  ok("cancel");

  const missing = await fails(400, "42703", query("SELECT nam FROM sales.customers"), 'column "nam" does not exist');
  assert.equal(missing.context.position, 8);
  const unknown = await fails(400, "42883", query("SELECT nofunc(1)"), "function nofunc does not exist");
  assert.match(unknown.context.hint, /^No function matches/);
  await fails(400, "22012", query("SELECT 1/0"), "division by zero");
  await fails(404, "42P01", get("/_table/nosuch"), "does not exist");
  await fails(403, "25006", query("INSERT INTO sales.orders (id) VALUES (1)"));
  // An answer that breaks off is an error of reading it, never half a result.
  const broken = await query("SELECT 1 / (100000 - n) AS x FROM slow.endless");
  assert.equal(broken.status, 200);
  await assert.rejects(broken.json());
  assert.deepEqual(await rows("SELECT 2 AS two"), [{ two: 2 }]);
  ok("errors");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
