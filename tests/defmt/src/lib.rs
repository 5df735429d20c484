//! What framepool's types become in a `defmt` log: see `tests/rendered.rs` and `tests/time.rs`.
