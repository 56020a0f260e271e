//! One workflow execution, parsed from the body of a response.
//!
//! The body is validated while it arrives (see `json::scan`). Then a reader finds the typed fields, and skips large
//! values without parsing them (see `json`). The body itself is kept unchanged. Typed strings are copied out of it,
//! unescaped and NUL-terminated, so that C can read them directly.
//!
//! May use `json`, `state`, and the layer below. Knows nothing about HTTP.

mod error;
mod keys;
mod reader;

use crate::alloc::{OnceBox, try_box, try_with_capacity};
use crate::json::scan::{Document, Extent, InvalidDocument, JsonBuffer};
use crate::json::{nearest_double, truncate};
use crate::state::State;

pub use self::error::{ParseError, ParseErrorKind};
use self::reader::Reader;

/// A snapshot of one execution. Immutable, so any number of threads can read it.
pub struct Execution {
    body: String,
    /// The typed strings, unescaped, each NUL-terminated.
    strings: Vec<u8>,
    fields: Fields,
    nodes: Vec<Node>,
    /// The indexes of the nodes that have an id, sorted by id and then by index.
    by_id: OnceBox<Vec<usize>>,
}

/// The typed fields of an execution. The extent of a string is that in `Execution::strings`, with its NUL; it is empty
/// if the string is absent.
#[derive(Default)]
struct Fields {
    id: Extent,
    name: Extent,
    org_id: Extent,
    environment: Extent,
    status: Extent,
    config_id: Extent,
    linked_account_id: Extent,
    created_at: Extent,
    updated_at: Extent,
    completion_percentage: Option<f64>,
}

/// The typed fields of a node, which `Execution::node` reads. The extents of `latest_output`, `input_data` and `json`
/// are those in the body, and empty if the value is absent.
#[derive(Default)]
pub struct Node {
    id: Extent,
    name: Extent,
    node_type: Extent,
    status: Extent,
    attempts_made: Count,
    maximum_attempts: Count,
    execution_time_ms: Count,
    latest_output: Extent,
    input_data: Extent,
    json: Extent,
    is_batch: bool,
}

/// A node together with the execution that it belongs to.
#[derive(Clone, Copy)]
pub struct NodeView<'a> {
    execution: &'a Execution,
    node: &'a Node,
}

/// A whole number that is not negative; -1 if it is absent.
#[derive(Clone, Copy)]
struct Count(i64);

/// The maximum memory of a node, in bytes, including what C's pointer to it refers to.
pub const NODE_MEMORY: usize = 256;

/// Up to this many nodes are searched linearly.
const MAX_LINEAR_SEARCH: usize = 16;

impl Execution {
    /// Parses a body. `requested_id` is the id of the execution if the body has none. The memory of a node can far
    /// exceed its text, so nodes are limited to `node_memory_limit` bytes, or the length of the text if that is more.
    pub fn parse(
        body: impl Into<JsonBuffer>,
        requested_id: Option<&str>,
        node_memory_limit: u64,
    ) -> Result<Execution, ParseError> {
        let document = body.into().finish().map_err(|InvalidDocument { fault, bytes }| {
            let (kind, is_cut_off) = ParseErrorKind::of_fault(fault, &bytes);
            ParseError { kind, is_cut_off, body: bytes }
        })?;
        match Execution::read(&document, requested_id, node_memory_limit) {
            Ok((strings, fields, nodes)) => {
                Ok(Execution { body: document.into_text(), strings, fields, nodes, by_id: OnceBox::new() })
            }
            Err(kind) => Err(ParseError { kind, is_cut_off: false, body: document.into_text().into_bytes() }),
        }
    }

    fn read(
        document: &Document,
        requested_id: Option<&str>,
        node_memory_limit: u64,
    ) -> Result<(Vec<u8>, Fields, Vec<Node>), ParseErrorKind> {
        let mut reader = Reader::new(document, node_memory_limit);
        reader.read_document()?;
        if let Some(id) = requested_id {
            reader.set_default_id(id.as_bytes())?;
        }
        let Reader { mut strings, used, fields, nodes, .. } = reader;
        strings.truncate(used);
        Ok((strings, fields, nodes))
    }

    /// `_id`, or the requested id if the document has none.
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

    /// The meaning of `status`.
    pub fn state(&self) -> State {
        without_nul(self.status()).map_or(State::Unknown, State::of_execution)
    }

    /// `completion_percentage` as it was sent: any number; infinite if it is out of the range of a double.
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

    /// `updatedAt`
    pub fn updated_at(&self) -> Option<&[u8]> {
        self.string(self.fields.updated_at)
    }

    /// The elements of `nodes`, in document order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by its index.
    pub fn node(&self, index: usize) -> Option<NodeView<'_>> {
        self.nodes.get(index).map(|node| NodeView { execution: self, node })
    }

    /// The index of the first node with this id. The first call with many nodes sorts them; later calls are fast.
    pub fn node_by_id(&self, id: &[u8]) -> Option<usize> {
        if self.nodes.len() <= MAX_LINEAR_SEARCH {
            return self.find_linearly(id);
        }
        if self.by_id.get().is_none() {
            match self.sort_by_id().and_then(try_box) {
                // If another thread was first, its result is kept, which is the same.
                Some(order) => drop(self.by_id.set(order)),
                None => return self.find_linearly(id),
            }
        }
        let order = self.by_id.get()?;
        let first = order.partition_point(|index| self.node_id(*index) < Some(id));
        order.get(first).copied().filter(|index| self.node_id(*index) == Some(id))
    }

    /// The whole document, as it was sent.
    pub fn body(&self) -> &str {
        &self.body
    }

    fn find_linearly(&self, id: &[u8]) -> Option<usize> {
        (0..self.nodes.len()).find(|index| self.node_id(*index) == Some(id))
    }

    /// Returns `None` if there is not enough memory.
    fn sort_by_id(&self) -> Option<Vec<usize>> {
        let mut order = try_with_capacity(self.nodes.len())?;
        order.extend((0..self.nodes.len()).filter(|index| !self.nodes[*index].id.is_empty()));
        order.sort_unstable_by(|one, other| (self.node_id(*one), one).cmp(&(self.node_id(*other), other)));
        Some(order)
    }

    /// A node's id without its NUL.
    fn node_id(&self, index: usize) -> Option<&[u8]> {
        let (_, id) = self.string(self.nodes.get(index)?.id)?.split_last()?;
        Some(id)
    }

    fn string(&self, string: Extent) -> Option<&[u8]> {
        self.strings.get(string.range()?)
    }

    fn raw(&self, value: Extent) -> Option<&str> {
        self.body.get(value.range()?)
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

    /// The meaning of `node_status`.
    pub fn state(&self) -> State {
        without_nul(self.status()).map_or(State::Unknown, State::of_node)
    }

    /// `is_batch`; false if it is absent.
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

    /// The JSON of `latest_output`, of any type.
    pub fn latest_output(&self) -> Option<&'a str> {
        self.execution.raw(self.node.latest_output)
    }

    /// The JSON of `input_data`, of any type.
    pub fn input_data(&self) -> Option<&'a str> {
        self.execution.raw(self.node.input_data)
    }

    /// The JSON of the whole node.
    pub fn json(&self) -> &'a str {
        self.execution.raw(self.node.json).unwrap_or("null")
    }
}

impl Default for Count {
    fn default() -> Self {
        Count(-1)
    }
}

impl Count {
    /// A number truncated towards zero; absent if it is negative or larger than any `i64`.
    fn of(number: &str) -> Count {
        // The bits are compared, because a comparison takes denormal numbers for zero in some modes of the caller.
        let is_below_zero = |number: f64| number.to_bits() > (-0.0f64).to_bits();
        let is_negative = number.starts_with('-') && nearest_double(number).is_some_and(is_below_zero);
        Count(if is_negative { -1 } else { i64::try_from(truncate(number)).unwrap_or(-1) })
    }

    fn get(self) -> Option<i64> {
        (self.0 >= 0).then_some(self.0)
    }
}

/// The text of a NUL-terminated string.
pub fn without_nul(string: Option<&[u8]>) -> Option<&str> {
    let (_, text) = string?.split_last()?;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests;
