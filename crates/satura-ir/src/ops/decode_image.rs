//! Decoding images.

use super::support::bounded;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::attr_enum! {
    /// The channels of a decoded image.
    pub enum PixelFormat {
        /// Red, green, blue.
        Rgb = "rgb",
        /// Blue, green, red.
        Bgr = "bgr",
        /// One: `0.299 R + 0.587 G + 0.114 B` with weights in steps of `2^-16`, rounded (ITU-R BT.601).
        Grayscale = "grayscale",
    }
}

crate::op_struct! {
    /// The pixels of an encoded image: the bytes of a file in format BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP, as a u8 vector, give u8 `[height, width, channels]`.
    /// Transparency is dropped, deeper colours are rounded to 8 bits. Needs the cargo feature `image` of this crate.
    pub struct DecodeImage {
        /// Which channels.
        pub format: PixelFormat,
    }
}

impl DecodeImage {
    fn channels(&self) -> usize {
        match self.format {
            PixelFormat::Grayscale => 1,
            PixelFormat::Rgb | PixelFormat::Bgr => 3,
        }
    }
}

impl OpDef for DecodeImage {
    const NAME: &'static str = "decode_image";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        match cx.dtype(0)? {
            DType::U8 => Ok(vec![DType::U8]),
            other => Err(OpError::dtype(format!("an image is a vector of u8, not of {other}"))),
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        match cx.ty(0).shape() {
            Some(shape) if shape.len() != 1 => {
                Err(OpError::shape(format!("an image is a vector of bytes, its shape is {shape}")))
            }
            // The size of an image is in its bytes.
            _ => Ok(vec![Shape(vec![Dim::unknown(), Dim::unknown(), Dim::from(self.channels())])]),
        }
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let bytes = inputs[0].as_slice::<u8>().ok_or_else(|| OpError::dtype("an image is a vector of u8"))?;
        let Pixels { width, height, rgb } = decode(&bytes)?;
        let pixels: Vec<u8> = match self.format {
            PixelFormat::Rgb => rgb,
            PixelFormat::Bgr => rgb.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect(),
            PixelFormat::Grayscale => rgb.chunks_exact(3).map(|p| luma([p[0], p[1], p[2]])).collect(),
        };
        Ok(vec![Tensor::from_vec(pixels, &bounded(vec![height, width, self.channels()])?)])
    }
}

/// Brightness by the weights of ITU-R BT.601.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000;
    (sum >> 16) as u8
}

/// A decoded image, three bytes a pixel, row by row.
struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

#[cfg(not(feature = "image"))]
fn decode(_: &[u8]) -> Result<Pixels, OpError> {
    Err(OpError::unsupported("images are decoded only with the feature `image` of satura-ir"))
}

#[cfg(feature = "image")]
fn decode(bytes: &[u8]) -> Result<Pixels, OpError> {
    /// How a JPEG 2000 file starts.
    const JPEG_2000: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";
    /// How a bare JPEG 2000 code stream starts.
    const CODE_STREAM: &[u8] = b"\xff\x4f\xff\x51";
    if bytes.starts_with(JPEG_2000) || bytes.starts_with(CODE_STREAM) {
        return decode_jpeg_2000(bytes);
    }
    let broken = |error: image::ImageError| OpError::value(format!("the image cannot be decoded: {error}"));
    let mut reader = image::ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| OpError::value(format!("the image cannot be read: {error}")))?;
    reader.limits(image::Limits::default());
    let image = reader.decode().map_err(broken)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Pixels { width, height, rgb: image.into_rgb8().into_raw() })
}

#[cfg(feature = "image")]
fn decode_jpeg_2000(bytes: &[u8]) -> Result<Pixels, OpError> {
    let broken =
        |error: &dyn std::fmt::Debug| OpError::value(format!("the image cannot be decoded: {error:?}"));
    let settings = hayro_jpeg2000::DecodeSettings::default();
    let image = hayro_jpeg2000::Image::new(bytes, &settings).map_err(|error| broken(&error))?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    bounded(vec![width, height, 4])?;
    let colours = match image.color_space() {
        hayro_jpeg2000::ColorSpace::Gray => 1,
        hayro_jpeg2000::ColorSpace::RGB => 3,
        hayro_jpeg2000::ColorSpace::CMYK
        | hayro_jpeg2000::ColorSpace::Unknown { .. }
        | hayro_jpeg2000::ColorSpace::Icc { .. } => {
            return Err(OpError::unsupported("a JPEG 2000 image of other colours than grey and sRGB"));
        }
    };
    let channels = colours + usize::from(image.has_alpha());
    let mut cx = hayro_jpeg2000::DecoderContext::default();
    let decoded = image.decode(&mut cx).map_err(|error| broken(&error))?.data_u8();
    let pixel = |p: &[u8]| if colours == 1 { [p[0]; 3] } else { [p[0], p[1], p[2]] };
    let rgb: Vec<u8> = decoded.chunks_exact(channels).flat_map(pixel).collect();
    if rgb.len() != width * height * 3 {
        return Err(OpError::value("the image has another number of pixels than its size says"));
    }
    Ok(Pixels { width, height, rgb })
}
