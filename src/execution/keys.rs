//! The keys that are read, and a prediction of the next one.

/// A key that is read.
pub(super) struct KnownKey<F> {
    pub(super) field: F,
    pub(super) name: &'static [u8],
    /// The key as servers write it: with quotes and a colon, without whitespace.
    written: [u64; KEY_WORDS],
    /// The bytes of `written` that belong to the key.
    mask: [u64; KEY_WORDS],
    /// The number of these bytes.
    length: usize,
}

/// The longest known key, its quotes and its colon fit into this many words of eight bytes. A longer key does not compile;
/// more words slow down every comparison.
pub(super) const KEY_WORDS: usize = 3;

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
        KnownKey { field, name, written: words(bytes), mask: words(mask), length }
    }

    /// Whether these bytes start with the key as servers write it.
    #[inline(always)]
    fn is_start_of(&self, bytes: &[u8; KEY_WORDS * 8]) -> bool {
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
pub(super) enum Field {
    Id,
    Name,
    OrgId,
    Environment,
    Status,
    CompletionPercentage,
    ConfigId,
    LinkedAccountId,
    CreatedAt,
    UpdatedAt,
    Nodes,
}

/// The typed fields of an execution, in the order in which the server sends them. Any other order is read too, more slowly.
pub(super) const FIELDS: &[KnownKey<Field>] = &[
    KnownKey::new("_id", Field::Id),
    KnownKey::new("name", Field::Name),
    KnownKey::new("org_id", Field::OrgId),
    KnownKey::new("environment", Field::Environment),
    KnownKey::new("status", Field::Status),
    KnownKey::new("completion_percentage", Field::CompletionPercentage),
    KnownKey::new("config_id", Field::ConfigId),
    KnownKey::new("linked_account_id", Field::LinkedAccountId),
    KnownKey::new("createdAt", Field::CreatedAt),
    KnownKey::new("updatedAt", Field::UpdatedAt),
    KnownKey::new("nodes", Field::Nodes),
];

/// The typed fields of a node.
#[derive(Clone, Copy)]
pub(super) enum NodeField {
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

/// The typed fields of a node, in the order in which the server sends them.
pub(super) const NODE_FIELDS: &[KnownKey<NodeField>] = &[
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

/// The length of the longer list.
const MAX_FIELDS: usize = if FIELDS.len() > NODE_FIELDS.len() { FIELDS.len() } else { NODE_FIELDS.len() };

/// Predicts the next key of an object from the order in the previous one. Nearly all nodes have the same fields in the
/// same order, so one comparison identifies most keys.
pub(super) struct KeyPredictor<F: 'static> {
    fields: &'static [KnownKey<F>],
    /// For each field, the index of the field that followed it; in the last place, of the one that came first.
    next: [u8; MAX_FIELDS + 1],
    /// The index of the latest field in this object, or `MAX_FIELDS` at its start.
    latest: usize,
}

impl<F: Copy> KeyPredictor<F> {
    /// Predicts the order of the list.
    pub(super) fn new(fields: &'static [KnownKey<F>]) -> KeyPredictor<F> {
        let mut next = std::array::from_fn(|index| index as u8 + 1);
        next[MAX_FIELDS] = 0;
        KeyPredictor { fields, next, latest: MAX_FIELDS }
    }

    /// Starts another object.
    pub(super) fn restart(&mut self) {
        self.latest = MAX_FIELDS;
    }

    /// Returns the predicted field and the end of its key, if its key is at `at`, or after a comma there.
    #[inline(always)]
    pub(super) fn predict(&mut self, text: &[u8], at: usize) -> Option<(F, usize)> {
        let start = at + usize::from(*text.get(at)? == b',');
        let index = usize::from(*self.next.get(self.latest)?);
        let known = self.fields.get(index)?;
        if !known.is_start_of(text.get(start..)?.first_chunk()?) {
            return None;
        }
        self.latest = index;
        Some((known.field, start + known.length))
    }

    /// Returns the field with this key, and remembers it for the next object.
    pub(super) fn find(&mut self, key: &[u8]) -> Option<F> {
        let index = self.fields.iter().position(|known| known.name == key)?;
        if let Some(next) = self.next.get_mut(self.latest) {
            *next = index as u8;
        }
        self.latest = index;
        Some(self.fields[index].field)
    }
}
