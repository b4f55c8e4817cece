//! Random numbers.

use super::support::{bounded, sizes_of};
use crate::attr::Real;
use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::attr_enum! {
    /// How random numbers are distributed.
    pub enum RandomKind {
        /// Evenly from `a` on and below `b`.
        Uniform = "uniform",
        /// Normally, with mean `a` and standard deviation `b`.
        Normal = "normal",
    }
}

crate::op_struct! {
    /// Random numbers, row-major in the order they are drawn. No inputs. Floats.
    ///
    /// The generator is the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), started by the low 32 bits of `seed`, or of `id` where there is none. A uniform number is
    /// made of the upper 27 and 26 bits of two draws, in f64, and rounded to the dtype; normal ones come in pairs by the polar method (Marsaglia and Bray, 1964), the second of
    /// a pair first. So a seed gives the numbers that `numpy.random.RandomState(seed)` gives.
    ///
    /// `id` is different for every such node of a model: no two of them are one expression, with or without a seed. No pass computes them beforehand.
    pub struct Random {
        /// The distribution.
        pub kind: RandomKind,
        /// The dtype of the output.
        pub dtype: DType,
        /// The shape of the output.
        pub shape: Shape,
        /// The first parameter of the distribution.
        pub a: Real,
        /// The second one.
        pub b: Real,
        /// What the model fixes the numbers by.
        pub seed: Option<u64>,
        /// Which of the model's sources of random numbers this is.
        pub id: u64,
    }
}

impl OpDef for Random {
    const NAME: &'static str = "random";
    const ALGEBRA: Algebra = Algebra::RANDOM;

    fn arity(&self) -> Arity {
        0..=0
    }

    fn dtypes(&self, _: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        if self.dtype.is_float() {
            Ok(vec![self.dtype])
        } else {
            Err(OpError::dtype(format!("random does not give {}", self.dtype)))
        }
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![self.shape.clone()])
    }

    fn eval(&self, _: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = bounded(sizes_of(&self.shape)?)?;
        let mut twister = Twister::new(self.seed.unwrap_or(self.id) as u32);
        let (a, b) = (self.a.get(), self.b.get());
        let count = shape.iter().product();
        let numbers = match self.kind {
            RandomKind::Uniform => (0..count).map(|_| a + (b - a) * twister.uniform()).collect(),
            RandomKind::Normal => (0..count).map(|_| a + b * twister.normal()).collect(),
        };
        Ok(vec![Tensor::from_elements(self.dtype, &shape, Elements::Float(numbers))])
    }
}

/// Words of state.
const WORDS: usize = 624;

/// The Mersenne Twister MT19937.
struct Twister {
    words: [u32; WORDS],
    next: usize,
    /// The other number of a pair of normal ones.
    spare: Option<f64>,
}

impl Twister {
    fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for i in 1..WORDS {
            let before = words[i - 1];
            words[i] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        Twister { words, next: WORDS, spare: None }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            for i in 0..WORDS {
                let joined = (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % WORDS] & 0x7fff_ffff);
                let turned = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.words[i] = self.words[(i + 397) % WORDS] ^ (joined >> 1) ^ turned;
            }
            self.next = 0;
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// From 0 on and below 1, in steps of `2^-53`.
    fn uniform(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Of mean 0 and standard deviation 1.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(factor * x);
                return factor * y;
            }
        }
    }
}
