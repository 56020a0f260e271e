/**
 * One workflow execution of Refold by its id, with the detail of every node, through the C library librefold.
 *
 *     import { Client, Code, RefoldError } from 'refold';
 *
 *     const client = Client.fromEnv();
 *     const execution = await client.getExecution(id);
 *
 * Executions and errors are plain objects of JavaScript, and nothing has to be freed. The library is the one that
 * REFOLD_LIBRARY names; without that, the librefold.so.0 or librefold.so beside this file or, where this is
 * examples/node of the project, in its target/release; else the librefold.so.0 that the system finds.
 */
export { Client } from './client.js';
export { Code, RefoldError } from './error.js';
export { Execution, Node, parseExecution } from './execution.js';
export { version } from './native.js';
