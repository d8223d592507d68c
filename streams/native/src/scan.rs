//! One message into the values of its fields, or nothing where that is not certain.
//!
//! Whatever is taken is JSON that every parser reads alike: keys once, no escapes in them, plain
//! numbers of few digits, no lone surrogates, nothing behind the object. All else is for the other
//! decoder, which says what it is, or why it is rejected. So both give the same.

use crate::layout::{Layout, MOST_FIELDS, Shape};

/// Nested values of unknown fields are taken to here.
const DEEPEST: u32 = 16;
const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// Divisors that are exact as a float.
const TENS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    Absent,
    Text(Span),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// Where a text is: in the message, or among those that had escapes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    begin: u32,
    end: u32,
    had_escapes: bool,
}

pub struct Scanner<'l> {
    layout: &'l Layout,
    next: [u8; MOST_FIELDS + 2], // which field follows which: producers write one order
    slots: [Slot; MOST_FIELDS],
    there: u64,
    unescaped: Vec<u8>,
}

impl<'l> Scanner<'l> {
    pub fn new(layout: &'l Layout) -> Scanner<'l> {
        let mut next = [0; MOST_FIELDS + 2];
        for (field, next) in next.iter_mut().enumerate().take(layout.fields.len()) {
            *next = ((field + 1) % layout.fields.len()) as u8;
        }
        let slots = [Slot::Absent; MOST_FIELDS];
        Scanner { layout, next, slots, there: 0, unescaped: vec![] }
    }

    /// What a message of which `scan` gave something has in a field.
    #[inline(always)]
    pub fn slot(&self, field: usize) -> Slot {
        if self.there >> field & 1 == 1 { self.slots[field] } else { Slot::Absent }
    }

    /// The bytes of a text of this message.
    #[inline(always)]
    pub fn text<'a>(&'a self, message: &'a [u8], span: Span) -> &'a [u8] {
        let of = if span.had_escapes { &self.unescaped } else { message };
        &of[span.begin as usize..span.end as usize]
    }

    /// Read a message; None: it is not certain what it says.
    #[inline]
    pub fn scan(&mut self, message: &[u8]) -> Option<()> {
        if message.len() > self.layout.most_bytes {
            return None;
        }
        let (first, unknown) = (MOST_FIELDS + 1, MOST_FIELDS);
        let mut seen = 0u64;
        self.there = 0;
        self.unescaped.clear();
        let mut at = Cursor { bytes: message, at: 0, high: 0 };
        at.blank();
        at.byte(b'{')?;
        at.blank();
        let mut before = first;
        loop {
            before = match self.key(&mut at, before)? {
                Some(field) => {
                    let bit = 1 << field;
                    if seen & bit != 0 {
                        return None;
                    }
                    seen |= bit;
                    let slot = self.value(&mut at, field)?;
                    if slot != Slot::Absent {
                        self.there |= bit;
                        self.slots[field] = slot;
                    }
                    field
                }
                None => {
                    at.skip(&mut self.unescaped, DEEPEST)?;
                    unknown
                }
            };
            at.blank();
            match at.take()? {
                b',' => at.blank(),
                b'}' => break,
                _ => return None,
            }
        }
        at.blank();
        let is_whole =
            at.at == message.len() && self.there & self.layout.needed == self.layout.needed;
        if !is_whole || (at.high != 0 && std::str::from_utf8(message).is_err()) {
            return None;
        }
        Some(())
    }

    /// The next field, `Some(None)` if it is unknown; its value comes next.
    #[inline(always)]
    fn key(&mut self, at: &mut Cursor, before: usize) -> Option<Option<usize>> {
        let expected = self.next[before] as usize;
        let opening = &self.layout.openings[expected];
        if at.bytes[at.at..].starts_with(opening) {
            at.at += opening.len();
            at.blank();
            return Some(Some(expected));
        }
        at.byte(b'"')?;
        let begin = at.at;
        at.find_end_of_text()?;
        let found = self.layout.find(&at.bytes[begin..at.at]);
        at.byte(b'"')?; // an escape ends there, too
        at.blank();
        at.byte(b':')?;
        at.blank();
        if let Some(field) = found {
            self.next[before] = field as u8;
        }
        Some(found)
    }

    #[inline(always)]
    fn value(&mut self, at: &mut Cursor, field: usize) -> Option<Slot> {
        let first = at.peek()?;
        if first == b'n' {
            at.word(b"null")?;
            return Some(Slot::Absent);
        }
        Some(match self.layout.fields[field].shape {
            Shape::Text { least, most } => {
                let span = at.text(&mut self.unescaped)?;
                let length = (span.end - span.begin) as usize;
                if length < least || length > most {
                    return None;
                }
                Slot::Text(span)
            }
            Shape::Int { least, most } => {
                let number = at.int(18)?;
                if number < least || number > most {
                    return None;
                }
                Slot::Int(number)
            }
            Shape::Float { least, most } => {
                let number = at.float()?;
                if number < least || number > most {
                    return None;
                }
                Slot::Float(number)
            }
            Shape::Tag { most } if first == b'"' => {
                let span = at.text(&mut self.unescaped)?;
                if (span.end - span.begin) as usize > most {
                    return None;
                }
                Slot::Text(span)
            }
            Shape::Tag { .. } => Slot::Int(at.int(15)?),
            Shape::Bool if first == b't' => at.word(b"true").map(|()| Slot::Bool(true))?,
            Shape::Bool => at.word(b"false").map(|()| Slot::Bool(false))?,
            Shape::Texts { items, most } => {
                at.texts(&mut self.unescaped, items, most)?;
                Slot::Absent // nobody keeps a list
            }
        })
    }
}

/// A place in a message; each method goes behind what it reads.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    high: u64, // not 0: texts have bytes that are not ASCII
}

impl Cursor<'_> {
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) -> Option<()> {
        (self.take()? == byte).then_some(())
    }

    #[inline(always)]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    #[inline(always)]
    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// To the quote or the backslash that comes next, eight bytes in a step.
    #[inline(always)]
    fn find_end_of_text(&mut self) -> Option<()> {
        while let Some(eight) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*eight);
            let ends = is_zero(word ^ (EACH * b'"' as u64))
                | is_zero(word ^ (EACH * b'\\' as u64))
                | (word.wrapping_sub(EACH * 0x20) & !word & HIGH);
            if ends != 0 {
                break; // the first that is marked is one, those behind it may be none
            }
            self.high |= word & HIGH;
            self.at += 8;
        }
        loop {
            match self.peek()? {
                b'"' | b'\\' => return Some(()),
                0..0x20 => return None,
                byte => self.high |= byte as u64 & 0x80,
            }
            self.at += 1;
        }
    }

    #[inline(always)]
    fn text(&mut self, unescaped: &mut Vec<u8>) -> Option<Span> {
        self.byte(b'"')?;
        let begin = self.at;
        self.find_end_of_text()?;
        if self.bytes[self.at] == b'"' {
            self.at += 1;
            let (begin, end) = (begin as u32, self.at as u32 - 1);
            return Some(Span { begin, end, had_escapes: false });
        }
        self.with_escapes(begin, unescaped)
    }

    #[cold]
    fn with_escapes(&mut self, mut begin: usize, unescaped: &mut Vec<u8>) -> Option<Span> {
        let first = unescaped.len() as u32;
        loop {
            unescaped.extend_from_slice(&self.bytes[begin..self.at]);
            if self.take()? == b'"' {
                return Some(Span { begin: first, end: unescaped.len() as u32, had_escapes: true });
            }
            let letter = match self.take()? {
                quoted @ (b'"' | b'\\' | b'/') => quoted as char,
                b'b' => '\x08',
                b'f' => '\x0c',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.of_digits()?,
                _ => return None,
            };
            unescaped.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            begin = self.at;
            self.find_end_of_text()?;
        }
    }

    /// The letter behind `\u`; None for half a surrogate pair.
    fn of_digits(&mut self) -> Option<char> {
        let unit = self.four_digits()?;
        if !(0xD800..0xDC00).contains(&unit) {
            return char::from_u32(unit);
        }
        self.word(b"\\u")?;
        let low = self.four_digits()?;
        if !(0xDC00..0xE000).contains(&low) {
            return None;
        }
        char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
    }

    fn four_digits(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit << 4 | (self.take()? as char).to_digit(16)?))
    }

    /// A whole number of at most so many digits, not more than 18.
    #[inline(always)]
    fn int(&mut self, most_digits: usize) -> Option<i64> {
        let is_negative = self.peek()? == b'-';
        self.at += is_negative as usize;
        let begin = self.at;
        let number = self.digits(0);
        let digits = self.at - begin;
        let has_zeros = self.bytes.get(begin) == Some(&b'0') && (digits > 1 || is_negative);
        if digits == 0 || digits > most_digits || has_zeros {
            return None;
        }
        Some(if is_negative { -number } else { number })
    }

    /// The digits that come next behind a number; more than 18 give anything.
    #[inline(always)]
    fn digits(&mut self, mut number: i64) -> i64 {
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.wrapping_mul(10).wrapping_add((digit - b'0') as i64);
            self.at += 1;
        }
        number
    }

    /// A number without sign and exponent.
    #[inline(always)]
    fn float(&mut self) -> Option<f64> {
        let begin = self.at;
        let whole = self.digits(0);
        let (places, mut after) = (self.at - begin, 0);
        if places == 0 || places > 15 || (places > 1 && self.bytes[begin] == b'0') {
            return None;
        }
        let mut number = whole;
        if self.peek() == Some(b'.') {
            self.at += 1;
            number = self.digits(whole);
            after = self.at - begin - places - 1;
            if after == 0 || after > 40 {
                return None;
            }
        }
        if places + after > 15 {
            let text = std::str::from_utf8(&self.bytes[begin..self.at]).ok()?;
            return text.parse().ok(); // the nearest float, as below
        }
        Some(number as f64 / TENS[after]) // both are exact, so the quotient is the nearest float
    }

    fn texts(&mut self, unescaped: &mut Vec<u8>, items: usize, most: usize) -> Option<()> {
        self.byte(b'[')?;
        self.blank();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        for _ in 0..items {
            let span = self.text(unescaped)?;
            if (span.end - span.begin) as usize > most {
                return None;
            }
            self.blank();
            match self.take()? {
                b',' => self.blank(),
                b']' => return Some(()),
                _ => return None,
            }
        }
        None
    }

    /// Any value.
    fn skip(&mut self, unescaped: &mut Vec<u8>, deepest: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.text(unescaped).map(|_| ()),
            b'n' => self.word(b"null"),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'-' => self.int(18).map(|_| ()),
            b'0'..=b'9' => self.float().map(|_| ()),
            open @ (b'[' | b'{') if deepest > 0 => {
                let close = open + 2; // in ASCII
                self.at += 1;
                self.blank();
                if self.peek()? == close {
                    self.at += 1;
                    return Some(());
                }
                loop {
                    if open == b'{' {
                        self.text(unescaped)?;
                        self.blank();
                        self.byte(b':')?;
                        self.blank();
                    }
                    self.skip(unescaped, deepest - 1)?;
                    self.blank();
                    match self.take()? {
                        b',' => self.blank(),
                        byte if byte == close => return Some(()),
                        _ => return None,
                    }
                }
            }
            _ => None,
        }
    }
}

/// The high bit of each byte that is zero; behind the first one, of others, too.
#[inline(always)]
fn is_zero(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & HIGH
}
