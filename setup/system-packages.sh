#!/usr/bin/env bash
# Makes sure that this machine has the programs and headers one purpose needs.
#
#   setup/system-packages.sh build PYTHON   what the virtual environment needs (mysqlclient has no
#                                           wheels and is compiled)
#   setup/system-packages.sh mariadb        a MariaDB server that the demo and the tests can start
#   setup/system-packages.sh browser        Chromium, which tests drive, and a font for Hindi in it
#   setup/system-packages.sh cluster        PostgreSQL and Redis servers for the test of many machines
#   setup/system-packages.sh load           hey, which sends requests to a service that is measured
#
# What matters is whether a program or header is there, not which package brought it. When
# something is missing on Debian or Ubuntu, its package is installed by root or through a sudo that
# asks for no password; otherwise the missing packages are named and the script ends with code 1.
set -euo pipefail

missing=()

add_missing_build_packages() {
    local python=$1 version prefix
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    prefix=$("$python" -c 'import sys; print(sys.base_prefix)')

    { command -v cc && command -v c++; } >/dev/null || missing+=(build-essential)
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    # The same names, in the same order, that mysqlclient's own build looks for.
    { pkg-config --exists mysqlclient || pkg-config --exists mariadb ||
        pkg-config --exists libmariadb || pkg-config --exists perconaserverclient; } 2>/dev/null ||
        missing+=(default-libmysqlclient-dev)

    # A Python outside /usr brings its own headers and modules, or no package here could add them.
    if ! "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'; then
        [[ $prefix == /usr ]] || stop "$python has no header files (Python.h)." \
            "Install them, or choose another Python: make setup PYTHON=/path/to/python3.11"
        missing+=("python$version-dev")
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        [[ $prefix == /usr ]] || stop "$python lacks the modules venv and ensurepip." \
            "Choose another Python: make setup PYTHON=/path/to/python3.11"
        missing+=("python$version-venv")
    fi
}

# The core packages hold the programs and no service, so no server is ever started or left running.
add_missing_mariadb_packages() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin
    if { command -v mariadbd && command -v mariadb-install-db && command -v my_print_defaults; } \
        >/dev/null; then
        return
    fi
    local role
    for role in server client; do
        missing+=("$(mariadb_core_package $role)")
    done
}

add_missing_browser_packages() {
    command -v chromium >/dev/null || missing+=(chromium)
    { command -v fc-list && [[ -n $(fc-list :lang=hi family) ]]; } >/dev/null ||
        missing+=(fonts-lohit-deva fontconfig)
}

# Their packages bring services too, which apt_get keeps from starting.
add_missing_cluster_packages() {
    command -v redis-server >/dev/null || missing+=(redis-server)
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ||
        missing+=(postgresql)
}

# Older releases (Ubuntu 22.04) know the package only with its version in its name.
mariadb_core_package() {
    local plain=mariadb-$1-core versioned
    versioned=$(apt-cache pkgnames "$plain-" 2>/dev/null | grep -E -- '-core-[0-9.]+$' | sort -V |
        tail -n 1 || true)
    if [[ -n $versioned ]] && [[ -z $(apt-cache pkgnames "$plain" | grep -x "$plain") ]]; then
        echo "$versioned"
    else
        echo "$plain"
    fi
}

stop() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

become_root=()

find_way_to_root() {
    if ! command -v apt-get >/dev/null; then
        stop "this machine lacks what these Debian packages bring: ${missing[*]}" \
            "It has no apt-get, so install their counterparts by hand and start again."
    fi
    if [[ $EUID -eq 0 ]]; then
        return
    fi
    if ! { command -v sudo && sudo -n true; } >/dev/null 2>&1; then
        stop "these system packages are missing: ${missing[*]}" \
            "Installing them needs root. Run this, then start again:" \
            "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
    fi
    become_root=(sudo -n)
}

# Debian asks this program whether a package may start its service; no package may meanwhile.
policy=/usr/sbin/policy-rc.d

forbid_services() {
    if [[ -e $policy ]]; then
        return
    fi
    trap allow_services EXIT
    printf '#!/bin/sh\nexit 101\n' | "${become_root[@]}" tee "$policy" >/dev/null
    "${become_root[@]}" chmod 755 "$policy"
}

allow_services() {
    "${become_root[@]}" rm -f "$policy"
}

apt_get() {
    local log
    log=$(mktemp)
    if ! "${become_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null \
        >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        stop "'apt-get $*' failed; its own words are above."
    fi
    rm -f "$log"
}

check_missing() {
    missing=()
    case $1 in
    build) add_missing_build_packages "${2:?which Python}" ;;
    mariadb) add_missing_mariadb_packages ;;
    browser) add_missing_browser_packages ;;
    cluster) add_missing_cluster_packages ;;
    load) command -v hey >/dev/null || missing+=(hey) ;;
    *) stop "expected 'build PYTHON', 'mariadb', 'browser', 'cluster' or 'load', received '$1'" ;;
    esac
}

check_missing "${1:-}" "${2:-}"
if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi
find_way_to_root
echo "Installing the system packages ${missing[*]} …"
apt_get update
check_missing "$@" # a package's name may depend on the lists that were just read
forbid_services
# --no-remove: nothing of another installation, such as a MySQL server, has to make room.
apt_get install -y --no-install-recommends --no-remove "${missing[@]}"
check_missing "$@"
if [[ ${#missing[@]} -gt 0 ]]; then
    stop "apt-get installed the packages, but what they should bring is still not found: ${missing[*]}"
fi
