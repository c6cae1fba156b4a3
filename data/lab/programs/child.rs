//! A process beside the service in its container, and services that end by themselves.

use crate::arguments::Parameters;
use crate::{ledger, Component, Tick};
use std::ffi::{c_int, c_ulong};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::Arc;

extern "C" {
    fn prctl(option: c_int, value: c_ulong) -> c_int;
}

/// A worker process that is started again when it ends or has served its time.
pub struct Child {
    words: Vec<String>,
    age: u64,
    born: u64,
    running: Option<std::process::Child>,
    live: Arc<AtomicI64>,
    dead: Arc<AtomicI64>,
    told: (i64, i64),
}

impl Child {
    /// `child:bytes=SIZE,leak=SIZE,batch=SIZE,item=SIZE,age=N`
    ///
    /// The child holds `bytes`, loses `leak` and gathers `batch` a second; with `age` it is replaced that old.
    pub fn new(given: &mut Parameters, epoch: f64) -> Self {
        let (item, day) = (given.whole("item", 4096), 86_400);
        let mut words = vec!["--epoch".to_string(), epoch.to_string()];
        words.push(format!("base:bytes={}", given.whole("bytes", 8 << 20)));
        match given.whole("leak", 0) {
            0 => words.push(format!(
                "sawtooth:bytes={},period={day},jitter=0,item={item}",
                day * given.whole("batch", 0)
            )),
            rate => words.push(format!("leak:kind=vec,bytes={rate},item={item}")),
        }
        Self {
            words,
            age: given.whole("age", u64::MAX),
            born: 0,
            running: None,
            live: Arc::new(AtomicI64::new(0)),
            dead: Arc::new(AtomicI64::new(0)),
            told: (0, 0),
        }
    }

    fn start(&mut self, now: &Tick) {
        let Ok(program) = std::env::current_exe() else { return };
        let mut command = Command::new(program);
        command.args(["--seed", &(now.second + 7).to_string()]).args(&self.words).stdout(Stdio::piped());
        // SAFETY: prctl(PR_SET_PDEATHSIG, SIGKILL) is safe between fork and exec; the child ends with its parent.
        unsafe { command.pre_exec(|| { prctl(1, 9); Ok(()) }) };
        let Ok(mut child) = command.spawn() else { return };
        let (live, dead) = (Arc::clone(&self.live), Arc::clone(&self.dead));
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let mut words = line.split(' ').skip(2).map(|word| word.parse().unwrap_or(0));
                    live.store(words.next().unwrap_or(0), Relaxed);
                    dead.store(words.next().unwrap_or(0), Relaxed);
                }
                live.store(0, Relaxed);
                dead.store(0, Relaxed);
            });
        }
        self.running = Some(child);
        self.born = now.age;
    }
}

impl Component for Child {
    fn tick(&mut self, now: &mut Tick) {
        if let Some(child) = &mut self.running {
            if now.age - self.born >= self.age {
                let _ = child.kill();
            }
            if child.try_wait().is_ok_and(|status| status.is_some()) {
                self.running = None;
            }
        } else {
            self.start(now);
        }
        let counted = (self.live.load(Relaxed), self.dead.load(Relaxed));
        ledger::hold_outside(counted.0 - self.told.0);
        ledger::lose_outside(counted.1 - self.told.1);
        self.told = counted;
    }
}

/// Ends the service with an error, at an age or when it holds too much.
pub struct Exit {
    age: u64,
    above: i64,
}

impl Exit {
    /// `exit:age=N,above=SIZE`
    pub fn new(given: &mut Parameters) -> Self {
        Self { age: given.whole("age", u64::MAX), above: given.float("above", f64::MAX) as i64 }
    }
}

impl Component for Exit {
    fn tick(&mut self, now: &mut Tick) {
        if now.age >= self.age || ledger::live() >= self.above {
            std::process::exit(1);
        }
    }
}
