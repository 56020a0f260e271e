// The Worker of log.js: makes calls, and sends their lines and results.

import { promisify } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import koffi from 'koffi';

const { address, config, callback: shared } = workerData;
koffi.config(config);
const getExecutionType = koffi.proto('void *refold_get_execution(void *, str, void *, _Out_ void **)');
const getExecution = promisify(koffi.decode(address, getExecutionType).async);
const onLine = (level, line, log) => parentPort.postMessage({ log, level, line });
const callback = koffi.register(onLine, koffi.pointer(koffi.proto('void refold_log_fn(int32_t, str, uintptr_t)')));

let running = 0;
let isStopping = false;

parentPort.on('message', async (message) => {
    if (message === 'stop') {
        isStopping = true;
    } else {
        running += 1;
        parentPort.postMessage(await perform(message));
        running -= 1;
    }
    if (isStopping && running === 0) {
        koffi.unregister(callback);
        publish(0n);
        parentPort.close();
    }
});
publish(BigInt(callback));

async function perform({ call, client, id, cancel }) {
    const error = [null];
    try {
        const snapshot = await getExecution(client, id, cancel, error);
        return { call, snapshot, error: error[0] };
    } catch (failure) {
        return { call, failure };
    }
}

/** Sets the address that the program waits for: that of the registered function, and 0 once there is none. */
function publish(address) {
    Atomics.store(shared, 0, address);
    Atomics.notify(shared, 0);
}
