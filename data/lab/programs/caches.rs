//! Caches: one bounded by items, one by age, one by nothing; and a table that doubles.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};
use std::collections::{HashMap, VecDeque};

const NONE: usize = usize::MAX;

struct Entry {
    key: u64,
    value: Vec<u8>,
    newer: usize,
    older: usize,
}

/// A cache of a fixed number of items that drops the least recently used.
pub struct Lru {
    capacity: usize,
    bytes: u64,
    keys: u64,
    zipf: f64,
    per_request: f64,
    places: HashMap<u64, usize>,
    entries: Vec<Entry>,
    newest: usize,
    oldest: usize,
}

impl Lru {
    /// `lru:items=N,bytes=SIZE,keys=N,zipf=EXPONENT,lookups=PER_REQUEST`
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            capacity: given.whole("items", 10_000) as usize,
            bytes: given.whole("bytes", 2048),
            keys: given.whole("keys", 100_000),
            zipf: given.float("zipf", 1.0),
            per_request: given.float("lookups", 5.0),
            places: HashMap::new(),
            entries: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }

    fn unlink(&mut self, at: usize) {
        let (newer, older) = (self.entries[at].newer, self.entries[at].older);
        if newer == NONE { self.newest = older } else { self.entries[newer].older = older }
        if older == NONE { self.oldest = newer } else { self.entries[older].newer = newer }
    }

    fn link(&mut self, at: usize) {
        self.entries[at].newer = NONE;
        self.entries[at].older = self.newest;
        if self.newest == NONE { self.oldest = at } else { self.entries[self.newest].newer = at }
        self.newest = at;
    }

    fn look_up(&mut self, key: u64, size: usize) {
        if let Some(&at) = self.places.get(&key) {
            self.unlink(at);
            self.link(at);
            return;
        }
        let value = ledger::block(size, key);
        let at = if self.entries.len() < self.capacity {
            self.entries.push(Entry { key, value, newer: NONE, older: NONE });
            self.entries.len() - 1
        } else {
            let at = self.oldest;
            self.unlink(at);
            self.places.remove(&self.entries[at].key);
            self.entries[at].key = key;
            self.entries[at].value = value;
            at
        };
        self.link(at);
        self.places.insert(key, at);
    }
}

impl Component for Lru {
    fn tick(&mut self, now: &mut Tick) {
        let lookups = now.random.around(now.requests as f64 * self.per_request);
        for _ in 0..lookups {
            let key = now.random.zipf(self.keys, self.zipf);
            let size = now.random.size(self.bytes);
            self.look_up(key, size);
        }
    }
}

/// A cache whose entries expire after a time to live.
pub struct Ttl {
    seconds: u64,
    bytes: u64,
    entries: VecDeque<(u64, Vec<u8>)>,
}

impl Ttl {
    /// `ttl:seconds=N,bytes=SIZE`: one entry per request.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            seconds: given.whole("seconds", 60),
            bytes: given.whole("bytes", 8 << 10),
            entries: VecDeque::new(),
        }
    }
}

impl Component for Ttl {
    fn tick(&mut self, now: &mut Tick) {
        while self.entries.front().is_some_and(|(end, _)| *end <= now.second) {
            self.entries.pop_front();
        }
        for _ in 0..now.requests {
            let value = ledger::block(now.random.size(self.bytes), now.random.next());
            self.entries.push_back((now.second + self.seconds, value));
        }
    }
}

/// A map that never drops anything.
pub struct Unbounded {
    bytes: u64,
    fresh: bool,
    keys: u64,
    zipf: f64,
    per_request: f64,
    next: u64,
    entries: HashMap<u64, Vec<u8>>,
}

impl Unbounded {
    /// `cache:bytes=SIZE,fresh=0|1,keys=N,zipf=EXPONENT,lookups=PER_REQUEST`
    ///
    /// With `fresh` every key is new and no entry is ever read again: a leak. Without it keys
    /// repeat, so that the growth slows down for ever; those entries are alive.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            bytes: given.whole("bytes", 4096),
            fresh: given.whole("fresh", 1) == 1,
            keys: given.whole("keys", 10_000_000),
            zipf: given.float("zipf", 1.0),
            per_request: given.float("lookups", 1.0),
            next: 0,
            entries: HashMap::new(),
        }
    }
}

impl Component for Unbounded {
    fn tick(&mut self, now: &mut Tick) {
        let before = ledger::live();
        let lookups = now.random.around(now.requests as f64 * self.per_request);
        for _ in 0..lookups {
            self.next += 1;
            let key = if self.fresh {
                self.next
            } else {
                now.random.zipf(self.keys, self.zipf)
            };
            let size = now.random.size(self.bytes);
            self.entries.entry(key).or_insert_with(|| ledger::block(size, key));
        }
        if self.fresh {
            ledger::lose(ledger::live() - before);
        }
    }
}

/// A hash table of small entries: its memory is stairs, each step twice the one before.
pub struct Table {
    entries: HashMap<u64, [u64; 7]>,
    rate: f64,
    most: usize,
    owed: f64,
}

impl Table {
    /// `table:start=N,rate=ENTRIES_PER_SECOND,most=N`: 64 bytes an entry; without `most` what comes after the
    /// start is never looked up again.
    pub fn new(given: &mut Parameters) -> Self {
        let start = given.whole("start", 10_000);
        Self {
            entries: (0..start).map(|key| (key, [key; 7])).collect(),
            rate: given.float("rate", 100.0),
            most: given.whole("most", 0) as usize,
            owed: 0.0,
        }
    }
}

impl Component for Table {
    fn tick(&mut self, _now: &mut Tick) {
        self.owed += self.rate;
        while self.owed >= 1.0 && (self.most == 0 || self.entries.len() < self.most) {
            self.owed -= 1.0;
            let key = self.entries.len() as u64;
            self.entries.insert(key, [key; 7]);
            if self.most == 0 {
                ledger::lose(64);
            }
        }
    }
}
