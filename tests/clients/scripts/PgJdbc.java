// pgjdbc against the server that the PG* variables name. Prints `ok <step>`, fails loudly.
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.util.PGInterval;
import org.postgresql.util.PSQLException;

public class PgJdbc {
    interface Action {
        void run() throws SQLException;
    }

    static void ok(String step) {
        System.out.println("ok " + step);
    }

    static void same(Object got, Object expected, String what) {
        if (!Objects.deepEquals(got, expected)) {
            throw new AssertionError(what + ": " + got + " instead of " + expected);
        }
    }

    static void fails(String state, Integer position, Action action) throws SQLException {
        try {
            action.run();
        } catch (PSQLException error) {
            same(error.getSQLState(), state, error.getMessage());
            if (position != null) {
                same(error.getServerErrorMessage().getPosition(), position, "position of: " + error.getMessage());
            }
            return;
        }
        throw new AssertionError("no error instead of " + state);
    }

    static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        for (int at = 0; at < options.length; at += 2) {
            properties.setProperty(options[at], options[at + 1]);
        }
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
            + System.getenv("PGDATABASE");
        return DriverManager.getConnection(url, properties);
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> values = new ArrayList<>();
        while (rows.next()) {
            values.add(rows.getString(name));
        }
        rows.close();
        return values;
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection connection = connect()) {
            DatabaseMetaData metadata = connection.getMetaData();
            same(metadata.getDatabaseProductName(), "PostgreSQL", "product");
            if (metadata.getDatabaseMajorVersion() < 15) {
                throw new AssertionError(metadata.getDatabaseProductVersion());
            }
            same(connection.isValid(5), true, "valid");
            ok("connect");
            metadata(connection, metadata);
            types(connection, "text");
            parameters(connection);
            paging(connection);
            cancel(connection);
            errors(connection);
            transaction(connection);
            copy(connection);
        }
        // Binary from the first execution on.
        try (Connection connection = connect("prepareThreshold", "-1", "binaryTransfer", "true")) {
            types(connection, "binary");
        }
        try (Connection connection = connect("preferQueryMode", "simple")) {
            types(connection, "simple");
        }
        try (Connection connection = connect("autosave", "always", "readOnly", "true", "currentSchema", "sales")) {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                fails("22012", null, () -> statement.executeQuery("SELECT 1/0"));
                same(column(statement.executeQuery("SELECT count(*) AS n FROM orders"), "n"), List.of("300"), "after an error");
            }
            connection.commit();
            ok("autosave");
        }
    }

    static void metadata(Connection connection, DatabaseMetaData metadata) throws SQLException {
        same(column(metadata.getCatalogs(), "TABLE_CAT").contains("lake"), true, "catalogs");
        same(column(metadata.getSchemas(), "TABLE_SCHEM").contains("sales"), true, "schemas");
        same(column(metadata.getTables(null, "sales", "%", new String[] {"TABLE"}), "TABLE_NAME"),
            List.of("customers", "order_items", "orders", "products"), "tables");
        same(column(metadata.getTables(null, "sales", "%", new String[] {"VIEW"}), "TABLE_NAME"),
            List.of("customer_totals", "daily"), "views");
        same(column(metadata.getColumns(null, "sales", "customers", "%"), "TYPE_NAME"),
            List.of("int4", "uuid", "text", "varchar", "bool", "float4", "numeric", "date", "timestamptz", "jsonb", "_text"),
            "column types");
        try (ResultSet rows = metadata.getColumns(null, "sales", "customers", "balance")) {
            rows.next();
            same(rows.getInt("DATA_TYPE"), Types.NUMERIC, "data type");
            same(rows.getInt("COLUMN_SIZE"), 12, "size");
            same(rows.getInt("DECIMAL_DIGITS"), 2, "digits");
        }
        column(metadata.getPrimaryKeys(null, "sales", "customers"), "COLUMN_NAME");
        column(metadata.getImportedKeys(null, "sales", "orders"), "FKCOLUMN_NAME");
        column(metadata.getExportedKeys(null, "sales", "orders"), "FKCOLUMN_NAME");
        column(metadata.getIndexInfo(null, "sales", "orders", false, true), "INDEX_NAME");
        column(metadata.getBestRowIdentifier(null, "sales", "orders", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME");
        column(metadata.getTablePrivileges(null, "sales", "%"), "PRIVILEGE");
        column(metadata.getColumnPrivileges(null, "sales", "orders", "%"), "PRIVILEGE");
        column(metadata.getTypeInfo(), "TYPE_NAME");
        column(metadata.getUDTs(null, "sales", "%", null), "TYPE_NAME");
        column(metadata.getFunctions(null, "sales", "%"), "FUNCTION_NAME");
        column(metadata.getProcedures(null, "sales", "%"), "PROCEDURE_NAME");
        column(metadata.getTableTypes(), "TABLE_TYPE");
        column(metadata.getClientInfoProperties(), "NAME");
        if (metadata.getSQLKeywords().isEmpty() || metadata.getMaxColumnsInIndex() < 1) {
            throw new AssertionError("keywords");
        }
        try (Statement statement = connection.createStatement();
            ResultSet rows = statement.executeQuery("SELECT o.id, o.total, c.tags FROM sales.orders o, sales.customers c LIMIT 1")) {
            ResultSetMetaData columns = rows.getMetaData();
            same(columns.getColumnTypeName(3), "_text", "type");
            same(columns.getPrecision(2), 18, "precision");
            same(columns.getColumnType(3), Types.ARRAY, "array");
            columns.isAutoIncrement(1);
            columns.isNullable(1);
            ((org.postgresql.PGResultSetMetaData) columns).getBaseTableName(1);
        }
        ok("metadata");
    }

    static void roundTrip(Connection connection, String type, Object value, Class<?> as) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::" + type + ", ?::" + type)) {
            for (int execution = 0; execution < 7; execution++) {
                if (value instanceof Object[] elements) {
                    statement.setArray(1, connection.createArrayOf(type.replace("[]", ""), elements));
                } else {
                    statement.setObject(1, value);
                }
                statement.setNull(2, Types.NULL);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    Object got = value instanceof Object[] ? rows.getArray(1).getArray()
                        : value instanceof byte[] ? rows.getBytes(1) : rows.getObject(1, as);
                    if (got instanceof BigDecimal number) {
                        // A numeric without a declared scale has ten digits here.
                        got = number.setScale(((BigDecimal) value).scale());
                    }
                    same(got, value, type + ", execution " + execution);
                    same(rows.getObject(2), null, "null " + type);
                }
            }
        }
    }

    static void types(Connection connection, String how) throws SQLException {
        roundTrip(connection, "bool", true, Boolean.class);
        roundTrip(connection, "int2", 7, Integer.class);
        roundTrip(connection, "int4", -70000, Integer.class);
        roundTrip(connection, "int8", 1L << 40, Long.class);
        roundTrip(connection, "float4", 1.5f, Float.class);
        roundTrip(connection, "float8", 0.1, Double.class);
        roundTrip(connection, "numeric", new BigDecimal("12345678901234567890.000123"), BigDecimal.class);
        roundTrip(connection, "text", "Łódź 'q'", String.class);
        roundTrip(connection, "varchar", "v", String.class);
        roundTrip(connection, "bytea", new byte[] {0, -1, 92}, byte[].class);
        roundTrip(connection, "date", LocalDate.of(2024, 2, 29), LocalDate.class);
        roundTrip(connection, "time", LocalTime.of(23, 59, 59, 999_999_000), LocalTime.class);
        roundTrip(connection, "timestamp", LocalDateTime.of(2024, 2, 29, 1, 2, 3, 4000), LocalDateTime.class);
        roundTrip(connection, "timestamptz", OffsetDateTime.of(1999, 12, 31, 23, 0, 0, 0, ZoneOffset.UTC), OffsetDateTime.class);
        roundTrip(connection, "uuid", UUID.fromString("80000000-0000-0000-0000-000000000005"), UUID.class);
        roundTrip(connection, "int4[]", new Integer[] {1, null, 3}, null);
        roundTrip(connection, "text[]", new String[] {"a", "b\"c", null, "d,e"}, null);
        roundTrip(connection, "float8[]", new Double[] {0.5, -2.0}, null);
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::interval, ?::json, ?::jsonb")) {
            statement.setObject(1, new PGInterval(0, 0, 3, 4, 5, 6));
            statement.setString(2, "{\"a\": [1, null]}");
            statement.setString(3, "{\"b\": 2}");
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                same(rows.getObject(1), new PGInterval(0, 0, 3, 4, 5, 6), "interval");
                same(rows.getString(2), "{\"a\": [1, null]}", "json");
                same(rows.getString(3), "{\"b\": 2}", "jsonb");
            }
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM sales.customers WHERE id = ?")) {
            for (int id = 1; id < 9; id++) {
                statement.setInt(1, id);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    same(rows.getString("name"), "C" + id, "name");
                    same(rows.getBigDecimal("balance"), new BigDecimal("10.50").multiply(new BigDecimal(id)), "balance");
                    Array tags = rows.getArray("tags");
                    same(tags.getArray(), new String[] {"t" + id, "all"}, "tags");
                }
            }
        }
        ok("types " + how);
    }

    static void parameters(Connection connection) throws SQLException {
        String sql = "SELECT id FROM sales.orders WHERE id = ANY(?) AND total > ? AND status <> ? ORDER BY id";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setArray(1, connection.createArrayOf("int8", new Long[] {1L, 2L, 3L}));
            statement.setBigDecimal(2, BigDecimal.ONE);
            statement.setString(3, "x");
            same(statement.getParameterMetaData().getParameterCount(), 3, "parameters");
            same(column(statement.executeQuery(), "id"), List.of("1", "2", "3"), "rows");
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM sales.customers WHERE born > ? AND name LIKE ?")) {
            statement.setDate(1, java.sql.Date.valueOf("1970-01-01"));
            statement.setString(2, "C1%");
            same(column(statement.executeQuery(), "id").size(), 11, "dates");
        }
        ok("parameters");
    }

    static void paging(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM sales.orders WHERE id > ? ORDER BY id")) {
            statement.setFetchSize(50);
            statement.setLong(1, 5);
            same(column(statement.executeQuery(), "id").size(), 295, "paged");
        }
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(20);
            ResultSet rows = statement.executeQuery("SELECT id FROM sales.orders");
            rows.next();
            rows.close();
            statement.setMaxRows(10);
            same(column(statement.executeQuery("SELECT id FROM sales.orders"), "id").size(), 10, "at most");
        }
        connection.commit();
        connection.setAutoCommit(true);
        ok("paging");
    }

    static void cancel(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            Thread thread = new Thread(() -> {
                try {
                    while (!Thread.interrupted()) {
                        Thread.sleep(100);
                        statement.cancel();
                    }
                } catch (InterruptedException | SQLException end) {
                    // The statement has ended.
                }
            });
            thread.start();
            fails("57014", null, () -> statement.executeQuery("SELECT n FROM slow.waits"));
            thread.interrupt();
            thread.join();
        }
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            fails("57014", null, () -> statement.executeQuery("SELECT n FROM slow.waits"));
        }
        ok("cancel");
    }

    static void errors(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            fails("42703", 8, () -> statement.executeQuery("SELECT nope FROM sales.orders"));
            fails("42P01", 15, () -> statement.executeQuery("SELECT * FROM nosuch"));
            fails("42601", 1, () -> statement.executeQuery("SELEC 1"));
            fails("22012", null, () -> statement.executeQuery("SELECT 1/0"));
            fails("25006", null, () -> statement.executeUpdate("INSERT INTO sales.orders (id) VALUES (1)"));
        }
        ok("errors");
    }

    static void transaction(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        try (Statement statement = connection.createStatement()) {
            statement.executeQuery("SELECT 1");
            Savepoint savepoint = connection.setSavepoint("a");
            fails("22012", null, () -> statement.executeQuery("SELECT 1/0"));
            fails("25P02", null, () -> statement.executeQuery("SELECT 1"));
            connection.rollback(savepoint);
            connection.releaseSavepoint(savepoint);
            statement.executeQuery("SELECT 1");
        }
        connection.commit();
        connection.setReadOnly(true);
        connection.setSchema("sales");
        try (Statement statement = connection.createStatement()) {
            same(column(statement.executeQuery("SELECT count(*) AS n FROM customers"), "n"), List.of("50"), "schema");
        }
        connection.rollback();
        connection.setReadOnly(false);
        connection.setAutoCommit(true);
        ok("transaction");
    }

    static void copy(Connection connection) throws Exception {
        StringWriter text = new StringWriter();
        long rows = connection.unwrap(PGConnection.class).getCopyAPI()
            .copyOut("COPY (SELECT id, name FROM sales.customers ORDER BY id LIMIT 2) TO STDOUT (FORMAT csv)", text);
        same(rows, 2L, "rows");
        same(text.toString(), "1,C1\n2,C2\n", "csv");
        ok("copy");
    }
}
