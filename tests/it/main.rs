//! The integration tests, one binary.

mod datasets;
mod interop;
mod publisher;
