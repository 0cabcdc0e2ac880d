//! The integration tests, one binary.

mod attacks;
mod bucket;
mod client;
mod command;
mod component;
mod datasets;
mod deltas;
mod determinism;
mod fuzz_corpus;
mod interop;
mod interrupted;
mod publisher;
mod rebin;
mod report;
mod rotate;
mod serve;
