#!/usr/bin/env bash
# Starts and stops the container engine that `make image` and `make e2e` need: engine.sh start|stop
# An engine that already answers is used and never stopped: it is somebody else's.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
state=$root/build/engine

fail() {
    echo "engine: $1" >&2
    exit 3
}

answers() {
    docker version >/dev/null 2>&1
}

# A pid alone may have been given to another process since: its name must be dockerd too.
ours() {
    [ -s "$state/pid" ] && [ "$(cat "/proc/$(cat "$state/pid")/comm" 2>/dev/null)" = dockerd ]
}

install_engine() {
    command -v dockerd >/dev/null && return
    [ "$(id -u)" = 0 ] || fail "no engine answers 'docker version' and this user cannot install one. Start Docker, or run as root"
    command -v apt-get >/dev/null || fail "no engine answers 'docker version' and there is no apt here. Install and start Docker"
    echo "engine: installing docker.io" >&2
    "$root/tools/apt-install.sh" docker.io iptables
}

start() {
    if answers; then
        echo "engine: already running" >&2
        return
    fi
    install_engine
    # The package may have started it as a service.
    answers && return
    [ "$(id -u)" = 0 ] || fail "dockerd must be started by root"
    mkdir -p "$state"
    setsid dockerd --pidfile "$state/dockerd.pid" >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    for _ in $(seq 120); do
        answers && return
        ours || break
        sleep 0.25
    done
    tail -20 "$state/log" >&2
    fail "dockerd did not start; its log is $state/log"
}

stop() {
    ours || return 0
    kill "$(cat "$state/pid")"
    for _ in $(seq 120); do
        ours || break
        sleep 0.25
    done
    ours && fail "dockerd (pid $(cat "$state/pid")) does not stop"
    rm -f "$state/pid"
}

case ${1:-} in
    start) start ;;
    stop) stop ;;
    *)
        echo "usage: $0 start|stop" >&2
        exit 2
        ;;
esac
