package peers;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * W1 on Flink, tuned: users by key on the heap, cells added up beside the source and sent on before
 * every checkpoint, an order judged when the watermark passes it; a checkpoint every five seconds.
 *
 * <p>java peers.Flink BOOTSTRAP WARM EVENTS PARTITIONS NAME
 */
public final class Flink {
    private static final int MOST_CELLS = 200_000; // before they are sent on

    private Flink() {}

    /** A message that counts: user, time, KOL or order id, kind (empty: paid), cents. */
    private static final TypeInformation<Tuple5<String, Long, String, String, Long>> MESSAGE =
            Types.TUPLE(Types.STRING, Types.LONG, Types.STRING, Types.STRING, Types.LONG);

    /** Some events of a cell: KOL, minute, kind, how many. */
    private static final TypeInformation<Tuple4<String, Long, String, Long>> PART =
            Types.TUPLE(Types.STRING, Types.LONG, Types.STRING, Types.LONG);

    private static final TypeInformation<Tuple2<String, byte[]>> SAID =
            Types.TUPLE(Types.STRING, Types.PRIMITIVE_ARRAY(Types.BYTE));

    private static final OutputTag<Tuple4<String, Long, String, Long>> PARTS =
            new OutputTag<>("parts", PART);

    /** Reads messages; those that do not count are passed over. */
    static final class Reader
            implements KafkaRecordDeserializationSchema<Tuple5<String, Long, String, String, Long>> {
        private static final long serialVersionUID = 1;
        private transient W1.Event event;

        @Override
        public void deserialize(
                ConsumerRecord<byte[], byte[]> record,
                Collector<Tuple5<String, Long, String, String, Long>> out) {
            if (event == null) {
                event = new W1.Event();
            }
            Marks.EVENTS.increment();
            if (!event.read(record.topic(), record.value())) {
                return;
            }
            String name = event.isPurchase ? event.order : event.kol == null ? "" : event.kol;
            String kind = event.isPurchase ? (event.kind.equals("paid") ? "" : "?") : event.kind;
            out.collect(Tuple5.of(event.user, event.at, name, kind, event.cents));
        }

        @Override
        public TypeInformation<Tuple5<String, Long, String, String, Long>> getProducedType() {
            return MESSAGE;
        }
    }

    /** Adds cells up beside the source; what is here is sent on before a checkpoint. */
    static final class Adder extends AbstractStreamOperator<Tuple5<String, Long, String, String, Long>>
            implements OneInputStreamOperator<
                    Tuple5<String, Long, String, String, Long>,
                    Tuple5<String, Long, String, String, Long>> {
        private static final long serialVersionUID = 1;
        private transient Map<Users.Minute, Map<String, Long>> cells;
        private transient int size;
        private transient long watermark; // minutes

        @Override
        public void open() throws Exception {
            super.open();
            cells = new HashMap<>();
        }

        @Override
        public void processElement(
                StreamRecord<Tuple5<String, Long, String, String, Long>> record) {
            var one = record.getValue();
            boolean isPaid = one.f3.isEmpty();
            if (!isPaid && (one.f2.isEmpty() || one.f3.equals("?"))) {
                return; // it has moved the watermark of its source
            }
            if (!isPaid) {
                var minute = new Users.Minute(one.f2, one.f1 / W1.MINUTE_MS);
                size += cells.computeIfAbsent(minute, none -> new HashMap<>())
                                        .merge(one.f3, 1L, Long::sum)
                                == 1L
                        ? 1
                        : 0;
            }
            output.collect(record);
            if (size > MOST_CELLS) {
                send();
            }
        }

        private void send() {
            cells.forEach(
                    (minute, counts) ->
                            counts.forEach(
                                    (kind, n) -> {
                                        var part =
                                                Tuple4.of(minute.kol(), minute.minute(), kind, n);
                                        output.collect(PARTS, new StreamRecord<>(part));
                                    }));
            cells.clear();
            size = 0;
        }

        @Override
        public void processWatermark(Watermark mark) throws Exception {
            long minute = mark.getTimestamp() / W1.MINUTE_MS;
            if (minute != watermark) {
                watermark = minute;
                send(); // no part of a minute comes after the watermark that ends it
            }
            super.processWatermark(mark);
        }

        @Override
        public void prepareSnapshotPreBarrier(long checkpoint) {
            send();
        }
    }

    /** Touches and orders by user. */
    static final class ByUser
            extends KeyedProcessFunction<
                    String, Tuple5<String, Long, String, String, Long>, Tuple2<String, byte[]>> {
        private static final long serialVersionUID = 1;
        private transient ValueState<Users.User> state;

        @Override
        public void open(OpenContext context) {
            state =
                    getRuntimeContext()
                            .getState(new ValueStateDescriptor<>("user", new UserSerializer()));
        }

        @Override
        public void processElement(
                Tuple5<String, Long, String, String, Long> one,
                Context context,
                Collector<Tuple2<String, byte[]>> out)
                throws IOException {
            Users.User user = state.value();
            if (user == null) {
                user = new Users.User();
            }
            if (one.f3.isEmpty()) {
                user.orders = new ArrayList<>(user.orders);
                user.orders.add(new Users.Order(one.f2, one.f1, one.f4));
                context.timerService().registerEventTimeTimer(one.f1);
            } else {
                user.touches.add(one.f1, one.f2);
                if (user.touches.size > W1.KEPT && user.orders.isEmpty()) {
                    user.touches.prune(context.timerService().currentWatermark());
                }
            }
            state.update(user);
        }

        @Override
        public void onTimer(
                long at, OnTimerContext context, Collector<Tuple2<String, byte[]>> out)
                throws IOException {
            Users.User user = state.value();
            List<Users.Order> left = new ArrayList<>();
            for (Users.Order order : user.orders) {
                if (order.at() > at) {
                    left.add(order);
                    continue;
                }
                byte[] said = W1.order(order.id(), order.at(), order.cents(), user.touches);
                if (said != null) {
                    out.collect(Tuple2.of(order.id(), said));
                }
            }
            user.orders = left;
            state.update(user);
        }
    }

    /** Cells by KOL; one is said when its minute is over. */
    static final class ByKol
            extends KeyedProcessFunction<
                    String, Tuple4<String, Long, String, Long>, Tuple2<String, byte[]>> {
        private static final long serialVersionUID = 1;
        private transient MapState<Long, Map<String, Long>> cells;

        @Override
        public void open(OpenContext context) {
            cells =
                    getRuntimeContext()
                            .getMapState(
                                    new MapStateDescriptor<>(
                                            "cells",
                                            Types.LONG,
                                            Types.MAP(Types.STRING, Types.LONG)));
        }

        @Override
        public void processElement(
                Tuple4<String, Long, String, Long> part,
                Context context,
                Collector<Tuple2<String, byte[]>> out)
                throws Exception {
            Map<String, Long> counts = cells.get(part.f1);
            if (counts == null) {
                counts = new HashMap<>();
            }
            context.timerService().registerEventTimeTimer((part.f1 + 1) * W1.MINUTE_MS - 1);
            counts.merge(part.f2, part.f3, Long::sum);
            cells.put(part.f1, counts);
        }

        @Override
        public void onTimer(
                long at, OnTimerContext context, Collector<Tuple2<String, byte[]>> out)
                throws Exception {
            String kol = context.getCurrentKey();
            long minute = at / W1.MINUTE_MS;
            byte[] said = W1.cell(kol, minute, 0, cells.get(minute));
            out.collect(Tuple2.of(kol + " " + minute, said));
            cells.remove(minute);
        }
    }

    /** A user in a checkpoint. */
    static final class UserSerializer extends TypeSerializerSingleton<Users.User> {
        private static final long serialVersionUID = 1;

        @Override
        public boolean isImmutableType() {
            return false;
        }

        @Override
        public Users.User createInstance() {
            return new Users.User();
        }

        @Override
        public Users.User copy(Users.User from) {
            Users.User user = new Users.User();
            user.touches.at = from.touches.at.clone();
            user.touches.kol = from.touches.kol.clone();
            user.touches.size = from.touches.size;
            user.orders = List.copyOf(from.orders);
            return user;
        }

        @Override
        public Users.User copy(Users.User from, Users.User reuse) {
            return copy(from);
        }

        @Override
        public int getLength() {
            return -1;
        }

        @Override
        public void serialize(Users.User user, DataOutputView out) throws IOException {
            byte[] bytes = user.bytes();
            out.writeInt(bytes.length);
            out.write(bytes);
        }

        @Override
        public Users.User deserialize(DataInputView in) throws IOException {
            byte[] bytes = new byte[in.readInt()];
            in.readFully(bytes);
            return Users.User.of(bytes);
        }

        @Override
        public Users.User deserialize(Users.User reuse, DataInputView in) throws IOException {
            return deserialize(in);
        }

        @Override
        public void copy(DataInputView in, DataOutputView out) throws IOException {
            serialize(deserialize(in), out);
        }

        @Override
        public TypeSerializerSnapshot<Users.User> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The form of a user in a checkpoint; there is one only. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Users.User> {
            public Snapshot() {
                super(UserSerializer::new);
            }
        }
    }

    /** Writes to the output topic. */
    static final class Writer implements KafkaRecordSerializationSchema<Tuple2<String, byte[]>> {
        private static final long serialVersionUID = 1;
        private final String topic;

        Writer(String topic) {
            this.topic = topic;
        }

        @Override
        public ProducerRecord<byte[], byte[]> serialize(
                Tuple2<String, byte[]> said, KafkaSinkContext context, Long at) {
            return new ProducerRecord<>(topic, said.f0.getBytes(StandardCharsets.UTF_8), said.f1);
        }
    }

    private static KafkaSink<Tuple2<String, byte[]>> sink(String bootstrap, String topic) {
        return KafkaSink.<Tuple2<String, byte[]>>builder()
                .setBootstrapServers(bootstrap)
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setProperty("linger.ms", "100")
                .setProperty("batch.size", String.valueOf(1 << 18))
                .setProperty("compression.type", "lz4")
                .setRecordSerializer(new Writer(topic))
                .build();
    }

    private static Configuration settings(Path folder) {
        Configuration given = new Configuration();
        Map.ofEntries(
                        Map.entry("state.backend.type", "hashmap"),
                        Map.entry("execution.checkpointing.dir", folder.resolve("kept").toUri().toString()),
                        Map.entry("execution.checkpointing.interval", W1.COMMIT_MS + " ms"),
                        Map.entry("execution.checkpointing.mode", "AT_LEAST_ONCE"),
                        Map.entry("pipeline.object-reuse", "true"),
                        Map.entry("pipeline.generic-types", "false"),
                        Map.entry("taskmanager.numberOfTaskSlots", "2"),
                        Map.entry("taskmanager.memory.managed.size", "16m"),
                        Map.entry("taskmanager.memory.network.min", "128m"),
                        Map.entry("taskmanager.memory.network.max", "128m"),
                        Map.entry("io.tmp.dirs", folder.toString()),
                        Map.entry("restart-strategy.type", "none"))
                .forEach(given::setString);
        return given;
    }

    /** Do W1 of everything that is on the inputs, then end. */
    public static void main(String[] words) throws Exception {
        String bootstrap = words[0];
        String name = words[4];
        String output = name + "-output";
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            NewTopic made = new NewTopic(output, Integer.parseInt(words[3]), (short) 1);
            admin.createTopics(List.of(made.configs(Map.of("cleanup.policy", "compact"))))
                    .all()
                    .get();
        }
        Path folder = Files.createTempDirectory("kol-bench-flink");
        var environment = StreamExecutionEnvironment.createLocalEnvironment(2, settings(folder));
        var source =
                KafkaSource.<Tuple5<String, Long, String, String, Long>>builder()
                        .setBootstrapServers(bootstrap)
                        .setTopics(W1.CLICKSTREAM, W1.INTERACTIONS, W1.PURCHASES)
                        .setGroupId(name)
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setBounded(OffsetsInitializer.latest())
                        .setDeserializer(new Reader())
                        .setProperty("max.poll.records", "5000")
                        .setProperty("commit.offsets.on.checkpoint", "true")
                        .build();
        var watermarks =
                WatermarkStrategy.<Tuple5<String, Long, String, String, Long>>forBoundedOutOfOrderness(
                                Duration.ofMillis(W1.DISORDER_MS))
                        .withTimestampAssigner((message, at) -> message.f1);
        var messages =
                environment
                        .fromSource(source, watermarks, "inputs")
                        .transform("adder", MESSAGE, new Adder());
        DataStream<Tuple2<String, byte[]>> orders =
                messages.keyBy(message -> message.f0, Types.STRING).process(new ByUser(), SAID);
        DataStream<Tuple2<String, byte[]>> cells =
                messages.getSideOutput(PARTS)
                        .keyBy(part -> part.f0, Types.STRING)
                        .process(new ByKol(), SAID);
        orders.sinkTo(sink(bootstrap, output));
        cells.sinkTo(sink(bootstrap, output));
        Marks.printAfter(Long.parseLong(words[1]));
        environment.execute(name);
        Marks.print();
        try (var files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        }
        System.exit(0);
    }
}
