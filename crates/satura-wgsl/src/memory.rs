//! Loads and stores of every packing.
//!
//! A buffer of vec4, and every packed buffer, is an array of larger pieces. An access whose index is known to be a multiple of what it moves takes whole pieces; other loads
//! go component by component. Stores to packed buffers are whole words by the kernel's contract.

use crate::expr::derived;
use crate::helpers::Helper;
use crate::print::{Expr, Printer};
use satura_kernel::{Access, BufferId, Inst, Reg, Storage};

impl Printer<'_> {
    /// The text of `index + offset`.
    fn advanced(&self, index: &Expr, offset: usize) -> String {
        match (offset, index.text.strip_suffix('u').and_then(|t| t.parse::<u32>().ok())) {
            (0, _) => index.text.clone(),
            (_, Some(value)) => format!("{}u", value.wrapping_add(offset as u32)),
            (_, None) => format!("{} + {offset}u", index.grouped()),
        }
    }

    /// The text of `(index >> shift) + offset`.
    fn piece(&self, reg: Reg, index: &Expr, shift: u32, offset: usize) -> String {
        if let Some(Inst::U32(value)) = self.analysis.constant(reg) {
            return format!("{}u", (value >> shift) as usize + offset);
        }
        let piece = format!("{} >> {shift}u", index.grouped());
        if offset == 0 { piece } else { format!("({piece}) + {offset}u") }
    }

    pub(crate) fn load(&mut self, buffer: BufferId, reg: Reg, width: u8) -> Expr {
        let (storage, vector, access) = {
            let b = &self.kernel.buffers[buffer.0 as usize];
            (b.storage, b.vector, b.access)
        };
        let name = self.buffer_names[buffer.0 as usize].clone();
        let per_piece = if vector == 4 { 4 } else { storage.per_word() };
        let whole = usize::from(width).is_multiple_of(per_piece) && self.analysis.multiple_of(reg, per_piece);
        // The index is written once only for a single element of a plain buffer and for a single whole piece.
        let once = if whole { usize::from(width) == per_piece } else { width == 1 && per_piece == 1 };
        let index = if once { self.value(reg) } else { self.atom(reg) };
        let parts: Vec<String> = if whole {
            let pieces = usize::from(width) / per_piece;
            let shift = per_piece.trailing_zeros();
            (0..pieces)
                .map(|i| {
                    let at =
                        if shift == 0 { self.advanced(&index, i) } else { self.piece(reg, &index, shift, i) };
                    unpacked(storage, &format!("{name}[{at}]"))
                })
                .collect()
        } else {
            (0..usize::from(width))
                .map(|i| {
                    let at = Expr {
                        text: self.advanced(&index, i),
                        tight: i == 0 && index.tight,
                        ..Expr::default()
                    };
                    self.element(storage, vector, &name, reg, &at, i)
                })
                .collect()
        };
        let text = match parts.as_slice() {
            [one] => one.clone(),
            _ => format!("vec{width}<{}>({})", element_type(storage), parts.join(", ")),
        };
        // Only a packed bool is printed as a comparison.
        let tight = parts.len() > 1 || storage != Storage::Bool8x4;
        Expr { memory: index.memory || access == Access::ReadWrite, ..derived(text, tight, &[index]) }
    }

    /// One element of a buffer, at `at`, which is `base + offset`.
    fn element(
        &self,
        storage: Storage,
        vector: u8,
        name: &str,
        base: Reg,
        at: &Expr,
        offset: usize,
    ) -> String {
        let known = match self.analysis.constant(base) {
            Some(Inst::U32(value)) => Some(*value as usize + offset),
            _ => None,
        };
        if vector == 4 {
            return match known {
                Some(i) => format!("{name}[{}u][{}u]", i / 4, i % 4),
                None => format!("{name}[{} >> 2u][{} & 3u]", at.grouped(), at.grouped()),
            };
        }
        let per_word = storage.per_word();
        if per_word == 1 {
            return unpacked(storage, &format!("{name}[{}]", at.text));
        }
        let bits = 32 / per_word;
        let (word, shift) = match known {
            Some(i) => (format!("{name}[{}u]", i / per_word), format!("{}u", i % per_word * bits)),
            None => (
                format!("{name}[{} >> {}u]", at.grouped(), per_word.trailing_zeros()),
                format!("(({} & {}u) << {}u)", at.grouped(), per_word - 1, bits.trailing_zeros()),
            ),
        };
        match storage {
            Storage::F16x2 => format!("unpack2x16float({word} >> {shift}).x"),
            Storage::BF16x2 => format!("bitcast<f32>(({word} >> {shift}) << 16u)"),
            Storage::U8x4 | Storage::U16x2 => format!("extractBits({word}, {shift}, {bits}u)"),
            Storage::I8x4 | Storage::I16x2 => format!("extractBits(bitcast<i32>({word}), {shift}, {bits}u)"),
            Storage::Bool8x4 => format!("(extractBits({word}, {shift}, 8u) != 0u)"),
            Storage::F32 | Storage::F16 | Storage::I32 | Storage::U32 => word,
        }
    }

    pub(crate) fn store(&mut self, buffer: BufferId, reg: Reg, value: Reg) {
        let (storage, vector) = {
            let b = &self.kernel.buffers[buffer.0 as usize];
            (b.storage, b.vector)
        };
        let name = self.buffer_names[buffer.0 as usize].clone();
        let width = usize::from(self.ty(value).width);
        if storage.per_word() > 1 {
            return self.store_words(storage, &name, reg, value, width);
        }
        if vector == 4 && width == 4 && self.analysis.multiple_of(reg, 4) {
            let (index, value) = (self.value(reg), self.value(value).text);
            self.settle_memory();
            let at = self.piece(reg, &index, 2, 0);
            return self.line(&format!("{name}[{at}] = {value};"));
        }
        let index = if width == 1 && vector != 4 { self.value(reg) } else { self.atom(reg) };
        let value = if width == 1 { self.value(value) } else { self.atom_or_temporary(value) };
        self.settle_memory();
        for i in 0..width {
            let part = if width == 1 {
                value.text.clone()
            } else {
                format!("{}.{}", value.text, ["x", "y", "z", "w"][i])
            };
            let part = if storage == Storage::F16 { format!("f16({part})") } else { part };
            let at = Expr { text: self.advanced(&index, i), tight: i == 0 && index.tight, ..Expr::default() };
            let target = match (vector, self.analysis.constant(reg)) {
                (4, Some(Inst::U32(at))) => {
                    let at = *at as usize + i;
                    format!("{name}[{}u][{}u]", at / 4, at % 4)
                }
                (4, _) => format!("{name}[{} >> 2u][{} & 3u]", at.grouped(), at.grouped()),
                (_, _) => format!("{name}[{}]", at.text),
            };
            self.line(&format!("{target} = {part};"));
        }
    }

    /// A value as a name, even if it is a constant vector, so that its components can be taken.
    fn atom_or_temporary(&mut self, reg: Reg) -> Expr {
        let expr = self.atom(reg);
        self.opaque(expr)
    }

    /// Stores whole words of a packed buffer.
    fn store_words(&mut self, storage: Storage, name: &str, reg: Reg, value: Reg, width: usize) {
        let per_word = storage.per_word();
        let words = width / per_word;
        let index = if words == 1 { self.value(reg) } else { self.atom(reg) };
        let shift = per_word.trailing_zeros();
        let value = match storage {
            Storage::U8x4 => vec![format!("pack4xU8({})", self.value(value).text)],
            Storage::I8x4 => vec![format!("pack4xI8({})", self.value(value).text)],
            Storage::Bool8x4 => vec![format!("pack4xU8(vec4<u32>({}))", self.value(value).text)],
            Storage::F16x2 | Storage::BF16x2 | Storage::U16x2 | Storage::I16x2 => {
                let expr = self.value(value);
                let bits = match storage {
                    Storage::F16x2 => self.call(Helper::HalfBits, width as u8, &[&expr.text]),
                    Storage::BF16x2 => self.call(Helper::BrainBits, width as u8, &[&expr.text]),
                    Storage::I16x2 => {
                        format!("bitcast<vec{width}<u32>>({}) & vec{width}<u32>(0xffffu)", expr.text)
                    }
                    _ => format!("{} & vec{width}<u32>(0xffffu)", expr.grouped()),
                };
                let bits = self.temporary(&bits);
                [["x", "y"], ["z", "w"]][..words]
                    .iter()
                    .map(|[low, high]| format!("{bits}.{low} | ({bits}.{high} << 16u)"))
                    .collect()
            }
            Storage::F32 | Storage::F16 | Storage::I32 | Storage::U32 => vec![self.value(value).text],
        };
        self.settle_memory();
        for (i, word) in value.iter().enumerate() {
            let at = self.piece(reg, &index, shift, i);
            self.line(&format!("{name}[{at}] = {word};"));
        }
    }
}

/// The type of a loaded component.
fn element_type(storage: Storage) -> &'static str {
    crate::print::scalar_name(storage.scalar())
}

/// What a whole piece, an element or word of the buffer, unpacks to.
fn unpacked(storage: Storage, piece: &str) -> String {
    match storage {
        Storage::F32 | Storage::I32 | Storage::U32 => piece.to_owned(),
        Storage::F16 => format!("f32({piece})"),
        Storage::F16x2 => format!("unpack2x16float({piece})"),
        Storage::BF16x2 => {
            format!("bitcast<vec2<f32>>((vec2<u32>({piece}) << vec2<u32>(16u, 0u)) & vec2<u32>(0xffff0000u))")
        }
        Storage::U8x4 => format!("unpack4xU8({piece})"),
        Storage::I8x4 => format!("unpack4xI8({piece})"),
        Storage::U16x2 => format!("((vec2<u32>({piece}) >> vec2<u32>(0u, 16u)) & vec2<u32>(0xffffu))"),
        Storage::I16x2 => {
            format!("((vec2<i32>(bitcast<i32>({piece})) << vec2<u32>(16u, 0u)) >> vec2<u32>(16u))")
        }
        Storage::Bool8x4 => format!("unpack4xU8({piece}) != vec4<u32>(0u)"),
    }
}
