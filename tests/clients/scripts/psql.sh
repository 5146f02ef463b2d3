#!/bin/sh
# psql against the server that the PG* variables name. Prints `ok <step>`, exits with 1 on a failure.
set -u

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

run() { psql -X -v ON_ERROR_STOP=1 "$@" 2>&1; }

# expect <what must be in the output> <arguments>...
expect() {
    wanted=$1
    shift
    output=$(run "$@") || fail "psql $*: $output"
    case $output in
    *"$wanted"*) ;;
    *) fail "psql $*: no '$wanted' in: $output" ;;
    esac
}

# error <SQLSTATE> <SQL> <what the message must hold>
error() {
    output=$(psql -X -v VERBOSITY=verbose -c "$2" 2>&1) && fail "$2: no error"
    case $output in
    *"$1"*"$3"*) ;;
    *) fail "$2: no '$1' and '$3' in: $output" ;;
    esac
}

expect '1' -At -c 'SELECT 1'
expect 'You are connected to database "lake" as user "dana"' -c '\conninfo'
echo ok connect

expect 'customers' -c '\dt sales.*'
expect 'customer_totals' -c '\dv sales.*'
expect 'sales' -c '\dn'
expect 'List of functions' -c '\df'
expect 'lake' -c '\l'
expect 'dana' -c '\du'
expect 'order_items' -c '\dp sales.*'
expect 'character varying' -c '\d sales.customers'
expect 'timestamp without time zone' -c '\d sales.products'
expect 'numeric(12,2)' -c '\d sales.customers'
expect 'Type' -c '\d+ sales.orders'
expect 'View "sales.customer_totals"' -c '\d sales.customer_totals'
expect 'orders' -c 'SET search_path TO sales' -c '\d'
expect 'List of data types' -c '\dT'
expect 'List of installed extensions' -c '\dx'
output=$(echo 'SELECT id, balance, tags FROM sales.customers \gdesc' | run)
case $output in
*'balance | numeric(12,2)'*'tags    | text[]'*) ;;
*) fail "\\gdesc: $output" ;;
esac
for meta in '\db' '\dc' '\dC' '\dd' '\ddp' '\dD' '\des' '\det' '\deu' '\dew' '\dF' '\dFd' '\dFp' '\dFt' '\di' '\dL' '\dO' '\do' \
    '\dP' '\drds' '\dRp' '\dRs' '\ds' '\dx' '\dX' '\dy' '\dm' '\dE' '\da' '\dA' '\dconfig' '\l+' '\dn+' '\du+' '\dt+ sales.*'; do
    output=$(run -c "$meta") || fail "$meta: $output"
done
echo ok metadata

expect "t|7|-70000|1099511627776|1.5|0.1|1.50|x'y|\\x00ff|2024-02-29|23:59:59.999999" -At \
    -c "SELECT true, 7::int2, -70000, 1099511627776, 1.5::float4, 0.1::float8, 1.50, 'x''y', '\\x00ff'::bytea, DATE '2024-02-29', TIME '23:59:59.999999'"
expect '2024-02-29 01:02:03.000004|2024-02-29 01:02:03+00|3 days 04:00:00|80000000-0000-0000-0000-000000000005' -At -c 'SET timezone = UTC' \
    -c "SELECT TIMESTAMP '2024-02-29 01:02:03.000004', TIMESTAMPTZ '2024-02-29 01:02:03Z', INTERVAL '3 days 4 hours', '80000000-0000-0000-0000-000000000005'::uuid"
expect '{"a": [1, null]}|{1,NULL,3}|{a,"b c",NULL}||' -At \
    -c "SELECT '{\"a\": [1, null]}'::json, ARRAY[1, NULL, 3], ARRAY['a', 'b c', NULL], NULL, NULL::int"
echo ok types

expect '300' -At -v FETCH_COUNT=50 -c 'SELECT id FROM sales.orders ORDER BY id'
expect '12' -At -c 'BEGIN' -c 'DECLARE c SCROLL CURSOR FOR SELECT id FROM sales.orders ORDER BY id' -c 'FETCH 10 FROM c' -c 'MOVE 1 FROM c' -c 'FETCH c' -c 'COMMIT'
echo ok paging

psql -X -c 'SELECT n FROM slow.waits' >"${TMPDIR:-/tmp}/psql-cancel.$$" 2>&1 &
waiting=$!
# A request that comes before the statement runs has no effect: ask until it has.
while sleep 0.5 && kill -INT $waiting 2>/dev/null; do :; done
wait $waiting
output=$(cat "${TMPDIR:-/tmp}/psql-cancel.$$")
rm -f "${TMPDIR:-/tmp}/psql-cancel.$$"
case $output in
*'canceling statement due to user request'*) ;;
*) fail "cancel: $output" ;;
esac
error 57014 "SET statement_timeout = '200ms'; SELECT n FROM slow.waits" 'cancel'
echo ok cancel

error 42703 'SELECT nope FROM sales.orders' 'LINE 1: SELECT nope'
error 42P01 'SELECT * FROM nosuch' 'LINE 1: SELECT * FROM nosuch'
error 42601 'SELEC 1' 'LINE 1: SELEC 1'
error 22012 'SELECT 1/0' 'division by zero'
error 22P02 "SELECT 'a'::int" 'invalid input syntax'
error 25006 'INSERT INTO sales.orders (id) VALUES (1)' ''
echo ok errors

expect '3' -At -c 'BEGIN' -c 'SAVEPOINT a' -c 'SELECT 3' -c 'ROLLBACK TO a' -c 'COMMIT'
output=$(printf 'BEGIN;\nSELECT 1/0;\nSELECT 2;\nCOMMIT;\n' | psql -X 2>&1)
case $output in
*'division by zero'*'current transaction is aborted'*ROLLBACK*) ;;
*) fail "transaction: $output" ;;
esac
echo ok transaction

expect '1,C1' -c '\copy (SELECT id, name FROM sales.customers ORDER BY id LIMIT 2) TO STDOUT CSV'
expect 'order_id;line' -c "COPY sales.order_items TO STDOUT WITH (FORMAT csv, DELIMITER ';', HEADER)"
echo ok copy
