//! Calls in comments: `; run: @f(args) == results` and `; error: @f(args) ~ "message"`.

use satura_ir::{ConstStore, Graph, Module, parse_tensor, split_top_level};
use satura_tensor::{Bindings, Tensor};

/// What a call must give.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// These outputs.
    Results(Vec<Tensor>),
    /// An error whose message contains this.
    Error(String),
    /// Nothing is said: the arguments alone matter.
    Any,
}

/// A call of a graph.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Line in the file, from 1.
    pub(crate) line: usize,
    pub(crate) graph: String,
    pub(crate) arguments: Vec<Tensor>,
    pub(crate) outcome: Outcome,
}

/// The calls of a text, in order.
pub(crate) fn calls(text: &str) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let parsed = if let Some(call) = line.trim().strip_prefix("; run:") {
            run_line(call)
        } else if let Some(call) = line.trim().strip_prefix("; error:").filter(|c| c.trim().starts_with('@'))
        {
            error_line(call)
        } else {
            continue;
        };
        let (graph, arguments, outcome) = parsed.map_err(|error| format!("line {}: {error}", index + 1))?;
        calls.push(Call { line: index + 1, graph, arguments, outcome });
    }
    Ok(calls)
}

type Parsed = (String, Vec<Tensor>, Outcome);

fn run_line(text: &str) -> Result<Parsed, String> {
    match split_top_level(text, '=')[..] {
        [call] => call_of(call).map(|(graph, arguments)| (graph, arguments, Outcome::Any)),
        [call, "", results] => {
            let (graph, arguments) = call_of(call)?;
            Ok((graph, arguments, Outcome::Results(tensors(results)?)))
        }
        _ => Err("expected `@graph(tensors) == tensors`".to_owned()),
    }
}

fn error_line(text: &str) -> Result<Parsed, String> {
    let [call, message] = split_top_level(text, '~')[..] else {
        return Err("expected `@graph(tensors) ~ \"message\"`".to_owned());
    };
    let message =
        message.strip_prefix('"').and_then(|m| m.strip_suffix('"')).ok_or("expected a quoted message")?;
    let (graph, arguments) = call_of(call)?;
    Ok((graph, arguments, Outcome::Error(message.replace("\\\"", "\""))))
}

fn call_of(text: &str) -> Result<(String, Vec<Tensor>), String> {
    let inside =
        text.trim().strip_prefix('@').and_then(|t| t.strip_suffix(')')).and_then(|t| t.split_once('('));
    let (name, arguments) = inside.ok_or("expected `@graph(tensors)`")?;
    Ok((name.to_owned(), tensors(arguments)?))
}

fn tensors(text: &str) -> Result<Vec<Tensor>, String> {
    split_top_level(text, ',').into_iter().map(|t| parse_tensor(t, &ConstStore::default())).collect()
}

impl Call {
    /// The graph that is called.
    pub(crate) fn target<'m>(&self, module: &'m Module) -> Result<&'m Graph, String> {
        let found = module.graphs.iter().find(|graph| graph.name == self.graph);
        found.ok_or_else(|| format!("line {}: there is no graph @{}", self.line, self.graph))
    }
}

/// Sizes for the symbols of a graph, from the shapes of arguments for its inputs. What cannot be solved is left out: binding is checked when the graph runs.
pub(crate) fn bindings_of(graph: &Graph, arguments: &[Tensor]) -> Bindings {
    let mut bindings = Bindings::new();
    for (input, argument) in graph.inputs().iter().zip(arguments) {
        let Some(shape) = graph.ty(*input).shape() else { continue };
        for (dim, size) in shape.iter().zip(argument.shape()) {
            if dim.as_const().is_none()
                && let Some((symbol, value)) = dim.bind(&bindings).solve(*size as i64)
            {
                bindings.insert(symbol, value);
            }
        }
    }
    bindings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let text = "; run: @f(i32[](1), i32[2]~3) == i32[](2), bool[](true)\n; error: @g() ~ \"no\"\n";
        let parsed = calls(text).expect("both are well formed");
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].arguments.len(), 2);
        assert!(matches!(&parsed[0].outcome, Outcome::Results(r) if r.len() == 2));
        assert!(matches!(&parsed[1].outcome, Outcome::Error(m) if m == "no"));
        assert!(calls("; run: @f(i32[](1)) = i32[](2)").is_err());
        assert!(calls("; run: f(i32[](1)) == i32[](2)").is_err());
    }
}
