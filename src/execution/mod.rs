//! From the body of an answer to a typed snapshot.
//!
//! The body is validated while it comes (see `scan`). Then the typed fields are found; large values that nobody has
//! asked for are jumped over, and what is in them stays unread until somebody looks (see `json`). The body itself is
//! kept, unchanged. The typed strings are copied out of it, unescaped and with a U+0000 behind each, so that they are
//! there for C without any further work.

use crate::alloc::{OnceBox, try_box};
use crate::error::ErrorKind;
use crate::json::scan::{self, Document, Extent, Fault, InvalidDocument, JsonBuffer};
use crate::json::{append_unescaped, append_with_nul, truncate};
use crate::state::State;
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// One execution as it was when the server answered. Never changes, and may be read from any number of threads.
pub struct Execution {
    body: String,
    /// The typed strings, unescaped, a U+0000 behind each.
    strings: Vec<u8>,
    fields: Fields,
    nodes: Vec<Node>,
    /// Positions of the nodes that have an id, ordered by id and then by position.
    by_id: OnceBox<Vec<usize>>,
}

/// Where the typed fields of an execution are.
#[derive(Default)]
struct Fields {
    id: StringSpan,
    name: StringSpan,
    org_id: StringSpan,
    environment: StringSpan,
    status: StringSpan,
    config_id: StringSpan,
    linked_account_id: StringSpan,
    created_at: StringSpan,
    completion_percentage: Option<f64>,
}

/// Where the typed fields of a node are. `Execution::node` reads them.
#[derive(Default)]
pub struct Node {
    id: StringSpan,
    name: StringSpan,
    node_type: StringSpan,
    status: StringSpan,
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
type StringSpan = Span;

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
pub enum ParseErrorKind {
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
    /// The nodes would take too much memory.
    TooManyNodes {
        /// What they may take, in bytes.
        most: u64,
    },
    /// There was not enough memory.
    OutOfMemory,
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseErrorKind::NotUtf8 { offset } => write!(formatter, "not UTF-8 at byte {offset}"),
            ParseErrorKind::Malformed { reason, line, column } => {
                write!(formatter, "not JSON: {reason} at line {line} column {column}")
            }
            ParseErrorKind::NotAnObject { offset } => write!(formatter, "not a JSON object at byte {offset}"),
            ParseErrorKind::NoStatus { offset: Some(offset) } => {
                write!(formatter, "`status` is not a string at byte {offset}")
            }
            ParseErrorKind::NoStatus { offset: None } => write!(formatter, "the object has no `status`"),
            ParseErrorKind::TooManyNodes { most } => {
                write!(formatter, "more nodes than fit into {most} bytes of memory, at {NODE_MEMORY} each")
            }
            ParseErrorKind::OutOfMemory => write!(formatter, "not enough memory"),
        }
    }
}

impl std::error::Error for ParseErrorKind {}

impl ParseErrorKind {
    fn because(fault: Fault, body: &[u8]) -> ParseErrorKind {
        match (fault, std::str::from_utf8(body)) {
            (Fault::OutOfMemory, _) => ParseErrorKind::OutOfMemory,
            (_, Err(error)) => ParseErrorKind::NotUtf8 { offset: error.valid_up_to() },
            (Fault::Malformed { at }, Ok(body)) => {
                ParseErrorKind::explained(body, at).unwrap_or_else(|| ParseErrorKind::located(body, at))
            }
        }
    }

    /// What serde_json says of a text that is malformed at `at`.
    fn explained(body: &str, at: usize) -> Option<ParseErrorKind> {
        // It takes a byte for each open bracket, infallibly, and up to three while it grows.
        Vec::<u8>::new().try_reserve_exact(at.checked_mul(3)?).ok()?;
        let error = serde_json::from_str::<&RawValue>(body).err()?;
        let message = error.to_string();
        let reason = message.split_once(" at line ").map_or(&*message, |(reason, _)| reason);
        let reason = match body.trim_ascii() {
            "" => "it is empty".to_owned(),
            _ => reason.replace("EOF while parsing", "it ends within"),
        };
        Some(ParseErrorKind::Malformed { reason, line: error.line(), column: error.column() })
    }

    /// The plain position, where there is no memory for an explanation.
    fn located(body: &str, at: usize) -> ParseErrorKind {
        let before = body.as_bytes().get(..at).unwrap_or_default();
        let line_start =
            before.iter().rposition(|byte| *byte == b'\n').map_or(0, |line_break| line_break + 1);
        ParseErrorKind::Malformed {
            reason: "unexpected character or end".to_owned(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: at - line_start + 1,
        }
    }
}

impl From<ParseErrorKind> for ErrorKind {
    fn from(invalid: ParseErrorKind) -> ErrorKind {
        match invalid {
            ParseErrorKind::OutOfMemory => {
                ErrorKind::Resource("memory is used up: the answer does not fit".into())
            }
            ParseErrorKind::TooManyNodes { most } => {
                ErrorKind::TooManyNodes { limit: most, bytes_per_node: NODE_MEMORY }
            }
            other => ErrorKind::InvalidResponse(other.to_string()),
        }
    }
}

/// A body that is no execution, given back with the reason.
#[derive(Debug)]
pub struct ParseError {
    /// What is wrong with it.
    pub why: ParseErrorKind,
    /// The bytes.
    pub body: Vec<u8>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for ParseErrorKind {
    fn from(refused: ParseError) -> ParseErrorKind {
        refused.why
    }
}

/// Most typed strings are shorter: they are copied into the room that there is.
const ROOM: usize = 512;

/// At first there is memory for so many nodes, or for as many as a small body may have, then each time for twice as many.
const FIRST_NODES: usize = 16;
/// Hardly a node is shorter than this.
const SHORT_NODE: usize = 128;

/// What a node takes at most, however short its text is, with what C's pointer to it points at.
pub const NODE_MEMORY: usize = 256;
/// Nodes may take so much in any case.
const MEMORY_FOR_FEW_NODES: u64 = 64 << 10;

/// Most counts have no more digits.
const FEW_DIGITS: usize = 7;

/// Up to this many nodes are searched one after the other.
const FEW_NODES: usize = 16;

impl Execution {
    /// Reads a body. `asked_id` is the id where the body names none. A few bytes of text make a node: nodes may take
    /// `most` bytes of memory, or as much as the text.
    pub fn parse(
        body: impl Into<JsonBuffer>,
        asked_id: Option<&str>,
        most: u64,
    ) -> Result<Execution, ParseError> {
        let document = body.into().finish().map_err(|InvalidDocument { fault, bytes }| ParseError {
            why: ParseErrorKind::because(fault, &bytes),
            body: bytes,
        })?;
        match Execution::read(&document, asked_id, most) {
            Ok((strings, fields, nodes)) => {
                Ok(Execution { body: document.into_text(), strings, fields, nodes, by_id: OnceBox::new() })
            }
            Err(why) => Err(ParseError { why, body: document.into_text().into_bytes() }),
        }
    }

    fn read(
        document: &Document,
        asked_id: Option<&str>,
        most: u64,
    ) -> Result<(Vec<u8>, Fields, Vec<Node>), ParseErrorKind> {
        let mut reader = Reader::new(document, most);
        reader.read_document()?;
        if let (true, Some(id)) = (reader.fields.id.is_empty(), asked_id) {
            reader.fields.id = reader.append(id.as_bytes(), append_with_nul)?;
        }
        let Reader { mut strings, used, fields, nodes, .. } = reader;
        strings.truncate(used);
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
            match self.order_by_id().and_then(try_box) {
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

    fn string(&self, text: StringSpan) -> Option<&[u8]> {
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

/// A key that has a meaning, written as servers write it.
struct KnownKey<F> {
    field: F,
    /// With quotes and a colon.
    written: [u64; KEY_WORDS],
    /// Which bytes of these belong to it.
    mask: [u64; KEY_WORDS],
    length: usize,
    name: &'static [u8],
}

/// The longest key, its quotes and its colon fit into so many integers of eight bytes.
const KEY_WORDS: usize = 3;

impl<F: Copy> KnownKey<F> {
    const fn new(name: &'static str, field: F) -> KnownKey<F> {
        let name = name.as_bytes();
        let mut bytes = [0; KEY_WORDS * 8];
        let mut mask = [0; KEY_WORDS * 8];
        bytes[0] = b'"';
        let mut at = 0;
        while at < name.len() {
            bytes[at + 1] = name[at];
            at += 1;
        }
        bytes[at + 1] = b'"';
        bytes[at + 2] = b':';
        let length = name.len() + 3;
        let mut at = 0;
        while at < length {
            mask[at] = 0xff;
            at += 1;
        }
        KnownKey { field, written: words(bytes), mask: words(mask), length, name }
    }

    /// Whether these bytes begin with the key.
    #[inline(always)]
    fn begins(&self, bytes: &[u8; KEY_WORDS * 8]) -> bool {
        let words = words(*bytes);
        (0..KEY_WORDS).fold(0, |differs, at| differs | (words[at] ^ self.written[at]) & self.mask[at]) == 0
    }
}

const fn words(bytes: [u8; KEY_WORDS * 8]) -> [u64; KEY_WORDS] {
    let (chunks, _) = bytes.as_chunks::<8>();
    [u64::from_le_bytes(chunks[0]), u64::from_le_bytes(chunks[1]), u64::from_le_bytes(chunks[2])]
}

/// The typed fields of an execution.
#[derive(Clone, Copy)]
enum Field {
    Id,
    Name,
    OrgId,
    Environment,
    Status,
    CompletionPercentage,
    ConfigId,
    LinkedAccountId,
    CreatedAt,
    Nodes,
}

static FIELDS: [KnownKey<Field>; 10] = [
    KnownKey::new("_id", Field::Id),
    KnownKey::new("name", Field::Name),
    KnownKey::new("org_id", Field::OrgId),
    KnownKey::new("environment", Field::Environment),
    KnownKey::new("status", Field::Status),
    KnownKey::new("completion_percentage", Field::CompletionPercentage),
    KnownKey::new("config_id", Field::ConfigId),
    KnownKey::new("linked_account_id", Field::LinkedAccountId),
    KnownKey::new("createdAt", Field::CreatedAt),
    KnownKey::new("nodes", Field::Nodes),
];

/// The typed fields of a node.
#[derive(Clone, Copy)]
enum NodeField {
    Id,
    Name,
    Type,
    Status,
    IsBatch,
    AttemptsMade,
    MaximumAttempts,
    ExecutionTime,
    LatestOutput,
    InputData,
}

static NODE_FIELDS: [KnownKey<NodeField>; 10] = [
    KnownKey::new("node_id", NodeField::Id),
    KnownKey::new("node_name", NodeField::Name),
    KnownKey::new("node_type", NodeField::Type),
    KnownKey::new("node_status", NodeField::Status),
    KnownKey::new("is_batch", NodeField::IsBatch),
    KnownKey::new("attempts_made", NodeField::AttemptsMade),
    KnownKey::new("maximum_attempts", NodeField::MaximumAttempts),
    KnownKey::new("execution_time", NodeField::ExecutionTime),
    KnownKey::new("latest_output", NodeField::LatestOutput),
    KnownKey::new("input_data", NodeField::InputData),
];

/// Reads the typed fields of a document.
struct Reader<'a> {
    text: &'a [u8],
    /// Where the large arrays and objects are that have not been passed.
    extents: &'a [Extent],
    /// The typed strings, and room for more.
    strings: Vec<u8>,
    /// So many bytes of these are in use.
    used: usize,
    fields: Fields,
    nodes: Vec<Node>,
    /// What they may take, in bytes.
    most_for_nodes: u64,
    /// The last `status` that is not a string.
    odd_status: Option<usize>,
    /// A key that was written with escapes, without them.
    key: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Document, most_for_nodes: u64) -> Reader<'a> {
        let text = document.text().as_bytes();
        Reader {
            text,
            extents: document.extents(),
            strings: Vec::new(),
            used: 0,
            fields: Fields::default(),
            nodes: Vec::new(),
            most_for_nodes: most_for_nodes.max(text.len() as u64).max(MEMORY_FOR_FEW_NODES),
            odd_status: None,
            key: Vec::new(),
        }
    }

    fn read_document(&mut self) -> Result<(), ParseErrorKind> {
        let start = scan::skip_whitespace(self.text, 0);
        if self.byte(start) != Some(b'{') {
            return Err(ParseErrorKind::NotAnObject { offset: start });
        }
        let mut walk = Cursor::new(self.text, start);
        let mut order = KeyPredictor::of(&FIELDS);
        while let Some(field) = self.next_member(&mut walk, &mut order)? {
            walk.at = self.read_field(field, walk.at)?;
        }
        if self.fields.status.is_empty() {
            return Err(ParseErrorKind::NoStatus { offset: self.odd_status });
        }
        Ok(())
    }

    /// Reads a member of the execution. Returns the end of its value, which begins at `at`.
    fn read_field(&mut self, field: Option<Field>, at: usize) -> Result<usize, ParseErrorKind> {
        let Some(field) = field else { return Ok(self.skip(at)) };
        let place: fn(&mut Fields) -> &mut StringSpan = match field {
            Field::Id => |fields| &mut fields.id,
            Field::Name => |fields| &mut fields.name,
            Field::OrgId => |fields| &mut fields.org_id,
            Field::Environment => |fields| &mut fields.environment,
            Field::ConfigId => |fields| &mut fields.config_id,
            Field::LinkedAccountId => |fields| &mut fields.linked_account_id,
            Field::CreatedAt => |fields| &mut fields.created_at,
            Field::Status => {
                self.odd_status = (self.byte(at) != Some(b'"')).then_some(at);
                |fields| &mut fields.status
            }
            Field::CompletionPercentage => {
                let end = self.skip(at);
                self.fields.completion_percentage =
                    self.number(at, end).and_then(|number| number.parse().ok());
                return Ok(end);
            }
            Field::Nodes => return self.read_nodes(at),
        };
        let (text, end) = self.read_text(at)?;
        *place(&mut self.fields) = text;
        Ok(end)
    }

    fn read_nodes(&mut self, at: usize) -> Result<usize, ParseErrorKind> {
        self.nodes.clear();
        if self.byte(at) != Some(b'[') {
            return Ok(self.skip(at));
        }
        let mut walk = Cursor::new(self.text, at);
        let mut order = KeyPredictor::of(&NODE_FIELDS);
        while walk.next() {
            let start = walk.at;
            let mut node = Node::default();
            walk.at = if self.byte(start) == Some(b'{') {
                self.read_node(start, &mut order, &mut node)?
            } else {
                self.skip(start)
            };
            node.json = Span { start, end: walk.at };
            if (self.nodes.len() * NODE_MEMORY) as u64 >= self.most_for_nodes {
                return Err(ParseErrorKind::TooManyNodes { most: self.most_for_nodes });
            }
            let room =
                if self.nodes.is_empty() { FIRST_NODES.min(self.text.len() / SHORT_NODE).max(1) } else { 1 };
            self.nodes.try_reserve(room).map_err(|_| ParseErrorKind::OutOfMemory)?;
            self.nodes.push(node);
        }
        Ok(walk.at)
    }

    /// Reads the node that begins at `at`. Returns its end.
    fn read_node(
        &mut self,
        at: usize,
        order: &mut KeyPredictor<NodeField>,
        node: &mut Node,
    ) -> Result<usize, ParseErrorKind> {
        let mut walk = Cursor::new(self.text, at);
        order.restart();
        while let Some(field) = self.next_member(&mut walk, order)? {
            let at = walk.at;
            walk.at = match field {
                Some(NodeField::Id) => self.read_text_into(at, &mut node.id)?,
                Some(NodeField::Name) => self.read_text_into(at, &mut node.name)?,
                Some(NodeField::Type) => self.read_text_into(at, &mut node.node_type)?,
                Some(NodeField::Status) => self.read_text_into(at, &mut node.status)?,
                Some(NodeField::AttemptsMade) => self.read_count(at, &mut node.attempts_made),
                Some(NodeField::MaximumAttempts) => self.read_count(at, &mut node.maximum_attempts),
                Some(NodeField::ExecutionTime) => self.read_count(at, &mut node.execution_time_ms),
                Some(NodeField::LatestOutput) => self.read_raw(at, &mut node.latest_output),
                Some(NodeField::InputData) => self.read_raw(at, &mut node.input_data),
                Some(NodeField::IsBatch) => {
                    node.is_batch = self.byte(at) == Some(b't');
                    self.skip(at)
                }
                None => self.skip(at),
            };
        }
        Ok(walk.at)
    }

    /// Goes to the next member's value, and tells which field it is, if it is one; nothing at the end of the object.
    #[inline(always)]
    fn next_member<F: Copy>(
        &mut self,
        walk: &mut Cursor,
        order: &mut KeyPredictor<F>,
    ) -> Result<Option<Option<F>>, ParseErrorKind> {
        if let Some((field, end)) = order.predict(self.text, walk.at) {
            walk.value(end);
            return Ok(Some(Some(field)));
        }
        if !walk.next() {
            return Ok(None);
        }
        let key = walk.key();
        Ok(Some(order.find(self.plain_key(key)?)))
    }

    fn read_text_into(&mut self, at: usize, place: &mut StringSpan) -> Result<usize, ParseErrorKind> {
        let end;
        (*place, end) = self.read_text(at)?;
        Ok(end)
    }

    /// Copies the string that begins at `at`. A value of another kind is skipped and reads as absent.
    #[inline(always)]
    fn read_text(&mut self, at: usize) -> Result<(StringSpan, usize), ParseErrorKind> {
        if self.byte(at) != Some(b'"') {
            return Ok((Span::default(), self.skip(at)));
        }
        let start = self.used;
        let room = self.strings.get_mut(start..).unwrap_or_default();
        let length = scan::copy_plain(self.text, at + 1, room);
        match (self.text.get(at + 1 + length), room.get_mut(length)) {
            (Some(b'"'), Some(behind)) => *behind = 0,
            _ => return self.read_odd_text(at),
        }
        self.used = start + length + 1;
        Ok((Span { start, end: self.used }, at + length + 2))
    }

    /// The same for what has escapes, is too long for the room that there is, or stands at the end of the document.
    #[inline(never)]
    fn read_odd_text(&mut self, at: usize) -> Result<(StringSpan, usize), ParseErrorKind> {
        let (end, has_escapes) = scan::string_end(self.text, at + 1);
        let content = self.text.get(at + 1..end).unwrap_or_default();
        let text = self.append(content, if has_escapes { append_unescaped } else { append_with_nul })?;
        Ok((text, end + 1))
    }

    /// Appends to the typed strings, and sees to it that there is room for some more.
    fn append(
        &mut self,
        content: &[u8],
        append: fn(&mut Vec<u8>, &[u8]) -> Option<()>,
    ) -> Result<StringSpan, ParseErrorKind> {
        let start = self.used;
        self.strings.truncate(start);
        append(&mut self.strings, content).ok_or(ParseErrorKind::OutOfMemory)?;
        self.used = self.strings.len();
        self.strings.try_reserve(ROOM).map_err(|_| ParseErrorKind::OutOfMemory)?;
        self.strings.resize(self.used + ROOM, 0);
        Ok(Span { start, end: self.used })
    }

    fn read_count(&mut self, at: usize, count: &mut Count) -> usize {
        if let Some((number, end)) = self.plain_count(at) {
            *count = Count(number);
            return end;
        }
        let end = self.skip(at);
        *count = self.number(at, end).map_or(Count::default(), Count::of);
        end
    }

    /// A number of few digits, and its end.
    #[inline(always)]
    fn plain_count(&self, at: usize) -> Option<(i64, usize)> {
        let bytes: &[u8; FEW_DIGITS + 1] = self.text.get(at..)?.first_chunk()?;
        let mut number = 0;
        for (length, byte) in bytes.iter().enumerate() {
            match byte {
                digit @ b'0'..=b'9' => number = 10 * number + i64::from(digit - b'0'),
                b',' | b'}' if length > 0 => return Some((number, at + length)),
                _ => return None,
            }
        }
        None
    }

    fn read_raw(&mut self, at: usize, span: &mut Span) -> usize {
        let end = self.skip(at);
        *span = Span { start: at, end };
        end
    }

    /// The text of a value, if it is a number.
    fn number(&self, start: usize, end: usize) -> Option<&'a str> {
        let text = std::str::from_utf8(self.text.get(start..end)?).ok()?;
        text.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(text)
    }

    /// A key without escapes.
    fn plain_key(&mut self, key: Key) -> Result<&[u8], ParseErrorKind> {
        let written = self.text.get(key.start..key.end).unwrap_or_default();
        if !key.has_escapes {
            return Ok(written);
        }
        self.key.clear();
        append_unescaped(&mut self.key, written).ok_or(ParseErrorKind::OutOfMemory)?;
        self.key.pop();
        Ok(&self.key)
    }

    /// The end of the value that begins at `at`.
    fn skip(&mut self, at: usize) -> usize {
        match self.byte(at) {
            Some(b'"') => scan::string_end(self.text, at + 1).0 + 1,
            Some(b'{' | b'[') => self.skip_container(at),
            Some(b't' | b'n') => at + 4,
            Some(b'f') => at + 5,
            _ => scan::scalar_end(self.text, at),
        }
    }

    fn skip_container(&mut self, at: usize) -> usize {
        while let [extent, rest @ ..] = self.extents
            && extent.start <= at
        {
            self.extents = rest;
            if extent.start == at {
                return extent.end;
            }
        }
        scan::container_end(self.text, at)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }
}

/// The order in which the fields of objects come. All nodes have them in the same one, mostly, so that a key need only be
/// compared with the one that stood there in the node before.
struct KeyPredictor<F: 'static> {
    fields: &'static [KnownKey<F>],
    /// For each field, the position of the one that came behind it; at last, of the one that came first.
    next: [u8; MOST_FIELDS + 1],
    /// The position of the last field that came.
    latest: usize,
}

const MOST_FIELDS: usize = 10;

impl<F: Copy> KeyPredictor<F> {
    /// That of the documentation.
    fn of(fields: &'static [KnownKey<F>]) -> KeyPredictor<F> {
        let mut next = std::array::from_fn(|position| position as u8 + 1);
        next[MOST_FIELDS] = 0;
        KeyPredictor { fields, next, latest: MOST_FIELDS }
    }

    /// Another object begins.
    fn restart(&mut self) {
        self.latest = MOST_FIELDS;
    }

    /// The field whose key stands at `at`, or behind a comma there, if it is the expected one; and where the key ends.
    #[inline(always)]
    fn predict(&mut self, text: &[u8], at: usize) -> Option<(F, usize)> {
        let start = at + usize::from(*text.get(at)? == b',');
        let position = usize::from(*self.next.get(self.latest)?);
        let known = self.fields.get(position)?;
        if !known.begins(text.get(start..)?.first_chunk()?) {
            return None;
        }
        self.latest = position;
        Some((known.field, start + known.length))
    }

    /// The field with this key, which will be expected here the next time.
    fn find(&mut self, key: &[u8]) -> Option<F> {
        let position = self.fields.iter().position(|known| known.name == key)?;
        if let Some(next) = self.next.get_mut(self.latest) {
            *next = position as u8;
        }
        self.latest = position;
        Some(self.fields[position].field)
    }
}

/// Where the content of a key is.
#[derive(Clone, Copy)]
struct Key {
    start: usize,
    end: usize,
    has_escapes: bool,
}

/// Steps through the members of an object or the elements of an array, whose values somebody else reads.
struct Cursor<'a> {
    text: &'a [u8],
    /// Before a step: behind the opening bracket or the last value. After it: the element or the key, or behind the
    /// closing bracket.
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Enters the array or object whose opening bracket stands at `at`.
    fn new(text: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { text, at: at + 1 }
    }

    /// Goes to the next element, or to the next member's key; false at the end of the array or object.
    #[inline(always)]
    fn next(&mut self) -> bool {
        while let Some(b',' | b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        let is_over = matches!(self.text.get(self.at), Some(b'}' | b']') | None);
        self.at += usize::from(is_over);
        !is_over
    }

    /// Goes from a key to its value.
    fn key(&mut self) -> Key {
        let start = self.at + 1;
        let (end, has_escapes) = scan::string_end(self.text, start);
        self.value(end + 1);
        Key { start, end, has_escapes }
    }

    /// Goes to the value of the key that ends at `end`.
    #[inline(always)]
    fn value(&mut self, end: usize) {
        self.at = end;
        while let Some(..=b' ' | b':') = self.text.get(self.at) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Execution, ParseErrorKind> {
        Execution::parse(body.as_bytes().to_vec(), None, u64::MAX).map_err(ParseErrorKind::from)
    }

    /// The execution whose only members are `status` and these.
    fn with(members: &str) -> Result<Execution, ParseErrorKind> {
        parse(&format!("{{\"status\":\"RUNNING\",{members}}}"))
    }

    /// What a question says of the only node, which has these members.
    fn of_node<T>(members: &str, question: impl Fn(NodeView) -> T) -> Result<Option<T>, ParseErrorKind> {
        Ok(with(&format!("\"nodes\":[{{{members}}}]"))?.node(0).map(question))
    }

    #[test]
    fn the_documented_example_is_read() -> Result<(), ParseErrorKind> {
        let body = r#"{
            "name": "Execution for workflow 6a106ba44480b80424a65289", "org_id": "6500a1b2c3d4e5f6a7b8c9d0",
            "environment": "test", "status": "COMPLETED", "completion_percentage": 100, "config_id": "user_12345",
            "linked_account_id": "user_12345", "nodes": [ {
                "node_id": "1", "node_name": "Start", "node_type": "start", "node_status": "Success",
                "is_batch": false, "attempts_made": 1, "execution_time": 403,
                "latest_output": { "message": "Workflow started successfully", "status": "initialized" }
            } ]
        }"#;
        let execution = Execution::parse(body.as_bytes().to_vec(), Some("asked"), u64::MAX)?;
        assert_eq!(execution.id(), Some(&b"asked\0"[..]));
        assert_eq!(execution.name(), Some(&b"Execution for workflow 6a106ba44480b80424a65289\0"[..]));
        assert_eq!(execution.org_id(), Some(&b"6500a1b2c3d4e5f6a7b8c9d0\0"[..]));
        assert_eq!(execution.environment(), Some(&b"test\0"[..]));
        assert_eq!(execution.status(), Some(&b"COMPLETED\0"[..]));
        assert_eq!(execution.state(), State::Completed);
        assert_eq!(execution.completion_percentage(), Some(100.0));
        assert_eq!(execution.config_id(), Some(&b"user_12345\0"[..]));
        assert_eq!(execution.linked_account_id(), Some(&b"user_12345\0"[..]));
        assert_eq!(execution.created_at(), None);
        assert_eq!(execution.body(), body);
        assert_eq!(execution.nodes().len(), 1);
        let Some(node) = execution.node(0) else { panic!("there is a node") };
        assert_eq!(node.id(), Some(&b"1\0"[..]));
        assert_eq!(node.name(), Some(&b"Start\0"[..]));
        assert_eq!(node.node_type(), Some(&b"start\0"[..]));
        assert_eq!(node.status(), Some(&b"Success\0"[..]));
        assert_eq!(node.state(), State::Completed);
        assert!(!node.is_batch());
        assert_eq!(node.attempts_made(), Some(1));
        assert_eq!(node.maximum_attempts(), None);
        assert_eq!(node.execution_time_ms(), Some(403));
        assert!(
            node.latest_output().is_some_and(|text| text.starts_with("{ \"message\"") && text.ends_with('}'))
        );
        assert_eq!(node.input_data(), None);
        assert!(node.json().starts_with("{\n") && node.json().ends_with('}'));
        assert!(execution.node(1).is_none());
        Ok(())
    }

    #[test]
    fn every_typed_string_is_tolerant_in_the_same_way() -> Result<(), ParseErrorKind> {
        type Question = fn(&Execution) -> Option<&[u8]>;
        let questions: [(&str, Question); 7] = [
            ("_id", Execution::id),
            ("name", Execution::name),
            ("org_id", Execution::org_id),
            ("environment", Execution::environment),
            ("config_id", Execution::config_id),
            ("linked_account_id", Execution::linked_account_id),
            ("createdAt", Execution::created_at),
        ];
        for (key, question) in questions {
            let cases = [
                (format!("\"{key}\":\"text\""), Some("text\0")),
                (format!("\"{key}\" : \"\""), Some("\0")),
                (format!("\"{key}\":\"\\ud83d\\u0000x\""), Some("\u{fffd}\0x\0")),
                (format!("\"{key}\":\"😀\\ud83d\\ude00\""), Some("😀😀\0")),
                (format!("\"{key}\":null"), None),
                (format!("\"{key}\":12"), None),
                (format!("\"{key}\":[\"text\"]"), None),
                (format!("\"{key}\":{{\"{key}\":\"inner\"}}"), None),
                (format!("\"{key}\":\"first\",\"{key}\":\"last\""), Some("last\0")),
                (format!("\"{key}\":\"first\",\"{key}\":null"), None),
                (format!("\"{key}\":{{}},\"{key}\":\"last\""), Some("last\0")),
                (format!("\"\\u{:04x}{}\":\"text\"", key.as_bytes()[0], &key[1..]), Some("text\0")),
                (format!("\"{}\":\"text\"", key.to_uppercase()), None),
                ("\"other\":1".to_owned(), None),
            ];
            for (members, text) in cases {
                assert_eq!(question(&with(&members)?), text.map(str::as_bytes), "{members}");
            }
        }
        Ok(())
    }

    #[test]
    fn strings_of_any_length_are_read_wherever_they_stand() -> Result<(), ParseErrorKind> {
        let pieces = ["", "\\n", "ü", "\\u00fc\\\\"];
        for (before, after, piece) in (0..36)
            .flat_map(|before| [0, 1, 15, 16, 17, 700].map(|after| (before, after)))
            .flat_map(|(before, after)| pieces.map(|piece| (before, after, piece)))
        {
            let text = format!("{}{piece}{}", "b".repeat(before), "a".repeat(after));
            let read = text.replace("\\n", "\n").replace("\\u00fc", "ü").replace("\\\\", "\\") + "\0";
            for body in [
                format!("{{\"status\":\"{text}\"}}"),
                format!("{{\"status\":\"{text}\",\"name\":\"{text}\"}}"),
            ] {
                let execution = parse(&body)?;
                assert_eq!(execution.status(), Some(read.as_bytes()), "{body}");
                assert_eq!(execution.name().is_some(), execution.name() == Some(read.as_bytes()), "{body}");
            }
        }
        Ok(())
    }

    #[test]
    fn the_fields_of_nodes_stand_in_any_order() -> Result<(), ParseErrorKind> {
        let members = |n: usize| {
            [
                format!("\"node_id\":\"i{n}\""),
                format!("\"node_type\":\"t{n}\""),
                "\"node_ids\":\"other\"".to_owned(),
                format!("\"attempts_made\":{n}"),
                format!("\"is_batch\":{}", n.is_multiple_of(2)),
                format!("\"latest_output\":[{n}]"),
                format!("\"execution_time\" : {n}000"),
                "\"maximum_attempt\":7".to_owned(),
            ]
        };
        let node = |n: usize| {
            let mut members = members(n);
            members.rotate_left(n / 3 % 8);
            if n % 5 == 4 {
                members.reverse();
            }
            format!("{{{}}}", members[..8 - n % 2].join([",", ", ", "\n,"][n % 3]))
        };
        let execution = with(&format!("\"nodes\":[{}]", (1..61).map(node).collect::<Vec<_>>().join(",")))?;
        for n in 1..61 {
            let Some(view) = execution.node(n - 1) else { panic!("{n} is missing") };
            let text = node(n);
            let sent =
                |key: &str, value: &str| text.contains(&format!("\"{key}\"")).then(|| value.to_owned());
            let read =
                |string: Option<&[u8]>| string.map(|string| String::from_utf8_lossy(string).into_owned());
            assert_eq!(read(view.id()), sent("node_id", &format!("i{n}\0")), "{text}");
            assert_eq!(read(view.node_type()), sent("node_type", &format!("t{n}\0")), "{text}");
            assert_eq!(view.attempts_made(), sent("attempts_made", "").map(|_| n as i64), "{text}");
            assert_eq!(
                view.execution_time_ms(),
                sent("execution_time", "").map(|_| n as i64 * 1000),
                "{text}"
            );
            assert_eq!(view.is_batch(), n.is_multiple_of(2) && sent("is_batch", "").is_some(), "{text}");
            assert_eq!(
                view.latest_output().map(str::to_owned),
                sent("latest_output", &format!("[{n}]")),
                "{text}"
            );
            assert_eq!(
                (view.name(), view.maximum_attempts(), view.input_data()),
                (None, None, None),
                "{text}"
            );
        }
        Ok(())
    }

    #[test]
    fn the_id_that_was_asked_for_stands_in_for_none() -> Result<(), ParseErrorKind> {
        for (body, id) in [
            (r#"{"status":"RUNNING","_id":"own"}"#, "own\0"),
            (r#"{"status":"RUNNING","_id":""}"#, "\0"),
            (r#"{"status":"RUNNING","_id":7}"#, "asked\0"),
            (r#"{"status":"RUNNING"}"#, "asked\0"),
        ] {
            let execution = Execution::parse(body.as_bytes().to_vec(), Some("asked"), u64::MAX)?;
            assert_eq!(execution.id(), Some(id.as_bytes()), "{body}");
        }
        Ok(())
    }

    #[test]
    fn the_percentage_is_any_number() -> Result<(), ParseErrorKind> {
        let cases = [
            ("0", Some(0.0)),
            ("33.3", Some(33.3)),
            ("1e2", Some(100.0)),
            ("-5", Some(-5.0)),
            ("1e400", Some(f64::INFINITY)),
            ("\"50\"", None),
            ("null", None),
            ("50,\"completion_percentage\":51.5", Some(51.5)),
            ("50,\"completion_percentage\":[]", None),
        ];
        for (value, percentage) in cases {
            let execution = with(&format!("\"completion_percentage\":{value}"))?;
            assert_eq!(execution.completion_percentage(), percentage, "{value}");
        }
        Ok(())
    }

    #[test]
    fn counts_are_truncated_and_absent_where_they_make_no_sense() -> Result<(), ParseErrorKind> {
        let cases = [
            ("0", Some(0)),
            ("403", Some(403)),
            ("403.0", Some(403)),
            ("403.7", Some(403)),
            ("4e2", Some(400)),
            ("-0", Some(0)),
            ("-0.0", Some(0)),
            ("-1", None),
            ("-0.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e400", None),
            ("-1e400", None),
            ("\"3\"", None),
            ("null", None),
            ("true", None),
            ("[3]", None),
        ];
        for (value, count) in cases {
            let members = |key| format!("\"{key}\":7,\"{key}\":{value}");
            assert_eq!(
                of_node(&members("attempts_made"), |node| node.attempts_made())?,
                Some(count),
                "{value}"
            );
            assert_eq!(
                of_node(&members("maximum_attempts"), |node| node.maximum_attempts())?,
                Some(count),
                "{value}"
            );
            assert_eq!(
                of_node(&members("execution_time"), |node| node.execution_time_ms())?,
                Some(count),
                "{value}"
            );
        }
        Ok(())
    }

    #[test]
    fn outputs_are_the_servers_own_text_of_any_kind() -> Result<(), ParseErrorKind> {
        for value in ["null", "0", "\"a\\u0041\"", "[ 1 ]", "{\"a\" : 1e400, \"a\":2}", "\"\\ud83d\""] {
            for (key, is_output) in [("latest_output", true), ("input_data", false)] {
                let members = format!("\"{key}\":1, \"{key}\" : {value} ,\"other\":[{value}]");
                let body = format!("{{\"status\":\"\",\"nodes\":[{{{members}}}]}}");
                let execution = parse(&body)?;
                let node = execution.node(0);
                let (output, input) =
                    (node.and_then(|node| node.latest_output()), node.and_then(|node| node.input_data()));
                assert_eq!(if is_output { output } else { input }, Some(value));
                assert_eq!(if is_output { input } else { output }, None);
                assert_eq!(node.map(|node| node.json().to_owned()), Some(format!("{{{members}}}")));
            }
        }
        assert_eq!(of_node("\"is_batch\":true", |node| node.is_batch())?, Some(true));
        assert_eq!(of_node("\"is_batch\":true,\"is_batch\":\"true\"", |node| node.is_batch())?, Some(false));
        assert_eq!(
            of_node("\"node_status\":\"Errored_and_Skipped\"", |node| node.state())?,
            Some(State::Skipped)
        );
        assert_eq!(of_node("\"node_status\":3", |node| node.state())?, Some(State::Unknown));
        assert_eq!(
            of_node("\"nod\\u0065_id\":\"x\"", |node| node.id().map(<[u8]>::to_vec))?,
            Some(Some(b"x\0".to_vec()))
        );
        Ok(())
    }

    #[test]
    fn nodes_agree_with_the_elements_of_the_array() -> Result<(), ParseErrorKind> {
        let cases = [
            ("", vec![]),
            ("\"nodes\":null", vec![]),
            ("\"nodes\":{\"node_id\":\"a\"}", vec![]),
            ("\"nodes\":\"[{}]\"", vec![]),
            ("\"nodes\":[ ]", vec![]),
            (
                "\"nodes\":[null, {} ,{\"node_id\":\"a\"},7,[{\"node_id\":\"b\"}]]",
                vec!["", "", "a\0", "", ""],
            ),
            ("\"nodes\":[{\"node_id\":\"a\"}],\"nodes\":[{\"node_id\":\"b\"},{}]", vec!["b\0", ""]),
            ("\"nodes\":[{\"node_id\":\"a\"}],\"nodes\":5", vec![]),
            ("\"nodes\":5,\"nodes\":[{\"node_id\":\"a\"}]", vec!["a\0"]),
            ("\"nodes\":[{\"node_id\":\"a\",\"node_id\":\"b\"}]", vec!["b\0"]),
        ];
        for (members, ids) in cases {
            let comma = if members.is_empty() { "" } else { "," };
            let execution = parse(&format!("{{\"status\":\"\"{comma}{members}}}"))?;
            let found: Vec<&[u8]> = (0..)
                .map_while(|index| execution.node(index))
                .map(|node| node.id().unwrap_or_default())
                .collect();
            assert_eq!(found, ids.iter().map(|id| id.as_bytes()).collect::<Vec<_>>(), "{members}");
            assert_eq!(execution.nodes().len(), ids.len());
        }
        assert_eq!(with("\"nodes\":[ 7 ]")?.node(0).map(|node| node.json() == "7"), Some(true));
        Ok(())
    }

    #[test]
    fn nodes_are_found_by_id_the_first_of_equal_ones() -> Result<(), ParseErrorKind> {
        for count in [3, 16, 17, 500] {
            let nodes: Vec<String> =
                (0..count).map(|n| format!("{{\"node_id\":\"{}\"}}", n * 5 % count)).collect();
            let execution = with(&format!("\"nodes\":[{},{},{{}},7]", nodes.join(","), nodes.join(",")))?;
            for n in 0..count {
                let id = (n * 5 % count).to_string();
                let first = (0..count).find(|other| other * 5 % count == n * 5 % count);
                assert_eq!(execution.node_by_id(id.as_bytes()), first, "{id} of {count}");
            }
            for id in ["", "x", "-1", "0\0"] {
                assert_eq!(execution.node_by_id(id.as_bytes()), None);
            }
        }
        assert_eq!(with("\"nodes\":[{},{\"node_id\":\"\"}]")?.node_by_id(b""), Some(1));
        Ok(())
    }

    #[test]
    fn only_many_nodes_are_put_in_order_when_one_is_looked_up() -> Result<(), ParseErrorKind> {
        for (count, is_ordered) in [(FEW_NODES, false), (FEW_NODES + 1, true)] {
            let execution = with(&format!("\"nodes\":[{}]", vec!["{}"; count].join(",")))?;
            assert_eq!(execution.node_by_id(b"a"), None);
            assert_eq!(execution.by_id.get().is_some(), is_ordered);
        }
        Ok(())
    }

    /// The room for nodes that is made at first, and then doubles: small bodies have few.
    #[test]
    fn room_for_nodes_is_made_as_the_body_is_large() -> Result<(), ParseErrorKind> {
        for (length, room) in [(6 * SHORT_NODE + 100, 6), (100 * SHORT_NODE, FIRST_NODES)] {
            let execution = parse(&format!("{:1$}", "{\"status\":\"\",\"nodes\":[{},{}]}", length))?;
            assert_eq!(execution.nodes.capacity(), room);
        }
        Ok(())
    }

    fn document(text: &str) -> Option<Document> {
        JsonBuffer::from(text.as_bytes().to_vec()).finish().ok()
    }

    /// The short way, which any other value is not read by.
    #[test]
    fn numbers_of_few_digits_are_read_at_once() {
        let text = "[0,12,1234567,12345678,-1,1.5,1e2,\"3\",{\"a\":3},9 ,4]        ";
        let document = document(text);
        let reader = document.as_ref().map(|document| Reader::new(document, u64::MAX));
        let read: Vec<_> = (0..text.len() - FEW_DIGITS)
            .filter(|at| *at > 0 && matches!(text.as_bytes()[at - 1], b'[' | b',' | b':'))
            .map(|at| (at, reader.as_ref().and_then(|reader| reader.plain_count(at))))
            .filter_map(|(at, read)| read.map(|(number, end)| (&text[at..end], number)))
            .collect();
        assert_eq!(read, [("0", 0), ("12", 12), ("1234567", 1234567), ("3", 3)]);
        let no_digit = text.find(",12").and_then(|at| reader?.plain_count(at));
        assert_eq!(no_digit, None);
    }

    /// The short way leaves the memory as it is, the other one makes room for what follows.
    #[test]
    fn plain_strings_go_into_the_room_that_there_is() -> Result<(), ParseErrorKind> {
        let document = document(&format!("{:100}", r#"["", "abc", "d\n", "efghij"]"#));
        let mut reader = document
            .as_ref()
            .map(|document| Reader::new(document, u64::MAX))
            .ok_or(ParseErrorKind::OutOfMemory)?;
        for (at, copy, length) in
            [(1, "\0", 1 + ROOM), (5, "abc\0", 1 + ROOM), (12, "d\n\0", 8 + ROOM), (19, "efghij\0", 8 + ROOM)]
        {
            let (span, _) = reader.read_text(at)?;
            let read = span.range().and_then(|range| reader.strings.get(range));
            assert_eq!((read, reader.strings.len()), (Some(copy.as_bytes()), length));
        }
        Ok(())
    }

    #[test]
    fn what_stands_in_skipped_values_is_not_taken_for_more_of_the_document() -> Result<(), ParseErrorKind> {
        let odd = [
            r#""a, b""#,
            r#""] }, \"name\":\"wrong\", \\""#,
            r#""\\""#,
            r#"[",]", {"name": "}"}]"#,
            r#"{"a]": "}", "name": ["wrong"]}"#,
            "true",
            "false",
            "null",
            "-1.5e3",
        ];
        for value in odd {
            let node = format!(r#"{{"node_name":"right","other":{value} , "node_id":"x"}}"#);
            let execution = with(&format!(
                r#""other":{value},"more" : {value} ,"nodes":[{node},{value}],"name":"right""#
            ))?;
            assert_eq!(execution.name(), Some(&b"right\0"[..]), "{value}");
            assert_eq!(execution.nodes().len(), 2);
            assert_eq!(execution.node_by_id(b"x"), Some(0));
            assert_eq!(execution.node(1).map(|node| node.json()), Some(value));
        }
        Ok(())
    }

    #[test]
    fn what_is_refused_tells_why() {
        let refused = Execution::parse(b"{}".to_vec(), None, u64::MAX).err();
        assert_eq!(refused.map(|refused| refused.to_string()), Some("the object has no `status`".to_owned()));
    }

    #[test]
    fn what_is_not_an_execution_is_refused_with_position_and_reason() {
        let cases: [(&[u8], &str); 22] = [
            (b"", "not JSON: it is empty at line 1 column 0"),
            (b" \n ", "not JSON: it is empty at line 2 column 1"),
            (b"<html>", "not JSON: expected value at line 1 column 1"),
            (b"{\"status\":\"\xff\"}", "not UTF-8 at byte 11"),
            (b"{\"status\":\"\xf0\x9f\x98", "not UTF-8 at byte 11"),
            (b"\xef\xbb\xbf{\"status\":\"\"}", "not JSON: expected value at line 1 column 1"),
            (b"{\"status\":\"R\"", "not JSON: it ends within an object at line 1 column 13"),
            (b"{\"status\":\"R\"}}", "not JSON: trailing characters at line 1 column 15"),
            (b"{\"status\":\"R\",}", "not JSON: key must be a string at line 1 column 15"),
            (b"{\"status\":\"R\"\n\"a\":1}", "not JSON: expected `,` or `}` at line 2 column 1"),
            (b"{\"nodes\":[{\"a\":[1,]}]}", "not JSON: expected value at line 1 column 19"),
            (b"{\"nodes\":[{},]}", "not JSON: expected value at line 1 column 14"),
            (b"{\"nodes\":[{\"a\" 1}]}", "not JSON: expected `:` at line 1 column 16"),
            (b"{\"nodes\":[{\"a\":\"\\x\"}]}", "not JSON: invalid escape at line 1 column 18"),
            (b"{\"nodes\":[{} {}]}", "not JSON: expected `,` or `]` at line 1 column 14"),
            (b"{\"status\":01}", "not JSON: invalid number at line 1 column 12"),
            (b"[{\"status\":\"R\"}]", "not a JSON object at byte 0"),
            (b"  null", "not a JSON object at byte 2"),
            (b"[1", "not JSON: it ends within a list at line 1 column 2"),
            (b"{}", "the object has no `status`"),
            (b"{\"status\": 5}", "`status` is not a string at byte 11"),
            (b"{\"status\":\"R\",\"status\":null}", "`status` is not a string at byte 23"),
        ];
        for (body, message) in cases {
            let error =
                Execution::parse(body.to_vec(), None, u64::MAX).err().map(|error| error.why.to_string());
            assert_eq!(error.as_deref(), Some(message), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn the_plain_position_is_where_the_text_stops_making_sense() {
        for (body, at, line, column) in
            [("[1 2]", 3, 1, 4), ("[\n\n1 2]", 5, 3, 3), ("[", 1, 1, 2), ("[1,\n", 4, 2, 1)]
        {
            let ParseErrorKind::Malformed { line: found_line, column: found_column, .. } =
                ParseErrorKind::located(body, at)
            else {
                panic!("another error");
            };
            assert_eq!((found_line, found_column), (line, column), "{body:?}");
        }
    }

    /// How many of these keys are predict, in an object that has them in this order. Each is found, if not predict.
    fn predict(order: &mut KeyPredictor<Field>, keys: &[&[u8]]) -> usize {
        let members: Vec<String> = keys.iter().map(|key| format!("\"{}\":1", key.escape_ascii())).collect();
        let text = members.join(",") + &" ".repeat(KEY_WORDS * 8);
        let (mut at, mut count) = (0, 0);
        order.restart();
        for key in keys {
            let end = at + usize::from(at > 0) + key.len() + 3;
            let field = match order.predict(text.as_bytes(), at) {
                Some((field, told_end)) => {
                    assert_eq!(told_end, end);
                    count += 1;
                    Some(field)
                }
                None => order.find(key),
            };
            assert_eq!(field.map(|field| FIELDS[field as usize].name), Some(*key));
            at = end + 1;
        }
        count
    }

    #[test]
    fn keys_are_foreseen_in_the_documented_order_and_in_that_of_the_object_before() {
        let documented: Vec<&[u8]> = FIELDS.iter().map(|known| known.name).collect();
        let other: Vec<&[u8]> = documented.iter().rev().copied().collect();
        let mut order = KeyPredictor::of(&FIELDS);
        assert_eq!(predict(&mut order, &documented), documented.len());
        assert_eq!(predict(&mut order, &other), 0);
        assert_eq!(predict(&mut order, &other), other.len());
        assert_eq!(predict(&mut order, &other[2..]), other.len() - 2 - 1);
        assert_eq!(order.find(b"other").map(|field| field as usize), None);
    }
}
