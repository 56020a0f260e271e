//! From the body of an answer to a typed snapshot.
//!
//! One pass over the body finds the typed fields and checks that everything else is JSON; what is in it stays unread
//! until somebody looks (see `json`). The body itself is kept, unchanged. The typed strings are copied out of it,
//! unescaped and with a U+0000 behind each, so that they are there for C without any further work.

use crate::json::{append_unescaped, append_with_nul, truncate};
use crate::scan::{self, Fault};
use crate::status::State;
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

/// One execution as it was when the server answered. Never changes, and may be read from any number of threads.
pub struct Execution {
    body: String,
    /// The typed strings, unescaped, a U+0000 behind each.
    strings: Vec<u8>,
    fields: Fields,
    nodes: Vec<Node>,
    /// Positions of the nodes that have an id, ordered by id and then by position.
    by_id: OnceLock<Vec<usize>>,
}

/// Where the typed fields of an execution are.
#[derive(Default)]
struct Fields {
    id: Text,
    name: Text,
    org_id: Text,
    environment: Text,
    status: Text,
    config_id: Text,
    linked_account_id: Text,
    created_at: Text,
    completion_percentage: Option<f64>,
}

/// Where the typed fields of a node are. `Execution::node` reads them.
#[derive(Default)]
pub struct Node {
    id: Text,
    name: Text,
    node_type: Text,
    status: Text,
    attempts_made: Count,
    maximum_attempts: Count,
    execution_time_ms: Count,
    latest_output: Span,
    input_data: Span,
    json: Span,
    is_batch: bool,
}

/// A node together with the execution that it belongs to.
#[derive(Clone, Copy)]
pub struct NodeView<'a> {
    execution: &'a Execution,
    node: &'a Node,
}

/// A place in the body or among the typed strings. Empty: absent, since both a value and a U+0000 take a byte.
#[derive(Clone, Copy, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// A typed string's place among the typed strings, its U+0000 included.
type Text = Span;

/// A whole number that is not negative, or nothing.
#[derive(Clone, Copy)]
struct Count(i64);

impl Default for Count {
    fn default() -> Self {
        Count(-1)
    }
}

/// Why a body is not an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// Offset of the first byte that does not belong.
        offset: usize,
    },
    /// The text is not JSON.
    Malformed {
        /// What is wrong.
        reason: String,
        /// Line of the text, from 1.
        line: usize,
        /// Byte of the line, from 1; 0 where a line has none.
        column: usize,
    },
    /// The text is JSON, but not an object.
    NotAnObject {
        /// Offset of the value.
        offset: usize,
    },
    /// The object has no `status`, or one that is not a string.
    NoStatus {
        /// Offset of the `status` that is not a string.
        offset: Option<usize>,
    },
    /// There was not enough memory.
    OutOfMemory,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::NotUtf8 { offset } => write!(formatter, "not UTF-8 at byte {offset}"),
            Invalid::Malformed { reason, line, column } => {
                write!(formatter, "not JSON: {reason} at line {line} column {column}")
            }
            Invalid::NotAnObject { offset } => write!(formatter, "not a JSON object at byte {offset}"),
            Invalid::NoStatus { offset: Some(offset) } => {
                write!(formatter, "`status` is not a string at byte {offset}")
            }
            Invalid::NoStatus { offset: None } => write!(formatter, "the object has no `status`"),
            Invalid::OutOfMemory => write!(formatter, "not enough memory"),
        }
    }
}

impl std::error::Error for Invalid {}

impl Invalid {
    fn because(fault: Fault, body: &str) -> Invalid {
        match fault {
            Fault::Malformed { at } => {
                Invalid::explained(body, at).unwrap_or_else(|| Invalid::located(body, at))
            }
            Fault::OutOfMemory => Invalid::OutOfMemory,
        }
    }

    /// What serde_json says of a text that is malformed at `at`.
    fn explained(body: &str, at: usize) -> Option<Invalid> {
        // It takes a byte for each open bracket, infallibly, and up to three while it grows.
        Vec::<u8>::new().try_reserve_exact(at.checked_mul(3)?).ok()?;
        let error = serde_json::from_str::<&RawValue>(body).err()?;
        let message = error.to_string();
        let reason = message.split_once(" at line ").map_or(&*message, |(reason, _)| reason).to_owned();
        Some(Invalid::Malformed { reason, line: error.line(), column: error.column() })
    }

    /// The plain position, where there is no memory for an explanation.
    fn located(body: &str, at: usize) -> Invalid {
        let before = body.as_bytes().get(..at).unwrap_or_default();
        let line_start =
            before.iter().rposition(|byte| *byte == b'\n').map_or(0, |line_break| line_break + 1);
        Invalid::Malformed {
            reason: "unexpected character or end".to_owned(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: at - line_start + 1,
        }
    }
}

/// A body that is no execution, given back with the reason.
#[derive(Debug)]
pub struct Refused {
    /// What is wrong with it.
    pub why: Invalid,
    /// The bytes.
    pub body: Vec<u8>,
}

/// The typed strings of a small execution fit.
const FEW_STRINGS: usize = 512;

/// Up to this many nodes are searched one after the other.
const FEW_NODES: usize = 16;

impl Execution {
    /// Reads a body. `asked_id` is the id where the body names none.
    pub fn parse(body: Vec<u8>, asked_id: Option<&str>) -> Result<Execution, Refused> {
        let body = String::from_utf8(body).map_err(|error| Refused {
            why: Invalid::NotUtf8 { offset: error.utf8_error().valid_up_to() },
            body: error.into_bytes(),
        })?;
        match Execution::read(&body, asked_id) {
            Ok((strings, fields, nodes)) => {
                Ok(Execution { body, strings, fields, nodes, by_id: OnceLock::new() })
            }
            Err(why) => Err(Refused { why, body: body.into_bytes() }),
        }
    }

    fn read(body: &str, asked_id: Option<&str>) -> Result<(Vec<u8>, Fields, Vec<Node>), Invalid> {
        let mut reader = Reader::new(body);
        reader.strings.try_reserve(FEW_STRINGS.min(body.len())).map_err(|_| Invalid::OutOfMemory)?;
        reader.read_document()?;
        if let (true, Some(id)) = (reader.fields.id.is_empty(), asked_id) {
            let append = |strings: &mut Vec<u8>| append_with_nul(strings, id.as_bytes());
            reader.fields.id = reader.append(append).map_err(|_| Invalid::OutOfMemory)?;
        }
        let Reader { strings, fields, nodes, .. } = reader;
        Ok((strings, fields, nodes))
    }

    /// `_id`, else the id that was asked for.
    pub fn id(&self) -> Option<&[u8]> {
        self.string(self.fields.id)
    }

    /// `name`
    pub fn name(&self) -> Option<&[u8]> {
        self.string(self.fields.name)
    }

    /// `org_id`
    pub fn org_id(&self) -> Option<&[u8]> {
        self.string(self.fields.org_id)
    }

    /// `environment`
    pub fn environment(&self) -> Option<&[u8]> {
        self.string(self.fields.environment)
    }

    /// `status`, which every execution has.
    pub fn status(&self) -> Option<&[u8]> {
        self.string(self.fields.status)
    }

    /// What `status` means.
    pub fn state(&self) -> State {
        plain(self.status()).map_or(State::Unknown, State::of_execution)
    }

    /// `completion_percentage` as it was sent: any number, infinite where a double cannot hold it.
    pub fn completion_percentage(&self) -> Option<f64> {
        self.fields.completion_percentage
    }

    /// `config_id`
    pub fn config_id(&self) -> Option<&[u8]> {
        self.string(self.fields.config_id)
    }

    /// `linked_account_id`
    pub fn linked_account_id(&self) -> Option<&[u8]> {
        self.string(self.fields.linked_account_id)
    }

    /// `createdAt`
    pub fn created_at(&self) -> Option<&[u8]> {
        self.string(self.fields.created_at)
    }

    /// The elements of `nodes`, in the order of the document.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by its position.
    pub fn node(&self, index: usize) -> Option<NodeView<'_>> {
        self.nodes.get(index).map(|node| NodeView { execution: self, node })
    }

    /// The position of the first node with this id. Fast for any number of nodes, after the first call.
    pub fn node_by_id(&self, id: &[u8]) -> Option<usize> {
        if self.nodes.len() <= FEW_NODES {
            return self.search_in_order(id);
        }
        if self.by_id.get().is_none() {
            match self.order_by_id() {
                // Where another thread was faster, its order stays, which is the same.
                Some(order) => drop(self.by_id.set(order)),
                None => return self.search_in_order(id),
            }
        }
        let order = self.by_id.get()?;
        let first = order.partition_point(|index| self.plain_id(*index) < Some(id));
        order.get(first).copied().filter(|index| self.plain_id(*index) == Some(id))
    }

    /// The whole document, as it was sent.
    pub fn body(&self) -> &str {
        &self.body
    }

    fn search_in_order(&self, id: &[u8]) -> Option<usize> {
        (0..self.nodes.len()).find(|index| self.plain_id(*index) == Some(id))
    }

    fn order_by_id(&self) -> Option<Vec<usize>> {
        let mut order = Vec::new();
        order.try_reserve_exact(self.nodes.len()).ok()?;
        order.extend((0..self.nodes.len()).filter(|index| !self.nodes[*index].id.is_empty()));
        order.sort_unstable_by(|one, other| (self.plain_id(*one), one).cmp(&(self.plain_id(*other), other)));
        Some(order)
    }

    /// A node's id without the U+0000 behind it.
    fn plain_id(&self, index: usize) -> Option<&[u8]> {
        let (_, id) = self.string(self.nodes.get(index)?.id)?.split_last()?;
        Some(id)
    }

    fn string(&self, text: Text) -> Option<&[u8]> {
        self.strings.get(text.range()?)
    }

    fn raw(&self, span: Span) -> Option<&str> {
        self.body.get(span.range()?)
    }
}

impl<'a> NodeView<'a> {
    /// `node_id`
    pub fn id(&self) -> Option<&'a [u8]> {
        self.execution.string(self.node.id)
    }

    /// `node_name`
    pub fn name(&self) -> Option<&'a [u8]> {
        self.execution.string(self.node.name)
    }

    /// `node_type`
    pub fn node_type(&self) -> Option<&'a [u8]> {
        self.execution.string(self.node.node_type)
    }

    /// `node_status`
    pub fn status(&self) -> Option<&'a [u8]> {
        self.execution.string(self.node.status)
    }

    /// What `node_status` means.
    pub fn state(&self) -> State {
        plain(self.status()).map_or(State::Unknown, State::of_node)
    }

    /// `is_batch`; false where it is absent.
    pub fn is_batch(&self) -> bool {
        self.node.is_batch
    }

    /// `attempts_made`
    pub fn attempts_made(&self) -> Option<i64> {
        self.node.attempts_made.get()
    }

    /// `maximum_attempts`
    pub fn maximum_attempts(&self) -> Option<i64> {
        self.node.maximum_attempts.get()
    }

    /// `execution_time`
    pub fn execution_time_ms(&self) -> Option<i64> {
        self.node.execution_time_ms.get()
    }

    /// The text of `latest_output`, whatever it is.
    pub fn latest_output(&self) -> Option<&'a str> {
        self.execution.raw(self.node.latest_output)
    }

    /// The text of `input_data`, whatever it is.
    pub fn input_data(&self) -> Option<&'a str> {
        self.execution.raw(self.node.input_data)
    }

    /// The text of the whole element.
    pub fn json(&self) -> &'a str {
        self.execution.raw(self.node.json).unwrap_or("null")
    }
}

impl Span {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn range(self) -> Option<Range<usize>> {
        (!self.is_empty()).then_some(self.start..self.end)
    }
}

impl Count {
    /// A number with its fraction cut off, if it is not negative and an `i64` can hold it.
    fn of(number: &str) -> Count {
        let is_negative = number.starts_with('-') && number.parse::<f64>().is_ok_and(|number| number < 0.0);
        Count(if is_negative { -1 } else { i64::try_from(truncate(number)).unwrap_or(-1) })
    }

    fn get(self) -> Option<i64> {
        (self.0 >= 0).then_some(self.0)
    }
}

/// The text of a string that has a U+0000 behind it.
fn plain(string: Option<&[u8]>) -> Option<&str> {
    let (_, text) = string?.split_last()?;
    std::str::from_utf8(text).ok()
}

/// What one pass over the body collects.
struct Reader<'a> {
    body: &'a str,
    strings: Vec<u8>,
    fields: Fields,
    nodes: Vec<Node>,
    /// The last `status` that is not a string.
    odd_status: Option<usize>,
    /// A key that was written with escapes.
    key: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(body: &'a str) -> Reader<'a> {
        Reader {
            body,
            strings: Vec::new(),
            fields: Fields::default(),
            nodes: Vec::new(),
            odd_status: None,
            key: Vec::new(),
        }
    }

    fn read_document(&mut self) -> Result<(), Invalid> {
        let start = scan::skip_whitespace(self.body.as_bytes(), 0);
        let is_object = self.byte(start) == Some(b'{');
        let end = if is_object { self.read_execution(start) } else { self.skip(start) };
        end.and_then(|end| self.expect_nothing(end)).map_err(|fault| Invalid::because(fault, self.body))?;
        if !is_object {
            return Err(Invalid::NotAnObject { offset: start });
        }
        if self.fields.status.is_empty() {
            return Err(Invalid::NoStatus { offset: self.odd_status });
        }
        Ok(())
    }

    fn read_execution(&mut self, at: usize) -> Result<usize, Fault> {
        let mut walk = Walk::new(self.body, at);
        while let Some(key) = walk.next_member()? {
            walk.at = self.read_field(key, walk.at)?;
        }
        Ok(walk.at)
    }

    /// Reads a member of the execution. Returns the end of its value, which begins at `at`.
    fn read_field(&mut self, key: Range<usize>, at: usize) -> Result<usize, Fault> {
        let field: fn(&mut Fields) -> &mut Text = match self.plain_key(key)? {
            b"_id" => |fields| &mut fields.id,
            b"name" => |fields| &mut fields.name,
            b"org_id" => |fields| &mut fields.org_id,
            b"environment" => |fields| &mut fields.environment,
            b"config_id" => |fields| &mut fields.config_id,
            b"linked_account_id" => |fields| &mut fields.linked_account_id,
            b"createdAt" => |fields| &mut fields.created_at,
            b"status" => {
                self.odd_status = (self.byte(at) != Some(b'"')).then_some(at);
                |fields| &mut fields.status
            }
            b"completion_percentage" => {
                let end = self.skip(at)?;
                self.fields.completion_percentage =
                    self.number(at, end).and_then(|number| number.parse().ok());
                return Ok(end);
            }
            b"nodes" => return self.read_nodes(at),
            _ => return self.skip(at),
        };
        let (text, end) = self.read_text(at)?;
        *field(&mut self.fields) = text;
        Ok(end)
    }

    fn read_nodes(&mut self, at: usize) -> Result<usize, Fault> {
        self.nodes.clear();
        if self.byte(at) != Some(b'[') {
            return self.skip(at);
        }
        let mut walk = Walk::new(self.body, at);
        while walk.next_element()? {
            let start = walk.at;
            let mut node = Node::default();
            walk.at = if self.byte(start) == Some(b'{') {
                self.read_node(start, &mut node)?
            } else {
                self.skip(start)?
            };
            node.json = Span { start, end: walk.at };
            self.nodes.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
            self.nodes.push(node);
        }
        Ok(walk.at)
    }

    fn read_node(&mut self, at: usize, node: &mut Node) -> Result<usize, Fault> {
        let mut walk = Walk::new(self.body, at);
        while let Some(key) = walk.next_member()? {
            walk.at = self.read_node_field(key, walk.at, node)?;
        }
        Ok(walk.at)
    }

    /// Reads a member of a node. Returns the end of its value, which begins at `at`.
    fn read_node_field(&mut self, key: Range<usize>, at: usize, node: &mut Node) -> Result<usize, Fault> {
        let text = match self.plain_key(key)? {
            b"node_id" => &mut node.id,
            b"node_name" => &mut node.name,
            b"node_type" => &mut node.node_type,
            b"node_status" => &mut node.status,
            b"attempts_made" => return self.read_count(at, &mut node.attempts_made),
            b"maximum_attempts" => return self.read_count(at, &mut node.maximum_attempts),
            b"execution_time" => return self.read_count(at, &mut node.execution_time_ms),
            b"latest_output" => return self.read_raw(at, &mut node.latest_output),
            b"input_data" => return self.read_raw(at, &mut node.input_data),
            b"is_batch" => {
                node.is_batch = self.byte(at) == Some(b't');
                return self.skip(at);
            }
            _ => return self.skip(at),
        };
        let end;
        (*text, end) = self.read_text(at)?;
        Ok(end)
    }

    /// Copies the string that begins at `at`. A value of another kind is skipped and reads as absent.
    fn read_text(&mut self, at: usize) -> Result<(Text, usize), Fault> {
        if self.byte(at) != Some(b'"') {
            return Ok((Text::default(), self.skip(at)?));
        }
        let body = self.body.as_bytes();
        let end = scan::skip_string(body, at)?;
        let text = self.append(|strings| append_unescaped(strings, &body[at + 1..end - 1]))?;
        Ok((text, end))
    }

    fn append(&mut self, append: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Result<Text, Fault> {
        let start = self.strings.len();
        append(&mut self.strings).ok_or(Fault::OutOfMemory)?;
        Ok(Text { start, end: self.strings.len() })
    }

    fn read_count(&self, at: usize, count: &mut Count) -> Result<usize, Fault> {
        let end = self.skip(at)?;
        *count = self.number(at, end).map_or(Count::default(), Count::of);
        Ok(end)
    }

    fn read_raw(&self, at: usize, span: &mut Span) -> Result<usize, Fault> {
        let end = self.skip(at)?;
        *span = Span { start: at, end };
        Ok(end)
    }

    /// The text of a value, if it is a number.
    fn number(&self, start: usize, end: usize) -> Option<&'a str> {
        let text = self.body.get(start..end)?;
        text.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(text)
    }

    /// A key without escapes.
    fn plain_key(&mut self, key: Range<usize>) -> Result<&[u8], Fault> {
        let written = self.body.as_bytes().get(key).unwrap_or_default();
        if !written.contains(&b'\\') {
            return Ok(written);
        }
        self.key.clear();
        append_unescaped(&mut self.key, written).ok_or(Fault::OutOfMemory)?;
        self.key.pop();
        Ok(&self.key)
    }

    fn skip(&self, at: usize) -> Result<usize, Fault> {
        scan::skip_value(self.body.as_bytes(), at)
    }

    fn expect_nothing(&self, at: usize) -> Result<(), Fault> {
        let at = scan::skip_whitespace(self.body.as_bytes(), at);
        if at == self.body.len() { Ok(()) } else { Err(Fault::Malformed { at }) }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.body.as_bytes().get(at).copied()
    }
}

/// Steps through the members of an object or the elements of an array, whose values somebody else reads.
struct Walk<'a> {
    text: &'a [u8],
    /// Before a step: behind the opening bracket or the last value. After it: the value, or behind the closing bracket.
    at: usize,
    is_first: bool,
}

impl<'a> Walk<'a> {
    /// Enters the array or object whose opening bracket stands at `at`.
    fn new(text: &'a str, at: usize) -> Walk<'a> {
        Walk { text: text.as_bytes(), at: at + 1, is_first: true }
    }

    /// Goes to the next member's value. Returns where the content of its key is; nothing at the end of the object.
    fn next_member(&mut self) -> Result<Option<Range<usize>>, Fault> {
        if !self.next(b'}')? {
            return Ok(None);
        }
        let start = self.at;
        let end = scan::skip_string(self.text, start)?;
        self.skip_whitespace(end);
        if self.text.get(self.at) != Some(&b':') {
            return Err(Fault::Malformed { at: self.at });
        }
        self.skip_whitespace(self.at + 1);
        Ok(Some(start + 1..end - 1))
    }

    /// Goes to the next element; false at the end of the array.
    fn next_element(&mut self) -> Result<bool, Fault> {
        self.next(b']')
    }

    fn next(&mut self, closing: u8) -> Result<bool, Fault> {
        self.skip_whitespace(self.at);
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.text.get(self.at) {
            Some(byte) if *byte == closing => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !is_first => self.skip_whitespace(self.at + 1),
            _ if is_first => {}
            _ => return Err(Fault::Malformed { at: self.at }),
        }
        Ok(true)
    }

    fn skip_whitespace(&mut self, at: usize) {
        self.at = scan::skip_whitespace(self.text, at);
    }
}
