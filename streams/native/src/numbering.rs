//! Values of one batch and their numbers, from 0 in order of appearance.

use std::hash::{BuildHasher, RandomState};
use xxhash_rust::xxh3::xxh3_64_with_seed;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Absent,
    Text(&'a [u8]),
    Int(i64),
    Bool(bool),
}

#[derive(Clone, Copy)]
enum Kept {
    Absent,
    Text(usize, usize), // from here to there in `texts`
    Int(i64),
    Bool(bool),
}

pub struct Numbering {
    numbers: Vec<i32>,
    kept: Vec<(u64, Kept)>,
    texts: Vec<u8>,
    slots: Vec<u32>, // a power of two of them; 0 is free, else a number and one
    absent: Option<i32>,
    seed: u64, // nobody can know which texts meet
}

impl Default for Numbering {
    fn default() -> Numbering {
        let seed = RandomState::new().hash_one(0);
        let slots = vec![0; 64];
        Numbering { numbers: vec![], kept: vec![], texts: vec![], slots, absent: None, seed }
    }
}

impl Numbering {
    /// Number one more value.
    pub fn push(&mut self, value: Value) {
        let number = match value {
            Value::Absent => match self.absent {
                Some(number) => number,
                None => {
                    let number = self.add(0, Kept::Absent);
                    self.absent = Some(number);
                    number
                }
            },
            _ => self.number_of(value),
        };
        self.numbers.push(number);
    }

    fn number_of(&mut self, value: Value) -> i32 {
        let hash = match value {
            Value::Text(text) => xxh3_64_with_seed(text, self.seed),
            Value::Int(number) => xxh3_64_with_seed(&number.to_le_bytes(), self.seed ^ 1),
            Value::Bool(is) => is as u64,
            Value::Absent => 0,
        };
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            let number = self.slots[at] - 1;
            if self.kept[number as usize].0 == hash && self.value(number as usize) == value {
                return number as i32;
            }
            at = (at + 1) & mask;
        }
        let kept = match value {
            Value::Absent => Kept::Absent,
            Value::Text(text) => {
                let begin = self.texts.len();
                self.texts.extend_from_slice(text);
                Kept::Text(begin, self.texts.len())
            }
            Value::Int(number) => Kept::Int(number),
            Value::Bool(is) => Kept::Bool(is),
        };
        let number = self.add(hash, kept);
        self.slots[at] = number as u32 + 1;
        if 2 * self.kept.len() > self.slots.len() {
            self.grow();
        }
        number
    }

    fn add(&mut self, hash: u64, kept: Kept) -> i32 {
        self.kept.push((hash, kept));
        self.kept.len() as i32 - 1
    }

    fn grow(&mut self) {
        let mask = 4 * self.slots.len() - 1;
        self.slots = vec![0; mask + 1];
        for (number, (hash, kept)) in self.kept.iter().enumerate() {
            if matches!(kept, Kept::Absent) {
                continue;
            }
            let mut at = *hash as usize & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = number as u32 + 1;
        }
    }

    fn value(&self, number: usize) -> Value<'_> {
        match self.kept[number].1 {
            Kept::Absent => Value::Absent,
            Kept::Text(begin, end) => Value::Text(&self.texts[begin..end]),
            Kept::Int(number) => Value::Int(number),
            Kept::Bool(is) => Value::Bool(is),
        }
    }

    /// The distinct values, by number.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.kept.len()).map(|number| self.value(number))
    }

    /// The number of each value that was pushed.
    pub fn numbers(&self) -> &[i32] {
        &self.numbers
    }
}

#[test]
fn values_have_numbers_in_order_of_appearance() {
    let mut numbering = Numbering::default();
    let texts: Vec<String> = (0..1000).map(|n| (n % 300).to_string()).collect();
    for text in &texts {
        numbering.push(Value::Text(text.as_bytes()));
        numbering.push(Value::Absent);
    }
    let expected = (0..1000).flat_map(|n| match n % 300 {
        0 => [0, 1],
        other => [other + 1, 1],
    });
    assert!(numbering.numbers().iter().copied().eq(expected));
    assert_eq!(numbering.values().count(), 301);
    assert_eq!(numbering.values().nth(300), Some(Value::Text(b"299")));
}

#[test]
fn a_number_is_no_text() {
    let mut numbering = Numbering::default();
    let all =
        [Value::Int(1), Value::Text(b"1"), Value::Bool(true), Value::Bool(false), Value::Absent];
    for value in all.iter().chain(&all) {
        numbering.push(*value);
    }
    assert_eq!(numbering.numbers(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    assert!(numbering.values().eq(all));
}
