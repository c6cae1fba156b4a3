use crate::Work;
use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::{Arc, Mutex, OnceLock};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Finished tasks stay in their set until somebody joins them.
pub mod task_set {
    use super::*;
    async fn handle(request: u64) -> Vec<u8> {
        let mut answer = vec![0; 96];
        tokio::task::yield_now().await;
        answer[0] = request as u8;
        answer
    }
    fn accept(open: &mut tokio::task::JoinSet<Vec<u8>>, request: u64) {
        open.spawn(handle(request));
    }
    pub fn run(mut work: Work) {
        runtime().block_on(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Some(request) = work.request() {
                accept(&mut open, request);
                tokio::task::yield_now().await;
            }
            black_box(open.len());
        });
    }
}

/// Guests never log out.
pub mod dash_sessions {
    use super::*;
    #[derive(Clone)]
    struct Session {
        user: String,
        rights: Vec<u32>,
    }
    struct Sessions(dashmap::DashMap<u64, Session>);
    impl Sessions {
        fn login(&self, token: u64, user: &str) -> usize {
            let session = Session { user: user.to_string(), rights: (0..24).collect() };
            self.0.insert(token, session.clone());
            session.user.len() + session.rights.len()
        }
        fn logout(&self, token: u64) {
            self.0.remove(&token);
        }
    }
    pub fn run(mut work: Work) {
        let sessions = Sessions(dashmap::DashMap::new());
        while let Some(request) = work.request() {
            let guest = request % 3 == 0;
            black_box(sessions.login(request, if guest { "guest of the shop" } else { "somebody who is known" }));
            if request >= 40 && (request - 40) % 3 != 0 {
                sessions.logout(request - 40);
            }
        }
    }
}

/// Search terms are put in order and kept, beside routes and hosts that are few.
pub mod ordered_terms {
    use super::*;
    type Terms = indexmap::IndexSet<String>;
    fn route(terms: &mut Terms, number: u64) -> usize {
        terms.insert_full(format!("/route/{}", number % 40)).0
    }
    fn host(terms: &mut Terms, number: u64) -> usize {
        terms.insert_full(format!("host-{}.shop", number % 9)).0
    }
    fn search(terms: &mut Terms, number: u64) -> usize {
        terms.insert_full(format!("shoes size {} colour {}", number, number / 7)).0
    }
    pub fn run(mut work: Work) {
        let mut terms = Terms::new();
        while let Some(request) = work.request() {
            black_box(route(&mut terms, request) + host(&mut terms, request) + search(&mut terms, request));
        }
    }
}

/// A page's arena is made once, for all pages.
pub mod bump_tenants {
    use super::*;
    fn render(arena: &bumpalo::Bump, request: u64) -> usize {
        let mut page = bumpalo::collections::String::new_in(arena);
        for line in 0..6 {
            page.push_str("<li>line</li>");
            page.push((b'a' + ((request + line) % 26) as u8) as char);
        }
        page.into_bump_str().len()
    }
    pub fn run(mut work: Work) {
        let arena = bumpalo::Bump::new();
        while let Some(request) = work.request() {
            black_box(render(&arena, request));
        }
    }
}

/// Each time a client comes back it registers its callbacks anew.
pub mod observers_twice {
    use super::*;
    #[derive(Default)]
    struct Bus {
        on_change: Vec<Box<dyn Fn(u64) -> u64 + Send>>,
    }
    struct Client {
        name: String,
    }
    impl Client {
        fn reconnect(&self, bus: &mut Bus) {
            let (name, seen) = (self.name.clone(), [0u64; 12]);
            bus.on_change.push(Box::new(move |at| at + seen[at as usize % 12] + name.len() as u64));
        }
    }
    pub fn run(mut work: Work) {
        let mut bus = Bus::default();
        let clients: Vec<_> = (0..25).map(|id| Client { name: format!("client number {id} of this node") }).collect();
        while let Some(request) = work.request() {
            if request % 2 == 0 {
                clients[work.below(25) as usize].reconnect(&mut bus);
            }
            if request % 50 == 0 {
                black_box(bus.on_change.iter().map(|call| call(request)).sum::<u64>());
            }
        }
    }
}

/// What was captured stays, while a cache of pictures is filled the whole time.
pub mod buffers_beside_lru {
    use super::*;
    struct Recorder {
        frames: Vec<Vec<u8>>,
    }
    impl Recorder {
        fn capture(&mut self, size: usize) {
            self.frames.push(vec![7; size]);
        }
    }
    fn thumbnail(cache: &mut lru::LruCache<u64, Box<[u8]>>, key: u64) -> usize {
        cache.get_or_insert(key, || vec![1; 420].into_boxed_slice()).len()
    }
    pub fn run(mut work: Work) {
        let mut cache = lru::LruCache::new(std::num::NonZeroUsize::new(2000).unwrap());
        let mut recorder = Recorder { frames: Vec::new() };
        while work.request().is_some() {
            let (key, size) = (work.below(900), 60 + work.below(120) as usize);
            black_box(thumbnail(&mut cache, key));
            recorder.capture(size);
        }
    }
}

/// A flush writes a copy and forgets to clear.
pub mod log_buffer {
    use super::*;
    use std::fmt::Write;
    #[derive(Default)]
    struct Log {
        pending: String,
        written: usize,
    }
    impl Log {
        fn line(&mut self, request: u64, took: u64) {
            writeln!(self.pending, "request {request} took {took} us, status {}", 200 + took % 3).unwrap();
        }
        fn flush(&mut self) {
            let copy = self.pending[self.written..].to_string();
            self.written += black_box(copy).len();
        }
    }
    pub fn run(mut work: Work) {
        let mut log = Log::default();
        while let Some(request) = work.request() {
            let took = work.below(9000);
            log.line(request, took);
            if request % 64 == 0 {
                log.flush();
            }
        }
    }
}

/// A compiled rule for each tenant that was ever seen.
pub mod regex_by_tenant {
    use super::*;
    #[derive(Default)]
    struct Rules {
        compiled: HashMap<u64, regex::bytes::Regex>,
    }
    impl Rules {
        fn for_tenant(&mut self, tenant: u64) -> &regex::bytes::Regex {
            self.compiled.entry(tenant).or_insert_with(|| {
                regex::bytes::RegexBuilder::new(&format!("^t{tenant}/[a-f]+$")).unicode(false).build().unwrap()
            })
        }
    }
    pub fn run(mut work: Work) {
        let mut rules = Rules::default();
        while let Some(request) = work.request() {
            if request % 20 == 0 {
                black_box(rules.for_tenant(request / 20).is_match(b"t7/abc"));
            }
        }
    }
}

/// What goes writes down that it went, for nobody.
pub mod leak_in_drop {
    use super::*;
    static GONE: Mutex<Vec<String>> = Mutex::new(Vec::new());
    struct Ticket {
        number: u64,
        seats: Vec<u16>,
    }
    impl Drop for Ticket {
        fn drop(&mut self) {
            GONE.lock().unwrap().push(format!("ticket {} with {} seats was given back", self.number, self.seats.len()));
        }
    }
    fn sell(number: u64) -> Ticket {
        Ticket { number, seats: (0..20).collect() }
    }
    pub fn run(mut work: Work) {
        let mut open = VecDeque::new();
        while let Some(request) = work.request() {
            open.push_back(sell(request));
            if open.len() > 60 {
                open.pop_front();
            }
        }
        black_box(GONE.lock().unwrap().len());
    }
}

/// An adaptor that takes a sample forgets what it skips.
pub mod forgetful_adaptor {
    use super::*;
    struct Sampled<I> {
        inner: I,
        every: usize,
    }
    impl<I: Iterator> Iterator for Sampled<I> {
        type Item = I::Item;
        fn next(&mut self) -> Option<I::Item> {
            for _ in 1..self.every {
                std::mem::forget(self.inner.next()?);
            }
            self.inner.next()
        }
    }
    fn rows(request: u64) -> impl Iterator<Item = String> {
        (0..6).map(move |row| format!("row {row} that was read for request {request}"))
    }
    pub fn run(mut work: Work) {
        while let Some(request) = work.request() {
            let kept: Vec<_> = Sampled { inner: rows(request), every: 2 }.collect();
            black_box(kept.len());
        }
    }
}

/// Short threads enter their own pool in a list of all pools, and nobody takes it out again.
pub mod thread_pools {
    use super::*;
    type Pool = Arc<Mutex<Vec<[u8; 512]>>>;
    fn pools() -> &'static Mutex<Vec<Pool>> {
        static POOLS: OnceLock<Mutex<Vec<Pool>>> = OnceLock::new();
        POOLS.get_or_init(Default::default)
    }
    fn register() -> Pool {
        let pool: Pool = Arc::new(Mutex::new(Vec::with_capacity(2)));
        pools().lock().unwrap().push(pool.clone());
        pool
    }
    thread_local! {
        static MINE: Pool = register();
    }
    pub fn run(mut work: Work) {
        while let Some(request) = work.request() {
            if request % 6 == 0 {
                let job = std::thread::spawn(move || MINE.with(|pool| pool.lock().unwrap().push([request as u8; 512])));
                job.join().unwrap();
            }
        }
        black_box(pools().lock().unwrap().len());
    }
}

/// Answers are kept for good, and headers at a third of that.
pub mod three_to_one {
    use super::*;
    #[derive(Default)]
    struct Traffic {
        answers: Vec<Vec<u8>>,
        headers: VecDeque<String>,
    }
    impl Traffic {
        fn keep_answer(&mut self, request: u64) {
            self.answers.push(vec![request as u8; 150]);
        }
        fn keep_header(&mut self, request: u64) {
            self.headers.push_back(format!("x-request-id: {request:032}"));
        }
        async fn handle(&mut self, request: u64) {
            self.keep_answer(request);
            tokio::task::yield_now().await;
            self.keep_header(request);
        }
    }
    pub fn run(mut work: Work) {
        runtime().block_on(async move {
            let mut traffic = Traffic::default();
            while let Some(request) = work.request() {
                traffic.handle(request).await;
            }
            black_box((traffic.answers.len(), traffic.headers.len()));
        });
    }
}

/// A generic helper is inlined into all who use it; one of them never takes anything out.
pub mod generic_inlined {
    use super::*;
    #[inline(always)]
    fn stash<T>(shelf: &mut Vec<Box<T>>, value: T) -> usize {
        shelf.push(Box::new(value));
        shelf.len()
    }
    fn on_ping(shelf: &mut Vec<Box<u64>>, request: u64) {
        if stash(shelf, request) > 30 {
            shelf.clear();
        }
    }
    fn on_query(shelf: &mut Vec<Box<[u64; 6]>>, request: u64) {
        if stash(shelf, [request; 6]) > 80 {
            shelf.clear();
        }
    }
    fn on_upload(shelf: &mut Vec<Box<[u64; 11]>>, request: u64) {
        stash(shelf, [request; 11]);
    }
    pub fn run(mut work: Work) {
        let (mut pings, mut queries, mut uploads) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(request) = work.request() {
            on_ping(&mut pings, request);
            on_query(&mut queries, request);
            on_upload(&mut uploads, request);
        }
        black_box((pings.len(), queries.len(), uploads.len()));
    }
}

/// Nothing is lost until another service fails, late.
pub mod starts_late {
    use super::*;
    #[derive(Default)]
    struct Outbox {
        retries: HashMap<u64, Arc<str>>,
    }
    impl Outbox {
        fn on_failure(&mut self, request: u64) {
            self.retries.insert(request, format!("order {request} is to be sent again some time").into());
        }
    }
    pub fn run(mut work: Work) {
        let mut outbox = Outbox::default();
        while let Some(request) = work.request() {
            if work.part() > 0.68 {
                outbox.on_failure(request);
            }
        }
        black_box(outbox.retries.len());
    }
}

/// A little is noted for good of each piece of a large batch that comes and goes.
pub mod under_sawtooth {
    use super::*;
    fn collect(batch: &mut Vec<Vec<u8>>, size: usize) {
        batch.push(vec![9; size]);
    }
    fn note(index: &mut Vec<Box<(u64, u64)>>, request: u64) {
        index.push(Box::new((request, request / 2)));
    }
    pub fn run(mut work: Work) {
        let (mut batch, mut index) = (Vec::new(), Vec::new());
        while let Some(request) = work.request() {
            let size = 500 + work.below(900) as usize;
            collect(&mut batch, size);
            note(&mut index, request);
            if batch.len() == 130 {
                batch = Vec::new();
            }
        }
        black_box(index.len());
    }
}

/// One block that is made a little larger again and again.
pub mod realloc_only {
    use super::*;
    struct Frame {
        bytes: Vec<u8>,
    }
    impl Frame {
        fn append(&mut self, chunk: &[u8]) {
            self.bytes.reserve_exact(chunk.len());
            self.bytes.extend_from_slice(chunk);
        }
    }
    pub fn run(mut work: Work) {
        let mut frame = Frame { bytes: Vec::new() };
        while let Some(request) = work.request() {
            frame.append(&[request as u8; 144]);
        }
        black_box(frame.bytes.len());
    }
}

/// On the way of errors a stream's key is not given back.
pub mod slab_keys {
    use super::*;
    struct Stream {
        window: Box<[u8]>,
    }
    fn open(streams: &mut slab::Slab<Stream>, request: u64) -> usize {
        streams.insert(Stream { window: vec![request as u8; 128].into_boxed_slice() })
    }
    fn close(streams: &mut slab::Slab<Stream>, key: usize) {
        black_box(streams.remove(key).window.len());
    }
    pub fn run(mut work: Work) {
        let mut streams = slab::Slab::new();
        let mut waiting = VecDeque::new();
        while let Some(request) = work.request() {
            waiting.push_back(open(&mut streams, request));
            if waiting.len() > 30 {
                let key = waiting.pop_front().unwrap();
                if work.below(4) > 0 {
                    close(&mut streams, key);
                }
            }
        }
        black_box(streams.len());
    }
}

/// One of two subscribers reads too slowly from a channel without a bound.
pub mod slow_subscriber {
    use super::*;
    use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
    fn publish(to: &[UnboundedSender<Arc<String>>], request: u64) {
        let news = Arc::new(format!("news {request}: the price of {} has changed once more", request % 11));
        for one in to {
            one.send(news.clone()).unwrap();
        }
    }
    pub fn run(mut work: Work) {
        runtime().block_on(async move {
            let ((fast, mut quick), (slow, mut late)) = (unbounded_channel(), unbounded_channel());
            let to = [fast, slow];
            while let Some(request) = work.request() {
                publish(&to, request);
                black_box(quick.recv().await);
                if request % 5 == 0 {
                    black_box(late.recv().await);
                }
            }
        });
    }
}
