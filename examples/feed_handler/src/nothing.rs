//! The example is in `main.rs`; a package needs a target besides.
