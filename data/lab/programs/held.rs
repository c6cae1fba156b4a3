//! What a server holds one by one and an exporter counts: tasks, connections, a queue, series.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::task::{Context, Poll, Waker};

/// How many come in a second, how large each is, how long it stays, and which never go.
pub struct Arrivals {
    rate: f64,
    pub bytes: u64,
    life: u64,
    never: f64,
    after: u64,
    until: u64,
    owed: f64,
}

impl Arrivals {
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            rate: given.float("rate", 5.0),
            bytes: given.whole("bytes", 4096),
            life: given.whole("life", 3),
            never: given.float("never", 0.0),
            after: given.whole("after", 0),
            until: given.whole("until", u64::MAX),
            owed: 0.0,
        }
    }

    /// How many come now; they are not even, as requests are not.
    pub fn due(&mut self, now: &mut Tick) -> u64 {
        self.owed += 2.0 * self.rate * now.random.unit();
        let come = self.owed.floor();
        self.owed -= come;
        come as u64
    }

    /// When the next one ends; None for one that never does.
    pub fn end(&self, now: &mut Tick) -> Option<u64> {
        let lost = (self.after..self.until).contains(&now.age) && now.random.unit() < self.never;
        (!lost).then(|| now.age + self.life.max(1))
    }
}

/// Waits for an answer, which comes at a second or never.
struct Answer {
    end: Option<u64>,
}

thread_local! {
    static SECOND: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

impl Future for Answer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.end {
            Some(end) if end <= SECOND.get() => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

/// A request as an async server handles it: what it captured lives until the answer is there.
async fn handle(body: Vec<u8>, end: Option<u64>) {
    Answer { end }.await;
    std::hint::black_box(body);
}

/// Async tasks, each with what it captured; some wait for ever.
pub struct Tasks {
    come: Arrivals,
    alive: Vec<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Tasks {
    /// `tasks:rate=N,bytes=SIZE,life=SECONDS,never=0..1,after=N,until=N`: a share of those that
    /// come between `after` and `until` never ends.
    pub fn new(given: &mut Parameters) -> Self {
        Self { come: Arrivals::new(given), alive: Vec::new() }
    }
}

impl Component for Tasks {
    fn tick(&mut self, now: &mut Tick) {
        SECOND.set(now.age);
        for _ in 0..self.come.due(now) {
            let end = self.come.end(now);
            let before = ledger::live();
            let body = ledger::block(now.random.size(self.come.bytes), now.random.next());
            self.alive.push(Box::pin(handle(body, end)));
            if end.is_none() {
                ledger::lose(ledger::live() - before);
            }
        }
        let mut context = Context::from_waker(Waker::noop());
        self.alive.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        ledger::count(ledger::TASKS, self.alive.len());
    }
}

/// Open connections, both ends of each here, and a buffer for each; some are never closed.
pub struct Connections {
    come: Arrivals,
    open: Vec<(Option<u64>, UnixStream, UnixStream, Vec<u8>)>,
}

impl Connections {
    /// `connections:rate=N,bytes=SIZE,life=SECONDS,never=0..1,after=N,until=N`, likewise.
    pub fn new(given: &mut Parameters) -> Self {
        Self { come: Arrivals::new(given), open: Vec::new() }
    }
}

impl Component for Connections {
    fn tick(&mut self, now: &mut Tick) {
        for _ in 0..self.come.due(now) {
            let end = self.come.end(now);
            let Ok((here, there)) = UnixStream::pair() else {
                continue;
            };
            let before = ledger::live();
            let buffer = ledger::block(now.random.size(self.come.bytes), now.random.next());
            self.open.push((end, here, there, buffer));
            if end.is_none() {
                ledger::lose(ledger::live() - before);
            }
        }
        self.open.retain(|(end, ..)| end.is_none_or(|end| end > now.age));
    }
}

/// One end of a connection of either kind.
trait End: Read + Write {}
impl<T: Read + Write> End for T {}

/// Connections over which more comes than is read: it waits in the kernel.
pub struct Sockets {
    come: Arrivals,
    read: bool,
    listener: Option<TcpListener>,
    open: Vec<(Option<u64>, Box<dyn End>, Box<dyn End>)>,
}

impl Sockets {
    /// `sockets:rate=N,bytes=SIZE,life=SECONDS,never=0..1,after=N,until=N,read=0|1,tcp=0|1`: connections a second,
    /// and what comes over each; with `read` it is taken at once. Of UNIX sockets, or TCP on the loopback.
    pub fn new(given: &mut Parameters) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap_or_else(|_| crate::arguments::fail("cannot listen"));
        Self {
            come: Arrivals::new(given),
            read: given.whole("read", 0) == 1,
            listener: (given.whole("tcp", 0) == 1).then(listen),
            open: Vec::new(),
        }
    }

    fn pair(&self) -> std::io::Result<(Box<dyn End>, Box<dyn End>)> {
        let Some(listener) = &self.listener else {
            let (there, here) = UnixStream::pair()?;
            there.set_nonblocking(true)?;
            here.set_nonblocking(true)?;
            return Ok((Box::new(there), Box::new(here)));
        };
        let there = TcpStream::connect(listener.local_addr()?)?;
        let (here, _) = listener.accept()?;
        there.set_nonblocking(true)?;
        here.set_nonblocking(true)?;
        Ok((Box::new(there), Box::new(here)))
    }

    fn connect(&self, bytes: usize) -> std::io::Result<(Box<dyn End>, Box<dyn End>)> {
        let (mut there, mut here) = self.pair()?;
        let mut piece = [7u8; 4096];
        for _ in 0..bytes / piece.len() {
            // What does not fit waits with the sender.
            let _ = there.write(&piece);
            if self.read {
                let _ = here.read(&mut piece);
            }
        }
        Ok((there, here))
    }
}

impl Component for Sockets {
    fn tick(&mut self, now: &mut Tick) {
        for _ in 0..self.come.due(now) {
            let (end, bytes) = (self.come.end(now), now.random.size(self.come.bytes));
            if let Ok((there, here)) = self.connect(bytes) {
                self.open.push((end, there, here));
                if end.is_none() && !self.read {
                    ledger::lose_outside(bytes as i64);
                }
            }
        }
        self.open.retain(|(end, ..)| end.is_none_or(|end| end > now.age));
    }
}

/// A channel that is filled and emptied at rates of their own.
pub struct Queue {
    come: f64,
    go: f64,
    bytes: u64,
    owed: (f64, f64),
    held: u64,
    ends: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
}

impl Queue {
    /// `queue:in=N,out=N,bytes=SIZE`: messages a second; what stays for ever counts as lost.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            come: given.float("in", 10.0),
            go: given.float("out", 10.0),
            bytes: given.whole("bytes", 4096),
            owed: (0.0, 0.0),
            held: 0,
            ends: channel(),
        }
    }
}

impl Component for Queue {
    fn tick(&mut self, now: &mut Tick) {
        let before = ledger::live();
        self.owed.0 += 2.0 * self.come * now.random.unit();
        while self.owed.0 >= 1.0 {
            self.owed.0 -= 1.0;
            let message = ledger::block(now.random.size(self.bytes), now.random.next());
            self.held += u64::from(self.ends.0.send(message).is_ok());
        }
        self.owed.1 = (self.owed.1 + self.go).min(self.go.max(1.0) * 2.0);
        while self.owed.1 >= 1.0 && self.ends.1.try_recv().is_ok() {
            self.owed.1 -= 1.0;
            self.held -= 1;
        }
        if self.go < self.come {
            ledger::lose(ledger::live() - before);
        }
        ledger::count(ledger::QUEUED, self.held as usize);
    }
}

/// Buckets of a histogram, with its sum and its count.
const SERIES_EACH: usize = 14;

/// The exporter of a service: a histogram for each value of a label, all written out at a scrape.
pub struct Exporter {
    rate: f64,
    most: usize,
    owed: f64,
    next: u64,
    histograms: HashMap<String, [u64; SERIES_EACH]>,
}

impl Exporter {
    /// `exporter:start=N,rate=N,most=N`: new values of the label a second; without `most` there is no end.
    pub fn new(given: &mut Parameters) -> Self {
        let mut made = Self {
            rate: 0.0,
            most: given.whole("most", 0) as usize,
            owed: given.float("start", 20.0),
            next: 0,
            histograms: HashMap::new(),
        };
        made.add();
        made.rate = given.float("rate", 1.0);
        made
    }

    fn add(&mut self) {
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            self.next += 1;
            let value = if self.most == 0 { self.next } else { self.next % self.most as u64 };
            let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
            let label = format!(
                "path=\"/orders/{value:016x}/lines\",method=\"GET\",status=\"200\",agent=\"{agent}\",session=\"{:064x}\"",
                value.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            );
            self.histograms.entry(label).or_default()[0] += 1;
        }
    }

    /// Writes all out as a scrape gets it, in pieces.
    fn write_page(&self) {
        let mut piece = String::with_capacity(64 << 10);
        for (label, buckets) in &self.histograms {
            for (at, count) in buckets.iter().enumerate() {
                let _ = writeln!(piece, "request_seconds_bucket{{{label},le=\"{at}\"}} {count}");
            }
            if piece.len() > 60 << 10 {
                std::hint::black_box(&piece);
                piece.clear();
            }
        }
    }
}

impl Component for Exporter {
    fn tick(&mut self, now: &mut Tick) {
        let before = ledger::live();
        self.owed += 2.0 * self.rate * now.random.unit();
        self.add();
        if self.most == 0 {
            ledger::lose(ledger::live() - before);
        }
        if now.age % 15 == 14 {
            self.write_page();
        }
        ledger::count(ledger::SERIES, self.histograms.len() * SERIES_EACH);
    }
}
