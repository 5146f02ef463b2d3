import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** What databricks-jdbc does against the stand-in; each line of output is judged by test_jdbc.py. */
public final class JdbcWitness {
  private JdbcWitness() {}

  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    properties.put("UID", "token");
    properties.put("PWD", arguments[1]);
    try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
      rows(connection);
      parameters(connection);
      metadata(connection);
      sessions(connection);
      changes(connection);
      failures(connection);
    }
  }

  private static void say(String what, Object value) {
    System.out.println(what + "=" + value);
  }

  private static void rows(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery("SELECT order_id, amount, ordered_on FROM main.default.orders ORDER BY 1")) {
      long count = 0;
      long sum = 0;
      while (result.next()) {
        if (count == 1) {
          say("second", result.getBigDecimal(2) + " " + result.getDate(3));
        }
        count++;
        sum += result.getLong(1);
      }
      say("rows", count + " " + sum);
    }
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery("SELECT * FROM main.default.all_types WHERE c_tinyint = 1")) {
      result.next();
      say("wide", result.getBigDecimal("c_decimal_wide"));
      say("timestamp", result.getTimestamp("c_timestamp").toInstant());
      say("array", result.getObject("c_array"));
      say("struct", result.getObject("c_struct"));
      say("binary", result.getBytes("c_binary").length);
    }
  }

  private static void parameters(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("SELECT ? + 1, ?, ?, ?")) {
      statement.setInt(1, 41);
      statement.setString(2, "it's");
      statement.setDate(3, Date.valueOf("2024-02-29"));
      statement.setBigDecimal(4, new BigDecimal("1.50"));
      try (ResultSet result = statement.executeQuery()) {
        result.next();
        say("parameters", result.getInt(1) + " " + result.getString(2) + " " + result.getDate(3) + " " + result.getBigDecimal(4));
      }
    }
  }

  private static void metadata(Connection connection) throws SQLException {
    List<String> found = new ArrayList<>();
    try (ResultSet result = connection.getMetaData().getTables("main", "default", "%", null)) {
      while (result.next()) {
        found.add(result.getString("TABLE_SCHEM") + "." + result.getString("TABLE_NAME") + ":" + result.getString("TABLE_TYPE"));
      }
    }
    say("tables", found);
    found.clear();
    try (ResultSet result = connection.getMetaData().getColumns("main", "default", "orders", "%")) {
      while (result.next()) {
        found.add(result.getString("COLUMN_NAME") + ":" + result.getInt("DATA_TYPE"));
      }
    }
    say("columns", found);
    found.clear();
    try (ResultSet result = connection.getMetaData().getCatalogs()) {
      while (result.next()) {
        found.add(result.getString(1));
      }
    }
    say("catalogs", found);
  }

  private static void sessions(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("USE samples.tpch");
      try (ResultSet result = statement.executeQuery("SELECT count(*) FROM region")) {
        result.next();
        say("session", result.getInt(1));
      }
    }
  }

  private static void changes(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE main.default.by_jdbc (a int)");
      say("inserted", statement.executeUpdate("INSERT INTO main.default.by_jdbc VALUES (1), (2)"));
      statement.execute("DROP TABLE main.default.by_jdbc");
    }
  }

  private static void failures(Connection connection) {
    for (String text : new String[] {"SELECT * FROM main.default.nope", "SELEC 1"}) {
      try (Statement statement = connection.createStatement()) {
        statement.executeQuery(text);
        say("failure", "none");
      } catch (SQLException error) {
        say("failure", error.getSQLState() + " " + error.getMessage().contains("SQLSTATE"));
      }
    }
  }
}
