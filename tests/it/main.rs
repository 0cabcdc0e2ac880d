//! The integration tests, one binary.

mod interop;
