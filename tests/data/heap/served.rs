//! Serves its own heap profile as jemalloc writes it, and leaks a little at each request.
use std::ffi::{c_char, c_int, c_void, CString};
use std::io::{Read, Write};
use std::net::TcpListener;

extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Mallctl = unsafe extern "C" fn(*const c_char, *mut c_void, *mut usize, *mut c_void, usize) -> c_int;

#[inline(never)]
fn remember(sessions: &mut Vec<Vec<u8>>) {
    for _ in 0..500 {
        sessions.push(vec![1; 1000]);
    }
}

fn dump(path: &str) -> Vec<u8> {
    let (name, told) = (CString::new("prof.dump").unwrap(), CString::new(path).unwrap());
    let mut pointer = told.as_ptr();
    let code = unsafe {
        let found = dlsym(std::ptr::null_mut(), c"mallctl".as_ptr());
        assert!(!found.is_null(), "needs jemalloc");
        let mallctl: Mallctl = std::mem::transmute(found);
        let size = std::mem::size_of::<*const c_char>();
        mallctl(name.as_ptr(), std::ptr::null_mut(), std::ptr::null_mut(), &mut pointer as *mut _ as *mut c_void, size)
    };
    assert_eq!(code, 0, "needs prof:true");
    std::fs::read(path).unwrap()
}

fn main() {
    let path = std::env::args().nth(1).expect("a place for dumps");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let mut sessions = Vec::with_capacity(1 << 16);
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut asked = [0; 4096];
        let size = stream.read(&mut asked).unwrap_or(0);
        let asked = String::from_utf8_lossy(&asked[..size]).to_string();
        let (status, body) = if !asked.to_lowercase().contains("authorization: bearer s3cret-token") {
            ("401 Unauthorized", Vec::new())
        } else if asked.starts_with("GET /debug/pprof/heap ") {
            remember(&mut sessions);
            ("200 OK", dump(&path))
        } else if asked.starts_with("GET /text ") {
            ("200 OK", b"hello\n".to_vec())
        } else {
            ("200 OK", b"<html>sign in</html>".to_vec())
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    }
}
