//! The log, over semihosting: text, or with the feature `defmt` frames that `defmt-print` decodes. Nothing else may write
//! to that standard output then.

#[cfg(feature = "defmt")]
use defmt_semihosting as _;

/// Logs a line. The arguments implement both `Display` and `defmt::Format`.
macro_rules! log {
    ($text:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(feature = "defmt")]
        defmt::info!($text $(, $value)*);
        #[cfg(not(feature = "defmt"))]
        cortex_m_semihosting::hprintln!($text $(, $value)*);
    }};
}
pub(crate) use log;

/// Logs why the firmware ends.
pub fn panicked(info: &core::panic::PanicInfo<'_>) {
    #[cfg(feature = "defmt")]
    defmt::error!("{}", defmt::Display2Format(info));
    #[cfg(not(feature = "defmt"))]
    cortex_m_semihosting::hprintln!("{}", info);
}
