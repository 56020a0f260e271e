/** The parts of refold_timing, in the order of their numbers. */
const parts = ['totalMs', 'resolveMs', 'connectMs', 'tlsMs', 'firstByteMs', 'transferMs'];

/** Returns the timings of an array of microseconds; negative ones are absent. */
function makeTimings(microseconds) {
    return Object.fromEntries(parts.map((name, part) => [name, toMilliseconds(microseconds[part])]));
}

function toMilliseconds(microseconds) {
    return microseconds < 0 ? null : microseconds / 1000;
}

const noTimings = Object.freeze(makeTimings(parts.map(() => -1)));

module.exports = { makeTimings, noTimings };
