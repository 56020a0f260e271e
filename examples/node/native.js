// Loads the addon refold.node, and has it load librefold. See addon.c.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const names = {
    darwin: ['librefold.0.dylib', 'librefold.dylib'],
    win32: ['refold.dll'],
}[process.platform] ?? ['librefold.so.0', 'librefold.so'];

let receive = () => {};

/**
 * The functions of the addon. Those that can fail return an object, whose property `error` has the fields of the error,
 * if there is one. Options, clients and tokens are opaque, and freed by the garbage collector at the latest.
 */
export const native = load(process.env.REFOLD_LIBRARY || findLibrary());

/** Sets the function that is called on the event loop when there are events or lines of the log to take. */
export function setReceiver(receiver) {
    receive = receiver;
}

/** version() returns the version of the loaded library, such as '0.1.0'. */
export const { version } = native;

/** Returns the path of the library in this directory or in target/release of the source tree, or else a bare name. */
function findLibrary() {
    const here = new URL('.', import.meta.url);
    const project = new URL('../..', here);
    const directories = [here];
    // A copy of this directory must not load a library that happens to be near it.
    const markers = ['Cargo.toml', 'include/refold.h'];
    if (here.href.endsWith('/examples/node/') && markers.every((marker) => existsSync(new URL(marker, project)))) {
        directories.push(new URL('target/release/', project));
    }
    const paths = directories.flatMap((directory) => names.map((name) => fileURLToPath(new URL(name, directory))));
    return paths.find(existsSync) ?? names[0];
}

function load(path) {
    const addon = loadAddon();
    try {
        return addon.load(path, () => receive());
    } catch (cause) {
        throw new Error(`cannot load ${path}; set REFOLD_LIBRARY to the path of the library`, { cause });
    }
}

function loadAddon() {
    try {
        return createRequire(import.meta.url)('./refold.node');
    } catch (cause) {
        throw new Error('cannot load refold.node; run `node build.js` in the folder of the package', { cause });
    }
}
