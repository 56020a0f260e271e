import com.sun.jna.Pointer;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.Locale;
import java.util.Objects;
import java.util.StringJoiner;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Waits for a workflow execution and prints a line for each change, then its nodes, the output of each node that failed,
 * and how long the last poll took.
 *
 * <pre>
 * javac -cp /usr/share/java/jna.jar -d classes Refold.java Watch.java
 * java -cp /usr/share/java/jna.jar:classes Watch [--timeout SECONDS] EXECUTION_ID
 * </pre>
 *
 * Credentials come from REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN. REFOLD_LOG=info prints what
 * the calls do on stderr.
 *
 * <p>Exit status: 0 if the run completed; 1 on an error, reported on stderr; 3 if the run ended otherwise; 130 if SIGINT
 * (Ctrl-C), 143 if SIGTERM cancelled the wait.
 */
public final class Watch {
    private static final Refold C = Refold.C;
    /** The parts of the total, in the order of refold_timing, from 1. */
    private static final String[] TIMINGS = {"resolve", "connect", "TLS", "first byte", "transfer"};
    private static final int OUTPUT_CHARACTERS = 1000;
    private String shown;

    private Watch() {}

    public static void main(String[] arguments) {
        System.exit(run(arguments));
    }

    private static int run(String[] arguments) {
        boolean hasTimeout = arguments.length == 3 && arguments[0].equals("--timeout");
        if (arguments.length != 1 && !hasTimeout) {
            System.err.println("usage: Watch [--timeout SECONDS] EXECUTION_ID");
            return 1;
        }
        try {
            long timeoutMs = hasTimeout ? parseSeconds(arguments[1]) : 0;
            return new Watch().watch(arguments[arguments.length - 1], timeoutMs);
        } catch (Refold.CallException e) {
            if (e.code == Refold.ERROR_CANCELLED) {
                return 130;
            }
            String request = e.requestId == null ? "" : "; request id " + e.requestId;
            System.err.println(Refold.printable("watch: " + e.getMessage() + request));
        } catch (IllegalArgumentException | IOException e) {
            System.err.println("watch: " + e.getMessage());
        }
        return 1;
    }

    private static long parseSeconds(String text) {
        if (!text.matches("[0-9]{1,9}([.][0-9]+)?")) {
            throw new IllegalArgumentException("--timeout takes a number of seconds");
        }
        return (long) Math.ceil(Double.parseDouble(text) * 1000);
    }

    /** Returns the exit status. */
    private int watch(String id, long timeoutMs) throws Refold.CallException, IOException {
        var isFreed = new CountDownLatch(1);
        try (Refold.Cancel cancel = C.refold_cancel_new()) {
            // A signal ends the process once this hook has returned, which waits for all objects to be freed.
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                cancel.trigger();
                try {
                    isFreed.await(1, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }));
            try (Refold.Options options = C.refold_options_new_from_env();
                    Refold.Client client = Refold.checked(error -> C.refold_client_new(options, error));
                    Refold.Queue queue = Refold.checked(error -> C.refold_queue_new(1, error))) {
                Refold.checked(error -> C.refold_queue_wait_execution(queue, client, id, timeoutMs, cancel, null, error));
                return handleEvents(queue);
            }
        } finally {
            isFreed.countDown();
        }
    }

    /** Returns the exit status when the wait is done. */
    private int handleEvents(Refold.Queue queue) throws Refold.CallException, IOException {
        while (true) {
            try (Refold.Event event = C.refold_queue_next(queue, -1)) {
                Pointer execution = C.refold_event_execution(event);
                if (C.refold_event_typeof(event) == Refold.EVENT_DONE) {
                    if (execution == null) {
                        throw new Refold.CallException(C.refold_event_error(event));
                    }
                    return finish(execution);
                }
                if (execution != null) { // null if memory was insufficient
                    showProgress(execution);
                }
            }
        }
    }

    private int finish(Pointer execution) throws IOException {
        showProgress(execution);
        long count = C.refold_execution_node_count(execution).longValue();
        for (long i = 0; i < count; i++) {
            showNode(C.refold_execution_node(execution, new Refold.Size(i)));
        }
        int attempts = C.refold_execution_attempts(execution);
        print("last poll in " + describeTimes(execution) + ", attempts " + Integer.toUnsignedString(attempts));
        return C.refold_state_is_failure(C.refold_execution_state(execution)) != 0 ? 3 : 0;
    }

    private void showProgress(Pointer execution) throws IOException {
        String name = firstOf(C.refold_execution_name(execution), C.refold_execution_id(execution));
        String line = name + ": " + firstOf(C.refold_execution_status(execution));
        double percentage = C.refold_execution_completion_percentage(execution);
        if (percentage >= 0) { // -1 if absent
            line += ", " + BigDecimal.valueOf(percentage).stripTrailingZeros().toPlainString() + " %";
        }
        if (!line.equals(shown)) {
            print(line);
        }
        shown = line;
    }

    private static void showNode(Pointer node) throws IOException {
        String name = firstOf(C.refold_node_name(node), C.refold_node_id(node));
        long timeMs = C.refold_node_execution_time_ms(node);
        print("  " + name + ": " + firstOf(C.refold_node_status(node)) + (timeMs >= 0 ? ", " + timeMs + " ms" : ""));
        String output = C.refold_json_text(C.refold_node_latest_output(node), null);
        boolean hasFailed = C.refold_state_is_failure(C.refold_node_state(node)) != 0;
        if (hasFailed && output != null && !output.equals("null")) {
            print("    " + output.substring(0, Math.min(output.length(), OUTPUT_CHARACTERS)));
        }
    }

    /** Composes "1.4 ms (connect 0.2 ms, first byte 1.1 ms, transfer 0.1 ms)". */
    private static String describeTimes(Pointer execution) {
        var parts = new StringJoiner(", ", " (", ")").setEmptyValue("");
        for (int i = 0; i < TIMINGS.length; i++) {
            long timeUs = C.refold_execution_timing_us(execution, i + 1);
            if (timeUs >= 0) {
                parts.add(TIMINGS[i] + " " + milliseconds(timeUs));
            }
        }
        return milliseconds(C.refold_execution_timing_us(execution, Refold.TIMING_TOTAL)) + parts;
    }

    private static String milliseconds(long microseconds) {
        return String.format(Locale.ROOT, "%.1f ms", microseconds / 1000.0);
    }

    private static String firstOf(String... texts) {
        return Stream.of(texts).filter(Objects::nonNull).findFirst().orElse("-");
    }

    /** Prints a line. System.out hides errors unless it is asked. */
    private static void print(String line) throws IOException {
        System.out.println(Refold.printable(line));
        if (System.out.checkError()) {
            throw new IOException("cannot write output");
        }
    }
}
