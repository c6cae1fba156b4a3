//! Memory that comes and goes: sawtooths, jobs, and steps at a reload.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};

/// Gathers memory over a period and drops it at its end; what stays behind is lost.
pub struct Sawtooth {
    bytes: u64,
    item: u64,
    period: u64,
    jitter: f64,
    residue: u64,
    most: u64,
    top: u64,
    this_period: u64,
    since: u64,
    batch: Vec<Vec<u8>>,
    lost: Vec<Vec<u8>>,
}

impl Sawtooth {
    /// `sawtooth:bytes=SIZE,item=SIZE,period=N,jitter=0..1,residue=SIZE,most=SIZE,top=SIZE`
    ///
    /// With `most` so much of the residue is kept at most, and used; with `top` a tooth ends when it and what was
    /// left of the teeth before it have that size, whatever the period.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            bytes: given.whole("bytes", 32 << 20),
            item: given.whole("item", 4096),
            period: given.whole("period", 60).max(2),
            jitter: given.float("jitter", 0.1),
            residue: given.whole("residue", 0),
            most: given.whole("most", 0),
            top: given.whole("top", 0),
            this_period: 0,
            since: 0,
            batch: Vec::new(),
            lost: Vec::new(),
        }
    }
}

impl Component for Sawtooth {
    fn tick(&mut self, now: &mut Tick) {
        if self.this_period == 0 {
            let factor = 1.0 + self.jitter * (2.0 * now.random.unit() - 1.0);
            self.this_period = ((self.period as f64 * factor) as u64).max(2);
        }
        let share = self.bytes / self.period;
        self.batch.extend(ledger::blocks(share, self.item, &mut now.random));
        self.since += 1;
        let held = (self.since * share) + self.lost.iter().map(|block| block.len() as u64).sum::<u64>();
        if if self.top > 0 { held < self.top } else { self.since < self.this_period } {
            return;
        }
        self.batch = Vec::new();
        self.since = 0;
        self.this_period = 0;
        leave(self.residue, self.most, self.item, &mut self.lost, now);
    }
}

/// Leaves something behind: lost, or with `most` kept in use up to that size.
fn leave(residue: u64, most: u64, item: u64, left: &mut Vec<Vec<u8>>, now: &mut Tick) {
    let before = ledger::live();
    let held: u64 = left.iter().map(|block| block.len() as u64).sum();
    let bytes = if most > 0 { residue.min(most.saturating_sub(held)) } else { residue };
    left.extend(ledger::blocks(bytes, item, &mut now.random));
    if most == 0 {
        ledger::lose(ledger::live() - before);
    }
}

/// Work that takes much memory for a short time, on a schedule or at random.
pub struct Job {
    bytes: u64,
    item: u64,
    seconds: u64,
    every: u64,
    at: u64,
    chance: f64,
    spread: f64,
    residue: u64,
    most: u64,
    ends: u64,
    share: u64,
    held: Vec<Vec<u8>>,
    lost: Vec<Vec<u8>>,
}

impl Job {
    /// `job:bytes=SIZE,item=SIZE,seconds=N,every=N,at=N,chance=P,spread=0..1,residue=SIZE,most=SIZE`
    ///
    /// `every` repeats from second `at` on (of the run, as a clock would); without it the job
    /// runs once at `at`, or at random with `chance` per second. `spread` varies its size.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            bytes: given.whole("bytes", 64 << 20),
            item: given.whole("item", 64 << 10),
            seconds: given.whole("seconds", 4).max(1),
            every: given.whole("every", 0),
            at: given.whole("at", 0),
            chance: given.float("chance", 0.0),
            spread: given.float("spread", 0.0),
            residue: given.whole("residue", 0),
            most: given.whole("most", 0),
            ends: 0,
            share: 0,
            held: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn starts(&self, now: &mut Tick) -> bool {
        if self.chance > 0.0 {
            return now.second >= self.at && now.random.unit() < self.chance;
        }
        if self.every > 0 {
            return now.second >= self.at && (now.second - self.at) % self.every == 0;
        }
        now.second == self.at
    }
}

impl Component for Job {
    fn tick(&mut self, now: &mut Tick) {
        if now.second >= self.ends && !self.held.is_empty() {
            self.held = Vec::new();
            leave(self.residue, self.most, self.item, &mut self.lost, now);
        }
        if now.second >= self.ends && self.starts(now) {
            let factor = 1.0 + self.spread * (2.0 * now.random.unit() - 1.0);
            self.share = (self.bytes as f64 * factor) as u64 / self.seconds;
            self.ends = now.second + self.seconds;
        }
        if now.second < self.ends {
            self.held.extend(ledger::blocks(self.share, self.item, &mut now.random));
        }
    }
}

/// Configuration read anew: a step up that stays, or a copy beside the old one.
pub struct Reload {
    bytes: u64,
    item: u64,
    at: u64,
    every: u64,
    count: u64,
    replace: bool,
    done: u64,
    from_version: u64,
    held: Vec<Vec<u8>>,
}

impl Reload {
    /// `reload:bytes=SIZE,item=SIZE,at=N,every=N,count=N,replace=0|1,from_version=N`
    ///
    /// Without `replace` every reload adds data that is used from then on; with it the new data
    /// are read before the old ones go, so that both are there for a moment.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            bytes: given.whole("bytes", 32 << 20),
            item: given.whole("item", 8192),
            at: given.whole("at", 60),
            every: given.whole("every", 0),
            count: given.whole("count", 1),
            replace: given.whole("replace", 0) == 1,
            done: 0,
            from_version: given.whole("from_version", 1),
            held: Vec::new(),
        }
    }
}

impl Component for Reload {
    fn tick(&mut self, now: &mut Tick) {
        let due = now.age >= self.at + self.done * self.every;
        if self.done < self.count && due && now.version >= self.from_version {
            let fresh = ledger::blocks(self.bytes, self.item, &mut now.random);
            if self.replace {
                self.held = fresh;
            } else {
                self.held.extend(fresh);
            }
            self.done += 1;
        }
        std::hint::black_box(self.held.first());
    }
}
