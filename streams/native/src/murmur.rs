//! MurmurHash2 with Kafka's seed, the twin of `schemas.partitioner`.

const M: u32 = 0x5BD1_E995;

/// The hash, without its sign.
pub fn positive(data: &[u8]) -> u32 {
    let mut hash = 0x9747_B28C ^ data.len() as u32;
    let words = data.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let mut k =
            word.iter().rev().fold(0, |word, byte| word << 8 | *byte as u32).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, byte| word << 8 | *byte as u32);
        hash = (hash ^ last).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)) & 0x7FFF_FFFF
}

#[test]
fn hashes_are_those_of_kafka() {
    // Apache Kafka, UtilsTest.testMurmur2
    let of_kafka = [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ];
    for (text, hash) in of_kafka {
        assert_eq!(positive(text.as_bytes()), hash as u32 & 0x7FFF_FFFF);
    }
}
