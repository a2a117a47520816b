#!/usr/bin/env bash
# Creates the virtual environment and installs the pinned packages into it.
#
#   setup/virtual-environment.sh PYTHON VENV
set -euo pipefail

python=$1
venv=$2
lock=requirements-dev.txt # everything in requirements.txt and requirements-cluster.txt, and the tools

stop() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

command -v "$python" >/dev/null ||
    stop "there is no program '$python'; this project needs Python 3.11, 3.12 or 3.13." \
        "Name one: make setup PYTHON=/path/to/python3.11"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' ||
    stop "'$python' is $("$python" --version 2>&1); this project needs Python 3.11, 3.12 or 3.13." \
        "Name one: make setup PYTHON=/path/to/python3.11"

# --clear would empty the folder that a link leads to, which another checkout may be using.
[[ ! -L $venv ]] || stop "$venv is a link to $(readlink "$venv"); remove it, or set up the other checkout."

"$(dirname "$0")/system-packages.sh" build "$python"

echo "Creating the virtual environment $venv with $("$python" --version) …"
"$python" -m venv --clear "$venv"

count=$(grep -c '^[A-Za-z0-9].*==' "$lock")
echo "Installing $count pinned packages from $lock (one or two minutes) …"
log=$venv/install.log
if ! "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
    --no-python-version-warning --requirement "$lock" >"$log" 2>&1; then
    cat "$log" >&2
    stop "pip could not install $lock; its own words are above and in $log."
fi

# Makes `import image_duplication` work from any folder. The path is relative to the file, so the
# checkout may be moved.
site_packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$venv/bin/python" - "$site_packages" <<'PYTHON'
import os
import pathlib
import sys

site_packages = pathlib.Path(sys.argv[1])
relative = os.path.relpath(pathlib.Path("plugins").resolve(), site_packages.resolve())
(site_packages / "image_duplication.pth").write_text(relative + "\n", encoding="utf-8")
PYTHON

echo "Ready: $venv"
