use crate::Work;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A cache that is full soon.
pub mod lru_small {
    use super::*;
    pub fn run(mut work: Work) {
        let mut cache = lru::LruCache::new(NonZeroUsize::new(120).unwrap());
        while work.request().is_some() {
            let (key, size) = (work.below(5000), work.tail(90));
            cache.put(key, vec![1u8; size]);
        }
    }
}

/// A cache that is not full at the end: keys come again more and more often.
pub mod lru_large {
    use super::*;
    fn look_up(cache: &mut lru::LruCache<u64, String>, key: u64) -> usize {
        cache.get_or_insert(key, || format!("what is known of article {key} {:100}", "")).len()
    }
    pub fn run(mut work: Work) {
        let mut cache = lru::LruCache::new(NonZeroUsize::new(5000).unwrap());
        while work.request().is_some() {
            let key = work.below(500);
            black_box(look_up(&mut cache, key));
        }
    }
}

/// A cache that is bounded by bytes, of values whose sizes have a heavy tail.
pub mod lru_of_bytes {
    use super::*;
    struct Weighed {
        entries: lru::LruCache<u64, Vec<u8>>,
        bytes: usize,
    }
    impl Weighed {
        fn put(&mut self, key: u64, value: Vec<u8>) {
            self.bytes += value.len();
            if let Some(old) = self.entries.put(key, value) {
                self.bytes -= old.len();
            }
            while self.bytes > 150_000 {
                self.bytes -= self.entries.pop_lru().unwrap().1.len();
            }
        }
    }
    pub fn run(mut work: Work) {
        let mut cache = Weighed { entries: lru::LruCache::unbounded(), bytes: 0 };
        while work.request().is_some() {
            let (key, size) = (work.below(100_000), work.tail(150));
            cache.put(key, vec![2; size]);
        }
    }
}

/// The last lines of a log.
pub mod ring_log {
    use super::*;
    pub fn run(mut work: Work) {
        let mut ring = VecDeque::with_capacity(400);
        while let Some(request) = work.request() {
            if ring.len() == 400 {
                ring.pop_front();
            }
            let detail = "x".repeat(work.below(200) as usize);
            ring.push_back(format!("{request}: {detail}"));
        }
    }
}

/// Streams that open and close in no order.
pub mod slab_churn {
    use super::*;
    pub fn run(mut work: Work) {
        let mut streams = slab::Slab::new();
        let mut keys = Vec::new();
        while work.request().is_some() {
            let size = work.tail(60);
            keys.push(streams.insert(vec![3u8; size]));
            let wanted = 90 + work.below(60) as usize;
            while keys.len() > wanted {
                let which = work.below(keys.len() as u64) as usize;
                black_box(streams.remove(keys.swap_remove(which)).len());
            }
        }
    }
}

/// A pool grows to the most that was ever needed at once; new records are rare.
pub mod object_pool {
    use super::*;
    #[derive(Default)]
    struct Pool {
        free: Vec<Box<[u8; 2048]>>,
    }
    impl Pool {
        fn take(&mut self) -> Box<[u8; 2048]> {
            self.free.pop().unwrap_or_else(|| Box::new([0; 2048]))
        }
        fn put(&mut self, buffer: Box<[u8; 2048]>) {
            self.free.push(buffer);
        }
    }
    pub fn run(mut work: Work) {
        let mut pool = Pool::default();
        while work.request().is_some() {
            let many = work.tail(3).min(60);
            let used: Vec<_> = (0..many).map(|_| pool.take()).collect();
            used.into_iter().for_each(|buffer| pool.put(buffer));
        }
    }
}

/// Entries live for a while, a sweeper comes now and then.
pub mod ttl_dash {
    use super::*;
    pub fn run(mut work: Work) {
        let seen: dashmap::DashMap<u64, (Instant, String)> = dashmap::DashMap::new();
        while let Some(request) = work.request() {
            seen.insert(work.below(1 << 40), (Instant::now(), format!("address {request} was seen a moment ago")));
            if request % 90 == 0 {
                seen.retain(|_, (since, _)| since.elapsed() < Duration::from_millis(110));
            }
        }
    }
}

/// Points are collected and sent once a minute; a minute is now longer and now shorter.
pub mod minute_batches {
    use super::*;
    pub fn run(mut work: Work) {
        runtime().block_on(async move {
            let (to, mut from) = tokio::sync::mpsc::channel::<Vec<(u64, String)>>(2);
            let sender = tokio::spawn(async move {
                while let Some(batch) = from.recv().await {
                    black_box(serde_json::to_string(&batch).unwrap());
                }
            });
            let (mut batch, mut most) = (Vec::new(), 170);
            while let Some(request) = work.request() {
                batch.push((request, format!("point {request} of a series")));
                if batch.len() >= most {
                    to.send(std::mem::take(&mut batch)).await.unwrap();
                    most = 110 + work.below(160) as usize;
                }
            }
            drop(to);
            sender.await.unwrap();
        });
    }
}

/// Patterns are compiled one after the other as they are first needed; there are 30.
pub mod compiled_tables {
    use super::*;
    pub fn run(mut work: Work) {
        let mut tables: Vec<Option<regex::bytes::Regex>> = (0..30).map(|_| None).collect();
        while let Some(request) = work.request() {
            if request % 12 == 0 {
                let most = if work.part() < 0.2 { 12 } else { 30 };
                let which = work.below(most) as usize;
                let one = tables[which].get_or_insert_with(|| {
                    regex::bytes::RegexBuilder::new(&format!("^[a-d]+{which}$")).unicode(false).build().unwrap()
                });
                black_box(one.is_match(b"abcd7"));
            }
        }
    }
}

/// Connections with buffers come and go with the hour; at most 64 at once.
pub mod connections {
    use super::*;
    pub fn run(mut work: Work) {
        runtime().block_on(async move {
            let seats = Arc::new(tokio::sync::Semaphore::new(64));
            while let Some(request) = work.request() {
                let Ok(seat) = seats.clone().try_acquire_owned() else { continue };
                let (millis, size) = (5 + work.below(120), 700 + work.below(600) as usize);
                tokio::spawn(async move {
                    let mut buffer = bytes::BytesMut::with_capacity(size);
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    buffer.extend_from_slice(&request.to_le_bytes());
                    drop((buffer, seat));
                });
                tokio::task::yield_now().await;
            }
        });
    }
}

/// One text buffer for all pages keeps the room of the largest page so far.
pub mod page_builder {
    use super::*;
    use std::fmt::Write;
    pub fn run(mut work: Work) {
        let mut page = String::new();
        while let Some(request) = work.request() {
            page.clear();
            for line in 0..work.tail(8) {
                write!(page, "<tr><td>{request}</td><td>{line}</td></tr>").unwrap();
            }
            black_box(page.len());
        }
    }
}

/// Orders enter and leave a book by price.
pub mod btree_churn {
    use super::*;
    pub fn run(mut work: Work) {
        let mut book: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
        while let Some(request) = work.request() {
            let price = 1000 + request / 3 + work.below(400);
            book.insert((price, request), vec![4; 70]);
            if book.len() > 350 {
                let middle = *book.keys().nth(work.below(350) as usize).unwrap();
                book.remove(&middle);
            }
        }
    }
}

/// Three storms of requests that wait for each other.
pub mod storms {
    use super::*;
    async fn wait_in_storm(request: u64, millis: u64) -> usize {
        let held = vec![request as u8; 900];
        tokio::time::sleep(Duration::from_millis(millis)).await;
        held.len()
    }
    pub fn run(mut work: Work) {
        runtime().block_on(async move {
            let mut storms = vec![0.9, 0.55, 0.2];
            while let Some(request) = work.request() {
                if storms.last().is_some_and(|at| work.part() >= *at) {
                    storms.pop();
                    let all: Vec<_> = (0..300).map(|one| tokio::spawn(wait_in_storm(request + one, 40))).collect();
                    for one in all {
                        black_box(one.await.unwrap());
                    }
                }
            }
        });
    }
}

/// A cache is cleared in the middle of the day and fills again.
pub mod refill_after_clear {
    use super::*;
    fn product(cache: &mut HashMap<u64, String>, key: u64) -> usize {
        cache.entry(key).or_insert_with(|| format!("product {key} with its long description {:60}", "")).len()
    }
    pub fn run(mut work: Work) {
        let mut cache = HashMap::new();
        let mut cleared = false;
        while work.request().is_some() {
            let key = work.below(300);
            black_box(product(&mut cache, key));
            if !cleared && work.part() >= 0.5 {
                cache.clear();
                cleared = true;
            }
        }
    }
}

/// Frames are cut out of one buffer that is used again when they are done.
pub mod frame_buffers {
    use super::*;
    pub fn run(mut work: Work) {
        let mut incoming = bytes::BytesMut::with_capacity(8192);
        let mut in_flight = VecDeque::new();
        while let Some(request) = work.request() {
            let size = work.tail(100);
            incoming.resize(size, request as u8);
            in_flight.push_back(incoming.split().freeze());
            let most = 10 + work.below(20) as usize;
            while in_flight.len() > most {
                in_flight.pop_front();
            }
        }
    }
}

/// Counters by label: some labels are seen every second, most of them rarely, all come in the end.
pub mod label_sets {
    use super::*;
    fn count(requests: &prometheus::IntCounterVec, route: u64, status: u64) {
        let (route, status) = (format!("/api/route/{route}"), status.to_string());
        requests.with_label_values(&[&route, &status]).inc();
    }
    pub fn run(mut work: Work) {
        let options = prometheus::Opts::new("requests_total", "Requests");
        let requests = prometheus::IntCounterVec::new(options, &["route", "status"]).unwrap();
        while work.request().is_some() {
            let (route, status) = (work.below(90), 200 + 100 * work.below(4));
            count(&requests, route, status);
        }
    }
}

/// Settings are read again every so often, and the old ones go when nobody uses them.
pub mod swapped_config {
    use super::*;
    pub fn run(mut work: Work) {
        let current = arc_swap::ArcSwap::from_pointee(HashMap::<String, String>::new());
        let mut readers = VecDeque::new();
        while let Some(request) = work.request() {
            if request % 45 == 0 {
                let many = 60 + work.below(25);
                let fresh = (0..many).map(|one| (format!("key.{one}"), format!("value {one} of {request}"))).collect();
                current.store(Arc::new(fresh));
            }
            readers.push_back(current.load_full());
            if readers.len() > 8 {
                readers.pop_front();
            }
        }
    }
}

/// Tasks that end, and are joined, with a number that wanders.
pub mod task_churn {
    use super::*;
    pub fn run(mut work: Work) {
        runtime().block_on(async move {
            let mut open = tokio::task::JoinSet::new();
            let mut wanted = 50u64;
            while let Some(request) = work.request() {
                open.spawn(async move { vec![request as u8; 200] });
                wanted = (wanted + work.below(9)).saturating_sub(4).clamp(10, 150);
                while open.len() as u64 > wanted {
                    black_box(open.join_next().await);
                }
            }
        });
    }
}
