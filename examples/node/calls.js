// Submits calls to the queues of clients, and settles their promises with the events of these queues.

const { AsyncResource } = require('node:async_hooks');
const { native, setReceiver } = require('./native.js');
const { makeError } = require('./error.js');
const { takeExecution } = require('./execution.js');
const { writeLine } = require('./log.js');

/** The maximum number of events that are handled in one turn of the event loop. */
const MAX_EVENTS = 256;

/** The calls whose end has not been taken, by their numbers. They keep their clients from being collected. */
const calls = new Map();
let lastNumber = 0;

setReceiver(receive);

/** Fetches an execution. The signal rejects the promise immediately. */
function getExecution(client, id, signal) {
    return new Call(client, signal).submit((number, token) =>
        native.getExecution(client.pointer, number, id, token),
    );
}

/** Waits for an execution to end. The signal rejects the promise immediately. */
function waitExecution(client, id, timeoutMs, signal, onProgress) {
    const wait = onProgress ? new WatchedWait(client, signal, onProgress) : new Call(client, signal);
    return wait.submit((number, token) => native.waitExecution(client.pointer, number, id, token, timeoutMs));
}

/** Takes events and lines of the log. The lines of a call are written before it ends. */
function receive() {
    const { lines, events } = native.take(MAX_EVENTS);
    lines.forEach(writeLine);
    for (const event of events) {
        const call = calls.get(event.call);
        if (event.isDone) {
            calls.delete(event.call);
            call.end(event);
        } else {
            call.progress(event);
        }
    }
    if (events.length === MAX_EVENTS) {
        setImmediate(receive); // there may be more
    }
}

/** A get, or a wait whose progress is not reported. */
class Call {
    #client;
    #aborter;
    #promise;
    #resolve;
    #reject;

    constructor(client, signal) {
        this.#client = client;
        this.#aborter = signal && Aborter.of(signal);
        this.#promise = new Promise((resolve, reject) => {
            this.#resolve = resolve;
            this.#reject = reject;
        });
    }

    /** The token that cancels the call, if there is one. */
    get token() {
        return this.#aborter?.token;
    }

    /** Submits the call, and returns its promise. */
    submit(submit) {
        lastNumber += 1;
        const { error } = submit(lastNumber, this.token);
        if (error) {
            this.release();
            throw makeError(error);
        }
        calls.set(lastNumber, this);
        this.#aborter?.add(this);
        return this.#promise;
    }

    progress() {}

    end(event) {
        this.release();
        try {
            this.resolve(takeExecution(event));
        } catch (error) {
            this.reject(error);
        }
    }

    /** Is called once the library does not use the token any more. */
    release() {
        this.#aborter?.delete(this);
    }

    /** Is called when the signal aborts. It has cancelled its token. */
    abort(reason) {
        this.reject(reason);
    }

    resolve(execution) {
        this.#resolve(execution);
    }

    reject(reason) {
        this.#reject(reason);
    }
}

/** A wait with a function that receives its snapshots, one at a time, and that can end it. */
class WatchedWait extends Call {
    #token = native.createToken();
    #onProgress;
    /** The events that have not been handled: the latest snapshot, and the end. */
    #events = [];
    #isHandling = false;
    #isSettled = false;

    constructor(client, signal, onProgress) {
        super(client, signal);
        this.#onProgress = AsyncResource.bind(onProgress);
    }

    get token() {
        return this.#token;
    }

    progress(event) {
        if (event.execution) { // there may not have been the memory for it
            this.#events = [event];
            this.#handle();
        }
    }

    end(event) {
        this.release();
        this.#events.push(event);
        this.#handle();
    }

    release() {
        super.release();
        native.free(this.#token);
    }

    abort(reason) {
        native.cancel(this.#token);
        super.abort(reason);
    }

    reject(reason) {
        this.#isSettled = true;
        super.reject(reason);
    }

    async #handle() {
        if (this.#isHandling) {
            return;
        }
        this.#isHandling = true;
        while (this.#events.length > 0 && !this.#isSettled) {
            const event = this.#events.shift();
            try {
                const execution = takeExecution(event);
                await this.#onProgress(execution);
                if (event.isDone) {
                    this.resolve(execution);
                }
            } catch (error) {
                native.cancel(this.#token);
                this.reject(error);
            }
        }
        this.#isHandling = false;
    }
}

/** Ends the calls that have the same signal. They share a token, because the library opens a descriptor for each. */
class Aborter {
    static #all = new WeakMap();
    token = native.createToken();
    #signal;
    #calls = new Set();
    #listener = () => this.#abort();

    static of(signal) {
        let aborter = Aborter.#all.get(signal);
        if (aborter === undefined) {
            aborter = new Aborter(signal);
            Aborter.#all.set(signal, aborter);
        }
        return aborter;
    }

    constructor(signal) {
        this.#signal = signal;
        signal.addEventListener('abort', this.#listener);
    }

    add(call) {
        this.#calls.add(call);
    }

    delete(call) {
        this.#calls.delete(call);
        if (this.#calls.size === 0) {
            Aborter.#all.delete(this.#signal);
            this.#signal.removeEventListener('abort', this.#listener);
            native.free(this.token);
        }
    }

    #abort() {
        native.cancel(this.token);
        for (const call of this.#calls) {
            call.abort(this.#signal.reason);
        }
    }
}

module.exports = { getExecution, waitExecution };
