//! `satura devices`: what this machine has to run models on.

use crate::Outcome;
use crate::args::DevicesArgs;
use satura::DeviceKind;
use serde_json::json;
use std::fmt::Write;

pub(crate) fn run(args: &DevicesArgs) -> Outcome {
    let (kinds, adapters) = (satura::device_kinds(), satura::adapters());
    if args.json {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let list: Vec<_> = adapters
            .iter()
            .map(|a| json!({ "name": a.name, "kind": a.kind, "driver": a.driver, "gpu": a.is_gpu }))
            .collect();
        return Outcome::done(format!("{:#}\n", json!({ "kinds": kinds, "adapters": list })));
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |kind: DeviceKind, what: &str| {
        let _ = writeln!(text, "{kind:<10} {what}");
    };
    for kind in kinds {
        match kind {
            DeviceKind::Reference => line(kind, "the definition of every result; slow"),
            DeviceKind::Cpu => line(kind, "threads and vectors of this machine"),
            DeviceKind::Gpu if adapters.is_empty() => line(kind, "no driver with a Vulkan adapter was found"),
            DeviceKind::Gpu => {
                for a in &adapters {
                    line(kind, &format!("{} [{}, {}]", a.name, a.kind, a.driver));
                }
            }
            DeviceKind::Auto => {}
        }
    }
    Outcome::done(text)
}
