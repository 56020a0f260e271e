// The entry of the package for CommonJS; refold.mjs is the one for ECMAScript modules. index.d.ts documents both.

const { Client } = require('./client.js');
const { Code, RefoldError } = require('./error.js');
const { Execution, Node, parseExecution } = require('./execution.js');
const { native } = require('./native.js');
const { printable } = require('./printable.js');

module.exports = { Client, Code, Execution, Node, RefoldError, parseExecution, printable, version: native.version };
