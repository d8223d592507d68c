//! What Python sees. Nothing is parsed or decided here.

use crate::columns::{Column, Users, columns};
use crate::layout::{Field, Keep, Layout as Tables, Roles, Shape};
use crate::numbering::Value;
use crate::probing::{self, Keys};
use crate::records::{Batch, records as read};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadwriteArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use std::borrow::Cow;

/// What the messages of a topic look like.
#[pyclass(frozen)]
struct Layout(Tables);

/// The layout with these fields, of which `roles` are time, user and event.
#[pyfunction]
fn layout(
    fields: Vec<Bound<'_, PyAny>>,
    roles: (String, String, String),
    most_bytes: usize,
) -> PyResult<Layout> {
    let fields = fields.iter().map(field).collect::<PyResult<Vec<_>>>()?;
    let place = |name| fields.iter().position(|one| one.name == name).unwrap_or(usize::MAX);
    let roles = Roles { at: place(roles.0), user: place(roles.1), event: place(roles.2) };
    Tables::new(fields, roles, most_bytes).map(Layout).map_err(PyValueError::new_err)
}

fn field(told: &Bound<'_, PyAny>) -> PyResult<Field> {
    let text = |name| -> PyResult<String> { told.getattr(name)?.extract() };
    let count = |name| -> PyResult<usize> { told.getattr(name)?.extract() };
    let int = |name| -> PyResult<i64> { told.getattr(name)?.extract() };
    let float = |name| -> PyResult<f64> { told.getattr(name)?.extract() };
    let shape = match text("shape")?.as_str() {
        "text" => Shape::Text { least: count("least")?, most: count("most")? },
        "tag" => Shape::Tag { most: count("most")? },
        "int" => Shape::Int { least: int("least")?, most: int("most")? },
        "float" => Shape::Float { least: float("least")?, most: float("most")? },
        "bool" => Shape::Bool,
        "texts" => Shape::Texts { items: count("items")?, most: count("most")? },
        _ => return Err(PyValueError::new_err("no such shape")),
    };
    let keep = match text("keep")?.as_str() {
        "" => Keep::Nothing,
        "int" => Keep::Int(int("absent")?),
        "float" => Keep::Float,
        "flag" => Keep::Flag,
        "number" => Keep::Number,
        "digest" => Keep::Digest,
        "text" => Keep::Text,
        _ => return Err(PyValueError::new_err("no such column")),
    };
    let needed = told.getattr("needed")?.extract()?;
    Ok(Field { name: text("name")?, shape, needed, keep })
}

/// Messages into columns, without the GIL: see `streams/_hot.pyi`.
#[pyfunction]
fn scan<'py>(
    py: Python<'py>,
    messages: &Bound<'py, PyList>,
    layout: &Bound<'py, Layout>,
    topic: &str,
    letters: &[u8],
) -> PyResult<Bound<'py, PyDict>> {
    let held: Vec<_> = messages.iter().map(|one| one.cast_into::<PyBytes>().ok()).collect();
    let bytes: Vec<_> = held.iter().map(|one| one.as_ref().map(|one| one.as_bytes())).collect();
    let tables = &layout.get().0;
    let mut users = Users { letters: [false; 256] };
    letters.iter().for_each(|letter| users.letters[*letter as usize] = true);
    let found = py.detach(|| columns(&bytes, tables, topic.as_bytes(), &users));

    let told = PyDict::new(py);
    told.set_item("taken", found.taken.into_pyarray(py))?;
    told.set_item("left", found.left.into_pyarray(py))?;
    told.set_item("at", found.at.into_pyarray(py))?;
    told.set_item("identities", found.identities.into_pyarray(py))?;
    told.set_item("users", found.users.into_pyarray(py))?;
    told.set_item("murmurs", found.murmurs.into_pyarray(py))?;
    let near: PyResult<Vec<_>> =
        found.near.iter().map(|(row, user)| Ok((*row, string(py, user)?))).collect();
    told.set_item("near", near?)?;
    let fields = PyDict::new(py);
    for (number, column) in found.of {
        fields.set_item(&tables.fields[number].name, python_column(py, column)?)?;
    }
    told.set_item("fields", fields)?;
    Ok(told)
}

/// A column, which becomes an array of Python's without a copy.
fn python_column(py: Python<'_>, column: Column) -> PyResult<Bound<'_, PyAny>> {
    Ok(match column {
        Column::Ints(values) => values.into_pyarray(py).into_any(),
        Column::Floats(values) => values.into_pyarray(py).into_any(),
        Column::Flags(values) | Column::Digests(values) => values.into_pyarray(py).into_any(),
        Column::Numbers(numbering) => {
            let numbers = PyArray1::from_slice(py, numbering.numbers());
            let values: PyResult<Vec<_>> =
                numbering.values().map(|one| python_value(py, one)).collect();
            (numbers, values?).into_pyobject(py)?.into_any()
        }
        Column::Texts(texts) => {
            let texts: PyResult<Vec<_>> =
                texts.iter().map(|text| text.map(|text| string(py, text)).transpose()).collect();
            texts?.into_pyobject(py)?
        }
    })
}

fn python_value<'py>(py: Python<'py>, value: Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Absent => py.None().into_bound(py),
        Value::Text(text) => string(py, text)?.into_any(),
        Value::Int(number) => number.into_pyobject(py)?.into_any(),
        Value::Bool(is) => is.into_pyobject(py)?.to_owned().into_any(),
    })
}

fn string<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyString>> {
    PyString::from_bytes(py, text) // checks that it is UTF-8, which it is
}

/// The checksum of some of these bytes, without the GIL.
#[pyfunction]
fn crc32c(py: Python<'_>, data: &Bound<'_, PyBytes>, begin: usize, end: usize) -> PyResult<u32> {
    let some = data.as_bytes().get(begin..end).ok_or(PyValueError::new_err("beyond the end"))?;
    Ok(py.detach(|| ::crc32c::crc32c(some)))
}

type Texts<'py> = Bound<'py, PyList>;
type Numbers<'py> = Bound<'py, PyArray1<i64>>;

/// Values, keys, offsets and times of the records of a batch: see `streams/_hot.pyi`.
#[pyfunction]
fn records<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    count: usize,
    base_offset: i64,
    first_stamp: i64,
    with_keys: bool,
) -> PyResult<(Texts<'py>, Texts<'py>, Numbers<'py>, Numbers<'py>)> {
    let bytes = data.as_bytes();
    let batch = Batch { count, base_offset, first_stamp };
    let found = py.detach(|| read(bytes, &batch)).map_err(PyValueError::new_err)?;
    let texts = |places: &[Option<std::ops::Range<usize>>]| {
        let texts = places.iter().map(|one| one.clone().map(|one| PyBytes::new(py, &bytes[one])));
        PyList::new(py, texts)
    };
    let keys = if with_keys { texts(&found.keys)? } else { PyList::empty(py) };
    let values = texts(&found.values)?;
    Ok((values, keys, found.offsets.into_pyarray(py), found.stamps.into_pyarray(py)))
}

type Words<'py> = PyReadonlyArray1<'py, u64>;
type Slots<'py> = PyReadonlyArray1<'py, i32>;

/// Words one after the other; those of a column of a matrix are copied.
fn in_a_row<'a>(words: &'a Words<'_>) -> Cow<'a, [u64]> {
    words.as_slice().map_or_else(|_| words.as_array().iter().copied().collect(), Cow::Borrowed)
}

/// The rows of keys: see `streams.core.arrays.probing`, also of the next two.
#[pyfunction]
fn find_rows<'py>(
    py: Python<'py>,
    keys_lo: Words<'py>,
    keys_hi: Words<'py>,
    slots: Slots<'py>,
    lo: Words<'py>,
    hi: Words<'py>,
) -> PyResult<Numbers<'py>> {
    let rows = Keys { lo: keys_lo.as_slice()?, hi: keys_hi.as_slice()? };
    let (lo, hi, slots) = (in_a_row(&lo), in_a_row(&hi), slots.as_slice()?);
    let found = py.detach(|| probing::find(rows, slots, Keys { lo: &lo, hi: &hi }));
    Ok(found.map_err(PyValueError::new_err)?.into_pyarray(py))
}

#[pyfunction]
fn add_rows<'py>(
    py: Python<'py>,
    mut keys_lo: PyReadwriteArray1<'py, u64>,
    mut keys_hi: PyReadwriteArray1<'py, u64>,
    mut slots: PyReadwriteArray1<'py, i32>,
    count: usize,
    lo: Words<'py>,
    hi: Words<'py>,
) -> PyResult<(Numbers<'py>, Bound<'py, PyArray1<bool>>)> {
    let rows = (keys_lo.as_slice_mut()?, keys_hi.as_slice_mut()?);
    let (lo, hi, slots) = (in_a_row(&lo), in_a_row(&hi), slots.as_slice_mut()?);
    let added = py.detach(|| probing::add(rows, slots, count, Keys { lo: &lo, hi: &hi }));
    let (found, is_new) = added.map_err(PyValueError::new_err)?;
    Ok((found.into_pyarray(py), is_new.into_pyarray(py)))
}

#[pyfunction]
fn fill_slots<'py>(
    py: Python<'py>,
    keys_lo: Words<'py>,
    keys_hi: Words<'py>,
    mut slots: PyReadwriteArray1<'py, i32>,
) -> PyResult<()> {
    let rows = Keys { lo: keys_lo.as_slice()?, hi: keys_hi.as_slice()? };
    let slots = slots.as_slice_mut()?;
    py.detach(|| probing::fill(rows, slots)).map_err(PyValueError::new_err)
}

/// Compiled kernels of the hot path.
#[pymodule]
mod _hot {
    #[pymodule_export]
    use super::{Layout, add_rows, crc32c, fill_slots, find_rows, layout, records, scan};

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const version: &str = env!("CARGO_PKG_VERSION");
}
