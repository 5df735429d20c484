//! A linked image: sections, symbols, bytes.

use std::collections::BTreeMap;
use std::path::Path;

use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};

/// The encoding of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Thumb and Thumb-2.
    Thumb,
    /// x86-64.
    X86,
}

/// A section that takes memory when the image runs.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its name in the linker script.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// The first byte.
    pub address: u64,
    bytes: Vec<u8>,
}

/// A function or a static.
#[derive(Debug, Clone)]
pub struct Symbol {
    /// Its name in the source, without the hash.
    pub name: String,
    /// The first byte, or instruction.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// The section that it lies in.
    pub section: String,
}

/// The parts of an ELF file that the checks need.
#[derive(Debug)]
pub struct Image {
    /// The encoding of its functions.
    pub encoding: Encoding,
    /// The sections that take memory.
    pub sections: Vec<Section>,
    functions: BTreeMap<u64, Symbol>,
    statics: Vec<Symbol>,
}

impl Image {
    /// Reads a file.
    ///
    /// # Panics
    /// If it is not an ELF file for one of the two architectures.
    pub fn read(path: &Path) -> Self {
        let data = std::fs::read(path).expect("the image is there");
        let file = object::File::parse(&*data).expect("the image is an ELF file");
        let encoding = match file.architecture() {
            Architecture::Arm => Encoding::Thumb,
            Architecture::X86_64 => Encoding::X86,
            other => panic!("no decoder for {other:?}"),
        };
        let sections: Vec<_> = file.sections().filter_map(|s| allocated(&s)).collect();
        let symbols = |kind| {
            let all = file.symbols().filter(move |s| s.kind() == kind);
            all.filter_map(|s| placed(&s, encoding, &sections))
        };
        Self {
            encoding,
            functions: symbols(SymbolKind::Text).map(|s| (s.address, s)).collect(),
            statics: symbols(SymbolKind::Data).collect(),
            sections,
        }
    }

    /// The size of the section of this name in bytes; 0 if there is none.
    pub fn size_of(&self, section: &str) -> u64 {
        let named = self.sections.iter().filter(|s| s.name == section);
        named.map(|s| s.size).sum()
    }

    /// The static of exactly this name.
    pub fn variable(&self, name: &str) -> Option<&Symbol> {
        self.statics.iter().find(|s| s.name == name)
    }

    /// All functions, by address.
    pub fn functions(&self) -> impl Iterator<Item = &Symbol> {
        self.functions.values()
    }

    /// The function of exactly this name.
    pub fn function(&self, name: &str) -> Option<&Symbol> {
        self.functions().find(|s| s.name == name)
    }

    /// The functions in the table of probes.
    pub fn probes(&self) -> impl Iterator<Item = &Symbol> {
        let tables = self.sections.iter().filter(|s| s.name == ".probes");
        tables
            .flat_map(|table| match self.encoding {
                Encoding::Thumb => addresses::<4>(&table.bytes, 1),
                Encoding::X86 => addresses::<8>(&table.bytes, 0),
            })
            .filter_map(|address| self.function_at(address))
    }

    /// The function with the instruction at `address`.
    pub fn function_at(&self, address: u64) -> Option<&Symbol> {
        let (_, symbol) = self.functions.range(..=address).next_back()?;
        (address - symbol.address < symbol.size).then_some(symbol)
    }

    /// The 64-bit word at `address`.
    pub fn word_at(&self, address: u64) -> Option<u64> {
        let bytes = self.bytes_at(address)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    /// Whether the bytes at `address` are these.
    pub fn starts_with(&self, address: u64, bytes: [u8; 2]) -> bool {
        let found = self.bytes_at(address);
        found.is_some_and(|found| found.starts_with(&bytes))
    }

    /// The image from `address` to the end of the section.
    pub fn bytes_at(&self, address: u64) -> Option<&[u8]> {
        self.sections.iter().find_map(|section| {
            let offset = address.checked_sub(section.address)?;
            let bytes = section.bytes.get(usize::try_from(offset).ok()?..)?;
            (!bytes.is_empty()).then_some(bytes)
        })
    }
}

/// A table of addresses of `N` bytes, without the bit for the function's encoding.
fn addresses<const N: usize>(table: &[u8], mark: u64) -> Vec<u64> {
    let little_endian = |word: &[u8]| word.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    table
        .chunks_exact(N)
        .map(|word| little_endian(word) & !mark)
        .collect()
}

fn allocated<'a>(section: &impl ObjectSection<'a>) -> Option<Section> {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
        return None;
    };
    (sh_flags.contains(elf::SHF_ALLOC)).then(|| Section {
        name: section.name().unwrap_or_default().to_owned(),
        size: section.size(),
        address: section.address(),
        bytes: section.data().unwrap_or_default().to_owned(),
    })
}

fn placed<'a>(
    symbol: &impl ObjectSymbol<'a>,
    encoding: Encoding,
    sections: &[Section],
) -> Option<Symbol> {
    let address = match encoding {
        // The lowest bit of a function's address means Thumb.
        Encoding::Thumb if symbol.kind() == SymbolKind::Text => symbol.address() & !1,
        _ => symbol.address(),
    };
    let holds = |s: &&Section| s.address <= address && address < s.address + s.size;
    let section = sections.iter().find(holds)?;
    (symbol.size() > 0).then(|| Symbol {
        name: format!(
            "{:#}",
            rustc_demangle::demangle(symbol.name().unwrap_or_default())
        ),
        address,
        size: symbol.size(),
        section: section.name.clone(),
    })
}
