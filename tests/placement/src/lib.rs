//! Checks framepool's promises about placement and code in a linked image.
//!
//! | module | what |
//! |---|---|
//! | [`firmware`] | builds an image for a target |
//! | [`image`] | its sections and symbols |
//! | [`code`] | the instructions of a function, the functions it reaches, its shortest path |
//! | [`thumb`], [`x86`] | one instruction: its length and its successor |
//! | [`checks`] | the checks of an image |
//! | [`callgrind`] | the instructions that the hosted build executes |

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
