// Ten services with one planted leak each (the last one has two), for a recorder of heap profiles:
//     leaks SHAPE [REQUESTS]
// Each serves requests that make temporary copies and use a bounded cache; what is planted is in a function of its
// own below `planted`. Everything that is not planted is freed, or has a bound.
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::rc::Rc;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::Duration;

struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Has a bound: the oldest goes when there are too many.
struct Cache {
    entries: HashMap<u64, Vec<u8>>,
    order: VecDeque<u64>,
    bound: usize,
}
impl Cache {
    fn new(bound: usize) -> Cache {
        Cache { entries: HashMap::new(), order: VecDeque::new(), bound }
    }
    #[inline(never)]
    fn remember(&mut self, key: u64, size: usize) {
        if self.entries.contains_key(&key) {
            return;
        }
        if self.order.len() == self.bound {
            let oldest = self.order.pop_front().unwrap();
            self.entries.remove(&oldest);
        }
        self.order.push_back(key);
        self.entries.insert(key, vec![key as u8; size]);
    }
}

#[inline(never)]
fn serve(random: &mut Random) -> usize {
    let body: Vec<u8> = vec![1; 200 + (random.next() % 800) as usize];
    let words: Vec<String> = body.chunks(100).map(|part| format!("{}-{}", part.len(), part[0])).collect();
    black_box(words.join("/")).len()
}

#[inline(never)]
fn start_up() -> usize {
    let parts: Vec<Vec<u8>> = (0..64).map(|part| vec![part as u8; 256 << 10]).collect();
    thread::sleep(Duration::from_millis(50));
    parts.iter().map(|part| part[0] as usize).sum()
}

mod planted {
    use super::*;

    pub struct Session {
        pub history: Vec<u64>,
    }
    impl Session {
        #[inline(never)]
        pub fn record(&mut self, request: u64) {
            for step in 0..40 {
                self.history.push(request + step);
            }
        }
    }

    #[inline(never)]
    pub fn index_forever(index: &mut HashMap<String, u64>, request: u64) {
        index.insert(format!("request-{request}"), request);
    }

    pub struct Node {
        pub other: RefCell<Option<Rc<Node>>>,
        pub load: [u8; 300],
    }
    #[inline(never)]
    pub fn link_both_ways(request: u64) {
        let one = Rc::new(Node { other: RefCell::new(None), load: [request as u8; 300] });
        let two = Rc::new(Node { other: RefCell::new(Some(one.clone())), load: [0; 300] });
        *one.other.borrow_mut() = Some(two);
    }

    #[inline(never)]
    pub fn announce(sender: &Sender<[u8; 64]>, request: u64) {
        sender.send([request as u8; 64]).unwrap();
    }

    #[inline(never)]
    pub fn watch_forever(request: u64) {
        let buffer = vec![request as u8; 4096];
        thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || {
                black_box(&buffer);
                loop {
                    thread::park();
                }
            })
            .unwrap();
    }

    #[inline(never)]
    pub fn keep_request(request: u64) {
        black_box(Box::leak(vec![request as u8; 333].into_boxed_slice()));
    }

    #[inline(never)]
    pub fn keep_trace(request: u64) {
        black_box(Box::leak(Box::new([request; 20])));
    }
}

fn main() {
    let shape = std::env::args().nth(1).expect("a shape");
    let requests: u64 = std::env::args().nth(2).map_or(4000, |text| text.parse().unwrap());
    let mut random = Random(88172645463325252);
    let mut cache = Cache::new(if shape == "next_to_cache" { 1500 } else { 200 });
    let size = if shape == "next_to_cache" { 8000 } else { 1000 };
    let mut session = planted::Session { history: Vec::new() };
    let mut index = HashMap::new();
    let (sender, _receiver): (Sender<[u8; 64]>, Receiver<[u8; 64]>) = channel();
    if shape == "next_to_spike" {
        black_box(start_up());
    }
    for request in 0..requests {
        black_box(serve(&mut random));
        cache.remember(random.next() % 6000, size);
        match shape.as_str() {
            "vec" => session.record(request),
            "map" => planted::index_forever(&mut index, request),
            "rc_cycle" => planted::link_both_ways(request),
            "channel" => planted::announce(&sender, request),
            "thread" if request % 50 == 0 => planted::watch_forever(request),
            "thread" => {}
            "per_request" => planted::keep_request(request),
            "after_warm_up" if request < requests / 2 => {}
            "after_warm_up" => planted::keep_request(request),
            "next_to_cache" | "next_to_spike" if request % 4 == 0 => planted::keep_request(request),
            "next_to_cache" | "next_to_spike" => {}
            "two_leaks" => {
                planted::keep_request(request);
                if request % 2 == 0 {
                    planted::keep_trace(request);
                }
            }
            "none" => {}
            _ => panic!("no such shape: {shape}"),
        }
        if request % 40 == 0 {
            thread::sleep(Duration::from_millis(4));
        }
    }
    eprintln!("served {requests}, {} cached, {} indexed, {} steps", cache.order.len(), index.len(), session.history.len());
}
