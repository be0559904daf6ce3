#!/usr/bin/env python3
"""Is alice at her second device: signs in and approves a code.

usage: device.py VERIFICATION_URI_COMPLETE
"""

import sys
import urllib.parse

from api import PASSWORD, USER, Api


def main():
    parts = urllib.parse.urlsplit(sys.argv[1])
    alice = Api(sys.argv[1])
    alice.login(USER, PASSWORD)
    # the way to the login page names the client and its scopes
    login = urllib.parse.urlsplit(alice.location(f"{parts.path}?{parts.query}"))
    wanted = dict(urllib.parse.parse_qsl(login.query))
    alice.grant(wanted["client_id"], wanted["scope"].split())
    end = alice.location(f"{parts.path}?{parts.query}&g_continue")
    if "prompt=deviceComplete" not in end:
        sys.exit(f"not approved: {end}")


if __name__ == "__main__":
    main()
