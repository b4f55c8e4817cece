//! Instructions as expressions.

use crate::helpers::Helper;
use crate::options::Dialect;
use crate::print::{Expr, Printer, scalar_name, type_name};
use satura_kernel::{BinaryOp, Inst, Reg, Scalar, SubgroupOp, Ty, UnaryOp};

const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

impl Printer<'_> {
    pub(crate) fn ty(&self, reg: Reg) -> Ty {
        self.kernel.regs[reg.0 as usize]
    }

    /// The expression of an instruction. Operands that are read once are consumed.
    pub(crate) fn expression(&mut self, reg: Reg, inst: &Inst) -> Expr {
        let ty = self.ty(reg);
        match inst {
            Inst::Bool(value) => Expr::literal(value.to_string()),
            Inst::I32(value) => integer(*value),
            Inst::U32(value) => Expr::literal(format!("{value}u")),
            Inst::F32(bits) => self.float(*bits),
            Inst::Group => Expr::name("group".to_owned()),
            Inst::Local => Expr::name("local".to_owned()),
            Inst::Lane => Expr::name("lane".to_owned()),
            Inst::Param(i) => Expr::name(format!("params.p{i}")),
            Inst::Get(var) => Expr { memory: true, ..Expr::name(format!("v{}", var.0)) },
            Inst::Unary(op, x) => self.unary(*op, *x),
            Inst::Binary(op, a, b) => self.binary(*op, *a, *b),
            Inst::Fma(a, b, c) => {
                let operands = self.operands(&[*a, *b, *c]);
                derived(call("fma", &operands), true, &operands)
            }
            Inst::Select(condition, a, b) => {
                let mut operands = self.operands(&[*b, *a]);
                operands.push(self.value(*condition));
                derived(call("select", &operands), true, &operands)
            }
            Inst::Convert(to, x) => self.conversion(*to, *x),
            Inst::Bitcast(_, x) => {
                let x = self.operands(&[*x]);
                derived(call(&format!("bitcast<{}>", type_name(ty)), &x), true, &x)
            }
            Inst::Splat(_, x) => {
                let x = self.value(*x);
                let scalar = Some(x.grouped());
                let text = format!("{}({})", type_name(ty), x.text);
                Expr { text, tight: true, scalar, ..x }
            }
            Inst::Compose(parts) => {
                let parts: Vec<Expr> = parts.iter().map(|p| self.value(*p)).collect();
                let constant = parts.iter().all(|p| p.constant);
                Expr { constant, ..derived(call(&type_name(ty), &parts), true, &parts) }
            }
            Inst::Extract(x, component) => {
                let x = self.value(*x);
                let text = format!("{}.{}", x.grouped(), COMPONENTS[usize::from(*component & 3)]);
                Expr { text, tight: true, scalar: None, ..x }
            }
            Inst::Load { buffer, index, width } => self.load(*buffer, *index, *width),
            Inst::LoadShared { shared, index } => {
                let index = self.value(*index).text;
                let text = format!("s{}[{index}]", shared.0);
                match self.kernel.shared[shared.0 as usize].scalar {
                    Scalar::Bool => Expr { text: format!("{text} != 0u"), memory: true, ..Expr::default() },
                    Scalar::F32 | Scalar::I32 | Scalar::U32 => {
                        Expr { text, tight: true, memory: true, ..Expr::default() }
                    }
                }
            }
            Inst::Broadcast(x, lane) => {
                let x = self.value(*x);
                let text = format!("subgroupBroadcast({}, {lane}u)", x.text);
                Expr { convergent: true, ..derived(text, true, &[x]) }
            }
            Inst::Subgroup(op, x) => {
                let name = match op {
                    SubgroupOp::Add => "subgroupAdd",
                    SubgroupOp::Mul => "subgroupMul",
                    SubgroupOp::Min => "subgroupMin",
                    SubgroupOp::Max => "subgroupMax",
                };
                let x = [self.value(*x)];
                Expr { convergent: true, ..derived(call(name, &x), true, &x) }
            }
        }
    }

    /// The operands of an operation that a compiler could evaluate: if all are constants, one is hidden from it, because an overflow would be an error.
    fn operands(&mut self, regs: &[Reg]) -> Vec<Expr> {
        let mut operands: Vec<Expr> = regs.iter().map(|r| self.value(*r)).collect();
        if operands.iter().all(|o| o.constant) {
            operands[0] = self.opaque(operands[0].clone());
        }
        operands
    }

    fn float(&mut self, bits: u32) -> Expr {
        let value = f32::from_bits(bits);
        if value.is_finite() {
            return Expr::literal(format!("{value:?}f"));
        }
        match self.options.dialect {
            Dialect::Naga => Expr::literal(format!("bitcast<f32>(0x{bits:08x}u)")),
            Dialect::Browser => {
                self.hidden.insert(bits);
                Expr::name(format!("bitcast<f32>(bits_{bits:08x})"))
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, reg: Reg) -> Expr {
        let ty = self.ty(reg);
        let float = ty.scalar == Scalar::F32;
        let name = match op {
            UnaryOp::Neg if ty.scalar == Scalar::U32 => {
                let x = self.operands(&[reg]);
                return derived(format!("{}(0u) - {}", type_name(ty), x[0].grouped()), false, &x);
            }
            UnaryOp::Neg => {
                let x = self.operands(&[reg]);
                return derived(format!("-{}", x[0].grouped()), false, &x);
            }
            UnaryOp::Not => {
                let x = self.operands(&[reg]);
                let operator = if ty.scalar == Scalar::Bool { '!' } else { '~' };
                return derived(format!("{operator}{}", x[0].grouped()), false, &x);
            }
            // The built-in `sign` of NaN is undefined.
            UnaryOp::Sign if float => {
                let x = self.atom(reg);
                let x = self.opaque(x).text;
                let t = type_name(ty);
                let text =
                    format!("select(select({x}, {t}(1.0f), {x} > {t}(0.0f)), {t}(-1.0f), {x} < {t}(0.0f))");
                return Expr { text, tight: true, ..Expr::default() };
            }
            UnaryOp::Sign if ty.scalar == Scalar::U32 => {
                let x = self.operands(&[reg]);
                return derived(format!("min({}, {}(1u))", x[0].text, type_name(ty)), true, &x);
            }
            UnaryOp::IsNan => {
                let x = self.operands(&[reg]);
                let u = type_name(Ty { scalar: Scalar::U32, ..ty });
                let text = format!("(bitcast<{u}>({}) & {u}(0x7fffffffu)) > {u}(0x7f800000u)", x[0].text);
                return derived(text, false, &x);
            }
            // A device that stores halves converts to them by itself.
            UnaryOp::RoundF16 if self.analysis.half => {
                let x = self.operands(&[reg]);
                let half = if ty.width == 1 { "f16".to_owned() } else { format!("vec{}<f16>", ty.width) };
                return derived(format!("{}({half}({}))", type_name(ty), x[0].text), true, &x);
            }
            UnaryOp::Tanh | UnaryOp::Sigmoid | UnaryOp::Erf | UnaryOp::RoundF16 | UnaryOp::RoundBf16 => {
                let helper = match op {
                    UnaryOp::Tanh => Helper::Tanh,
                    UnaryOp::Sigmoid => Helper::Sigmoid,
                    UnaryOp::RoundF16 => Helper::HalfRound,
                    UnaryOp::RoundBf16 => Helper::BrainRound,
                    _ => Helper::Erf,
                };
                let x = self.operands(&[reg]);
                return derived(self.call(helper, ty.width, &[&x[0].text]), true, &x);
            }
            UnaryOp::Sign => "sign",
            UnaryOp::Abs => "abs",
            UnaryOp::Floor => "floor",
            UnaryOp::Ceil => "ceil",
            UnaryOp::Round => "round",
            UnaryOp::Exp => "exp",
            UnaryOp::Log => "log",
            UnaryOp::Sqrt => "sqrt",
            UnaryOp::Sin => "sin",
            UnaryOp::Cos => "cos",
            UnaryOp::Tan => "tan",
        };
        let x = self.operands(&[reg]);
        derived(call(name, &x), true, &x)
    }

    fn binary(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Expr {
        let ty = self.ty(a);
        let operator = match (op, ty.scalar) {
            (BinaryOp::Add, _) => "+",
            (BinaryOp::Sub, _) => "-",
            (BinaryOp::Mul, _) => "*",
            (BinaryOp::Div, Scalar::F32) => "/",
            (BinaryOp::Div | BinaryOp::Rem, Scalar::I32 | Scalar::U32) => {
                return self.integer_division(op, a, b);
            }
            (BinaryOp::Min | BinaryOp::Max, Scalar::F32) => return self.extremum(op, a, b),
            (BinaryOp::Min, _) => return self.function("min", a, b),
            (BinaryOp::Max, _) => return self.function("max", a, b),
            (BinaryOp::Pow, _) => return self.power(a, b),
            (BinaryOp::Div | BinaryOp::Rem, _) => {
                let x = self.operands(&[a, b]);
                return derived(self.call(Helper::FloatRem, ty.width, &[&x[0].text, &x[1].text]), true, &x);
            }
            (BinaryOp::And, _) => "&",
            (BinaryOp::Or, _) => "|",
            (BinaryOp::Xor, Scalar::Bool) => "!=",
            (BinaryOp::Xor, _) => "^",
            (BinaryOp::Shl, _) => return self.shift("<<", a, b),
            (BinaryOp::Shr, _) => return self.shift(">>", a, b),
            (BinaryOp::Eq, _) => "==",
            (BinaryOp::Lt, _) => "<",
            (BinaryOp::Le, _) => "<=",
        };
        let x = self.operands(&[a, b]);
        // Arithmetic takes a scalar beside a vector.
        let arithmetic = matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div);
        let (left, right) = match (&x[0].scalar, &x[1].scalar) {
            (_, Some(right)) if arithmetic => (x[0].grouped(), right.clone()),
            (Some(left), None) if arithmetic => (left.clone(), x[1].grouped()),
            _ => (x[0].grouped(), x[1].grouped()),
        };
        derived(format!("{left} {operator} {right}"), false, &x)
    }

    fn function(&mut self, name: &str, a: Reg, b: Reg) -> Expr {
        let x = self.operands(&[a, b]);
        derived(call(name, &x), true, &x)
    }

    /// The amount of a shift is unsigned whatever is shifted.
    fn shift(&mut self, operator: &str, a: Reg, b: Reg) -> Expr {
        let ty = self.ty(a);
        let unsigned = type_name(Ty { scalar: Scalar::U32, ..ty });
        let by = match self.analysis.constant(b) {
            Some(Inst::U32(by)) => Expr::literal(format!("{unsigned}({by}u)")),
            Some(Inst::I32(by)) => Expr::literal(format!("{unsigned}({}u)", by.cast_unsigned())),
            _ => {
                let by = self.value(b);
                if ty.scalar == Scalar::U32 {
                    by
                } else {
                    derived(format!("bitcast<{unsigned}>({})", by.text), true, &[by])
                }
            }
        };
        let mut x = self.value(a);
        if x.constant && by.constant {
            x = self.opaque(x);
        }
        derived(format!("{} {operator} {}", x.grouped(), by.grouped()), false, &[x, by])
    }

    fn integer_division(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Expr {
        let ty = self.ty(a);
        let safe = match self.analysis.constant(b) {
            Some(Inst::I32(value)) => *value != 0 && *value != -1,
            Some(Inst::U32(value)) => *value != 0,
            _ => false,
        };
        if safe {
            let x = self.operands(&[a, b]);
            let operator = if op == BinaryOp::Div { '/' } else { '%' };
            let right = x[1].scalar.clone().unwrap_or_else(|| x[1].grouped());
            return derived(format!("{} {operator} {right}", x[0].grouped()), false, &x);
        }
        let helper = match (op, ty.scalar) {
            (BinaryOp::Div, Scalar::I32) => Helper::DivI32,
            (BinaryOp::Div, _) => Helper::DivU32,
            (_, Scalar::I32) => Helper::RemI32,
            (_, _) => Helper::RemU32,
        };
        let x = self.operands(&[a, b]);
        derived(self.call(helper, ty.width, &[&x[0].text, &x[1].text]), true, &x)
    }

    /// Min and max that give NaN if either operand is. Beside a constant, one comparison does it: it is false for NaN, which keeps the variable operand.
    fn extremum(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Expr {
        let number =
            |inst: Option<&Inst>| matches!(inst, Some(Inst::F32(bits)) if !f32::from_bits(*bits).is_nan());
        let (variable, constant) =
            match (number(self.analysis.constant(a)), number(self.analysis.constant(b))) {
                (false, true) => (a, b),
                (true, false) => (b, a),
                _ => {
                    let helper = if op == BinaryOp::Min { Helper::Min } else { Helper::Max };
                    let width = self.ty(a).width;
                    let x = self.operands(&[a, b]);
                    return derived(self.call(helper, width, &[&x[0].text, &x[1].text]), true, &x);
                }
            };
        let x = self.atom(variable);
        let x = self.opaque(x).text;
        let c = self.value(constant).text;
        let operator = if op == BinaryOp::Min { '>' } else { '<' };
        Expr { text: format!("select({x}, {c}, {x} {operator} {c})"), tight: true, ..Expr::default() }
    }

    fn power(&mut self, a: Reg, b: Reg) -> Expr {
        let width = self.ty(a).width;
        let exponent = match self.analysis.constant(b) {
            Some(Inst::F32(bits)) => Some(f32::from_bits(*bits)),
            _ => None,
        };
        // Small whole exponents are exact products, which keep the sign by themselves.
        let factors = match exponent {
            Some(2.0) => 2,
            Some(3.0) => 3,
            _ => {
                let x = self.operands(&[a, b]);
                return derived(self.call(Helper::Pow, width, &[&x[0].text, &x[1].text]), true, &x);
            }
        };
        // Consumes the exponent, which the text does not name.
        self.value(b);
        let x = self.atom(a);
        let x = self.opaque(x).text;
        Expr { text: vec![x; factors].join(" * "), ..Expr::default() }
    }

    fn conversion(&mut self, to: Scalar, reg: Reg) -> Expr {
        let from = self.ty(reg);
        let ty = Ty { scalar: to, ..from };
        let x = self.operands(&[reg]);
        match (from.scalar, to) {
            (Scalar::F32, Scalar::I32) => {
                derived(self.call(Helper::ToI32, ty.width, &[&x[0].text]), true, &x)
            }
            (Scalar::F32, Scalar::U32) => {
                derived(self.call(Helper::ToU32, ty.width, &[&x[0].text]), true, &x)
            }
            // Written with `==` so that NaN, which equals nothing, gives true.
            (Scalar::F32 | Scalar::I32 | Scalar::U32, Scalar::Bool) => {
                let zero = match from.scalar {
                    Scalar::F32 => "0.0f",
                    Scalar::I32 => "0i",
                    Scalar::U32 | Scalar::Bool => "0u",
                };
                let zero =
                    if from.width == 1 { zero.to_owned() } else { format!("{}({zero})", type_name(from)) };
                derived(format!("!({} == {zero})", x[0].grouped()), true, &x)
            }
            (Scalar::F32, Scalar::F32)
            | (Scalar::I32 | Scalar::U32 | Scalar::Bool, Scalar::F32 | Scalar::I32 | Scalar::U32)
            | (Scalar::Bool, Scalar::Bool) => derived(call(&type_name(ty), &x), true, &x),
        }
    }
}

/// An expression of others: what holds of an operand's place holds of it.
pub(crate) fn derived(text: String, tight: bool, operands: &[Expr]) -> Expr {
    Expr {
        text,
        tight,
        memory: operands.iter().any(|o| o.memory),
        convergent: operands.iter().any(|o| o.convergent),
        ..Expr::default()
    }
}

fn call(name: &str, arguments: &[Expr]) -> String {
    let arguments: Vec<&str> = arguments.iter().map(|a| a.text.as_str()).collect();
    format!("{name}({})", arguments.join(", "))
}

fn integer(value: i32) -> Expr {
    // The literal of the least integer would overflow before its sign is applied.
    if value == i32::MIN {
        Expr::literal(format!("{}({value})", scalar_name(Scalar::I32)))
    } else {
        Expr::literal(format!("{value}i"))
    }
}
