//! The integration tests, one binary.

mod attacks;
mod bucket;
mod client;
mod command;
mod component;
mod datasets;
mod deltas;
mod determinism;
mod faults;
mod fuzz_corpus;
mod instructions;
mod interop;
mod interrupted;
mod killed;
mod lost_writes;
mod publisher;
mod rebin;
mod report;
mod rotate;
mod serve;
