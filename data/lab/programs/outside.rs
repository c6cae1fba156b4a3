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

impl Shared {
    /// `shared:bytes=SIZE,most=SIZE`: bytes per second; without `most` there is no end, and
    /// what was written counts as dead.
    pub fn new(given: &mut Parameters, directory: &str) -> Self {
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
