//! The tree compared with other sources: RFC vectors, the examples of C2SP and Go, and three other implementations.

mod grown;
mod notes;
mod proofs;
mod roots;
mod tiles;
mod vectors;
