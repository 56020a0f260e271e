// Compares index.d.ts of the installed package with what the package has at run time:
//
//     node declared.cjs TOOLS HEADER
//
// TOOLS is the folder that has TypeScript in its node_modules, HEADER the path of refold.h. Everything is run and
// reported; the last line is `N passed, M failed`.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const refold = require('refold');

const [tools, header] = process.argv.slice(2);
const ts = createRequire(join(tools, 'package.json'))('typescript');
const folder = dirname(require.resolve('refold'));
const { setters } = require(join(folder, 'client.js'));

const types = join(folder, 'index.d.ts');
const program = ts.createProgram([types], { strict: true, target: ts.ScriptTarget.ES2022, types: [] });
const checker = program.getTypeChecker();
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(types)));
const symbol = (name) => exported.find((each) => each.name === name);
const names = (symbols) => symbols.map(({ name }) => name).sort();
/** The type of a class's instances, of an interface, or of an alias. */
const declared = (name) => checker.getDeclaredTypeOfSymbol(symbol(name));
const propertiesOf = (name) => checker.getPropertiesOfType(declared(name));
const typeOf = (property) => checker.getTypeOfSymbol(property);
const texts = (type) => (type.isUnion() ? type.types : [type]).map((each) => each.value).sort();

/** The members that a class has at run time. */
const members = (sample) => {
    const inherited = Object.getOwnPropertyNames(Object.getPrototypeOf(sample));
    return [...Object.keys(sample), ...inherited].filter((name) => name !== 'constructor').sort();
};

/** How typeof names the types that a property may have; undefined if it may have any. */
function kinds(property) {
    const type = typeOf(property);
    if (type.flags & ts.TypeFlags.Unknown) {
        return undefined;
    }
    return new Set((type.isUnion() ? type.types : [type]).map(kind));
}

function kind(type) {
    const { BooleanLike, Null, NumberLike, StringLike, Undefined } = ts.TypeFlags;
    const others = { null: Null, undefined: Undefined };
    const primitives = { boolean: BooleanLike, number: NumberLike, string: StringLike, ...others };
    const other = type.getCallSignatures().length > 0 ? 'function' : 'object';
    return Object.keys(primitives).find((name) => type.flags & primitives[name]) ?? other;
}

/** Each property of the samples has a type that is declared; one that may be null is null in one of the samples. */
function checkTypes(name, ...samples) {
    for (const property of propertiesOf(name)) {
        const allowed = kinds(property);
        const values = samples.map((sample) => sample[property.name]);
        const found = values.map((value) => (value === null ? 'null' : typeof value));
        if (allowed !== undefined) {
            const refused = found.filter((each) => !allowed.has(each));
            assert.deepEqual(refused, [], `${name}.${property.name}: ${[...allowed].join(' | ')}`);
            assert.equal(found.includes('null'), allowed.has('null'), `${name}.${property.name}: null`);
        }
    }
}

const empty = refold.parseExecution('{"status": "NEW", "nodes": [{}]}');

const tests = {
    async 'the exported names are declared'() {
        const values = exported.filter((each) => each.flags & ts.SymbolFlags.Value);
        assert.deepEqual(names(values), Object.keys(refold).sort());
        assert.deepEqual(names(values), Object.keys(await import('refold')).sort());
    },
    async 'the members of Client are declared'() {
        const { prototype, ...statics } = Object.getOwnPropertyDescriptors(refold.Client);
        const own = Object.keys(statics).filter((name) => !['length', 'name'].includes(name));
        assert.deepEqual(names(propertiesOf('Client')), members(refold.Client.fromEnv()));
        const declaredStatics = checker.getPropertiesOfType(checker.getTypeOfSymbol(symbol('Client')));
        assert.deepEqual(names(declaredStatics).filter((name) => name !== 'prototype'), own.sort());
    },
    async 'the options of a client are declared'() {
        const others = ['apiKey', 'linkedAccountId', 'sessionToken', 'maxConcurrent', 'onLog', 'logLevel'];
        const options = names(propertiesOf('ClientOptions'));
        assert.deepEqual(options, [...Object.keys(setters), ...others].sort());
        refold.Client.fromEnv(Object.fromEntries(options.map((name) => [name, undefined])));
    },
    async 'the options of calls are declared'() {
        const client = refold.Client.fromEnv();
        const undefinedOptions = (name) => Object.fromEntries(propertiesOf(name).map((each) => [each.name, undefined]));
        await client.getExecution('completed', undefinedOptions('GetOptions'));
        await client.waitExecution('completed', undefinedOptions('WaitOptions'));
        await client.waitExecution('completed', { signal: null, onProgress: null });
    },
    async 'the members of executions and nodes are declared'() {
        const execution = await refold.Client.fromEnv().getExecution('completed');
        for (const [name, ...samples] of [
            ['Execution', execution, empty],
            ['Node', ...execution.nodes, ...empty.nodes],
            ['Timings', execution.timings, empty.timings],
        ]) {
            const found = name === 'Timings' ? Object.keys(samples[0]).sort() : members(samples[0]);
            assert.deepEqual(names(propertiesOf(name)), found);
            checkTypes(name, ...samples);
        }
    },
    async 'the members of errors are declared'() {
        const client = refold.Client.fromEnv({ maxRetries: 0 });
        const missing = await client.getExecution('no-such-id').catch((error) => error);
        const limited = await client.getExecution('rate-limited-1').catch((error) => error);
        const made = new refold.RefoldError(refold.Code.TIMEOUT, '');
        const inherited = ['cause', 'message', 'name', 'stack'];
        const own = names(propertiesOf('RefoldError')).filter((name) => !inherited.includes(name));
        assert.deepEqual(own, members(missing).filter((name) => !inherited.includes(name)));
        assert.ok(missing.body instanceof Uint8Array);
        checkTypes('RefoldError', missing, limited, made);
    },
    async 'the codes are declared'() {
        const codes = checker.getPropertiesOfType(checker.getTypeOfSymbol(symbol('Code')));
        assert.deepEqual(Object.fromEntries(codes.map((code) => [code.name, typeOf(code).value])), { ...refold.Code });
    },
    async 'the states are declared'() {
        const states = readFileSync(header, 'utf8').matchAll(/^ +REFOLD_STATE_(\w+) = /gm);
        assert.deepEqual(texts(declared('State')), [...states].map(([, name]) => name).sort());
    },
};

async function main() {
    let failed = 0;
    for (const [name, run] of Object.entries(tests)) {
        try {
            await run();
            console.log(`ok ${name}`);
        } catch (error) {
            failed += 1;
            console.log(`FAIL ${name}\n${error.stack}`);
        }
    }
    console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
    process.exitCode = failed > 0 ? 1 : 0;
}

main();
