// The CommonJS entry of the package; refold.mjs is the one of ECMAScript modules. index.d.ts documents what they export.

const { Client } = require('./client.js');
const { Code, RefoldError } = require('./error.js');
const { Execution, Node, parseExecution } = require('./execution.js');
const { native } = require('./native.js');
const { printable } = require('./printable.js');

module.exports = { Client, Code, Execution, Node, RefoldError, parseExecution, printable, version: native.version };
