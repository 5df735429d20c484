//! The audit without the feature: nothing is recorded.

#[path = "kind.rs"]
mod kind;

pub(crate) use kind::AuditKind;

use crate::pool::Pool;

impl Pool<'_> {
    #[inline(always)]
    pub(crate) fn note(&self, _: u32, _: AuditKind) {}

    #[inline(always)]
    pub(crate) fn note_all(&self, _: &[u32], _: AuditKind) {}

    #[inline(always)]
    pub(crate) fn note_reset(&mut self) {}

    #[inline(always)]
    pub(crate) fn drop_ledger(&mut self) {}
}
