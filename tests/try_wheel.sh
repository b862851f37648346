#!/usr/bin/env bash
# Try a wheel as a stranger gets it: installed alone, used from an empty folder.
#
#   tests/try_wheel.sh WHEEL PYTHON [FOLDER]
#
# PYTHON makes an empty environment in FOLDER (a temporary one by default, removed at the end; one
# that is there is used again), in which pip installs the wheel with the versions of
# constraints.txt. With CI's environment instead of an empty one, which takes no downloads:
#
#   tests/try_wheel.sh WHEEL .venv/bin/python --here
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wheel=$(realpath "$1")
python=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH
if [ "${3:-}" = --here ]; then
    # Without its dependencies, in a folder that is looked in before the environment's own.
    python=$(realpath -s "$python")
    "$python" -m zipfile -e "$wheel" "$work/site"
    export PYTHONPATH="$work/site"
else
    folder=${3:-$work/environment}
    [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
    python=$(realpath -s "$folder/bin/python")
    pip=("$python" -m pip install --quiet --disable-pip-version-check)
    "${pip[@]}" -c "$here/../constraints.txt" "$wheel"
    "${pip[@]}" --force-reinstall --no-deps "$wheel" # also where one of this version is there
fi
mkdir "$work/empty"
cd "$work/empty"
export MPLBACKEND=Agg OMP_NUM_THREADS=1
unset NEUROLENS_MIRROR
run() { # a command of neurolens
    "$python" -W error::DeprecationWarning:neurolens -c \
        "import sys; from neurolens.cli.app import main; sys.exit(main())" "$@"
}
"$python" - <<'PYTHON'
import sys, time
from pathlib import Path

begin = time.process_time()
import neurolens
print(f"Python {sys.version.split()[0]}, neurolens {neurolens.__version__} in {Path(neurolens.__file__).parent}")
print(f"import neurolens: {time.process_time() - begin:.2f} s of processor time")
assert not (Path(neurolens.__file__).parents[1] / "datasets").exists(), "this is a clone"
for room in neurolens.__all__:
    for name in getattr(getattr(neurolens, room), "__all__", ()):
        getattr(getattr(neurolens, room), name)
PYTHON
run --version
run --help >help.txt
grep -q datasets help.txt
run datasets list >list.txt
grep -c "^[a-z].*:" list.txt | sed 's/$/ data sets/'
run demo --offline --seed 0 --output demo --quiet >demo.txt
test "$(wc -c <demo/report.html)" -gt 100000
if [ -z "${PYTHONPATH:-}" ]; then
    "$python" "$here/helpers/missing_extras.py" # no extra is installed here
fi
left=$(find . -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')
test "$left" = "demo demo.txt help.txt list.txt " || { echo "left behind: $left"; exit 1; }
echo "the wheel works"
