//! The records of a batch of Kafka's format 2, without its header and decompressed.
//!
//! What is taken and what is refused is what aiokafka takes and refuses; a test holds the two
//! against each other.

use std::ops::Range;

/// Records field by field, in the order of the batch; texts are places in its bytes.
#[derive(Debug, Default)]
pub struct Records {
    pub keys: Vec<Option<Range<usize>>>,
    pub values: Vec<Option<Range<usize>>>,
    pub offsets: Vec<i64>,
    pub stamps: Vec<i64>,
}

/// What a header says of all records of its batch.
pub struct Batch {
    pub count: usize,
    pub base_offset: i64,
    pub first_stamp: i64,
}

type Refused = &'static str;

/// Bytes of a record without key, value and headers: its length, attributes, five numbers.
const LEAST: usize = 7;

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    /// A number of 64 bits in zigzag, its lowest 7 bits first.
    fn number(&mut self) -> Result<i64, Refused> {
        let mut number = 0u64;
        for place in 0..10 {
            let byte = *self.bytes.get(self.at).ok_or("a number is cut short")?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err("a number is too long")
    }

    fn some(&mut self, size: i64) -> Result<Range<usize>, Refused> {
        let begin = self.at;
        let end = usize::try_from(size).ok().and_then(|size| begin.checked_add(size));
        self.at = end.filter(|end| *end <= self.bytes.len()).ok_or("a text is cut short")?;
        Ok(begin..self.at)
    }

    /// Bytes after their length, which is negative where there are none.
    fn text(&mut self) -> Result<Option<Range<usize>>, Refused> {
        let size = self.number()?;
        if size < 0 { Ok(None) } else { self.some(size).map(Some) }
    }

    fn skip_headers(&mut self) -> Result<(), Refused> {
        let count = self.number()?;
        if count < 0 {
            return Err("a negative number of headers");
        }
        for _ in 0..count {
            let name = self.text()?.ok_or("a header without a name")?;
            std::str::from_utf8(&self.bytes[name]).map_err(|_| "a header's name is no text")?;
            self.text()?;
        }
        Ok(())
    }
}

/// The records in these bytes, all of them and nothing else.
pub fn records(bytes: &[u8], batch: &Batch) -> Result<Records, Refused> {
    let room = batch.count.min(bytes.len() / LEAST); // a count may lie
    let mut found = Records {
        keys: Vec::with_capacity(room),
        values: Vec::with_capacity(room),
        offsets: Vec::with_capacity(room),
        stamps: Vec::with_capacity(room),
    };
    let mut reader = Reader { bytes, at: 0 };
    for _ in 0..batch.count {
        let size = reader.number()?;
        let begin = reader.at;
        reader.some(1)?; // attributes, which nobody uses
        found.stamps.push(batch.first_stamp.wrapping_add(reader.number()?));
        found.offsets.push(batch.base_offset.wrapping_add(reader.number()?));
        found.keys.push(reader.text()?);
        found.values.push(reader.text()?);
        reader.skip_headers()?;
        if (reader.at - begin) as i64 != size {
            return Err("a record is not as long as it says");
        }
    }
    if reader.at != bytes.len() { Err("bytes behind the last record") } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Batch = Batch { count: 1, base_offset: 40, first_stamp: 1_000 };
    // 14 bytes: attributes 0, + 3 ms, + 2 offsets, key "k", value "ab", one header "h" without value
    const ONE: [u8; 12] = [22, 0, 6, 4, 2, b'k', 4, b'a', b'b', 2, 2, b'h'];

    #[test]
    fn a_record_is_read_field_by_field() {
        let bytes: Vec<u8> = [&ONE[..], &[1]].concat();
        let bytes = [&[24u8], &bytes[1..]].concat();
        let found = records(&bytes, &BATCH).unwrap();
        assert_eq!((found.stamps[0], found.offsets[0]), (1_003, 42));
        assert_eq!(&bytes[found.keys[0].clone().unwrap()], b"k");
        assert_eq!(&bytes[found.values[0].clone().unwrap()], b"ab");
    }

    #[test]
    fn what_is_cut_or_has_more_is_refused() {
        let bytes: Vec<u8> = [&[24u8], &ONE[1..], &[1]].concat();
        for end in 0..bytes.len() {
            assert!(records(&bytes[..end], &BATCH).is_err());
        }
        assert!(records(&[&bytes[..], &[0]].concat(), &BATCH).is_err());
    }
}
