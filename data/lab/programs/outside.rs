//! Memory that no allocator knows: page cache, tmpfs and mappings.

use crate::arguments::{fail, Parameters};
use crate::{ledger, Component, Tick};
use std::ffi::{c_int, c_void};
use std::io::{Read, Seek, SeekFrom, Write};

extern "C" {
    fn mmap(at: *mut c_void, length: usize, protection: c_int, flags: c_int, file: c_int, offset: i64)
        -> *mut c_void;
}

const READ_WRITE: c_int = 1 | 2;
const PRIVATE_ANONYMOUS: c_int = 2 | 32;
const PAGE: usize = 4096;

fn open(path: &str) -> std::fs::File {
    let opened = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
    opened.unwrap_or_else(|error| fail(&format!("cannot open {path}: {error}")))
}

/// Writes and reads a file, which fills the page cache of the container.
pub struct File {
    path: String,
    write: u64,
    most: u64,
    read: u64,
    hot: u64,
    rotate: bool,
    written: u64,
    position: u64,
    file: Option<std::fs::File>,
    buffer: Vec<u8>,
}

impl File {
    /// `file:write=SIZE,most=SIZE,read=SIZE,hot=SIZE,rotate=0|1`: bytes per second.
    ///
    /// Writing ends at `most`, or starts a new file there with `rotate`; reading goes round the
    /// first `hot` bytes, which makes that part of the cache active.
    pub fn new(given: &mut Parameters, directory: &str) -> Self {
        Self {
            path: format!("{directory}/data-{}", std::process::id()),
            write: given.whole("write", 1 << 20),
            most: given.whole("most", 256 << 20),
            read: given.whole("read", 0),
            hot: given.whole("hot", u64::MAX),
            rotate: given.whole("rotate", 0) == 1,
            written: 0,
            position: 0,
            file: None,
            buffer: Vec::new(),
        }
    }

    fn append(&mut self, now: &mut Tick) -> std::io::Result<()> {
        if self.rotate && self.written >= self.most {
            self.file = None;
            self.written = 0;
            self.position = 0;
        }
        let path = &self.path;
        let file = self.file.get_or_insert_with(|| open(path));
        if self.written < self.most {
            self.buffer.resize(self.write as usize, now.random.next() as u8);
            file.seek(SeekFrom::Start(self.written))?;
            file.write_all(&self.buffer)?;
            self.written += self.write;
        }
        if self.read > 0 {
            if self.position + self.read > self.written.min(self.hot) {
                self.position = 0;
            }
            self.buffer.resize(self.read as usize, 0);
            file.seek(SeekFrom::Start(self.position))?;
            self.position += file.read(&mut self.buffer)? as u64;
        }
        Ok(())
    }
}

impl Component for File {
    fn tick(&mut self, now: &mut Tick) {
        if let Err(error) = self.append(now) {
            fail(&format!("cannot write {}: {error}", self.path));
        }
    }
}

/// Writes files to a tmpfs: memory that the kernel cannot take back.
pub struct Shared {
    path: String,
    bytes: u64,
    most: u64,
    written: u64,
    file: Option<std::fs::File>,
}

/// Removes what an earlier process left in a folder.
fn clean(directory: &str) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
}

impl Shared {
    /// `shared:bytes=SIZE,most=SIZE,clean=0|1`: bytes per second; without `most` there is no end, and
    /// what was written counts as dead. With `clean` a start removes what an earlier process left.
    pub fn new(given: &mut Parameters, directory: &str) -> Self {
        if given.whole("clean", 0) == 1 {
            clean(directory);
        }
        Self {
            path: format!("{directory}/data-{}", std::process::id()),
            bytes: given.whole("bytes", 128 << 10),
            most: given.whole("most", 0),
            written: 0,
            file: None,
        }
    }
}

impl Component for Shared {
    fn tick(&mut self, now: &mut Tick) {
        if self.most > 0 && self.written >= self.most {
            return;
        }
        let path = &self.path;
        let file = self.file.get_or_insert_with(|| open(path));
        let block = ledger::block(self.bytes as usize, now.random.next());
        if let Err(error) = file.write_all(&block) {
            fail(&format!("cannot write {}: {error}", self.path));
        }
        self.written += self.bytes;
        ledger::hold_outside(self.bytes as i64);
        if self.most == 0 {
            ledger::lose_outside(self.bytes as i64);
        }
    }
}

/// Maps anonymous memory past the allocator, as a C library or a database does.
pub struct Mapping {
    bytes: u64,
    piece: usize,
    most: u64,
    after: u64,
    owed: u64,
    mapped: u64,
}

impl Mapping {
    /// `mmap:bytes=SIZE,piece=SIZE,most=SIZE,after=N`: bytes per second; without `most` there is
    /// no end, and what was mapped counts as dead.
    pub fn new(given: &mut Parameters) -> Self {
        Self {
            bytes: given.whole("bytes", 128 << 10),
            piece: given.whole("piece", 1 << 20) as usize,
            most: given.whole("most", 0),
            after: given.whole("after", 0),
            owed: 0,
            mapped: 0,
        }
    }

    fn map(&mut self) {
        // SAFETY: a fresh private mapping that nobody else has.
        let start = unsafe {
            mmap(std::ptr::null_mut(), self.piece, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0)
        };
        if start as isize == -1 {
            return;
        }
        for offset in (0..self.piece).step_by(PAGE) {
            // SAFETY: the offset lies within the mapping.
            unsafe { start.cast::<u8>().add(offset).write_volatile(1) };
        }
        self.mapped += self.piece as u64;
        ledger::hold_outside(self.piece as i64);
        if self.most == 0 {
            ledger::lose_outside(self.piece as i64);
        }
    }
}

impl Component for Mapping {
    fn tick(&mut self, now: &mut Tick) {
        if now.age < self.after || (self.most > 0 && self.mapped >= self.most) {
            return;
        }
        self.owed += self.bytes;
        while self.owed >= self.piece as u64 {
            self.owed -= self.piece as u64;
            self.map();
        }
    }
}

/// Makes empty files: what the kernel keeps of each is slab, and no socket.
pub struct Names {
    directory: String,
    rate: u64,
    most: u64,
    made: u64,
}

impl Names {
    /// `names:rate=N,most=N`: files a second on the tmpfs.
    pub fn new(given: &mut Parameters, directory: &str) -> Self {
        Self {
            directory: directory.to_string(),
            rate: given.whole("rate", 100),
            most: given.whole("most", u64::MAX),
            made: 0,
        }
    }
}

impl Component for Names {
    fn tick(&mut self, _: &mut Tick) {
        for _ in 0..self.rate.min(self.most - self.made) {
            self.made += 1;
            open(&format!("{}/name-{}-{}", self.directory, std::process::id(), self.made));
        }
    }
}

/// Maps a file and reads it page by page, as a database or an index does.
pub struct Mapped {
    path: String,
    bytes: u64,
    most: u64,
    after: u64,
    read: u64,
    start: Option<*const u8>,
}

impl Mapped {
    /// `mapped:bytes=SIZE,most=SIZE,after=N`: bytes read for the first time per second, of a file of `most`.
    pub fn new(given: &mut Parameters, directory: &str) -> Self {
        Self {
            path: format!("{directory}/mapped-{}", std::process::id()),
            bytes: given.whole("bytes", 1 << 20),
            most: given.whole("most", 64 << 20),
            after: given.whole("after", 0),
            read: 0,
            start: None,
        }
    }

    fn map(&self) -> *const u8 {
        use std::os::fd::AsRawFd;
        let mut file = open(&self.path);
        let piece = vec![7u8; 1 << 20];
        for _ in 0..self.most >> 20 {
            if let Err(error) = file.write_all(&piece) {
                fail(&format!("cannot write {}: {error}", self.path));
            }
        }
        // SAFETY: a fresh mapping of a file that nobody shortens.
        let start = unsafe {
            mmap(std::ptr::null_mut(), self.most as usize, 1, 1, file.as_raw_fd(), 0)
        };
        if start as isize == -1 {
            fail(&format!("cannot map {}", self.path));
        }
        start.cast_const().cast()
    }
}

impl Component for Mapped {
    fn tick(&mut self, now: &mut Tick) {
        if now.age < self.after {
            return;
        }
        let start = match self.start {
            Some(start) => start,
            None => *self.start.insert(self.map()),
        };
        let end = (self.read + self.bytes).min(self.most & !0xf_ffff);
        for offset in (self.read..end).step_by(PAGE) {
            // SAFETY: the offset lies within the mapping.
            std::hint::black_box(unsafe { start.add(offset as usize).read_volatile() });
        }
        self.read = end;
    }
}
