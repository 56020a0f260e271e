// Builds refold.node from addon.c:  node build.js
//
// CC is the compiler, by default cc; CFLAGS are further flags of it, such as the folder of refold.h.

import { execFileSync } from 'node:child_process';
import { existsSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const words = (variable) => (process.env[variable] ?? '').split(/\s+/).filter(Boolean);

/** Returns the folder of node_api.h: of the package node-api-headers, or of this Node.js. */
function findNodeHeaders() {
    const folders = [join(dirname(process.execPath), '../include/node'), '/usr/include/node', '/usr/include/nodejs/src'];
    try {
        folders.unshift(createRequire(import.meta.url)('node-api-headers').include_dir);
    } catch {
        // it is not installed
    }
    const found = folders.find((folder) => existsSync(join(folder, 'node_api.h')));
    if (found === undefined) {
        throw new Error('node_api.h is missing: run `npm ci` in this folder, or install libnode-dev');
    }
    return found;
}

// Undefined symbols are those of Node.js. The code stays loaded, because threads of the library may use it.
const linking = { darwin: ['-undefined', 'dynamic_lookup'], linux: ['-Wl,-z,nodelete,-z,relro,-z,now'] };
const made = join(here, `refold.${process.pid}.node`);
const [compiler = 'cc', ...flags] = words('CC');
execFileSync(
    compiler,
    [
        ...flags,
        ...['-std=gnu11', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared', '-fvisibility=hidden'],
        ...['-isystem', findNodeHeaders(), '-I', join(here, '../../include'), ...words('CFLAGS')],
        ...[join(here, 'addon.c'), '-o', made, ...(linking[process.platform] ?? [])],
    ],
    { stdio: 'inherit' },
);
renameSync(made, join(here, 'refold.node')); // a program may have loaded the old one
