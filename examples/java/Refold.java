import com.sun.jna.IntegerType;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import com.sun.jna.PointerType;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Function;

/** Functions of refold.h. A bool of C is a byte here: JNA takes a boolean for four bytes. */
public interface Refold extends Library {
    /** The library at the path in the environment variable REFOLD_LIBRARY, or else as found by the system's loader. */
    Refold C = Native.load(libraryName(), Refold.class, Map.of(OPTION_STRING_ENCODING, "UTF-8"));

    int ERROR_CANCELLED = -2;
    int EVENT_DONE = 2;
    int TIMING_TOTAL = 0;

    /** A size_t. */
    final class Size extends IntegerType {
        private static final long serialVersionUID = 1;

        public Size() {
            this(0);
        }

        public Size(long value) {
            super(Native.SIZE_T_SIZE, value, true);
        }
    }

    // Objects that the caller owns. Closing one frees it.

    final class Options extends PointerType implements AutoCloseable {
        @Override
        public void close() {
            C.refold_options_free(this);
        }
    }

    final class Client extends PointerType implements AutoCloseable {
        @Override
        public void close() {
            C.refold_client_free(this);
        }
    }

    final class Queue extends PointerType implements AutoCloseable {
        @Override
        public void close() {
            C.refold_queue_free(this);
        }
    }

    final class Event extends PointerType implements AutoCloseable {
        @Override
        public void close() {
            C.refold_event_free(this);
        }
    }

    /** The only object here that two threads use: it must not be triggered while or after the other one frees it. */
    final class Cancel extends PointerType implements AutoCloseable {
        private boolean isClosed;

        public synchronized void trigger() {
            if (!isClosed) {
                C.refold_cancel_trigger(this);
            }
        }

        @Override
        public synchronized void close() {
            isClosed = true;
            C.refold_cancel_free(this);
        }
    }

    /** A call that failed. */
    final class CallException extends Exception {
        private static final long serialVersionUID = 1;
        public final int code;
        public final String requestId; // null if there is none

        public CallException(Pointer error) {
            super(C.refold_error_message(error));
            code = C.refold_error_code(error);
            requestId = C.refold_error_request_id(error);
        }
    }

    Options refold_options_new_from_env();
    void refold_options_free(Options options);
    Client refold_client_new(Options options, PointerByReference error);
    void refold_client_free(Client client);
    Cancel refold_cancel_new();
    void refold_cancel_trigger(Cancel cancel);
    void refold_cancel_free(Cancel cancel);
    Queue refold_queue_new(int maxConcurrent, PointerByReference error);
    byte refold_queue_wait_execution(
            Queue queue, Client client, String executionId, long timeoutMs, Cancel cancel, Pointer userData,
            PointerByReference error);
    Event refold_queue_next(Queue queue, long timeoutMs);
    void refold_queue_free(Queue queue);
    int refold_event_typeof(Event event);
    Pointer refold_event_execution(Event event);
    Pointer refold_event_error(Event event);
    void refold_event_free(Event event);
    int refold_error_code(Pointer error);
    String refold_error_message(Pointer error);
    String refold_error_request_id(Pointer error);
    void refold_error_free(Pointer error);
    String refold_execution_id(Pointer execution);
    String refold_execution_name(Pointer execution);
    String refold_execution_status(Pointer execution);
    int refold_execution_state(Pointer execution);
    double refold_execution_completion_percentage(Pointer execution);
    Size refold_execution_node_count(Pointer execution);
    Pointer refold_execution_node(Pointer execution, Size index);
    long refold_execution_timing_us(Pointer execution, int timing);
    int refold_execution_attempts(Pointer execution);
    String refold_node_id(Pointer node);
    String refold_node_name(Pointer node);
    String refold_node_status(Pointer node);
    int refold_node_state(Pointer node);
    long refold_node_execution_time_ms(Pointer node);
    Pointer refold_node_latest_output(Pointer node);
    String refold_json_text(Pointer value, Pointer length);
    byte refold_state_is_failure(int state);

    /** Calls a function with the place for an error, and throws the error if there is one. */
    static <T> T checked(Function<PointerByReference, T> function) throws CallException {
        var place = new PointerByReference();
        T result = function.apply(place);
        Pointer error = place.getValue();
        if (error == null) {
            return result;
        }
        try {
            throw new CallException(error);
        } finally {
            C.refold_error_free(error);
        }
    }

    /**
     * Returns text as one line that is safe to print. Texts of a server, messages of errors included, may contain escape
     * sequences for the terminal, forged lines, and controls that reorder what a line shows.
     */
    static String printable(String text) {
        return text.replaceAll("[\t\n\r]", " ")
                .replaceAll("[\\p{Cc}\\p{Cs}\\u061C\\u200E\\u200F\\u2028-\\u202E\\u2066-\\u2069]", "?");
    }

    private static String libraryName() {
        String path = System.getenv("REFOLD_LIBRARY");
        if (path != null) {
            return Path.of(path).toAbsolutePath().toString();
        }
        return Platform.isWindows() ? "refold" : Platform.isMac() ? "librefold.0.dylib" : "librefold.so.0";
    }
}
