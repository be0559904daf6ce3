#!/usr/bin/env python3
"""Is alice with her browser: signs in, consents, and prints where she is sent to then.

usage: user.py [--register] AUTHORIZATION_URL

With --register the redirect URI is added to the client's before, by the admin: glewlwyd compares
the ports of loopback URIs too, so one with a port of the moment is unknown to it.
"""

import sys
import urllib.parse

from api import ADMIN, PASSWORD, USER, Api


def main():
    *options, url = sys.argv[1:]
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    if "--register" in options:
        register(Api(url), query["client_id"], query["redirect_uri"])
    alice = Api(url)
    alice.login(USER, PASSWORD)
    alice.grant(query["client_id"], query["scope"].split())
    # "g_continue" is what the login page adds when it is done
    print(alice.location(f"{parts.path}?{parts.query}&g_continue"))


def register(admin, client_id, redirect_uri):
    admin.login(*ADMIN)
    client = admin.get(f"/api/client/{client_id}")
    if redirect_uri not in client["redirect_uri"]:
        client["redirect_uri"].append(redirect_uri)
        admin.put(f"/api/client/{client_id}", client)


if __name__ == "__main__":
    main()
