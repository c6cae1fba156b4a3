//! What a service holds from the beginning, and the work it does to begin.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};

/// Memory that is taken in the first second and used for ever.
pub struct Base {
    bytes: u64,
    item: u64,
    held: Vec<Vec<u8>>,
}

impl Base {
    /// `base:bytes=SIZE,item=SIZE`
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            bytes: given.whole("bytes", 16 << 20),
            item: given.whole("item", 16 << 10),
            held: Vec::new(),
        }
    }
}

impl Component for Base {
    fn tick(&mut self, now: &mut Tick) {
        if now.age == 0 {
            self.held = ledger::blocks(self.bytes, self.item, &mut now.random);
        }
        // Reading keeps the blocks in use: they are not dead.
        std::hint::black_box(self.held.first());
    }
}

/// Start-up work: takes memory for some seconds, holds it, gives part of it back.
pub struct Startup {
    bytes: u64,
    item: u64,
    seconds: u64,
    hold: u64,
    kept: f64,
    scattered: bool,
    threads: u64,
    held: Vec<Vec<u8>>,
}

impl Startup {
    /// `startup:bytes=SIZE,item=SIZE,seconds=N,hold=N,kept=0..1,scattered=0|1,threads=N`
    ///
    /// `kept` is the part that stays in use; `scattered` spreads it over the pages taken,
    /// so that the allocator cannot return them. With `threads`, other threads take it.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            bytes: given.whole("bytes", 64 << 20),
            item: given.whole("item", 32 << 10),
            seconds: given.whole("seconds", 5).max(1),
            hold: given.whole("hold", 2),
            kept: given.float("kept", 0.0),
            scattered: given.whole("scattered", 0) == 1,
            threads: given.whole("threads", 0),
            held: Vec::new(),
        }
    }

    fn take(&self, now: &mut Tick) -> Vec<Vec<u8>> {
        let bytes = self.bytes / self.seconds;
        if self.threads == 0 {
            return ledger::blocks(bytes, self.item, &mut now.random);
        }
        let workers: Vec<_> = (0..self.threads)
            .map(|_| {
                let (share, item) = (bytes / self.threads, self.item);
                let mut random = crate::random::Random::new(now.random.next());
                std::thread::spawn(move || ledger::blocks(share, item, &mut random))
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    }

    fn give_back(&mut self, now: &mut Tick) {
        let count = (self.held.len() as f64 * self.kept) as usize;
        if self.scattered {
            for at in 0..count {
                let other = at + now.random.below((self.held.len() - at) as u64) as usize;
                self.held.swap(at, other);
            }
        }
        self.held.truncate(count);
    }
}

impl Component for Startup {
    fn tick(&mut self, now: &mut Tick) {
        if now.age < self.seconds {
            let taken = self.take(now);
            self.held.extend(taken);
        } else if now.age == self.seconds + self.hold {
            self.give_back(now);
        }
        std::hint::black_box(self.held.first());
    }
}
