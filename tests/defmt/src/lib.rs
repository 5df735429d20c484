//! Empty. The tests show framepool's types in a `defmt` log: see `tests/rendered.rs` and `tests/time.rs`.
