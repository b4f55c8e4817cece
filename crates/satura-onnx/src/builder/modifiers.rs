//! Subgraphs that change a value between two stages of an op: `score_mod` and `prob_mod` of `FlexAttention`. Each becomes a region whose first input is that value.

use super::body::Kind;
use super::subgraph::Around;
use super::{Builder, Scope, Slot, Stop, domain_key, node_name};
use crate::node::Region;
use crate::proto::{GraphProto, NodeProto};
use crate::types;
use satura_import::{Code, Diagnostic};
use satura_ir::{Graph, Type, ValueId};
use satura_tensor::DType;

impl Around<'_, '_> {
    /// Whether the subgraph changes a value between two stages.
    pub(super) fn modifies(&self) -> bool {
        (domain_key(&self.node.domain), self.node.op_type.as_str()) == ("ai.onnx.preview", "FlexAttention")
    }
}

/// The dtype of the stages of `FlexAttention`: that of `softmax_precision`, else f64 for f64 and f32 for all others.
pub(crate) fn stage_dtype(precision: Option<i64>, queries: DType) -> Result<DType, Diagnostic> {
    match precision {
        Some(number) => types::dtype(number).map_err(|error| error.at_attribute("softmax_precision")),
        None if queries == DType::F64 => Ok(DType::F64),
        None => Ok(DType::F32),
    }
}

/// The type of the scores of queries `[B, H, L, E]` and keys `[B, .., S, E]`: `[B, H, L, S]`.
fn scores(graph: &Graph, node: &NodeProto, inputs: &[Option<ValueId>]) -> Result<Type, Diagnostic> {
    let [Some(queries), Some(keys), ..] = inputs else {
        return Err(Diagnostic::error(Code::InputCount, "queries and keys are needed"));
    };
    let precision = node.attribute.iter().find(|a| a.name == "softmax_precision").and_then(|a| a.i);
    let dtype = stage_dtype(precision, graph.ty(*queries).dtype().unwrap_or(DType::F32))?;
    let (queries, keys) = (graph.ty(*queries).shape(), graph.ty(*keys).shape());
    Ok(match (queries.map(|q| &q[..]), keys.map(|k| &k[..])) {
        (Some([batch, heads, length, _]), Some([_, _, keys, _])) => {
            Type::tensor(dtype, vec![batch.clone(), heads.clone(), length.clone(), keys.clone()])
        }
        _ => Type::unranked(dtype),
    })
}

impl<'m> Builder<'m> {
    pub(super) fn modifier(
        &mut self,
        graph: &Graph,
        scope: &Scope<'m>,
        around: &Around<'_, 'm>,
        subgraph: &'m GraphProto,
    ) -> Result<Region, Stop> {
        let mut region = Graph::new(around.attribute);
        let ty = match scores(graph, around.node, around.inputs) {
            Ok(ty) => ty,
            Err(error) => {
                self.error(scope, error.at_node(&around.node.op_type, node_name(around.node)))?;
                return Ok(Region { graph: region, optional_first: Vec::new() });
            }
        };
        let changed = region.add_input("modifier:input", ty);
        let mut inner = self.inner_scope(graph, scope, around, &mut region);
        match &subgraph.input[..] {
            [info] => {
                inner.names.insert(&info.name, Slot::Value(changed));
            }
            inputs => {
                let message = format!("the subgraph has {} inputs, one value is passed to it", inputs.len());
                self.error(&inner, Diagnostic::error(Code::InputCount, message))?;
            }
        }
        self.inside(graph, around, |builder| {
            builder.graph_body(&mut region, &mut inner, subgraph, Kind::Body)
        })?;
        Ok(Region { graph: region, optional_first: Vec::new() })
    }
}
