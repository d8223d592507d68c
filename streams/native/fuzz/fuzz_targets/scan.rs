//! `cargo +nightly fuzz run scan`: whatever is taken, a full parser reads alike.
#![no_main]

#[path = "../../tests/agreement.rs"]
mod agreement;

use kol_hot::scan::Scanner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let layout = agreement::layout();
    agreement::check(&mut Scanner::new(&layout), &layout, message);
});
