//! Any sequence of operations, against a model that knows every byte.

use proptest::prelude::*;

use crate::classes::{Memory, assert_all_free};
use crate::direct::allocator;
use framepool::Pool;

#[derive(Debug, Clone)]
enum Op {
    Alloc { size: usize, align: usize },
    Zeroed { size: usize },
    Resize { which: usize, size: usize },
    Free { which: usize },
    Flush,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        5 => (1_usize..300, 0_u32..9).prop_map(|(size, log2)| Op::Alloc { size, align: 1_usize << log2 }),
        1 => (1_usize..300).prop_map(|size| Op::Zeroed { size }),
        2 => (any::<usize>(), 1_usize..300).prop_map(|(which, size)| Op::Resize { which, size }),
        4 => any::<usize>().prop_map(|which| Op::Free { which }),
        1 => Just(Op::Flush),
    ];
    proptest::collection::vec(op, 0..if cfg!(miri) { 20 } else { 200 })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_byte_stays_until_it_is_freed(ops in ops()) {
        // One allocator for all cases of a run: what one case left behind, the next one finds.
        allocator!(ALL: LARGE [200; 24] SMALL [24; 24] MEDIUM [72; 24]);
        let pools = [&SMALL, &MEDIUM, &LARGE].map(|pool: &'static Pool<'static>| pool);
        let mut live: Vec<(Memory<'_>, u8)> = Vec::new();
        for (byte, op) in (1..=250).cycle().zip(ops) {
            match op {
                Op::Alloc { size, align } => {
                    let mut memory = Memory::of(&ALL, size, align).unwrap();
                    memory.fill(byte);
                    live.push((memory, byte));
                }
                Op::Zeroed { size } => {
                    let mut memory = Memory::zeroed(&ALL, size, 8).unwrap();
                    prop_assert!(memory.is_full_of(0, size));
                    memory.fill(byte);
                    live.push((memory, byte));
                }
                Op::Resize { which, size } if !live.is_empty() => {
                    let which = which % live.len();
                    let (memory, old) = &mut live[which];
                    let kept = memory.size().min(size);
                    prop_assert!(memory.resize(size));
                    prop_assert!(memory.is_full_of(*old, kept));
                    memory.fill(byte);
                    *old = byte;
                }
                Op::Free { which } if !live.is_empty() => {
                    let (memory, byte) = live.swap_remove(which % live.len());
                    prop_assert!(memory.is_full_of(byte, memory.size()));
                }
                Op::Flush => ALL.flush(),
                _ => {}
            }
        }
        prop_assert!(live.iter().all(|(memory, byte)| memory.is_full_of(*byte, memory.size())));
        let held = |i: usize| live.iter().filter(|(memory, _)| memory.place(&pools) == Some(i)).count();
        ALL.flush();
        for (i, pool) in pools.iter().enumerate() {
            prop_assert_eq!(pool.stats().in_use as usize, held(i));
        }
        drop(live);
        ALL.flush();
        assert_all_free(&pools);
    }
}
