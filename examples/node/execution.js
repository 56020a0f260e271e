import { native } from './native.js';
import { Code, RefoldError, makeError } from './error.js';
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

    constructor(fields) {
        this.text = fields.text;
        this.document = JSON.parse(this.text);
        /** The field _id, or else the id that was requested. @type {string | null} */
        this.id = fields.id;
        /** @type {string | null} */
        this.name = fields.name;
        /** The organisation. @type {string | null} */
        this.orgId = fields.orgId;
        /** 'test' or 'production'. @type {string | null} */
        this.environment = fields.environment;
        /** As sent by the server, such as 'RUNNING'. @type {string} */
        this.status = fields.status;
        /** The meaning of the status, such as 'RUNNING'; 'UNKNOWN' if the library does not know it. @type {string} */
        this.state = fields.state;
        /** Whether the state is final. @type {boolean} */
        this.isFinal = fields.isFinal;
        /** Whether the state is final and not 'COMPLETED'. @type {boolean} */
        this.isFailure = fields.isFailure;
        /** 0 to 100, or whatever number the server sends; -1 reads as absent. @type {number | null} */
        this.completionPercentage = fields.completionPercentage;
        /** The configuration of the workflow. @type {string | null} */
        this.configId = fields.configId;
        /** The account that the run acts for. @type {string | null} */
        this.linkedAccountId = fields.linkedAccountId;
        /** The start of the run: RFC 3339, in UTC. @type {string | null} */
        this.createdAt = fields.createdAt;
        /** The latest change of the run: RFC 3339, in UTC. @type {string | null} */
        this.updatedAt = fields.updatedAt;
        /**
         * How long the call, or the poll of a wait, took that fetched it; null throughout for parsed text.
         * @type {import('./timings.js').Timings}
         */
        this.timings = makeTimings(fields.timings);
        /** The number of attempts of that call; 0 for parsed text. @type {number} */
        this.attempts = fields.attempts;
        /** Identifies the request to the vendor's support: the header x-request-id. @type {string | null} */
        this.requestId = fields.requestId;
        const documents = Array.isArray(this.document.nodes) ? this.document.nodes : [];
        /** In the order in which the run reached them. @type {Node[]} */
        this.nodes = documents.map((document, index) => new Node(fields.nodes[index], document));
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
    constructor(fields, document) {
        /** Unique within the execution. @type {string | null} */
        this.id = fields.id;
        /** @type {string | null} */
        this.name = fields.name;
        /** Such as 'start'. @type {string | null} */
        this.type = fields.type;
        /** As sent by the server, such as 'Success'. @type {string | null} */
        this.status = fields.status;
        /** The meaning of the status, such as 'COMPLETED'. @type {string} */
        this.state = fields.state;
        /** Whether the state is final and not 'COMPLETED'. @type {boolean} */
        this.isFailure = fields.isFailure;
        /** @type {boolean} */
        this.isBatch = fields.isBatch;
        /** @type {number | null} */
        this.attemptsMade = fields.attemptsMade;
        /** @type {number | null} */
        this.maximumAttempts = fields.maximumAttempts;
        /** How long the node ran, in milliseconds. @type {number | null} */
        this.executionTimeMs = fields.executionTimeMs;
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
    return takeExecution(native.parse(Buffer.from(text)));
}

/** Makes an execution of its fields, or throws the error. */
export function takeExecution({ execution, error }) {
    if (error) {
        throw makeError(error);
    }
    if (!execution) {
        throw new RefoldError(Code.RESOURCE, 'the execution is too long for a string, or memory is insufficient');
    }
    return new Execution(execution);
}
