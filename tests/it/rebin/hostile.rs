//! Servers that spoil what makes new bins of old ones: a client fetches these bins whole, and loses nothing else.

use std::collections::BTreeMap;
use std::fs;

use tufold_meta::names::DeltaName;
use tufold_sync::Fallbacks;
use tufold_tests::Answer;

use super::rebin;
use super::thin::{Thin, scene};
use crate::attacks::delta_server::{DeltaServer, impatient, spoilt};
use crate::rotate::Scene;

/// The objects that are published, by their paths.
fn objects(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let folder = |path: &std::path::Path| -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(path).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    let public = scene.repo().join("public");
    let files = folder(&public.join("deltas/bins"))
        .iter()
        .flat_map(|first| folder(first))
        .collect::<Vec<_>>();
    let name = |file: &std::path::Path| {
        file.strip_prefix(&public).expect("below it").to_str().expect("UTF-8").to_owned()
    };
    files.into_iter().map(|file| (name(&file), fs::read(&file).expect("an object"))).collect()
}

/// What such a server gives instead of an object of one old bin and two new ones with a signature each.
fn answers(objects: &BTreeMap<String, Vec<u8>>, server: DeltaServer) -> BTreeMap<String, Answer> {
    let mut others: Vec<_> = objects.values().cloned().collect();
    others.rotate_left(1);
    let objects = objects.iter().enumerate().map(|(place, (path, bytes))| {
        assert!(DeltaName::parse_path(path).is_some(), "{path}");
        let mut bytes = bytes.clone();
        let end = bytes.len();
        match server {
            DeltaServer::Missing => return (path.clone(), Answer::Status(404)),
            DeltaServer::OfOthers => bytes = others[place].clone(),
            // Behind the form: how old the old bin is.
            DeltaServer::ToOldVersions => bytes[1] += 1,
            DeltaServer::Unsigned => {
                bytes[end - 64..].fill(0);
                bytes[end - 129..end - 65].fill(0);
            }
            _ => return (path.clone(), spoilt(Answer::File(bytes), server, place)),
        }
        (path.clone(), Answer::File(bytes))
    });
    objects.collect()
}

#[test]
fn spoilt_objects_cost_whole_bins_and_nothing_else() {
    let scene = scene("bins-succinct:4 versions", 4);
    let paths: Vec<&str> = scene.paths.iter().take(3).map(String::as_str).collect();
    let client = |server: DeltaServer| {
        let thin = Thin::new(&scene, &format!("{server:?}"));
        thin.visit(&scene, &paths, "made");
        (server, thin)
    };
    let clients = DeltaServer::HOSTILE.map(client);
    rebin(&scene, "bins-succinct:8");
    let objects = objects(&scene);
    assert_eq!(objects.len(), 4);
    for (server, thin) in &clients {
        let what = format!("{server:?}");
        thin.answer(answers(&objects, *server));
        let visited = thin.visit_within(&scene, impatient(), &paths, &what);
        assert!(!visited.whole_bins().is_empty(), "{what}");
        let failed = visited.deltas.fallbacks.by_reason().into_iter();
        let failed: u64 = failed.map(|(_, count)| count).sum();
        assert!(failed > 0, "{what}: {:?}", visited.deltas.fallbacks);
        thin.answer(BTreeMap::new());
        let again = thin.visit(&scene, &paths, &what);
        assert_eq!(again.whole_bins(), [""; 0], "{what}");
        assert_eq!(again.deltas.fallbacks, Fallbacks::default(), "{what}");
    }
}
