#!/bin/sh
# Puts what the stand-in and its tests need into a cache folder, in the versions named here.
# Run again it does nothing. Prints the folder. LAKEGATE_STAND_INS overrides where it is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

PYSAIL=0.7.2
PYSPARK_CLIENT=4.2.0
PYARROW=26.0.1
PANDAS=2.3.3
GRPCIO=1.85.3
PROTOBUF=7.36.2
PYJWT=2.15.1
CRYPTOGRAPHY=50.0.2
DATABRICKS_SDK=0.162.0
DATABRICKS_SQL_CONNECTOR=4.9.0
LZ4=4.4.5
DATABRICKS_JDBC=3.4.5

folder=${LAKEGATE_STAND_INS:-${XDG_CACHE_HOME:-$HOME/.cache}/lakegate/stand_ins}
mkdir -p "$folder"
cd "$folder"

. "$here/../../need.sh"

need python3 python3 python3-venv
python_with "pysail==$PYSAIL" "pyspark-client==$PYSPARK_CLIENT" "pyarrow==$PYARROW" "pandas==$PANDAS" "grpcio==$GRPCIO" \
    "grpcio-status==$GRPCIO" "protobuf==$PROTOBUF" "PyJWT==$PYJWT" "cryptography==$CRYPTOGRAPHY" \
    "databricks-sdk==$DATABRICKS_SDK" "databricks-sql-connector==$DATABRICKS_SQL_CONNECTOR" "lz4==$LZ4"

# The JDBC driver is for the tests alone: without Java they say so.
if need java default-jdk-headless && need mvn maven; then
    jars_in java "com.databricks:databricks-jdbc:$DATABRICKS_JDBC"
    cp "java/jars/databricks-jdbc-$DATABRICKS_JDBC.jar" databricks-jdbc.jar
fi

echo "$folder"
