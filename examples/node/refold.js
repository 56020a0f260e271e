/**
 * One workflow execution of Refold by its id, with the detail of every node, through the C library librefold.
 *
 *     import { Client, Code, RefoldError } from 'refold';
 *
 *     const client = Client.fromEnv();
 *     const execution = await client.getExecution(id);
 *
 * Executions and errors are plain objects of JavaScript, and nothing has to be freed. The library is looked for as
 * librefold.so.0 where the system looks for libraries, or at the path in REFOLD_LIBRARY.
 */
export { Client } from './client.js';
export { Code, RefoldError } from './error.js';
export { Execution, Node, parseExecution } from './execution.js';
export { version } from './native.js';
