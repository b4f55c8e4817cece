//! Nothing but the home of the benches in `benches/`.
