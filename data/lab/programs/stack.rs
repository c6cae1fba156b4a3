//! The same things held as in `held`, by the crates that services are made of: tasks, TCP connections and channels of Tokio,
//! metrics of `prometheus`.

use crate::arguments::Parameters;
use crate::held::Arrivals;
use crate::{ledger, Component, Tick};
use prometheus::{Encoder, HistogramOpts, HistogramVec, Registry, TextEncoder};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
use tokio::sync::oneshot;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
    })
}

fn count_tasks() {
    ledger::count(ledger::TASKS, runtime().metrics().num_alive_tasks());
}

/// Tasks that wait for an answer; of some the sender is kept and never used.
pub struct Spawned {
    come: Arrivals,
    asked: Vec<oneshot::Sender<()>>,
}

impl Spawned {
    /// `spawned:rate=N,bytes=SIZE,life=SECONDS,never=0..1,after=N,until=N`, as `tasks`.
    pub fn new(given: &mut Parameters) -> Self {
        Self { come: Arrivals::new(given), asked: Vec::new() }
    }
}

impl Component for Spawned {
    fn tick(&mut self, now: &mut Tick) {
        for _ in 0..self.come.due(now) {
            let end = self.come.end(now);
            let body = ledger::block(now.random.size(self.come.bytes), now.random.next());
            let (sender, answer) = oneshot::channel();
            match end {
                Some(end) => {
                    let life = Duration::from_secs(end - now.age);
                    runtime().spawn(async move {
                        tokio::time::sleep(life).await;
                        let _ = sender.send(());
                    });
                }
                None => {
                    ledger::lose(body.len() as i64 + 256);
                    self.asked.push(sender);
                }
            }
            runtime().spawn(async move {
                let _ = answer.await;
                std::hint::black_box(body);
            });
        }
        count_tasks();
    }
}

/// A server on a port of its own and its clients, in one process; each connection has a task and a buffer.
pub struct Clients {
    come: Arrivals,
    address: SocketAddr,
    close: Vec<(u64, oneshot::Sender<()>)>,
    kept: Vec<oneshot::Sender<()>>,
}

impl Clients {
    /// `clients:rate=N,bytes=SIZE,life=SECONDS,never=0..1,after=N,until=N`: clients; the server has a buffer of so many bytes for each.
    pub fn new(given: &mut Parameters) -> Self {
        let come = Arrivals::new(given);
        let bytes = come.bytes as usize;
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime().spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                runtime().spawn(async move {
                    let mut buffer = ledger::block(bytes, 7);
                    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        if socket.write_all(b"ok\n").await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { come, address, close: Vec::new(), kept: Vec::new() }
    }
}

impl Component for Clients {
    fn tick(&mut self, now: &mut Tick) {
        self.close.retain(|(end, _)| *end > now.age);
        for _ in 0..self.come.due(now) {
            let (sender, closed) = oneshot::channel();
            match self.come.end(now) {
                Some(end) => self.close.push((end, sender)),
                None => {
                    ledger::lose(self.come.bytes as i64 + 1024);
                    self.kept.push(sender);
                }
            }
            let address = self.address;
            runtime().spawn(async move {
                let Ok(mut socket) = TcpStream::connect(address).await else {
                    return;
                };
                let mut answer = [0; 3];
                let _ = socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
                let _ = socket.read_exact(&mut answer).await;
                let _ = closed.await;
            });
        }
        count_tasks();
    }
}

/// An unbounded channel and the task that takes messages out of it.
pub struct Messages {
    come: f64,
    lost: bool,
    bytes: u64,
    owed: f64,
    waiting: Arc<AtomicI64>,
    sender: UnboundedSender<Vec<u8>>,
}

impl Messages {
    /// `messages:in=N,out=N,bytes=SIZE,until=N`: messages a second; the reader takes none after second `until` of its life.
    pub fn new(given: &mut Parameters) -> Self {
        let come = given.float("in", 10.0);
        let go = given.float("out", 10.0);
        let until = given.whole("until", u64::MAX);
        let (sender, mut receiver) = unbounded_channel::<Vec<u8>>();
        let waiting = Arc::new(AtomicI64::new(0));
        let left = waiting.clone();
        runtime().spawn(async move {
            let mut owed = 0.0;
            for tenth in 0.. {
                tokio::time::sleep(Duration::from_millis(100)).await;
                owed = (owed + go / 10.0).min(go.max(1.0));
                while owed >= 1.0 && tenth / 10 < until && receiver.try_recv().is_ok() {
                    owed -= 1.0;
                    left.fetch_sub(1, Relaxed);
                }
            }
        });
        Self { come, lost: go < come || until < u64::MAX, bytes: given.whole("bytes", 4096), owed: 0.0, waiting, sender }
    }
}

impl Component for Messages {
    fn tick(&mut self, now: &mut Tick) {
        static BEFORE: AtomicU64 = AtomicU64::new(0);
        self.owed += 2.0 * self.come * now.random.unit();
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            let message = ledger::block(now.random.size(self.bytes), now.random.next());
            self.waiting.fetch_add(1, Relaxed);
            let _ = self.sender.send(message);
        }
        let waiting = self.waiting.load(Relaxed).max(0) as u64;
        let before = BEFORE.swap(waiting, Relaxed);
        if self.lost {
            ledger::lose((waiting as i64 - before as i64) * self.bytes as i64);
        }
        ledger::count(ledger::QUEUED, waiting as usize);
        count_tasks();
    }
}

/// Buckets of a histogram as the crate has them, with its sum and its count.
const SERIES_EACH: usize = 14;

/// Histograms of the `prometheus` crate, encoded every 15 seconds as a scrape does.
pub struct Labelled {
    rate: f64,
    most: usize,
    owed: f64,
    next: u64,
    registry: Registry,
    seconds: HistogramVec,
}

impl Labelled {
    /// `labelled:start=N,rate=N,most=N`, as `exporter`.
    pub fn new(given: &mut Parameters) -> Self {
        let options = HistogramOpts::new("request_seconds", "Time of a request.");
        let seconds = HistogramVec::new(options, &["path", "client"]).expect("a metric");
        let registry = Registry::new();
        registry.register(Box::new(seconds.clone())).expect("a new name");
        Self {
            rate: given.float("rate", 1.0),
            most: given.whole("most", 0) as usize,
            owed: given.float("start", 20.0),
            next: 0,
            registry,
            seconds,
        }
    }
}

impl Component for Labelled {
    fn tick(&mut self, now: &mut Tick) {
        let before = ledger::live();
        self.owed += 2.0 * self.rate * now.random.unit();
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            self.next += 1;
            let value = if self.most == 0 { self.next } else { self.next % self.most as u64 };
            let client = format!("{:032x}", value.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            self.seconds.with_label_values(&[&format!("/users/{value:012}/basket"), &client]).observe(0.004);
        }
        if self.most == 0 {
            ledger::lose(ledger::live() - before);
        }
        if now.age % 15 == 14 {
            let mut page = Vec::new();
            let _ = TextEncoder::new().encode(&self.registry.gather(), &mut page);
            std::hint::black_box(page);
        }
        let held = if self.most == 0 { self.next } else { self.next.min(self.most as u64) };
        ledger::count(ledger::SERIES, held as usize * SERIES_EACH);
    }
}
