//! Checks of an image. Each returns the errors that it found.

use crate::Findings;
use crate::code::Reach;
use crate::image::{Encoding, Image, Symbol};

/// The start of RAM, as in the linker script.
const RAM: u64 = 0x2000_0000;

/// The size of the blocks of the firmware's pool, with a link and a magazine entry for each.
const BLOCKS_AND_WORDS: u64 = 64 * (1536 + 4 + 4);

/// Blocks and metadata of the static pool fill `.bss`, and `.bss` is all of RAM; the pool's descriptor is
/// read-only.
pub fn sections(image: &Image) -> Findings {
    let mut findings = Findings::new();
    for section in &image.sections {
        if section.address >= RAM && section.name != ".bss" && section.size > 0 {
            let (name, size) = (&section.name, section.size);
            findings.push(format!("{name} is in RAM, with {size} bytes"));
        }
    }
    let memory = variable(image, "firmware::RX::__FRAMEPOOL_MEMORY", &mut findings);
    if let Some(memory) = memory {
        findings.extend(must_be_in(memory, ".bss"));
        let bss = image.size_of(".bss");
        if memory.size < BLOCKS_AND_WORDS || memory.size != bss {
            let size = memory.size;
            findings.push(format!("the pool has {size} of {bss} bytes in .bss"));
        }
    }
    if let Some(descriptor) = variable(image, "firmware::RX", &mut findings) {
        findings.extend(must_be_in(descriptor, ".rodata"));
        let most = match image.encoding {
            Encoding::Thumb => 24,
            Encoding::X86 => 32,
        };
        if descriptor.size > most {
            let size = descriptor.size;
            findings.push(format!("the descriptor has {size} bytes instead of {most}"));
        }
    }
    findings
}

/// A static lies in `.bss`, and nothing but `.bss` is in RAM.
pub fn only_bss(image: &Image, name: &str) -> Findings {
    let mut findings = Findings::new();
    if let Some(memory) = variable(image, name, &mut findings) {
        findings.extend(must_be_in(memory, ".bss"));
    }
    let data = image.size_of(".data");
    findings.extend((data > 0).then(|| format!("there are {data} bytes of .data")));
    findings
}

fn variable<'a>(image: &'a Image, name: &str, findings: &mut Findings) -> Option<&'a Symbol> {
    let found = image.variable(name);
    if found.is_none() {
        findings.push(format!("there is no static {name}"));
    }
    found
}

fn must_be_in(symbol: &Symbol, section: &str) -> Option<String> {
    let (name, found) = (&symbol.name, &symbol.section);
    (found != section).then(|| format!("{name} is in {found} instead of {section}"))
}

/// The image contains no panic code: neither `core`'s nor the handler.
pub fn no_panic_code(image: &Image) -> Findings {
    let all = image.functions().filter(|f| panics(&f.name));
    all.map(|f| format!("{} is in the image", f.name)).collect()
}

/// No probe reaches a function that panics, an instruction that traps, or a call through a register, which
/// could lead anywhere. The user's wakers and callback are excepted.
pub fn no_panic_path(image: &Image) -> Findings {
    let probes = image.probes().collect::<Vec<_>>();
    match probes.len() {
        0 => vec!["there are no probes".into()],
        _ => probes
            .iter()
            .filter_map(|probe| panic_path(image, probe))
            .collect(),
    }
}

/// Whether a function is one of the two that call the user's code.
fn calls_users(name: &str) -> bool {
    let is = |module, function| name.contains(module) && name.ends_with(function);
    is("framepool::pool::waiting", "::wake_all") || is("framepool::pool::low_water", "::note_low")
}

/// The worst and then the shortest path from a function to something that [`no_panic_path`] forbids.
fn panic_path(image: &Image, root: &Symbol) -> Option<String> {
    let reach = Reach::of(image, root);
    let wrong = reach.functions().filter_map(|(name, body)| {
        let (rank, why) = match () {
            () if panics(name) => (0, "panics"),
            () if body.is_indirect() && !calls_users(name) => (1, "goes where a register says"),
            // The compiler puts traps after calls that do not return, so the calls come first.
            () if body.traps() => (2, "traps"),
            () => return None,
        };
        Some((rank, reach.chain_to(name), why))
    });
    let worst = wrong.min_by_key(|(rank, chain, _)| (*rank, chain.len()));
    worst.map(|(_, chain, why)| format!("{chain} {why}"))
}

/// The panicking functions of `core`, and the firmware's handler.
fn panics(function: &str) -> bool {
    function.contains("panicking") || function == "placement_panicked"
}
