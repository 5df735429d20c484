//! The CPUID leaves about the TSC.

use crate::time::calibrate::{Calibration, Source};

/// The registers of one CPUID leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Leaf {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// The CPUID leaves that state whether the TSC is invariant, and its rate. Leaves that a processor lacks are
/// zeros.
///
/// The fields are public, so that values from another machine can be decoded here. Sources: Intel SDM volume
/// 2A, CPUID, leaves 0x15, 0x16 and 0x80000007; AMD APM volume 3, appendix E; leaf 0x40000010 as VMware
/// proposed it and KVM and bhyve implement it.
///
/// ```
/// use framepool::time::{CpuidLeaves, Leaf, Source};
///
/// // A Xeon of 2.1 GHz: a crystal of 25 MHz times 168 / 2.
/// let leaves = CpuidLeaves {
///     crystal: Leaf { eax: 2, ebx: 168, ecx: 25_000_000, edx: 0 },
///     power: Leaf { edx: 1 << 8, ..Leaf::default() },
///     ..CpuidLeaves::default()
/// };
/// assert!(leaves.is_invariant());
/// let calibration = leaves.calibration().unwrap();
/// assert_eq!(calibration.source, Source::CpuidCrystal);
/// assert_eq!(calibration.scale.hz(), 2_100_000_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CpuidLeaves {
    /// 0x1: features.
    pub features: Leaf,
    /// 0x15: the TSC's ratio to its crystal, and the crystal's Hz.
    pub crystal: Leaf,
    /// 0x16: frequencies in MHz.
    pub frequency: Leaf,
    /// 0x80000007: power management.
    pub power: Leaf,
    /// 0x40000000: the hypervisor's signature.
    pub hypervisor: Leaf,
    /// 0x40000010: the TSC's frequency in kHz.
    pub timing: Leaf,
}

/// The first hypervisor leaf, and the one with the frequency.
const HYPERVISOR: u32 = 0x4000_0000;
const TIMING: u32 = 0x4000_0010;

/// Signatures of hypervisors whose leaf 0x40000010 has the frequency. (Hyper-V's has another meaning.)
const KNOWN: [&[u8; 12]; 3] = [b"VMwareVMware", b"KVMKVMKVM\0\0\0", b"bhyve bhyve "];

impl CpuidLeaves {
    /// Reads the leaves of this processor. A hypervisor may have to emulate the some ten instructions, which
    /// then take a few tens of µs. Under Miri, which has no CPUID, all leaves are zeros.
    #[must_use]
    pub fn read() -> Self {
        if cfg!(miri) {
            return Self::default();
        }
        Self::read_from(leaf)
    }

    fn read_from(leaf: impl Fn(u32) -> Leaf) -> Self {
        let up_to = |first: u32| leaf(first).eax;
        let (basic, extended) = (up_to(0), up_to(0x8000_0000));
        let if_has = |number, last| {
            if number <= last {
                leaf(number)
            } else {
                Leaf::default()
            }
        };
        let features = if_has(1, basic);
        let mut leaves = Self {
            features,
            crystal: if_has(0x15, basic),
            frequency: if_has(0x16, basic),
            power: if_has(0x8000_0007, extended),
            ..Self::default()
        };
        if leaves.is_virtual() {
            leaves.hypervisor = leaf(HYPERVISOR);
            leaves.timing = if_has(TIMING, leaves.hypervisor.eax);
        }
        leaves
    }

    /// Whether the TSC runs at one rate in all power states, as a clock must.
    #[must_use]
    pub const fn is_invariant(&self) -> bool {
        self.power.edx & 1 << 8 != 0
    }

    /// Whether a hypervisor announces itself.
    #[must_use]
    pub const fn is_virtual(&self) -> bool {
        self.features.ecx & 1 << 31 != 0
    }

    /// Returns the TSC's rate if a leaf states it. The hypervisor's leaf comes before the processor's, as the
    /// hypervisor knows how the TSC is scaled.
    #[must_use]
    pub fn calibration(&self) -> Option<Calibration> {
        { self.by_hypervisor() }
            .or_else(|| self.by_crystal())
            .or_else(|| self.by_base())
    }

    fn by_hypervisor(&self) -> Option<Calibration> {
        let Leaf { ebx, ecx, edx, .. } = self.hypervisor;
        let mut signature = [0; 12];
        for (to, from) in signature.chunks_exact_mut(4).zip([ebx, ecx, edx]) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        let is_known =
            self.is_virtual() && self.hypervisor.eax >= TIMING && KNOWN.contains(&&signature);
        let khz = u64::from(self.timing.eax);
        Calibration::to_digit(khz * 1000, 1000, Source::Hypervisor).filter(|_| is_known)
    }

    fn by_crystal(&self) -> Option<Calibration> {
        let Leaf { eax, ebx, ecx, .. } = self.crystal;
        // 32 bits times 32 bits cannot overflow 64.
        let hz = (u64::from(ecx) * u64::from(ebx)).checked_div(eax.into())?;
        Calibration::to_digit(
            hz,
            u64::from(ebx).div_ceil(eax.into()),
            Source::CpuidCrystal,
        )
    }

    /// If there is a ratio but no crystal (Skylake), the TSC runs at the base frequency.
    fn by_base(&self) -> Option<Calibration> {
        let has_ratio = self.crystal.eax > 0 && self.crystal.ebx > 0;
        let mhz = u64::from(self.frequency.eax & 0xffff);
        Calibration::to_digit(mhz * 1_000_000, 1_000_000, Source::CpuidBase).filter(|_| has_ratio)
    }
}

#[allow(unused_unsafe, reason = "the intrinsic is safe in newer compilers")]
fn leaf(number: u32) -> Leaf {
    // SAFETY: every x86_64 has the instruction.
    let raw = unsafe { core::arch::x86_64::__cpuid_count(number, 0) };
    Leaf {
        eax: raw.eax,
        ebx: raw.ebx,
        ecx: raw.ecx,
        edx: raw.edx,
    }
}
