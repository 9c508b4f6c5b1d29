"""Who is calling: the JWT of a request, checked claim by claim as the SDK signs it.

Source: developers.fireblocks.com/reference/signing-a-request-jwt-structure.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from agora.sandbox.faults import REDELIVERY
from agora.sandbox.fireblocks.errors import unauthorized
from agora.sandbox.store import Store

# The documents ask for less than 30 s, the vendor's SDK signs 55 s: both must pass.
MAX_LIFE = 60
CLOCK_SKEW = 10
NOT_ACCEPTED = "Unauthorized: Token was not accepted."


@dataclass(frozen=True)
class Gate:
    """Verifies requests of one API user with one RSA key."""

    api_key: str
    public_key: RSAPublicKey
    store: Store

    async def check(self, request: web.Request) -> None:
        """Raises VendorError 401 with the documented code of the first thing wrong."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            raise unauthorized(message="Unauthorized: JWT is missing", code=-3)
        claims = self._claims(token)
        if not claims.get("sub"):
            raise unauthorized(message="Unauthorized: Missing API Key in the JWT", code=-2)
        if not claims["sub"] == request.headers.get("X-API-Key") == self.api_key:
            raise unauthorized(message=NOT_ACCEPTED, code=-7)
        if claims.get("uri") != request.raw_path:
            raise unauthorized(message="Unauthorized: Wrong URL in the JWT", code=-4)
        digest = hashlib.sha256(await request.read()).hexdigest()
        if claims.get("bodyHash") != digest:
            raise unauthorized(message=NOT_ACCEPTED, code=-7)
        self._check_times(claims)
        self._use_nonce(request=request, token=token, claims=claims)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return dict(
                jwt.decode(
                    token,
                    self.public_key,
                    algorithms=["RS256"],
                    options={
                        "verify_exp": False,
                        "verify_iat": False,
                        "verify_nbf": False,
                    },
                )
            )
        except jwt.InvalidSignatureError:
            raise unauthorized(message="invalid signature", code=-1) from None
        except jwt.PyJWTError:
            raise unauthorized(message="Unauthorized: Invalid token format", code=-5) from None

    def _check_times(self, claims: dict[str, Any]) -> None:
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            raise unauthorized(message="Unauthorized: Invalid token format", code=-5)
        now = time.time()
        if now > expires or expires - issued > MAX_LIFE:
            raise unauthorized(message="Unauthorized: The request has expired", code=-10)
        if issued > now + CLOCK_SKEW:
            raise unauthorized(message="Unauthorized: Issued in the future", code=-12)

    def _use_nonce(self, *, request: web.Request, token: str, claims: dict[str, Any]) -> None:
        """A nonce counts once. The SDK's own retry of a lost GET sends the very same token again, so
        that a repeated GET with an identical token passes; nothing else does.
        """
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not nonce:
            raise unauthorized(message="Unauthorized: Invalid token format", code=-5)
        digest = hashlib.sha256(token.encode()).hexdigest()
        now = time.time()
        earlier = self.store.use_nonce(nonce=nonce, token=digest, now=now, expires=now + MAX_LIFE)
        repeated_get = request.method == "GET" and earlier == digest
        if earlier is not None and not repeated_get and REDELIVERY not in request:
            raise unauthorized(message=NOT_ACCEPTED, code=-7)
