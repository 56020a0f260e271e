// The entry of the package for ECMAScript modules. Both entries share one implementation, and so its state and classes.

import refold from './refold.js';

export const { Client, Code, Execution, Node, RefoldError, parseExecution, printable, version } = refold;
