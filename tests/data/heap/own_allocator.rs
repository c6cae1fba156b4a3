// A program with an allocator of its own, linked into it, as jemalloc and mimalloc are: no profiler of malloc sees it.
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

extern "C" {
    fn mmap(at: *mut u8, size: usize, protection: i32, flags: i32, file: i32, offset: i64) -> *mut u8;
}

struct Bump;
static NEXT: AtomicUsize = AtomicUsize::new(0);
const ROOM: usize = 1 << 30;

unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if NEXT.load(Ordering::Relaxed) == 0 {
            let place = unsafe { mmap(std::ptr::null_mut(), ROOM, 3, 0x22, -1, 0) };
            NEXT.compare_exchange(0, place as usize, Ordering::SeqCst, Ordering::SeqCst).ok();
        }
        let size = layout.size() + layout.align();
        let place = NEXT.fetch_add(size, Ordering::SeqCst);
        ((place + layout.align() - 1) & !(layout.align() - 1)) as *mut u8
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump;

fn main() {
    let mebibytes: usize = std::env::args().nth(1).map_or(0, |text| text.parse().unwrap());
    let held: Vec<Vec<u8>> = (0..mebibytes).map(|number| vec![number as u8 | 1; 1 << 20]).collect();
    std::thread::sleep(std::time::Duration::from_millis(50));
    eprintln!("{} MiB held", held.len());
}
