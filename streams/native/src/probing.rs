//! Rows by their 128-bit keys, found by open addressing: the twin of `streams.core.arrays.probing`.
//!
//! Slots hold numbers of rows, a negative one is free. The n-th step of a search goes n slots on.

use std::hint::black_box;

const ODD_1: u64 = 0x9E37_79B9_7F4A_7C15;
const ODD_2: u64 = 0xD6E8_FEB8_6659_FD93;
const FREE: i32 = -1;

/// Keys whose slots are touched before the first of them is searched: memory answers them together.
const TOGETHER: usize = 32;

pub type Refused = &'static str;

/// Keys, word by word; both slices have the same length.
#[derive(Clone, Copy)]
pub struct Keys<'k> {
    pub lo: &'k [u64],
    pub hi: &'k [u64],
}

/// Spread a key over 64 bits.
#[inline(always)]
pub fn mix(lo: u64, hi: u64) -> u64 {
    let word = lo.wrapping_mul(ODD_1);
    let word = (word ^ (word >> 32)).wrapping_add(hi).wrapping_mul(ODD_2);
    word ^ (word >> 32)
}

/// The slot where the search of a key ends, and the row there, if it is that of the key.
#[inline(always)]
fn search(
    rows: Keys,
    slots: &[i32],
    key: (u64, u64),
    begin: usize,
) -> Result<(usize, Option<usize>), Refused> {
    let mask = slots.len() - 1;
    let mut place = begin;
    for step in 1..=slots.len() {
        let Ok(row) = usize::try_from(slots[place]) else {
            return Ok((place, None));
        };
        if (*rows.lo.get(row).ok_or(BEYOND)?, *rows.hi.get(row).ok_or(BEYOND)?) == key {
            return Ok((place, Some(row)));
        }
        place = (place + step) & mask;
    }
    Err("no slot is free")
}

const BEYOND: Refused = "a slot holds a row that is not there";

fn check(slots: &[i32], keys: Keys) -> Result<(), Refused> {
    match slots.len().is_power_of_two() && keys.lo.len() == keys.hi.len() {
        true => Ok(()),
        false => Err("slots are a power of two, and keys have two words"),
    }
}

/// Where the searches of some keys begin.
#[inline(always)]
fn begins(rows: Keys, slots: &[i32], keys: Keys, first: usize) -> [usize; TOGETHER] {
    let (mut places, mut near) = ([0; TOGETHER], 0);
    let some = keys.lo[first..].iter().zip(&keys.hi[first..]);
    for (place, (lo, hi)) in places.iter_mut().zip(some) {
        *place = mix(*lo, *hi) as usize & (slots.len() - 1);
        near ^= usize::try_from(slots[*place]).ok().and_then(|row| rows.lo.get(row)).unwrap_or(&0);
    }
    black_box(near); // so that it is read
    places
}

/// The row of every key, -1 where there is none.
pub fn find(rows: Keys, slots: &[i32], keys: Keys) -> Result<Vec<i64>, Refused> {
    check(slots, rows).and(check(slots, keys))?;
    let mut found = Vec::with_capacity(keys.lo.len());
    for first in (0..keys.lo.len()).step_by(TOGETHER) {
        let some = begins(rows, slots, keys, first).into_iter().enumerate();
        for (nth, place) in some.take(keys.lo.len() - first) {
            let key = (keys.lo[first + nth], keys.hi[first + nth]);
            let (_, row) = search(rows, slots, key, place)?;
            found.push(row.map_or(-1, |row| row as i64));
        }
    }
    Ok(found)
}

/// The row of every key, and whether it is new: then it is the next one, and key and slot are set.
///
/// `lo` and `hi` are the words of all rows, of which `count` are there, and have room for more.
pub fn add(
    (lo, hi): (&mut [u64], &mut [u64]),
    slots: &mut [i32],
    mut count: usize,
    keys: Keys,
) -> Result<(Vec<i64>, Vec<bool>), Refused> {
    check(slots, keys).and(check(slots, Keys { lo, hi }))?;
    if count > lo.len() || lo.len() - count < keys.lo.len() || lo.len() > i32::MAX as usize {
        return Err("there is no room for so many rows");
    }
    let (mut found, mut is_new) = (Vec::with_capacity(keys.lo.len()), vec![]);
    is_new.reserve(keys.lo.len());
    for first in (0..keys.lo.len()).step_by(TOGETHER) {
        let some = begins(Keys { lo, hi }, slots, keys, first).into_iter().enumerate();
        for (nth, begin) in some.take(keys.lo.len() - first) {
            let key = (keys.lo[first + nth], keys.hi[first + nth]);
            let (place, row) = search(Keys { lo, hi }, slots, key, begin)?;
            is_new.push(row.is_none());
            found.push(row.unwrap_or(count) as i64);
            if row.is_none() {
                (lo[count], hi[count], slots[place]) = (key.0, key.1, count as i32);
                count += 1;
            }
        }
    }
    Ok((found, is_new))
}

/// Put all rows into slots; of equal keys the last row stays.
pub fn fill(rows: Keys, slots: &mut [i32]) -> Result<(), Refused> {
    check(slots, rows)?;
    if rows.lo.len() > i32::MAX as usize {
        return Err("rows have numbers of 32 bits");
    }
    slots.fill(FREE);
    for first in (0..rows.lo.len()).step_by(TOGETHER) {
        let some = begins(rows, slots, rows, first).into_iter().enumerate();
        for (nth, begin) in some.take(rows.lo.len() - first) {
            let row = first + nth;
            let (place, _) = search(rows, slots, (rows.lo[row], rows.hi[row]), begin)?;
            slots[place] = row as i32;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn words(keys: &[(u64, u64)]) -> (Vec<u64>, Vec<u64>) {
        keys.iter().copied().unzip()
    }

    proptest! {
        #[test]
        fn rows_are_those_of_a_map(keys in vec((0..4u64, 0..4u64), 0..300), asked in vec((0..5u64, 0..5u64), 0..99)) {
            let (lo, hi) = words(&keys);
            let (mut all_lo, mut all_hi) = (vec![0; keys.len()], vec![0; keys.len()]);
            let mut slots = vec![FREE; 64];
            let given = Keys { lo: &lo, hi: &hi };
            let (found, is_new) = add((&mut all_lo, &mut all_hi), &mut slots, 0, given).unwrap();
            let mut known = HashMap::new();
            for (place, key) in keys.iter().enumerate() {
                let (next, before) = (known.len() as i64, known.len());
                let row = *known.entry(*key).or_insert(next);
                prop_assert_eq!((found[place], is_new[place]), (row, known.len() > before));
            }
            let (lo, hi) = words(&asked);
            let rows = Keys { lo: &all_lo, hi: &all_hi };
            let found = find(rows, &slots, Keys { lo: &lo, hi: &hi }).unwrap();
            for (key, row) in asked.iter().zip(found) {
                prop_assert_eq!(row, known.get(key).copied().unwrap_or(-1));
            }
            let mut again = slots.clone();
            let rows = Keys { lo: &all_lo[..known.len()], hi: &all_hi[..known.len()] };
            fill(rows, &mut again).unwrap();
            prop_assert_eq!(again, slots);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (two, mut room) = ([1, 2], ([0; 2], [0; 2]));
        let keys = Keys { lo: &two, hi: &two };
        let none = Keys { lo: &[], hi: &[] };
        assert!(find(keys, &[7, 7], keys).is_err()); // rows that are not there
        assert!(find(keys, &[0, 0], Keys { lo: &[3], hi: &[3] }).is_err()); // no slot is free
        assert!(find(keys, &[-1; 3], keys).is_err()); // not a power of two
        assert!(find(keys, &[-1; 4], Keys { lo: &two, hi: &[] }).is_err());
        assert!(add((&mut room.0, &mut room.1), &mut [-1; 4], 1, keys).is_err()); // no room
        assert!(add((&mut room.0, &mut room.1), &mut [-1; 1], 0, keys).is_err()); // one slot
        assert!(find(none, &[], none).is_err());
        assert!(fill(keys, &mut [-1; 1]).is_err());
    }
}
