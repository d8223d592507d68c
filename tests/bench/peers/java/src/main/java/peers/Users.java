package peers;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;

/** What is kept of one partition: its users, its cells, and how far its topics are read. */
final class Users {
    /** A paid order that waits. */
    record Order(String id, long at, long cents) {}

    /** A user's touches and waiting orders. */
    static final class User {
        final W1.Touches touches = new W1.Touches();
        List<Order> orders = List.of();

        byte[] bytes() {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(16 + 24 * touches.size);
            try (DataOutputStream out = new DataOutputStream(bytes)) {
                out.writeInt(touches.size);
                for (int i = 0; i < touches.size; i++) {
                    out.writeLong(touches.at[i]);
                    out.writeUTF(touches.kol[i]);
                }
                out.writeInt(orders.size());
                for (Order order : orders) {
                    out.writeUTF(order.id);
                    out.writeLong(order.at);
                    out.writeLong(order.cents);
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return bytes.toByteArray();
        }

        static User of(byte[] bytes) {
            User user = new User();
            try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
                for (int left = in.readInt(); left > 0; left--) {
                    long at = in.readLong();
                    user.touches.add(at, in.readUTF());
                }
                List<Order> orders = new ArrayList<>();
                for (int left = in.readInt(); left > 0; left--) {
                    orders.add(new Order(in.readUTF(), in.readLong(), in.readLong()));
                }
                user.orders = orders;
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return user;
        }
    }

    /** One KOL's minute. */
    record Minute(String kol, long minute) {}

    final Map<String, User> users = new HashMap<>();
    final Map<Minute, Map<String, Long>> cells = new HashMap<>();
    final Map<String, Long> newest = new HashMap<>();
    final Set<String> changed = new HashSet<>();
    final Set<Minute> changedCells = new HashSet<>();
    private final Set<String> waiting = new HashSet<>();

    /** Put back a user that was kept. */
    void restore(String name, User user) {
        users.put(name, user);
        if (!user.orders.isEmpty()) {
            waiting.add(name);
        }
    }

    /** Take in a message that counts. */
    void take(String topic, W1.Event event) {
        newest.merge(topic, event.at, Math::max);
        if (!event.isPurchase) {
            if (event.kol == null || event.kol.isEmpty()) {
                return;
            }
            Minute minute = new Minute(event.kol, event.at / W1.MINUTE_MS);
            cells.computeIfAbsent(minute, none -> new HashMap<>()).merge(event.kind, 1L, Long::sum);
            changedCells.add(minute);
            users.computeIfAbsent(event.user, none -> new User()).touches.add(event.at, event.kol);
            changed.add(event.user);
        } else if (event.kind.equals("paid")) {
            User user = users.computeIfAbsent(event.user, none -> new User());
            user.orders = new ArrayList<>(user.orders);
            user.orders.add(new Order(event.order, event.at, event.cents));
            waiting.add(event.user);
            changed.add(event.user);
        }
    }

    /** Judge the orders whose touches are all read; prune what none can see. */
    void judge(int topics, BiConsumer<String, byte[]> say) {
        long least = newest.values().stream().mapToLong(Long::longValue).min().orElse(0);
        long reached = (newest.size() < topics ? 0 : least) - W1.DISORDER_MS;
        for (String name : List.copyOf(waiting)) {
            User user = users.get(name);
            List<Order> left = new ArrayList<>();
            for (Order order : user.orders) {
                if (order.at > reached) {
                    left.add(order);
                    continue;
                }
                byte[] said = W1.order(order.id, order.at, order.cents, user.touches);
                if (said != null) {
                    say.accept(order.id, said);
                }
            }
            if (left.size() < user.orders.size()) {
                user.orders = left;
                changed.add(name);
            }
            if (left.isEmpty()) {
                waiting.remove(name);
            }
        }
        for (String name : changed) {
            User user = users.get(name);
            if (user.touches.size > W1.KEPT) {
                long oldest = reached;
                for (Order order : user.orders) {
                    oldest = Math.min(oldest, order.at());
                }
                user.touches.prune(oldest);
            }
        }
    }
}
