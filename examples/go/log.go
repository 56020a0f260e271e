package refold

/*
#include <stdint.h>
#include <refold.h>

extern void refoldOnLog(refold_log_level level, char *message, uintptr_t handle);

// Whether this thread is in the function of WithLog.
static __thread bool is_logging;

static bool get_is_logging(void) {
    return is_logging;
}

static void on_log(refold_log_level level, const char *message, void *handle) {
    is_logging = true;
    refoldOnLog(level, (char *)message, (uintptr_t)handle);
    is_logging = false;
}

// The handle is an integer, because Go must not mistake it for one of its pointers; 0 means no log.
static void set_log(refold_options *options, refold_log_level level, uintptr_t handle) {
    refold_options_set_log(options, level, handle ? on_log : NULL, (void *)handle);
}
*/
import "C"

import "runtime/cgo"

// LogLevel is the severity of a line of the log. The numbers are those of log/slog: slog.Level(level) converts a level.
type LogLevel int

// The levels.
const (
	// LogDebug is for each phase of a call: lookups, connection attempts, proxy, TLS, header fields.
	LogDebug LogLevel = -4
	// LogInfo is for the end of each call and poll: status or error, attempts, times, bytes, request id.
	LogInfo LogLevel = 0
	// LogWarn is for problems that calls recover from: retries, failed polls, connections that were lost while idle.
	LogWarn LogLevel = 4
)

// String returns the name of the level, such as "DEBUG". A number between two levels has the name of the lower one.
func (level LogLevel) String() string {
	switch {
	case level >= LogWarn:
		return "WARN"
	case level >= LogInfo:
		return "INFO"
	default:
		return "DEBUG"
	}
}

// WithLog passes what calls do to a function, one line each: those of the given level and above. It replaces the log of
// REFOLD_LOG; a nil function switches that off. Default: no log, or that of REFOLD_LOG for NewClientFromEnv. The C header
// explains the lines.
//
// A line contains no secret: no API key, token or proxy password, and no value of WithHeaders. It is safe
// for a terminal, so Printable would not change it.
//
// Calls wait for the function. Those that run at the same time call it concurrently, each from a goroutine of its own. It
// may use the client; calls that it makes are not logged, and use connections of their own. If it panics, the panic is
// dropped, and the call continues. If it calls runtime.Goexit, as the method FailNow of a test does, the program ends. C
// functions that it calls have 100 KiB of stack. A client whose function refers to the client is not garbage-collected
// before it is closed.
//
// With log/slog:
//
//	refold.WithLog(refold.LogDebug, func(level refold.LogLevel, message string) {
//		logger.Log(context.Background(), slog.Level(level), message)
//	})
func WithLog(level LogLevel, log func(level LogLevel, message string)) Option {
	return func(settings *settings) error {
		settings.hasLog, settings.logLevel, settings.log = true, level, log
		return nil
	}
}

// applyLog returns the handle of the function of WithLog, to be deleted when the client is freed; 0 without one.
func (settings *settings) applyLog() cgo.Handle {
	if !settings.hasLog {
		return 0
	}
	level := cLevel(settings.logLevel)
	if settings.log == nil || level == C.REFOLD_LOG_OFF {
		settings.removeLog()
		return 0
	}
	handle := cgo.NewHandle(settings.log)
	C.set_log(settings.options, level, C.uintptr_t(handle))
	return handle
}

// removeLog leaves the next client made from the options without a log.
func (settings *settings) removeLog() {
	C.set_log(settings.options, C.REFOLD_LOG_OFF, 0)
}

// cLevel returns the level of C that includes the lines of a level and above.
func cLevel(level LogLevel) C.refold_log_level {
	switch {
	case level > LogWarn:
		return C.REFOLD_LOG_OFF
	case level > LogInfo:
		return C.REFOLD_LOG_WARN
	case level > LogDebug:
		return C.REFOLD_LOG_INFO
	default:
		return C.REFOLD_LOG_DEBUG
	}
}

func goLevel(level C.refold_log_level) LogLevel {
	switch level {
	case C.REFOLD_LOG_WARN:
		return LogWarn
	case C.REFOLD_LOG_INFO:
		return LogInfo
	default:
		return LogDebug
	}
}

// isLogging reports whether the function of WithLog makes the current call: Go keeps a goroutine that C has called on its
// thread.
func isLogging() bool {
	return bool(C.get_is_logging())
}
