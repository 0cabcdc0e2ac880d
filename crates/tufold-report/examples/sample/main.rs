//! Writes a report with every kind of plot: the codecs and the ladders from the committed records, the rest from arithmetic on
//! what the README has.
//!
//!     cargo run -p tufold-report --example sample -- report.html

mod rows;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: sample FILE.html")?;
    std::fs::write(&file, rows::report()?.to_html()).map_err(|e| format!("{file}: {e}").into())
}
