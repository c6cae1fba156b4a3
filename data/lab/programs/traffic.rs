//! Requests: how many arrive, and what they hold while they are answered.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};
use std::collections::VecDeque;

/// Sets the requests of every second and holds memory for those in flight.
pub struct Traffic {
    kind: String,
    rate: f64,
    noise: f64,
    period: f64,
    depth: f64,
    phase: f64,
    factor: f64,
    chance: f64,
    length: u64,
    from: u64,
    seconds: f64,
    bytes: u64,
    hold: u64,
    drift: f64,
    burst_until: u64,
    in_flight: VecDeque<(u64, Vec<u8>)>,
}

impl Traffic {
    /// `traffic:kind=KIND,rate=N,noise=0..1,bytes=SIZE,hold=SECONDS,…`
    ///
    /// Kinds: `constant`; `diurnal` (`period`, `depth` 0..1, `phase` 0..1); `hours`
    /// (of every `period` the first `depth` is open, hardly anybody comes in the rest); `bursty` (`chance`
    /// per second, `length`, `factor`); `ramp` (from second `from` on, over `seconds`, to
    /// `factor` times the rate). Every request holds about `bytes` for about `hold` seconds.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            kind: given.text("kind", "constant"),
            rate: given.float("rate", 20.0),
            noise: given.float("noise", 0.1),
            period: given.float("period", 300.0),
            depth: given.float("depth", 0.6),
            phase: given.float("phase", 0.0),
            factor: given.float("factor", 3.0),
            chance: given.float("chance", 0.01),
            length: given.whole("length", 10),
            from: given.whole("from", 0),
            seconds: given.float("seconds", 300.0),
            bytes: given.whole("bytes", 16 << 10),
            hold: given.whole("hold", 1),
            drift: 0.0,
            burst_until: 0,
            in_flight: VecDeque::new(),
        }
    }

    fn shape(&mut self, now: &mut Tick) -> f64 {
        match self.kind.as_str() {
            "diurnal" => {
                let angle = std::f64::consts::TAU * (now.second as f64 / self.period + self.phase);
                1.0 - self.depth * angle.cos()
            }
            "hours" => {
                let passed = (now.second as f64 / self.period + self.phase).fract();
                if passed < self.depth { 1.0 } else { 0.03 }
            }
            "bursty" => {
                if now.second >= self.burst_until && now.random.unit() < self.chance {
                    self.burst_until = now.second + self.length;
                }
                if now.second < self.burst_until { self.factor } else { 1.0 }
            }
            "ramp" => {
                let done = now.second.saturating_sub(self.from) as f64 / self.seconds;
                1.0 + (self.factor - 1.0) * done.min(1.0)
            }
            _ => 1.0,
        }
    }
}

impl Component for Traffic {
    fn tick(&mut self, now: &mut Tick) {
        // Load wanders slowly around its shape, as real traffic does.
        self.drift = 0.9 * self.drift + 0.44 * now.random.normal();
        now.load = (self.rate * self.shape(now) * (1.0 + self.noise * self.drift)).max(0.0);
        now.requests = now.random.around(now.load);
        while self.in_flight.front().is_some_and(|(end, _)| *end <= now.second) {
            self.in_flight.pop_front();
        }
        for _ in 0..now.requests {
            let body = ledger::block(now.random.size(self.bytes), now.random.next());
            self.in_flight.push_back((now.second + self.hold, body));
        }
    }
}
