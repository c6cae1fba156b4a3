//! What the allocator says about itself, found at run time: jemalloc or glibc.

use crate::arguments::Parameters;
use crate::{Component, Tick};
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::fs::OpenOptions;
use std::io::Write;

extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Control =
    unsafe extern "C" fn(*const c_char, *mut c_void, *mut usize, *mut c_void, usize) -> c_int;
type Print = unsafe extern "C" fn(
    Option<unsafe extern "C" fn(*mut c_void, *const c_char)>,
    *mut c_void,
    *const c_char,
);

/// glibc's `struct mallinfo2`.
#[repr(C)]
pub struct Information {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a null handle asks for the default search order.
    let found = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

fn control() -> Option<Control> {
    // SAFETY: jemalloc documents this signature of mallctl.
    symbol(c"mallctl").map(|found| unsafe { std::mem::transmute::<*mut c_void, Control>(found) })
}

/// Where the numbers of this process come from.
pub enum Gauges {
    Jemalloc(Control),
    Glibc(unsafe extern "C" fn() -> Information),
    Nothing,
}

impl Gauges {
    pub fn find() -> Self {
        if let Some(found) = control() {
            return Self::Jemalloc(found);
        }
        // Under mimalloc glibc's function is still there and says nothing true.
        if symbol(c"mi_version").is_some() {
            return Self::Nothing;
        }
        match symbol(c"mallinfo2") {
            // SAFETY: glibc documents this signature of mallinfo2.
            Some(found) => Self::Glibc(unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> Information>(found)
            }),
            None => Self::Nothing,
        }
    }

    /// Allocated, active, resident, mapped, retained, metadata and free bytes; -1 = not known.
    pub fn read(&self) -> [i64; 7] {
        match self {
            Self::Jemalloc(call) => {
                advance(*call);
                let mut values = [-1; 7];
                let names = [
                    c"stats.allocated",
                    c"stats.active",
                    c"stats.resident",
                    c"stats.mapped",
                    c"stats.retained",
                    c"stats.metadata",
                ];
                for (value, name) in values.iter_mut().zip(names) {
                    *value = size(*call, name);
                }
                values
            }
            Self::Glibc(call) => {
                // SAFETY: the call only reads the allocator's own lists.
                let info = unsafe { call() };
                [
                    (info.uordblks + info.hblkhd) as i64,
                    -1,
                    -1,
                    (info.arena + info.hblkhd) as i64,
                    -1,
                    -1,
                    info.fordblks as i64,
                ]
            }
            Self::Nothing => [-1; 7],
        }
    }
}

/// jemalloc's numbers stand still until its epoch is advanced.
fn advance(call: Control) {
    let mut epoch = 1u64;
    // SAFETY: the new value is a u64, as the name "epoch" demands.
    unsafe {
        call(
            c"epoch".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            (&raw mut epoch).cast(),
            size_of::<u64>(),
        );
    }
}

fn size(call: Control, name: &CStr) -> i64 {
    let mut value = 0usize;
    let mut length = size_of::<usize>();
    // SAFETY: every name asked for has a size_t value.
    let failed = unsafe {
        call(
            name.as_ptr(),
            (&raw mut value).cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if failed == 0 { value as i64 } else { -1 }
}

unsafe extern "C" fn append(target: *mut c_void, text: *const c_char) {
    // SAFETY: the caller below passes a Vec and jemalloc passes a C string.
    let (target, text) = unsafe { (&mut *target.cast::<Vec<u8>>(), CStr::from_ptr(text)) };
    target.extend_from_slice(text.to_bytes());
}

/// Appends one document of jemalloc statistics to a log, as `stats_interval` users see it.
///
/// A line `# second N` before it keeps the time, which jemalloc does not print.
pub fn write_statistics(path: &str, second: u64, json: bool) {
    let Some(found) = symbol(c"malloc_stats_print") else {
        return;
    };
    // SAFETY: jemalloc documents this signature of malloc_stats_print.
    let print = unsafe { std::mem::transmute::<*mut c_void, Print>(found) };
    let options = CString::new(if json { "Jmdablxe" } else { "mdablxe" }).unwrap_or_default();
    // jemalloc must not allocate while it prints; one large buffer is made before.
    let mut text: Vec<u8> = Vec::with_capacity(1 << 20);
    // SAFETY: the buffer outlives the call.
    unsafe { print(Some(append), (&raw mut text).cast(), options.as_ptr()) };
    if let Ok(mut log) = OpenOptions::new().create(true).append(true).open(path) {
        let _ = writeln!(log, "# second {second}");
        let _ = log.write_all(&text);
        let _ = writeln!(log);
    }
}

/// Asks the allocator to return free pages every so many seconds.
pub struct Trim {
    every: u64,
}

impl Trim {
    /// `trim:every=SECONDS`
    pub fn new(given: &mut Parameters) -> Self {
        Self { every: given.whole("every", 60).max(1) }
    }
}

impl Component for Trim {
    fn tick(&mut self, now: &mut Tick) {
        if now.age % self.every != self.every - 1 {
            return;
        }
        if let Some(call) = control() {
            let null = std::ptr::null_mut();
            // SAFETY: "purge" takes no value; 4096 stands for all arenas.
            unsafe { call(c"arena.4096.purge".as_ptr(), null, null.cast(), null, 0) };
        } else if let Some(found) = symbol(c"malloc_trim") {
            // SAFETY: glibc documents this signature of malloc_trim.
            unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(usize) -> c_int>(found)(0)
            };
        }
    }
}
