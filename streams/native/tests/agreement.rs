//! What the scanner takes, a full parser reads alike; and nothing makes it panic.

use kol_hot::layout::{Field, Keep, Layout, Roles, Shape};
use kol_hot::scan::{Scanner, Slot};
use serde_json::Value;

/// One field of each shape, and some that are needed.
pub fn layout() -> Layout {
    let text = |least, most| Shape::Text { least, most };
    let fields = [
        ("event_id", text(1, 512), true),
        ("ts", Shape::Int { least: i64::MIN, most: i64::MAX }, true),
        ("user_id", text(1, 512), true),
        ("kol_id", text(0, 512), false),
        ("query", text(0, 1 << 18), false),
        ("visible_ms", Shape::Int { least: 0, most: 1_000_000_000_000 }, false),
        ("completion", Shape::Float { least: 0.0, most: 1.0 }, false),
        ("qty", Shape::Float { least: f64::NEG_INFINITY, most: f64::INFINITY }, false),
        ("geo", Shape::Tag { most: 512 }, false),
        ("first_screen", Shape::Bool, false),
        ("chain", Shape::Texts { items: 5, most: 512 }, false),
    ];
    let fields = fields.map(|(name, shape, needed)| Field {
        name: name.into(),
        shape,
        needed,
        keep: Keep::Nothing,
    });
    Layout::new(fields.into(), Roles { at: 1, user: 2, event: 0 }, 1 << 18).unwrap()
}

/// Whether a message is taken; panics if that is not what a full parser reads.
pub fn check(scanner: &mut Scanner, layout: &Layout, message: &[u8]) -> bool {
    if scanner.scan(message).is_none() {
        return false;
    }
    let read: Value = serde_json::from_slice(message).expect("what is taken is JSON");
    let object = read.as_object().expect("what is taken is an object");
    for (field, told) in layout.fields.iter().enumerate() {
        let value = object.get(&told.name).unwrap_or(&Value::Null);
        match scanner.slot(field) {
            Slot::Text(span) => {
                assert_eq!(value.as_str().unwrap().as_bytes(), scanner.text(message, span));
            }
            Slot::Int(number) => assert_eq!(value.as_i64(), Some(number)),
            Slot::Float(number) => assert_eq!(value.as_f64(), Some(number)),
            Slot::Bool(is) => assert_eq!(value.as_bool(), Some(is)),
            Slot::Absent => assert!(value.is_null() || value.is_array()),
        }
        assert!(!told.needed || !value.is_null());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{check, layout};
    use kol_hot::scan::Scanner;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde_json::{Value, json};
    use std::fs;
    use std::path::Path;

    fn texts() -> impl Strategy<Value = String> {
        let odd = vec(select(vec!['"', '\\', '/', '\0', '\u{1f}', '妈', '👶', 'é']), 0..6);
        prop_oneof!["[a-z]{0,12}", odd.prop_map(String::from_iter), any::<String>()]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0i64..1_000_000).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (0f64..1f64).prop_map(Value::from),
            (0i64..1000).prop_map(|thousandths| Value::from(thousandths as f64 / 1000.0)),
            texts().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((texts(), inner), 0..3)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn names() -> impl Strategy<Value = String> {
        let known: Vec<String> = layout().fields.into_iter().map(|one| one.name).collect();
        prop_oneof![5 => select(known), 1 => texts()]
    }

    /// An event whose fields come in any order, some of them twice, with likely values or any.
    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let likely = (texts(), any::<i32>(), texts());
        let others = vec((names(), values()), 0..5);
        (likely, others, any::<bool>()).prop_map(|((event, ts, user), others, has_blanks)| {
            let mut pairs = vec![
                ("event_id".into(), json!(event)),
                ("ts".into(), json!(ts)),
                ("user_id".into(), json!(user)),
            ];
            pairs.extend(others);
            pairs.rotate_left(ts as usize % 3);
            let (comma, colon) = if has_blanks { (" , ", ": ") } else { (",", ":") };
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}{colon}{value}", json!(name)))
                .collect();
            format!("{{{}}}", pairs.join(comma)).into_bytes()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_taken_is_read_alike(many in vec(messages(), 1..4)) {
            let layout = layout();
            let mut scanner = Scanner::new(&layout);
            for message in &many {
                check(&mut scanner, &layout, message);
            }
        }

        #[test]
        fn what_is_taken_after_an_accident_is_read_alike(
            mut message in messages(),
            accidents in vec((any::<Index>(), 0usize..3, vec(any::<u8>(), 0..3)), 1..3),
        ) {
            for (place, less, more) in accidents {
                let begin = place.index(message.len() + 1);
                message.splice(begin..(begin + less).min(message.len()), more);
            }
            let layout = layout();
            check(&mut Scanner::new(&layout), &layout, &message);
        }

        #[test]
        fn no_bytes_make_it_panic(message in vec(any::<u8>(), 0..64)) {
            let layout = layout();
            check(&mut Scanner::new(&layout), &layout, &message);
        }
    }

    #[test]
    fn the_corpus_is_read_alike() {
        let layout = layout();
        let mut scanner = Scanner::new(&layout);
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/scan");
        let taken: Vec<bool> = fs::read_dir(corpus)
            .unwrap()
            .map(|one| check(&mut scanner, &layout, &fs::read(one.unwrap().path()).unwrap()))
            .collect();
        assert!(taken.contains(&true) && taken.contains(&false));
    }
}
