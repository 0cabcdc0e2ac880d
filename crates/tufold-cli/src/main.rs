//! The tufold command.
fn main() {}
