//! Verifiers from other projects check the published files of a log: Go's checksum database (`verify.go`), pymerkle and cryptography
//! (`root.py`). They must accept the files of a real server at every special size of the tree, and refuse changed files.

mod checks;
mod forgery;
mod matrix;
mod mirror;
mod sizes;
mod tools;
