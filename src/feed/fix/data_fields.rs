//! Data fields, whose values may contain any byte, and the length fields before them.

/// The tags of each length field and its data field, in the order of the length fields: all of FIX 4.0 to 5.0 SP2
/// and FIXT 1.1, and of the extension packs up to EP 280.
#[rustfmt::skip]
pub const DATA_FIELDS: [(u32, u32); 83] = [
    (90, 91),       // SecureData
    (93, 89),       // Signature
    (95, 96),       // RawData
    (212, 213),     // XmlData
    (348, 349),     // EncodedIssuer
    (350, 351),     // EncodedSecurityDesc
    (352, 353),     // EncodedListExecInst
    (354, 355),     // EncodedText
    (356, 357),     // EncodedSubject
    (358, 359),     // EncodedHeadline
    (360, 361),     // EncodedAllocText
    (362, 363),     // EncodedUnderlyingIssuer
    (364, 365),     // EncodedUnderlyingSecurityDesc
    (445, 446),     // EncodedListStatusText
    (618, 619),     // EncodedLegIssuer
    (621, 622),     // EncodedLegSecurityDesc
    (1184, 1185),   // SecurityXML
    (1277, 1278),   // DerivativeEncodedIssuer
    (1280, 1281),   // DerivativeEncodedSecurityDesc
    (1282, 1283),   // DerivativeSecurityXML
    (1397, 1398),   // EncodedMktSegmDesc
    (1401, 1402),   // EncryptedPassword
    (1403, 1404),   // EncryptedNewPassword
    (1468, 1469),   // EncodedSecurityListDesc
    (1525, 1527),   // EncodedDocumentationText
    (1578, 1579),   // EncodedEventText
    (1620, 1621),   // InstrumentScopeEncodedSecurityDesc
    (1664, 1665),   // EncodedRejectText
    (1678, 1697),   // EncodedOptionExpirationDesc
    (1733, 1734),   // EncodedFirmAllocText
    (1871, 1872),   // LegSecurityXML
    (1874, 1875),   // UnderlyingSecurityXML
    (2072, 2073),   // EncodedUnderlyingEventText
    (2074, 2075),   // EncodedLegEventText
    (2111, 2112),   // EncodedAttachment
    (2179, 2180),   // EncodedLegOptionExpirationDesc
    (2287, 2288),   // EncodedUnderlyingOptionExpirationDesc
    (2351, 2352),   // EncodedComplianceText
    (2372, 2371),   // EncodedTradeContinuationText
    (2481, 2482),   // EncodedMDStatisticDesc
    (2494, 2493),   // EncodedLegDocumentationText
    (2522, 2521),   // EncodedWarningText
    (2637, 2638),   // EncodedMiscFeeSubTypeDesc
    (2651, 2652),   // EncodedCommissionDesc
    (2665, 2666),   // EncodedAllocCommissionDesc
    (2715, 2716),   // EncodedFinancialInstrumentFullName
    (2718, 2719),   // EncodedLegFinancialInstrumentFullName
    (2721, 2722),   // EncodedUnderlyingFinancialInstrumentFullName
    (2797, 2798),   // EncodedMatchExceptionText
    (2802, 2801),   // EncodedReplaceText
    (2809, 2808),   // EncodedCancelText
    (2815, 2814),   // EncodedPostTradePaymentDesc
    (40004, 40005), // EncodedAdditionalTermBondDesc
    (40008, 40009), // EncodedAdditionalTermBondIssuer
    (40978, 40979), // EncodedLegStreamText
    (40980, 40981), // EncodedLegProvisionText
    (40982, 40983), // EncodedStreamText
    (40984, 40985), // EncodedPaymentText
    (40986, 40987), // EncodedProvisionText
    (40988, 40989), // EncodedUnderlyingStreamText
    (41083, 41084), // EncodedDeliveryStreamCycleDesc
    (41101, 41102), // EncodedMarketDisruptionFallbackUnderlierSecurityDesc
    (41107, 41108), // EncodedExerciseDesc
    (41256, 41257), // EncodedStreamCommodityDesc
    (41320, 41321), // EncodedLegAdditionalTermBondDesc
    (41324, 41325), // EncodedLegAdditionalTermBondIssuer
    (41458, 41459), // EncodedLegDeliveryStreamCycleDesc
    (41476, 41477), // EncodedLegMarketDisruptionFallbackUnderlierSecurityDesc
    (41482, 41483), // EncodedLegExerciseDesc
    (41653, 41654), // EncodedLegStreamCommodityDesc
    (41710, 41711), // EncodedUnderlyingAdditionalTermBondDesc
    (41806, 41807), // EncodedUnderlyingDeliveryStreamCycleDesc
    (41811, 41812), // EncodedUnderlyingExerciseDesc
    (41873, 41874), // EncodedUnderlyingMarketDisruptionFallbackUnderlierSecurityDesc
    (41969, 41970), // EncodedUnderlyingStreamCommodityDesc
    (42025, 42026), // EncodedUnderlyingAdditionalTermBondIssuer
    (42171, 42172), // EncodedUnderlyingProvisionText
    (42451, 42452), // LegPaymentStreamFormulaImage
    (42652, 42653), // PaymentStreamFormulaImage
    (42947, 42948), // UnderlyingPaymentStreamFormulaImage
    (43109, 42684), // PaymentStreamFormula
    (43110, 42486), // LegPaymentStreamFormula
    (43111, 42982), // UnderlyingPaymentStreamFormula
];

/// The number of words for the lower tags, and the first of the upper tags: there is a wide gap between them.
const WORDS: usize = 44;
const UPPER: u32 = 39_936;

/// One bit for each tag from `from` on: 1 if it is that of a length field.
const fn lengths<const WORDS: usize>(from: u32) -> [u64; WORDS] {
    let mut bits = [0; WORDS];
    let mut i = 0;
    while i < DATA_FIELDS.len() {
        if let Some(tag) = DATA_FIELDS[i].0.checked_sub(from) {
            let word = (tag / 64) as usize;
            if word < WORDS {
                bits[word] |= 1 << (tag % 64);
            }
        }
        i += 1;
    }
    bits
}

static LOWER: [u64; WORDS] = lengths(0);
static HIGHER: [u64; 50] = lengths(UPPER);

/// Whether the field with this tag is a length field.
#[inline(always)]
pub(super) fn is_length(tag: u32) -> bool {
    let word = match LOWER.get((tag / 64) as usize) {
        None if tag >= UPPER => HIGHER.get((tag - UPPER) as usize / 64),
        word => word,
    };
    word.is_some_and(|word| word >> (tag % 64) & 1 == 1)
}

/// The tag of the data field after this length field.
pub(super) fn data_of(length: u32) -> Option<u32> {
    let pair = DATA_FIELDS.iter().find(|pair| pair.0 == length)?;
    Some(pair.1)
}

/// The tag of the length field before this data field.
pub(super) fn length_of(data: u32) -> Option<u32> {
    let pair = DATA_FIELDS.iter().find(|pair| pair.1 == data)?;
    Some(pair.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_table() {
        // All tags that the table may have, and under Miri some of them.
        let step = if cfg!(miri) { 499 } else { 1 };
        for tag in (0..100_000).step_by(step) {
            let is_listed = DATA_FIELDS.iter().any(|pair| pair.0 == tag);
            assert_eq!(is_length(tag), is_listed, "{tag}");
        }
        assert!(DATA_FIELDS.iter().all(|pair| is_length(pair.0)));
        assert!(!is_length(u32::MAX));
        assert!(DATA_FIELDS.is_sorted());
    }
}
