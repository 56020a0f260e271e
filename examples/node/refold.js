/**
 * Fetches workflow executions of Refold, an integration platform, and waits for them to finish.
 *
 *     import { Client, Code, RefoldError } from 'refold';
 *
 *     const client = Client.fromEnv();
 *     const execution = await client.getExecution(id);
 *
 * The package calls the C library librefold. It loads the library at the path in REFOLD_LIBRARY; or else librefold.so.0
 * or librefold.so from its own directory or, inside the librefold source tree only, from target/release; or else
 * librefold.so.0 as found by the system's loader. Executions and errors are ordinary objects; nothing has to be freed.
 */
export { Client } from './client.js';
export { Code, RefoldError } from './error.js';
export { Execution, Node, parseExecution } from './execution.js';
export { printable } from './printable.js';
/** version() returns the version of the loaded library, such as '0.1.0'. */
export { version } from './native.js';
