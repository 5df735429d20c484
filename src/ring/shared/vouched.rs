//! [`Plain`](super::Plain) for types that the crate `bytemuck` or `zerocopy` vouches for.

/// Each function compiles for the types that its crate vouches for. [`plain!`](crate::plain) calls them by the name of
/// the crate.
#[doc(hidden)]
pub mod vouch {
    #[cfg(feature = "bytemuck")]
    pub const fn bytemuck<T: ::bytemuck::Pod>() {}

    /// Any bytes are a value, no padding, no interior mutability.
    #[cfg(feature = "zerocopy")]
    pub const fn zerocopy<T>()
    where
        T: ::zerocopy::FromBytes + ::zerocopy::IntoBytes + ::zerocopy::Immutable,
    {
    }
}

/// Implements [`Plain`](crate::ring::Plain) without `unsafe` for types of your own, for which the crate `bytemuck` or
/// `zerocopy` vouches: `plain!(CRATE: TYPE = NAME)`. The name becomes the [tag](crate::ring::type_tag), so it should
/// contain a version. Needs the feature of that crate's name. A crate that forbids unsafe code can use it.
///
/// ```
/// #![forbid(unsafe_code)]
/// use framepool::ring::{Plain, type_tag};
///
/// # #[cfg(feature = "bytemuck")]
/// # fn bytemuck() {
/// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// #[repr(C)]
/// struct Quote {
///     bid: u64,
///     ask: u64,
/// }
/// framepool::plain!(bytemuck: Quote = "Quote, version 2");
/// assert_eq!(Quote::TAG, type_tag("Quote, version 2"));
/// # }
/// # #[cfg(feature = "bytemuck")]
/// # bytemuck();
///
/// # #[cfg(feature = "zerocopy")]
/// # fn zerocopy() {
/// #[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
/// #[repr(C)]
/// struct Trade {
///     price: u64,
///     shares: u64,
/// }
/// framepool::plain!(zerocopy: Trade = "Trade, version 1");
/// # }
/// ```
///
/// The bounds are [`bytemuck::Pod`](https://docs.rs/bytemuck/1/bytemuck/trait.Pod.html), or `FromBytes`, `IntoBytes`
/// and `Immutable` of [`zerocopy`](https://docs.rs/zerocopy/0.8). They are checked when the macro's use compiles. Both
/// mean what `Plain` requires: any bytes are a value, there is no padding, and there is no pointer to follow. (Under its
/// feature `unsound_ptr_pod_impl`, `bytemuck` also vouches for raw pointers. Do not follow one that another process
/// wrote.)
///
/// A type with padding, or of which some bytes are no value, does not compile:
/// ```compile_fail,E0277
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Order {
///     id: u64,
///     is_buy: bool,
/// }
/// framepool::plain!(bytemuck: Order = "Order, version 1");
/// ```
///
/// # Why a macro
/// An implementation for all types that such a crate vouches for would overlap with those for numbers and arrays, with
/// that for the other crate's types, and with yours; Rust accepts no two that may overlap. A wrapper type would stand
/// around every value in your code, and could not know a name for the tag, without which another version of the type
/// attaches. The macro implements the trait for one type, with a tag, so nothing overlaps. In exchange the type must be
/// of your crate: put one of another crate into a `#[repr(transparent)]` struct.
#[cfg_attr(
    docsrs,
    doc(cfg(all(target_os = "linux", any(feature = "bytemuck", feature = "zerocopy"))))
)]
#[macro_export]
macro_rules! plain {
    ($by:ident: $($plain:ty = $name:expr),+ $(,)?) => {$(
        // SAFETY: the call compiles if the crate vouches for the type: any bytes are a value, and there is no padding.
        // It vouches for no type with a pointer to follow.
        unsafe impl $crate::ring::Plain for $plain {
            const TAG: u64 = {
                $crate::ring::vouch::$by::<$plain>();
                $crate::ring::type_tag($name)
            };
        }
    )+};
}
