"""Glewlwyd's own HTTP API, as its web pages use it."""

import http.client
import http.cookies
import json
import urllib.parse

ADMIN = ("admin", "password")  # as the package's schema has it
USER = "alice"
PASSWORD = "not-a-secret"


class Api:
    """A session at the server whose URL starts with `base`."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        self.cookie = None

    def login(self, username, password):
        self.post("/api/auth", {"username": username, "password": password})

    def grant(self, client, scopes):
        """The user's consent."""
        self.put(f"/api/auth/grant/{client}", {"scope": " ".join(scopes)})

    def get(self, path):
        return self.ask("GET", path)[1]

    def post(self, path, body):
        return self.ask("POST", path, body)[1]

    def put(self, path, body):
        return self.ask("PUT", path, body)[1]

    def location(self, path):
        """Where it redirects to."""
        headers, body = self.ask("GET", path)
        if "Location" not in headers:
            raise ValueError(f"{path} does not redirect: {body}")
        return headers["Location"]

    def ask(self, method, path, body=None):
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        text = response.read().decode()
        if response.status >= 400:
            raise ValueError(f"{method} {path}: {response.status} {text}")
        for morsel in http.cookies.SimpleCookie(response.headers.get("Set-Cookie", "")).values():
            self.cookie = f"{morsel.key}={morsel.value}"
        return response.headers, json.loads(text) if text.startswith(("{", "[")) else text
