// Services as people write them, on the crates that they use, for a recorder of heap profiles:
//     services NAME [REQUESTS]
// Nothing is marked against inlining. What each keeps for good, or not, is written down in ../truth.csv.
mod leaks;
mod rests;

use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

/// A stream of requests that makes what every service makes: parsed bodies, answers.
pub struct Work {
    seed: u64,
    done: u64,
    pub all: u64,
}

impl Work {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mixed = self.seed ^ (self.seed >> 29);
        (mixed >> 16) % bound
    }
    /// A heavy tail: mostly small, now and then a hundred times that.
    pub fn tail(&mut self, scale: u64) -> usize {
        let part = (1 + self.below(1 << 16)) as f64 / (1u64 << 16) as f64;
        (scale as f64 * part.powf(-0.6)).min(scale as f64 * 100.0) as usize
    }
    pub fn part(&self) -> f64 {
        self.done as f64 / self.all as f64
    }
    /// The next request, or None at the end; slow and fast hours alternate.
    pub fn request(&mut self) -> Option<u64> {
        if self.done == self.all {
            return None;
        }
        let busy = (self.done / 150) % 3;
        if self.done % (8 + 10 * busy) == 0 {
            sleep(Duration::from_millis(9));
        }
        let (one, other) = (self.below(90), self.below(7));
        let body = format!("{{\"id\": {}, \"items\": [{one}, {other}]}}", self.done);
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
        black_box(parsed.to_string());
        self.done += 1;
        Some(self.done - 1)
    }
}

fn main() {
    let name = std::env::args().nth(1).expect("a name");
    let all: u64 = std::env::args().nth(2).map_or(1800, |text| text.parse().unwrap());
    let work = Work { seed: 20261129, done: 0, all };
    macro_rules! services {
        ($($kind:ident: $($which:ident)*;)*) => {
            match name.as_str() {
                $($(stringify!($which) => $kind::$which::run(work),)*)*
                _ => panic!("no such service: {name}"),
            }
        };
    }
    services! {
        leaks: task_set dash_sessions ordered_terms bump_tenants observers_twice buffers_beside_lru log_buffer
            regex_by_tenant leak_in_drop forgetful_adaptor thread_pools three_to_one generic_inlined starts_late
            under_sawtooth realloc_only slab_keys slow_subscriber;
        rests: lru_small lru_large lru_of_bytes ring_log slab_churn object_pool ttl_dash minute_batches compiled_tables
            connections page_builder btree_churn storms refill_after_clear frame_buffers label_sets swapped_config
            task_churn;
    }
}
