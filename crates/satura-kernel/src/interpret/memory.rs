//! Device memory of a running kernel: elements by their packing, and who touched them.

use super::{AccessFault, InterpretError};
use crate::ir::{Access, Kernel, Storage};
use half::{bf16, f16};

/// Where a kernel's buffer lies: a range of bytes in one of several stores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) store: usize,
    pub(super) start: usize,
    pub(super) bytes: usize,
}

/// The memory of one dispatch.
pub(super) struct Memory<'a> {
    stores: &'a mut [Vec<u8>],
    bound: &'a [Bound],
    kinds: Vec<(Storage, usize)>,
    /// For each element of a written buffer, one more than the number of the invocation in the dispatch that wrote it.
    writers: Vec<Vec<u32>>,
}

impl<'a> Memory<'a> {
    pub(super) fn new(
        kernel: &Kernel,
        stores: &'a mut [Vec<u8>],
        bound: &'a [Bound],
    ) -> Result<Self, InterpretError> {
        for (buffer, place) in kernel.buffers.iter().zip(bound) {
            let needed = buffer.storage.byte_len(buffer.elements);
            let held = stores
                .get(place.store)
                .and_then(|s| s.get(place.start..place.start.checked_add(place.bytes)?));
            if held.is_none_or(|h| h.len() < needed) {
                let message = format!(
                    "kernel `{}`: buffer `{}` needs {needed} bytes, {} are bound",
                    kernel.name, buffer.name, place.bytes
                );
                return Err(InterpretError::Arguments(message));
            }
        }
        let writers = kernel
            .buffers
            .iter()
            .map(|b| if b.access == Access::ReadWrite { vec![0; b.elements] } else { Vec::new() })
            .collect();
        let kinds = kernel.buffers.iter().map(|b| (b.storage, b.elements)).collect();
        Ok(Memory { stores, bound, kinds, writers })
    }

    /// The bits of element `index`; bools are 0 or 1.
    pub(super) fn load(&self, buffer: usize, index: u64, invocation: u32) -> Result<u32, AccessFault> {
        let (storage, elements) = self.kinds[buffer];
        let i = usize::try_from(index)
            .ok()
            .filter(|i| *i < elements)
            .ok_or(AccessFault::OutOfBounds(elements))?;
        if let Some(writer) = self.writers[buffer].get(i)
            && *writer != 0
            && *writer != invocation.wrapping_add(1)
        {
            return Err(AccessFault::Race);
        }
        let place = self.bound[buffer];
        let bytes = &self.stores[place.store][place.start..];
        let byte = |i: usize| bytes[i];
        let pair = |i: usize| u16::from_le_bytes([bytes[i * 2], bytes[i * 2 + 1]]);
        Ok(match storage {
            Storage::F32 | Storage::I32 | Storage::U32 => {
                u32::from_le_bytes([bytes[i * 4], bytes[i * 4 + 1], bytes[i * 4 + 2], bytes[i * 4 + 3]])
            }
            Storage::F16 | Storage::F16x2 => f16::from_bits(pair(i)).to_f32().to_bits(),
            Storage::BF16x2 => u32::from(pair(i)) << 16,
            Storage::U16x2 => pair(i).into(),
            Storage::I16x2 => i32::from(pair(i).cast_signed()).cast_unsigned(),
            Storage::U8x4 => byte(i).into(),
            Storage::I8x4 => i32::from(byte(i).cast_signed()).cast_unsigned(),
            Storage::Bool8x4 => u32::from(byte(i) != 0),
        })
    }

    /// Whether a store of several components may start at `index`.
    pub(super) fn aligned(&self, buffer: usize, index: u64) -> Result<(), AccessFault> {
        let per_word = self.kinds[buffer].0.per_word() as u64;
        if index.is_multiple_of(per_word) { Ok(()) } else { Err(AccessFault::Misaligned) }
    }

    /// Writes the bits of element `index`. A packed buffer's last word may reach beyond its elements: what falls there is kept, as on a device, but never read.
    pub(super) fn store(
        &mut self,
        buffer: usize,
        index: u64,
        bits: u32,
        invocation: u32,
    ) -> Result<(), AccessFault> {
        let (storage, elements) = self.kinds[buffer];
        let padded = elements.next_multiple_of(storage.per_word());
        let i =
            usize::try_from(index).ok().filter(|i| *i < padded).ok_or(AccessFault::OutOfBounds(elements))?;
        if i >= elements {
            return Ok(());
        }
        let writer = &mut self.writers[buffer][i];
        if *writer != 0 && *writer != invocation.wrapping_add(1) {
            return Err(AccessFault::Race);
        }
        *writer = invocation.wrapping_add(1);
        let place = self.bound[buffer];
        let bytes = &mut self.stores[place.store][place.start..];
        let half = |value: u16| value.to_le_bytes();
        match storage {
            Storage::F32 | Storage::I32 | Storage::U32 => {
                bytes[i * 4..i * 4 + 4].copy_from_slice(&bits.to_le_bytes())
            }
            Storage::F16 | Storage::F16x2 => {
                bytes[i * 2..i * 2 + 2].copy_from_slice(&half(f16::from_f32(f32::from_bits(bits)).to_bits()));
            }
            Storage::BF16x2 => {
                bytes[i * 2..i * 2 + 2]
                    .copy_from_slice(&half(bf16::from_f32(f32::from_bits(bits)).to_bits()));
            }
            Storage::U16x2 | Storage::I16x2 => bytes[i * 2..i * 2 + 2].copy_from_slice(&half(bits as u16)),
            Storage::U8x4 | Storage::I8x4 | Storage::Bool8x4 => bytes[i] = bits as u8,
        }
        Ok(())
    }
}

/// One shared array of the workgroup that runs.
pub(super) struct SharedArray {
    values: Vec<Cell>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    bits: u32,
    /// The phase, counted from 1 and by barriers, of the last write, and who wrote; 0 for never.
    written: (u32, u32),
    /// The phase of the last read, and who read; [`MANY`] for several.
    read: (u32, u32),
}

/// More than one invocation.
const MANY: u32 = u32::MAX;

impl SharedArray {
    pub(super) fn new(elements: usize) -> Self {
        SharedArray { values: vec![Cell::default(); elements] }
    }

    /// Forgets everything: another workgroup starts.
    pub(super) fn clear(&mut self) {
        self.values.fill(Cell::default());
    }

    pub(super) fn load(&mut self, index: u32, invocation: u32, phase: u32) -> Result<u32, AccessFault> {
        let length = self.values.len();
        let cell = self.values.get_mut(index as usize).ok_or(AccessFault::OutOfBounds(length))?;
        match cell.written {
            (0, _) => return Err(AccessFault::Uninitialised),
            (when, who) if when == phase && who != invocation => return Err(AccessFault::Race),
            _ => {}
        }
        cell.read = match cell.read {
            (when, who) if when == phase && who != invocation => (phase, MANY),
            _ => (phase, invocation),
        };
        Ok(cell.bits)
    }

    pub(super) fn store(
        &mut self,
        index: u32,
        bits: u32,
        invocation: u32,
        phase: u32,
    ) -> Result<(), AccessFault> {
        let length = self.values.len();
        let cell = self.values.get_mut(index as usize).ok_or(AccessFault::OutOfBounds(length))?;
        let meets = |(when, who): (u32, u32)| when == phase && who != invocation;
        if meets(cell.written) || meets(cell.read) {
            return Err(AccessFault::Race);
        }
        *cell = Cell { bits, written: (phase, invocation), ..*cell };
        Ok(())
    }
}
