//! The integration tests, one binary.

mod datasets;
mod determinism;
mod interop;
mod interrupted;
mod publisher;
