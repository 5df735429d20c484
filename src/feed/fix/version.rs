//! Versions of FIX.

/// A version, from the BeginString of a message.
///
/// From FIX 5.0 on, messages begin with FIXT.1.1, the version of the session; the field ApplVerID (1128) or the
/// logon states the version of the message. Some senders write that version at the start nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Version {
    /// FIX.4.0
    Fix40,
    /// FIX.4.1
    Fix41,
    /// FIX.4.2
    Fix42,
    /// FIX.4.3
    Fix43,
    /// FIX.4.4
    Fix44,
    /// FIX.5.0
    Fix50,
    /// FIX.5.0SP1
    Fix50Sp1,
    /// FIX.5.0SP2
    Fix50Sp2,
    /// FIXT.1.1
    Fixt11,
}

impl Version {
    /// The value of BeginString.
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Fix40 => b"FIX.4.0",
            Self::Fix41 => b"FIX.4.1",
            Self::Fix42 => b"FIX.4.2",
            Self::Fix43 => b"FIX.4.3",
            Self::Fix44 => b"FIX.4.4",
            Self::Fix50 => b"FIX.5.0",
            Self::Fix50Sp1 => b"FIX.5.0SP1",
            Self::Fix50Sp2 => b"FIX.5.0SP2",
            Self::Fixt11 => b"FIXT.1.1",
        }
    }

    /// The version with this value of BeginString.
    pub const fn from_bytes(value: &[u8]) -> Option<Self> {
        match value {
            b"FIX.4.0" => Some(Self::Fix40),
            b"FIX.4.1" => Some(Self::Fix41),
            b"FIX.4.2" => Some(Self::Fix42),
            b"FIX.4.3" => Some(Self::Fix43),
            b"FIX.4.4" => Some(Self::Fix44),
            b"FIX.5.0" => Some(Self::Fix50),
            b"FIX.5.0SP1" => Some(Self::Fix50Sp1),
            b"FIX.5.0SP2" => Some(Self::Fix50Sp2),
            b"FIXT.1.1" => Some(Self::Fixt11),
            _ => None,
        }
    }
}
