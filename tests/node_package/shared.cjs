// Both entries of the package share one implementation, and the process has no file of the source tree:
//
//     node shared.cjs SOURCE_TREE

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const required = require('refold');

async function main(tree) {
    const imported = await import('refold');
    assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort());
    for (const name of Object.keys(required)) {
        assert.equal(imported[name], required[name], name);
    }
    const error = await imported.Client.fromEnv().getExecution('no-such-id').catch((reason) => reason);
    assert.ok(error instanceof required.RefoldError);
    assert.equal(required.Client.fromEnv() instanceof imported.Client, true);

    const files = new Set(readFileSync('/proc/self/maps', 'utf8').match(/\/.*/g));
    const loaded = [...files].filter((file) => /refold[^/]*$/.test(file)).sort();
    assert.equal(loaded.length, 2, loaded.join(' '));
    const [library, addon] = loaded;
    assert.ok(library.startsWith(`${__dirname}/node_modules/refold/prebuilds/`), library);
    assert.ok(addon.startsWith(`${__dirname}/node_modules/refold/prebuilds/`), addon);
    assert.deepEqual([...files, ...Object.keys(require.cache)].filter((file) => file.startsWith(`${tree}/`)), []);
}

main(process.argv[2]);
