// Runs each query of a folder through the JDBC driver of Flight SQL, and writes the answers as CSV:
// QueriesJdbc QUERIES ANSWERS
import java.io.PrintWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

public class QueriesJdbc {
    static String field(String value) {
        return value == null ? "" : value.matches("[^,\"\n]*") ? value : '"' + value.replace("\"", "\"\"") + '"';
    }

    public static void main(String[] arguments) throws Exception {
        URI server = URI.create(System.getenv("FLIGHT_URI"));
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", "");
        properties.setProperty("useEncryption", "false");
        String url = "jdbc:arrow-flight-sql://" + server.getHost() + ":" + server.getPort();
        List<Path> queries = new ArrayList<>();
        try (var files = Files.newDirectoryStream(Path.of(arguments[0]), "*.sql")) {
            files.forEach(queries::add);
        }
        try (Connection connection = DriverManager.getConnection(url, properties);
            Statement statement = connection.createStatement()) {
            for (Path query : queries) {
                String name = query.getFileName().toString().replace(".sql", ".csv");
                String sql = Files.readString(query).strip().replaceAll(";$", "");
                try (PrintWriter out = new PrintWriter(Path.of(arguments[1], name).toFile(), "UTF-8");
                    ResultSet rows = statement.executeQuery(sql)) {
                    int columns = rows.getMetaData().getColumnCount();
                    List<String> line = new ArrayList<>();
                    for (int column = 1; column <= columns; column++) {
                        line.add(field(rows.getMetaData().getColumnLabel(column)));
                    }
                    out.print(String.join(",", line) + "\n");
                    while (rows.next()) {
                        line.clear();
                        for (int column = 1; column <= columns; column++) {
                            line.add(field(rows.getString(column)));
                        }
                        out.print(String.join(",", line) + "\n");
                    }
                }
            }
        }
        System.out.println("ok");
    }
}
