"""What a correct client never sends is refused and written down."""

from __future__ import annotations

from .stand_in import ADMIN, GATEWAY, WAREHOUSE, StandInTest, send

UC = "/api/2.1/unity-catalog"
SQL = "/api/2.0/sql/statements"


class Strictness(StandInTest):
    def refused(self, answer, status: int, code: object, violation: str | None) -> None:  # type: ignore[no-untyped-def]
        self.assertEqual((answer.status, answer.json["error_code"]), (status, code), answer.body)
        self.assertEqual(self.violations(), [violation] if violation else [])

    def test_unknown_query_parameter(self) -> None:
        self.refused(
            self.api("GET", f"{UC}/catalogs?page_size=3"), 400, "INVALID_PARAMETER_VALUE", "unknown_query_parameter"
        )

    def test_parameter_of_another_type(self) -> None:
        self.refused(
            self.api("GET", f"{UC}/catalogs?max_results=many"), 400, "INVALID_PARAMETER_VALUE", "bad_parameter_type"
        )

    def test_negative_page(self) -> None:
        self.refused(
            self.api("GET", f"{UC}/catalogs?max_results=-1"), 400, "INVALID_PARAMETER_VALUE", "negative_page_size"
        )

    def test_missing_parameter(self) -> None:
        self.refused(
            self.api("GET", f"{UC}/tables?catalog_name=main"), 400, "INVALID_PARAMETER_VALUE", "missing_parameter"
        )

    def test_page_token_of_ones_own(self) -> None:
        self.refused(
            self.api("GET", f"{UC}/catalogs?page_token=main"), 400, "INVALID_PARAMETER_VALUE", "bad_page_token"
        )

    def test_wrong_content_type(self) -> None:
        answer = self.api("POST", SQL, b'{"statement":"SELECT 1"}', Content_Type="text/plain")
        self.refused(answer, 400, "MALFORMED_REQUEST", "wrong_content_type")

    def test_malformed_json(self) -> None:
        for body in (b'{"statement":', b"[]", b"\xff\xfe", b"[" * 100_000):
            self.control("DELETE", "requests")
            self.refused(self.api("POST", SQL, body), 400, "MALFORMED_REQUEST", "malformed_json")

    def test_unknown_field(self) -> None:
        body = {"statement": "SELECT 1", "warehouse_id": WAREHOUSE, "warehouse": "x"}
        self.refused(self.api("POST", SQL, body), 400, "INVALID_PARAMETER_VALUE", "unknown_field")

    def test_field_of_another_type(self) -> None:
        body = {"statement": "SELECT 1", "warehouse_id": WAREHOUSE, "row_limit": "5"}
        self.refused(self.api("POST", SQL, body), 400, "MALFORMED_REQUEST", "bad_parameter_type")

    def test_wrong_verb_and_unknown_path(self) -> None:
        self.refused(self.api("PUT", f"{UC}/catalogs"), 404, "ENDPOINT_NOT_FOUND", "wrong_verb")
        self.control("DELETE", "requests")
        self.refused(self.api("GET", f"{UC}/catalogues"), 404, "ENDPOINT_NOT_FOUND", "unknown_path")

    def test_unexpected_body(self) -> None:
        self.refused(self.api("GET", f"{UC}/catalogs", {"x": 1}), 400, "MALFORMED_REQUEST", "unexpected_body")

    def test_credentials(self) -> None:
        """The gate answers with numbers, as recorded; a wrong token is no violation, a missing one is."""
        self.refused(self.api("GET", f"{UC}/catalogs", token=None), 401, 401, "no_authorization")
        self.control("DELETE", "requests")
        answer = self.api("GET", f"{UC}/catalogs", token=None, Authorization="Basic dTpw")
        self.refused(answer, 401, 401, "authorization_is_no_bearer")
        self.control("DELETE", "requests")
        self.refused(self.api("GET", f"{UC}/catalogs", token="dapi-wrong"), 403, 403, None)

    def test_a_clean_request_leaves_nothing(self) -> None:
        self.assertEqual(self.api("GET", f"{UC}/catalogs?max_results=0", token=GATEWAY).status, 200)
        self.assertEqual(self.violations(), [])

    def test_the_journal_hides_credentials_unless_asked(self) -> None:
        self.api("GET", f"{UC}/catalogs")
        shown = self.control("GET", "requests?path=catalogs")["requests"]
        self.assertEqual([entry["status"] for entry in shown], [200])
        self.assertEqual(shown[0]["principal"], "admin@example.com")
        self.assertNotIn(ADMIN, str(shown))
        self.assertIn(ADMIN, str(self.control("GET", "requests?secrets=true")))

    def test_control_calls_have_a_port_of_their_own(self) -> None:
        self.assertEqual(self.api("GET", "/__stand_in__/violations").status, 404)
        answer = send(self.workspace.world.addresses.control, "GET", f"{UC}/catalogs")
        self.assertEqual(answer.status, 404)

    def test_mistakes_of_a_test_are_told(self) -> None:
        control = self.workspace.world.addresses.control
        headers = {"Content-Type": "application/json"}
        for path, body in (
            ("settings", b'{"nope":1}'),
            ("faults", b'{"kind":"nope"}'),
            ("state", b'{"nope":1}'),
            ("clock", b"{}"),
        ):
            answer = send(control, "POST", f"/__stand_in__/{path}", body, headers)
            self.assertEqual(answer.status, 400, path)
