#!/bin/sh
# Runs each query of a folder through curl, and writes the answers as CSV: queries_curl.sh QUERIES ANSWERS
set -eu
for query in "$1"/*.sql; do
    # A text of JSON: backslashes and quotes behind a backslash, ends of lines as \n; no semicolon at the end.
    text=$(sed 's/\\/\\\\/g; s/"/\\"/g; s/;[[:space:]]*$//' "$query" | awk '{ printf "%s\\n", $0 }')
    printf '{"sql": "%s"}' "$text" |
        curl -sS --fail-with-body -u "$PGUSER:" -H 'Content-Type: application/json' -H 'Accept: text/csv' \
            -d @- "$REST_URL/api/v2/$PGDATABASE/_query" -o "$2/$(basename "$query" .sql).csv"
done
echo ok
