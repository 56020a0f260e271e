// The names of platforms, which are those of the folders in prebuilds.

const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

/** Such as 'linux-x64-glibc', 'linux-arm64-musl' or 'darwin-arm64'. */
const platform = [process.platform, process.arch, ...findLibc()].join('-');

/** The name of the library in the folder of its platform, and where it is built. */
const libraryName = nameLibrary(platform);

function nameLibrary(platform) {
    return { darwin: 'librefold.dylib', win32: 'refold.dll' }[platform.split('-')[0]] ?? 'librefold.so';
}

/** Returns the C library that this process has loaded, in an array, which is empty on other systems than Linux. */
function findLibc() {
    if (process.platform !== 'linux') {
        return [];
    }
    try {
        // The loader of musl is its C library.
        return [readFileSync('/proc/self/maps', 'latin1').includes('/ld-musl-') ? 'musl' : 'glibc'];
    } catch {
        return ['glibc'];
    }
}

/** Returns the source tree that this folder is in, if any. A copy of this folder must not load what is near it. */
function findSourceTree() {
    const tree = join(__dirname, '../..');
    const markers = ['Cargo.toml', 'include/refold.h'];
    const isSource = join(tree, 'examples/node') === __dirname && markers.every((name) => existsSync(join(tree, name)));
    return isSource ? tree : undefined;
}

module.exports = { findSourceTree, libraryName, nameLibrary, platform };
