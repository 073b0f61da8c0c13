# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What the scripts share: where things are, and how failure and progress are said. Sourced with `here` set to scripts/.

repo=$(cd "$here/.." && pwd -P)
cache=$(realpath --canonicalize-missing "${SHUNT_CACHE:-${HOME:-/root}/.cache/shunt}")
sysroot=$cache/sysroot
kernels=$cache/kernels
debug_kernels=$cache/kernels-debug
images=$cache/images
crates=$cache/crates # what the crates of others compile to
target=$repo/target/x86_64-unknown-linux-gnu
built_together=(-p shunt -p shunt-vm -p shunt-bench) # packages for cargo: what they share is built once
in=$here/in-sysroot
without_docs=(--dpkgopt=path-exclude=/usr/share/{doc,man,locale}/\*) # for mmdebstrap

fail() {
    echo "shunt: $*" >&2
    exit 1
}

# A step's log may end with one such line; it is shown beside the step.
note() {
    echo "note: $*"
}

[[ $repo$cache != *[[:space:]:]* ]] || fail "make cannot build in a path with blanks or colons ($repo, $cache): move the repository, or set SHUNT_CACHE"

need_root() {
    [ "$(id -u)" = 0 ] || fail "${0##*/} needs to mount, chroot and install packages: run it as root"
}

# Every kernel to build for and to test on, one release a line: the stock kernels, then the debug kernel where it is set up.
all_releases() {
    cat "$kernels/list"
    cat "$debug_kernels/list" 2>/dev/null || true
}

# is STAMP TEXT: whether a result is whole and was made from TEXT. Stamps are written last.
is() {
    [ "$(cat "$1" 2>/dev/null)" = "$2" ]
}

# wait_all PID...: waits for them all; fails if one failed.
wait_all() {
    local job status=0
    for job; do
        wait "$job" || status=1
    done
    return "$status"
}

hash_of() {
    cat "$@" | sha256sum | cut -d' ' -f1
}

packages_in() {
    grep -v '^#' "$1" | paste -sd,
}

# step TITLE LOG COMMAND...: runs it with its output in the log, shows how long it took; if it fails, shows why and stops.
step_number=0
step() {
    local title=$1 log=$cache/log/$2.log begin=$SECONDS status reason
    shift 2
    step_number=$((step_number + 1))
    printf '%2d. %-48s' "$step_number" "$title"
    set +e # in a condition, bash would not stop the command at its own first failure
    (set -e && "$@") >"$log" 2>&1 </dev/null
    status=$?
    set -e
    if [ "$status" = 0 ]; then
        printf '%4d s  %s\n' $((SECONDS - begin)) "$(sed -n 's/^note: //p' "$log" | tail -n 1)"
        return
    fi
    printf '%4d s  failed\n' $((SECONDS - begin))
    reason=$(sed -n 's/^shunt: //p' "$log" | tail -n 1)
    if [ -z "$reason" ]; then
        tail -n 15 "$log" | sed 's/^/    /' >&2
        reason="$title: failed, with the last lines above"
    fi
    fail "$reason (log: $log)"
}

# in_vm test|crash|random|demo|shell ARGUMENTS...: the VM harness.
in_vm() {
    (cd "$repo" && "$in" "$target/release/shunt-vm" "$@")
}
