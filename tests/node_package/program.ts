// Uses everything that the package declares, and prints what it fetched:  node program ID
// `tsc --strict` checks it, compiled as a CommonJS and as an ECMAScript module.
import {
    Client,
    Code,
    Execution,
    Node,
    RefoldError,
    parseExecution,
    printable,
    version,
    type AbortSignalLike,
    type ClientOptions,
    type GetOptions,
    type LogLevel,
    type State,
    type Timings,
    type WaitOptions,
} from 'refold';

const lines: [LogLevel, string][] = [];

const settings: ClientOptions = {
    baseUrl: process.env.REFOLD_BASE_URL,
    apiKey: process.env.REFOLD_API_KEY,
    linkedAccountId: process.env.REFOLD_LINKED_ACCOUNT_ID ?? null,
    sessionToken: null,
    timeoutMs: 20_000,
    connectTimeoutMs: 5_000,
    maxRetries: 1,
    maxResponseBytes: 1 << 20,
    pollIntervalMs: 20,
    proxy: '',
    caFile: undefined,
    caPem: undefined,
    userAgent: 'program/1.0',
    allowPlaintext: false,
    headers: { 'x-trace-id': '7' },
    maxConcurrent: 4,
    onLog: (level, message) => lines.push([level, message]),
    logLevel: 'debug',
};

function describeTimings({ totalMs, resolveMs, connectMs, tlsMs, firstByteMs, transferMs }: Timings): string {
    const parts: (number | null)[] = [resolveMs, connectMs, tlsMs, firstByteMs, transferMs];
    return `${totalMs?.toFixed(3) ?? '-'} of ${parts.filter((part) => part !== null).length} parts`;
}

function describeNode(node: Node): string {
    const texts: (string | null)[] = [node.id, node.name, node.type, node.status];
    const numbers: (number | null)[] = [node.attemptsMade, node.maximumAttempts, node.executionTimeMs];
    const flags: boolean[] = [node.isFailure, node.isBatch];
    const values: unknown[] = [node.latestOutput, node.inputData, node.document];
    return [node.state, ...texts, ...numbers, ...flags, ...values.map((value) => typeof value)].join(' ');
}

function describe(execution: Execution): string {
    const { id, name, orgId, environment, configId, linkedAccountId, createdAt, updatedAt, requestId } = execution;
    const texts: (string | null)[] = [id, name, orgId, environment, configId, linkedAccountId, createdAt, updatedAt];
    const percentage: number = execution.completionPercentage ?? 0;
    const state: State = execution.state;
    const members: string[] = Object.keys(execution.document);
    const first: Node | undefined = execution.node(execution.nodes[0]?.id ?? null);
    const attempts: number = execution.attempts;
    const status: string = execution.status;
    const length: number = execution.text.length;
    const flags: boolean[] = [execution.isFinal, execution.isFailure];
    return [
        ...[...texts, requestId].map((text) => text ?? '-'),
        ...[percentage, state, members.length, attempts, status, length, ...flags],
        ...[describeTimings(execution.timings), first && describeNode(first)],
    ].join(' ');
}

function describeError(error: RefoldError): string {
    const base: Error = error;
    const texts: (string | null)[] = [error.kind, error.httpErrorType, error.apiCode, error.requestId];
    const numbers: (number | null)[] = [error.code, error.httpStatus, error.retryAfterMs, error.attempts];
    const body: Uint8Array | null = error.body;
    const cause: RefoldError | undefined = error.cause;
    return [base.name, base.message, ...texts, ...numbers, error.retryable, body?.length, cause?.code].join(' ');
}

async function main(id: string): Promise<void> {
    const client: Client = new Client(settings);
    const other: Client = Client.fromEnv();
    Client.fromEnv({ headers: new Map([['x-trace-id', '8']]), logLevel: 'off' }).close();
    Client.fromEnv({ headers: new Headers({ 'x-trace-id': '9' }) }).close();
    const controller = new AbortController();
    const signal: AbortSignalLike = controller.signal;
    const get: GetOptions = { signal };
    const execution: Execution = await client.getExecution(id, get);
    await other.getExecution(id, { signal: controller.signal });
    const snapshots: Execution[] = [];
    const wait: WaitOptions = { ...get, timeoutMs: 10_000, onProgress: (snapshot) => snapshots.push(snapshot) };
    const last: Execution = await client.waitExecution(id, wait);
    await client.waitExecution(id, { onProgress: async ({ state }) => void state });
    const parsed: Execution = parseExecution(new TextEncoder().encode(last.text));
    console.log(printable(describe(execution)));
    console.log(parsed instanceof Execution, parsed.nodes[0] instanceof Node, snapshots.length, version());
    try {
        await client.getExecution('no-such-id');
    } catch (error) {
        if (!(error instanceof RefoldError)) {
            throw error;
        }
        console.log(error.code === Code.NOT_FOUND, printable(describeError(error)));
    }
    try {
        client.setSessionToken('token');
    } catch (error) {
        console.log(error instanceof RefoldError && error.code === Code.INVALID_ARGUMENT);
    }
    controller.abort(new Error('aborted'));
    const ended: unknown = await client.getExecution(id, get).catch((reason: unknown) => reason);
    console.log(ended === signal.reason, signal.aborted);
    client.close();
    other.close();
    console.log(lines.length > 0, new RefoldError(Code.TIMEOUT, 'late').kind);
}

/** Does not compile, line by line. */
export async function misuse(client: Client, execution: Execution, node: Node, error: RefoldError): Promise<void> {
    // @ts-expect-error: settings are required
    new Client();
    // @ts-expect-error: no such option
    new Client({ timeout: 1000 });
    // @ts-expect-error: milliseconds are a number
    new Client({ timeoutMs: '1000' });
    // @ts-expect-error: no such level
    Client.fromEnv({ logLevel: 'trace' });
    // @ts-expect-error: values of headers are strings
    Client.fromEnv({ headers: { 'x-trace-id': 7 } });
    // @ts-expect-error: an id is a string
    await client.getExecution(7);
    // @ts-expect-error: an id is required
    await client.waitExecution();
    // @ts-expect-error: a get has no timeout of its own
    await client.getExecution('id', { timeoutMs: 1000 });
    // @ts-expect-error: a controller is not its signal
    await client.getExecution('id', { signal: new AbortController() });
    // @ts-expect-error: onProgress receives an execution
    await client.waitExecution('id', { onProgress: (percentage: number) => percentage });
    // @ts-expect-error: a promise is not its result
    client.getExecution('id').status;
    // @ts-expect-error: the name may be absent
    execution.name.length;
    // @ts-expect-error: snapshots do not change
    execution.status = 'COMPLETED';
    // @ts-expect-error: nor do their lists
    execution.nodes.push(node);
    // @ts-expect-error: no such state
    execution.state === 'SUCCESS';
    // @ts-expect-error: an output is of any JSON type
    node.latestOutput.result;
    // @ts-expect-error: a part may be absent
    execution.timings.tlsMs.toFixed();
    // @ts-expect-error: there may be no such node
    execution.node('id').name;
    // @ts-expect-error: the library creates executions
    new Execution();
    // @ts-expect-error: and nodes
    new Node();
    // @ts-expect-error: a code is a number
    error.code === 'NOT_FOUND';
    // @ts-expect-error: no such code
    Code.GONE;
    // @ts-expect-error: codes do not change
    Code.TIMEOUT = -4;
    // @ts-expect-error: the body may be absent
    error.body.length;
    // @ts-expect-error: printable text is a string
    printable(undefined);
    // @ts-expect-error: an execution is parsed from text
    parseExecution({ status: 'RUNNING' });
}

main(process.argv[2] ?? '').catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
});
