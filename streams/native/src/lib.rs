//! Kernels of the hot path: functions over bytes and arrays, each the twin of readable Python.
//!
//! No rule of the business is in here. What fields there are, what they may hold and what is kept
//! of them comes as a `Layout`, made of `schemas.events` by `schemas.layout`.
#![forbid(unsafe_code)]

pub mod columns;
pub mod layout;
pub mod murmur;
pub mod numbering;
pub mod probing;
pub mod records;
pub mod scan;

#[cfg(feature = "python")]
mod python;
