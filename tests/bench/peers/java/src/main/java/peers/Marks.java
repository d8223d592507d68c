package peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.concurrent.atomic.LongAdder;

/** The marks of a window, as streams/bench/windows.py reads them. */
final class Marks {
    /** Messages that this process has taken in. */
    static final LongAdder EVENTS = new LongAdder();

    private static final OperatingSystemMXBean MACHINE =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private Marks() {}

    /** Print one mark: events, seconds, CPU seconds of this process, GC and compiler included. */
    static synchronized void print() {
        System.out.printf(
                Locale.ROOT,
                "{\"kol_bench\": {\"events\": %d, \"wall\": %.6f, \"cpu\": %.6f}}%n",
                EVENTS.sum(),
                System.nanoTime() / 1e9,
                MACHINE.getProcessCpuTime() / 1e9);
        System.out.flush();
    }

    /** Wait in a thread of its own until so many messages are in, then print a mark. */
    static void printAfter(long warm) {
        Thread thread =
                new Thread(
                        () -> {
                            while (EVENTS.sum() < warm) {
                                pause(5);
                            }
                            print();
                        },
                        "marks");
        thread.setDaemon(true);
        thread.start();
    }

    static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
