// The logs of clients.

const { inspect } = require('node:util');
const { invalidArgument } = require('./error.js');

/** The names of the levels of C. */
const levels = ['off', 'warn', 'info', 'debug'];
const DEFAULT_LEVEL = 'info';

/** The logs, by their numbers. Clients and their pending calls keep them from being collected. */
const logs = new Map();
const registry = new FinalizationRegistry((number) => logs.delete(number));
let lastNumber = 0;

/**
 * Returns the level of C and the log of a client: neither if its options do not decide on it, and no log if it is to
 * have none.
 */
function makeLog(onLog, logLevel = onLog === undefined ? undefined : DEFAULT_LEVEL) {
    if (logLevel === undefined) {
        return {};
    }
    const level = levels.indexOf(logLevel);
    if (level === -1) {
        throw invalidArgument(`logLevel must be one of '${levels.join("', '")}'`);
    }
    if (onLog !== undefined ? typeof onLog !== 'function' : level > 0) {
        throw invalidArgument('onLog must be a function');
    }
    return { level, log: level === 0 ? undefined : new Log(onLog) };
}

/** Writes a line to its log, unless the log has been collected. */
function writeLine({ log, level, text }) {
    logs.get(log)?.deref()?.write(levels[level], text);
}

/** The log of one client. */
class Log {
    #onLog;
    #hasThrown = false;

    constructor(onLog) {
        lastNumber += 1;
        this.number = lastNumber;
        this.#onLog = onLog;
        logs.set(this.number, new WeakRef(this));
        registry.register(this, this.number);
    }

    write(level, message) {
        try {
            const result = this.#onLog.call(undefined, level, message);
            if (typeof result?.then === 'function') {
                result.then(undefined, (reason) => this.#report(reason));
            }
        } catch (error) {
            this.#report(error);
        }
    }

    /** Emits a warning for the first exception. */
    #report(error) {
        if (!this.#hasThrown) {
            this.#hasThrown = true;
            const detail = inspect(error, { customInspect: false });
            process.emitWarning('onLog has thrown an exception', { type: 'RefoldWarning', detail });
        }
    }
}

module.exports = { makeLog, writeLine };
