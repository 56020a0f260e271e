// Loads the addon refold.node of this platform, and has it load librefold. See addon.c.

const { existsSync, readdirSync } = require('node:fs');
const { join } = require('node:path');
const { findSourceTree, libraryName, platform } = require('./platform.js');

const loaderName = { darwin: 'librefold.0.dylib', win32: 'refold.dll' }[process.platform] ?? 'librefold.so.0';
const prebuilds = join(__dirname, 'prebuilds');
const folder = join(prebuilds, platform);
const addonName = 'refold.node';

let receive = () => {};

/**
 * The functions of the addon. Those that can fail return an object, whose property `error` has the fields of the error,
 * if there is one. Options, clients and tokens are opaque, and freed by the garbage collector at the latest.
 */
const native = load(process.env.REFOLD_LIBRARY || findLibrary());

/** Sets the function that is called on the event loop when there are events or lines of the log to take. */
function setReceiver(receiver) {
    receive = receiver;
}

/**
 * Returns the path of the library in target/release of the source tree, where it is never older than the copy in the
 * package, or of that copy. A package that was built without a library uses that of the system: a bare name.
 */
function findLibrary() {
    const tree = findSourceTree();
    const folders = tree === undefined ? [folder] : [join(tree, 'target/release'), folder];
    return folders.map((each) => join(each, libraryName)).find(existsSync) ?? loaderName;
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
    const file = join(folder, addonName);
    if (!existsSync(file)) {
        const folders = existsSync(prebuilds) ? readdirSync(prebuilds).sort() : [];
        const others = folders.filter((name) => existsSync(join(prebuilds, name, addonName)));
        const existing = others.length > 0 ? `, only for ${others.join(', ')}` : '';
        throw new Error(
            `this package of refold has no build for ${platform}${existing}; ` +
                'to add one, run `npm ci && npm pack` on this platform in examples/node of the source tree',
        );
    }
    try {
        return require(file);
    } catch (cause) {
        throw new Error(`cannot load ${file}`, { cause });
    }
}

module.exports = { native, setReceiver };
