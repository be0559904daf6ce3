# Sourced by tests/run and tests/fresh: installs Debian packages, and waits for another apt.

# How long another apt is waited for, in seconds: an upgrade of a whole system takes some minutes.
APT_PATIENCE=900

# apt-get with these arguments. dpkg's lock it waits for by itself, those of the package lists and of the
# downloaded packages (apt-get(8), FILES) it does not: then it is tried again until they are free.
patient_apt_get() {
    local errors status until=$((SECONDS + APT_PATIENCE)) told=
    errors=$(mktemp)
    while :; do
        status=0
        LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout="$APT_PATIENCE" \
            "$@" >&2 2>"$errors" || status=$?
        if [ "$status" -eq 0 ] || [ "$SECONDS" -ge "$until" ] ||
            ! grep -q '^E: Could not get lock' "$errors"; then
            break
        fi
        if [ -z "$told" ]; then
            printf 'waiting for another apt: %s\n' "$(grep -m 1 '^E: Could not get lock' "$errors")" >&2
            told=yes
        fi
        sleep 1
    done
    cat "$errors" >&2
    rm -f "$errors"
    return "$status"
}

# Installs packages, and none that they merely recommend.
apt_install() { # PACKAGE...
    patient_apt_get -qq update && patient_apt_get -q install --no-install-recommends "$@"
}
