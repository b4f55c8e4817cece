//! The printer: statements, and the placing of expressions.
//!
//! A register that is read once stands where it is read, as long as nothing between could change its value or the set of lanes that compute it; all others become
//! a `let`. Constants, and what is as short as a name, are repeated.

use crate::analysis::Analysis;
use crate::helpers::Helper;
use crate::options::{Dialect, ParamSpace, WgslOptions};
use satura_kernel::{Access, Inst, Kernel, Reg, Scalar, Stmt, Storage, Ty};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Longer expressions get a name, for the reader's sake.
const MAX_EXPRESSION: usize = 140;

/// The text of a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expr {
    pub(crate) text: String,
    /// A name, a literal or a call: needs no parentheses.
    pub(crate) tight: bool,
    /// A name or a literal: may be repeated.
    pub(crate) atom: bool,
    /// A constant expression, which compilers evaluate, and reject if the result overflows.
    pub(crate) constant: bool,
    /// For a vector of equal components: one of them, in parentheses where needed.
    pub(crate) scalar: Option<String>,
    /// Reads something that later statements may change.
    pub(crate) memory: bool,
    /// Must be computed by the same lanes: may not move into a branch or a loop.
    pub(crate) convergent: bool,
}

impl Expr {
    pub(crate) fn name(text: String) -> Expr {
        Expr { text, tight: true, atom: true, ..Expr::default() }
    }

    pub(crate) fn literal(text: String) -> Expr {
        Expr { constant: true, ..Expr::name(text) }
    }

    /// The expression in parentheses, unless it binds tightly.
    pub(crate) fn grouped(&self) -> String {
        if self.tight { self.text.clone() } else { format!("({})", self.text) }
    }
}

/// Prints one kernel.
pub(crate) struct Printer<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) options: &'a WgslOptions,
    pub(crate) analysis: Analysis,
    pub(crate) buffer_names: Vec<String>,
    pub(crate) helpers: BTreeSet<(Helper, u8)>,
    /// The constants that are not finite, by their bits, which the browser's dialect reads from private variables.
    pub(crate) hidden: BTreeSet<u32>,
    values: Vec<Option<Expr>>,
    /// Registers whose expression waits for its reader and that must be printed before certain statements.
    waiting: Vec<Reg>,
    body: String,
    indent: usize,
    temporaries: u32,
}

/// The type as WGSL spells it.
pub(crate) fn type_name(ty: Ty) -> String {
    let scalar = scalar_name(ty.scalar);
    if ty.width == 1 { scalar.to_owned() } else { format!("vec{}<{scalar}>", ty.width) }
}

/// The scalar as WGSL spells it.
pub(crate) fn scalar_name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::F32 => "f32",
        Scalar::I32 => "i32",
        Scalar::U32 => "u32",
        Scalar::Bool => "bool",
    }
}

impl<'a> Printer<'a> {
    pub(crate) fn new(kernel: &'a Kernel, options: &'a WgslOptions) -> Self {
        Printer {
            kernel,
            options,
            analysis: Analysis::of(kernel),
            buffer_names: kernel.buffers.iter().enumerate().map(|(i, b)| sanitised(&b.name, i)).collect(),
            helpers: BTreeSet::new(),
            hidden: BTreeSet::new(),
            values: vec![None; kernel.regs.len()],
            waiting: Vec::new(),
            body: String::new(),
            indent: 1,
            temporaries: 0,
        }
    }

    /// The whole text.
    pub(crate) fn print(mut self) -> String {
        self.block(&self.kernel.body);
        let mut out = String::new();
        let name: String = self.kernel.name.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(out, "// {name}");
        if self.analysis.half {
            out.push_str("enable f16;\n");
        }
        if (self.analysis.subgroups || self.analysis.lane) && self.options.dialect == Dialect::Browser {
            out.push_str("enable subgroups;\n");
        }
        self.globals(&mut out);
        for (helper, width) in &self.helpers {
            out.push_str(&helper.text(*width));
        }
        self.entry(&mut out);
        out.push_str(&self.body);
        out.push_str("}\n");
        out
    }

    fn globals(&self, out: &mut String) {
        for (i, (buffer, name)) in self.kernel.buffers.iter().zip(&self.buffer_names).enumerate() {
            let element = match buffer.storage {
                Storage::F16 => "f16",
                Storage::F32 => "f32",
                Storage::I32 => "i32",
                Storage::U32
                | Storage::F16x2
                | Storage::BF16x2
                | Storage::U8x4
                | Storage::I8x4
                | Storage::U16x2
                | Storage::I16x2
                | Storage::Bool8x4 => "u32",
            };
            let element = if buffer.vector == 4 { format!("vec4<{element}>") } else { element.to_owned() };
            let access = match buffer.access {
                Access::Read => "read",
                Access::ReadWrite => "read_write",
            };
            let _ = writeln!(out, "@group(0) @binding({i}) var<storage, {access}> {name}: array<{element}>;");
        }
        for (i, shared) in self.kernel.shared.iter().enumerate() {
            let element = match shared.scalar {
                Scalar::Bool => "u32",
                other => scalar_name(other),
            };
            let _ = writeln!(out, "var<workgroup> s{i}: array<{element}, {}>;", shared.elements);
        }
        if self.kernel.params > 0 {
            let fields: Vec<String> = (0..self.kernel.params).map(|i| format!("p{i}: u32")).collect();
            let _ = writeln!(out, "struct Params {{ {} }}", fields.join(", "));
            match self.options.params {
                ParamSpace::Immediate => out.push_str("var<immediate> params: Params;\n"),
                ParamSpace::Uniform => {
                    let binding = self.kernel.buffers.len();
                    let _ = writeln!(out, "@group(0) @binding({binding}) var<uniform> params: Params;");
                }
            }
        }
        for bits in &self.hidden {
            let _ = writeln!(out, "var<private> bits_{bits:08x}: u32 = 0x{bits:08x}u;");
        }
    }

    fn entry(&self, out: &mut String) {
        let folded = self.kernel.groups > self.options.max_groups_per_dimension;
        let mut builtins: Vec<&str> = Vec::new();
        if folded || self.analysis.group {
            builtins.push("@builtin(workgroup_id) group_id: vec3<u32>");
        }
        if folded {
            builtins.push("@builtin(num_workgroups) group_count: vec3<u32>");
        }
        if self.analysis.local {
            builtins.push("@builtin(local_invocation_index) local: u32");
        }
        if self.analysis.lane {
            builtins.push("@builtin(subgroup_invocation_id) lane: u32");
        }
        let size = self.kernel.workgroup_size;
        let _ = writeln!(out, "@compute @workgroup_size({size}, 1, 1)\nfn main({}) {{", builtins.join(", "));
        if folded {
            out.push_str(
                "    let group = group_id.x + group_count.x * (group_id.y + group_count.y * group_id.z);\n",
            );
            let _ = writeln!(out, "    if (group >= {}u) {{ return; }}", self.kernel.groups);
        } else if self.analysis.group {
            out.push_str("    let group = group_id.x;\n");
        }
    }

    /// Appends a line.
    pub(crate) fn line(&mut self, text: &str) {
        for _ in 0..self.indent {
            self.body.push_str("    ");
        }
        self.body.push_str(text);
        self.body.push('\n');
    }

    /// The value of a register where it is read.
    pub(crate) fn value(&mut self, reg: Reg) -> Expr {
        let slot = &mut self.values[reg.0 as usize];
        match slot {
            Some(expr) if expr.atom => expr.clone(),
            _ => {
                if let Some(at) = self.waiting.iter().position(|r| *r == reg) {
                    self.waiting.remove(at);
                }
                // A register that no statement defines cannot pass the verifier; its name makes the text's checker say so.
                slot.take().unwrap_or_else(|| Expr::name(format!("r{}", reg.0)))
            }
        }
    }

    /// The value of a register as a name or literal, so that it may be repeated.
    pub(crate) fn atom(&mut self, reg: Reg) -> Expr {
        let expr = self.value(reg);
        if expr.atom {
            return expr;
        }
        let name = format!("r{}", reg.0);
        self.line(&format!("let {name} = {};", expr.text));
        let named = Expr::name(name);
        self.values[reg.0 as usize] = Some(named.clone());
        named
    }

    /// A constant made opaque to constant evaluation.
    pub(crate) fn opaque(&mut self, expr: Expr) -> Expr {
        if !expr.constant {
            return expr;
        }
        let name = format!("k{}", self.temporaries);
        self.temporaries += 1;
        self.line(&format!("let {name} = {};", expr.text));
        Expr::name(name)
    }

    /// A name for a text that is needed more than once.
    pub(crate) fn temporary(&mut self, text: &str) -> String {
        let name = format!("k{}", self.temporaries);
        self.temporaries += 1;
        self.line(&format!("let {name} = {text};"));
        name
    }

    /// A call of a helper function.
    pub(crate) fn call(&mut self, helper: Helper, width: u8, arguments: &[&str]) -> String {
        self.helpers.insert((helper, width));
        format!("{}({})", helper.name(width), arguments.join(", "))
    }

    fn define(&mut self, reg: Reg, inst: &Inst) {
        if self.analysis.uses[reg.0 as usize] == 0 {
            return;
        }
        let expr = self.expression(reg, inst);
        if expr.atom && !expr.memory {
            self.values[reg.0 as usize] = Some(expr);
        } else if self.analysis.used_once_in_place(reg) && expr.text.len() <= MAX_EXPRESSION {
            if expr.memory || expr.convergent {
                self.waiting.push(reg);
            }
            self.values[reg.0 as usize] = Some(Expr { atom: false, ..expr });
        } else {
            self.line(&format!("let r{} = {};", reg.0, expr.text));
            self.values[reg.0 as usize] = Some(Expr::name(format!("r{}", reg.0)));
        }
    }

    /// Prints the waiting expressions that the next statement could disturb.
    fn settle(&mut self, control: bool) {
        for reg in std::mem::take(&mut self.waiting) {
            let Some(expr) = self.values[reg.0 as usize].clone() else { continue };
            if expr.memory || control {
                self.line(&format!("let r{} = {};", reg.0, expr.text));
                self.values[reg.0 as usize] = Some(Expr::name(format!("r{}", reg.0)));
            } else {
                self.waiting.push(reg);
            }
        }
    }

    fn nested(&mut self, stmts: &[Stmt]) {
        self.indent += 1;
        self.block(stmts);
        self.settle(true);
        self.indent -= 1;
    }

    fn block(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            match stmt {
                Stmt::Let(reg, inst) => self.define(*reg, inst),
                Stmt::Declare(var, value) => {
                    let value = self.value(*value).text;
                    let ty = type_name(self.kernel.vars[var.0 as usize]);
                    self.line(&format!("var v{}: {ty} = {value};", var.0));
                }
                Stmt::Set(var, value) => {
                    let value = self.value(*value).text;
                    self.settle(false);
                    self.line(&format!("v{} = {value};", var.0));
                }
                Stmt::Store { buffer, index, value } => self.store(*buffer, *index, *value),
                Stmt::StoreShared { shared, index, value } => {
                    let (index, expr) = (self.value(*index).text, self.value(*value));
                    self.settle(false);
                    let value = match self.kernel.shared[shared.0 as usize].scalar {
                        Scalar::Bool => format!("u32({})", expr.text),
                        Scalar::F32 | Scalar::I32 | Scalar::U32 => expr.text,
                    };
                    self.line(&format!("s{}[{index}] = {value};", shared.0));
                }
                Stmt::Barrier => {
                    self.settle(true);
                    self.line("workgroupBarrier();");
                }
                Stmt::For { var, start, end, step, body } => {
                    // The bound is evaluated before each round, so it has to be a name.
                    let (start, end) = (self.value(*start).text, self.atom(*end).text);
                    self.settle(true);
                    let name = format!("r{}", var.0);
                    self.line(&format!("for (var {name} = {start}; {name} < {end}; {name} += {step}u) {{"));
                    self.values[var.0 as usize] = Some(Expr::name(name));
                    self.nested(body);
                    self.line("}");
                }
                Stmt::If { condition, then, otherwise } => {
                    let condition = self.value(*condition).text;
                    self.settle(true);
                    self.line(&format!("if ({condition}) {{"));
                    self.nested(then);
                    if !otherwise.is_empty() {
                        self.line("} else {");
                        self.nested(otherwise);
                    }
                    self.line("}");
                }
            }
        }
    }

    /// Prints waiting expressions that a store could disturb.
    pub(crate) fn settle_memory(&mut self) {
        self.settle(false);
    }
}

/// A name for binding `index`: letters, digits and single underscores, and the binding's number, so that no two are equal and none is a word of the language.
fn sanitised(name: &str, index: usize) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() && !(out.is_empty() && c.is_ascii_digit()) {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        if out.len() >= 32 {
            break;
        }
    }
    let stem = out.trim_end_matches('_');
    if stem.is_empty() { format!("b_{index}") } else { format!("{stem}_{index}") }
}
