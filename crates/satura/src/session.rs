//! Running a model: symbols are bound, the graph is made ready for the device, and each binding is compiled once.

use crate::bind::{self, InputShapes, Inputs, input_name};
use crate::fallback::{Prepared, compile_for};
use crate::fix::{Values, values_of};
use crate::specialise::specialise;
use crate::{Device, Error, Model};
use satura_ir::{Datum, ExecError, Fallback, Graph, RunReport, Runnable};
use satura_tensor::Bindings;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One binding of a model, compiled.
pub struct Compiled {
    /// The graph that was compiled.
    pub graph: Graph,
    /// From the graph to something that runs.
    pub compile_time: Duration,
    /// The first run, which may include work that a device puts off until then; `None` before it.
    pub first_run: Option<Duration>,
    /// The inputs whose values were compiled in: with other values the model is compiled anew.
    pub fixed: BTreeSet<String>,
    device: String,
    runnable: Box<dyn Runnable>,
    fallback: Option<Fallback>,
}

impl Compiled {
    /// The values in the order of the graph's inputs. Names that the graph does not have are left out: inputs that were compiled in.
    pub fn order(&self, inputs: &Inputs) -> Result<Vec<Datum>, Error> {
        Ok(bind::order_known(&self.graph, inputs)?)
    }

    /// Runs once, inputs and outputs in the order of the graph's.
    pub fn run(&mut self, inputs: &[Datum]) -> Result<Vec<Datum>, Error> {
        let start = Instant::now();
        let outputs = self.runnable.run_data(inputs).map_err(|error| exec_error(&self.device, error))?;
        self.first_run.get_or_insert_with(|| start.elapsed());
        Ok(outputs)
    }

    /// What was compiled. A graph that runs on another device than the one asked for has one fallback more, `graph`.
    pub fn report(&self) -> RunReport {
        let mut report = self.runnable.report();
        report.fallbacks.splice(0..0, self.fallback.clone());
        report
    }
}

fn exec_error(device: &str, error: ExecError) -> Error {
    Error::Exec { device: device.to_owned(), error }
}

/// Values and sizes that something was made for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    values: Values,
    bindings: Bindings,
    shapes: InputShapes,
}

/// What was made for a key. What depends on values is made anew for each of them, so only the last of those are kept.
struct Cache<T> {
    entries: BTreeMap<Key, T>,
    by_value: VecDeque<Key>,
}

/// Entries of a cache that depend on values of inputs.
const KEPT_BY_VALUE: usize = 32;

impl<T> Cache<T> {
    fn new() -> Self {
        Cache { entries: BTreeMap::new(), by_value: VecDeque::new() }
    }

    fn insert(&mut self, key: Key, value: T) {
        if !key.values.is_empty() {
            if self.by_value.len() >= KEPT_BY_VALUE
                && let Some(oldest) = self.by_value.pop_front()
            {
                self.entries.remove(&oldest);
            }
            self.by_value.push_back(key.clone());
        }
        self.entries.insert(key, value);
    }
}

/// A model on a device.
pub struct Session {
    model: Model,
    graph: Arc<Graph>,
    device: Device,
    dims: Bindings,
    /// For a model that needs values of inputs: what was read for them, with the inputs that became constants.
    read: Cache<(Arc<Graph>, BTreeSet<String>)>,
    /// Inputs that reading needed the values of, so far.
    read_needs: BTreeSet<String>,
    compiled: Cache<Compiled>,
    /// Inputs that the device needed the values of, so far.
    device_needs: BTreeSet<String>,
}

impl Session {
    /// A session. `dims` fixes symbols, whatever the inputs.
    pub fn new(model: &Model, device: &Device, dims: Bindings) -> Self {
        Session {
            graph: Arc::new(model.graph.clone()),
            model: model.clone(),
            device: device.clone(),
            dims,
            read: Cache::new(),
            read_needs: model.open.as_ref().map(|open| open.values.clone()).unwrap_or_default(),
            compiled: Cache::new(),
            device_needs: BTreeSet::new(),
        }
    }

    /// The model's graph, as it was read.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The graph for these inputs, and the inputs of the model that it does not have, since their values are in it.
    fn read(&mut self, inputs: &Inputs) -> Result<(Arc<Graph>, BTreeSet<String>), Error> {
        if self.model.open.is_none() {
            return Ok((self.graph.clone(), BTreeSet::new()));
        }
        let key = |names: &BTreeSet<String>| Key {
            values: values_of(inputs, names),
            bindings: Bindings::new(),
            shapes: shapes_of(inputs),
        };
        if let Some(found) = self.read.entries.get(&key(&self.read_needs)) {
            return Ok(found.clone());
        }
        let (model, fixed) = self.model.whole_for(inputs)?;
        let found = (Arc::new(model.graph.clone()), fixed);
        self.read_needs.extend(found.1.iter().cloned());
        self.read.insert(key(&self.read_needs), found.clone());
        Ok(found)
    }

    /// The model compiled for inputs such as these: their sizes, and the values of those that decide shapes. Compiled now if it was not yet.
    pub fn compile(&mut self, inputs: &Inputs) -> Result<&mut Compiled, Error> {
        let (graph, constants) = self.read(inputs)?;
        let mut rest = inputs.clone();
        rest.retain(|name, _| !constants.contains(name));
        let shapes = shapes_of(&rest);
        let bindings = bind::solve(&graph, &self.dims, &shapes)?;
        // Sizes are part of the key only where symbols do not say them.
        let says = |name: &str| {
            let ids = graph.inputs().iter();
            let mut open = ids.filter(|id| input_name(&graph, **id) == *name);
            !open.any(|id| graph.ty(*id).bind(&bindings).sizes().is_none())
        };
        let mut of_key = shapes;
        of_key.retain(|name, _| !says(name));
        let key = |names: &BTreeSet<String>| Key {
            values: values_of(inputs, &constants.union(names).cloned().collect()),
            bindings: bindings.clone(),
            shapes: of_key.clone(),
        };
        let mut at = key(&self.device_needs);
        if !self.compiled.entries.contains_key(&at) {
            let start = Instant::now();
            let bound = specialise(&graph, &bindings, &of_key)?;
            // Every tensor has sizes now. What is open is of the items of sequences, each of which has its own: no device compiles for that, and the graph runs where none needs to.
            let prepared = compile_for(&bound, &self.device, inputs, &mut self.device_needs)?;
            at = key(&self.device_needs);
            let Prepared { graph, runnable, device, fallback } = prepared;
            let compile_time = start.elapsed();
            let fixed = at.values.keys().cloned().collect();
            let compiled =
                Compiled { graph, compile_time, first_run: None, fixed, device, runnable, fallback };
            self.compiled.insert(at.clone(), compiled);
        }
        Ok(self.compiled.entries.get_mut(&at).expect("inserted just above"))
    }

    /// Runs once and gives the outputs by name, in the order of the graph's.
    pub fn run(&mut self, inputs: &Inputs) -> Result<Vec<(String, Datum)>, Error> {
        // Names and dtypes first: the errors about them are better than those of what comes after.
        bind::order_inputs(&self.graph, inputs)?;
        let compiled = self.compile(inputs)?;
        let ordered = compiled.order(inputs)?;
        let outputs = compiled.run(&ordered)?;
        let names = compiled.graph.outputs().iter().map(|output| output.name.to_string());
        Ok(names.zip(outputs).collect())
    }
}

/// The sizes of the tensors among these values.
pub fn shapes_of(inputs: &Inputs) -> InputShapes {
    let sizes = |(name, datum): (&String, &Datum)| Some((name.clone(), datum.as_tensor()?.shape().to_vec()));
    inputs.iter().filter_map(sizes).collect()
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;
    use crate::DeviceKind;
    use satura_ir::{ConstStore, OpRegistry, parse_module};
    use satura_tensor::Tensor;

    #[test]
    fn items_of_a_sequence_have_sizes_of_their_own() {
        let text = "graph @longest(%s: seq(f32[N]), %x: f32[M]) {\n  %0 = seq_insert %s, %x\n  %1 = seq_concat{axis=0, stack=false} %0\n  return %1\n}";
        let module = parse_module(text, &ConstStore::default(), &OpRegistry::default());
        let graph = module.unwrap_or_else(|error| panic!("{error}")).graphs.remove(0);
        let device = Device::open(DeviceKind::Cpu, None).expect("a CPU is there");
        let mut session = Session::new(&Model::from_graph(graph), &device, Bindings::new());
        let item = |values: &[f32]| Datum::Tensor(Tensor::from_vec(values.to_vec(), &[values.len()]));
        let sequence = Datum::Sequence(vec![item(&[1.0, 2.0]), item(&[]), item(&[3.0])]);
        let inputs = [("s".to_owned(), sequence), ("x".to_owned(), item(&[4.0]))].into();
        let outputs = session.run(&inputs).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(outputs[0].1, item(&[1.0, 2.0, 3.0, 4.0]));
    }
}
