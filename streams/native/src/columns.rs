//! Messages of a batch into columns; those that are not certain are left out and named.

use crate::layout::{Keep, Layout};
use crate::murmur;
use crate::numbering::{Numbering, Value};
use crate::scan::{Scanner, Slot};
use xxhash_rust::xxh3::xxh3_128;

pub const DIGEST: usize = 16;

/// One column, of a field that is kept.
pub enum Column {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Flags(Vec<u8>),
    Numbers(Numbering),
    Digests(Vec<u8>),
    Texts(Texts),
}

/// Texts one after the other, and where each ends; an absent one has no bytes and is named.
#[derive(Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<(usize, bool)>, // and whether it is there
}

impl Texts {
    fn push(&mut self, text: Option<&[u8]>) {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.ends.push((self.bytes.len(), text.is_some()));
    }

    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut begin = 0;
        self.ends.iter().map(move |(end, is_there)| {
            let text = &self.bytes[begin..*end];
            begin = *end;
            is_there.then_some(text)
        })
    }
}

/// What is asked of users.
pub struct Users {
    /// Bytes that names are made of which need a second look.
    pub letters: [bool; 256],
}

pub struct Columns {
    /// Which messages were taken, and which were not.
    pub taken: Vec<i64>,
    pub left: Vec<i64>,
    pub at: Vec<i64>,
    /// Hashes of topic, user and event; of the user; and the one that partitions are chosen by.
    pub identities: Vec<u8>,
    pub users: Vec<u8>,
    pub murmurs: Vec<u32>,
    /// Rows whose users need a second look, with their names.
    pub near: Vec<(usize, Vec<u8>)>,
    /// By field.
    pub of: Vec<(usize, Column)>,
}

/// Take the messages of a topic.
pub fn columns(
    messages: &[Option<&[u8]>],
    layout: &Layout,
    topic: &[u8],
    users: &Users,
) -> Columns {
    let mut found = Columns::new(layout, messages.len());
    let mut scanner = Scanner::new(layout);
    let roles = [layout.roles.at, layout.roles.user, layout.roles.event];
    let mut names = Vec::from(topic);
    names.push(0);
    let prefix = names.len();
    for (place, message) in messages.iter().enumerate() {
        let row = message.and_then(|message| {
            scanner.scan(message)?;
            let [Slot::Int(at), Slot::Text(user), Slot::Text(event)] =
                roles.map(|field| scanner.slot(field))
            else {
                return None;
            };
            let user = scanner.text(message, user);
            // where a user has one, names are joined in another way
            (!user.contains(&0)).then_some((message, at, user, scanner.text(message, event)))
        });
        let Some((message, at, user, event)) = row else {
            found.left.push(place as i64);
            continue;
        };
        if user.iter().all(|byte| users.letters[*byte as usize]) {
            found.near.push((found.taken.len(), user.to_vec()));
        }
        found.taken.push(place as i64);
        found.at.push(at);
        names.truncate(prefix);
        names.extend_from_slice(user);
        names.push(0);
        names.extend_from_slice(event);
        found.identities.extend_from_slice(&xxh3_128(&names).to_be_bytes());
        found.users.extend_from_slice(&xxh3_128(user).to_be_bytes());
        found.murmurs.push(murmur::positive(user));
        for (field, column) in &mut found.of {
            column.push(scanner.slot(*field), layout.fields[*field].keep, |span| {
                scanner.text(message, span)
            });
        }
    }
    found
}

impl Columns {
    fn new(layout: &Layout, rows: usize) -> Columns {
        let column = |keep| {
            Some(match keep {
                Keep::Nothing => return None,
                Keep::Int(_) => Column::Ints(Vec::with_capacity(rows)),
                Keep::Float => Column::Floats(Vec::with_capacity(rows)),
                Keep::Flag => Column::Flags(Vec::with_capacity(rows)),
                Keep::Number => Column::Numbers(Numbering::default()),
                Keep::Digest => Column::Digests(Vec::with_capacity(DIGEST * rows)),
                Keep::Text => Column::Texts(Texts::default()),
            })
        };
        let fields = layout.fields.iter().enumerate();
        Columns {
            taken: Vec::with_capacity(rows),
            left: vec![],
            at: Vec::with_capacity(rows),
            identities: Vec::with_capacity(DIGEST * rows),
            users: Vec::with_capacity(DIGEST * rows),
            murmurs: Vec::with_capacity(rows),
            near: vec![],
            of: fields.filter_map(|(field, one)| Some((field, column(one.keep)?))).collect(),
        }
    }
}

impl Column {
    #[inline(always)]
    fn push<'a>(&mut self, slot: Slot, keep: Keep, text: impl Fn(crate::scan::Span) -> &'a [u8]) {
        match (self, slot) {
            (Column::Ints(to), Slot::Int(number)) => to.push(number),
            (Column::Ints(to), _) => to.push(if let Keep::Int(absent) = keep { absent } else { 0 }),
            (Column::Floats(to), Slot::Float(number)) => to.push(number),
            (Column::Floats(to), _) => to.push(f64::NAN),
            (Column::Flags(to), Slot::Text(span)) => to.push(!text(span).is_empty() as u8),
            (Column::Flags(to), Slot::Bool(is)) => to.push(is as u8),
            (Column::Flags(to), _) => to.push(0),
            (Column::Numbers(to), Slot::Text(span)) => to.push(Value::Text(text(span))),
            (Column::Numbers(to), Slot::Int(number)) => to.push(Value::Int(number)),
            (Column::Numbers(to), Slot::Bool(is)) => to.push(Value::Bool(is)),
            (Column::Numbers(to), _) => to.push(Value::Absent),
            (Column::Digests(to), Slot::Text(span)) => {
                to.extend_from_slice(&xxh3_128(text(span)).to_be_bytes())
            }
            (Column::Digests(to), _) => to.extend_from_slice(&xxh3_128(b"").to_be_bytes()),
            (Column::Texts(to), Slot::Text(span)) => to.push(Some(text(span))),
            (Column::Texts(to), _) => to.push(None),
        }
    }
}
