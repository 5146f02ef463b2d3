"""The identity provider of the users' company: signs who somebody is, for the workspace to exchange (RFC 8693)."""

from __future__ import annotations

import json
from typing import Any

from .clock import Clock
from .principals import FederationPolicy, Principals

ISSUER = "https://identity.stand-in"
AUDIENCE = "lakegate"
_KEY_NAME = "stand-in-1"


class IdentityProvider:
    """Makes its key, and the policy that trusts it, with the first token."""

    def __init__(self, principals: Principals, clock: Clock) -> None:
        self._principals = principals
        self._clock = clock
        self._key: Any = None

    def token(self, subject: str, lifetime: float, claims: dict[str, Any]) -> str:
        """A JWT that names `subject` and ends after `lifetime` seconds of the stand-in's clock."""
        import jwt

        moment = self._clock.now()
        full = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": moment, "exp": moment + lifetime, **claims}
        return jwt.encode(full, self._signing_key(), algorithm="ES256", headers={"kid": _KEY_NAME})

    def _signing_key(self) -> Any:
        if self._key is None:
            import jwt
            from cryptography.hazmat.primitives.asymmetric import ec

            self._key = ec.generate_private_key(ec.SECP256R1())
            public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
            keys = [{**public, "kid": _KEY_NAME, "alg": "ES256"}]
            self._principals.federation.append(FederationPolicy(ISSUER, [AUDIENCE], keys))
        return self._key
