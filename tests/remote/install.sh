#!/bin/sh
# Puts Spark with Delta, which tests/remote starts, into a cache folder, in the versions named here (Sail comes with
# tests/stand_ins/workspace/install.sh). Run again it does nothing. Prints the folder. LAKEGATE_REMOTE overrides where it is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# Delta is built for one Spark: the two move together.
SPARK=4.2.0
SCALA=2.13
DELTA_FOR_SPARK=4.2
DELTA=4.4.0

folder=${LAKEGATE_REMOTE:-${XDG_CACHE_HOME:-$HOME/.cache}/lakegate/remote}
mkdir -p "$folder"
cd "$folder"

. "$here/../need.sh"

# Only what a Connect server needs, a third of Spark's own distribution.
if need java default-jre-headless && need mvn maven; then
    jars_in spark "org.apache.spark:spark-sql_$SCALA:$SPARK" "org.apache.spark:spark-connect_$SCALA:$SPARK" \
        "io.delta:delta-spark_${DELTA_FOR_SPARK}_$SCALA:$DELTA"
fi

echo "$folder"
