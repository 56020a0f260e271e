// Builds the addon and puts it into the folder of its platform, together with the library:
//
//     node build.js [--platform PLATFORM]
//
// The platform is by default that of this Node.js. For another one, such as linux-arm64-glibc or linux-x64-musl, CC is
// a compiler for it. The library is that in the folder REFOLD_LIBRARY_DIR, or else in target/release of the source
// tree, where cargo builds it if it is missing. Outside the source tree, and without REFOLD_LIBRARY_DIR, only the addon
// is built: it then uses the library of the system.
//
// CC is the compiler, by default cc; CFLAGS are further flags of it, such as the folder of refold.h.

const { execFileSync } = require('node:child_process');
const { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { parseArgs } = require('node:util');
const { findSourceTree, nameLibrary, platform: ownPlatform } = require('./platform.js');

const { platform } = parseArgs({ options: { platform: { type: 'string', default: ownPlatform } } }).values;
const [system, processor] = platform.split('-');
const folder = join(__dirname, 'prebuilds', platform);
const words = (variable) => (process.env[variable] ?? '').split(/\s+/).filter(Boolean);

/** The processors of ELF files, by their numbers. */
const processors = { 3: 'ia32', 21: 'ppc64', 22: 's390x', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv64' };
// Undefined symbols are those of Node.js. The code stays loaded, because threads of the library may use it.
const linking = {
    darwin: ['-undefined', 'dynamic_lookup'],
    linux: ['-s', '-Wl,-z,nodelete,-z,relro,-z,now,--build-id=none'],
};

if (!/^(linux-\w+-(glibc|musl)|(?!linux)\w+-\w+)$/.test(platform)) {
    throw new Error(`'${platform}' is not a platform, such as linux-x64-glibc, linux-arm64-musl or darwin-arm64`);
}
const library = findLibrary();
if (library === undefined) {
    console.error('The package does not contain the library: set REFOLD_LIBRARY_DIR to the folder that has it.');
    rmSync(join(folder, nameLibrary(platform)), { force: true });
} else {
    install(nameLibrary(platform), (made) => copyFileSync(library, made));
}
install('refold.node', compile);

/** Returns the path of the library, if there is one. */
function findLibrary() {
    const name = nameLibrary(platform);
    if (process.env.REFOLD_LIBRARY_DIR) {
        return join(process.env.REFOLD_LIBRARY_DIR, name);
    }
    const tree = findSourceTree();
    if (tree === undefined) {
        return undefined;
    }
    if (platform !== ownPlatform) {
        throw new Error(`set REFOLD_LIBRARY_DIR to the folder of the library for ${platform}`);
    }
    const path = join(tree, 'target/release', name);
    if (!existsSync(path)) {
        const { CARGO_BUILD_TARGET, ...environment } = process.env;
        const env = { ...environment, CARGO_TARGET_DIR: join(tree, 'target') };
        const types = ['--lib', '--crate-type', 'cdylib,staticlib'];
        execFileSync('cargo', ['rustc', '--release', '--locked', ...types], { cwd: tree, env, stdio: 'inherit' });
    }
    return path;
}

/** Makes a file of the folder, which is complete when it appears there: a program may have loaded the old one. */
function install(name, make) {
    mkdirSync(folder, { recursive: true });
    const made = join(folder, `${process.pid}.${name}`);
    try {
        make(made);
        checkPlatform(made, name);
        chmodSync(made, 0o755); // the same in every package
        renameSync(made, join(folder, name));
    } finally {
        rmSync(made, { force: true });
    }
}

function compile(made) {
    const [compiler = 'cc', ...flags] = words('CC');
    const sources = ['-isystem', findNodeHeaders(), '-I', join(__dirname, '../../include'), ...words('CFLAGS')];
    execFileSync(
        compiler,
        [
            ...flags,
            ...['-std=gnu11', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared', '-fvisibility=hidden'],
            ...[...sources, join(__dirname, 'addon.c'), '-o', made, ...(linking[system] ?? [])],
        ],
        { stdio: 'inherit' },
    );
}

/** Returns the folder of node_api.h: of the package node-api-headers, or of this Node.js. */
function findNodeHeaders() {
    const own = join(dirname(process.execPath), '../include/node');
    const folders = [own, '/usr/include/node', '/usr/include/nodejs/src'];
    try {
        folders.unshift(require('node-api-headers').include_dir);
    } catch {
        // it is not installed
    }
    const found = folders.find((folder) => existsSync(join(folder, 'node_api.h')));
    if (found === undefined) {
        throw new Error('node_api.h is missing: run `npm ci` in this folder, or install libnode-dev');
    }
    return found;
}

/** Fails if a file is not for the platform: no computer of this platform may have run it yet. */
function checkPlatform(file, name) {
    const bytes = readFileSync(file);
    if (system !== 'linux') {
        return;
    }
    const isElf = bytes.toString('latin1', 0, 4) === '\x7fELF';
    const machine = isElf && (bytes[5] === 1 ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18));
    const libc = bytes.includes('\0libc.so.6\0') ? 'glibc' : 'musl';
    const found = isElf ? `linux-${processors[machine] ?? machine}-${libc}` : 'another system';
    if (found !== platform) {
        const hint = name === 'refold.node' ? 'CC and CFLAGS' : 'REFOLD_LIBRARY_DIR';
        throw new Error(`${name} is for ${found} instead of ${platform}: check ${hint}`);
    }
}
