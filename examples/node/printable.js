/**
 * Returns text as one line that is safe to print. Texts of a server, messages of errors included, may contain escape
 * sequences for the terminal, forged lines, and controls that reorder what a line shows. Tabs and ends of lines become
 * blanks; every other control character (C0, DEL, C1), U+2028, U+2029, the controls of the direction of text (U+061C,
 * U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) and unpaired surrogates become '?'.
 *
 * @param {string} text
 * @returns {string}
 */
export function printable(text) {
    return String(text)
        .replace(/[\t\n\r]/g, ' ')
        .replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu, '?');
}
