#!/bin/sh
# Runs each query of a folder through psql, and writes the answers as CSV: queries_psql.sh QUERIES ANSWERS
set -eu
for query in "$1"/*.sql; do
    psql -X -v ON_ERROR_STOP=1 --csv -f "$query" -o "$2/$(basename "$query" .sql).csv"
done
echo ok
