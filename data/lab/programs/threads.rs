//! Threads: too many of them, and memory that workers leave in the allocator.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};
use std::collections::VecDeque;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::{Builder, JoinHandle};

const PAGE: usize = 4096;

/// Writes to `bytes` of the stack, a page per call.
#[inline(never)]
fn touch(bytes: usize) -> usize {
    let mut page = [1u8; PAGE - 64];
    std::hint::black_box(&mut page);
    if bytes <= PAGE {
        return page[7] as usize;
    }
    touch(bytes - PAGE) + page[9] as usize
}

/// A thread that waits, and the sender whose end lets it finish.
type Waiting = (u64, Sender<()>, JoinHandle<()>);

/// Starts threads that wait; they end after a time, or never.
pub struct Threads {
    every: u64,
    touch: usize,
    stack: usize,
    most: usize,
    life: u64,
    after: u64,
    from_version: u64,
    waiting: VecDeque<Waiting>,
}

impl Threads {
    /// `threads:every=N,touch=SIZE,stack=SIZE,most=N,life=SECONDS,after=N,from_version=N`
    ///
    /// `every` may be below 1: several a second. Without `life` they are never joined; without
    /// `most` there is no end, and what they touched of their stacks counts as dead.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            every: given.whole("every", 5).max(1),
            touch: given.whole("touch", 64 << 10) as usize,
            stack: given.whole("stack", 2 << 20) as usize,
            most: given.whole("most", 0) as usize,
            life: given.whole("life", 0),
            after: given.whole("after", 0),
            from_version: given.whole("from_version", 1),
            waiting: VecDeque::new(),
        }
    }

    fn start(&mut self, now: &Tick) {
        let (sender, receiver): (Sender<()>, Receiver<()>) = channel();
        let depth = self.touch;
        let started = Builder::new().stack_size(self.stack).spawn(move || {
            std::hint::black_box(touch(depth));
            let _ = receiver.recv();
        });
        let Ok(handle) = started else {
            return;
        };
        ledger::hold_outside(self.touch as i64);
        if self.life == 0 && self.most == 0 {
            ledger::lose_outside(self.touch as i64);
        }
        self.waiting.push_back((now.age + self.life, sender, handle));
    }
}

impl Component for Threads {
    fn tick(&mut self, now: &mut Tick) {
        while self.life > 0 && self.waiting.front().is_some_and(|(end, ..)| *end <= now.age) {
            if let Some((_, sender, handle)) = self.waiting.pop_front() {
                drop(sender);
                let _ = handle.join();
                ledger::hold_outside(-(self.touch as i64));
            }
        }
        let wanted = now.age >= self.after
            && now.version >= self.from_version
            && now.age % self.every == 0;
        if wanted && (self.most == 0 || self.waiting.len() < self.most) {
            self.start(now);
        }
    }
}

/// One task of a worker: how much to take and of which block size.
struct Task {
    bytes: u64,
    item: u64,
    seed: u64,
}

/// Lasting worker threads that now and then need much memory and give it back.
///
/// Each leaves a small block behind at the end of what it took, in use for ever, which keeps
/// an allocator with an arena per thread from returning the pages below it.
pub struct Pool {
    bytes: u64,
    item: u64,
    every: u64,
    spread: f64,
    workers: Vec<(Sender<Task>, Receiver<()>)>,
}

impl Pool {
    /// `pool:threads=N,bytes=SIZE,item=SIZE,every=N,spread=0..1`; 0 threads: one for each core of the machine.
    pub fn new(given: &mut Parameters) -> Self {
        let count = match given.whole("threads", 4) {
            0 => cores(),
            count => count,
        };
        let workers = (0..count).map(|_| worker()).collect();
        Self {
            bytes: given.whole("bytes", 8 << 20),
            item: given.whole("item", 4096),
            every: given.whole("every", 10).max(1),
            spread: given.float("spread", 0.5),
            workers,
        }
    }
}

/// Cores of the machine, as a runtime counts them that knows of no quota.
pub fn cores() -> u64 {
    extern "C" {
        fn sysconf(name: std::ffi::c_int) -> std::ffi::c_long;
    }
    const PROCESSORS_ONLINE: std::ffi::c_int = 84;
    // SAFETY: asks for a number.
    (unsafe { sysconf(PROCESSORS_ONLINE) }).max(1) as u64
}

/// The threads of an async runtime: workers that run tasks with deep stacks, from the start on.
pub struct Runtime {
    workers: Vec<(Sender<()>, JoinHandle<()>)>,
    count: u64,
    touch: usize,
}

impl Runtime {
    /// `runtime:threads=N,touch=SIZE`; 0 threads: one for each core of the machine, -1 of the quota.
    pub fn new(given: &mut Parameters) -> Self {
        let quota = || std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let count = match given.float("threads", 0.0) {
            0.0 => cores(),
            count if count < 0.0 => quota(),
            count => count as u64,
        };
        Self { workers: Vec::new(), count, touch: given.whole("touch", 256 << 10) as usize }
    }
}

impl Component for Runtime {
    fn tick(&mut self, _: &mut Tick) {
        while (self.workers.len() as u64) < self.count {
            let (sender, receiver): (Sender<()>, Receiver<()>) = channel();
            let depth = self.touch;
            let Ok(worker) = Builder::new().stack_size(4 << 20).spawn(move || {
                std::hint::black_box(touch(depth));
                let _ = receiver.recv();
            }) else {
                return;
            };
            ledger::hold_outside(depth as i64);
            self.workers.push((sender, worker));
        }
    }
}

fn worker() -> (Sender<Task>, Receiver<()>) {
    let (orders, inbox) = channel::<Task>();
    let (done, outbox) = channel::<()>();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok(task) = inbox.recv() {
            let mut random = crate::random::Random::new(task.seed);
            let taken = ledger::blocks(task.bytes, task.item, &mut random);
            kept.push(ledger::block(64, task.seed));
            if kept.len() > 16 {
                kept.remove(0);
            }
            drop(taken);
            if done.send(()).is_err() {
                return;
            }
        }
    });
    (orders, outbox)
}

impl Component for Pool {
    fn tick(&mut self, now: &mut Tick) {
        for (orders, outbox) in &self.workers {
            if now.random.below(self.every) != 0 {
                continue;
            }
            let factor = 1.0 - self.spread * now.random.unit();
            let task = Task {
                bytes: (self.bytes as f64 * factor) as u64,
                item: self.item,
                seed: now.random.next(),
            };
            if orders.send(task).is_ok() {
                let _ = outbox.recv();
            }
        }
    }
}
