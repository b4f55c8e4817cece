//! Attributes of ops: the values they can have, their text form, and the macros that declare them.

use satura_tensor::{Bindings, DType, Dim, Shape, Tensor};
use std::collections::BTreeMap;

/// A type that an attribute can have. `parse(print(x)) == x`.
pub trait AttrValue: Sized {
    /// The text form.
    fn print(&self) -> String;
    /// Reads the text form; the error says what was expected.
    fn parse(text: &str, store: &crate::ConstStore) -> Result<Self, String>;
    /// Replaces bound symbols in dimensions.
    fn bind(&mut self, _bindings: &Bindings) {}
    /// Whether every dimension in it [is known](Dim::is_known). A type may say that it does not know one.
    fn is_known(&self) -> bool {
        true
    }
}

/// The attributes of one op as text, by name.
#[derive(Debug, Default)]
pub struct AttrText(BTreeMap<String, String>);

impl AttrText {
    /// Attributes by name; a name given twice is an error.
    pub fn new(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        for (name, value) in pairs {
            if map.insert(name.clone(), value).is_some() {
                return Err(format!("attribute `{name}` is given twice"));
            }
        }
        Ok(AttrText(map))
    }

    /// Takes the attribute `name` out.
    pub fn take<T: AttrValue>(&mut self, name: &str, store: &crate::ConstStore) -> Result<T, String> {
        let text = self.0.remove(name).ok_or_else(|| format!("attribute `{name}` is missing"))?;
        T::parse(&text, store).map_err(|error| format!("attribute `{name}`: {error}"))
    }

    /// The error for attributes that nothing took.
    pub fn finish(self) -> Result<(), String> {
        match self.0.into_keys().next() {
            Some(name) => Err(format!("unknown attribute `{name}`")),
            None => Ok(()),
        }
    }
}

/// The attributes of an op struct, in order of declaration. [`op_struct!`](crate::op_struct) implements it.
pub trait Attrs: Sized {
    /// Names and printed values.
    fn print_attrs(&self) -> Vec<(&'static str, String)>;
    /// Reads every attribute; unknown and missing ones are errors.
    fn parse_attrs(text: AttrText, store: &crate::ConstStore) -> Result<Self, String>;
    /// Replaces bound symbols in dimensions.
    fn bind_attrs(&mut self, bindings: &Bindings);
    /// Whether every dimension is known: no op can do what only a run shows.
    fn attrs_known(&self) -> bool;
}

/// Declares an op struct: derives what an op needs, and reads and writes its attributes.
#[macro_export]
macro_rules! op_struct {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name { $($(#[$field_meta])* pub $field: $ty),* }

        impl $crate::attr::Attrs for $name {
            fn print_attrs(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($field), $crate::attr::AttrValue::print(&self.$field))),*]
            }
            fn parse_attrs(
                #[allow(unused_mut, reason = "an op without attributes takes none out")] mut text: $crate::attr::AttrText,
                #[allow(unused_variables, reason = "an op without attributes reads no constant")] store: &$crate::ConstStore,
            ) -> Result<Self, String> {
                $(let $field = text.take(stringify!($field), store)?;)*
                text.finish()?;
                Ok($name { $($field),* })
            }
            fn bind_attrs(
                &mut self,
                #[allow(unused_variables, reason = "an op without attributes binds none")] bindings: &satura_tensor::Bindings,
            ) {
                $($crate::attr::AttrValue::bind(&mut self.$field, bindings);)*
            }
            fn attrs_known(&self) -> bool {
                true $(&& $crate::attr::AttrValue::is_known(&self.$field))*
            }
        }
    };
}

/// Declares an enum that is an attribute, with the text of each variant.
#[macro_export]
macro_rules! attr_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant),* }

        impl $crate::attr::AttrValue for $name {
            fn print(&self) -> String {
                match self { $($name::$variant => $text.to_owned()),* }
            }
            fn parse(text: &str, _: &$crate::ConstStore) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err(format!("expected one of {}", [$($text),*].join(", "))),
                }
            }
        }
    };
}

/// A real attribute, compared and hashed by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Real(u64);

impl Real {
    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Real {
    fn from(value: f64) -> Self {
        Real(value.to_bits())
    }
}

impl From<f32> for Real {
    fn from(value: f32) -> Self {
        Real(f64::from(value).to_bits())
    }
}

impl AttrValue for Real {
    fn print(&self) -> String {
        format!("{:?}", self.get())
    }
    fn parse(text: &str, _: &crate::ConstStore) -> Result<Self, String> {
        text.parse::<f64>().map(Real::from).map_err(|_| "expected a number".to_owned())
    }
}

macro_rules! by_display {
    ($($ty:ty: $expected:literal;)*) => {$(
        impl AttrValue for $ty {
            fn print(&self) -> String {
                self.to_string()
            }
            fn parse(text: &str, _: &crate::ConstStore) -> Result<Self, String> {
                text.parse().map_err(|_| concat!("expected ", $expected).to_owned())
            }
        }
    )*};
}

by_display! {
    i64: "an integer";
    usize: "a non-negative integer";
    u64: "a non-negative integer";
    bool: "true or false";
}

impl AttrValue for DType {
    fn print(&self) -> String {
        self.to_string()
    }
    fn parse(text: &str, _: &crate::ConstStore) -> Result<Self, String> {
        DType::from_name(text).ok_or_else(|| "expected a dtype".to_owned())
    }
}

impl AttrValue for Dim {
    fn print(&self) -> String {
        self.to_string()
    }
    fn parse(text: &str, _: &crate::ConstStore) -> Result<Self, String> {
        satura_tensor::parse_dim(text).map_err(|error| error.to_string())
    }
    fn bind(&mut self, bindings: &Bindings) {
        *self = Dim::bind(self, bindings);
    }
    fn is_known(&self) -> bool {
        Dim::is_known(self)
    }
}

impl AttrValue for Shape {
    fn print(&self) -> String {
        self.to_string()
    }
    fn parse(text: &str, store: &crate::ConstStore) -> Result<Self, String> {
        Vec::<Dim>::parse(text, store).map(Shape)
    }
    fn bind(&mut self, bindings: &Bindings) {
        *self = Shape::bind(self, bindings);
    }
    fn is_known(&self) -> bool {
        Shape::is_known(self)
    }
}

impl AttrValue for String {
    fn print(&self) -> String {
        format!("{self:?}")
    }
    fn parse(text: &str, _: &crate::ConstStore) -> Result<Self, String> {
        crate::text::unquote(text).ok_or_else(|| "expected a quoted string".to_owned())
    }
}

impl<T: AttrValue> AttrValue for Vec<T> {
    fn print(&self) -> String {
        format!("[{}]", self.iter().map(T::print).collect::<Vec<_>>().join(", "))
    }
    fn parse(text: &str, store: &crate::ConstStore) -> Result<Self, String> {
        let inside =
            text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or("expected a list in brackets")?;
        crate::text::split_top_level(inside, ',').into_iter().map(|item| T::parse(item, store)).collect()
    }
    fn bind(&mut self, bindings: &Bindings) {
        self.iter_mut().for_each(|item| item.bind(bindings));
    }
    fn is_known(&self) -> bool {
        self.iter().all(T::is_known)
    }
}

impl<T: AttrValue> AttrValue for Option<T> {
    fn print(&self) -> String {
        self.as_ref().map_or("none".to_owned(), T::print)
    }
    fn parse(text: &str, store: &crate::ConstStore) -> Result<Self, String> {
        if text == "none" { Ok(None) } else { T::parse(text, store).map(Some) }
    }
    fn bind(&mut self, bindings: &Bindings) {
        self.iter_mut().for_each(|item| item.bind(bindings));
    }
    fn is_known(&self) -> bool {
        self.iter().all(T::is_known)
    }
}

impl AttrValue for crate::Type {
    fn print(&self) -> String {
        self.to_string()
    }
    fn parse(text: &str, store: &crate::ConstStore) -> Result<Self, String> {
        crate::text::parse_type(text, store)
    }
    fn bind(&mut self, bindings: &Bindings) {
        *self = crate::Type::bind(self, bindings);
    }
}

impl AttrValue for Tensor {
    fn print(&self) -> String {
        crate::text::print_tensor(self)
    }
    fn parse(text: &str, store: &crate::ConstStore) -> Result<Self, String> {
        crate::text::parse_tensor(text, store)
    }
}
