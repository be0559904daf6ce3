# Runs a systemctl command in the service manager of each user who has one. One that does not answer
# keeps no package from being installed.
in_sessions() {
    [ -d /run/systemd/system ] || return 0
    systemctl list-units --plain --no-legend 'user@*.service' | while read -r unit _; do
        uid=${unit#user@}
        SYSTEMD_BUS_TIMEOUT=15s timeout 90 \
            systemctl --quiet --user --machine "${uid%.service}@" "$@" </dev/null || true
    done
}

# Has them, and the users' buses, read their files anew.
reload_sessions() {
    in_sessions daemon-reload
    in_sessions reload dbus.service 2>/dev/null
}
