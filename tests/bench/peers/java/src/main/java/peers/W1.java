package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** W1, as tests/bench/peers/w1.py defines it: messages, touches, splits, and JSON of the output. */
final class W1 {
    static final String CLICKSTREAM = "clickstream";
    static final String INTERACTIONS = "content-interactions";
    static final String PURCHASES = "purchases";
    static final long MINUTE_MS = 60_000;
    static final long HOUR_MS = 3_600_000;
    static final long LOOKBACK_MS = 7 * 24 * HOUR_MS;
    static final long DISORDER_MS = 2_000;
    static final long COMMIT_MS = 5_000;
    static final int LOOKED_AT = 32;
    static final int KEPT = 64; // touches of a user, before they are pruned
    static final String[] MODELS = {"first", "last", "linear", "position", "decay"};

    private W1() {}

    /** A message that counts; its fields are those of the last one that was read. */
    static final class Event {
        boolean isPurchase;
        String user;
        String kind;
        String kol;
        String order;
        long at;
        long cents;

        private static final JsonFactory JSON = new JsonFactory();

        /** Whether a message counts; then the fields are its own. */
        boolean read(String topic, byte[] value) {
            isPurchase = topic.equals(PURCHASES);
            user = kind = kol = order = null;
            boolean hasTime = false;
            boolean hasCents = false;
            try (JsonParser parser = JSON.createParser(value)) {
                if (parser.nextToken() != JsonToken.START_OBJECT) {
                    return false;
                }
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    JsonToken token = parser.nextToken();
                    boolean isText = token == JsonToken.VALUE_STRING;
                    boolean isWhole = token == JsonToken.VALUE_NUMBER_INT;
                    switch (name) {
                        case "user_id" -> user = isText ? parser.getText() : null;
                        case "kol_id" -> kol = isText ? parser.getText() : null;
                        case "event" -> kind = isText && !isPurchase ? parser.getText() : kind;
                        case "kind" -> kind = isText && isPurchase ? parser.getText() : kind;
                        case "order_id" -> order = isText ? parser.getText() : null;
                        case "ts" -> {
                            hasTime = isWhole;
                            at = isWhole ? parser.getLongValue() : 0;
                        }
                        case "pay_cents" -> {
                            hasCents = isWhole;
                            cents = isWhole ? parser.getLongValue() : 0;
                        }
                        default -> parser.skipChildren();
                    }
                }
            } catch (IOException error) {
                return false;
            }
            boolean isWhole = user != null && kind != null && hasTime;
            return isWhole && (!isPurchase || (order != null && hasCents));
        }
    }

    /** A user's touches, as two arrays that grow; by time once they are sorted. */
    static final class Touches {
        long[] at = new long[4];
        String[] kol = new String[4];
        int size;

        void add(long time, String name) {
            if (size == at.length) {
                at = Arrays.copyOf(at, 2 * size);
                kol = Arrays.copyOf(kol, 2 * size);
            }
            at[size] = time;
            kol[size++] = name;
        }

        /** The touches that an order of this time sees, by time and KOL. */
        Touches lookedAt(long ordered) {
            Integer[] places = new Integer[size];
            int count = 0;
            for (int i = 0; i < size; i++) {
                if (at[i] <= ordered && at[i] >= ordered - LOOKBACK_MS) {
                    places[count++] = i;
                }
            }
            Comparator<Integer> byTime = Comparator.comparingLong(i -> at[i]);
            Arrays.sort(places, 0, count, byTime.thenComparing(i -> kol[i]));
            Touches found = new Touches();
            for (int i = Math.max(0, count - LOOKED_AT); i < count; i++) {
                found.add(at[places[i]], kol[places[i]]);
            }
            return found;
        }

        /** Drop what no order at or after this time can see. */
        void prune(long least) {
            Touches before = lookedAt(least);
            Touches kept = new Touches();
            for (int i = 0; i < before.size; i++) {
                kept.add(before.at[i], before.kol[i]);
            }
            for (int i = 0; i < size; i++) {
                if (at[i] > least) {
                    kept.add(at[i], kol[i]);
                }
            }
            at = kept.at;
            kol = kept.kol;
            size = kept.size;
        }
    }

    private static long[] weights(String model, Touches touches, long ordered) {
        int n = touches.size;
        long[] each = new long[n];
        switch (model) {
            case "first" -> each[0] = 1;
            case "last" -> each[n - 1] = 1;
            case "decay" -> {
                for (int i = 0; i < n; i++) {
                    each[i] = 169 - (ordered - touches.at[i]) / HOUR_MS;
                }
            }
            case "position" -> {
                Arrays.fill(each, 1);
                if (n > 2) {
                    each[0] = each[n - 1] = 2L * (n - 2);
                }
            }
            default -> Arrays.fill(each, 1);
        }
        return each;
    }

    /** The message of a judged order; of one that nobody was met before, null. */
    static byte[] order(String id, long ordered, long cents, Touches all) {
        Touches touches = all.lookedAt(ordered);
        if (touches.size == 0) {
            return null;
        }
        StringBuilder text = new StringBuilder(256).append("{\"order\":[");
        quote(text, id).append(",{");
        for (String model : MODELS) {
            long[] each = weights(model, touches, ordered);
            long whole = Arrays.stream(each).sum();
            long before = 0;
            long given = 0;
            Map<String, Long> shares = new LinkedHashMap<>();
            for (int i = 0; i < touches.size; i++) {
                before += each[i];
                long reached = cents * before / whole;
                if (reached > given) {
                    shares.merge(touches.kol[i], reached - given, Long::sum);
                }
                given = reached;
            }
            text.append(model == MODELS[0] ? "" : ",").append('"').append(model).append("\":");
            object(text, shares);
        }
        return text.append("}]}").toString().getBytes(StandardCharsets.UTF_8);
    }

    /** The message of a cell: events of one KOL's minute in one partition, by kind. */
    static byte[] cell(String kol, long minute, int partition, Map<String, Long> counts) {
        StringBuilder text = new StringBuilder(160).append("{\"cell\":[");
        quote(text, kol).append(',').append(minute).append(',');
        object(text, new TreeMap<>(counts)).append(',').append(partition).append("]}");
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static StringBuilder object(StringBuilder text, Map<String, Long> values) {
        char next = '{';
        for (Map.Entry<String, Long> one : values.entrySet()) {
            quote(text.append(next), one.getKey()).append(':').append(one.getValue());
            next = ',';
        }
        return text.append(values.isEmpty() ? "{}" : "}");
    }

    private static StringBuilder quote(StringBuilder text, String word) {
        text.append('"');
        for (int i = 0; i < word.length(); i++) {
            char one = word.charAt(i);
            if (one == '"' || one == '\\') {
                text.append('\\').append(one);
            } else if (one < ' ') {
                text.append(String.format("\\u%04x", (int) one));
            } else {
                text.append(one);
            }
        }
        return text.append('"');
    }
}
