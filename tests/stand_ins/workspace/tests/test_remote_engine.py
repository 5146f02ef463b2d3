"""Another Spark Connect server as the engine: one catalog there, all catalogs here."""

from __future__ import annotations

import unittest
from typing import ClassVar

from ..name_mapping import OneCatalogMapping
from ..sail import Sail
from .stand_in import ANA, StandInTest


class RemoteEngine(StandInTest):
    """A Sail of its own plays the remote server; its only catalog has real Spark's name."""

    remote: ClassVar[Sail]

    @classmethod
    def setUpClass(cls) -> None:
        cls.remote = Sail()
        cls.options = {"engine_address": cls.remote.address(frozenset({"spark_catalog"}))}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.remote.stop()

    def test_tables_of_several_catalogs(self) -> None:
        text = (
            "SELECT o.region, r.r_name, main.default.orders.order_id FROM main.default.orders JOIN samples.tpch.region r "
            "ON r.r_regionkey = main.default.orders.order_id JOIN main.default.orders o ON o.order_id = r.r_regionkey ORDER BY 3"
        )
        self.assertEqual(self.rows(text)[1], ["south", "AMERICA", "1"])
        self.assertEqual(self.rows("SELECT count(*) FROM orders"), [["1000"]])
        self.assertEqual(self.rows("SELECT count(*) FROM tpch.region", catalog="samples"), [["5"]])

    def test_views_filters_and_changes(self) -> None:
        self.assertEqual(self.rows("SELECT count(*) FROM main.default.north_orders", ANA), [["250"]])
        self.assertEqual(self.rows("SELECT count(*) FROM main.governed.filtered", ANA), [["5"]])
        self.rows("CREATE TABLE main.default.far AS SELECT 1 AS a")
        self.rows("INSERT INTO main.default.far VALUES (2)")
        self.assertEqual(self.rows("SELECT sum(a) FROM main.default.far"), [["3"]])
        self.rows("DROP TABLE main.default.far")


class Mapping(unittest.TestCase):
    def test_names_and_nothing_else(self) -> None:
        known = {("main", "sales"), ("main", "default")}
        mapping = OneCatalogMapping(lambda catalog, schema: (catalog.lower(), schema.lower()) in known, "s1")
        for text, wanted in (
            ("SELECT * FROM main.sales.t", "SELECT * FROM spark_catalog.`s1__main__sales`.t"),
            ("SELECT * FROM `main`.`sales`.`t u`", "SELECT * FROM spark_catalog.`s1__main__sales`.`t u`"),
            (
                "SELECT sales.t.a FROM sales.t",
                "SELECT spark_catalog.`s1__main__sales`.t.a FROM spark_catalog.`s1__main__sales`.t",
            ),
            ("SELECT 'main.sales.t' AS a -- main.sales.t", "SELECT 'main.sales.t' AS a -- main.sales.t"),
            ("SELECT o.sales.t FROM other.sales.t AS o", "SELECT o.sales.t FROM other.sales.t AS o"),
        ):
            self.assertEqual(mapping.rewrite(text, "main", "default"), wanted)
