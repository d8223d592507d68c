//! What the messages of a topic look like: the tables of the scanner.

/// Fields of one layout at most: a row notes in one word which it has seen.
pub const MOST_FIELDS: usize = 60;

/// What a field may hold beside null; anything else is left to the other decoder.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A text; its bytes are counted, which are at least as many as its characters.
    Text {
        least: usize,
        most: usize,
    },
    /// A text or a number.
    Tag {
        most: usize,
    },
    Int {
        least: i64,
        most: i64,
    },
    Float {
        least: f64,
        most: f64,
    },
    Bool,
    /// A list of at most so many texts of at most so many bytes.
    Texts {
        items: usize,
        most: usize,
    },
}

/// What is kept of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Nothing,
    /// The number, or this where absent.
    Int(i64),
    /// The number, or nan where absent.
    Float,
    /// Whether there is a text that is not empty.
    Flag,
    /// The number of its value among the distinct ones of the batch.
    Number,
    /// The hash of the text, of the empty one where absent.
    Digest,
    Text,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub shape: Shape,
    pub needed: bool,
    pub keep: Keep,
}

/// Fields that are read of every event, whatever else is kept of them.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// When it happened.
    pub at: usize,
    pub user: usize,
    pub event: usize,
}

#[derive(Debug)]
pub struct Layout {
    pub fields: Vec<Field>,
    pub roles: Roles,
    /// Longer messages are left to the other decoder.
    pub most_bytes: usize,
    /// Bit i: field i must be there.
    pub needed: u64,
    /// The field as it usually begins: `"name":`.
    pub openings: Vec<Vec<u8>>,
    by_length: Vec<Vec<u8>>,
}

impl Layout {
    /// Refuses what the scanner cannot work with.
    pub fn new(
        fields: Vec<Field>,
        roles: Roles,
        most_bytes: usize,
    ) -> Result<Layout, &'static str> {
        let of_all = [roles.at, roles.user, roles.event];
        if fields.len() > MOST_FIELDS {
            return Err("too many fields");
        }
        if !of_all.iter().all(|field| fields.get(*field).is_some_and(|one| one.needed)) {
            return Err("a time, a user and an event are needed");
        }
        if most_bytes > u32::MAX as usize {
            return Err("messages that long have no 32-bit places");
        }
        let mut by_length = Vec::new();
        for (number, field) in fields.iter().enumerate() {
            let length = field.name.len();
            by_length.resize(by_length.len().max(length + 1), Vec::new());
            by_length[length].push(number as u8);
        }
        Ok(Layout {
            roles,
            most_bytes,
            needed: fields
                .iter()
                .enumerate()
                .fold(0, |bits, (number, field)| bits | (field.needed as u64) << number),
            openings: fields.iter().map(|one| format!("\"{}\":", one.name).into_bytes()).collect(),
            by_length,
            fields,
        })
    }

    /// The number of the field with this name.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let same_length = self.by_length.get(name.len())?;
        same_length
            .iter()
            .map(|number| *number as usize)
            .find(|number| self.fields[*number].name.as_bytes() == name)
    }
}
