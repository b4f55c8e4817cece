//! Images.

use crate::node::{Converted, NodeCx};
use satura_ir::ops::{self, PixelFormat};

const FORMATS: &[(&str, PixelFormat)] =
    &[("RGB", PixelFormat::Rgb), ("BGR", PixelFormat::Bgr), ("Grayscale", PixelFormat::Grayscale)];

/// The pixels of an encoded image.
pub(super) fn decoder(cx: &mut NodeCx<'_>) -> Converted {
    let ([bytes], []) = cx.args()?;
    let format = cx.attrs.choice("pixel_format", FORMATS)?.unwrap_or(PixelFormat::Rgb);
    cx.emit(ops::DecodeImage { format }, &[bytes])
}
