//! Fields whose values may have any byte in them, and the fields before them that say how long they are.

/// Length field and data field, by their tags: those of FIX 4.0 to 5.0 SP2 and FIXT 1.1, and of its
/// extension packs as far as their tags are below 3000.
pub const DATA_FIELDS: [(u32, u32); 52] = [
    (90, 91),     // SecureDataLen, SecureData
    (93, 89),     // SignatureLength, Signature
    (95, 96),     // RawDataLength, RawData
    (212, 213),   // XmlDataLen, XmlData
    (348, 349),   // EncodedIssuerLen, EncodedIssuer
    (350, 351),   // EncodedSecurityDescLen, EncodedSecurityDesc
    (352, 353),   // EncodedListExecInstLen, EncodedListExecInst
    (354, 355),   // EncodedTextLen, EncodedText
    (356, 357),   // EncodedSubjectLen, EncodedSubject
    (358, 359),   // EncodedHeadlineLen, EncodedHeadline
    (360, 361),   // EncodedAllocTextLen, EncodedAllocText
    (362, 363),   // EncodedUnderlyingIssuerLen, EncodedUnderlyingIssuer
    (364, 365),   // EncodedUnderlyingSecurityDescLen, EncodedUnderlyingSecurityDesc
    (445, 446),   // EncodedListStatusTextLen, EncodedListStatusText
    (618, 619),   // EncodedLegIssuerLen, EncodedLegIssuer
    (621, 622),   // EncodedLegSecurityDescLen, EncodedLegSecurityDesc
    (1184, 1185), // SecurityXMLLen, SecurityXML
    (1277, 1278), // DerivativeEncodedIssuerLen, DerivativeEncodedIssuer
    (1280, 1281), // DerivativeEncodedSecurityDescLen, DerivativeEncodedSecurityDesc
    (1282, 1283), // DerivativeSecurityXMLLen, DerivativeSecurityXML
    (1397, 1398), // EncodedMktSegmDescLen, EncodedMktSegmDesc
    (1401, 1402), // EncryptedPasswordLen, EncryptedPassword
    (1403, 1404), // EncryptedNewPasswordLen, EncryptedNewPassword
    (1468, 1469), // EncodedSecurityListDescLen, EncodedSecurityListDesc
    // Extension packs.
    (1525, 1527),
    (1578, 1579),
    (1620, 1621),
    (1664, 1665),
    (1678, 1697),
    (1733, 1734),
    (1871, 1872),
    (1874, 1875),
    (2072, 2073),
    (2074, 2075),
    (2111, 2112),
    (2179, 2180),
    (2287, 2288),
    (2351, 2352),
    (2372, 2371),
    (2481, 2482),
    (2494, 2493),
    (2522, 2521),
    (2637, 2638),
    (2651, 2652),
    (2665, 2666),
    (2715, 2716),
    (2718, 2719),
    (2721, 2722),
    (2797, 2798),
    (2802, 2801),
    (2809, 2808),
    (2815, 2814),
];

/// One bit for each tag that is a length field's.
const LENGTHS: [u64; 44] = {
    let mut bits = [0; 44];
    let mut i = 0;
    while i < DATA_FIELDS.len() {
        let tag = DATA_FIELDS[i].0 as usize;
        bits[tag / 64] |= 1 << (tag % 64);
        i += 1;
    }
    bits
};

/// Whether the field of this tag says how long the value of the next one is.
#[inline(always)]
pub(super) fn is_length(tag: u32) -> bool {
    let word = LENGTHS.get((tag / 64) as usize);
    word.is_some_and(|word| word >> (tag % 64) & 1 == 1)
}

/// The tag of the data field behind this length field.
pub(super) fn data_of(length: u32) -> Option<u32> {
    let pair = DATA_FIELDS.iter().find(|pair| pair.0 == length)?;
    Some(pair.1)
}

/// The tag of the length field before this data field.
pub(super) fn length_of(data: u32) -> Option<u32> {
    let pair = DATA_FIELDS.iter().find(|pair| pair.1 == data)?;
    Some(pair.0)
}
