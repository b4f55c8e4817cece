//! `satura footprint`: what reading a model takes. For `cargo xtask footprint`.

use crate::Outcome;
use crate::args::FootprintArgs;
use crate::report::Failure;
use satura::LoadOptions;
use serde_json::{Map, Value, json};

/// The lines of `/proc/self/status` that are reported: anonymous memory, mapped pages of files, the peak of both together.
const LINES: [(&str, &str); 3] = [("RssAnon", "anonymous"), ("RssFile", "of_files"), ("VmHWM", "peak")];

pub(crate) fn run(args: &FootprintArgs) -> Result<Outcome, Failure> {
    let before = memory();
    let model = satura::load(&args.model, &LoadOptions::default())?;
    let after = memory();
    let report = json!({
        "read_ms": model.load_time.as_secs_f64() * 1e3,
        "nodes": model.graph.node_count(),
        "before": before,
        "after": after,
    });
    Ok(Outcome::done(format!("{report:#}\n")))
}

/// Bytes of memory of this process; `null` where the system does not say.
fn memory() -> Value {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Value::Null };
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let found: Option<Map<String, Value>> =
        LINES.iter().map(|(line, key)| Some(((*key).to_owned(), json!(bytes(line)?)))).collect();
    found.map_or(Value::Null, Value::Object)
}
