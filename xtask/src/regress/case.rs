//! The manifest: models, inputs, and what is allowed of them.

use crate::cmd::{at, output, target};
use crate::python;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The values of one input.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// Sizes, outermost first.
    pub(crate) shape: Vec<usize>,
    /// A distribution's name or the elements; standard normal if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) values: Option<serde_json::Value>,
}

/// One model with fixed inputs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The name, also of the file of its gates.
    pub(crate) name: String,
    /// The model's path, in the repository or below the folder of models.
    pub(crate) model: String,
    /// By the input's name.
    pub(crate) inputs: BTreeMap<String, Input>,
    /// `"any"` if ops may run on the host instead of the GPU.
    #[serde(default)]
    pub(crate) host: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    case: Vec<Case>,
}

/// The cases, in order of the file.
pub(crate) fn manifest() -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(at("regress.toml"))?;
    let manifest: Manifest = toml::from_str(&text).context("regress.toml")?;
    Ok(manifest.case)
}

impl Case {
    /// Whether the model lies in the repository.
    pub(crate) fn is_committed(&self) -> bool {
        self.model.starts_with("fixtures/")
    }

    /// The model's file; `models` is the folder of the downloaded ones.
    pub(crate) fn path(&self, models: Option<&Path>) -> PathBuf {
        match models {
            Some(models) if !self.is_committed() => models.join(&self.model),
            _ => at(&self.model),
        }
    }

    /// Where files of this case are made.
    pub(crate) fn folder(&self) -> PathBuf {
        target().join("regress").join(&self.name)
    }

    /// The arguments that fix each input's shape.
    pub(crate) fn shapes(&self) -> Vec<String> {
        let sizes = |input: &Input| input.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        self.inputs.iter().map(|(name, input)| format!("--shape={name}={}", sizes(input))).collect()
    }

    /// Runs the model in onnxruntime with 2 threads: writes inputs and expected outputs, and gives the arguments that name the inputs and, if `runs` is
    /// not 0, the median milliseconds of a run.
    pub(crate) fn reference(&self, model: &Path, runs: usize) -> Result<(Vec<String>, f64)> {
        let mut script = python::script("reference_run.py")?;
        script.arg(model).arg(self.folder()).arg(serde_json::to_string(&self.inputs)?);
        if runs > 0 {
            script.args(["--time", &runs.to_string(), "2"]);
        }
        let result: serde_json::Value = serde_json::from_str(&output(&mut script)?)?;
        let files = result["inputs"].as_object().context("the script names no inputs")?;
        let inputs = files
            .iter()
            .map(|(name, file)| format!("--input={name}={}", file.as_str().unwrap_or_default()))
            .collect();
        Ok((inputs, result["median_ms"].as_f64().unwrap_or(0.0)))
    }
}
