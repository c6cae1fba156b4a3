import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The same paths for the server of the JDK: a map that only grows, one that keeps the last entries, or garbage. */
public class Served {
    static final int SIZE = Integer.getInteger("size"), ENTRIES = Integer.getInteger("entries");
    static final Map<String, Object> KEPT = new LinkedHashMap<>();
    static final Map<String, Object> CACHE = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Object> eldest) {
            return size() > ENTRIES;
        }
    };

    static List<String> made(String key) {
        List<String> rows = new ArrayList<>();
        for (int i = 0; i < SIZE / 60; i++) rows.add("row " + i + " of " + key + " " + Math.random());
        return rows;
    }

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 50);
        server.createContext("/", exchange -> {
            String[] path = exchange.getRequestURI().getPath().split("/");
            List<String> rows = made(path[2]);
            if (path[1].equals("keep")) KEPT.put(path[2], rows);
            if (path[1].equals("cache")) CACHE.put(path[2], rows);
            byte[] body = String.join(",", rows).getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
