#!/usr/bin/env python3
"""A notification server whose user presses the first button of whatever has one, and who has a browser.

screen.py LOG: appends a line of JSON for each notification."""

import json
import sys

from gi.repository import Gio, GLib

INTERFACE = """
<node><interface name="org.freedesktop.Notifications">
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
    <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/>
  </method>
  <method name="CloseNotification"><arg type="u" direction="in"/></method>
  <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
  <signal name="ActivationToken"><arg type="u"/><arg type="s"/></signal>
</interface></node>
"""
NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
count = 0


def note(what):
    with open(sys.argv[1], "a", encoding="utf-8") as log:
        log.write(json.dumps(what) + "\n")


def press(connection, number, button):
    for signal, words in [("ActivationToken", "fake-activation"), ("ActionInvoked", button)]:
        connection.emit_signal(None, PATH, NAME, signal, GLib.Variant("(us)", (number, words)))
    return False


def called(connection, _sender, _path, _interface, method, parameters, invocation):
    global count
    if method == "GetCapabilities":
        invocation.return_value(GLib.Variant("(as)", (["body", "actions"],)))
    elif method == "Notify":
        _app, _replaced, _icon, title, body, actions, _hints, _span = parameters.unpack()
        count += 1
        note({"title": title, "body": body, "actions": actions})
        invocation.return_value(GLib.Variant("(u)", (count,)))
        if actions:
            GLib.idle_add(press, connection, count, actions[0])
    else:
        note({"closed": parameters.unpack()[0]})
        invocation.return_value(None)


def acquired(connection, _name):
    interface = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
    connection.register_object(PATH, interface, called, None, None)


Gio.bus_own_name(Gio.BusType.SESSION, NAME, Gio.BusNameOwnerFlags.NONE, acquired, None, None)
GLib.MainLoop().run()
