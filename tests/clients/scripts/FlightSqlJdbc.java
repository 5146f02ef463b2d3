// The JDBC driver of Flight SQL against the server that FLIGHT_URI names. Prints `ok <step>`, fails loudly.
import java.math.BigDecimal;
import java.net.URI;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;

public class FlightSqlJdbc {
    interface Action {
        void run() throws Exception;
    }

    interface Condition {
        boolean holds() throws SQLException;
    }

    static void ok(String step) {
        System.out.println("ok " + step);
    }

    static void same(Object got, Object expected, String what) {
        if (!Objects.deepEquals(got, expected)) {
            throw new AssertionError(what + ": " + shown(got) + " instead of " + shown(expected));
        }
    }

    static String shown(Object value) {
        String text = Arrays.deepToString(new Object[] {value});
        return value == null ? text : text + " (" + value.getClass().getSimpleName() + ")";
    }

    /** The texts must be in the message of the error or of what caused it. */
    static void fails(Action action, String... texts) throws Exception {
        try {
            action.run();
        } catch (SQLException | RuntimeException error) {
            StringBuilder told = new StringBuilder();
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                told.append(cause.getMessage()).append('\n');
            }
            for (String text : texts) {
                if (told.indexOf(text) < 0) {
                    throw new AssertionError("no '" + text + "' in: " + told, error);
                }
            }
            return;
        }
        throw new AssertionError("no error instead of " + String.join(", ", texts));
    }

    /** What another thread or the server does meanwhile must come; nobody waits for a fixed time. */
    static void until(Condition condition) throws SQLException {
        long end = System.nanoTime() + 60_000_000_000L;
        while (!condition.holds()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("it does not come");
            }
        }
    }

    static Connection connect(String... options) throws SQLException {
        URI server = URI.create(System.getenv("FLIGHT_URI"));
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("useEncryption", "false");
        for (int at = 0; at < options.length; at += 2) {
            properties.setProperty(options[at], options[at + 1]);
        }
        return DriverManager.getConnection("jdbc:arrow-flight-sql://" + server.getHost() + ":" + server.getPort(), properties);
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> values = new ArrayList<>();
        while (rows.next()) {
            values.add(rows.getString(name));
        }
        rows.close();
        return values;
    }

    static List<String> query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            List<String> values = new ArrayList<>();
            while (rows.next()) {
                values.add(rows.getString(1));
            }
            return values;
        }
    }

    static long open(Connection connection, String table) throws SQLException {
        return Long.parseLong(query(connection, "SELECT open FROM slow.scans WHERE name = '" + table + "'").get(0));
    }

    public static void main(String[] arguments) throws Exception {
        // The driver logs each refusal with its stack, before the error that a failure is about.
        java.util.logging.LogManager.getLogManager().reset();
        try (Connection connection = connect()) {
            same(query(connection, "SELECT current_user"), List.of("dana"), "who");
            same(connection.isValid(5), true, "valid");
            for (String[] wrong : new String[][] {{"password", "wrong"}, {"user", "nobody"}, {"password", ""}}) {
                fails(() -> connect(wrong), "authentication failed");
            }
            ok("connect");
            metadata(connection);
            types(connection);
            parameters(connection);
            paging(connection);
            cancel(connection);
            errors(connection);
        }
        session();
    }

    static void metadata(Connection connection) throws Exception {
        DatabaseMetaData metadata = connection.getMetaData();
        same(metadata.getDatabaseProductName(), "Lakegate", "product");
        same(metadata.isReadOnly(), true, "read only");
        same(metadata.getIdentifierQuoteString(), "\"", "quote");
        // Whatever a tool asks for has an answer.
        for (var method : DatabaseMetaData.class.getMethods()) {
            if (method.getParameterCount() == 0) {
                try {
                    Object answer = method.invoke(metadata);
                    if (answer instanceof ResultSet rows) {
                        rows.close();
                    }
                } catch (java.lang.reflect.InvocationTargetException error) {
                    if (!(error.getCause() instanceof SQLFeatureNotSupportedException)) {
                        throw new AssertionError(method.getName(), error.getCause());
                    }
                }
            }
        }
        same(column(metadata.getCatalogs(), "TABLE_CAT").contains("lake"), true, "catalogs");
        same(column(metadata.getSchemas("lake", "s%"), "TABLE_SCHEM"), List.of("sales", "slow"), "schemas");
        same(new TreeSet<>(column(metadata.getTableTypes(), "TABLE_TYPE")), new TreeSet<>(List.of("TABLE", "VIEW")), "table types");
        same(column(metadata.getTables("lake", "sales", "%", new String[] {"TABLE"}), "TABLE_NAME"),
            List.of("customers", "order_items", "orders", "products"), "tables");
        same(column(metadata.getTables(null, "sales", "%", new String[] {"VIEW"}), "TABLE_NAME"),
            List.of("customer_totals", "daily"), "views");
        same(column(metadata.getColumns("lake", "sales", "customers", "%"), "COLUMN_NAME"),
            List.of("id", "uid", "name", "email", "active", "score", "balance", "born", "created_at", "attrs", "tags"), "columns");
        try (ResultSet rows = metadata.getColumns(null, "sales", "customers", "balance")) {
            same(rows.next(), true, "a column");
            same(rows.getInt("DATA_TYPE"), Types.DECIMAL, "data type");
            same(rows.getInt("COLUMN_SIZE"), 12, "size");
            same(rows.getInt("DECIMAL_DIGITS"), 2, "digits");
            same(rows.getInt("ORDINAL_POSITION"), 7, "position");
        }
        same(column(metadata.getPrimaryKeys(null, "sales", "customers"), "COLUMN_NAME"), List.of(), "primary keys");
        same(column(metadata.getImportedKeys(null, "sales", "orders"), "FKCOLUMN_NAME"), List.of(), "foreign keys");
        same(column(metadata.getExportedKeys(null, "sales", "orders"), "FKCOLUMN_NAME"), List.of(), "exported keys");
        // The driver does not ask the server for these.
        metadata.getTypeInfo().close();
        try (Statement statement = connection.createStatement();
            ResultSet rows = statement.executeQuery("SELECT o.id, o.total, c.tags, c.created_at AS at FROM sales.orders o, sales.customers c LIMIT 1")) {
            var columns = rows.getMetaData();
            same(columns.getColumnType(1), Types.BIGINT, "bigint");
            same(columns.getColumnType(2), Types.DECIMAL, "decimal");
            same(columns.getColumnType(3), Types.ARRAY, "array");
            same(columns.getColumnLabel(4), "at", "label");
        }
        ok("metadata");
    }

    /** Twice, with a null between. */
    static void roundTrip(Connection connection, String type, Object value) throws Exception {
        Class<?> as = value instanceof Time || value instanceof Timestamp ? value.getClass() : null;
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::" + type)) {
            for (Object given : new Object[] {value, null, value}) {
                if (given == null) {
                    statement.setNull(1, Types.NULL);
                } else {
                    statement.setObject(1, given);
                }
                try (ResultSet rows = statement.executeQuery()) {
                    same(rows.next(), true, "a row");
                    Object got = as == null ? rows.getObject(1) : as == Time.class ? rows.getTime(1) : rows.getTimestamp(1);
                    same(rows.wasNull(), given == null, "null " + type);
                    same(got == null || as == null ? got : got.toString(), given == null || as == null ? given : given.toString(), type);
                    same(rows.next(), false, "one row");
                }
            }
        }
    }

    static void types(Connection connection) throws Exception {
        for (Object[] pair : new Object[][] {
            {"bool", true}, {"bool", false}, {"int2", Short.MIN_VALUE}, {"int4", Integer.MIN_VALUE}, {"int4", Integer.MAX_VALUE},
            {"int8", Long.MIN_VALUE}, {"int8", Long.MAX_VALUE}, {"float8", 0.1}, {"float8", Double.MAX_VALUE}, {"float8", Double.MIN_VALUE},
            {"float8", Double.NaN}, {"float8", Double.NEGATIVE_INFINITY}, {"float8", -0.0},
            {"numeric(12,2)", new BigDecimal("-9999999999.99")}, {"numeric(38,6)", new BigDecimal("12345678901234567890123456789012.000123")},
            {"text", ""}, {"text", "Łódź 'q' \"d\" \\ \n\t 你好 🚲"}, {"varchar", "v"}, {"bytea", new byte[] {}}, {"bytea", new byte[] {0, -1, 92}},
            {"date", Date.valueOf("2024-02-29")}, {"date", Date.valueOf("9999-12-31")}, {"time", Time.valueOf("23:59:59")}, {"time", Time.valueOf("00:00:00")},
            {"timestamp", Timestamp.valueOf("2024-02-29 01:02:03.004")}, {"timestamp", Timestamp.valueOf("1969-07-20 20:17:40.3")},
            {"timestamptz", Timestamp.valueOf("1999-12-31 23:00:00")}, {"uuid", "80000000-0000-0000-0000-000000000005"},
            {"json", "{\"a\": [1, null]}"}, {"jsonb", "{\"b\": 2}"},
        }) {
            roundTrip(connection, (String) pair[0], pair[1]);
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM sales.orders WHERE id = ANY(?) ORDER BY id")) {
            // The driver knows the names of JDBC's types, and not PostgreSQL's.
            statement.setArray(1, connection.createArrayOf("BIGINT", new Long[] {1L, 2L, 3L}));
            same(column(statement.executeQuery(), "id"), List.of("1", "2", "3"), "an array");
        }
        String sql = "SELECT ARRAY[1, NULL, 3], ARRAY['a', NULL, 'b\"c'], TIMESTAMP '2024-02-29 01:02:03.000004', TIME '23:59:59.999', NULL, 1.5::float4";
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            same(rows.getArray(1).getArray(), new Integer[] {1, null, 3}, "int4[]");
            same(String.join("|", Arrays.stream((Object[]) rows.getArray(2).getArray()).map(String::valueOf).toList()), "a|null|b\"c", "text[]");
            same(rows.getTimestamp(3), Timestamp.valueOf("2024-02-29 01:02:03.000004"), "microseconds");
            same(rows.getString(4), "23:59:59.999", "milliseconds");
            same(rows.getObject(5), null, "null");
            same(rows.getFloat(6), 1.5f, "float4");
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM sales.customers WHERE id = ?")) {
            for (int id = 1; id < 5; id++) {
                statement.setInt(1, id);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    same(rows.getString("name"), "C" + id, "name");
                    same(rows.getBoolean("active"), id % 2 == 0, "active");
                    same(rows.getBigDecimal("balance"), new BigDecimal("10.50").multiply(new BigDecimal(id)), "balance");
                    same(rows.getDate("born").toLocalDate(), LocalDate.parse("1989-03-02").plusDays(id), "born");
                    same(rows.getObject("created_at", Instant.class), Instant.parse("2024-01-01T00:00:00Z").plusSeconds(86_400L * id), "created_at");
                    same(rows.getBytes("uid")[15], (byte) id, "uid");
                    same(rows.getString("attrs"), "{\"level\": " + id + "}", "attrs");
                    same(rows.getString("tags"), "[\"t" + id + "\",\"all\"]", "tags");
                }
            }
        }
        ok("types");
    }

    static void parameters(Connection connection) throws Exception {
        String sql = "SELECT id FROM sales.orders WHERE id <= ? AND total > ? AND status <> ? AND placed >= ? AND deliver_at < ? ORDER BY id";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            same(statement.getParameterMetaData().getParameterCount(), 5, "parameters");
            for (long last : new long[] {3, 1, 2}) {
                statement.setLong(1, last);
                // The driver takes a value in the scale that the parameter is described with, and no other.
                statement.setBigDecimal(2, new BigDecimal("1.00").setScale(18));
                statement.setString(3, "x");
                statement.setTimestamp(4, Timestamp.valueOf("2024-01-01 00:00:00"));
                statement.setTime(5, Time.valueOf("12:00:00"));
                same(column(statement.executeQuery(), "id").size(), (int) last, "executed again");
            }
            statement.setTimestamp(4, Timestamp.valueOf("2024-01-31 23:59:59"));
            same(column(statement.executeQuery(), "id"), List.of("1"), "another time");
            statement.setTime(5, Time.valueOf("01:00:00"));
            same(column(statement.executeQuery(), "id"), List.of(), "another time of the day");
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT name FROM sales.customers WHERE id = ?")) {
            for (int id : new int[] {5, 2, 9}) {
                statement.setInt(1, id);
                statement.addBatch();
            }
            same(statement.executeBatch(), new int[] {3}, "rows of a batch");
            statement.setLong(1, 5);
            same(column(statement.executeQuery(), "name"), List.of("C5"), "a wider number");
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT 'a?b' AS text WHERE 1 = ?")) {
            statement.setInt(1, 1);
            same(column(statement.executeQuery(), "text"), List.of("a?b"), "a question mark in a text");
        }
        ok("parameters");
    }

    static void paging(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.setMaxRows(10);
            same(column(statement.executeQuery("SELECT id FROM sales.orders ORDER BY id"), "id").size(), 10, "at most");
            statement.setMaxRows(0);
            statement.setFetchSize(5);
            same(column(statement.executeQuery("SELECT id FROM sales.orders ORDER BY id"), "id").size(), 300, "all");
            try (ResultSet rows = statement.executeQuery("SELECT n FROM slow.endless")) {
                for (long row = 0; row < 20_000; row++) {
                    rows.next();
                    same(rows.getLong(1), row, "in order");
                }
                same(open(connection, "endless"), 1L, "it is read");
            }
            until(() -> open(connection, "endless") == 0);
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM sales.orders ORDER BY id LIMIT ? OFFSET ?")) {
            statement.setLong(1, 3);
            statement.setLong(2, 10);
            same(column(statement.executeQuery(), "id"), List.of("11", "12", "13"), "a page");
        }
        ok("paging");
    }

    /** Reads to the end, which does not come. */
    static void read(Statement statement, String table) throws SQLException {
        try (ResultSet rows = statement.executeQuery("SELECT n FROM slow." + table)) {
            while (rows.next()) {
                rows.getLong(1);
            }
        }
    }

    /**
     * Whether the reader was told of the cancel. Driver 18.3 closes what another thread may be reading at that moment: the
     * rows then seem to end, or an error of its own comes (mended in its source since). Whatever the server says is told.
     */
    static boolean cancelled(Connection connection, String table) throws Exception {
        boolean told = false;
        try (Statement statement = connection.createStatement(); Connection other = connect()) {
            AtomicBoolean ended = new AtomicBoolean();
            Thread thread = new Thread(() -> {
                try {
                    until(() -> ended.get() || open(other, table) > 0);
                    // The first may come before the driver has a stream that it could cancel.
                    while (!ended.get() && open(other, table) > 0) {
                        statement.cancel();
                    }
                } catch (SQLException | RuntimeException end) {
                    System.out.println("cannot cancel: " + end);
                }
            });
            thread.start();
            try {
                read(statement, table);
            } catch (SQLException | RuntimeException error) {
                told = error.toString().contains("ancel");
                boolean ofServer = error instanceof SQLException || error.getClass().getSimpleName().equals("FlightRuntimeException");
                if (ofServer && !told) {
                    throw new AssertionError("a cancel is told as another error", error);
                }
            } finally {
                ended.set(true);
                thread.join();
            }
        }
        until(() -> open(connection, table) == 0);
        return told;
    }

    static void cancel(Connection connection) throws Exception {
        for (String table : new String[] {"waits", "endless"}) {
            int tries = 0;
            while (!cancelled(connection, table)) {
                same(++tries < 20, true, "a cancel that is told, of " + table);
            }
        }
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            fails(() -> read(statement, "waits"), "timed out");
        }
        until(() -> open(connection, "waits") == 0);
        same(query(connection, "SELECT 1"), List.of("1"), "after a cancel");
        ok("cancel");
    }

    static void errors(Connection connection) throws Exception {
        for (String[] wrong : new String[][] {
            {"SELECT nope FROM sales.orders", "column \"nope\" does not exist"},
            {"SELECT * FROM nosuch", "relation \"nosuch\" does not exist"},
            {"SELEC 1", "syntax error"},
            {"SELECT 1/0", "division by zero"},
            {"SELECT 1 / (id - 1) FROM sales.orders", "division by zero"},
            {"SELECT 'a'::int", "invalid input syntax"},
            {"SELECT nofunc(1)", "function nofunc does not exist\nHINT:  No function matches"},
            {"SELECT 1; SELECT 2", "cannot insert multiple commands"},
        }) {
            fails(() -> query(connection, wrong[0]), wrong[1]);
            fails(() -> {
                try (PreparedStatement statement = connection.prepareStatement(wrong[0]); ResultSet rows = statement.executeQuery()) {
                    rows.next();
                }
            }, wrong[1]);
            same(query(connection, "SELECT 2"), List.of("2"), "after an error");
        }
        try (Statement statement = connection.createStatement()) {
            fails(() -> statement.executeUpdate("INSERT INTO sales.orders (id) VALUES (1)"), "cannot execute INSERT", "for reading only");
        }
        ok("errors");
    }

    static void session() throws Exception {
        try (Connection connection = connect()) {
            try (Statement statement = connection.createStatement()) {
                same(statement.execute("SET TimeZone = 'Europe/Warsaw'"), false, "no rows");
                same(statement.executeUpdate("SET search_path = sales"), 0, "no rows changed");
                same(query(connection, "SHOW TimeZone"), List.of("Europe/Warsaw"), "the zone that was set");
                same(query(connection, "SELECT count(*) FROM orders"), List.of("300"), "the schema that was set");
                statement.execute("BEGIN");
                fails(() -> query(connection, "SELECT 1/0"), "division by zero");
                fails(() -> query(connection, "SELECT 1"), "transaction is aborted");
                statement.execute("ROLLBACK");
                same(query(connection, "SELECT 1"), List.of("1"), "after ROLLBACK");
            }
        }
        try (Connection connection = connect("schema", "sales")) {
            same(query(connection, "SELECT count(*) FROM orders"), List.of("300"), "the schema of the address");
        }
        ok("session");
    }
}
