# What the scripts that fetch tools for tests share; read by them, in the folder that they fetch into.

say() { echo "$@" >&2; }

# Asks the system's package manager only for what is not there, and only where it may be asked.
need() {
    program=$1
    shift
    command -v "$program" >/dev/null 2>&1 && return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        { apt-get update -q && apt-get install -y --no-install-recommends "$@"; } >&2 || say "cannot install $*"
    fi
    command -v "$program" >/dev/null 2>&1 || { say "no $program: install $*"; return 1; }
}

# Jars with all that they need, each as group:artifact:version, in FOLDER/jars. Maven sees that their versions fit.
jars_in() {
    jars=$1
    shift
    [ "$(cat "$jars.installed" 2>/dev/null)" = "$*" ] && return 0
    rm -rf "$jars"
    mkdir -p "$jars"
    {
        echo '<project><modelVersion>4.0.0</modelVersion><groupId>jars</groupId><artifactId>jars</artifactId>'
        echo '<version>1</version><packaging>pom</packaging><dependencies>'
        for jar in "$@"; do
            echo "$jar" | sed 's|\(.*\):\(.*\):\(.*\)|<dependency><groupId>\1</groupId><artifactId>\2</artifactId><version>\3</version></dependency>|'
        done
        echo '</dependencies></project>'
    } >"$jars/pom.xml"
    mvn -q -B -f "$jars/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/$jars/jars" -DincludeScope=runtime >&2
    echo "$*" >"$jars.installed"
}

# A Python of the folder's own with these packages, each as name==version.
python_with() {
    [ "$(cat python.installed 2>/dev/null)" = "$*" ] && return 0
    if ! python3 -m venv --clear python; then
        [ "$(id -u)" = 0 ] && apt-get install -y python3-venv >&2
        python3 -m venv --clear python
    fi
    python/bin/python -m pip install --quiet --disable-pip-version-check "$@" >&2
    echo "$*" >python.installed
}
