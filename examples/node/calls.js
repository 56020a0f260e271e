// Calls of refold_get_execution: how many run at a time, and what ends them.

import { setMaxListeners } from 'node:events';
import { promisify } from 'node:util';
import * as native from './native.js';
import { takeExecution } from './execution.js';

const call = promisify(native.execution.get.async);

/** What begins each call that has to wait, in order: koffi is handed no more than can run, as its queue is short. */
const waiting = new Set();
/** The tokens of the calls that koffi was handed. */
const running = new Set();
let isExiting = false;

// Node ends only when the threads of its pool have.
process.on('exit', () => {
    isExiting = true;
    for (const cancel of running) {
        native.cancel.trigger(cancel);
    }
    // A listener that throws may have kept the process alive.
    setImmediate(() => {
        isExiting = false;
        beginNext();
    });
});

/**
 * Gets an execution when a thread is free. The signal ends that at once; `release` is called when C does not need the
 * client any more, which may be later.
 */
export function getExecution(client, id, signal, release) {
    return new Promise((resolve, reject) => {
        let cancel;
        const begin = async () => {
            cancel = native.cancel.create();
            running.add(cancel);
            await get(client, id, cancel).then(resolve, reject);
            running.delete(cancel);
            native.cancel.free(cancel);
            end();
            beginNext();
        };
        const abort = () => {
            reject(signal.reason);
            if (waiting.delete(begin)) {
                end();
            } else {
                native.cancel.trigger(cancel);
            }
        };
        const end = () => {
            signal?.removeEventListener('abort', abort);
            release();
        };
        if (signal instanceof EventTarget) {
            setMaxListeners(0, signal); // Node would warn when it ends more than ten calls
        }
        signal?.addEventListener('abort', abort);
        waiting.add(begin);
        beginNext();
    });
}

function beginNext() {
    for (const begin of waiting) {
        if (isExiting || running.size >= native.threads()) {
            break;
        }
        waiting.delete(begin);
        begin();
    }
}

async function get(client, id, cancel) {
    const error = [null];
    const snapshot = await call(client, id, cancel, error);
    return takeExecution(snapshot, error[0]);
}
