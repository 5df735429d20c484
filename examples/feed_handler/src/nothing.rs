//! Empty. The example is in `main.rs`, but a package needs a library or a program.
