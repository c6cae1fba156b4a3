//! Random numbers that depend on nothing but the seed.

/// A xorshift generator with a multiplied output.
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        // Small seeds differ in few bits; the multiplication spreads them.
        let state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut made = Self { state: state | 1 };
        for _ in 0..8 {
            made.next();
        }
        made
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [0, bound).
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.unit() * bound as f64) as u64
    }

    /// Normal with mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A size around `mean` bytes: half to one and a half of it.
    pub fn size(&mut self, mean: u64) -> usize {
        (mean / 2 + self.below(mean + 1)).max(1) as usize
    }

    /// A rank in [0, count): low ranks are drawn often, with the Zipf exponent given.
    ///
    /// The inverse of the continuous power law is close enough for a cache.
    pub fn zipf(&mut self, count: u64, exponent: f64) -> u64 {
        let most = (count + 1) as f64;
        let unit = self.unit();
        let rank = if (exponent - 1.0).abs() < 1e-9 {
            most.powf(unit)
        } else {
            let power = 1.0 - exponent;
            (1.0 + unit * (most.powf(power) - 1.0)).powf(1.0 / power)
        };
        (rank as u64).saturating_sub(1).min(count.saturating_sub(1))
    }

    /// A whole number whose expectation is `mean`.
    pub fn around(&mut self, mean: f64) -> u64 {
        let whole = mean.max(0.0).floor();
        whole as u64 + u64::from(self.unit() < mean - whole)
    }
}
