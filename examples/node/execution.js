// Snapshots of executions, which index.d.ts documents. The fields of C become their properties.

const { native } = require('./native.js');
const { Code, RefoldError, makeError } = require('./error.js');
const { makeTimings } = require('./timings.js');

class Execution {
    constructor(fields) {
        this.text = fields.text;
        this.document = JSON.parse(this.text);
        this.id = fields.id;
        this.name = fields.name;
        this.orgId = fields.orgId;
        this.environment = fields.environment;
        this.status = fields.status;
        this.state = fields.state;
        this.isFinal = fields.isFinal;
        this.isFailure = fields.isFailure;
        this.completionPercentage = fields.completionPercentage;
        this.configId = fields.configId;
        this.linkedAccountId = fields.linkedAccountId;
        this.createdAt = fields.createdAt;
        this.updatedAt = fields.updatedAt;
        this.timings = makeTimings(fields.timings);
        this.attempts = fields.attempts;
        this.requestId = fields.requestId;
        const documents = Array.isArray(this.document.nodes) ? this.document.nodes : [];
        this.nodes = documents.map((document, index) => new Node(fields.nodes[index], document));
    }

    node(id) {
        return this.nodes.find((node) => node.id !== null && node.id === id);
    }
}

class Node {
    constructor(fields, document) {
        this.id = fields.id;
        this.name = fields.name;
        this.type = fields.type;
        this.status = fields.status;
        this.state = fields.state;
        this.isFailure = fields.isFailure;
        this.isBatch = fields.isBatch;
        this.attemptsMade = fields.attemptsMade;
        this.maximumAttempts = fields.maximumAttempts;
        this.executionTimeMs = fields.executionTimeMs;
        this.latestOutput = document?.latest_output;
        this.inputData = document?.input_data;
        this.document = document;
    }
}

function parseExecution(text) {
    return takeExecution(native.parse(Buffer.from(text)));
}

/** Makes an execution of its fields, or throws the error. */
function takeExecution({ execution, error }) {
    if (error) {
        throw makeError(error);
    }
    if (!execution) {
        throw new RefoldError(Code.RESOURCE, 'the execution is too long for a string, or memory is insufficient');
    }
    return new Execution(execution);
}

module.exports = { Execution, Node, parseExecution, takeExecution };
