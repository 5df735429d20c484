//! Looks at framepool where its promises come true or do not: in a linked image.
//!
//! | module | what |
//! |---|---|
//! | [`firmware`] | builds an image for a target |
//! | [`image`] | its sections and symbols |
//! | [`code`] | what a function is made of, what it reaches, its shortest way through |
//! | [`thumb`], [`x86`] | one instruction: its length, and where it goes |
//! | [`checks`] | what must be true of an image |
//! | [`callgrind`] | instructions executed, for the hosted build |

pub mod callgrind;
mod cargo;
pub mod checks;
pub mod code;
pub mod firmware;
pub mod image;
pub mod thumb;
pub mod x86;

/// What a check found wrong, as sentences.
pub type Findings = Vec<String>;
