#!/bin/sh
# curl as developers use it, against the server that REST_URL names. Prints `ok <step>`, exits with 1 on a failure.
set -u

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
api=$REST_URL/api/v2/$PGDATABASE

fail() {
    echo "FAILED: $*" >&2
    cat "$folder/head" "$folder/body" "$folder/errors" >&2 2>/dev/null
    exit 1
}

# ask <expected status> <arguments of curl>...: leaves the answer in head and body.
ask() {
    wanted=$1
    shift
    status=$(curl -sS -u "$PGUSER:$PGPASSWORD" -D "$folder/head" -o "$folder/body" -w '%{http_code}' "$@" 2>"$folder/errors") ||
        fail "curl $*: exit code $?"
    [ "$status" = "$wanted" ] || fail "curl $*: $status instead of $wanted"
}

# body <text> ...: the body holds each text.
body() {
    for text in "$@"; do
        grep -qF -- "$text" "$folder/body" || fail "no '$text' in the body"
    done
}

header() {
    grep -qiF -- "$1" "$folder/head" || fail "no header '$1'"
}

# sql <expected status> <JSON of the statement> <arguments of curl>...
sql() {
    wanted=$1 question=$2
    shift 2
    ask "$wanted" -H 'Content-Type: application/json' -d "$question" "$@" "$api/_query"
}

ask 200 "$REST_URL/healthz"
ask 200 "$api/_table"
body '"resource":[' 'sales.customers'
for login in 'dana:wrong' 'nobody:pencil' 'dana:'; do
    ask 401 -u "$login" "$api/_table"
    body 'password authentication failed' '"sqlstate":"28P01"'
    header 'www-authenticate: Basic'
done
for proof in 'X-Nothing: at all' 'Authorization: Bearer forged' 'X-API-Key: forged'; do
    status=$(curl -sS -o "$folder/body" -w '%{http_code}' -H "$proof" "$api/_table") || fail "$proof"
    [ "$status" = 401 ] || fail "$proof: $status"
    body '"sqlstate":"28000"'
done
ask 400 -H 'X-API-Key: forged' "$api/_table"
body 'two different credentials'
echo ok connect

ask 200 "$api/_catalog"
body '"sales"'
ask 200 "$api/_catalog/sales"
body 'customers' 'daily'
ask 200 "$api/_catalog/sales/customers"
body '"name":"balance"' 'numeric(12,2)'
ask 200 "$REST_URL/api/v2"
body "\"$PGDATABASE\""
echo ok metadata

sql 200 '{"sql": "SELECT true AS b, 9223372036854775807::bigint AS i, 0.1::float8 AS f, '"'NaN'"'::float8 AS n, 123456789012345678901234567890.12 AS d, NULL AS z, DATE '"'2024-02-29'"' AS day, TIMESTAMPTZ '"'1999-12-31 23:00:00Z'"' AS at, ARRAY[1, NULL, 3] AS a, '"'\\\\x00ff'"'::bytea AS bytes"}'
body '"b":true' '9223372036854775807' '"f":0.1' '"n":"NaN"' '123456789012345678901234567890.12' '"z":null' '"day":"2024-02-29"' '"at":"1999-12-31T23:00:00' '"a":[1,null,3]' '"bytes":"AP8="'
header 'content-type: application/json'
sql 200 '{"sql": "SELECT ? AS t", "params": ["Łódź \"q\" \\ 你好 🚲"]}'
body '"t":"Łódź \"q\" \\ 你好 🚲"'
sql 200 '{"sql": "SELECT uid, attrs, tags FROM sales.customers WHERE id = ?", "params": [3]}'
body '20202020-2020-2020-2020-202000000003' 'level' '["t3","all"]'
echo ok types

sql 200 '{"sql": "SELECT id FROM sales.orders WHERE id > ? AND status <> ? AND note IS NOT NULL ORDER BY id LIMIT 2", "params": [5, "x"]}'
body '{"id":6},{"id":8}'
sql 200 '{"sql": "SELECT id FROM sales.orders WHERE id = ?", "params": [null]}'
body '"resource":[]'
sql 400 '{"sql": "SELECT ?::int", "params": ["x"]}'
body '"sqlstate":"22P02"'
sql 400 '{"sql": "SELECT 1 WHERE 1 = ?"}'
body '1 parameters'
echo ok parameters

for kind in application/json application/x-ndjson text/csv application/vnd.apache.arrow.stream; do
    ask 200 -H "Accept: $kind" "$api/_table/sales.customers?fields=id,name&limit=3&order=id"
    header "content-type: $kind"
    cp "$folder/body" "$folder/$(basename "$kind")"
done
[ "$(cat "$folder/csv")" = "$(printf 'id,name\n1,C1\n2,C2\n3,C3')" ] || fail "csv: $(cat "$folder/csv")"
[ "$(wc -l <"$folder/x-ndjson")" -ge 3 ] || fail "ndjson: $(cat "$folder/x-ndjson")"
grep -qF '{"id":3,"name":"C3"}' "$folder/x-ndjson" || fail "ndjson: $(cat "$folder/x-ndjson")"
grep -qF '"resource":[{"id":1,"name":"C1"},' "$folder/json" || fail "json: $(cat "$folder/json")"
[ "$(head -c 4 "$folder/vnd.apache.arrow.stream" | od -An -tx1 | tr -d ' ')" = ffffffff ] || fail 'no Arrow stream'
ask 406 -H 'Accept: image/png' "$api/_table/sales.customers"
# A browser's address bar prefers HTML, and takes anything.
ask 200 -H 'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' "$api/_table/sales.customers?limit=1"
header 'content-type: application/json'
# Compression is not offered: who accepts it gets plain text, which --compressed reads too.
ask 200 --compressed "$api/_table/sales.customers?limit=1"
body '"name":"C1"'
echo ok formats

ask 200 "$api/_table/sales.orders?fields=id&order=id&limit=2&offset=10&include_count=true"
body '{"id":11},{"id":12}' '"count":300' '"next":12'
ask 200 -G "$api/_table/sales.orders" --data-urlencode "filter=(status = 'paid') AND (id > 290)" -d fields=id --data-urlencode order='id desc'
body '"resource":[{"id":298}'
ask 200 "$api/_table/sales.orders?count_only=true"
[ "$(cat "$folder/body")" = 300 ] || fail 'count_only'
ask 200 -I "$api/_table/sales.orders?limit=1"
header 'content-type: application/json'
[ ! -s "$folder/body" ] || grep -q '^HTTP' "$folder/body" || fail 'HEAD with a body'
# Of what does not end curl takes the first bytes, and closes.
curl -sS -N -u "$PGUSER:$PGPASSWORD" -H 'Accept: text/csv' -H 'Content-Type: application/json' \
    -d '{"sql": "SELECT n FROM slow.endless"}' "$api/_query" 2>/dev/null | head -n 3 >"$folder/body"
[ "$(cat "$folder/body")" = "$(printf 'n\n0\n1')" ] || fail 'the first rows'
scans_end() {
    tries=0
    while sql 200 "{\"sql\": \"SELECT open FROM slow.scans WHERE name = '$1' AND open > 0\"}" && ! grep -qF '"resource":[]' "$folder/body"; do
        tries=$((tries + 1))
        [ $tries -lt 1000 ] || fail "slow.$1 is still read"
    done
}
scans_end endless
# With a deadline curl gives up (28), and the server stops.
curl -sS -m 1 -u "$PGUSER:$PGPASSWORD" -H 'Content-Type: application/json' -d '{"sql": "SELECT n FROM slow.waits"}' "$api/_query" >/dev/null 2>&1
[ $? = 28 ] || fail 'a deadline'
scans_end waits
echo ok paging and cancel

sql 400 '{"sql": "SELECT nam FROM sales.customers"}'
body 'column \"nam\" does not exist' '"sqlstate":"42703"' '"position":8' '"request_id":"'
sql 400 '{"sql": "SELECT nofunc(1)"}'
body 'function nofunc does not exist' '"hint":"No function matches'
sql 400 '{"sql": "SELEC 1"}'
body '"sqlstate":"42601"'
sql 400 '{"sql": "SELECT 1/0"}'
body 'division by zero' '"sqlstate":"22012"'
sql 403 '{"sql": "INSERT INTO sales.orders (id) VALUES (1)"}'
body '"sqlstate":"25006"'
sql 400 '{"sql": '
sql 400 '{"sql": "SELECT 1; SELECT 2"}'
body 'more than one statement'
ask 415 -d '{"sql": "SELECT 1"}' "$api/_query"
ask 405 "$api/_query"
header 'allow: POST'
ask 404 "$api/_table/nosuch"
body '"sqlstate":"42P01"'
ask 404 "$REST_URL/api/v2/nosuch/_table"
ask 400 "$api/_table/sales.orders?filter=nope%20%3D%201"
body 'column \"nope\" does not exist'
ask 400 "$api/_table/sales.orders?fliter=1"
body 'filter'
ask 501 -X DELETE "$api/_table/sales.orders"
body 'for reading only'
# -f makes an error of HTTP one of the shell (22), and --fail-with-body shows why.
curl -sf -u "$PGUSER:$PGPASSWORD" "$api/_table/nosuch" >"$folder/body" 2>/dev/null
[ $? = 22 ] || fail '-f'
[ ! -s "$folder/body" ] || fail '-f with a body'
curl -s --fail-with-body -u "$PGUSER:$PGPASSWORD" "$api/_table/nosuch" >"$folder/body"
[ $? = 22 ] || fail '--fail-with-body'
body 'does not exist'
# What fails when rows are out already is no complete answer: curl says so (18).
curl -sS -u "$PGUSER:$PGPASSWORD" -H 'Content-Type: application/json' \
    -d '{"sql": "SELECT 1 / (100000 - n) AS x FROM slow.endless"}' "$api/_query" >"$folder/body" 2>"$folder/errors"
[ $? = 18 ] || fail 'an answer that breaks off'
ask 200 "$api/_table/sales.daily"
echo ok errors
