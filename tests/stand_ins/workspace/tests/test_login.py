"""Tokens: client credentials by the SDK, exchange, Entra ID, a machine's identity, and their ends."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from ..entra_api import DATABRICKS_RESOURCE
from .stand_in import CLIENT_ID, CLIENT_SECRET, Answer, StandInTest, send

ME = "/api/2.0/preview/scim/v2/Me"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"


class Login(StandInTest):
    def form(self, url: str, path: str, fields: dict[str, str], **headers: str) -> Answer:
        return send(url, "POST", path, urlencode(fields).encode(), {**FORM, **headers})

    def token(self, fields: dict[str, str], **headers: str) -> Answer:
        return self.form(self.workspace.world.addresses.api, "/oidc/v1/token", fields, **headers)

    def basic(self, identity: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> str:
        return "Basic " + base64.b64encode(f"{identity}:{secret}".encode()).decode()

    def test_the_sdk_finds_the_endpoint_and_renews_its_token(self) -> None:
        self.settings(token_lifetime=300)
        config = Config(
            host=self.workspace.world.addresses.api,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            auth_type="oauth-m2m",
        )
        client = WorkspaceClient(config=config)
        self.assertEqual(client.current_user.me().display_name, "gateway")
        self.assertEqual(self.violations(), [])
        entries = self.control("GET", "requests?path=oidc")["requests"]
        self.assertEqual([entry["status"] for entry in entries], [200, 200])

    def test_who_a_token_belongs_to(self) -> None:
        for token, name in (("dapi-ana-0000", "ana@example.com"), ("dapi-gateway-0000", CLIENT_ID)):
            config = Config(host=self.workspace.world.addresses.api, token=token, auth_type="pat")
            me = WorkspaceClient(config=config).current_user.me()
            self.assertEqual((me.user_name, me.active), (name, True))
        locked = {"name": "locked@example.com", "active": False, "personal_tokens": ["dapi-locked-0000"]}
        self.control("POST", "state", {"principals": [locked]})
        self.assertIs(self.api("GET", ME, token="dapi-locked-0000").json["active"], False)
        self.assertEqual(self.api("GET", ME, token="dapi-nobodys").json["error_code"], 403)
        self.assertEqual(self.violations(), [])

    def test_client_credentials(self) -> None:
        answer = self.token({"grant_type": "client_credentials", "scope": "all-apis"}, Authorization=self.basic())
        self.assertEqual((answer.json["token_type"], answer.json["expires_in"]), ("Bearer", 3600))
        token = answer.json["access_token"]
        self.assertEqual(self.api("GET", ME, token=token).json["displayName"], "gateway")
        self.control("POST", "clock", {"advance_seconds": 3601})
        gone = self.api("GET", ME, token=token)
        self.assertEqual((gone.status, gone.json["error_code"]), (401, 401))
        self.settings(token_lifetime_as_text=True)
        answer = self.token({"grant_type": "client_credentials", "scope": "sql"}, Authorization=self.basic())
        self.assertEqual(answer.json["expires_in"], "3600")

    def test_scopes_hold(self) -> None:
        answer = self.token({"grant_type": "client_credentials", "scope": "sql"}, Authorization=self.basic())
        token = answer.json["access_token"]
        self.assertEqual(self.api("GET", "/api/2.1/unity-catalog/catalogs", token=token).status, 403)
        self.assertEqual(self.api("GET", "/api/2.0/sql/statements/none", token=token).status, 404)

    def test_wrong_clients(self) -> None:
        fields = {"grant_type": "client_credentials", "scope": "all-apis"}
        answer = self.token(fields, Authorization=self.basic(secret="wrong"))
        self.assertEqual((answer.status, answer.json["error"]), (401, "invalid_client"))
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.token(fields).json["error"], "invalid_client")
        self.assertEqual(self.violations(), ["no_client_credential"])
        self.control("DELETE", "requests")
        answer = self.token({"grant_type": "password"}, Authorization=self.basic())
        self.assertEqual((answer.json["error"], self.violations()), ("unsupported_grant_type", ["bad_grant_type"]))

    def test_revoked_tokens(self) -> None:
        fields = {"grant_type": "client_credentials", "scope": "all-apis"}
        token = self.token(fields, Authorization=self.basic()).json["access_token"]
        self.control("POST", "tokens/revoke", {"principal": "gateway", "origin": "oauth"})
        self.assertEqual(self.api("GET", ME, token=token).json["error_code"], 403)

    # Federation

    def identity_provider(self) -> tuple[ec.EllipticCurvePrivateKey, dict[str, Any]]:
        key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        return key, {**public, "kid": "k1", "alg": "ES256"}

    def subject(self, key: ec.EllipticCurvePrivateKey, **claims: Any) -> str:
        moment = self.control("POST", "clock", {"advance_seconds": 0})["now"]
        full = {
            "iss": "https://idp.example",
            "aud": "lakegate",
            "sub": "ana@example.com",
            "exp": moment + 600,
            **claims,
        }
        return jwt.encode(full, key, algorithm="ES256", headers={"kid": "k1"})

    def test_the_stand_ins_own_identity_provider_is_trusted(self) -> None:
        fields = {"grant_type": EXCHANGE, "subject_token_type": JWT, "scope": "all-apis"}
        subject = self.control("POST", "subject-tokens", {"subject": "ana@example.com", "lifetime": 60})["token"]
        answer = self.token({**fields, "subject_token": subject})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertLessEqual(answer.json["expires_in"], 60)
        config = Config(host=self.workspace.world.addresses.api, token=answer.json["access_token"], auth_type="pat")
        self.assertEqual(WorkspaceClient(config=config).current_user.me().user_name, "ana@example.com")
        stranger = self.control("POST", "subject-tokens", {"subject": "who@example.com"})["token"]
        self.assertEqual(self.token({**fields, "subject_token": stranger}).json["error"], "invalid_grant")
        other = {"subject": "ana@example.com", "claims": {"aud": "other"}}
        other_audience = self.control("POST", "subject-tokens", other)["token"]
        self.assertEqual(self.token({**fields, "subject_token": other_audience}).json["error"], "invalid_grant")
        self.control("POST", "clock", {"advance_seconds": 61})
        self.assertEqual(self.token({**fields, "subject_token": subject}).json["error"], "invalid_grant")
        self.assertEqual(self.violations(), [])

    def test_exchange_of_a_users_token(self) -> None:
        key, public = self.identity_provider()
        policy = {"issuer": "https://idp.example", "audiences": ["lakegate"], "keys": [public]}
        self.control("POST", "state", {"federation": [policy]})
        fields = {"grant_type": EXCHANGE, "subject_token_type": JWT, "scope": "all-apis"}
        answer = self.token({**fields, "subject_token": self.subject(key)})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.json["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token")
        self.assertLessEqual(answer.json["expires_in"], 600)
        self.assertEqual(self.api("GET", ME, token=answer.json["access_token"]).json["displayName"], "ana@example.com")
        stranger, _ = self.identity_provider()
        wrong = {
            "signature": self.subject(stranger),
            "audience": self.subject(key, aud="other"),
            "issuer": self.subject(key, iss="https://other.example"),
            "expired": self.subject(key, exp=time.time() - 99999),
            "user": self.subject(key, sub="ghost@example.com"),
        }
        for words, token in wrong.items():
            answer = self.token({**fields, "subject_token": token})
            self.assertEqual((answer.status, answer.json["error"]), (400, "invalid_grant"), words)
        self.assertEqual(self.token({**fields, "subject_token": "x"}).json["error"], "invalid_request")

    def test_exchange_for_a_service_principal(self) -> None:
        key, public = self.identity_provider()
        policy = {
            "issuer": "https://ci.example",
            "audiences": [],
            "keys": [public],
            "subject": "repo:x",
            "service_principal": "gateway",
        }
        self.control("POST", "state", {"federation": [policy]})
        token = self.subject(key, iss="https://ci.example", sub="repo:x", aud=self.workspace.world.account_id)
        fields = {"grant_type": EXCHANGE, "subject_token_type": JWT, "scope": "all-apis", "subject_token": token}
        self.assertEqual(self.token(fields).json["error"], "invalid_grant")
        answer = self.token({**fields, "client_id": CLIENT_ID})
        self.assertEqual(self.api("GET", ME, token=answer.json["access_token"]).json["displayName"], "gateway")

    # Entra ID

    def entra(self, path: str, fields: dict[str, str]) -> Answer:
        identity = {"client_id": "e117a000-0000-4000-8000-00000000e117", "client_secret": "entra-gateway-secret"}
        tenant = self.workspace.world.tenant_id
        body = {"grant_type": "client_credentials", **identity, **fields}
        return self.form(self.workspace.world.addresses.login, f"/{tenant}{path}", body)

    def test_entra_needs_the_management_token_too(self) -> None:
        first = self.entra("/oauth2/v2.0/token", {"scope": f"{DATABRICKS_RESOURCE}/.default"})
        self.assertIsInstance(first.json["expires_in"], int)
        second = self.entra("/oauth2/token", {"resource": "https://management.core.windows.net/"})
        self.assertIsInstance(second.json["expires_in"], str)
        token = first.json["access_token"]
        self.assertEqual(self.api("GET", ME, token=token).status, 403)
        resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w"
        headers = {
            "X_Databricks_Azure_SP_Management_Token": second.json["access_token"],
            "X_Databricks_Azure_Workspace_Resource_Id": resource,
        }
        self.assertEqual(self.api("GET", ME, token=token, **headers).json["displayName"], "entra-gateway")
        # A management token opens nothing by itself.
        self.assertEqual(self.api("GET", ME, token=second.json["access_token"]).status, 403)

    def test_entra_refusals(self) -> None:
        self.assertEqual(self.entra("/oauth2/v2.0/token", {"scope": "x"}).json["error"], "invalid_scope")
        self.assertEqual(self.entra("/oauth2/token", {"resource": "x"}).json["error"], "invalid_resource")

    def test_the_tenant_is_told_by_a_redirect(self) -> None:
        answer = self.api("GET", "/aad/auth", token=None)
        self.assertEqual(answer.status, 302)
        self.assertIn(f"/{self.workspace.world.tenant_id}/oauth2/authorize", answer.headers["location"])

    def test_a_machines_identity(self) -> None:
        login = self.workspace.world.addresses.login
        path = f"/metadata/identity/oauth2/token?api-version=2021-10-01&resource={DATABRICKS_RESOURCE}"
        self.assertEqual(send(login, "GET", path).status, 400)
        self.assertEqual(self.violations(), ["no_metadata_header"])
        self.assertEqual(send(login, "GET", path, headers={"Metadata": "true"}).status, 400)
        self.control("POST", "machine-identity", {"principal": "gateway"})
        answer = send(login, "GET", path, headers={"Metadata": "true"})
        self.assertIsInstance(answer.json["expires_on"], str)
        self.assertEqual(self.api("GET", ME, token=answer.json["access_token"]).json["displayName"], "gateway")
