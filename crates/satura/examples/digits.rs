//! Classifies the 1,000 test digits with a model, on each device that is named, and prints a table: `digits MODEL DEVICE..`.
//!
//! Ends with an error if a device's accuracy is below what a trained classifier must reach.
#![expect(clippy::print_stdout, reason = "an example that shows its results")]

use satura::tensor::Tensor;
use satura::{Device, DeviceKind, Inputs, LoadOptions, Session, load};
use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

/// Images in one run.
const BATCH: usize = 100;
/// The least share of right answers of a classifier that works.
const LEAST_ACCURACY: f64 = 0.98;

/// The bytes after the header of a gzipped IDX file of unsigned bytes, and the sizes in the header.
fn read_idx(path: &Path) -> Result<(Vec<usize>, Vec<u8>), Box<dyn Error>> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_end(&mut bytes)?;
    let [0, 0, 8, rank, rest @ ..] = &bytes[..] else { return Err("not an IDX file of bytes".into()) };
    let (header, data) =
        rest.split_at_checked(4 * usize::from(*rank)).ok_or("the IDX header is truncated")?;
    let sizes: Vec<usize> =
        header.chunks_exact(4).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]) as usize).collect();
    if sizes.iter().product::<usize>() != data.len() {
        return Err("the IDX data does not fill its sizes".into());
    }
    Ok((sizes, data.to_vec()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let model_path = args.next().ok_or("usage: digits MODEL DEVICE..")?;
    let folder = Path::new(&model_path).parent().unwrap_or(Path::new("."));
    let (sizes, pixels) = read_idx(&folder.join("test-images.idx3-ubyte.gz"))?;
    let (_, labels) = read_idx(&folder.join("test-labels.idx1-ubyte.gz"))?;
    let [count, height, width] = sizes[..] else { return Err("three sizes expected".into()) };
    // The scaling that the classifiers were trained with.
    let scaled: Vec<f32> = pixels.iter().map(|p| (f32::from(*p) / 255.0 - 0.1307) / 0.3081).collect();

    let model = load(Path::new(&model_path), &LoadOptions::default())?;
    let input = satura::describe_inputs(&model.graph)
        .first()
        .map(|(name, _)| name.clone())
        .ok_or("the model has no input")?;
    println!(
        "{:<10} {:>9} {:>13} {:>13} {:>12} {:>12}",
        "device", "accuracy", "ms per image", "compile ms", "model bytes", "peak bytes"
    );
    let mut too_low = Vec::new();
    for name in args {
        let device = Device::open(name.parse::<DeviceKind>()?, None)?;
        let mut session = Session::new(&model, &device, Default::default());
        let (mut right, mut seconds) = (0, 0.0);
        let mut report = (0.0, 0);
        for start in (0..count).step_by(BATCH) {
            let end = (start + BATCH).min(count);
            let batch = scaled[start * height * width..end * height * width].to_vec();
            let batch = Tensor::from_vec(batch, &[end - start, 1, height, width]);
            let inputs = Inputs::from([(input.clone(), batch.into())]);
            let compiled = session.compile(&inputs)?;
            report = (compiled.compile_time.as_secs_f64() * 1e3, compiled.report().peak_bytes);
            let clock = Instant::now();
            let outputs = session.run(&inputs)?;
            seconds += clock.elapsed().as_secs_f64();
            let logits = outputs.first().and_then(|(_, value)| value.as_tensor()?.as_slice::<f32>());
            let logits = logits.ok_or("f32 logits expected")?;
            for (row, label) in logits.chunks_exact(logits.len() / (end - start)).zip(&labels[start..end]) {
                let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(digit, _)| digit);
                right += usize::from(best == Some(usize::from(*label)));
            }
        }
        let accuracy = right as f64 / count as f64;
        let size = std::fs::metadata(&model_path)?.len();
        println!(
            "{name:<10} {accuracy:>9.3} {:>13.3} {:>13.1} {size:>12} {:>12}",
            seconds * 1e3 / count as f64,
            report.0,
            report.1
        );
        if accuracy < LEAST_ACCURACY {
            too_low.push(name);
        }
    }
    if too_low.is_empty() {
        Ok(())
    } else {
        Err(format!("the accuracy is too low on {}", too_low.join(", ")).into())
    }
}
