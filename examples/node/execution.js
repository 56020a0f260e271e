import * as native from './native.js';
import { takeError } from './error.js';
import { makeTimings } from './timings.js';

/** A snapshot of one execution, created by the library. Fields that the document does not have are null. */
export class Execution {
    /**
     * The whole document as JSON text, as sent by the server, with all digits of integers that a number cannot hold.
     * @type {string}
     */
    text;
    /**
     * The whole document, parsed.
     * @type {object}
     */
    document;

    constructor(pointer) {
        const { execution } = native;
        this.text = native.jsonText(execution.json(pointer));
        this.document = JSON.parse(this.text);
        /** The field _id, or else the id that was requested. @type {string | null} */
        this.id = execution.id(pointer);
        /** @type {string | null} */
        this.name = execution.name(pointer);
        /** The organisation. @type {string | null} */
        this.orgId = execution.orgId(pointer);
        /** 'test' or 'production'. @type {string | null} */
        this.environment = execution.environment(pointer);
        /** As sent by the server, such as 'RUNNING'. @type {string} */
        this.status = execution.status(pointer);
        const state = execution.state(pointer);
        /** The meaning of the status, such as 'RUNNING'; 'UNKNOWN' if the library does not know it. @type {string} */
        this.state = native.state.name(state);
        /** Whether the state is final. @type {boolean} */
        this.isFinal = native.state.isFinal(state);
        /** Whether the state is final and not 'COMPLETED'. @type {boolean} */
        this.isFailure = native.state.isFailure(state);
        const percentage = execution.completionPercentage(pointer);
        /** 0 to 100, or whatever number the server sends; -1 reads as absent. @type {number | null} */
        this.completionPercentage = percentage === -1 ? null : percentage;
        /** The configuration of the workflow. @type {string | null} */
        this.configId = execution.configId(pointer);
        /** The account that the run acts for. @type {string | null} */
        this.linkedAccountId = execution.linkedAccountId(pointer);
        /** The start of the run: RFC 3339, in UTC. @type {string | null} */
        this.createdAt = execution.createdAt(pointer);
        /** The latest change of the run: RFC 3339, in UTC. @type {string | null} */
        this.updatedAt = execution.updatedAt(pointer);
        /**
         * How long the call, or the poll of a wait, took that fetched it; null throughout for parsed text.
         * @type {import('./timings.js').Timings}
         */
        this.timings = makeTimings((part) => execution.timingUs(pointer, part));
        /** The number of attempts of that call; 0 for parsed text. @type {number} */
        this.attempts = execution.attempts(pointer);
        /** Identifies the request to the vendor's support: the header x-request-id. @type {string | null} */
        this.requestId = execution.requestId(pointer);
        const documents = Array.isArray(this.document.nodes) ? this.document.nodes : [];
        /** In the order in which the run reached them. @type {Node[]} */
        this.nodes = documents.map((document, index) => new Node(execution.node(pointer, index), document));
    }

    /**
     * Returns the first node with the given id. null finds none.
     * @param {string} id
     * @returns {Node | undefined}
     */
    node(id) {
        return this.nodes.find((node) => node.id !== null && node.id === id);
    }
}

/** One node of an execution, created by the library. Fields that the document does not have are null. */
export class Node {
    constructor(pointer, document) {
        const { node } = native;
        /** Unique within the execution. @type {string | null} */
        this.id = node.id(pointer);
        /** @type {string | null} */
        this.name = node.name(pointer);
        /** Such as 'start'. @type {string | null} */
        this.type = node.type(pointer);
        /** As sent by the server, such as 'Success'. @type {string | null} */
        this.status = node.status(pointer);
        const state = node.state(pointer);
        /** The meaning of the status, such as 'COMPLETED'. @type {string} */
        this.state = native.state.name(state);
        /** Whether the state is final and not 'COMPLETED'. @type {boolean} */
        this.isFailure = native.state.isFailure(state);
        /** @type {boolean} */
        this.isBatch = node.isBatch(pointer);
        /** @type {number | null} */
        this.attemptsMade = numberOrNull(node.attemptsMade(pointer));
        /** @type {number | null} */
        this.maximumAttempts = numberOrNull(node.maximumAttempts(pointer));
        /** How long the node ran, in milliseconds. @type {number | null} */
        this.executionTimeMs = numberOrNull(node.executionTimeMs(pointer));
        /** The latest output of the node, of any JSON type; undefined if absent. */
        this.latestOutput = document?.latest_output;
        /** The input of the node, of any JSON type; undefined if absent. */
        this.inputData = document?.input_data;
        /** The whole node, parsed. */
        this.document = document;
    }
}

/**
 * Parses JSON text, such as a stored Execution.text. Nothing is sent.
 *
 * @param {string | Uint8Array} text
 * @returns {Execution}
 * @throws {RefoldError} with Code.INVALID_RESPONSE if the text is not an execution
 */
export function parseExecution(text) {
    const bytes = Buffer.from(text);
    const error = [null];
    // C reports a NULL pointer as another error than empty text.
    const pointer = native.execution.parse(bytes.length > 0 ? bytes : Buffer.from(' '), bytes.length, error);
    return takeExecution(pointer, error[0]);
}

/** Copies and frees the result of a C call: returns the execution or throws the error. */
export function takeExecution(pointer, error) {
    if (pointer === null) {
        throw takeError(error);
    }
    try {
        return new Execution(pointer);
    } finally {
        native.execution.free(pointer);
    }
}

function numberOrNull(number) {
    return number < 0 ? null : Number(number);
}
