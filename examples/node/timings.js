/** The parts of refold_timing, in the order of their numbers. */
const parts = ['totalMs', 'resolveMs', 'connectMs', 'tlsMs', 'firstByteMs', 'transferMs'];

/**
 * How long a call and the parts of its last attempt took, in milliseconds, with fractions. Parts that it did not go
 * through are null. The parts follow one another.
 *
 * @typedef {object} Timings
 * @property {number | null} totalMs the call, with all attempts and the pauses between them, but without the time in
 *     the queue
 * @property {number | null} resolveMs the lookup of host names; null for an address, localhost and a reused connection
 * @property {number | null} connectMs connecting, including the dialogue with a proxy; null on a reused connection
 * @property {number | null} tlsMs the TLS handshake; null without TLS and on a reused connection
 * @property {number | null} firstByteMs from the first byte of the request to the first byte of the response
 * @property {number | null} transferMs from there to the last byte of the response
 */

/** Returns the timings of an array of microseconds; negative ones are absent. */
export function makeTimings(microseconds) {
    return Object.fromEntries(parts.map((name, part) => [name, toMilliseconds(microseconds[part])]));
}

function toMilliseconds(microseconds) {
    return microseconds < 0 ? null : microseconds / 1000;
}

/** @type {Timings} */
export const noTimings = Object.freeze(makeTimings(parts.map(() => -1)));
