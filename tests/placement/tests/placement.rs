//! The place of a static pool in a linked image, the absence of panics, and the number of instructions of
//! the hot operations. Prints its tables even if it passes.

use std::path::Path;
use std::process::ExitCode;

use placement::checks;
use placement::code::{Body, Way};
use placement::firmware::Build;
use placement::image::Image;

/// Set this variable if the targets are not available.
const SKIP: &str = "FRAMEPOOL_SKIP_PLACEMENT";

/// The targets, in the order of the columns of [`COUNTS`].
const TARGETS: [(&str, &str); 3] = [
    ("thumbv7m-none-eabi", ""),
    ("thumbv6m-none-eabi", "critical-section"),
    ("x86_64-unknown-none", ""),
];

/// The maximum size of `.text` in bytes, optimised for speed and for size: all probes and all that they reach,
/// with `memcpy` and `memmove` of the target's runtime.
const TEXT: [(u64, u64); 3] = [(12254, 9088), (11554, 9006), (9791, 7263)];

/// The maximum number of instructions of a probe, optimised for speed.
#[derive(Clone, Copy)]
struct Bound {
    /// On the shortest path that calls nothing of framepool; 0 if that is not the usual path, or if there is none.
    fast: usize,
    /// In the whole function.
    whole: usize,
}

const fn most(fast: usize, whole: usize) -> Bound {
    Bound { fast, whole }
}

/// The bound is the present number, with the compiler that `rust-toolchain.toml` pins, so that every change of
/// a count is seen.
#[rustfmt::skip]
const COUNTS: [(&str, [Bound; 3]); 16] = [
    //                     thumbv7m       thumbv6m        x86_64
    ("cache_alloc",       [most(16,  31), most(21,  37), most(11,  22)]),
    ("cache_free",        [most(17,  27), most(22,  32), most(21,  28)]),
    ("cache_alloc_burst", [most(33,  54), most(37,  57), most(47,  67)]),
    ("cache_free_burst",  [most(31,  44), most(46,  65), most(41,  64)]),
    ("pool_alloc",        [most(53,  83), most(48, 128), most(43,  86)]),
    ("static_alloc",      [most(52,  91), most(36, 125), most(31,  51)]),
    ("block_drop",        [most(33,  75), most(45,  73), most(25,  28)]),
    ("pool_alloc_burst",  [most( 0,  84), most( 0,  79), most( 0,  73)]),
    ("burst_drop",        [most( 0, 130), most( 0, 114), most( 0,  54)]),
    ("cycles_now",        [most( 7,   7), most( 6,   6), most( 4,   4)]),
    ("timer_now",         [most( 6,   6), most( 6,   6), most( 3,   3)]),
    ("widened_now",       [most(16,  19), most(17,  20), most(15,  17)]),
    ("scale_ns",          [most(50,  50), most( 0, 108), most(11,  13)]),
    ("histogram_record",  [most(31,  38), most( 0,  51), most(12,  17)]),
    ("recorder_record",   [most(25,  31), most( 0,  45), most(17,  19)]),
    ("channel_record",    [most( 0, 146), most( 0, 228), most( 0,  94)]),
];

/// The same for the ring, with values of four bytes.
#[rustfmt::skip]
const RING_COUNTS: [(&str, [Bound; 3]); 10] = [
    //                     thumbv7m       thumbv6m        x86_64
    ("ring_push",         [most(15,  36), most(17,  51), most(16,  39)]),
    ("ring_pop",          [most(16,  40), most(19,  51), most(14,  33)]),
    ("ring_push_slice",   [most(28,  53), most(33,  64), most(50, 185)]),
    ("ring_pop_slice",    [most(28,  55), most(35,  70), most(41,  73)]),
    ("ring_push_array",   [most(29,  60), most(32,  78), most(38,  67)]),
    ("ring_pop_array",    [most(33,  68), most(39,  93), most(40,  73)]),
    ("ring_reserve",      [most(20,  42), most(24,  59), most(20,  37)]),
    ("ring_peek",         [most(23,  55), most(25,  72), most(23,  62)]),
    // An end is taken, used and put back; putting back is a function of its own.
    ("ring_producer",     [most( 0,  63), most( 0,  78), most( 0,  50)]),
    ("ring_consumer",     [most( 0,  66), most( 0,  90), most( 0,  59)]),
];

/// The same for packets.
#[rustfmt::skip]
const PACKET_COUNTS: [(&str, [Bound; 3]); 8] = [
    //                     thumbv7m       thumbv6m        x86_64
    ("packet_alloc",       [most(31,  45), most(38,  52), most(24,  35)]),
    ("packet_free",        [most(28, 123), most( 0,  6), most(29,  78)]),
    ("packet_alloc_burst", [most( 0,  77), most( 0,  98), most( 0, 108)]),
    ("packet_drain_burst", [most( 0,  62), most( 0,  81), most( 0,  67)]),
    ("packet_alloc_raw",   [most(36,  57), most(41,  61), most(49,  69)]),
    ("packet_prepend",     [most(17,  38), most(19,  43), most(18,  44)]),
    ("packet_append",      [most(17,  37), most(19,  42), most(18,  43)]),
    ("packet_receive",     [most( 0, 844), most( 0, 1005), most( 0, 495)]),
];

/// The errors found so far.
#[derive(Default)]
struct Report {
    wrong: Vec<String>,
    /// Bounds that differ from the present number.
    loose: Vec<String>,
}

impl Report {
    fn add(&mut self, subject: &str, findings: impl IntoIterator<Item = String>) {
        let findings = findings.into_iter().map(|f| format!("{subject}: {f}"));
        self.wrong.extend(findings);
    }

    /// Compares a number with its bound, and returns both in the form of the tables.
    fn judge(&mut self, subject: &str, count: u64, most: u64) -> String {
        if count > most {
            self.wrong.push(format!("{subject}: {count}, bound {most}"));
        } else if count < most {
            self.loose.push(format!("{subject}: {count}, bound {most}"));
        }
        format!("{count}/{most}")
    }

    fn conclude(self) -> ExitCode {
        for bound in &self.loose {
            println!("!!! BELOW ITS BOUND, TIGHTEN IT: {bound}");
        }
        for finding in &self.wrong {
            println!("FAILED: {finding}");
        }
        match self.wrong.len() {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}

fn main() -> ExitCode {
    if std::env::var_os(SKIP).is_some() {
        println!("SKIPPED placement: {SKIP} is set");
        return ExitCode::SUCCESS;
    }
    let mut report = Report::default();
    report.add("missing", missing_targets());
    if report.wrong.is_empty() {
        check_images(&mut report);
        check_the_rest(&mut report);
        check_the_checks(&mut report);
        check_counts(&mut report, "", &COUNTS);
        check_the_ring(&mut report);
        check_counts(&mut report, ",ring", &RING_COUNTS);
        check_the_packets(&mut report);
        check_counts(&mut report, ",packet", &PACKET_COUNTS);
    }
    report.conclude()
}

fn missing_targets() -> Vec<String> {
    let missing = |target: &str| {
        format!(
            "target {target}: run `rustup target add {target}`, or set {SKIP} to skip this test"
        )
    };
    let all = builds("release").into_iter();
    all.filter(|build| !build.target_is_installed())
        .map(|build| missing(build.target))
        .collect()
}

fn builds(profile: &'static str) -> [Build; 3] {
    TARGETS.map(|(target, features)| Build {
        target,
        profile,
        features: features.to_owned(),
    })
}

fn image(build: &Build) -> Image {
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    Image::read(&build.run(&target_dir))
}

/// Sections, panic paths and size of all images.
fn check_images(report: &mut Report) {
    println!("bytes              .text/bound   .data    .bss  .rodata");
    for profile in ["release", "small"] {
        for (build, text) in builds(profile).iter().zip(TEXT) {
            let (image, name) = (image(build), build.name());
            report.add(&name, checks::sections(&image));
            report.add(&name, checks::no_panic_code(&image));
            report.add(&name, checks::no_panic_path(&image));
            let most = if profile == "small" { text.1 } else { text.0 };
            let text = report.judge(&format!("{name} .text"), image.size_of(".text"), most);
            let [data, bss, rodata] = [".data", ".bss", ".rodata"].map(|s| image.size_of(s));
            println!("{name:18} {text:>11} {data:>7} {bss:>7} {rodata:>8}");
        }
    }
}

/// The rest of the interface cannot panic either, and adds no data. Jump tables are allowed here: without panic
/// code none of them leads to it.
fn check_the_rest(report: &mut Report) {
    for profile in ["release", "small"] {
        for mut build in builds(profile) {
            build.features += ",rest";
            let (image, name) = (image(&build), format!("rest {}", build.name()));
            report.add(&name, checks::sections(&image));
            let code = checks::no_panic_code(&image);
            if !code.is_empty() {
                report.add(&name, code);
                report.add(&name, checks::no_panic_path(&image));
            }
        }
    }
}

/// The ring cannot panic either, though its ends call the user's wakers when dropped: no panic code is in the image.
fn check_the_ring(report: &mut Report) {
    for profile in ["release", "small"] {
        for mut build in builds(profile) {
            build.features += ",ring";
            let (image, name) = (image(&build), format!("ring {}", build.name()));
            report.add(&name, checks::only_bss(&image, "firmware::ring::RING"));
            report.add(&name, checks::no_panic_code(&image));
        }
    }
}

/// Packets cannot panic either. Prints the size of the images: all probes, those of the pool included.
fn check_the_packets(report: &mut Report) {
    println!("\npackets            .text    .data    .bss  .rodata");
    for profile in ["release", "small"] {
        for mut build in builds(profile) {
            build.features += ",packet";
            let (image, name) = (image(&build), format!("packet {}", build.name()));
            let memory = "firmware::packet::PACKETS::__FRAMEPOOL_MEMORY";
            report.add(&name, checks::only_bss(&image, memory));
            report.add(&name, checks::no_panic_code(&image));
            let [text, data, bss, rodata] =
                [".text", ".data", ".bss", ".rodata"].map(|s| image.size_of(s));
            println!("{name:24} {text:>7} {data:>7} {bss:>7} {rodata:>8}");
        }
    }
}

/// In firmware with a panic path and an initialised static the checks find both, and report no other path.
fn check_the_checks(report: &mut Report) {
    for mut build in builds("release") {
        build.features += ",control";
        let (image, name) = (image(&build), format!("control {}", build.name()));
        let paths = checks::no_panic_path(&image);
        let found = |probe| paths.iter().any(|path| path.starts_with(probe));
        report.add(
            &name,
            found("control_data").then(|| "a path in vain".into()),
        );
        for (what, found) in [
            ("the panic path", found("control_panics >")),
            ("the panic code", !checks::no_panic_code(&image).is_empty()),
            ("the data", !checks::sections(&image).is_empty()),
        ] {
            report.add(&name, (!found).then(|| format!("{what} was not found")));
        }
    }
}

/// The instructions of the probes of one image.
fn check_counts(report: &mut Report, features: &str, counts: &[(&str, [Bound; 3])]) {
    let images = builds("release").map(|mut build| {
        build.features += features;
        (build.name(), image(&build))
    });
    println!("\ninstructions: fast path/bound (+ calls of the runtime), whole function/bound");
    let names = images.each_ref().map(|(name, _)| format!("{name:>26}"));
    println!("{:18}{}", "", names.concat());
    for &(probe, bounds) in counts {
        let cells = images.iter().zip(bounds).map(|((name, image), bound)| {
            let cell = count(report, &format!("{name} {probe}"), image, probe, bound);
            format!("{cell:>26}")
        });
        println!("{probe:18}{}", cells.collect::<String>());
    }
}

fn count(report: &mut Report, subject: &str, image: &Image, probe: &str, most: Bound) -> String {
    let Some(function) = image.function(probe) else {
        report.add(subject, ["there is no such function".into()]);
        return "?".into();
    };
    let body = Body::of(image, function);
    let whole = report.judge(subject, body.instructions() as u64, most.whole as u64);
    if most.fast == 0 {
        return format!("- {whole:>8}");
    }
    let Some(Way {
        instructions,
        calls,
    }) = body.shortest_way(|callee| is_runtime(image, callee))
    else {
        report.add(subject, ["has no way without a call".into()]);
        return "?".into();
    };
    let fast = report.judge(subject, instructions as u64, most.fast as u64);
    let calls = if calls > 0 {
        format!("+{calls}")
    } else {
        String::new()
    };
    format!("{fast}{calls} {whole:>8}")
}

/// Whether a function is of the target's runtime: fast paths may call it to copy, and on thumbv6m to count leading
/// zeros.
fn is_runtime(image: &Image, address: u64) -> bool {
    let runtime = [
        "memcpy",
        "memmove",
        "__aeabi_mem",
        "compiler_builtins::mem",
        "__clzsi2",
    ];
    let function = image.function_at(address);
    function.is_some_and(|f| runtime.iter().any(|name| f.name.starts_with(name)))
}
