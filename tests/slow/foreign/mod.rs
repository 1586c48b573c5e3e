//! Verifiers that are not ours, over what a reader can fetch of a log: Go's checksum database (`verify.go`), pymerkle and
//! cryptography (`root.py`). They must verify what a real server serves at every size at which something is special, and
//! refuse what was tampered with.

mod checks;
mod forgery;
mod matrix;
mod mirror;
mod sizes;
mod tools;
