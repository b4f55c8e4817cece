//! Extents that are expressions, computed at run time from the shapes of values.

use super::attribute::{int, ints};
use super::cx::{Cx, NoForm};
use super::names::Name;
use satura_tensor::{Atom, Dim, Symbol};

/// An i64 vector of the extents.
pub(super) fn vector(cx: &mut Cx<'_>, dims: &[Dim]) -> Result<Name, NoForm> {
    let mut parts: Vec<Name> = Vec::new();
    let mut constants: Vec<i64> = Vec::new();
    for dim in dims {
        match dim.as_const() {
            Some(value) => constants.push(value),
            None => {
                if !constants.is_empty() {
                    parts.push(cx.vector(&constants));
                    constants.clear();
                }
                parts.push(element(cx, dim)?);
            }
        }
    }
    if !constants.is_empty() || parts.is_empty() {
        parts.push(cx.vector(&constants));
    }
    Ok(match &parts[..] {
        [part] => part.clone(),
        _ => cx.node("Concat", &parts, vec![int("axis", 0)]),
    })
}

/// An i64 vector of one element.
fn element(cx: &mut Cx<'_>, dim: &Dim) -> Result<Name, NoForm> {
    if let Some(value) = dim.as_const() {
        return Ok(cx.vector(&[value]));
    }
    let mut sum: Option<Name> = None;
    for (coefficient, atoms) in dim.terms() {
        let mut product: Option<Name> =
            (coefficient != 1 || atoms.is_empty()).then(|| cx.vector(&[coefficient]));
        for (atom, power) in atoms {
            let factor = value_of(cx, atom)?;
            for _ in 0..*power {
                product = Some(match product {
                    Some(product) => cx.node("Mul", &[product, factor.clone()], Vec::new()),
                    None => factor.clone(),
                });
            }
        }
        let Some(product) = product else { continue };
        sum = Some(match sum {
            Some(sum) => cx.node("Add", &[sum, product], Vec::new()),
            None => product,
        });
    }
    Ok(sum.unwrap_or_else(|| cx.vector(&[0])))
}

fn value_of(cx: &mut Cx<'_>, atom: &Atom) -> Result<Name, NoForm> {
    let pair = |cx: &mut Cx<'_>, a: &Dim, b: &Dim| Ok::<_, NoForm>([element(cx, a)?, element(cx, b)?]);
    Ok(match atom {
        Atom::Symbol(symbol) => symbol_value(cx, symbol)?,
        Atom::Unknown => {
            return Err(NoForm::new("an extent that only a run shows cannot be computed before"));
        }
        Atom::Mod(a, b) => {
            let operands = pair(cx, a, b)?;
            cx.node("Mod", &operands, Vec::new())
        }
        Atom::Min(a, b) => {
            let operands = pair(cx, a, b)?;
            cx.node("Min", &operands, Vec::new())
        }
        Atom::Max(a, b) => {
            let operands = pair(cx, a, b)?;
            cx.node("Max", &operands, Vec::new())
        }
        Atom::FloorDiv(a, b) => {
            let [a, b] = pair(cx, a, b)?;
            // `Div` rounds towards zero; without its remainder the quotient is exact, whatever the signs.
            let remainder = cx.node("Mod", &[a.clone(), b.clone()], Vec::new());
            let whole = cx.node("Sub", &[a, remainder], Vec::new());
            cx.node("Div", &[whole, b], Vec::new())
        }
    })
}

/// The value of a symbol: an extent of a value that is defined already.
fn symbol_value(cx: &mut Cx<'_>, symbol: &Symbol) -> Result<Name, NoForm> {
    if let Some(name) = cx.writer.computed(symbol) {
        return Ok(name.clone());
    }
    let Some(source) = cx.writer.source(symbol).cloned() else {
        return Err(NoForm::new(format!("no value has the extent {symbol}, so it cannot be computed")));
    };
    let axis = i64::try_from(source.axis).unwrap_or(i64::MAX);
    let mut value = if cx.version() >= 15 {
        cx.node("Shape", &[source.value], vec![int("start", axis), int("end", axis + 1)])
    } else {
        let shape = cx.node("Shape", &[source.value], Vec::new());
        let at = cx.vector(&[axis]);
        cx.node("Gather", &[shape, at], vec![int("axis", 0)])
    };
    if source.offset != 0 {
        let offset = cx.vector(&[source.offset]);
        value = cx.node("Sub", &[value, offset], Vec::new());
    }
    if source.factor != 1 {
        let factor = cx.vector(&[source.factor]);
        value = cx.node("Div", &[value, factor], Vec::new());
    }
    cx.writer.frame().symbols.push((symbol.clone(), value.clone()));
    Ok(value)
}

/// Nodes that take axes as an input from some version on, and as an attribute before.
pub(super) fn axes_input(
    cx: &mut Cx<'_>,
    since: i64,
    axes: &[i64],
    inputs: &mut Vec<Name>,
    attributes: &mut Vec<crate::proto::AttributeProto>,
) {
    if cx.version() >= since {
        inputs.push(cx.vector(axes));
    } else {
        attributes.push(ints("axes", axes.to_vec()));
    }
}
