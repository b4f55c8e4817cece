//! The pipeline cache on disk: the driver's own data, and the hashes of the kernels that went into it.
//!
//! Must hold: whatever is in the directory, opening and saving never fail a run; what cannot be used is ignored with a note. The hashes tell exactly
//! which kernels an earlier process already built for the same driver, which the driver's data alone does not.

use crate::gpu::lock;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Part of the file's name and of its header: raised when the way that pipelines are made changes.
const CODE_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"SATURAPC";

/// Where compiled pipelines are kept between processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheDir {
    /// Nowhere.
    Off,
    /// In files of this directory, which is made if it is missing.
    At(PathBuf),
}

impl CacheDir {
    /// The directory named by the environment variable `SATURA_CACHE_DIR` (empty turns the cache off), else `satura` in the user's cache directory:
    /// `$XDG_CACHE_HOME`, `%LOCALAPPDATA%` or `~/.cache`. This is the only place that reads these variables.
    pub fn from_env() -> Self {
        let var =
            |name| std::env::var_os(name).filter(|v: &std::ffi::OsString| !v.is_empty()).map(PathBuf::from);
        if let Some(dir) = std::env::var_os("SATURA_CACHE_DIR") {
            return if dir.is_empty() { CacheDir::Off } else { CacheDir::At(dir.into()) };
        }
        let user = var("XDG_CACHE_HOME")
            .or_else(|| var("LOCALAPPDATA"))
            .or_else(|| Some(var("HOME")?.join(".cache")));
        user.map_or(CacheDir::Off, |dir| CacheDir::At(dir.join("satura")))
    }
}

/// The pipeline cache of one device.
pub(crate) struct PipelineStore {
    cache: Option<wgpu::PipelineCache>,
    path: Option<PathBuf>,
    fingerprint: String,
    known: Mutex<BTreeSet<u64>>,
    notes: Mutex<Vec<String>>,
}

impl PipelineStore {
    /// Opens the cache of a device; an unusable file counts as none.
    pub(crate) fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, dir: &CacheDir) -> Self {
        let fingerprint = fingerprint(device, info);
        let mut store = PipelineStore {
            cache: None,
            path: None,
            fingerprint,
            known: Mutex::default(),
            notes: Mutex::default(),
        };
        let CacheDir::At(dir) = dir else { return store };
        // Without a driver cache there is nothing to keep: the hashes alone would claim pipelines that are nowhere.
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return store;
        }
        let Some(key) = wgpu::util::pipeline_cache_key(info) else { return store };
        let path = dir.join(format!("{key}_v{CODE_VERSION}.bin"));
        let loaded = match std::fs::read(&path) {
            Ok(bytes) => match parse(&bytes, &store.fingerprint) {
                Ok((known, data)) => match driver_cache(device, Some(data)) {
                    Ok(cache) => Some((known, cache)),
                    Err(message) => {
                        store.note(format!("pipeline cache {} ignored: {message}", path.display()));
                        None
                    }
                },
                Err(message) => {
                    store.note(format!("pipeline cache {} ignored: {message}", path.display()));
                    None
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                store.note(format!("pipeline cache {} cannot be read: {error}", path.display()));
                None
            }
        };
        match loaded {
            Some((known, cache)) => {
                store.known = Mutex::new(known);
                store.cache = Some(cache);
            }
            None => match driver_cache(device, None) {
                Ok(cache) => store.cache = Some(cache),
                Err(message) => store.note(format!("the driver refuses a pipeline cache: {message}")),
            },
        }
        store.path = Some(path);
        store
    }

    /// The driver's cache, to create pipelines with.
    pub(crate) fn driver(&self) -> Option<&wgpu::PipelineCache> {
        self.cache.as_ref()
    }

    /// Notes that a kernel of this hash was built; gives whether the cache had it already.
    pub(crate) fn add(&self, hash: u64) -> bool {
        self.cache.is_some() && !lock(&self.known).insert(hash)
    }

    /// Writes the file anew.
    pub(crate) fn save(&self) {
        let (Some(path), Some(cache)) = (&self.path, &self.cache) else { return };
        let Some(data) = cache.get_data() else { return };
        let bytes = print(&self.fingerprint, &lock(&self.known), &data);
        if let Err(error) = replace(path, &bytes) {
            self.note(format!("pipeline cache {} cannot be written: {error}", path.display()));
        }
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }

    fn note(&self, text: String) {
        lock(&self.notes).push(text);
    }
}

/// All that must be equal for pipelines to be usable again.
fn fingerprint(device: &wgpu::Device, info: &wgpu::AdapterInfo) -> String {
    format!(
        "{}|{}|{}|{}|{}|{}|{}-{}|{:?}|{}",
        info.backend,
        info.vendor,
        info.device,
        info.name,
        info.driver,
        info.driver_info,
        info.subgroup_min_size,
        info.subgroup_max_size,
        device.features(),
        env!("CARGO_PKG_VERSION"),
    )
}

fn driver_cache(device: &wgpu::Device, data: Option<&[u8]>) -> Result<wgpu::PipelineCache, String> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let descriptor = wgpu::PipelineCacheDescriptor { label: None, data, fallback: false };
    // SAFETY: `data` came from `PipelineCache::get_data`: its file carries our magic, the fingerprint of this driver, and a matching checksum.
    let cache = unsafe { device.create_pipeline_cache(&descriptor) };
    match pollster::block_on(scope.pop()) {
        Some(error) => Err(error.to_string()),
        None => Ok(cache),
    }
}

/// Writes to a temporary file beside, then renames, so that readers see the old or the new file.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

/// FNV-1a, 64 bits: the same in every process and release.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// Magic, version, fingerprint, hashes, driver data, checksum; lengths are `u64`, all little-endian.
fn print(fingerprint: &str, known: &BTreeSet<u64>, data: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&CODE_VERSION.to_le_bytes());
    out.extend_from_slice(&(fingerprint.len() as u64).to_le_bytes());
    out.extend_from_slice(fingerprint.as_bytes());
    out.extend_from_slice(&(known.len() as u64).to_le_bytes());
    known.iter().for_each(|h| out.extend_from_slice(&h.to_le_bytes()));
    out.extend_from_slice(&(data.len() as u64).to_le_bytes());
    out.extend_from_slice(data);
    let checksum = hash(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The hashes and the driver data of a file, or why it cannot be used.
fn parse<'a>(file: &'a [u8], fingerprint: &str) -> Result<(BTreeSet<u64>, &'a [u8]), &'static str> {
    const CORRUPT: &str = "it is corrupt";
    let (mut rest, checksum) = file.split_last_chunk::<8>().ok_or(CORRUPT)?;
    if hash(rest) != u64::from_le_bytes(*checksum) {
        return Err(CORRUPT);
    }
    let magic = rest.split_off(..MAGIC.len()).ok_or(CORRUPT)?;
    let version = rest.split_off(..4).ok_or(CORRUPT)?;
    if magic != MAGIC {
        return Err(CORRUPT);
    }
    if version != CODE_VERSION.to_le_bytes() {
        return Err("it is of another version");
    }
    let length = |rest: &mut &'a [u8]| -> Result<usize, &'static str> {
        let (bytes, tail) = rest.split_first_chunk::<8>().ok_or(CORRUPT)?;
        *rest = tail;
        usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| CORRUPT)
    };
    let count = length(&mut rest)?;
    if rest.split_off(..count).ok_or(CORRUPT)? != fingerprint.as_bytes() {
        return Err("it is of another adapter or driver");
    }
    let count = length(&mut rest)?;
    let hashes = rest.split_off(..count.checked_mul(8).ok_or(CORRUPT)?).ok_or(CORRUPT)?;
    let (hashes, _) = hashes.as_chunks::<8>();
    let known = hashes.iter().map(|h| u64::from_le_bytes(*h)).collect();
    let count = length(&mut rest)?;
    if rest.len() != count {
        return Err(CORRUPT);
    }
    Ok((known, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip_and_damage_is_seen() {
        let known = BTreeSet::from([3, u64::MAX]);
        let file = print("driver 1", &known, b"data");
        assert_eq!(parse(&file, "driver 1"), Ok((known, &b"data"[..])));
        assert_eq!(parse(&file, "driver 2"), Err("it is of another adapter or driver"));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(parse(&damaged, "driver 1").is_err(), "byte {at}");
            assert!(parse(&file[..at], "driver 1").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn lengths_beyond_the_file_are_refused() {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&CODE_VERSION.to_le_bytes());
        file.extend_from_slice(&u64::MAX.to_le_bytes());
        let checksum = hash(&file);
        file.extend_from_slice(&checksum.to_le_bytes());
        assert_eq!(parse(&file, "x"), Err("it is corrupt"));
    }
}
