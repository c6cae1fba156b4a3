//! The truth: bytes alive, and bytes that will never be used again.

use crate::allocator::Gauges;
use crate::Tick;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

static LIVE: AtomicI64 = AtomicI64::new(0);
static DEAD: AtomicI64 = AtomicI64::new(0);
static OUTSIDE: AtomicI64 = AtomicI64::new(0);
static OUTSIDE_DEAD: AtomicI64 = AtomicI64::new(0);

/// The system allocator with a count of the bytes requested and not yet returned.
pub struct Counting;

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            LIVE.fetch_add(layout.size() as i64, Relaxed);
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            LIVE.fetch_add(layout.size() as i64, Relaxed);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) };
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            LIVE.fetch_add(size as i64 - layout.size() as i64, Relaxed);
        }
        moved
    }
}

/// Heap bytes alive now.
pub fn live() -> i64 {
    LIVE.load(Relaxed)
}

/// Counts heap bytes that stay allocated and will never be used again.
pub fn lose(bytes: i64) {
    DEAD.fetch_add(bytes, Relaxed);
}

/// Counts bytes held outside the heap: mappings, stacks, files in memory.
pub fn hold_outside(bytes: i64) {
    OUTSIDE.fetch_add(bytes, Relaxed);
}

/// Counts bytes outside the heap that will never be used again.
pub fn lose_outside(bytes: i64) {
    OUTSIDE_DEAD.fetch_add(bytes, Relaxed);
}

/// Places of what is counted, see [`count`].
pub const TASKS: usize = 0;
pub const QUEUED: usize = 1;
pub const SERIES: usize = 2;
static COUNTED: [AtomicI64; 3] = [const { AtomicI64::new(-1) }; 3];

/// Says how many of a kind there are now; what no component counts stays unknown.
pub fn count(kind: usize, number: usize) {
    COUNTED[kind].store(number as i64, Relaxed);
}

/// Appends the line of this second: whole numbers in a fixed order, -1 for "not known".
///
/// second, age, live, dead, outside, outside dead, work, load in thousandths, then the
/// allocator's allocated, active, resident, mapped, retained, metadata and free bytes, then how many tasks,
/// queued messages and exported series there are.
pub fn write(line: &mut String, now: &Tick, work_total: u64, gauges: &Gauges) {
    let _ = write!(
        line,
        "{} {} {} {} {} {} {} {}",
        now.second,
        now.age,
        live(),
        DEAD.load(Relaxed),
        OUTSIDE.load(Relaxed),
        OUTSIDE_DEAD.load(Relaxed),
        work_total,
        (now.load * 1000.0) as u64,
    );
    for value in gauges.read() {
        let _ = write!(line, " {value}");
    }
    for number in &COUNTED {
        let _ = write!(line, " {}", number.load(Relaxed));
    }
    line.push('\n');
}

/// Memory that is written to on every page, so that it is resident.
pub fn block(bytes: usize, fill: u64) -> Vec<u8> {
    vec![(fill as u8) | 1; bytes]
}

/// Blocks of about `item` bytes that together have `bytes`.
pub fn blocks(bytes: u64, item: u64, random: &mut crate::random::Random) -> Vec<Vec<u8>> {
    let mut made = Vec::with_capacity((bytes / item.max(1) + 1) as usize);
    let mut left = bytes as i64;
    while left > 0 {
        let size = random.size(item).min(left as usize);
        made.push(block(size, random.next()));
        left -= size as i64;
    }
    made
}
