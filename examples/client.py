#!/usr/bin/python3
"""A program that uses an API on behalf of its user, and has nothing to do with tokens but to ask for
them: client.py ACCOUNT URL prints what the URL answers. To be copied.

It is the whole of what a desktop program needs: a token over D-Bus that no other program sees, a new one
when the API rejects it, and a sign-in when the provider has ended the login. Needs PyGObject (Debian:
python3-gi).
"""

import hashlib
import os
import socket
import sys
import urllib.error
import urllib.request

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "dev.ostler.Ostler1"
ROOT = "/dev/ostler/Ostler1"
# longer than the daemon makes anybody wait
PATIENCE = 25_000


class Ostler:
    """The daemon, for one account."""

    def __init__(self, account):
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        (self.path,) = self.call(ROOT, "Manager", "LookupAccount", GLib.Variant("(s)", (account,)))

    def call(self, path, interface, method, arguments):
        """A call, and the values of its answer."""
        interface = f"{NAME}.{interface}"
        flags = Gio.DBusCallFlags.NONE
        answer = self.bus.call_sync(
            NAME, path, interface, method, arguments, None, flags, PATIENCE, None
        )
        return answer.unpack()

    def token(self, rejected=None):
        """A token, after a sign-in if there has to be one."""
        try:
            return self.written(rejected)
        except GLib.Error as error:
            if Gio.DBusError.get_remote_error(error) != f"{NAME}.Error.LoginRequired":
                raise
        self.sign_in()
        return self.written()

    def written(self, rejected=None):
        """A token by way of a pair of sockets: who watches the bus does not see it."""
        options = {}
        if rejected is not None:
            fingerprint = hashlib.sha256(rejected.encode()).hexdigest()
            options["rejected"] = GLib.Variant("s", fingerprint)
        mine, its = socket.socketpair()
        with mine:
            with its:
                descriptors = Gio.UnixFDList.new()
                arguments = GLib.Variant("(ha{sv})", (descriptors.append(its.fileno()), options))
                self.bus.call_with_unix_fd_list_sync(
                    NAME,
                    self.path,
                    f"{NAME}.Account",
                    "WriteAccessToken",
                    arguments,
                    None,
                    Gio.DBusCallFlags.NONE,
                    PATIENCE,
                    descriptors,
                    None,
                )
            with mine.makefile() as stream:
                return stream.read()

    def sign_in(self):
        """Has the user sign in again, and waits for the end of that."""
        # with a token of our own the request's path is known before it is made, so that no signal is missed
        me = self.bus.get_unique_name().removeprefix(":").replace(".", "_")
        path = f"{ROOT}/requests/{me}/again"
        loop = GLib.MainLoop()
        end = []

        def completed(_bus, _sender, _path, _interface, _signal, arguments):
            end.extend(arguments.unpack())
            loop.quit()

        subscription = self.bus.signal_subscribe(
            NAME,
            f"{NAME}.Request",
            "Completed",
            path,
            None,
            Gio.DBusSignalFlags.NONE,
            completed,
        )
        options = {"handle_token": GLib.Variant("s", "again")}
        self.call(self.path, "Account", "Reauthorize", GLib.Variant("(a{sv})", (options,)))
        wanted = GLib.Variant("(ss)", (f"{NAME}.Request", "AuthorizationUri"))
        (uri,) = self.bus.call_sync(
            NAME,
            path,
            "org.freedesktop.DBus.Properties",
            "Get",
            wanted,
            None,
            Gio.DBusCallFlags.NONE,
            PATIENCE,
            None,
        ).unpack()
        print(f"Please sign in: {uri}", file=sys.stderr, flush=True)
        # not the daemon's business: which browser, and on which screen, is this program's to say
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            Gio.AppInfo.launch_default_for_uri(uri)
        loop.run()
        self.bus.signal_unsubscribe(subscription)
        response, results = end
        if response != 0:
            sys.exit(f"client.py: {results.get('message', 'nobody signed in')}")


def ask(url, token):
    """What the URL answers to a token."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: client.py ACCOUNT URL")
    _, account, url = sys.argv
    try:
        ostler = Ostler(account)
        token = ostler.token()
        try:
            print(ask(url, token))
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            # says which one was rejected: if another program has had it replaced by now, that one is given
            print(ask(url, ostler.token(rejected=token)))
    except GLib.Error as error:
        Gio.DBusError.strip_remote_error(error)
        sys.exit(f"client.py: {error.message}")
    except urllib.error.URLError as error:
        sys.exit(f"client.py: {url}: {error}")


if __name__ == "__main__":
    main()
