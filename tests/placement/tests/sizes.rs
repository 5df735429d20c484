//! The size of small firmware with framepool's heap as the global allocator, beside that with other allocators: within
//! bounds. Prints its tables even if it passes.

use std::path::Path;
use std::process::ExitCode;

use placement::image::Image;
use placement::sizes::{self, LEN, Room, Sizes, TARGET};
use placement::{cargo, qemu};

/// The profiles, and framepool's maximum bytes of code: the present numbers, with the compiler that `rust-toolchain.toml`
/// pins.
const CODE: [(&str, u64); 3] = [("release", 4042), ("small", 3174), ("smallest", 3068)];

/// framepool's maximum bytes of RAM beyond the heap's memory.
const BEYOND: u64 = 0;
/// The least that framepool's largest object has of the heap's memory, and the least number of objects of 24 bytes.
const ROOM: Room = Room {
    largest: 65204,
    small: 2037,
};

/// The programs. The first ones do not have a heap.
const PROGRAMS: [&str; 7] = [
    "nothing",
    "bump",
    "framepool",
    "talc",
    "rlsf",
    "embedded_alloc_llff",
    "embedded_alloc_tlsf",
];
const BUMP: usize = 1;
const FRAMEPOOL: usize = 2;
const TALC: usize = 3;

fn main() -> ExitCode {
    if std::env::var_os("FRAMEPOOL_SKIP_PLACEMENT").is_some() {
        println!("SKIPPED sizes: FRAMEPOOL_SKIP_PLACEMENT is set");
        return ExitCode::SUCCESS;
    }
    if !cargo::target_is_installed(TARGET) {
        println!("SKIPPED sizes: run `rustup target add {TARGET}`");
        return ExitCode::SUCCESS;
    }
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sizes");
    let mut failed = false;
    for (profile, bound) in CODE {
        failed |= code(profile, bound, &target_dir);
    }
    if qemu::is_installed() {
        failed |= room(&target_dir);
    } else {
        println!("SKIPPED what can be allocated: no qemu-system-arm");
    }
    match failed {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    }
}

/// The sizes of the images of one profile. Returns whether a bound is exceeded.
fn code(profile: &str, bound: u64, target_dir: &Path) -> bool {
    let images = sizes::build(profile, false, target_dir);
    let images = PROGRAMS.map(|program| Image::read(&images.join(program)));
    let all = images.each_ref().map(Sizes::of);
    println!("\nbytes, {profile:13} code  beyond `bump`   .data  RAM beyond the heap's {LEN}");
    for (program, sizes) in PROGRAMS.iter().zip(all) {
        let heap = sizes.code as i64 - all[BUMP].code as i64;
        let (code, data, beyond) = (sizes.code, sizes.data, sizes.beyond());
        println!("{program:20} {code:>6} {heap:>14} {data:>7} {beyond:>8}");
    }
    let (ours, talc) = (all[FRAMEPOOL], all[TALC]);
    println!(
        "framepool: {} of at most {bound} bytes of code; the goal is talc's {}",
        ours.code, talc.code
    );
    print_largest(&images[FRAMEPOOL]);
    let mut failed = false;
    for (what, bytes, bound) in [("code", ours.code, bound), ("RAM", ours.beyond(), BEYOND)] {
        if bytes > bound {
            println!("FAILED: framepool has {bytes} bytes of {what}, bound {bound}");
            failed = true;
        }
    }
    failed
}

/// Prints the largest functions of an image.
fn print_largest(image: &Image) {
    let mut functions: Vec<_> = image.functions().map(|f| (f.size, &*f.name)).collect();
    functions.sort_unstable_by(|a, b| b.cmp(a));
    let largest = functions.iter().take(12).map(|(size, name)| {
        let name = name.rsplit("::").next().unwrap_or(name);
        format!(" {name} {size}")
    });
    println!("its functions:{}", largest.collect::<String>());
}

/// What can be allocated. Returns whether it is less than the bounds.
fn room(target_dir: &Path) -> bool {
    let programs = sizes::build("release", true, target_dir);
    println!("\nof {LEN} bytes        largest object  its share  objects of 24 bytes");
    let mut failed = false;
    for (i, program) in PROGRAMS.iter().enumerate().skip(BUMP + 1) {
        let room = sizes::room(&programs.join(program));
        let share = 100.0 * room.largest as f64 / LEN as f64;
        println!(
            "{program:20} {:>16} {share:>9.2}% {:>20}",
            room.largest, room.small
        );
        if i == FRAMEPOOL && (room.largest < ROOM.largest || room.small < ROOM.small) {
            println!("FAILED: at least {ROOM:?}");
            failed = true;
        }
    }
    failed
}
