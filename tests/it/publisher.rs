//! The publisher as a library: what publishes write, and what they refuse.

use tufold_repo::Input;
use tufold_repo::check::Strictness;
use tufold_tests::{ALL_LAYOUTS, TestRepo, Visitor, after, changes, list, put, remove};

const PATHS: [&str; 5] =
    ["a/one", "a/two", "b/three", "simple/django/index.html", "packages/aa/bb/cc/django-1.tar.gz"];

fn assert_sound(repo: &TestRepo, time: &str) {
    let report = repo.check(after(time), Strictness::Usual);
    assert!(report.is_sound(), "{:#?}", report.findings);
}

#[test]
fn a_refresh_signs_roles_that_the_input_leaves_as_they_are() {
    for layout in ALL_LAYOUTS {
        let repo = TestRepo::init(layout, list(PATHS));
        let roles = repo.names().len() as u64 - 3;
        let published = repo.publish(Input::Targets(list(PATHS)), &["all"], after("1h"));
        assert_eq!(published.summary.roles, roles, "{layout}: compared, nothing changed");
        assert_eq!(published.summary.resigned, roles, "{layout}");
        let published = repo.publish(changes([put(PATHS[0], PATHS[0])]), &["all"], after("2h"));
        assert_eq!(published.summary.roles, roles, "{layout}: put again, nothing changed");
        assert_sound(&repo, "2h");
    }
}

#[test]
fn only_touched_roles_are_written() {
    for layout in ALL_LAYOUTS {
        let repo = TestRepo::init(layout, list(PATHS));
        let rows = [put("a/one", "new"), remove("a/two"), put("a/four", "four")];
        let published = repo.publish(changes(rows), &[], after("1h"));
        let counts = published.summary.counts;
        assert_eq!((counts.added, counts.changed, counts.removed), (1, 1, 1), "{layout}");
        assert!(published.summary.roles <= 3, "{layout}: {published:?}");
        assert_eq!(published.summary.resigned, 0, "{layout}");
        let mut visitor = Visitor::refresh(&repo.metadata(), after("1h")).unwrap();
        assert_eq!(visitor.find("a/one").unwrap().unwrap().length, 3);
        assert_eq!(visitor.find("a/two").unwrap(), None);
        for path in ["a/four", "b/three", PATHS[3], PATHS[4]] {
            assert!(visitor.find(path).unwrap().is_some(), "{layout}: {path}");
        }
        assert_sound(&repo, "1h");
    }
}
