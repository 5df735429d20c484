//! Checks framepool's promises in a linked image.
//!
//! | module | what |
//! |---|---|
//! | [`firmware`] | builds an image for a target |
//! | [`image`] | its sections and symbols |
//! | [`code`] | the instructions of a function, the functions that it reaches, its shortest path |
//! | [`thumb`], [`x86`] | one instruction: its length, and its successors |
//! | [`checks`] | what must be true of an image |
//! | [`callgrind`] | executed instructions of the hosted build |

pub mod callgrind;
mod cargo;
pub mod checks;
pub mod code;
pub mod firmware;
pub mod image;
pub mod thumb;
pub mod x86;

/// The errors that a check found, as sentences.
pub type Findings = Vec<String>;
