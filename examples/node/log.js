// The logs of clients, and the thread that makes the calls of clients with a log.
//
// C calls the log function on the threads that make calls. koffi passes each such call on to the event loop that has
// registered the function, and has the thread wait for it. On the event loop of the program, calls would wait for
// whatever else the program does, and process.exit(), which waits for the threads but runs no event loop, would never
// return. So a Worker that does nothing else registers one function for all clients and makes their calls. Node ends a
// Worker only after the calls that it has started have returned, so that C never calls a function that is gone.

import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import * as native from './native.js';
import { Code, RefoldError, invalidArgument } from './error.js';
import { printable } from './printable.js';

/** The names of the levels of C. */
const levels = ['off', 'warn', 'info', 'debug'];
const DEFAULT_LEVEL = 'info';
/** How long the thread may take to start or stop, in milliseconds. */
const THREAD_TIMEOUT_MS = 30_000;

/** The thread of all logs, started with the first one. @type {LogThread | undefined} */
let thread;
let logs = 0;

/** Sets the log in C options. Returns the log of the client to be, or undefined if it has none or one of C. */
export function setLog(settings, onLog, logLevel = onLog === undefined ? undefined : DEFAULT_LEVEL) {
    if (logLevel === undefined) {
        return undefined;
    }
    const level = levels.indexOf(logLevel);
    if (level === -1) {
        throw invalidArgument(`logLevel must be one of '${levels.join("', '")}'`);
    }
    if (onLog !== undefined ? typeof onLog !== 'function' : level > 0) {
        throw invalidArgument('onLog must be a function');
    }
    if (level === 0) {
        native.options.setLog(settings, 0, null, 0);
        return undefined;
    }
    thread ??= new LogThread();
    logs += 1;
    const log = new Log(logs, thread, onLog, level);
    native.options.setLog(settings, level, thread.callback, log.number);
    return log;
}

/**
 * Ends the thread once the running calls, which have been cancelled, have returned. To be called before a Worker exits:
 * koffi never reuses the place of a function that is not unregistered.
 */
export function stopThread() {
    thread?.stop();
}

/** The log of one client. */
class Log {
    #thread;
    #onLog;
    #level;
    #hasThrown = false;

    constructor(number, logThread, onLog, level) {
        this.number = number;
        this.#thread = logThread;
        this.#onLog = onLog;
        this.#level = level;
    }

    /** Calls refold_get_execution(). Resolves to its results, after the lines of the call. */
    getExecution(client, id, cancel) {
        return this.#thread.getExecution(this, client, id, cancel);
    }

    /** Logs what the library does not know of. */
    warn(message) {
        this.write(levels.indexOf('warn'), printable(message));
    }

    write(level, message) {
        if (level > this.#level) {
            return;
        }
        try {
            const result = this.#onLog.call(undefined, levels[level], message);
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

class LogThread {
    /** The address of the registered function. @type {bigint} */
    callback;
    #shared = new BigInt64Array(new SharedArrayBuffer(8));
    #worker;
    #failure;
    #hasEnded = false;
    /** The running calls, by their numbers. */
    #calls = new Map();
    #lastCall = 0;
    /** The logs of the running calls, by their numbers: others are not kept alive. */
    #logs = new Map();

    constructor() {
        this.#worker = new Worker(new URL('log-thread.js', import.meta.url), {
            name: 'refold log',
            execArgv: [], // those of the program may not apply to a file
            workerData: { ...native.getExecutionData, callback: this.#shared },
        });
        this.#worker.on('message', (message) => this.#receive(message));
        this.#worker.on('error', (error) => (this.#failure = error));
        this.#worker.on('exit', () => this.#end());
        this.#worker.unref(); // not before on(), which undoes it
        Atomics.wait(this.#shared, 0, 0n, THREAD_TIMEOUT_MS);
        this.callback = Atomics.load(this.#shared, 0);
        if (this.callback === 0n) {
            this.#worker.terminate();
            throw new RefoldError(Code.INTERNAL, 'the thread of the log did not start');
        }
    }

    getExecution(log, client, id, cancel) {
        return new Promise((resolve, reject) => {
            if (this.#hasEnded) {
                throw this.#ended();
            }
            this.#lastCall += 1;
            this.#calls.set(this.#lastCall, { log, resolve, reject });
            this.#logs.set(log.number, { log, calls: (this.#logs.get(log.number)?.calls ?? 0) + 1 });
            this.#worker.ref();
            this.#worker.postMessage({ call: this.#lastCall, client, id, cancel });
        });
    }

    stop() {
        this.#hasEnded = true;
        thread = undefined;
        this.#worker.postMessage('stop');
        Atomics.wait(this.#shared, 0, this.callback, THREAD_TIMEOUT_MS);
    }

    #receive({ call, line, log, level, ...results }) {
        if (call === undefined) {
            this.#logs.get(log).log.write(level, line);
            return;
        }
        const { resolve, reject } = this.#finish(call);
        if (results.failure) {
            reject(results.failure);
        } else {
            resolve(results);
        }
    }

    #finish(call) {
        const finished = this.#calls.get(call);
        this.#calls.delete(call);
        const entry = this.#logs.get(finished.log.number);
        entry.calls -= 1;
        if (entry.calls === 0) {
            this.#logs.delete(finished.log.number);
        }
        if (this.#calls.size === 0) {
            this.#worker.unref();
        }
        return finished;
    }

    #end() {
        this.#hasEnded = true;
        if (thread === this) {
            thread = undefined;
        }
        for (const call of this.#calls.keys()) {
            this.#finish(call).reject(this.#ended());
        }
    }

    #ended() {
        return new RefoldError(Code.INTERNAL, 'the thread of the log has ended: create a new client', {}, {
            cause: this.#failure,
        });
    }
}
