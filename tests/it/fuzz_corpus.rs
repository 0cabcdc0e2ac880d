//! The fuzz targets over their committed corpus, without a fuzzer.

use std::fs;
use std::path::Path;

use tufold_tests::fuzz::TARGETS;

#[test]
fn fuzz_targets_pass_their_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpus.join(name)).expect(name) {
            let path = entry.unwrap().path();
            // The test harness shows this if the target panics.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 10, "{name} has {inputs} inputs");
    }
    assert_eq!(fs::read_dir(corpus).unwrap().count(), TARGETS.len());
}
