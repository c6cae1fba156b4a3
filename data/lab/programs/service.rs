//! A made-up service whose memory behaviour is composed on the command line.
//!
//! ```text
//! service [--option value]… component:key=value,key=value …
//! ```
//!
//! The service sleeps until the next wall-clock second, lets every component do
//! its work for that second, writes one line of truth to standard output and
//! sleeps again. Seconds are counted from `--epoch`, so that a restarted service
//! meets the same time of day as the one it replaces.
//!
//! Options: `--seed N`, `--epoch UNIX_SECONDS`, `--version N` (release),
//! `--replica N`, `--directory PATH` (files), `--shared PATH` (tmpfs),
//! `--stats PATH`, `--stats-every SECONDS`, `--stats-form text|json`.

#![allow(unexpected_cfgs)]

mod allocator;
mod arguments;
mod caches;
mod child;
mod cycles;
mod fragment;
mod held;
mod leaks;
mod ledger;
mod odd;
mod outside;
mod random;
#[cfg(feature = "stack")]
mod stack;
mod startup;
mod threads;
mod traffic;

use arguments::{Options, Parameters};
use random::Random;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[global_allocator]
static ALLOCATOR: ledger::Counting = ledger::Counting;

/// What a component may know about the second it works in.
pub struct Tick {
    /// Seconds since the epoch of the run.
    pub second: u64,
    /// Seconds since this process started.
    pub age: u64,
    /// Requests that arrive in this second; set by the traffic component.
    pub requests: u64,
    /// Requests per second as a gauge would show it.
    pub load: f64,
    /// The release that is running, counted from 1.
    pub version: u64,
    /// Which replica this process is, counted from 0.
    pub replica: u64,
    pub random: Random,
}

/// One behaviour; it keeps whatever it holds in itself.
pub trait Component {
    /// Does the work of one second.
    fn tick(&mut self, now: &mut Tick);
}

fn component(text: &str, options: &Options) -> Box<dyn Component> {
    let mut given = Parameters::parse(text);
    let made: Box<dyn Component> = match given.name.as_str() {
        "base" => Box::new(startup::Base::new(&mut given)),
        "startup" => Box::new(startup::Startup::new(&mut given)),
        "traffic" => Box::new(traffic::Traffic::new(&mut given)),
        "lru" => Box::new(caches::Lru::new(&mut given)),
        "ttl" => Box::new(caches::Ttl::new(&mut given)),
        "cache" => Box::new(caches::Unbounded::new(&mut given)),
        "leak" => Box::new(leaks::Leak::new(&mut given)),
        "table" => Box::new(caches::Table::new(&mut given)),
        "sawtooth" => Box::new(cycles::Sawtooth::new(&mut given)),
        "job" => Box::new(cycles::Job::new(&mut given)),
        "reload" => Box::new(cycles::Reload::new(&mut given)),
        "fragment" => Box::new(fragment::Fragment::new(&mut given)),
        "threads" => Box::new(threads::Threads::new(&mut given)),
        "pool" => Box::new(threads::Pool::new(&mut given)),
        "file" => Box::new(outside::File::new(&mut given, &options.directory)),
        "shared" => Box::new(outside::Shared::new(&mut given, &options.shared)),
        "names" => Box::new(outside::Names::new(&mut given, &options.shared)),
        "mapped" => Box::new(outside::Mapped::new(&mut given, &options.directory)),
        "runtime" => Box::new(threads::Runtime::new(&mut given)),
        "sockets" => Box::new(held::Sockets::new(&mut given)),
        "tasks" => Box::new(held::Tasks::new(&mut given)),
        "connections" => Box::new(held::Connections::new(&mut given)),
        "queue" => Box::new(held::Queue::new(&mut given)),
        "exporter" => Box::new(held::Exporter::new(&mut given)),
        #[cfg(feature = "stack")]
        "spawned" => Box::new(stack::Spawned::new(&mut given)),
        #[cfg(feature = "stack")]
        "clients" => Box::new(stack::Clients::new(&mut given)),
        #[cfg(feature = "stack")]
        "messages" => Box::new(stack::Messages::new(&mut given)),
        #[cfg(feature = "stack")]
        "labelled" => Box::new(stack::Labelled::new(&mut given)),
        "mmap" => Box::new(outside::Mapping::new(&mut given)),
        "child" => Box::new(child::Child::new(&mut given, options.epoch)),
        "exit" => Box::new(child::Exit::new(&mut given)),
        "odd" => Box::new(odd::Odd::new(&mut given)),
        "trim" => Box::new(allocator::Trim::new(&mut given)),
        other => arguments::fail(&format!("no component is called {other:?}")),
    };
    given.finish();
    made
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn main() {
    let (options, texts) = Options::parse(std::env::args().skip(1));
    let mut components: Vec<Box<dyn Component>> =
        texts.iter().map(|text| component(text, &options)).collect();
    let gauges = allocator::Gauges::find();
    // Services started together would all wake at the same instant; a phase per
    // seed spreads them over the first part of the second.
    let phase = (options.seed % 40) as f64 / 100.0;
    let first = ((unix_seconds() - options.epoch - phase).floor() + 1.0).max(0.0) as u64;
    let mut tick = Tick {
        second: first,
        age: 0,
        requests: 0,
        load: 0.0,
        version: options.version,
        replica: options.replica,
        random: Random::new(options.seed ^ (first << 20) ^ (options.replica << 50)),
    };
    let mut work_total = 0u64;
    let mut line = String::with_capacity(512);
    loop {
        let wait = options.epoch + phase + tick.second as f64 - unix_seconds();
        if wait > 0.0 {
            std::thread::sleep(Duration::from_secs_f64(wait));
        }
        tick.requests = 0;
        for part in &mut components {
            part.tick(&mut tick);
        }
        work_total += tick.requests;
        line.clear();
        ledger::write(&mut line, &tick, work_total, &gauges);
        if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
            return; // the recorder has gone
        }
        if options.stats_every > 0 && tick.age % options.stats_every == options.stats_every - 1 {
            allocator::write_statistics(&options.stats, tick.second, options.stats_json);
        }
        tick.second += 1;
        tick.age += 1;
    }
}
