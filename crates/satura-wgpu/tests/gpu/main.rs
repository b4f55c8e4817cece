//! Tests on whatever adapter this machine has. Without one they say so and pass, unless the environment variable `SATURA_REQUIRE_GPU` is `1`.

mod common;
mod devices;
mod plans;
mod zz;
