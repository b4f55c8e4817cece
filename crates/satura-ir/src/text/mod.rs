//! The text form of graphs: what tests, docs and dumps show. `parse(print(g))` is `g` with ids counted anew.
//!
//! ```text
//! graph @name(%x: f32[N, 3], %"odd name": i64[2]) {
//!   %0 = const{value=f32[3](1.0, 2.0, 3.0)} : f32[3]
//!   %y = add %x, %0 : f32[N, 3]
//!   return %y as "logits"
//! }
//! ```
//! A comment runs from `;` to the end of the line. Types after `:` may be left out where inference gives them. Constants of more than 64 elements print as
//! `f32[64, 3]#hash` and are looked up in a [`ConstStore`]; `f32[64, 3]~7` makes a pseudo-random one from the seed 7.

mod lex;
mod parse;
mod print;
mod tensor;

pub use lex::split_top_level;
pub(crate) use lex::unquote;
pub(crate) use parse::parse_type;
pub use parse::{ParseError, parse_module};
pub use print::{print_graph, print_module};
pub use tensor::{ConstStore, parse_tensor, print_tensor};
