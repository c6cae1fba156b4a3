//! Leaks: memory that is kept in one of many ways and never used again.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::mpsc::{channel, Receiver, Sender};

/// Two of these that point at each other are never freed.
struct Node {
    _payload: Vec<u8>,
    other: RefCell<Option<Rc<Node>>>,
}

/// Loses memory at a rate per second, per request or per job.
pub struct Leak {
    kind: String,
    bytes: f64,
    item: u64,
    per_request: bool,
    every: u64,
    after: u64,
    until: u64,
    double: f64,
    from_version: u64,
    last_version: u64,
    replica: Option<u64>,
    owed: f64,
    list: Vec<Vec<u8>>,
    by_request: HashMap<String, Vec<u8>>,
    next: u64,
    queue: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
}

impl Leak {
    /// `leak:kind=KIND,bytes=SIZE,per=second|request,item=SIZE,every=N,after=N,until=N,double=N,…`
    ///
    /// Kinds: `vec`, `box`, `rc`, `channel`, `map`. With `every` the bytes go at once, every N
    /// seconds, as a nightly job loses them. `after` and `until` count from the start of the
    /// process; with `double` the rate doubles every so many seconds; `from_version` waits for a release, `last_version` ends with one; `replica` names
    /// the only one that leaks.
    pub fn new(given: &mut Parameters) -> Self {
        let replica = given.float("replica", -1.0);
        Self {
            kind: given.text("kind", "vec"),
            bytes: given.float("bytes", 65_536.0),
            item: given.whole("item", 1024),
            per_request: given.text("per", "second") == "request",
            every: given.whole("every", 1).max(1),
            after: given.whole("after", 0),
            until: given.whole("until", u64::MAX),
            double: given.float("double", 0.0),
            from_version: given.whole("from_version", 1),
            last_version: given.whole("last_version", u64::MAX),
            replica: (replica >= 0.0).then_some(replica as u64),
            owed: 0.0,
            list: Vec::new(),
            by_request: HashMap::new(),
            next: 0,
            queue: channel(),
        }
    }

    fn lose(&mut self, payload: Vec<u8>) {
        match self.kind.as_str() {
            "box" => {
                std::hint::black_box(Box::leak(payload.into_boxed_slice()));
            }
            "rc" => {
                let one = Rc::new(Node { _payload: payload, other: RefCell::new(None) });
                let two = Rc::new(Node {
                    _payload: Vec::new(),
                    other: RefCell::new(Some(Rc::clone(&one))),
                });
                *one.other.borrow_mut() = Some(two);
            }
            "channel" => {
                // The receiver is alive and never reads: a backlog without an end.
                let _ = self.queue.0.send(payload);
                std::hint::black_box(&self.queue.1);
            }
            "map" => {
                self.next += 1;
                self.by_request.insert(format!("request-{:016}", self.next), payload);
            }
            _ => self.list.push(payload),
        }
    }

    fn due(&self, now: &Tick) -> bool {
        now.age >= self.after
            && now.age < self.until
            && (self.from_version..=self.last_version).contains(&now.version)
            && self.replica.is_none_or(|only| only == now.replica)
            && now.age % self.every == self.every - 1
    }
}

impl Component for Leak {
    fn tick(&mut self, now: &mut Tick) {
        if !self.due(now) {
            return;
        }
        let before = ledger::live();
        let grown = if self.double > 0.0 { ((now.age - self.after) as f64 / self.double).exp2() } else { 1.0 };
        self.owed += grown * if self.per_request { self.bytes * now.requests as f64 } else { self.bytes };
        while self.owed >= self.item as f64 {
            let payload = ledger::block(now.random.size(self.item), now.random.next());
            self.owed -= payload.len() as f64;
            self.lose(payload);
        }
        ledger::lose(ledger::live() - before);
    }
}
