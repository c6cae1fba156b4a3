//! Behaviours of real services that look like something else, each bounded or, with `bad=1`, losing memory.
//!
//! `odd:kind=…,bytes=…,period=…,cap=…,rate=…` means something else in each kind; `after` and `until` (seconds of age),
//! `from_version`, `last_version` and `replica` say when and where it works at all.

use crate::arguments::{fail, Parameters};
use crate::{ledger, Component, Tick};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::sync::{mpsc, Arc, Mutex, Weak};

extern "C" {
    fn mmap(
        near: *mut c_void,
        bytes: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        from: i64,
    ) -> *mut c_void;
    fn munmap(place: *mut c_void, bytes: usize) -> c_int;
    fn madvise(place: *mut c_void, bytes: usize, advice: c_int) -> c_int;
}

/// The work of one second.
type Step = Box<dyn FnMut(&mut Tick)>;

/// What each kind is told.
struct Given {
    bytes: u64,
    bad: bool,
    period: u64,
    cap: usize,
    rate: f64,
}

/// One behaviour.
pub struct Odd(Step);

impl Odd {
    pub fn new(given: &mut Parameters) -> Self {
        let kind = given.text("kind", "");
        let all = Given {
            bytes: given.whole("bytes", 2048),
            bad: given.whole("bad", 0) == 1,
            period: given.whole("period", 60),
            cap: given.whole("cap", 1000) as usize,
            rate: given.float("rate", 1.0),
        };
        let after = given.whole("after", 0);
        let until = given.whole("until", u64::MAX);
        let versions = given.whole("from_version", 1)..=given.whole("last_version", u64::MAX);
        let only = given.float("replica", -1.0);
        let mut step = match kind.as_str() {
            "retry" => retry(all),
            "tasklist" => tasklist(all),
            "bursts" => bursts(all),
            "sessions" => sessions(all),
            "rebuild" => rebuild(all),
            "arena" => arena(all),
            "blocking" => blocking(all),
            "perconn" => perconn(all),
            "lazyttl" => lazyttl(all),
            "logbuffer" => logbuffer(all),
            "daychannel" => daychannel(all),
            "intern" => intern(all),
            "generations" => generations(all),
            "lsm" => lsm(all),
            "sweep" => sweep(all),
            "madvfree" => madvfree(all),
            "drifting" => drifting(all),
            "weak" => weak(all),
            "slices" => slices(all),
            "timers" => timers(all),
            "shards" => shards(all),
            "yielding" => yielding(all),
            "pairs" => pairs(all),
            "draining" => draining(all),
            "bodies" => bodies(all),
            "lose" => lose(all),
            "ring" => ring(all),
            "configs" => configs(all),
            "epochs" => epochs(all),
            "remap" => remap(all),
            "spikes" => spikes(all),
            other => fail(&format!("no odd kind is called {other:?}")),
        };
        Self(Box::new(move |now| {
            let here = only < 0.0 || only as u64 == now.replica;
            if here && now.age >= after && now.age < until && versions.contains(&now.version) {
                step(now);
            }
        }))
    }
}

impl Component for Odd {
    fn tick(&mut self, now: &mut Tick) {
        (self.0)(now);
    }
}

/// A block of about so many bytes.
fn block(now: &mut Tick, mean: u64) -> Vec<u8> {
    let size = now.random.size(mean);
    ledger::block(size, now.random.next())
}

/// Requests that fail wait for a retry with what they know of the error; an outage begins each period. What has failed
/// five times is given up; when bad, it stays.
fn retry(Given { bytes, bad, period, .. }: Given) -> Step {
    let mut pending: HashMap<u64, (u64, Vec<Vec<u8>>)> = HashMap::new();
    let mut next = 0u64;
    Box::new(move |now| {
        let outage = now.second % period < 25;
        let chance = if outage { 0.5 } else { 0.01 };
        for _ in 0..now.requests {
            if now.random.unit() < chance {
                next += 1;
                let context = block(now, bytes);
                pending.insert(next, (now.second, vec![context]));
            }
        }
        let keys: Vec<u64> =
            pending.iter().filter(|(_, p)| p.1.len() < 5 && now.second > p.0).map(|(k, _)| *k).collect();
        for key in keys {
            let fails = outage && now.random.unit() < 0.7;
            let extra = block(now, bytes);
            let Some(one) = pending.get_mut(&key) else {
                continue;
            };
            if !fails {
                pending.remove(&key);
                continue;
            }
            one.1.push(extra);
            if one.1.len() == 5 {
                let size: usize = one.1.iter().map(Vec::len).sum();
                if bad {
                    ledger::lose(size as i64 + 64);
                } else {
                    pending.remove(&key);
                }
            }
        }
    })
}

/// Handles of tasks in a list: reaped when it is longer than `cap`, or never.
fn tasklist(Given { bytes, bad, cap, .. }: Given) -> Step {
    let mut list: Vec<(u64, Box<[u8]>)> = Vec::new();
    Box::new(move |now| {
        for _ in 0..now.requests {
            let body = block(now, bytes).into_boxed_slice();
            list.push((now.second + 2, body));
            if bad {
                ledger::lose(bytes as i64 + 24);
            }
        }
        if !bad && list.len() > cap {
            let second = now.second;
            list.retain(|(end, _)| *end > second);
        }
    })
}

/// `rate` entries a second for 8 seconds of each period, otherwise none; the last `cap` of them stay, or all.
fn bursts(Given { bytes, bad, period, cap, rate }: Given) -> Step {
    let mut list: VecDeque<Vec<u8>> = VecDeque::new();
    Box::new(move |now| {
        if now.second % period >= 8 || now.second < period / 2 {
            return;
        }
        for _ in 0..rate as u64 {
            let one = block(now, bytes);
            if bad {
                ledger::lose(one.len() as i64);
            }
            list.push_back(one);
            if !bad && list.len() > cap {
                list.pop_front();
            }
        }
    })
}

/// A fixed number of sessions; what each holds grows with each use, without an end or to `rate` pieces.
fn sessions(Given { bytes, bad, cap, rate, .. }: Given) -> Step {
    let mut held: Vec<VecDeque<Vec<u8>>> = (0..cap).map(|_| VecDeque::new()).collect();
    Box::new(move |now| {
        for _ in 0..now.requests {
            let at = now.random.below(cap as u64) as usize;
            let one = block(now, bytes);
            if bad {
                ledger::lose(one.len() as i64);
            }
            held[at].push_back(one);
            if !bad && held[at].len() > rate as usize {
                held[at].pop_front();
            }
        }
    })
}

/// An index that is built anew beside the old one each period, larger by `rate` for each second of age.
fn rebuild(Given { bytes, bad, period, cap, rate }: Given) -> Step {
    let mut index: HashMap<u64, Vec<u8>> = HashMap::new();
    let mut old: Vec<HashMap<u64, Vec<u8>>> = Vec::new();
    Box::new(move |now| {
        if now.age % period != 0 {
            return;
        }
        let grown = (cap as f64 * (1.0 + rate * now.age as f64)) as u64;
        let fresh: HashMap<u64, Vec<u8>> = (0..grown).map(|k| (k, block(now, bytes))).collect();
        let before = std::mem::replace(&mut index, fresh);
        if bad && !before.is_empty() {
            // A quarter is still referenced by a reader that has gone.
            let kept: HashMap<_, _> = before.into_iter().filter(|(k, _)| k % 4 == 0).collect();
            ledger::lose(kept.values().map(|v| v.len() as i64 + 32).sum());
            old.push(kept);
        }
    })
}

/// An arena of chunks, reset each period; chunks stay, so that it remembers its largest period.
fn arena(Given { bytes, bad, period, cap, rate }: Given) -> Step {
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    let mut used = 0usize;
    let mut want = 0usize;
    Box::new(move |now| {
        if now.second % period == 0 {
            if bad && used > 2 {
                // So many chunks are forgotten by the reset.
                for _ in 0..rate as usize {
                    if let Some(last) = chunks.pop() {
                        ledger::lose(last.len() as i64);
                        std::mem::forget(last);
                    }
                }
            }
            used = 0;
            let spread = now.random.normal().abs();
            want = (cap as f64 * (0.5 + 0.4 * spread)) as usize;
        }
        let part = (want as u64 / period.max(1)).max(1) as usize;
        for _ in 0..part {
            if used == chunks.len() {
                chunks.push(ledger::block(bytes as usize, 7));
            }
            chunks[used][0] = 3;
            used += 1;
        }
    })
}

/// Threads of a blocking pool with a buffer each that keeps its largest message.
fn blocking(Given { bytes, bad, period, cap, .. }: Given) -> Step {
    let mut idle: Vec<(mpsc::Sender<usize>, u64)> = Vec::new();
    let bags: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    Box::new(move |now| {
        let burst = now.second % period < 4;
        let want = if burst { now.random.below(cap as u64) as usize + 1 } else { 2 };
        let second = now.second;
        idle.retain(|(_, used)| second - used < 45);
        for place in 0..want {
            if place == idle.len() {
                let (send, take) = mpsc::channel::<usize>();
                let bags = Arc::clone(&bags);
                let _ = std::thread::Builder::new().stack_size(128 << 10).spawn(move || {
                    let mut buffer: Vec<u8> = Vec::new();
                    while let Ok(size) = take.recv() {
                        if size > buffer.len() {
                            buffer.resize(size, 1);
                        }
                        buffer[0] = 2;
                    }
                    if bad {
                        ledger::lose(buffer.capacity() as i64);
                        if let Ok(mut all) = bags.lock() {
                            all.push(buffer);
                        }
                    }
                });
                idle.push((send, second));
            }
            let size = now.random.size(bytes);
            let _ = idle[place].0.send(size);
            idle[place].1 = second;
        }
    })
}

/// `rate` connections for each unit of load, with a buffer each; when bad, the buffers of closed ones stay.
fn perconn(Given { bytes, bad, rate, .. }: Given) -> Step {
    let mut open: Vec<Vec<u8>> = Vec::new();
    let mut dead: Vec<Vec<u8>> = Vec::new();
    Box::new(move |now| {
        let want = (now.load * rate) as usize;
        while open.len() < want {
            let one = block(now, bytes);
            open.push(one);
        }
        while open.len() > want {
            let Some(one) = open.pop() else { break };
            if bad {
                ledger::lose(one.len() as i64);
                dead.push(one);
            }
        }
        // Some come and go.
        for _ in 0..(want / 40) {
            let at = now.random.below(want as u64) as usize;
            let fresh = block(now, bytes);
            let gone = std::mem::replace(&mut open[at], fresh);
            if bad && now.random.unit() < 0.25 {
                ledger::lose(gone.len() as i64);
                dead.push(gone);
            }
        }
    })
}

/// Entries expire when somebody asks for them: of a bounded number of keys, or of ever new ones.
fn lazyttl(Given { bytes, bad, period, cap, .. }: Given) -> Step {
    let mut entries: HashMap<u64, (u64, Vec<u8>)> = HashMap::new();
    Box::new(move |now| {
        for _ in 0..now.requests {
            let key = if bad { now.random.zipf(1 << 40, 0.9) } else { now.random.below(cap as u64) };
            let value = block(now, bytes);
            let size = value.len() as i64;
            if entries.insert(key, (now.second + period, value)).is_none() && bad {
                ledger::lose(size);
            }
        }
    })
}

/// A log buffer flushed each period; lines that could not be sent stay.
fn logbuffer(Given { bytes, bad, period, rate, .. }: Given) -> Step {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut failed: Vec<Vec<u8>> = Vec::new();
    Box::new(move |now| {
        for _ in 0..(now.requests as f64 * rate) as u64 {
            let one = block(now, bytes);
            lines.push(one);
        }
        if now.second % period == period - 1 {
            let all = std::mem::take(&mut lines);
            if bad {
                for one in all {
                    if now.random.unit() < 0.08 {
                        ledger::lose(one.len() as i64);
                        failed.push(one);
                    }
                }
            }
        }
    })
}

/// A producer that outruns its consumer by day only.
fn daychannel(Given { bytes, bad, period, rate, .. }: Given) -> Step {
    let mut waiting: VecDeque<Vec<u8>> = VecDeque::new();
    let mut low = usize::MAX;
    Box::new(move |now| {
        let day = now.second % period < period / 2;
        let (inn, out) =
            if day { (rate * 1.6, rate) } else { (rate * 0.3, if bad { rate * 0.7 } else { rate * 1.3 }) };
        for _ in 0..now.random.around(inn) {
            let one = block(now, bytes);
            waiting.push_back(one);
        }
        for _ in 0..now.random.around(out) {
            waiting.pop_front();
        }
        if now.second % period == 0 && bad {
            let floor = waiting.len();
            if low != usize::MAX && floor > low {
                ledger::lose(((floor - low) as u64 * bytes) as i64);
            }
            low = floor;
        }
        ledger::count(ledger::QUEUED, waiting.len());
    })
}

/// Interned strings out of a vocabulary of `cap`: all alike, or with a heavy tail.
fn intern(Given { bytes, bad, cap, rate, .. }: Given) -> Step {
    let mut known: HashSet<Vec<u8>> = HashSet::new();
    Box::new(move |now| {
        for _ in 0..(now.requests as f64 * rate) as u64 {
            let key = if bad { now.random.zipf(cap as u64, 1.0) } else { now.random.below(cap as u64) };
            let mut text = vec![b'x'; bytes as usize];
            text[..8].copy_from_slice(&key.to_le_bytes());
            known.insert(text);
        }
    })
}

/// Series with a label that changes with each generation of clients: the last `rate` generations stay, or all.
fn generations(Given { bytes, bad, period, cap, rate }: Given) -> Step {
    let mut series: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
    Box::new(move |now| {
        let generation = now.second / period;
        if now.second % period < 20 {
            for n in 0..cap as u64 / 20 {
                let one = block(now, bytes);
                if bad && generation > 0 {
                    ledger::lose(one.len() as i64);
                }
                series.insert((generation, (now.second % period) * 1000 + n), one);
            }
        }
        if !bad {
            series.retain(|k, _| k.0 + (rate as u64) > generation);
        }
        ledger::count(ledger::SERIES, series.len());
    })
}

/// A store with a table in memory that is flushed each period, and a compaction after six flushes.
fn lsm(Given { bytes, bad, period, .. }: Given) -> Step {
    let mut mem: Vec<Vec<u8>> = Vec::new();
    let mut tables: Vec<Vec<u8>> = Vec::new();
    let mut tombs: Vec<Vec<u8>> = Vec::new();
    let mut flushed = 0u64;
    Box::new(move |now| {
        for _ in 0..now.requests {
            let one = block(now, bytes);
            mem.push(one);
        }
        if now.second % period == period - 1 {
            let size: usize = mem.iter().map(Vec::len).sum();
            mem.clear();
            tables.push(ledger::block(size / 5, 9));
            flushed += 1;
            if flushed % 6 == 0 {
                let all: usize = tables.iter().map(Vec::len).sum();
                tables.clear();
                if bad {
                    tombs.push(ledger::block(all / 3, 5));
                    ledger::lose(all as i64 / 3);
                }
            }
        }
    })
}

/// Garbage is swept when the heap is twice what was alive after the last sweep.
fn sweep(Given { bytes, bad, cap, rate, .. }: Given) -> Step {
    let mut alive: VecDeque<Vec<u8>> = VecDeque::new();
    let mut garbage: Vec<Vec<u8>> = Vec::new();
    let (mut live, mut dirty) = (2u64 << 20, 0u64);
    Box::new(move |now| {
        for _ in 0..now.requests {
            let one = block(now, bytes);
            let size = one.len() as u64;
            if now.random.unit() < rate {
                live += size;
                if bad {
                    ledger::lose(size as i64);
                }
                alive.push_back(one);
                if !bad && alive.len() > cap {
                    if let Some(old) = alive.pop_front() {
                        live -= old.len() as u64;
                    }
                }
            } else {
                dirty += size;
                garbage.push(one);
            }
        }
        if dirty > live.max(6 << 20) {
            garbage.clear();
            dirty = 0;
        }
    })
}

/// Pages that are given back with MADV_FREE: the kernel takes them when it needs them.
fn madvfree(Given { bytes, period, cap, .. }: Given) -> Step {
    let mut places: Vec<usize> = Vec::new();
    Box::new(move |now| {
        if now.second % period != 0 {
            return;
        }
        let at = (now.second / period) as usize % cap.max(1);
        if at >= places.len() {
            // SAFETY: a fresh private mapping.
            let got = unsafe { mmap(std::ptr::null_mut(), bytes as usize, 3, 0x22, -1, 0) } as usize;
            places.push(got);
        }
        let Some(&place) = places.get(at) else { return };
        for page in (0..bytes as usize).step_by(4096) {
            // SAFETY: inside the mapping.
            unsafe { *((place + page) as *mut u8) = 1 };
        }
        // SAFETY: the same mapping.
        unsafe { madvise(place as *mut c_void, bytes as usize, 8) };
    })
}

/// Blocks whose size changes with each round while some of each round stay: pages half used.
fn drifting(Given { period, cap, .. }: Given) -> Step {
    let mut rounds: VecDeque<Vec<Vec<u8>>> = VecDeque::new();
    let mut pinned: VecDeque<Vec<u8>> = VecDeque::new();
    let mut round = 0u64;
    Box::new(move |now| {
        if now.second % period != 0 {
            return;
        }
        round += 1;
        let size = 400 + (round * 397) % 3000;
        let mut made: Vec<Vec<u8>> = (0..cap as u64).map(|_| ledger::block(size as usize, 1)).collect();
        for n in (0..made.len()).step_by(16) {
            let one = std::mem::take(&mut made[n]);
            pinned.push_back(one);
        }
        rounds.push_back(made);
        if rounds.len() > 2 {
            rounds.pop_front();
        }
        while pinned.len() > cap {
            pinned.pop_front();
        }
    })
}

/// What was dropped stays while a weak pointer to it is remembered.
fn weak(Given { bad, period, rate, .. }: Given) -> Step {
    let mut seen: Vec<Weak<[u8; 4000]>> = Vec::new();
    Box::new(move |now| {
        for _ in 0..(now.requests as f64 * rate) as u64 {
            let one = Arc::new([1u8; 4000]);
            seen.push(Arc::downgrade(&one));
            if bad {
                ledger::lose(4024);
            }
        }
        if !bad && now.second % period == 0 {
            seen.retain(|w| w.strong_count() > 0);
        }
    })
}

/// A slice of a large buffer keeps all of it: the last `cap` of them, or all.
fn slices(Given { bytes, bad, cap, rate, .. }: Given) -> Step {
    let mut held: VecDeque<(Arc<Vec<u8>>, usize)> = VecDeque::new();
    Box::new(move |now| {
        for _ in 0..now.random.around(rate) {
            let whole = Arc::new(ledger::block(bytes as usize, 3));
            if bad {
                ledger::lose(bytes as i64);
            }
            held.push_back((whole, 64));
            if !bad && held.len() > cap {
                held.pop_front();
            }
        }
    })
}

/// Timers that are cancelled lazily: each stays until it would have fired.
fn timers(Given { bytes, bad, period, .. }: Given) -> Step {
    let mut wheel: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    Box::new(move |now| {
        for _ in 0..now.requests {
            let one = block(now, bytes);
            wheel.push_back((now.second + period, one));
        }
        let second = now.second;
        if bad {
            // Those of the third kind are re-armed for ever.
            let n = wheel.iter().take_while(|(end, _)| *end <= second).count();
            for k in 0..n {
                if let Some((_, one)) = wheel.pop_front() {
                    if k % 3 != 0 {
                        continue;
                    }
                    ledger::lose(one.len() as i64);
                    wheel.push_back((u64::MAX, one));
                }
            }
        } else {
            while wheel.front().is_some_and(|(end, _)| *end <= second) {
                wheel.pop_front();
            }
        }
    })
}

/// A cache for each of `rate` workers, or of ever more: it is filled when its worker first gets work.
fn shards(Given { bytes, bad, period, cap, rate }: Given) -> Step {
    let mut shards: Vec<Vec<Vec<u8>>> = Vec::new();
    Box::new(move |now| {
        let wanted = ((now.age / period) as usize + 1).min(if bad { usize::MAX } else { rate as usize });
        if shards.len() < wanted {
            shards.push(Vec::new());
        }
        let per = (cap as u64 / 15).max(1);
        let late = shards.len() > 1;
        if let Some(last) = shards.last_mut() {
            if last.len() < cap {
                for _ in 0..per {
                    let one = block(now, bytes);
                    if bad && late {
                        ledger::lose(one.len() as i64);
                    }
                    last.push(one);
                }
            }
        }
    })
}

/// A cache that makes room for a leak: what is used stays the same until there is no cache.
fn yielding(Given { bytes, cap, rate, .. }: Given) -> Step {
    let mut cache: VecDeque<Vec<u8>> = VecDeque::new();
    let mut lost: Vec<Vec<u8>> = Vec::new();
    Box::new(move |now| {
        if now.age == 0 {
            for _ in 0..cap {
                let one = block(now, bytes);
                cache.push_back(one);
            }
        }
        for _ in 0..now.random.around(rate) {
            let one = block(now, bytes);
            ledger::lose(one.len() as i64);
            lost.push(one);
            cache.pop_front();
        }
    })
}

/// Each new client is told to each other: a subscription for each pair.
fn pairs(Given { bytes, bad, cap, rate, .. }: Given) -> Step {
    let mut clients: Vec<Vec<Box<[u8]>>> = Vec::new();
    let mut owed = 0.0;
    Box::new(move |_now| {
        owed += rate;
        while owed >= 1.0 {
            owed -= 1.0;
            if clients.len() >= cap {
                continue;
            }
            for one in &mut clients {
                one.push(vec![1u8; bytes as usize].into_boxed_slice());
                if bad {
                    ledger::lose(bytes as i64 + 16);
                }
            }
            clients.push(Vec::new());
        }
    })
}

/// A start-up stock that is used up slowly, to nothing; beside it, when bad, something lost.
fn draining(Given { bytes, bad, period, cap, rate }: Given) -> Step {
    let mut stock: Vec<Vec<u8>> = Vec::new();
    let mut lost: Vec<Vec<u8>> = Vec::new();
    Box::new(move |now| {
        if now.age == 0 {
            for _ in 0..cap {
                let one = ledger::block(200 << 10, 1);
                stock.push(one);
            }
        }
        if now.age % (period / cap as u64).max(1) == 0 {
            stock.pop();
        }
        if bad {
            for _ in 0..now.random.around(rate) {
                let one = block(now, bytes);
                ledger::lose(one.len() as i64);
                lost.push(one);
            }
        }
    })
}

/// Bodies with a heavy tail, held for a second or two.
fn bodies(Given { bytes, rate, .. }: Given) -> Step {
    let mut held: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    Box::new(move |now| {
        let second = now.second;
        held.retain(|(end, _)| *end > second);
        for _ in 0..3 {
            let size = (bytes as f64 * (1.0 - now.random.unit()).powf(-0.8)).min(rate) as usize;
            let wait = 1 + now.random.below(3);
            held.push_back((second + wait, ledger::block(size, 2)));
        }
    })
}

/// A plain list that is never read: `rate` bytes a second.
fn lose(Given { bytes, rate, .. }: Given) -> Step {
    let mut list: Vec<Vec<u8>> = Vec::new();
    let mut owed = 0.0;
    Box::new(move |now| {
        owed += rate;
        while owed >= bytes as f64 {
            let one = block(now, bytes);
            owed -= one.len() as f64;
            ledger::lose(one.len() as i64 + 24);
            list.push(one);
        }
    })
}

/// A history of the last `cap` pieces, filled at `rate` a second.
fn ring(Given { bytes, bad, cap, rate, .. }: Given) -> Step {
    let mut ring: VecDeque<Vec<u8>> = VecDeque::new();
    let mut lost: Vec<Vec<u8>> = Vec::new();
    let mut since = 0u64;
    Box::new(move |now| {
        for _ in 0..now.random.around(rate) {
            let one = block(now, bytes);
            ring.push_back(one);
            if ring.len() > cap {
                let gone = ring.pop_front();
                since += 1;
                if let (true, Some(one)) = (bad && since % 4 == 0, gone) {
                    ledger::lose(one.len() as i64);
                    lost.push(one);
                }
            }
        }
    })
}

/// A configuration read anew each period: versions pile up, or `cap` of them are kept for a roll-back.
fn configs(Given { bytes, bad, period, cap, rate }: Given) -> Step {
    let mut kept: VecDeque<Vec<Vec<u8>>> = VecDeque::new();
    Box::new(move |now| {
        if now.age % period != period / 2 {
            return;
        }
        let made: Vec<Vec<u8>> = (0..(rate as u64 / bytes)).map(|_| block(now, bytes)).collect();
        if bad && !kept.is_empty() {
            ledger::lose(rate as i64);
        }
        kept.push_back(made);
        if !bad && kept.len() > cap {
            kept.pop_front();
        }
    })
}

/// Deduplication of ids with an epoch each period; the old set is dropped when the new is half as large.
fn epochs(Given { bad, period, rate, .. }: Given) -> Step {
    let mut now_ids: HashSet<u128> = HashSet::new();
    let mut old_ids: HashSet<u128> = HashSet::new();
    let mut piles: Vec<HashSet<u128>> = Vec::new();
    Box::new(move |now| {
        if now.second % period == 0 {
            let gone = std::mem::replace(&mut old_ids, std::mem::take(&mut now_ids));
            if bad {
                piles.push(gone);
            }
        }
        for _ in 0..(now.requests as f64 * rate) as u64 {
            let id = (now.random.next() as u128) << 64 | now.random.next() as u128;
            now_ids.insert(id);
            if bad {
                ledger::lose(17);
            }
        }
        if !bad && now_ids.len() * 2 > old_ids.len() {
            old_ids = HashSet::new();
        }
    })
}

/// The program's own file, mapped once more each period and read; when bad, written to as well and never unmapped.
fn remap(Given { bad, period, cap, .. }: Given) -> Step {
    let mut maps: VecDeque<(usize, usize)> = VecDeque::new();
    Box::new(move |now| {
        if now.second % period != 0 {
            return;
        }
        let Ok(file) = std::fs::File::open("/proc/self/exe") else {
            return;
        };
        let size = file.metadata().map_or(0, |m| m.len() as usize) & !4095;
        // SAFETY: a private mapping of a whole file.
        let at = unsafe { mmap(std::ptr::null_mut(), size, 3, 2, file.as_raw_fd(), 0) } as usize;
        if at == usize::MAX {
            return;
        }
        let mut sum = 0u64;
        for (n, page) in (0..size).step_by(4096).enumerate() {
            // SAFETY: inside the mapping.
            unsafe {
                sum += *((at + page) as *const u8) as u64;
                if bad && n % 2 == 0 {
                    *((at + page) as *mut u8) = 1
                }
            }
        }
        std::hint::black_box(sum);
        if bad {
            ledger::lose_outside(size as i64 / 2);
            ledger::hold_outside(size as i64 / 2)
        }
        maps.push_back((at, size));
        if !bad && maps.len() > cap {
            if let Some((at, size)) = maps.pop_front() {
                // SAFETY: a mapping from above that nothing points into.
                unsafe { munmap(at as *mut c_void, size) };
            }
        }
    })
}

/// Spikes of small blocks, each larger than the one before until the `cap`th; the last block stays a while.
fn spikes(Given { bytes, period, cap, rate, .. }: Given) -> Step {
    let mut spike: Vec<Vec<u8>> = Vec::new();
    let mut pinned: VecDeque<Vec<u8>> = VecDeque::new();
    let mut n = 0usize;
    Box::new(move |now| {
        if now.second % period == 3 {
            if let Some(one) = spike.pop() {
                pinned.push_back(one);
            }
            spike = Vec::new();
            if pinned.len() > 2 {
                pinned.pop_front();
            }
        }
        if now.second % period == 0 {
            let size = bytes as f64 * (1.0 + rate * n.min(cap) as f64);
            n += 1;
            spike = (0..(size / 2048.0) as usize).map(|_| ledger::block(2048, 1)).collect();
        }
    })
}
