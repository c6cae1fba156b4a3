//! Fragmentation: the bytes in use stay the same, the pages they lie on multiply.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};

/// Replaces a dense stock of memory by survivors that are scattered over many pages.
///
/// Every round allocates many blocks of one size, frees all but one in `gap + 1`, and gives as
/// many bytes of the dense stock back as survive. Each round's blocks are larger than the last
/// one's by `growth`, so that the holes left behind do not serve them.
pub struct Fragment {
    round_bytes: u64,
    smallest: f64,
    growth: f64,
    gap: u64,
    every: u64,
    rounds: u64,
    done: u64,
    stock: Vec<Vec<u8>>,
    survivors: Vec<Vec<u8>>,
}

const STOCK_ITEM: u64 = 1024;

impl Fragment {
    /// `fragment:stock=SIZE,round=SIZE,smallest=SIZE,growth=F,gap=N,every=N,rounds=N`
    pub fn new(given: &mut Parameters) -> Self {
        let stock = given.whole("stock", 24 << 20);
        Self {
            round_bytes: given.whole("round", 6 << 20),
            smallest: given.float("smallest", 96.0),
            growth: given.float("growth", 1.19),
            gap: given.whole("gap", 7),
            every: given.whole("every", 30).max(1),
            rounds: given.whole("rounds", 28),
            done: 0,
            stock: (0..stock / STOCK_ITEM)
                .map(|at| ledger::block(STOCK_ITEM as usize, at))
                .collect(),
            survivors: Vec::new(),
        }
    }
}

impl Component for Fragment {
    fn tick(&mut self, now: &mut Tick) {
        let due = now.age % self.every == self.every - 1;
        if !due || self.done >= self.rounds || self.stock.is_empty() {
            return;
        }
        let before = ledger::live();
        let size = (self.smallest * self.growth.powi(self.done as i32)) as usize;
        let count = self.round_bytes / size as u64;
        let made: Vec<_> = (0..count).map(|fill| ledger::block(size, fill)).collect();
        let gap = self.gap as usize;
        let kept = made.into_iter().enumerate().filter(|(at, _)| at % (gap + 1) == gap);
        self.survivors.extend(kept.map(|(_, survivor)| survivor));
        while ledger::live() > before && self.stock.pop().is_some() {}
        self.done += 1;
    }
}
