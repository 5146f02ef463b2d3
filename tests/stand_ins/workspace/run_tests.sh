#!/bin/sh
# Installs what is missing and runs the stand-in's own tests; arguments go to unittest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(sh "$here/install.sh")
export PYTHONPATH="$here/.." PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS="ignore::FutureWarning" LAKEGATE_STAND_INS="$folder"
if [ $# -eq 0 ]; then
    set -- discover -s "$here/tests" -t "$here/.." -p 'test_*.py'
fi
exec "$folder/python/bin/python" -m unittest "$@"
