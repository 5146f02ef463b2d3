"""Tokens of another issuer, judged by the federation policies (RFC 8693, RFC 7523 shapes)."""

from __future__ import annotations

import json
from typing import Any

from .clock import Clock
from .principals import FederationPolicy, Principal, Principals
from .refusals import Refusal, oauth_refusal


class Federation:
    """Finds the principal that a subject token stands for."""

    def __init__(self, principals: Principals, clock: Clock, default_audiences: list[str]) -> None:
        self._principals = principals
        self._clock = clock
        self._default_audiences = default_audiences

    def principal_for(self, subject_token: str, client_id: str | None) -> tuple[Principal, float]:
        """The principal, and when the subject token ends. Raises the token endpoint's errors."""
        import jwt

        try:
            header = jwt.get_unverified_header(subject_token)
            claims: dict[str, Any] = jwt.decode(subject_token, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise oauth_refusal("invalid_request", "subject_token is not a JWT") from None
        policy = self._policy(claims, client_id)
        self._verify(subject_token, header, policy)
        if float(claims.get("exp", 0)) <= self._clock.now():
            raise oauth_refusal("invalid_grant", "Token is expired")
        audiences = claims.get("aud", [])
        audiences = [audiences] if isinstance(audiences, str) else audiences
        if not set(audiences) & set(policy.audiences or self._default_audiences):
            raise oauth_refusal("invalid_grant", "Token audience does not match the federation policy")
        subject = claims.get(policy.subject_claim)
        if policy.service_principal is not None:
            if subject != policy.subject:
                raise oauth_refusal("invalid_grant", "Token subject does not match the federation policy")
            found = self._principals.find(policy.service_principal)
        else:
            found = self._principals.find(str(subject))
        if found is None:
            raise oauth_refusal("invalid_grant", "No such user")
        return found, float(claims["exp"])

    def _policy(self, claims: dict[str, Any], client_id: str | None) -> FederationPolicy:
        for policy in self._principals.federation:
            if policy.issuer != claims.get("iss"):
                continue
            if client_id is None and policy.service_principal is None:
                return policy
            named = self._principals.find(client_id) if client_id is not None else None
            if named is not None and policy.service_principal in (named.name, named.application_id):
                return policy
        raise oauth_refusal("invalid_grant", "No federation policy matches the token's issuer")

    def _verify(self, token: str, header: dict[str, Any], policy: FederationPolicy) -> None:
        import jwt

        if header.get("alg") not in ("RS256", "ES256"):
            raise oauth_refusal("invalid_grant", "The token must be signed with RS256 or ES256")
        keys = [key for key in policy.keys if header.get("kid") in (None, key.get("kid"))]
        options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
        for key in keys:
            try:
                public = jwt.PyJWK.from_dict(json.loads(json.dumps(key))).key
                jwt.decode(token, public, algorithms=[header["alg"]], options=options)
                return
            except jwt.PyJWTError:
                continue
        raise oauth_refusal("invalid_grant", "The token's signature is not valid")


def unsupported_grant(grant: str) -> Refusal:
    return oauth_refusal("unsupported_grant_type", f"grant_type '{grant}' is not supported", name="bad_grant_type")
