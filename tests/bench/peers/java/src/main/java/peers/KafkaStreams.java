package peers;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * W1 on Kafka Streams, its public interfaces alone, tuned: a task keeps its partition on the heap
 * and puts what changed into change-logged stores every five seconds, right before the commit that
 * it asks for. Commits of its own interval are off, so what is committed is what the stores hold.
 *
 * <p>java peers.KafkaStreams BOOTSTRAP WARM EVENTS PARTITIONS NAME
 */
public final class KafkaStreams {
    private static final List<String> INPUTS =
            List.of(W1.CLICKSTREAM, W1.INTERACTIONS, W1.PURCHASES);
    private static final String NEWEST = "\u0000newest ";
    private static final long LOOK_MS = 100;
    private static volatile boolean isOver;

    private KafkaStreams() {}

    /** One partition of all topics. */
    private static final class Task implements Processor<byte[], byte[], String, byte[]> {
        private final Users state = new Users();
        private final W1.Event event = new W1.Event();
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> users;
        private KeyValueStore<String, byte[]> cells;
        private long due = System.currentTimeMillis() + W1.COMMIT_MS;
        private boolean isFlushed;

        @Override
        public void init(ProcessorContext<String, byte[]> given) {
            context = given;
            users = context.getStateStore("users");
            cells = context.getStateStore("cells");
            try (var all = users.all()) {
                while (all.hasNext()) {
                    var one = all.next();
                    if (one.key.startsWith(NEWEST)) {
                        long at = ByteBuffer.wrap(one.value).getLong();
                        state.newest.put(one.key.substring(NEWEST.length()), at);
                    } else {
                        state.restore(one.key, Users.User.of(one.value));
                    }
                }
            }
            try (var all = cells.all()) {
                while (all.hasNext()) {
                    var one = all.next();
                    restoreCell(one.key, new String(one.value, StandardCharsets.UTF_8));
                }
            }
            context.schedule(
                    Duration.ofMillis(LOOK_MS), PunctuationType.WALL_CLOCK_TIME, this::look);
        }

        private void restoreCell(String key, String counts) {
            int space = key.lastIndexOf(' ');
            long minute = Long.parseLong(key.substring(space + 1));
            Map<String, Long> found = new HashMap<>();
            for (String part : counts.split(" ")) {
                int equals = part.indexOf('=');
                found.put(part.substring(0, equals), Long.parseLong(part.substring(equals + 1)));
            }
            state.cells.put(new Users.Minute(key.substring(0, space), minute), found);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            String topic = context.recordMetadata().orElseThrow().topic();
            if (event.read(topic, record.value())) {
                state.take(topic, event);
            }
            isFlushed = false;
            Marks.EVENTS.increment();
        }

        private void look(long now) {
            boolean isDue = now >= due || isOver;
            if (isDue && !isFlushed) {
                flush(now);
                due = now + W1.COMMIT_MS;
                isFlushed = true;
                context.commit();
            }
        }

        /** Judge what can be judged; put what changed into the stores and out. */
        private void flush(long now) {
            state.judge(INPUTS.size(), (id, said) -> context.forward(new Record<>(id, said, now)));
            int partition = context.taskId().partition();
            for (Users.Minute one : state.changedCells) {
                Map<String, Long> counts = state.cells.get(one);
                String key = one.kol() + " " + one.minute();
                String kept =
                        counts.entrySet().stream()
                                .map(count -> count.getKey() + "=" + count.getValue())
                                .collect(Collectors.joining(" "));
                cells.put(key, kept.getBytes(StandardCharsets.UTF_8));
                byte[] said = W1.cell(one.kol(), one.minute(), partition, counts);
                context.forward(new Record<>(key + " " + partition, said, now));
            }
            for (String name : state.changed) {
                users.put(name, state.users.get(name).bytes());
            }
            state.newest.forEach(
                    (topic, at) ->
                            users.put(
                                    NEWEST + topic, ByteBuffer.allocate(8).putLong(at).array()));
            state.changed.clear();
            state.changedCells.clear();
        }
    }

    private static Topology topology(String output) {
        var bytes = new ByteArrayDeserializer();
        var topology = new Topology();
        topology.addSource("inputs", bytes, bytes, INPUTS.toArray(new String[0]));
        topology.addProcessor("w1", Task::new, "inputs");
        for (String name : List.of("users", "cells")) {
            topology.addStateStore(
                    Stores.keyValueStoreBuilder(
                                    Stores.inMemoryKeyValueStore(name),
                                    Serdes.String(),
                                    Serdes.ByteArray())
                            .withLoggingEnabled(Map.of())
                            .withCachingDisabled(),
                    "w1");
        }
        topology.addSink(
                "output", output, new StringSerializer(), new ByteArraySerializer(), "w1");
        return topology;
    }

    private static Properties settings(String bootstrap, String name) {
        Properties given = new Properties();
        given.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        given.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        given.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        given.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        given.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 3_600_000L); // it asks by itself
        given.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir"));
        given.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5_000);
        given.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        given.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        given.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        given.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        given.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 1 << 18);
        return given;
    }

    /** Do W1 of everything that is on the inputs, then end. */
    public static void main(String[] words) throws Exception {
        String bootstrap = words[0];
        String name = words[4];
        int partitions = Integer.parseInt(words[3]);
        Properties client = new Properties();
        client.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(client)) {
            String output = name + "-output";
            NewTopic made = new NewTopic(output, partitions, (short) 1);
            admin.createTopics(List.of(made.configs(Map.of("cleanup.policy", "compact"))))
                    .all()
                    .get();
            Map<TopicPartition, Long> ends = ends(admin, partitions);
            long total = ends.values().stream().mapToLong(Long::longValue).sum();
            var streams =
                    new org.apache.kafka.streams.KafkaStreams(
                            topology(output), settings(bootstrap, name));
            Marks.printAfter(Long.parseLong(words[1]));
            streams.start();
            while (Marks.EVENTS.sum() < total) {
                Marks.pause(5);
            }
            isOver = true;
            while (!isCommitted(admin, name, ends)) {
                Marks.pause(20);
            }
            Marks.print();
            streams.close(Duration.ofSeconds(10));
        }
        System.exit(0);
    }

    private static Map<TopicPartition, Long> ends(Admin admin, int partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        for (String topic : INPUTS) {
            for (int partition = 0; partition < partitions; partition++) {
                asked.put(new TopicPartition(topic, partition), OffsetSpec.latest());
            }
        }
        Map<TopicPartition, Long> found = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((at, end) -> found.put(at, end.offset()));
        return found;
    }

    private static boolean isCommitted(Admin admin, String group, Map<TopicPartition, Long> ends)
            throws Exception {
        var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        return ends.entrySet().stream()
                .filter(end -> end.getValue() > 0)
                .allMatch(
                        end -> {
                            var at = offsets.get(end.getKey());
                            return at != null && at.offset() >= end.getValue();
                        });
    }
}
