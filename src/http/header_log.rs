//! Logs what arrives in the head of a response, redacted.

use crate::context::CallContext;
use crate::log::Event;
use crate::redact::{Redactor, into_text};

/// Fields whose values are secrets of the server and this client.
const SECRET_FIELDS: [&[u8]; 4] = [b"set-cookie", b"set-cookie2", b"www-authenticate", b"proxy-authenticate"];

/// Logs a line at the level DEBUG. Without a `redactor`, which a call has only at this level, does nothing.
pub fn log_line(line: &[u8], redactor: Option<&Redactor>, context: &CallContext) {
    if let Some(redactor) = redactor {
        log_redacted(line.trim_ascii_end(), redactor, context);
    }
}

#[cold]
fn log_redacted(line: &[u8], redactor: &Redactor, context: &CallContext) {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
    let shown = if let [b' ' | b'\t', ..] = line {
        // Continues a field, which may be one of those.
        b"***".to_vec()
    } else if SECRET_FIELDS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
        [name, b": ***"].concat()
    } else {
        line.to_vec()
    };
    if let Some(redacted) = redactor.redact(shown).filter(|line| !line.is_empty()) {
        context.debug(|| Event::Received(into_text(redacted)));
    }
}
