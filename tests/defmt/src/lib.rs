//! The texts of framepool's types in a `defmt` log: see `tests`.
