//! FIX tag=value, versions 4.0 to 5.0 SP2 and FIXT 1.1 (the tagvalue encoding).
//!
//! ```text
//!  8=FIX.4.4¦9=65¦35=A¦49=CLIENT¦ …  ¦10=062¦        ¦ is SOH, the byte 1
//!                 └───── 65 bytes ───┘               body: sections, fields
//!  └──────────── sum modulo 256 is 62 ┘
//! ```
//!
//! [`Message::parse`] finds the end of a message from its BodyLength and verifies its CheckSum.
//! [`Message::fields`] iterates over its fields without copying them. The values of data fields (RawData, XmlData,
//! EncodedText, …: [`DATA_FIELDS`]) may contain separators; the length field before each states the length.
//! [`Fields`] reports what is wrong with a field. [`Messages`] describes the effect of a wrong BodyLength on a
//! stream.
//!
//! | I want | take |
//! |---|---|
//! | the messages of a stream, also after invalid bytes | [`Messages`] |
//! | one message, or the number of bytes that it still needs | [`Message::parse`] |
//! | all fields in the order of the wire | [`Message::fields`], [`Fields`] |
//! | one field | [`Message::get`] |
//! | a repeating group, and groups in groups | [`Message::group`], [`Group`], [`Section::group`] |
//! | to read a log in which `|` or another byte stands for SOH | [`Messages::separated`], [`Message::parse_separated`] |
//! | to write a message; BodyLength and CheckSum are computed | [`Writer`] |
//!
//! ```
//! use framepool::feed::fix::{Message, Version, Writer};
//!
//! let mut buffer = [0; 256];
//! let mut writer = Writer::new(&mut buffer, Version::Fix44, b"D")?;
//! writer.field(49, b"CLIENT")?;
//! writer.field(44, b"187.325")?;
//! writer.data(95, b"a\x01b")?;
//! let bytes = writer.finish()?;
//!
//! let (message, len) = Message::parse(bytes)?;
//! assert_eq!((message.version(), len), (Version::Fix44, bytes.len()));
//! assert_eq!(message.msg_type(), b"D");
//! assert_eq!(message.get(44).and_then(|f| f.as_decimal()).unwrap().mantissa, 187_325);
//! assert_eq!(message.get(96).unwrap().value, b"a\x01b");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

// | file | what |
// |---|---|
// | `message` | one message: its ends, its checksum |
// | `messages` | the messages of a stream |
// | `version` | versions of FIX |
// | `fields` | the fields of a message in order |
// | `section` | fields by tag, and repeating groups |
// | `data_fields` | the fields whose values are data |
// | `scan` | separators, sums and tags of many bytes at once |
// | `writer` | writing |

mod data_fields;
mod fields;
mod message;
mod messages;
mod scan;
mod section;
mod version;
mod writer;

pub use data_fields::DATA_FIELDS;
pub use fields::{Decimal, Field, Fields};
pub use message::{MAX_BODY_LENGTH, MAX_OVERHEAD, Message};
pub use messages::Messages;
pub use scan::SOH;
pub use section::{Group, Section};
pub use version::Version;
pub use writer::Writer;
