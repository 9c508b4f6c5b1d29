"""An OpenID Connect provider on loopback: real HTTP, real keys, one person at its sign-in page."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT_ID, CLIENT_SECRET, AUDIENCE = "agora-of-the-test", "a secret of the test", "agora-api"


class Provider:
    """What the provider says and has been asked; `person` is who signs in there."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.issuer = ""
        self.person: dict[str, Any] = {
            "sub": "person-1",
            "email": "ana@example.com",
            "email_verified": True,
        }
        self.user_info: dict[str, Any] = {}
        self.asked: list[str] = []
        self.is_away = False
        self._codes: dict[str, dict[str, str]] = {}

    def token(self, *, alg: str = "RS256", kid: str = "", key: Any = None, **changes: Any) -> str:
        """A signed token about the person for the API; a claim changed to None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "scope": "read trade admin",
            **self.person,
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        signing = key or (self.ec if alg == "ES256" else self.rsa)
        return jwt.encode(claims, signing, algorithm=alg, headers={"kid": kid or alg})

    def document(self, path: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/jwks",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }
        if path == "/jwks":
            return {"keys": [self._jwk("RS256"), self._jwk("ES256")]}
        if path == "/userinfo":
            return {**self.person, **self.user_info}
        return None

    def _jwk(self, alg: str) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(alg)
        public = (self.ec if alg == "ES256" else self.rsa).public_key()
        return {**json.loads(algorithm.to_jwk(public)), "kid": alg, "use": "sig", "alg": alg}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes after the person has agreed."""
        code = secrets.token_urlsafe(8)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def exchange(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Tokens for a code, once, to who can show the secret and the verifier (RFC 7636)."""
        asked = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if not asked or asked["code_challenge"] != challenge:
            return None
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return None
        identity = self.token(aud=CLIENT_ID, scope=None)
        return {"access_token": "for-user-info", "token_type": "Bearer", "id_token": identity}


@contextmanager
def running() -> Iterator[Provider]:
    """The provider, served on a free port of loopback."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.asked.append(parts.path)
            if parts.path == "/authorize":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._answer(None if provider.is_away else provider.document(parts.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(
                provider.exchange({name: values[0] for name, values in parse_qs(body).items()})
            )

        def _answer(self, document: dict[str, Any] | None) -> None:
            raw = json.dumps(document or {"error": "invalid_request"}).encode()
            self.send_response(200 if document else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
