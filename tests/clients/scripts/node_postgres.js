// node-postgres against the server that the PG* variables name. Prints `ok <step>`, fails loudly.
'use strict'

const assert = require('node:assert/strict')
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')

const ok = (step) => console.log('ok', step)

async function fails(promise, code, position) {
  const error = await promise.then(() => null, (error) => error)
  assert.ok(error, `no error instead of ${code}`)
  assert.equal(error.code, code, error.message)
  if (position !== undefined) assert.equal(error.position, position, error.message)
}

async function main() {
  const client = new Client()
  await client.connect()
  const version = await client.query('SHOW server_version')
  assert.match(version.rows[0].server_version, /^1[5-9]/)
  ok('connect')

  const tables = await client.query({
    text: 'SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = $1 ORDER BY 1', values: ['sales'], rowMode: 'array',
  })
  assert.deepEqual(tables.rows.flat(), ['customers', 'order_items', 'orders', 'products'])
  const empty = await client.query('SELECT * FROM sales.customers LIMIT 0')
  assert.deepEqual(empty.fields.slice(0, 5).map((field) => [field.name, field.dataTypeID]),
    [['id', 23], ['uid', 2950], ['name', 25], ['email', 1043], ['active', 16]])
  ok('metadata')

  const values = [
    ['bool', true, true], ['int2', 7, 7], ['int4', -70000, -70000], ['int8', '1099511627776', '1099511627776'],
    ['float4', 1.5, 1.5], ['float8', 0.1, 0.1], ['numeric', '12345678901234567890.000123', '12345678901234567890.000123'],
    ['text', "Łódź 'q'", "Łódź 'q'"], ['bytea', Buffer.from([0, 255, 92]), Buffer.from([0, 255, 92])],
    ['time', '23:59:59.999999', '23:59:59.999999'], ['uuid', '80000000-0000-0000-0000-000000000005', '80000000-0000-0000-0000-000000000005'],
    ['timestamptz', new Date('1999-12-31T23:00:00.123Z'), new Date('1999-12-31T23:00:00.123Z')],
    ['timestamp', '2024-02-29 01:02:03.004', new Date(2024, 1, 29, 1, 2, 3, 4)], ['date', '2024-02-29', new Date(2024, 1, 29)],
    ['json', { a: [1, null] }, { a: [1, null] }], ['jsonb', '{"b": 2}', { b: 2 }],
    ['int4[]', [1, null, 3], [1, null, 3]], ['text[]', ['a', 'b"c', null, 'd,e'], ['a', 'b"c', null, 'd,e']],
    ['float8[]', [0.5, -2], [0.5, -2]], ['bool[]', [true, false], [true, false]],
  ]
  for (const [type, value, expected] of values) {
    const result = await client.query(`SELECT $1::${type} AS v, $2::${type} AS n`, [value, null])
    // A numeric without a declared scale has ten digits here.
    if (type === 'numeric') result.rows[0].v = result.rows[0].v.replace(/0+$/, '')
    assert.deepEqual(result.rows[0], { v: expected, n: null }, type)
  }
  const interval = await client.query("SELECT $1::interval AS v", ['3 days 04:05:06'])
  assert.deepEqual({ ...interval.rows[0].v }, { days: 3, hours: 4, minutes: 5, seconds: 6 })
  const binary = await client.query({
    text: "SELECT true AS b, 7::int2 AS i2, 70000::int4 AS i4, 0.5::float8 AS f8, 'x'::text AS t, null::int4 AS n", values: [], binary: true,
  })
  assert.deepEqual(binary.rows[0], { b: true, i2: 7, i4: 70000, f8: 0.5, t: 'x', n: null })
  ok('types')

  const orders = await client.query('SELECT id FROM sales.orders WHERE id = ANY($1) AND total > $2 AND status <> $3 ORDER BY id',
    [[1, 2, 3], '1.5', 'x'])
  assert.deepEqual(orders.rows, [{ id: '1' }, { id: '2' }, { id: '3' }])
  for (const id of [1, 2, 3]) {
    const named = await client.query({ name: 'by-id', text: 'SELECT name FROM sales.customers WHERE id = $1', values: [id] })
    assert.deepEqual(named.rows, [{ name: `C${id}` }])
  }
  const many = await client.query('SELECT 1 AS a; SELECT 2 AS b')
  assert.deepEqual(many.map((result) => result.rows), [[{ a: 1 }], [{ b: 2 }]])
  ok('parameters')

  const cursor = client.query(new Cursor('SELECT id FROM sales.orders WHERE id > $1 ORDER BY id', [0]))
  let total = 0
  for (let rows = await cursor.read(100); rows.length > 0; rows = await cursor.read(100)) total += rows.length
  assert.equal(total, 300)
  await cursor.close()
  const left = client.query(new Cursor('SELECT id FROM sales.orders', []))
  assert.equal((await left.read(7)).length, 7)
  await left.close()
  assert.deepEqual((await client.query('SELECT 1 AS a')).rows, [{ a: 1 }])
  ok('paging')

  const other = new Client()
  await other.connect()
  const waiting = other.query('SELECT n FROM slow.waits')
  // A request that comes before the statement runs has no effect: ask until it has.
  const cancelling = setInterval(() => {
    const canceller = new Client()
    canceller.connection.on('error', () => {})
    canceller.cancel(other, other.activeQuery)
  }, 100)
  await fails(waiting, '57014')
  clearInterval(cancelling)
  await other.query("SET statement_timeout = '200ms'")
  await fails(other.query('SELECT n FROM slow.waits'), '57014')
  await other.end()
  ok('cancel')

  await fails(client.query('SELECT nope FROM sales.orders'), '42703', '8')
  await fails(client.query('SELECT * FROM nosuch WHERE id = $1', [1]), '42P01', '15')
  await fails(client.query('SELEC 1'), '42601', '1')
  await fails(client.query('SELECT 1/0'), '22012')
  ok('errors')

  await client.query('BEGIN')
  await fails(client.query('SELECT 1/0'), '22012')
  await fails(client.query('SELECT 1'), '25P02')
  assert.equal((await client.query('COMMIT')).command, 'ROLLBACK')
  await client.query('BEGIN')
  await client.query('SAVEPOINT a')
  await fails(client.query('SELECT nope'), '42703')
  await client.query('ROLLBACK TO a')
  assert.deepEqual((await client.query('SELECT 3 AS a')).rows, [{ a: 3 }])
  await client.query('COMMIT')
  ok('transaction')
  await client.end()

  const pool = new Pool({ max: 3 })
  const numbers = await Promise.all([...Array(10).keys()].map((number) => pool.query('SELECT $1::int4 AS n', [number])))
  assert.deepEqual(numbers.map((result) => result.rows[0].n), [...Array(10).keys()])
  await pool.end()
  ok('pool')
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
