#!/bin/sh
# Puts the drivers that tests/clients drives into a cache folder, in the versions named here.
# Run again it does nothing. Prints the folder. LAKEGATE_CLIENTS overrides where it is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

PSYCOPG=3.3.9
ASYNCPG=0.32.0
PGJDBC=42.7.4
DELTALAKE=1.6.6
PYARROW=26.0.1
ADBC_FLIGHTSQL=1.13.0
ADBC_MANAGER=1.13.0
FLIGHT_SQL_JDBC=18.3.0
NODE_POSTGRES=8.23.1
PG_CURSOR=2.22.0

folder=${LAKEGATE_CLIENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/lakegate/clients}
mkdir -p "$folder"
cd "$folder"

. "$here/../need.sh"

need psql postgresql-client || true

if need python3 python3 python3-venv; then
    python_with "psycopg[binary]==$PSYCOPG" "asyncpg==$ASYNCPG" "deltalake==$DELTALAKE" "pyarrow==$PYARROW" \
        "adbc-driver-flightsql==$ADBC_FLIGHTSQL" "adbc-driver-manager==$ADBC_MANAGER"
fi

need curl curl || true

if need java default-jdk-headless && need mvn maven; then
    jars_in java "org.postgresql:postgresql:$PGJDBC" "org.apache.arrow:flight-sql-jdbc-driver:$FLIGHT_SQL_JDBC"
    cp "java/jars/postgresql-$PGJDBC.jar" pgjdbc.jar
    cp "java/jars/flight-sql-jdbc-driver-$FLIGHT_SQL_JDBC.jar" flight-sql-jdbc.jar
fi

if need node nodejs && need npm npm; then
    wanted="pg $NODE_POSTGRES pg-cursor $PG_CURSOR"
    if [ "$(cat node.installed 2>/dev/null)" != "$wanted" ]; then
        mkdir -p node
        echo '{"private": true}' >node/package.json
        npm install --prefix node --no-audit --no-fund --silent "pg@$NODE_POSTGRES" "pg-cursor@$PG_CURSOR" >&2
        echo "$wanted" >node.installed
    fi
fi

echo "$folder"
