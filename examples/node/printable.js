/** See index.d.ts. */
function printable(text) {
    return String(text)
        .replace(/[\t\n\r]/g, ' ')
        .replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu, '?');
}

module.exports = { printable };
