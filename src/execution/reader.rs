//! Reads the typed fields of a document.

use super::keys::{FIELDS, Field, KeyPredictor, NODE_FIELDS, NodeField};
use super::{Count, Fields, NODE_MEMORY, Node, ParseErrorKind};
use crate::alloc::{try_extend, try_extend_with_nul, try_push, try_reserve};
use crate::json::scan::{self, Document, Extent};
use crate::json::{Cursor, Key, append_unescaped, nearest_double};

/// Appends the content of a string to a buffer, with a NUL.
type Append = fn(&mut Vec<u8>, &[u8]) -> Option<()>;

/// Reads the typed fields of a document.
pub(super) struct Reader<'a> {
    pub(super) cursor: Cursor<'a>,
    /// The typed strings, and spare bytes for more.
    pub(super) strings: Vec<u8>,
    /// The number of bytes in `strings` that are in use.
    pub(super) used: usize,
    pub(super) fields: Fields,
    pub(super) nodes: Vec<Node>,
    /// The memory that nodes may take, in bytes.
    node_memory_limit: u64,
    /// The offset of the last `status`, if that is not a string.
    invalid_status: Option<usize>,
    /// A key without its escapes.
    key: Vec<u8>,
}

/// The number of spare bytes. Most typed strings are shorter, and are copied there without allocating.
pub(super) const SPARE_BYTES: usize = 512;

/// The initial capacity is one node for each `MIN_NODE_TEXT` bytes of the body, within these limits.
const MIN_INITIAL_NODES: usize = 4;
pub(super) const MAX_INITIAL_NODES: usize = 16;
/// Nearly all nodes have a longer text.
pub(super) const MIN_NODE_TEXT: usize = 128;

/// The memory limit for nodes is never lower than this, in bytes.
const MIN_NODE_MEMORY_LIMIT: u64 = 64 << 10;

/// Counts with up to this many digits take the fast path.
pub(super) const MAX_FAST_COUNT_DIGITS: usize = 7;

impl<'a> Reader<'a> {
    /// Nodes may take `node_memory_limit` bytes, or the length of the text if that is more.
    pub(super) fn new(document: &'a Document, node_memory_limit: u64) -> Reader<'a> {
        let text = document.text().as_bytes();
        Reader {
            cursor: Cursor::new(text, document.extents(), 0),
            strings: Vec::new(),
            used: 0,
            fields: Fields::default(),
            nodes: Vec::new(),
            node_memory_limit: node_memory_limit.max(text.len() as u64).max(MIN_NODE_MEMORY_LIMIT),
            invalid_status: None,
            key: Vec::new(),
        }
    }

    pub(super) fn read_document(&mut self) -> Result<(), ParseErrorKind> {
        self.cursor.skip_whitespace();
        if self.cursor.peek() != Some(b'{') {
            return Err(ParseErrorKind::NotAnObject { offset: self.cursor.at });
        }
        self.cursor.enter();
        let mut predictor = KeyPredictor::new(FIELDS);
        while let Some(field) = self.next_member(&mut predictor)? {
            self.read_field(field)?;
        }
        if self.fields.status.is_empty() {
            return Err(ParseErrorKind::NoStatus { offset: self.invalid_status });
        }
        Ok(())
    }

    /// Sets the execution's id if the document has none.
    pub(super) fn set_default_id(&mut self, id: &[u8]) -> Result<(), ParseErrorKind> {
        if self.fields.id.is_empty() {
            self.fields.id = self.append(id, try_extend_with_nul)?;
        }
        Ok(())
    }

    /// Reads a value that is a member of the execution.
    fn read_field(&mut self, field: Option<Field>) -> Result<(), ParseErrorKind> {
        let place: fn(&mut Fields) -> &mut Extent = match field {
            Some(Field::Id) => |fields| &mut fields.id,
            Some(Field::Name) => |fields| &mut fields.name,
            Some(Field::OrgId) => |fields| &mut fields.org_id,
            Some(Field::Environment) => |fields| &mut fields.environment,
            Some(Field::ConfigId) => |fields| &mut fields.config_id,
            Some(Field::LinkedAccountId) => |fields| &mut fields.linked_account_id,
            Some(Field::CreatedAt) => |fields| &mut fields.created_at,
            Some(Field::UpdatedAt) => |fields| &mut fields.updated_at,
            Some(Field::Status) => {
                self.invalid_status = (self.cursor.peek() != Some(b'"')).then_some(self.cursor.at);
                |fields| &mut fields.status
            }
            Some(Field::CompletionPercentage) => {
                self.fields.completion_percentage = self.read_number().and_then(nearest_double);
                return Ok(());
            }
            Some(Field::Nodes) => return self.read_nodes(),
            None => {
                self.cursor.skip_value();
                return Ok(());
            }
        };
        *place(&mut self.fields) = self.read_string()?;
        Ok(())
    }

    fn read_nodes(&mut self) -> Result<(), ParseErrorKind> {
        self.nodes.clear();
        if self.cursor.peek() != Some(b'[') {
            self.cursor.skip_value();
            return Ok(());
        }
        self.cursor.enter();
        let mut predictor = KeyPredictor::new(NODE_FIELDS);
        while self.cursor.advance() {
            let start = self.cursor.at;
            let mut node = Node::default();
            if self.cursor.peek() == Some(b'{') {
                self.read_node(&mut predictor, &mut node)?;
            } else {
                self.cursor.skip_value();
            }
            node.json = Extent { start, end: self.cursor.at };
            self.push_node(node)?;
        }
        Ok(())
    }

    fn push_node(&mut self, node: Node) -> Result<(), ParseErrorKind> {
        if self.nodes.len() as u64 * NODE_MEMORY as u64 >= self.node_memory_limit {
            return Err(ParseErrorKind::TooManyNodes { limit: self.node_memory_limit });
        }
        if self.nodes.is_empty() {
            let expected = self.cursor.text().len() / MIN_NODE_TEXT;
            let initial = expected.clamp(MIN_INITIAL_NODES, MAX_INITIAL_NODES);
            try_reserve(&mut self.nodes, initial).ok_or(ParseErrorKind::OutOfMemory)?;
        }
        try_push(&mut self.nodes, node).ok_or(ParseErrorKind::OutOfMemory)
    }

    fn read_node(
        &mut self,
        predictor: &mut KeyPredictor<NodeField>,
        node: &mut Node,
    ) -> Result<(), ParseErrorKind> {
        self.cursor.enter();
        predictor.restart();
        while let Some(field) = self.next_member(predictor)? {
            match field {
                Some(NodeField::Id) => node.id = self.read_string()?,
                Some(NodeField::Name) => node.name = self.read_string()?,
                Some(NodeField::Type) => node.node_type = self.read_string()?,
                Some(NodeField::Status) => node.status = self.read_string()?,
                Some(NodeField::AttemptsMade) => node.attempts_made = self.read_count(),
                Some(NodeField::MaximumAttempts) => node.maximum_attempts = self.read_count(),
                Some(NodeField::ExecutionTime) => node.execution_time_ms = self.read_count(),
                Some(NodeField::LatestOutput) => node.latest_output = self.read_extent(),
                Some(NodeField::InputData) => node.input_data = self.read_extent(),
                Some(NodeField::IsBatch) => {
                    node.is_batch = self.cursor.peek() == Some(b't');
                    self.cursor.skip_value();
                }
                None => self.cursor.skip_value(),
            }
        }
        Ok(())
    }

    /// Moves to the value of the next member. Returns its field, if it has one, or `None` at the end of the object.
    #[inline(always)]
    fn next_member<F: Copy>(
        &mut self,
        predictor: &mut KeyPredictor<F>,
    ) -> Result<Option<Option<F>>, ParseErrorKind> {
        if let Some((field, end)) = predictor.predict(self.cursor.text(), self.cursor.at) {
            self.cursor.at = end;
            self.cursor.skip_whitespace();
            return Ok(Some(Some(field)));
        }
        if !self.cursor.advance() {
            return Ok(None);
        }
        let key = self.cursor.read_key();
        Ok(Some(predictor.find(self.unescape_key(key)?)))
    }

    /// Copies a string. A value of another type is skipped, and reads as absent.
    #[inline(always)]
    pub(super) fn read_string(&mut self) -> Result<Extent, ParseErrorKind> {
        if self.cursor.peek() != Some(b'"') {
            self.cursor.skip_value();
            return Ok(Extent::default());
        }
        let (text, content) = (self.cursor.text(), self.cursor.at + 1);
        let start = self.used;
        let spare = self.strings.get_mut(start..).unwrap_or_default();
        let length = scan::copy_verbatim(text, content, spare);
        match (text.get(content + length), spare.get_mut(length)) {
            (Some(b'"'), Some(nul)) => *nul = 0,
            _ => return self.read_string_slow(),
        }
        self.used = start + length + 1;
        self.cursor.at = content + length + 1;
        Ok(Extent { start, end: self.used })
    }

    /// Copies a string that has escapes, does not fit into the spare bytes, or is at the end of the document.
    #[inline(never)]
    fn read_string_slow(&mut self) -> Result<Extent, ParseErrorKind> {
        let (text, start) = (self.cursor.text(), self.cursor.at + 1);
        let (end, has_escapes) = scan::string_end(text, start);
        self.cursor.at = end + 1;
        let content = text.get(start..end).unwrap_or_default();
        self.append(content, if has_escapes { append_unescaped } else { try_extend_with_nul })
    }

    /// Appends a typed string, and spare bytes after it.
    fn append(&mut self, content: &[u8], append: Append) -> Result<Extent, ParseErrorKind> {
        let start = self.used;
        self.strings.truncate(start);
        append(&mut self.strings, content).ok_or(ParseErrorKind::OutOfMemory)?;
        self.used = self.strings.len();
        try_extend(&mut self.strings, &[0; SPARE_BYTES]).ok_or(ParseErrorKind::OutOfMemory)?;
        Ok(Extent { start, end: self.used })
    }

    fn read_count(&mut self) -> Count {
        if let Some((count, end)) = read_short_count(self.cursor.text(), self.cursor.at) {
            self.cursor.at = end;
            return Count(count);
        }
        self.read_number().map_or(Count::default(), Count::of)
    }

    fn read_extent(&mut self) -> Extent {
        let start = self.cursor.at;
        self.cursor.skip_value();
        Extent { start, end: self.cursor.at }
    }

    /// Skips a value. Returns its text if it is a number.
    fn read_number(&mut self) -> Option<&'a str> {
        let extent = self.read_extent();
        let text = std::str::from_utf8(self.cursor.text().get(extent.range()?)?).ok()?;
        text.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(text)
    }

    /// A key without escapes.
    fn unescape_key(&mut self, key: Key) -> Result<&[u8], ParseErrorKind> {
        let written = self.cursor.text().get(key.extent.start..key.extent.end).unwrap_or_default();
        if !key.has_escapes {
            return Ok(written);
        }
        self.key.clear();
        append_unescaped(&mut self.key, written).ok_or(ParseErrorKind::OutOfMemory)?;
        self.key.pop();
        Ok(&self.key)
    }
}

/// Parses a count of few digits that is followed by a comma or a bracket. Returns it with the offset of its end.
#[inline(always)]
pub(super) fn read_short_count(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let bytes: &[u8; MAX_FAST_COUNT_DIGITS + 1] = text.get(at..)?.first_chunk()?;
    let mut count = 0;
    for (length, byte) in bytes.iter().enumerate() {
        match byte {
            digit @ b'0'..=b'9' => count = 10 * count + i64::from(digit - b'0'),
            b',' | b'}' if length > 0 => return Some((count, at + length)),
            _ => return None,
        }
    }
    None
}
