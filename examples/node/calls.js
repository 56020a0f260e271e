// Schedules calls of refold_get_execution() on the threads of libuv, and cancels them.

import { setMaxListeners } from 'node:events';
import { promisify } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import * as native from './native.js';
import { takeExecution } from './execution.js';
import { stopThread } from './log.js';

const call = promisify(native.execution.get.async);

/** Functions that start the queued calls, in order. They are queued here, because koffi's own queue is short. */
const queued = new Set();
/** The cancel tokens of the running calls. */
const running = new Set();
let isExiting = false;

// Node waits for the threads of the pool before it exits.
process.on('exit', () => {
    isExiting = true;
    for (const cancel of running) {
        native.cancel.trigger(cancel);
    }
    if (!isMainThread) {
        stopThread();
    }
    // The process continues after all if another listener throws.
    setImmediate(() => {
        isExiting = false;
        startNext();
    });
});

/**
 * Fetches an execution as soon as a thread is free. The signal rejects the promise immediately; `release` is called
 * once C no longer uses the client, which may be later. `log` is the log of the client, if it has one.
 */
export function getExecution(client, id, log, signal, release) {
    return new Promise((resolve, reject) => {
        let cancel;
        const start = async () => {
            cancel = native.cancel.create();
            running.add(cancel);
            await get(client, id, cancel, log).then(resolve, reject);
            running.delete(cancel);
            native.cancel.free(cancel);
            finish();
            startNext();
        };
        const abort = () => {
            reject(signal.reason);
            if (queued.delete(start)) {
                finish();
            } else {
                native.cancel.trigger(cancel);
            }
        };
        const finish = () => {
            signal?.removeEventListener('abort', abort);
            release();
        };
        if (signal instanceof EventTarget) {
            setMaxListeners(0, signal); // Node warns about more than ten listeners
        }
        signal?.addEventListener('abort', abort);
        queued.add(start);
        startNext();
    });
}

function startNext() {
    for (const start of queued) {
        if (isExiting || running.size >= native.threads()) {
            break;
        }
        queued.delete(start);
        start();
    }
}

async function get(client, id, cancel, log) {
    if (log) {
        const { snapshot, error } = await log.getExecution(client, id, cancel);
        return takeExecution(snapshot, error);
    }
    const error = [null];
    const snapshot = await call(client, id, cancel, error);
    return takeExecution(snapshot, error[0]);
}
