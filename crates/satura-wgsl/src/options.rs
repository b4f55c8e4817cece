//! What the text may depend on besides the kernel, and how workgroups are spread over a dispatch.

/// Where the numbers given at dispatch come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ParamSpace {
    /// `var<immediate>`: at most [`MAX_IMMEDIATE_PARAMS`] words on common devices.
    #[default]
    Immediate,
    /// A uniform buffer, bound after the kernel's buffers.
    Uniform,
}

/// Words of immediates that every device with that feature has.
pub const MAX_IMMEDIATE_PARAMS: u32 = 32;

/// Which compiler reads the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// naga, as in wgpu: knows subgroup operations without a directive.
    #[default]
    Naga,
    /// A browser's compiler: wants `enable subgroups;` and refuses constant expressions that are not finite.
    Browser,
}

/// Options of [`to_wgsl`](crate::to_wgsl).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WgslOptions {
    /// Where parameters come from.
    pub params: ParamSpace,
    /// Which compiler reads the text.
    pub dialect: Dialect,
    /// Workgroups that a dispatch may start in one dimension. A kernel with more reads a folded number, see [`grid`].
    pub max_groups_per_dimension: u32,
}

impl Default for WgslOptions {
    fn default() -> Self {
        WgslOptions { params: ParamSpace::Immediate, dialect: Dialect::Naga, max_groups_per_dimension: 65535 }
    }
}

impl WgslOptions {
    /// What a browser accepts.
    pub fn browser() -> Self {
        WgslOptions { params: ParamSpace::Uniform, dialect: Dialect::Browser, ..Self::default() }
    }
}

/// The workgroups to start along x, y and z so that at least `groups` run, none of the three is above `max_per_dimension`, and few are idle: fewer than `y * z`.
/// Workgroup number `x + X * (y + Y * z)` does the work of that number; numbers from `groups` on do nothing.
pub fn grid(groups: u32, max_per_dimension: u32) -> [u32; 3] {
    let max = u64::from(max_per_dimension.max(1));
    let groups = u64::from(groups);
    let z = groups.div_ceil(max.saturating_mul(max)).max(1);
    let y = groups.div_ceil(z * max).max(1);
    let x = groups.div_ceil(z * y);
    // Each factor is at most `groups`, which came from a u32.
    [x as u32, y as u32, z as u32]
}

#[cfg(test)]
mod tests {
    use super::grid;

    #[test]
    fn grids_cover_all_groups_with_few_idle_ones() {
        for max in [1, 2, 7, 255, 65535] {
            for groups in [0, 1, 2, 5, 300, 65535, 65536, 100_000, 4_294_836_225, u32::MAX] {
                let [x, y, z] = grid(groups, max);
                if u64::from(groups) > u64::from(max).pow(3) {
                    continue;
                }
                let started = u64::from(x) * u64::from(y) * u64::from(z);
                assert!(
                    started >= u64::from(groups) && started < u64::from(groups) + u64::from(y) * u64::from(z)
                );
                assert!(x <= max && y <= max && z <= max, "{groups} in {max}: {x} {y} {z}");
                assert!(groups > max || [x, y, z] == [groups, 1, 1]);
            }
        }
    }
}
