import * as native from './native.js';
import { takeError } from './error.js';

/** A snapshot of one execution. What the document does not have is null. */
export class Execution {
    /** The whole document as JSON text. Large integers, which numbers cannot hold, stand here as they were sent. */
    text;
    /** The whole document. */
    document;

    constructor(pointer) {
        const { execution } = native;
        this.text = native.jsonText(execution.json(pointer));
        this.document = JSON.parse(this.text);
        this.id = execution.id(pointer);
        this.name = execution.name(pointer);
        this.orgId = execution.orgId(pointer);
        this.environment = execution.environment(pointer);
        /** In the server's own words, such as 'RUNNING'. */
        this.status = execution.status(pointer);
        const state = execution.state(pointer);
        /** What the status means, such as 'RUNNING'; 'UNKNOWN' for words that the library does not know. */
        this.state = native.state.name(state);
        /** Whether the state will not change any more. */
        this.isFinal = native.state.isFinal(state);
        const percentage = execution.completionPercentage(pointer);
        /** 0 to 100, or whatever number the server sends; one of -1 cannot be told from none. */
        this.completionPercentage = percentage === -1 ? null : percentage;
        this.configId = execution.configId(pointer);
        this.linkedAccountId = execution.linkedAccountId(pointer);
        /** RFC 3339, in UTC. */
        this.createdAt = execution.createdAt(pointer);
        const documents = Array.isArray(this.document.nodes) ? this.document.nodes : [];
        /** In the order in which the run entered them. */
        this.nodes = documents.map((document, index) => new Node(execution.node(pointer, index), document));
    }

    /** The node with an id, of several the first; undefined when there is none. */
    node(id) {
        return this.nodes.find((node) => node.id === id);
    }
}

/** One node of an execution. What the document does not have is null. */
export class Node {
    constructor(pointer, document) {
        const { node } = native;
        this.id = node.id(pointer);
        this.name = node.name(pointer);
        /** Such as 'start'. */
        this.type = node.type(pointer);
        /** In the server's own words, such as 'Success'. */
        this.status = node.status(pointer);
        /** What the status means, such as 'COMPLETED'. */
        this.state = native.state.name(node.state(pointer));
        this.isBatch = node.isBatch(pointer);
        this.attemptsMade = present(node.attemptsMade(pointer));
        this.maximumAttempts = present(node.maximumAttempts(pointer));
        /** How long the node ran, in milliseconds. */
        this.executionTimeMs = present(node.executionTimeMs(pointer));
        /** What the node returned last, any value; undefined when it is absent. */
        this.latestOutput = document?.latest_output;
        /** What the node was given, any value; undefined when it is absent. */
        this.inputData = document?.input_data;
        /** The whole node. */
        this.document = document;
    }
}

/** Makes an execution from JSON text, a string or bytes, such as a stored answer of the server. Nothing is sent. */
export function parseExecution(text) {
    const bytes = Buffer.from(text);
    const error = [null];
    // For C, no address would be another mistake than no text.
    const pointer = native.execution.parse(bytes.length > 0 ? bytes : Buffer.from(' '), bytes.length, error);
    return takeExecution(pointer, error[0]);
}

/** What a call into C gave, as an object or an exception of JavaScript. What C made is freed. */
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

function present(number) {
    return number < 0 ? null : Number(number);
}
