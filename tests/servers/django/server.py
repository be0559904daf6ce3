#!/usr/bin/env python3
"""Runs django-oauth-toolkit (of PyPI) on loopback for the tests, because of its grace period.

usage: server.py DIR PORT

Its database is in DIR; PORT 0 takes any free port. On the DIR and the PORT of an earlier run it
goes on where that one ended. It prints "ready ISSUER" when it listens, and ends on SIGTERM.

A GET of an authorization URL, or of a verification_uri_complete, is alice's consent.

Environment: ACCESS_TTL and GRACE in seconds, REUSE_PROTECTION (1: a replaced refresh token that
comes back after its grace ends its successors too), CLIENT_SECRET.
"""

import os
import pathlib
import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path
from django.utils import timezone
from jwcrypto.jwk import JWK

HOST = "127.0.0.1"
USER = "alice"
SCOPES = ["openid", "api:read", "api:write"]
# Where Django looks for the routes; models, and what imports them, need its set-up first.
urlpatterns = []


def main():
    folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    server = ThreadedWSGIServer((HOST, port), QuietHandler)
    issuer = f"http://{HOST}:{server.server_port}"
    configure(folder, issuer)
    django.setup()
    urlpatterns.extend([path("approve", approve), path("", include("oauth2_provider.urls"))])
    call_command("migrate", verbosity=0)
    seed()
    server.set_app(get_wsgi_application())
    print("ready", issuer, flush=True)
    server.serve_forever()


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def configure(folder, issuer):
    settings.configure(
        SECRET_KEY="not-a-secret",
        ALLOWED_HOSTS=[HOST],
        ROOT_URLCONF=__name__,
        # without it Python's own default holds, which prints warnings and errors
        LOGGING_CONFIG=None,
        MIDDLEWARE=[f"{__name__}.signed_in"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
        ],
        DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": folder / "db",
            # otherwise two writers at once fail with "database is locked", as PostgreSQL's do not
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
        }},
        # the default takes a third of a second for each client secret
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        USE_TZ=True,
        OAUTH2_PROVIDER={
            "ACCESS_TOKEN_EXPIRE_SECONDS": int(os.environ.get("ACCESS_TTL", "60")),
            "ROTATE_REFRESH_TOKEN": True,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": int(os.environ.get("GRACE", "0")),
            "REFRESH_TOKEN_REUSE_PROTECTION": os.environ.get("REUSE_PROTECTION") == "1",
            "PKCE_REQUIRED": True,
            "SCOPES": {scope: scope for scope in SCOPES},
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": issuer,
            "OIDC_RSA_PRIVATE_KEY": signing_key(folder / "key.pem"),
            "OAUTH_DEVICE_VERIFICATION_URI": f"{issuer}/approve",
            "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": f"{issuer}/approve?user_code={{user_code}}",
            "DEVICE_FLOW_INTERVAL": 1,
        },
    )


def signing_key(file):
    if not file.exists():
        key = JWK.generate(kty="RSA", size=2048)
        file.write_bytes(key.export_to_pem(private_key=True, password=None))
    return file.read_text()


def seed():
    """Adds the user and the clients, unless an earlier run has."""
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    if User.objects.exists():
        return
    User.objects.create(username=USER, email=f"{USER}@example.test", last_login=timezone.now())
    secret = os.environ.get("CLIENT_SECRET", "not-a-secret")
    for client_id, kind, grant in [
        ("native", Application.CLIENT_PUBLIC, Application.GRANT_AUTHORIZATION_CODE),
        ("confidential", Application.CLIENT_CONFIDENTIAL, Application.GRANT_AUTHORIZATION_CODE),
        # an application has one grant type, apart from refreshing
        ("device", Application.CLIENT_PUBLIC, Application.GRANT_DEVICE_CODE),
    ]:
        Application.objects.create(
            client_id=client_id,
            client_type=kind,
            authorization_grant_type=grant,
            client_secret=secret,
            redirect_uris="http://127.0.0.1/callback http://[::1]/callback",
            algorithm=Application.RS256_ALGORITHM,
            skip_authorization=True,
        )


def signed_in(get_response):
    """The middleware by which everybody is alice."""

    def middleware(request):
        from django.contrib.auth.models import User

        request.user = User.objects.get(username=USER)
        return get_response(request)

    return middleware


def approve(request):
    """Alice approves the device whose code this is."""
    from oauth2_provider.models import DeviceGrant

    waiting = DeviceGrant.objects.filter(
        user_code=request.GET["user_code"], status=DeviceGrant.AUTHORIZATION_PENDING
    )
    approved = waiting.update(status=DeviceGrant.AUTHORIZED, user=request.user)
    return HttpResponse(status=204 if approved else 404)


if __name__ == "__main__":
    main()
