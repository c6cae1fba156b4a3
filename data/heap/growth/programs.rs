// Small services for a recorder of heap profiles:
//     programs NAME [REQUESTS]
// Each serves requests that make temporary copies; most have a bounded cache beside what they are named for. What each
// keeps for good, or not, is written down in truth.csv.
#![allow(dead_code)]
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::hint::black_box;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::Duration;

pub struct Random(u64);
impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
    /// Small numbers far more often than large ones.
    pub fn skewed(&mut self, bound: u64) -> u64 {
        let one = self.below(1 << 20) as f64 / (1u64 << 20) as f64;
        (one * one * one * bound as f64) as u64
    }
    pub fn size(&mut self, mean: usize) -> usize {
        mean / 2 + self.below(mean as u64) as usize
    }
}

/// Requests, in an even stream.
pub struct Run {
    pub random: Random,
    next: u64,
    pub all: u64,
    bystander: Option<Lru>,
}
impl Iterator for Run {
    type Item = u64;
    #[inline(never)]
    fn next(&mut self) -> Option<u64> {
        if self.next == self.all {
            return None;
        }
        if self.next % 25 == 0 {
            thread::sleep(Duration::from_millis(12));
        }
        black_box(serve(&mut self.random));
        if let Some(cache) = &mut self.bystander {
            let key = self.random.below(900);
            cache.remember(key, 300);
        }
        self.next += 1;
        Some(self.next - 1)
    }
}
impl Run {
    fn part(&self, request: u64) -> f64 {
        request as f64 / self.all as f64
    }
}

#[inline(never)]
fn serve(random: &mut Random) -> usize {
    let body: Vec<u8> = vec![1; random.size(500)];
    let words: Vec<String> = body.chunks(300).map(|part| format!("{}-{}", part.len(), part[0])).collect();
    black_box(words.join("/")).len()
}

/// Has a bound: the oldest goes when there are too many.
pub struct Lru {
    entries: HashMap<u64, Vec<u8>>,
    order: VecDeque<u64>,
    bound: usize,
}
impl Lru {
    fn new(bound: usize) -> Lru {
        Lru { entries: HashMap::new(), order: VecDeque::new(), bound }
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

mod leaks {
    use super::*;

    pub mod closure_callbacks {
        use super::*;
        #[derive(Default)]
        struct Hooks {
            all: Vec<Box<dyn Fn() -> usize>>,
        }
        impl Hooks {
            #[inline(never)]
            fn subscribe(&mut self, request: u64) {
                let name = format!("listener of request {request} that nobody removes");
                self.all.push(Box::new(move || name.len()));
            }
        }
        pub fn run(mut run: Run) {
            let mut hooks = Hooks::default();
            while let Some(request) = run.next() {
                hooks.subscribe(request);
            }
            black_box(hooks.all.iter().map(|hook| hook()).sum::<usize>());
        }
    }

    pub mod closure_deferred {
        use super::*;
        thread_local! { static LATER: RefCell<VecDeque<Box<dyn FnOnce()>>> = const { RefCell::new(VecDeque::new()) }; }
        #[inline(never)]
        fn defer(request: u64, size: usize) {
            let state = vec![request as u8; size];
            LATER.with(|later| later.borrow_mut().push_back(Box::new(move || drop(black_box(state)))));
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                let size = run.random.size(200);
                defer(request, size);
                // Every other one is done; the rest waits for ever.
                if request % 2 == 0 {
                    let job = LATER.with(|later| later.borrow_mut().pop_front());
                    job.unwrap()();
                }
            }
        }
    }

    fn waker() -> Waker {
        const TABLE: RawWakerVTable = RawWakerVTable::new(|_| RawWaker::new(std::ptr::null(), &TABLE), |_| (), |_| (), |_| ());
        unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
    }

    pub mod future_parked {
        use super::*;
        struct Answer {
            body: Vec<u8>,
            ready: Rc<Cell<bool>>,
        }
        impl Future for Answer {
            type Output = usize;
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<usize> {
                if self.ready.get() { Poll::Ready(self.body.len()) } else { Poll::Pending }
            }
        }
        #[derive(Default)]
        struct Executor {
            tasks: Vec<Pin<Box<dyn Future<Output = usize>>>>,
        }
        impl Executor {
            #[inline(never)]
            fn spawn(&mut self, request: u64, ready: Rc<Cell<bool>>) {
                let body = vec![request as u8; 240];
                self.tasks.push(Box::pin(async move { Answer { body, ready }.await + 1 }));
            }
            #[inline(never)]
            fn turn(&mut self) {
                let waker = waker();
                let mut context = Context::from_waker(&waker);
                self.tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
            }
        }
        pub fn run(mut run: Run) {
            let mut executor = Executor::default();
            while let Some(request) = run.next() {
                // Of three answers one never comes.
                executor.spawn(request, Rc::new(Cell::new(request % 3 != 0)));
                executor.turn();
            }
        }
    }

    pub mod future_buffers {
        use super::*;
        struct Session {
            seen: Vec<String>,
        }
        impl Future for Session {
            type Output = ();
            #[inline(never)]
            fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                let text = format!("frame {} of a session without end", self.seen.len());
                self.seen.push(text);
                Poll::Pending
            }
        }
        pub fn run(mut run: Run) {
            let waker = waker();
            let mut sessions: Vec<Pin<Box<Session>>> = (0..8).map(|_| Box::pin(Session { seen: Vec::new() })).collect();
            while let Some(request) = run.next() {
                let place = request as usize % sessions.len();
                assert!(sessions[place].as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
    }

    pub mod generic_store {
        use super::*;
        struct Store<T> {
            items: Vec<T>,
        }
        impl<T> Store<T> {
            #[inline(never)]
            fn put(&mut self, make: impl Fn() -> T) {
                self.items.push(make());
            }
        }
        pub fn run(mut run: Run) {
            let mut names: Store<String> = Store { items: Vec::new() };
            let mut bodies: Store<Box<[u64]>> = Store { items: Vec::new() };
            while let Some(request) = run.next() {
                names.put(|| format!("name-{request}"));
                if names.items.len() > 400 {
                    names.items.clear();
                }
                bodies.put(|| vec![request; 30].into_boxed_slice());
            }
        }
    }

    pub mod generic_wrap {
        use super::*;
        #[inline(never)]
        fn keep<T: Clone + 'static>(value: &[T]) -> &'static [T] {
            Box::leak(value.to_vec().into_boxed_slice())
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                let words = [request; 12];
                black_box(if request % 2 == 0 { keep(&words).len() } else { keep(&[request as u8; 77]).len() });
            }
        }
    }

    pub mod trait_objects {
        use super::*;
        trait Plugin {
            fn handle(&mut self, request: u64) -> usize;
        }
        struct Journal {
            lines: Vec<String>,
        }
        impl Plugin for Journal {
            #[inline(never)]
            fn handle(&mut self, request: u64) -> usize {
                self.lines.push(format!("{request}: handled, and written down for nobody to read"));
                self.lines.len()
            }
        }
        struct Window {
            last: VecDeque<String>,
        }
        impl Plugin for Window {
            #[inline(never)]
            fn handle(&mut self, request: u64) -> usize {
                self.last.push_back(format!("{request}: one of the last"));
                if self.last.len() > 300 {
                    self.last.pop_front();
                }
                self.last.len()
            }
        }
        pub fn run(mut run: Run) {
            let mut plugins: Vec<Box<dyn Plugin>> =
                vec![Box::new(Window { last: VecDeque::new() }), Box::new(Journal { lines: Vec::new() })];
            while let Some(request) = run.next() {
                for plugin in &mut plugins {
                    black_box(plugin.handle(request));
                }
            }
        }
    }

    pub mod trait_visitor {
        use super::*;
        trait Visitor {
            fn visit(&self, name: &str);
        }
        struct Audit {
            names: RefCell<Vec<Rc<str>>>,
        }
        impl Visitor for Audit {
            #[inline(never)]
            fn visit(&self, name: &str) {
                self.names.borrow_mut().push(Rc::from(name));
            }
        }
        #[inline(never)]
        fn walk(visitor: &dyn Visitor, request: u64) {
            for part in ["user", "order", "item"] {
                visitor.visit(&format!("{part}/{request}"));
            }
        }
        pub fn run(mut run: Run) {
            let audit = Audit { names: RefCell::new(Vec::new()) };
            while let Some(request) = run.next() {
                walk(&audit, request);
            }
        }
    }

    pub mod manually_drop {
        use super::*;
        #[inline(never)]
        fn lend(size: usize) -> usize {
            let buffer = ManuallyDrop::new(vec![7u8; size]);
            black_box(&buffer).len()
        }
        pub fn run(mut run: Run) {
            while run.next().is_some() {
                let size = run.random.size(180);
                black_box(lend(size));
            }
        }
    }

    pub mod into_raw {
        use super::*;
        #[inline(never)]
        fn hand_over(request: u64) -> *mut [u8; 128] {
            Box::into_raw(Box::new([request as u8; 128]))
        }
        #[inline(never)]
        fn take_back(handle: *mut [u8; 128]) {
            drop(unsafe { Box::from_raw(handle) });
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                let handle = hand_over(request);
                // On the way of errors nobody takes it back.
                if request % 5 != 0 {
                    take_back(handle);
                }
            }
        }
    }

    pub mod rc_cycle {
        use super::*;
        struct Node {
            other: RefCell<Option<Rc<Node>>>,
            load: [u8; 100],
        }
        #[inline(never)]
        fn link(request: u64) {
            let one = Rc::new(Node { other: RefCell::new(None), load: [request as u8; 100] });
            let two = Rc::new(Node { other: RefCell::new(Some(one.clone())), load: [0; 100] });
            *one.other.borrow_mut() = Some(two);
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                link(request);
            }
        }
    }

    pub mod arc_cycle {
        use super::*;
        struct Parent {
            name: String,
            children: Mutex<Vec<Arc<Child>>>,
        }
        struct Child {
            parent: Arc<Parent>,
        }
        #[inline(never)]
        fn adopt(request: u64) -> Arc<Parent> {
            let parent = Arc::new(Parent { name: format!("parent {request}"), children: Mutex::new(Vec::new()) });
            for _ in 0..2 {
                parent.children.lock().unwrap().push(Arc::new(Child { parent: parent.clone() }));
            }
            parent
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                black_box(adopt(request).name.len());
            }
        }
    }

    pub mod channel_unread {
        use super::*;
        #[inline(never)]
        fn publish(to: &Sender<[u64; 10]>, request: u64) {
            to.send([request; 10]).unwrap();
        }
        pub fn run(mut run: Run) {
            let (to, from): (Sender<[u64; 10]>, Receiver<[u64; 10]>) = channel();
            while let Some(request) = run.next() {
                publish(&to, request);
            }
            drop(from);
        }
    }

    pub mod channel_slow {
        use super::*;
        #[inline(never)]
        fn enqueue(to: &Sender<String>, request: u64) {
            to.send(format!("message {request} for a reader that is too slow for what comes")).unwrap();
        }
        pub fn run(mut run: Run) {
            let (to, from) = channel();
            while let Some(request) = run.next() {
                enqueue(&to, request);
                if request % 4 != 0 {
                    black_box(from.recv().unwrap());
                }
            }
        }
    }

    pub mod map_by_id {
        use super::*;
        #[inline(never)]
        fn remember(index: &mut HashMap<String, Vec<u8>>, request: u64) {
            index.insert(format!("request-{request}"), vec![request as u8; 60]);
        }
        pub fn run(mut run: Run) {
            let mut index = HashMap::new();
            while let Some(request) = run.next() {
                remember(&mut index, request);
            }
        }
    }

    pub mod btree_by_time {
        use super::*;
        #[inline(never)]
        fn mark(line: &mut BTreeMap<u64, [u64; 4]>, request: u64) {
            line.insert(request, [request; 4]);
        }
        pub fn run(mut run: Run) {
            let mut line = BTreeMap::new();
            while let Some(request) = run.next() {
                mark(&mut line, request);
            }
        }
    }

    #[derive(Default)]
    struct Names {
        known: HashMap<Rc<str>, u32>,
    }
    impl Names {
        #[inline(never)]
        fn intern(&mut self, name: &str) -> u32 {
            if let Some(number) = self.known.get(name) {
                return *number;
            }
            let number = self.known.len() as u32;
            self.known.insert(Rc::from(name), number);
            number
        }
    }

    pub mod interner {
        use super::*;
        #[inline(never)]
        fn parse_query(names: &mut Names, request: u64) -> u32 {
            names.intern(&format!("where id = {request} and kind = 'order'"))
        }
        #[inline(never)]
        fn parse_header(names: &mut Names, number: u64) -> u32 {
            names.intern(["accept", "host", "cookie", "range", "agent"][number as usize % 5])
        }
        #[inline(never)]
        fn parse_method(names: &mut Names, number: u64) -> u32 {
            names.intern(["get", "put", "post"][number as usize % 3])
        }
        pub fn run(mut run: Run) {
            let mut names = Names::default();
            while let Some(request) = run.next() {
                black_box(parse_method(&mut names, request) + parse_header(&mut names, request));
                black_box(parse_query(&mut names, request));
            }
        }
    }

    pub mod interner_of_paths {
        use super::*;
        #[inline(never)]
        fn symbol(table: &mut HashSet<Box<str>>, text: &str) -> usize {
            if !table.contains(text) {
                table.insert(text.into());
            }
            table.len()
        }
        #[inline(never)]
        fn load_routes(table: &mut HashSet<Box<str>>) {
            for route in 0..300 {
                symbol(table, &format!("/fixed/route/number/{route}"));
            }
        }
        #[inline(never)]
        fn match_path(table: &mut HashSet<Box<str>>, request: u64) {
            symbol(table, &format!("/orders/{request}/lines/{}", request / 3));
        }
        #[inline(never)]
        fn match_host(table: &mut HashSet<Box<str>>, request: u64) {
            symbol(table, ["api.shop", "www.shop", "m.shop"][request as usize % 3]);
        }
        pub fn run(mut run: Run) {
            let mut table = HashSet::new();
            load_routes(&mut table);
            while let Some(request) = run.next() {
                match_host(&mut table, request);
                match_path(&mut table, request);
            }
        }
    }

    pub mod doubling_vec {
        use super::*;
        #[inline(never)]
        fn observe(series: &mut Vec<u64>, request: u64) {
            for step in 0..8 {
                series.push(request + step);
            }
        }
        pub fn run(mut run: Run) {
            let mut series = Vec::new();
            while let Some(request) = run.next() {
                observe(&mut series, request);
            }
            black_box(series.len());
        }
    }

    pub mod doubling_set {
        use super::*;
        #[inline(never)]
        fn seen(marks: &mut HashSet<u64>, request: u64) -> bool {
            marks.insert(request)
        }
        pub fn run(mut run: Run) {
            let mut marks = HashSet::new();
            let mut cache = Lru::new(1000);
            while let Some(request) = run.next() {
                // A bystander that fills for a while.
                let key = run.random.below(6000);
                cache.remember(key, 20);
                for part in 0..6 {
                    black_box(seen(&mut marks, 6 * request + part));
                }
            }
        }
    }

    pub mod doubling_text {
        use super::*;
        #[inline(never)]
        fn append(journal: &mut String, request: u64) {
            journal.push_str("request ");
            journal.push_str(["one", "two", "three"][request as usize % 3]);
            journal.push_str(" was served without any trouble; ");
        }
        pub fn run(mut run: Run) {
            let mut journal = String::new();
            while let Some(request) = run.next() {
                append(&mut journal, request);
            }
            black_box(journal.len());
        }
    }

    pub mod doubling_queue {
        use super::*;
        #[inline(never)]
        fn wait_for(queue: &mut VecDeque<(u64, u64, u64)>, request: u64) {
            queue.push_back((request, request + 1, request + 2));
            queue.push_back((request, 0, 0));
        }
        pub fn run(mut run: Run) {
            let mut queue = VecDeque::new();
            while let Some(request) = run.next() {
                wait_for(&mut queue, request);
                if request % 4 == 0 {
                    black_box(queue.pop_front());
                }
            }
        }
    }

    pub mod two_rates {
        use super::*;
        #[inline(never)]
        fn keep_body(request: u64) {
            black_box(Box::leak(vec![request as u8; 300].into_boxed_slice()));
        }
        #[inline(never)]
        fn keep_trace(request: u64) {
            black_box(Box::leak(Box::new([request; 12])));
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                keep_body(request);
                if request % 3 == 0 {
                    keep_trace(request);
                }
            }
        }
    }

    pub mod two_alike {
        use super::*;
        #[inline(never)]
        fn note_user(list: &mut Vec<Box<[u8; 90]>>, request: u64) {
            list.push(Box::new([request as u8; 90]));
        }
        #[inline(never)]
        fn note_order(list: &mut Vec<Box<[u8; 110]>>, request: u64) {
            list.push(Box::new([request as u8; 110]));
        }
        pub fn run(mut run: Run) {
            let (mut users, mut orders) = (Vec::new(), Vec::new());
            while let Some(request) = run.next() {
                note_user(&mut users, request);
                note_order(&mut orders, request);
            }
        }
    }

    pub mod in_main {
        use super::*;
        pub fn run(mut run: Run) {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            let mut window: VecDeque<Vec<u8>> = VecDeque::new();
            while let Some(request) = run.next() {
                window.push_back(vec![request as u8; 400]);
                if window.len() > 100 {
                    window.pop_front();
                }
                if request % 2 == 0 {
                    kept.push(vec![0; 150]);
                }
            }
            black_box(kept.len());
        }
    }

    pub mod in_main_after_start {
        use super::*;
        pub fn run(mut run: Run) {
            let mut start: Vec<Vec<u8>> = (0..200).map(|_| vec![1; 4000]).collect();
            let mut kept: Vec<String> = Vec::new();
            while let Some(request) = run.next() {
                kept.push(format!("what request {request} wanted"));
                // What was needed to start goes bit by bit.
                if request % 12 == 0 {
                    start.pop();
                }
            }
            black_box(kept.len());
        }
    }

    pub mod threads_collect {
        use super::*;
        #[inline(never)]
        fn collect(results: &mut Vec<Box<[u8]>>, request: u64) {
            results.push(vec![request as u8; 140].into_boxed_slice());
        }
        pub fn run(run: Run) {
            let workers: Vec<_> = (0..3u64)
                .map(|number| {
                    let part = Run { random: Random(88172645463325252 + number), next: 0, all: run.all / 2, bystander: None };
                    thread::spawn(move || {
                        let mut results = Vec::new();
                        for request in part {
                            collect(&mut results, request);
                        }
                        results
                    })
                })
                .collect();
            let all: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
            black_box(all.len());
        }
    }

    pub mod threads_parked {
        use super::*;
        #[inline(never)]
        fn watch(request: u64) {
            let buffer = vec![request as u8; 3000];
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
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                if request % 40 == 0 {
                    watch(request);
                }
            }
        }
    }

    pub mod late {
        use super::*;
        #[inline(never)]
        fn hold(request: u64) {
            black_box(Box::leak(vec![request as u8; 250].into_boxed_slice()));
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                if run.part(request) > 0.65 {
                    hold(request);
                }
            }
        }
    }

    pub mod late_beside_cache {
        use super::*;
        #[inline(never)]
        fn retain(list: &mut Vec<String>, request: u64) {
            list.push(format!("since the release of today every request is kept: {request}"));
        }
        pub fn run(mut run: Run) {
            let mut cache = Lru::new(600);
            let mut list = Vec::new();
            while let Some(request) = run.next() {
                let (key, size) = (run.random.below(3000), run.random.size(800));
                cache.remember(key, size);
                if run.part(request) > 0.75 {
                    retain(&mut list, request);
                }
            }
        }
    }

    pub mod rare {
        use super::*;
        #[inline(never)]
        fn snapshot(kept: &mut Vec<Vec<u8>>, request: u64) {
            kept.push(vec![request as u8; 5000]);
        }
        pub fn run(mut run: Run) {
            let mut kept = Vec::new();
            while let Some(request) = run.next() {
                if run.random.below(90) == 0 {
                    snapshot(&mut kept, request);
                }
            }
        }
    }

    pub mod rare_large {
        use super::*;
        #[inline(never)]
        fn dump_state(request: u64) {
            std::mem::forget(black_box(vec![request as u8; 60_000]));
        }
        pub fn run(mut run: Run) {
            let mut cache = Lru::new(300);
            while let Some(request) = run.next() {
                let key = run.random.below(5000);
                cache.remember(key, 1500);
                if request % 170 == 169 {
                    dump_state(request);
                }
            }
        }
    }

    pub mod beside_lru {
        use super::*;
        #[inline(never)]
        fn track(marks: &mut Vec<Box<u64>>, request: u64) {
            marks.push(Box::new(request));
        }
        pub fn run(mut run: Run) {
            let mut cache = Lru::new(800);
            let mut marks = Vec::new();
            while let Some(request) = run.next() {
                let (key, size) = (run.random.below(4000), run.random.size(1000));
                cache.remember(key, size);
                track(&mut marks, request);
            }
        }
    }

    pub mod beside_sawtooth {
        use super::*;
        #[inline(never)]
        fn add(batch: &mut Vec<Vec<u8>>, errors: &mut Vec<Vec<u8>>, request: u64) {
            batch.push(vec![request as u8; 200]);
            if request % 8 == 0 {
                errors.push(vec![1; 160]);
            }
        }
        pub fn run(mut run: Run) {
            let (mut batch, mut errors) = (Vec::new(), Vec::new());
            while let Some(request) = run.next() {
                add(&mut batch, &mut errors, request);
                if batch.len() == 333 {
                    batch.clear();
                }
            }
        }
    }

    pub mod sawtooth_floor {
        use super::*;
        struct Batcher {
            waiting: Vec<String>,
        }
        impl Batcher {
            #[inline(never)]
            fn add(&mut self, request: u64) {
                self.waiting.push(format!("job number {request} of this batch, with its words"));
            }
            #[inline(never)]
            fn flush(&mut self, keep: usize) {
                // What failed stays for ever.
                let end = self.waiting.len();
                self.waiting.drain(keep..end);
            }
        }
        pub fn run(mut run: Run) {
            let mut batcher = Batcher { waiting: Vec::new() };
            let mut kept = 0;
            while let Some(request) = run.next() {
                batcher.add(request);
                if request % 200 == 199 {
                    kept += 30;
                    batcher.flush(kept);
                }
            }
        }
    }

    pub mod growing_values {
        use super::*;
        #[inline(never)]
        fn record(users: &mut HashMap<u64, Vec<(u64, u64)>>, user: u64, request: u64) {
            users.entry(user).or_default().push((request, user));
        }
        pub fn run(mut run: Run) {
            let mut users = HashMap::new();
            while let Some(request) = run.next() {
                for _ in 0..3 {
                    let user = run.random.below(60);
                    record(&mut users, user, request);
                }
            }
        }
    }

    pub mod retry_queue {
        use super::*;
        struct Job {
            payload: Vec<u8>,
            tries: u32,
        }
        #[inline(never)]
        fn submit(queue: &mut VecDeque<Job>, request: u64) {
            queue.push_back(Job { payload: vec![request as u8; 220], tries: 0 });
        }
        #[inline(never)]
        fn work(queue: &mut VecDeque<Job>) {
            if let Some(mut job) = queue.pop_front() {
                job.tries += 1;
                // Some jobs never succeed, and go back to the end.
                if job.payload[0] % 7 == 0 {
                    queue.push_back(job);
                }
            }
        }
        pub fn run(mut run: Run) {
            let mut queue = VecDeque::new();
            while let Some(request) = run.next() {
                submit(&mut queue, request);
                for _ in 0..(queue.len() / 4).max(2) {
                    work(&mut queue);
                }
            }
        }
    }

    pub mod in_bursts {
        use super::*;
        #[inline(never)]
        fn import(rows: &mut Vec<String>, begin: u64) {
            for row in 0..80 {
                rows.push(format!("row {} of an import", begin + row));
            }
        }
        pub fn run(mut run: Run) {
            let mut rows = Vec::new();
            while let Some(request) = run.next() {
                if request % 150 == 75 {
                    import(&mut rows, request);
                }
            }
        }
    }

    pub mod error_path {
        use super::*;
        #[inline(never)]
        fn capture(request: u64) -> &'static String {
            Box::leak(Box::new(format!("request {request} failed: {}", "x".repeat(200))))
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                if run.random.below(17) == 0 {
                    black_box(capture(request).len());
                }
            }
        }
    }

    pub mod timers {
        use super::*;
        struct Timer {
            at: u64,
            cancelled: Rc<Cell<bool>>,
            action: Box<dyn Fn() -> u64>,
        }
        #[inline(never)]
        fn arm(timers: &mut Vec<Timer>, at: u64) -> Rc<Cell<bool>> {
            let cancelled = Rc::new(Cell::new(false));
            timers.push(Timer { at, cancelled: cancelled.clone(), action: Box::new(move || at) });
            cancelled
        }
        pub fn run(mut run: Run) {
            let mut timers: Vec<Timer> = Vec::new();
            while let Some(request) = run.next() {
                // Cancelled timers are never taken out: their time is far away.
                arm(&mut timers, request + 1_000_000).set(true);
                arm(&mut timers, request + 20);
                timers.retain(|timer| timer.at > request || (timer.cancelled.get() && (timer.action)() == 0));
            }
        }
    }

    pub mod order_not_pruned {
        use super::*;
        struct Cache {
            entries: HashMap<u64, Vec<u8>>,
            order: VecDeque<Box<u64>>,
        }
        impl Cache {
            #[inline(never)]
            fn touch(&mut self, key: u64) {
                // Each touch leaves a mark, and none is taken away.
                self.order.push_back(Box::new(key));
            }
            #[inline(never)]
            fn fetch(&mut self, key: u64) {
                if !self.entries.contains_key(&key) {
                    if self.entries.len() >= 250 {
                        let oldest = *self.entries.keys().next().unwrap();
                        self.entries.remove(&oldest);
                    }
                    self.entries.insert(key, vec![key as u8; 500]);
                }
                self.touch(key);
            }
        }
        pub fn run(mut run: Run) {
            let mut cache = Cache { entries: HashMap::new(), order: VecDeque::new() };
            while run.next().is_some() {
                let key = run.random.below(1000);
                cache.fetch(key);
            }
        }
    }

    pub mod arena {
        use super::*;
        #[derive(Default)]
        struct Arena {
            chunks: Vec<Vec<u8>>,
        }
        impl Arena {
            #[inline(never)]
            fn reserve(&mut self, size: usize) -> usize {
                if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < size) {
                    self.chunks.push(Vec::with_capacity(8 << 10));
                }
                let chunk = self.chunks.last_mut().unwrap();
                chunk.resize(chunk.len() + size, 1);
                self.chunks.len()
            }
        }
        pub fn run(mut run: Run) {
            let mut arena = Arena::default();
            while run.next().is_some() {
                let size = run.random.size(120);
                black_box(arena.reserve(size));
            }
        }
    }

    pub mod labels {
        use super::*;
        struct Metric {
            labels: Vec<(String, String)>,
            value: u64,
        }
        #[inline(never)]
        fn count(metrics: &mut BTreeMap<String, Metric>, request: u64) {
            let path = format!("/orders/{request}");
            metrics
                .entry(path.clone())
                .or_insert_with(|| Metric { labels: vec![("path".into(), path), ("code".into(), "200".into())], value: 0 })
                .value += 1;
        }
        pub fn run(mut run: Run) {
            let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
            while let Some(request) = run.next() {
                count(&mut metrics, request);
            }
            black_box(metrics.values().map(|metric| metric.labels.len() as u64 + metric.value).sum::<u64>());
        }
    }

    pub mod weak_upgraded {
        use super::*;
        struct Room {
            members: RefCell<Vec<Weak<String>>>,
        }
        #[inline(never)]
        fn join(room: &Room, request: u64) -> Rc<String> {
            // The member goes, but what is counted for it stays as long as a weak one points at it.
            let member = Rc::new(format!("member {request}"));
            room.members.borrow_mut().push(Rc::downgrade(&member));
            member
        }
        pub fn run(mut run: Run) {
            let room = Room { members: RefCell::new(Vec::new()) };
            while let Some(request) = run.next() {
                black_box(join(&room, request).len());
            }
        }
    }

    pub mod through_helper {
        use super::*;
        #[inline(never)]
        fn copy_of(text: &str) -> Box<str> {
            text.into()
        }
        #[inline(never)]
        fn settings(list: &mut Vec<Box<str>>) {
            for number in 0..800 {
                list.push(copy_of(&format!("setting number {number} of this service")));
            }
        }
        #[inline(never)]
        fn answer(request: u64) -> usize {
            copy_of(&format!("answer to {request}")).len()
        }
        #[inline(never)]
        fn audit(list: &mut Vec<Box<str>>, request: u64) {
            list.push(copy_of(&format!("audit of request {request}")));
        }
        pub fn run(mut run: Run) {
            let (mut fixed, mut log) = (Vec::new(), Vec::with_capacity(8192));
            settings(&mut fixed);
            while let Some(request) = run.next() {
                black_box(answer(request));
                audit(&mut log, request);
            }
        }
    }

    pub mod linked_list {
        use super::*;
        struct Link {
            value: [u64; 6],
            before: Option<Box<Link>>,
        }
        #[inline(never)]
        fn push(head: Option<Box<Link>>, request: u64) -> Option<Box<Link>> {
            Some(Box::new(Link { value: [request; 6], before: head }))
        }
        pub fn run(mut run: Run) {
            let mut head = None;
            while let Some(request) = run.next() {
                head = push(head, request);
            }
            let mut number = 0;
            while let Some(link) = head {
                number += link.value[0];
                head = link.before;
            }
            black_box(number);
        }
    }
}

mod healthy {
    use super::*;

    pub mod lru_full {
        use super::*;
        pub fn run(mut run: Run) {
            let mut cache = Lru::new(300);
            while run.next().is_some() {
                let key = run.random.below(3000);
                cache.remember(key, 700);
            }
        }
    }

    pub mod lru_full_of_sizes {
        use super::*;
        pub fn run(mut run: Run) {
            let mut cache = Lru::new(500);
            while run.next().is_some() {
                let (key, size) = (run.random.below(5000), run.random.size(1000));
                cache.remember(key, size);
            }
        }
    }

    pub mod lru_wide_sizes {
        use super::*;
        pub fn run(mut run: Run) {
            let mut cache = Lru::new(400);
            while run.next().is_some() {
                let key = run.random.below(4000);
                let size = 50 + run.random.skewed(9000) as usize;
                cache.remember(key, size);
            }
        }
    }

    pub mod lru_fills {
        use super::*;
        pub fn run(mut run: Run) {
            let mut cache = Lru::new(1500);
            while run.next().is_some() {
                let key = run.random.below(1400);
                cache.remember(key, 300);
            }
        }
    }

    pub mod lru_fills_skewed {
        use super::*;
        #[inline(never)]
        fn look_up(cache: &mut HashMap<u64, Box<[u8]>>, key: u64) -> usize {
            cache.entry(key).or_insert_with(|| vec![1; 250].into_boxed_slice()).len()
        }
        pub fn run(mut run: Run) {
            let mut cache = HashMap::new();
            while run.next().is_some() {
                let key = run.random.skewed(2200);
                black_box(look_up(&mut cache, key));
            }
        }
    }

    pub mod lru_reaches_bound {
        use super::*;
        pub fn run(mut run: Run) {
            // Full after somewhat more than half of the requests.
            let mut cache = Lru::new((run.all as f64 * 0.55) as usize);
            while let Some(request) = run.next() {
                cache.remember(request, 200);
            }
        }
    }

    pub mod pool {
        use super::*;
        #[derive(Default)]
        struct Pool {
            free: Vec<Vec<u8>>,
        }
        impl Pool {
            #[inline(never)]
            fn take(&mut self) -> Vec<u8> {
                self.free.pop().unwrap_or_else(|| vec![0; 2000])
            }
        }
        pub fn run(mut run: Run) {
            let mut pool = Pool::default();
            let mut used = VecDeque::new();
            while run.next().is_some() {
                used.push_back(pool.take());
                let many = 20 + run.random.below(30) as usize;
                while used.len() > many {
                    pool.free.push(used.pop_front().unwrap());
                }
            }
        }
    }

    pub mod pool_shrinks {
        use super::*;
        #[inline(never)]
        fn connect(pool: &mut Vec<Box<[u8]>>, wanted: usize) {
            while pool.len() < wanted {
                pool.push(vec![0; 3000].into_boxed_slice());
            }
            pool.truncate(wanted.max(4));
        }
        pub fn run(mut run: Run) {
            let mut pool = Vec::new();
            let mut wanted = 40usize;
            while run.next().is_some() {
                wanted = (wanted + run.random.below(5) as usize).saturating_sub(2).clamp(5, 80);
                connect(&mut pool, wanted);
            }
        }
    }

    pub mod batch {
        use super::*;
        #[inline(never)]
        fn load(rows: u64) -> Vec<String> {
            (0..rows).map(|row| format!("row {row} of a batch that is loaded whole")).collect()
        }
        pub fn run(mut run: Run) {
            let mut rows = Vec::new();
            while let Some(request) = run.next() {
                if request % 100 == 0 {
                    rows = load(300);
                }
                if request % 100 == 60 {
                    rows.clear();
                }
            }
            black_box(rows.len());
        }
    }

    pub mod batch_sizes {
        use super::*;
        #[inline(never)]
        fn gather(rows: &mut Vec<Vec<u8>>, size: usize) {
            rows.push(vec![1; size]);
        }
        pub fn run(mut run: Run) {
            let mut rows = Vec::new();
            let mut most = 100;
            while run.next().is_some() {
                let size = run.random.size(400);
                gather(&mut rows, size);
                if rows.len() >= most {
                    rows.clear();
                    most = 40 + run.random.below(200) as usize;
                }
            }
        }
    }

    pub mod sawtooth_nine {
        use super::*;
        #[inline(never)]
        fn add(waiting: &mut Vec<String>, request: u64) {
            waiting.push(format!("{request} waits for its batch to be full"));
        }
        pub fn run(mut run: Run) {
            let mut waiting = Vec::new();
            let most = run.all as usize * 10 / 93;
            while let Some(request) = run.next() {
                add(&mut waiting, request);
                if waiting.len() == most {
                    waiting = Vec::new();
                }
            }
        }
    }

    pub mod sawtooth_slow {
        use super::*;
        #[inline(never)]
        fn buffer(segment: &mut VecDeque<Vec<u8>>, size: usize) {
            segment.push_back(vec![2; size]);
        }
        pub fn run(mut run: Run) {
            let mut segment = VecDeque::new();
            let most = run.all as usize * 10 / 38;
            while run.next().is_some() {
                let size = run.random.size(200);
                buffer(&mut segment, size);
                if segment.len() == most {
                    segment.clear();
                }
            }
        }
    }

    pub mod lazy_table {
        use super::*;
        #[inline(never)]
        fn table() -> Vec<Vec<u64>> {
            (0..400).map(|row| vec![row; 64]).collect()
        }
        pub fn run(mut run: Run) {
            let mut lazy = None;
            while let Some(request) = run.next() {
                if run.part(request) > 0.6 {
                    black_box(lazy.get_or_insert_with(table).len());
                }
            }
        }
    }

    pub mod lazy_pages {
        use super::*;
        #[inline(never)]
        fn page<'a>(pages: &'a mut HashMap<u64, Vec<u8>>, number: u64) -> &'a [u8] {
            pages.entry(number).or_insert_with(|| vec![number as u8; 4096])
        }
        pub fn run(mut run: Run) {
            let mut pages = HashMap::new();
            while run.next().is_some() {
                let number = run.random.skewed(160);
                black_box(page(&mut pages, number).len());
            }
        }
    }

    pub mod warm_up {
        use super::*;
        #[inline(never)]
        fn prefetch(items: &mut Vec<Box<[u8]>>, number: u64) {
            items.push(vec![number as u8; 600].into_boxed_slice());
        }
        pub fn run(mut run: Run) {
            let mut items = Vec::new();
            while let Some(request) = run.next() {
                if run.part(request) < 0.35 {
                    prefetch(&mut items, request);
                }
            }
        }
    }

    pub mod warm_up_late {
        use super::*;
        #[inline(never)]
        fn build(index: &mut BTreeMap<u64, String>, key: u64) {
            index.insert(key, format!("document {key} of the index"));
        }
        pub fn run(mut run: Run) {
            let mut index = BTreeMap::new();
            while let Some(request) = run.next() {
                if run.part(request) < 0.7 {
                    build(&mut index, request);
                }
            }
        }
    }

    pub mod sine {
        use super::*;
        #[inline(never)]
        fn follow(sessions: &mut Vec<Vec<u8>>, wanted: usize) {
            while sessions.len() < wanted {
                sessions.push(vec![3; 900]);
            }
            sessions.truncate(wanted);
        }
        pub fn run(mut run: Run) {
            let mut sessions = Vec::new();
            while let Some(request) = run.next() {
                let wave = (run.part(request) * 3.3 * std::f64::consts::TAU).sin();
                follow(&mut sessions, (200.0 + 150.0 * wave) as usize);
            }
        }
    }

    pub mod sine_long {
        use super::*;
        #[inline(never)]
        fn serve_users(users: &mut HashMap<u64, String>, wanted: u64) {
            for user in users.len() as u64..wanted {
                users.insert(user, format!("user {user} with everything that is known"));
            }
            users.retain(|user, _| *user < wanted);
        }
        pub fn run(mut run: Run) {
            let mut users = HashMap::new();
            while let Some(request) = run.next() {
                let wave = (run.part(request) * 1.9 * std::f64::consts::TAU).cos();
                serve_users(&mut users, (600.0 - 500.0 * wave) as u64);
            }
        }
    }

    pub mod ttl {
        use super::*;
        #[inline(never)]
        fn open(sessions: &mut VecDeque<(u64, Box<[u8]>)>, now: u64, size: usize) {
            sessions.push_back((now, vec![4; size].into_boxed_slice()));
        }
        pub fn run(mut run: Run) {
            let mut sessions = VecDeque::new();
            while let Some(now) = run.next() {
                let size = run.random.size(400);
                open(&mut sessions, now, size);
                while sessions.front().is_some_and(|(since, _)| since + 350 < now) {
                    sessions.pop_front();
                }
            }
        }
    }

    pub mod ttl_random {
        use super::*;
        #[inline(never)]
        fn log_in(sessions: &mut BTreeMap<(u64, u64), String>, now: u64, until: u64) {
            sessions.insert((until, now), format!("session of {now} until {until}"));
        }
        pub fn run(mut run: Run) {
            let mut sessions = BTreeMap::new();
            while let Some(now) = run.next() {
                let until = now + run.random.below(500);
                log_in(&mut sessions, now, until);
                while sessions.first_key_value().is_some_and(|((until, _), _)| *until < now) {
                    sessions.pop_first();
                }
            }
        }
    }

    pub mod requests_only {
        use super::*;
        pub fn run(mut run: Run) {
            while run.next().is_some() {
                black_box(serve(&mut run.random));
            }
        }
    }

    pub mod rehash_late {
        use super::*;
        #[inline(never)]
        fn keep_last(map: &mut HashMap<u64, Vec<u8>>, request: u64, bound: u64) {
            map.insert(request, vec![1; 300]);
            if request >= bound {
                map.remove(&(request - bound));
            }
        }
        pub fn run(mut run: Run) {
            // Full of 448, so that what was removed makes the table larger once, late.
            let mut map = HashMap::with_capacity(440);
            while let Some(request) = run.next() {
                keep_last(&mut map, request, 430);
                if request == run.all * 7 / 10 {
                    map.reserve(900);
                }
            }
        }
    }

    pub mod walk {
        use super::*;
        #[inline(never)]
        fn accept(open: &mut Vec<Vec<u8>>, size: usize) {
            open.push(vec![6; size]);
        }
        pub fn run(mut run: Run) {
            // Each connection ends with the same chance.
            let mut open: Vec<Vec<u8>> = Vec::new();
            while run.next().is_some() {
                let size = run.random.size(600);
                accept(&mut open, size);
                for _ in 0..open.len() / 8 {
                    if run.random.below(25) == 0 {
                        let place = run.random.below(open.len() as u64) as usize;
                        open.swap_remove(place);
                    }
                }
            }
        }
    }

    pub mod queue_breathes {
        use super::*;
        #[inline(never)]
        fn produce(queue: &mut VecDeque<String>, request: u64) {
            queue.push_back(format!("message {request} that waits for its turn"));
        }
        pub fn run(mut run: Run) {
            let mut queue = VecDeque::new();
            while let Some(request) = run.next() {
                produce(&mut queue, request);
                // The reader pauses now and then, and catches up.
                if (request / 220) % 2 == 1 {
                    queue.pop_front();
                    queue.pop_front();
                }
            }
        }
    }

    pub mod arena_reset {
        use super::*;
        #[inline(never)]
        fn reserve(arena: &mut Vec<Vec<u8>>) {
            arena.push(Vec::with_capacity(4096));
        }
        pub fn run(mut run: Run) {
            let mut arena = Vec::new();
            while let Some(request) = run.next() {
                if request % 4 == 0 {
                    reserve(&mut arena);
                }
                if request % 260 == 259 {
                    arena.clear();
                }
            }
        }
    }

    pub mod double_buffer {
        use super::*;
        #[inline(never)]
        fn fill(buffer: &mut Vec<u8>, size: usize) {
            *buffer = vec![8; size];
        }
        pub fn run(mut run: Run) {
            let mut buffers = [Vec::new(), Vec::new()];
            while let Some(request) = run.next() {
                if request % 9 == 0 {
                    let size = run.random.size(60_000);
                    fill(&mut buffers[request as usize / 9 % 2], size);
                }
            }
            black_box(buffers[0].len());
        }
    }

    pub mod vocabulary {
        use super::*;
        #[inline(never)]
        fn word(known: &mut HashSet<String>, number: u64) -> usize {
            let text = format!("word number {number} of the language");
            if !known.contains(&text) {
                known.insert(text);
            }
            known.len()
        }
        pub fn run(mut run: Run) {
            let mut known = HashSet::new();
            while run.next().is_some() {
                for _ in 0..3 {
                    let number = run.random.skewed(1500);
                    black_box(word(&mut known, number));
                }
            }
        }
    }

    pub mod collector {
        use super::*;
        #[inline(never)]
        fn object(heap: &mut Vec<Rc<[u8]>>, size: usize) -> Rc<[u8]> {
            let made: Rc<[u8]> = vec![9; size].into();
            heap.push(made.clone());
            made
        }
        pub fn run(mut run: Run) {
            let mut heap = Vec::new();
            let mut roots = VecDeque::new();
            let mut most = 300;
            while run.next().is_some() {
                let size = run.random.size(300);
                roots.push_back(object(&mut heap, size));
                if roots.len() > 120 {
                    roots.pop_front();
                }
                if heap.len() > most {
                    heap.retain(|made| Rc::strong_count(made) > 1);
                    most = heap.len() * 5 / 2;
                }
            }
        }
    }

    pub mod ring {
        use super::*;
        #[inline(never)]
        fn put(ring: &mut [Option<String>], request: u64) {
            let place = request as usize % ring.len();
            ring[place] = Some(format!("line {request} of the log, one of the last ones"));
        }
        pub fn run(mut run: Run) {
            let mut ring = vec![None; 256];
            while let Some(request) = run.next() {
                put(&mut ring, request);
            }
        }
    }

    pub mod workers_scratch {
        use super::*;
        #[inline(never)]
        fn scratch(buffer: &mut Vec<u8>, size: usize) -> usize {
            buffer.clear();
            buffer.resize(size, 1);
            buffer.len()
        }
        pub fn run(run: Run) {
            let workers: Vec<_> = (0..3u64)
                .map(|number| {
                    let mut part = Run { random: Random(88172645463325252 + number), next: 0, all: run.all / 2, bystander: None };
                    thread::spawn(move || {
                        let mut buffer = Vec::new();
                        while part.next().is_some() {
                            let size = part.random.size(20_000);
                            black_box(scratch(&mut buffer, size));
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker.join().unwrap();
            }
        }
    }

    pub mod settings_reload {
        use super::*;
        #[inline(never)]
        fn read_settings(many: u64) -> BTreeMap<String, String> {
            (0..many).map(|number| (format!("key.{number}"), format!("value {number} of the settings"))).collect()
        }
        pub fn run(mut run: Run) {
            let mut settings = BTreeMap::new();
            while let Some(request) = run.next() {
                if request % 180 == 0 {
                    let many = 180 + run.random.below(40);
                    settings = read_settings(many);
                }
            }
            black_box(settings.len());
        }
    }

    pub mod snapshots {
        use super::*;
        #[inline(never)]
        fn publish(state: &[u64]) -> Arc<[u64]> {
            state.into()
        }
        pub fn run(mut run: Run) {
            let mut readers: VecDeque<Arc<[u64]>> = VecDeque::new();
            while let Some(request) = run.next() {
                if request % 6 == 0 {
                    readers.push_back(publish(&[request; 400]));
                }
                let many = 3 + run.random.below(6) as usize;
                while readers.len() > many {
                    readers.pop_front();
                }
            }
        }
    }

    pub mod histogram {
        use super::*;
        #[inline(never)]
        fn record(buckets: &mut Vec<Option<Box<[u64; 64]>>>, value: usize) {
            buckets[value].get_or_insert_with(|| Box::new([0; 64]))[0] += 1;
        }
        pub fn run(mut run: Run) {
            let mut buckets: Vec<Option<Box<[u64; 64]>>> = (0..512).map(|_| None).collect();
            while run.next().is_some() {
                let value = run.random.skewed(512) as usize;
                record(&mut buckets, value);
            }
        }
    }

    pub mod two_ways_in {
        use super::*;
        #[derive(Default)]
        struct Table {
            rows: VecDeque<Vec<u8>>,
        }
        impl Table {
            #[inline(never)]
            fn insert(&mut self, request: u64) {
                // Who comes first is loaded, who comes later replaces one of them.
                if self.rows.len() < 700 {
                    self.rows.push_back(vec![1; 500]);
                } else if request % 2 == 0 {
                    self.rows.pop_front();
                    self.rows.push_back(vec![2; 500]);
                }
            }
        }
        pub fn run(mut run: Run) {
            let mut table = Table::default();
            while let Some(request) = run.next() {
                table.insert(request);
            }
        }
    }

    pub mod burst_once {
        use super::*;
        #[inline(never)]
        fn export(rows: &mut Vec<String>, number: u64) {
            rows.push(format!("row {number} of the report of today, which is written once"));
        }
        pub fn run(mut run: Run) {
            let mut rows = Vec::new();
            while let Some(request) = run.next() {
                match run.part(request) {
                    part if (0.55..0.8).contains(&part) => export(&mut rows, request),
                    part if part > 0.85 => rows.clear(),
                    _ => {}
                }
            }
        }
    }

    pub mod parse_trees {
        use super::*;
        struct Tree {
            below: Vec<Tree>,
        }
        #[inline(never)]
        fn grow(random: &mut Random, depth: u64) -> Tree {
            let many = if depth == 0 { 0 } else { 1 + random.below(3) };
            Tree { below: (0..many).map(|_| grow(random, depth - 1)).collect() }
        }
        pub fn run(mut run: Run) {
            while let Some(request) = run.next() {
                if request % 3 == 0 {
                    black_box(grow(&mut run.random, 4).below.len());
                }
            }
        }
    }

    pub mod channel_bounded {
        use super::*;
        #[inline(never)]
        fn letter(request: u64, size: usize) -> Vec<u8> {
            vec![request as u8; size]
        }
        pub fn run(mut run: Run) {
            let (to, from) = sync_channel(64);
            while let Some(request) = run.next() {
                let size = run.random.size(700);
                if let Err(refused) = to.try_send(letter(request, size)) {
                    drop(refused);
                }
                if run.random.below(100) < 85 {
                    from.try_recv().ok();
                }
            }
        }
    }
}

fn main() {
    let name = std::env::args().nth(1).expect("a name");
    let all: u64 = std::env::args().nth(2).map_or(2400, |text| text.parse().unwrap());
    let odd = name.bytes().map(u64::from).sum::<u64>() % 2 == 1;
    let run = Run { random: Random(88172645463325252), next: 0, all, bystander: odd.then(|| Lru::new(250)) };
    macro_rules! programs {
        ($($kind:ident: $($which:ident)*;)*) => {
            match name.as_str() {
                $($(stringify!($which) => $kind::$which::run(run),)*)*
                _ => panic!("no such program: {name}"),
            }
        };
    }
    programs! {
        leaks: closure_callbacks closure_deferred future_parked future_buffers generic_store generic_wrap trait_objects
            trait_visitor manually_drop into_raw rc_cycle arc_cycle channel_unread channel_slow map_by_id btree_by_time
            interner interner_of_paths doubling_vec doubling_set doubling_text doubling_queue two_rates two_alike in_main
            in_main_after_start threads_collect threads_parked late late_beside_cache rare rare_large beside_lru
            beside_sawtooth sawtooth_floor growing_values retry_queue in_bursts error_path timers order_not_pruned arena
            labels weak_upgraded through_helper linked_list;
        healthy: lru_full lru_full_of_sizes lru_wide_sizes lru_fills lru_fills_skewed lru_reaches_bound pool pool_shrinks
            batch batch_sizes sawtooth_nine sawtooth_slow lazy_table lazy_pages warm_up warm_up_late sine sine_long ttl
            ttl_random requests_only rehash_late walk queue_breathes arena_reset double_buffer vocabulary collector ring
            workers_scratch settings_reload snapshots histogram two_ways_in burst_once parse_trees channel_bounded;
    }
}
