#!/usr/bin/env python3
"""Runs glewlwyd (Debian's package, an authorization server in C) on loopback for the tests.

usage: server.py DIR PORT

All its files go into DIR; PORT 0 takes any free port. On the DIR and the PORT of an earlier run it
goes on where that one ended. It prints "ready ISSUER" when it answers, and is then glewlwyd itself:
signals reach it directly. Its log is DIR/log.

Environment: ACCESS_TTL in seconds, CLIENT_SECRET.
"""

import os
import pathlib
import signal
import socket
import sqlite3
import sys
import time

from api import ADMIN, PASSWORD, USER, Api

HOST = "127.0.0.1"
# The schema with the rows that a new server needs, among them the user "admin".
SCHEMA = pathlib.Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
LIBRARIES = "/usr/lib/glewlwyd"
# How long it may take to listen: a tenth of a second, as a rule.
PATIENCE = 30

SCOPES = ["openid", "api:read", "api:write"]
CALLBACKS = ["http://127.0.0.1/callback", "http://127.0.0.1:4599/callback"]

# Signs tokens with ES256. The private key is the number 1, so that nobody takes it for a secret;
# the public one is therefore the base point of P-256.
JWKS = """{"keys": [{
    "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "one",
    "d": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE",
    "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
    "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
}]}"""


def main():
    folder, port = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    if port == 0:
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "db"
    new = not database.exists()
    if new:
        with sqlite3.connect(database) as db:
            db.executescript(f"BEGIN; {SCHEMA.read_text()} COMMIT;")
    (folder / "conf").write_text(configuration(folder, port))

    issuer = f"http://{HOST}:{port}/api/oidc"
    server = os.getpid()
    sys.stdout.flush()
    if os.fork() == 0:
        try:
            wait_for(server, port)
            if new:
                seed(Api(f"http://{HOST}:{port}"), issuer)
            print("ready", issuer, flush=True)
        except BaseException:
            if os.getppid() == server:
                os.kill(server, signal.SIGTERM)
            raise
        return
    # glewlwyd keeps the process id: whoever kills what it started leaves nothing behind
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    os.execvp("glewlwyd", ["glewlwyd", f"--config-file={folder}/conf"])


def configuration(folder, port):
    return f"""
port = {port}
bind_address = "{HOST}"
external_url = "http://{HOST}:{port}"
login_url = "login.html"
api_prefix = "api"
static_files_path = "/usr/share/glewlwyd/webapp/"
log_mode = "file"
log_level = "DEBUG"
log_file = "{folder}/log"
cookie_domain = "{HOST}"
cookie_secure = 0
session_key = "GLEWLWYD2_SESSION_ID"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "{LIBRARIES}/user"
client_module_path = "{LIBRARIES}/client"
user_auth_scheme_module_path = "{LIBRARIES}/scheme"
plugin_module_path = "{LIBRARIES}/plugin"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{folder}/db" }};
"""


def wait_for(server, port):
    """Returns once it listens."""
    end = time.monotonic() + PATIENCE
    while os.getppid() == server and time.monotonic() < end:
        try:
            socket.create_connection((HOST, port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    sys.exit("glewlwyd does not listen")


def seed(api, issuer):
    """Adds the scopes, the user, the clients and the provider."""
    api.login(*ADMIN)
    for name in SCOPES[1:]:
        api.post("/api/scope", {"name": name, "display_name": name, "password_required": False})
    api.post("/api/user", {
        "username": USER, "password": PASSWORD, "name": "Alice", "email": f"{USER}@example.test",
        "scope": SCOPES, "enabled": True,
    })
    client = {
        "redirect_uri": CALLBACKS, "enabled": True,
        "authorization_type": ["code", "refresh_token", "device_authorization"],
    }
    secret = {"client_secret": os.environ.get("CLIENT_SECRET", "not-a-secret")}
    for client_id, method in [
        ("native", "none"),
        ("confidential", "client_secret_basic"),
        ("post", "client_secret_post"),
    ]:
        api.post("/api/client", {
            "client_id": client_id, "token_endpoint_auth_method": [method],
            "confidential": method != "none", **({} if method == "none" else secret), **client,
        })
    api.post("/api/mod/plugin", {
        "module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": True,
        "parameters": provider(issuer),
    })


def provider(issuer):
    return {
        "iss": issuer,
        "jwks-private": JWKS,
        "jwks-show": True,
        "access-token-duration": int(os.environ.get("ACCESS_TTL", "60")),
        "refresh-token-duration": 1209600,
        "refresh-token-one-use": "always",
        "code-duration": 60,
        "auth-type-code-enabled": True,
        "auth-type-code-revoke-replayed": True,
        "auth-type-refresh-enabled": True,
        "auth-type-device-enabled": True,
        "device-authorization-expiration": 600,
        "device-authorization-interval": 1,
        # without openid among the scopes, a request would be refused as not OpenID Connect
        "allow-non-oidc": True,
        "oauth-as-iss-id": True,
        "pkce-allowed": True,
        "pkce-required": True,
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
        "scope": [],
    }


if __name__ == "__main__":
    main()
