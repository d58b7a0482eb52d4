//! Every kept input, once more: what a fuzzer has found stays found.

use std::{collections::BTreeSet, fs, panic::catch_unwind, path::PathBuf};

use mainstay_fuzz::TARGETS;

/// Where a test is started is the folder of its package.
const CORPUS: &str = "corpus";

fn inputs(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(CORPUS).join(folder);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

#[test]
fn every_kept_input_still_holds() {
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() >= 20, "{name} has {} inputs, so it checks little", inputs.len());
        for (path, input) in inputs {
            // The panic has said what is wrong; this says with which input.
            let holds = catch_unwind(|| target(&input)).is_ok();
            assert!(holds, "{}", path.display());
        }
    }
}

#[test]
fn the_corpora_belong_to_the_targets() {
    let folders = fs::read_dir(CORPUS).expect("the corpora");
    let folders = folders.map(|entry| entry.expect("readable").file_name().into_string());
    let folders = folders.collect::<Result<BTreeSet<_>, _>>().expect("UTF-8");
    assert_eq!(folders, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
