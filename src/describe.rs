//! One list of getters for both forms that show a value to people: `Debug` and, with that feature,
//! `defmt::Format`.

/// Implements both for a type from a list of its getters:
///
/// ```text
/// describe!(Pool<'_> as Pool { block_size, stride, capacity, stats });
/// describe!(impl[const N: usize] Cache<'_, N> as Cache { capacity = |_| N, len });
/// ```
///
/// A field shows what its getter of the same name returns, or what a function makes of a reference to the
/// value. Both forms read `Pool { block_size: 64, … }`.
macro_rules! describe {
    (impl[$($generics:tt)*] $ty:ty as $name:ident { $($field:ident $(= $value:expr)?),* $(,)? }) => {
        impl<$($generics)*> core::fmt::Debug for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &describe!(@value self $field $(= $value)?)))*
                    .finish_non_exhaustive()
            }
        }

        #[cfg(feature = "defmt")]
        #[allow(non_camel_case_types)]
        impl<$($generics)*> defmt::Format for $ty {
            fn format(&self, f: defmt::Formatter<'_>) {
                // Generic in its fields' types, so that the list need not name them.
                #[derive(defmt::Format)]
                struct $name<$($field),*> {
                    $($field: $field),*
                }
                let shown = $name { $($field: describe!(@value self $field $(= $value)?)),* };
                defmt::write!(f, "{}", shown);
            }
        }
    };
    ($ty:ty as $name:ident { $($fields:tt)* }) => {
        describe!(impl[] $ty as $name { $($fields)* });
    };
    (@value $self:ident $field:ident) => { $self.$field() };
    (@value $self:ident $field:ident = $value:expr) => { crate::describe::of($self, $value) };
}

/// Calls `show`, and tells the compiler the type of its argument.
pub(crate) fn of<'t, T: ?Sized, R>(it: &'t T, show: impl FnOnce(&'t T) -> R) -> R {
    show(it)
}
