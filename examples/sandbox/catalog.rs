//! Finds the response for an id.

use crate::api::Sandbox;
use crate::reply::Reply;
use crate::{executions, faults, oddities};

/// One row of a table: an id, or a family of ids, and its response.
pub struct Entry {
    /// `name`, `name-<parameter>` or `name[-<parameter>]`, where the bracket is optional.
    pub id: &'static str,
    pub about: &'static str,
    /// `None` if the parameter is not valid.
    pub respond: fn(&Call) -> Option<Reply>,
}

/// An authenticated request for an execution.
pub struct Call<'a> {
    pub id: &'a str,
    /// The `<parameter>` in the id, or empty.
    pub parameter: &'a str,
    pub accepts_gzip: bool,
    pub sandbox: &'a Sandbox,
}

/// All tables, and their titles in the help.
pub const SECTIONS: [(&str, &[Entry]); 3] = [
    ("Executions", executions::EXECUTIONS),
    ("Oddities of a 200", oddities::ODDITIES),
    ("Faults", faults::FAULTS),
];

/// The response for an id, if there is one.
pub fn respond(id: &str, accepts_gzip: bool, sandbox: &Sandbox) -> Option<Reply> {
    SECTIONS.iter().flat_map(|(_, entries)| *entries).find_map(|entry| {
        let parameter = parameter(entry.id, id)?;
        (entry.respond)(&Call { id, parameter, accepts_gzip, sandbox })
    })
}

/// The parameter with which `pattern` becomes `id`.
fn parameter<'a>(pattern: &str, id: &'a str) -> Option<&'a str> {
    if let Some((stem, _)) = pattern.split_once("[-<") {
        let rest = id.strip_prefix(stem)?;
        return if rest.is_empty() { Some(rest) } else { rest.strip_prefix('-') };
    }
    match pattern.split_once('<') {
        Some((before, after)) => {
            let after = after.split_once('>').map_or("", |(_, after)| after);
            id.strip_prefix(before)?.strip_suffix(after)
        }
        None => (pattern == id).then_some(""),
    }
}
