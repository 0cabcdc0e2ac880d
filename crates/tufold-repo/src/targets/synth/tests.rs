use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::expect;
use proptest::prelude::*;
use tufold_meta::Digest;

use super::*;

/// A thousand projects, every tenth ranked.
fn projects() -> Projects {
    let mut text = format!("{PROJECTS_HEADER}\n");
    for index in 0..1000 {
        let rank = if index % 10 == 0 { (index / 10 + 1).to_string() } else { String::new() };
        let (minor, patch, year) = (index % 7, index % 3, 2008 + index % 19);
        writeln!(text, "project-{index}\t0.{minor}.{patch}\t{year}-11\t{rank}").unwrap();
    }
    read(&text).unwrap()
}

fn read(text: &str) -> Result<Projects, ListError> {
    read_projects(Source::new("projects.tsv", text.as_bytes()), &|_| ())
}

fn text(list: &TargetList) -> String {
    let mut out = Vec::new();
    list.write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn rejects_bad_projects() {
    let rows = [
        (
            "name\n",
            r#"projects.tsv:1: the header is "name", expected "name\tversion\tmonth\trank""#,
        ),
        ("a\t1\t\n", "projects.tsv:2: expected 4 columns, found 3"),
        ("A\t1\t\t\n", r#"projects.tsv:2: name is "A", expected 1 to 255 of a to z, 0 to 9 and -"#),
        ("a\t1/2\t\t\n", r#"projects.tsv:2: version is "1/2", expected a version, or nothing"#),
        (
            "a\t1\t2026-13\t\n",
            r#"projects.tsv:2: month is "2026-13", expected YYYY-MM, or nothing"#,
        ),
        (
            "a\t1\t\t0\n",
            r#"projects.tsv:2: rank is "0", expected a whole number from 1, or nothing"#,
        ),
        ("b\t\t\t\na\t\t\t\nb\t\t\t\n", r#"projects.tsv:4: "b" is listed already, on line 2"#),
    ];
    for (text, expected) in rows {
        let header = if expected.contains("header") { "" } else { "name\tversion\tmonth\trank\n" };
        assert_eq!(read(&format!("{header}{text}")).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_bytes_of_a_seed_never_change() {
    let projects = projects();
    let synth = Synth::new(&projects, 2000, 7);
    let list = synth.targets();
    expect!["c861b22b32e20faeb7e669cd9116447ef0759a6aea75c9a8ecf776c2a998878e"]
        .assert_eq(&Digest::of(text(&list).as_bytes()).to_string());
    let mut changes = Vec::new();
    synth.releases(50).write(&mut changes).unwrap();
    expect!["8f230363b1b66e1eeda6671d52980ed4991816b8b6dd0f1c65b8e74338925d4e"]
        .assert_eq(&Digest::of(&changes).to_string());
    let few = |part: &str| {
        let lines: Vec<&str> = list.rows().iter().map(|row| row.path.as_str()).collect();
        let lines = lines.into_iter().filter(|path| path.starts_with(part)).step_by(150);
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    expect![[r#"
        packages/00/1f/0a02b609d64c32c05ecc92fac98b05c3ac7e526e610faa177c3d3a15f683/project_391-0.5.3-py2.py3-none-any.whl
        packages/14/af/e03fab1b671002b56900677848f1f37cf0591881b3647122770a682e1c1b/project_800-0.0.0.dev3-cp314-cp314-win_amd64.whl
        packages/27/9f/efcf49d02c4cf981563a1fd8db721721716064e676e16154daf7cdedb2e3/project_80-0.1.1.tar.gz
        packages/3d/77/244a2defe7ce230ab8a696280f5dfd684435a2a20cabf496b7877c2dc394/project_501-0.4.0.tar.gz
        packages/52/43/63a76f7c6992ab96e55d6bd24e8ad36536af9ed714ef5e6b2ae61be31815/project_391-0.5.1.tar.gz
        packages/67/80/77471dc3782cf414a22d9e745fd654ca8f15da55a4eb0b248d8ebe88bdd4/project_720-0.2.0.tar.gz
        packages/7d/75/87d237d1906fa35c2886f63e1b148378d9183198e31149d3eab64405bbc8/project_40-0.2.3.tar.gz
        packages/95/e1/dfd86bf1383ad3c463dc742a85efeb99bfcb91ed7c68790fd30763ef8c99/project_560-0.0.0.dev23-py2.py3-none-any.whl
        packages/ad/a2/b9fc4ca8efea681ad1db7ba9e26fc956fba1b17d270551ddc803e2df62e3/project_720-0.2.3.tar.gz
        packages/c0/e5/180fad216d6de4eabcf7a6900cbbd3624f04390ed1fa68469ac91092841c/project_974-0.1.2.tar.gz
        packages/d4/75/449659d3932e19ad57e75bbac8ff806e1c8813ad846180c079c9499b2086/project_520-0.0.4.tar.gz
        packages/e8/62/5b40d6a1dda3b2afaa8e88aaf3df6c29c6dc7bc0324e83f3265afb1f4729/project_720-0.1.1-py3-none-any.whl
        packages/fd/de/439acca94b1e5a66b43de6739b982174f06e9548059d058c3204a13cf0a6/project_184-0.2.1.tar.gz
    "#]].assert_eq(&few("packages/"));
    expect![[r#"
        simple/project-0/index.html
        simple/project-804/index.html
    "#]]
    .assert_eq(&few("simple/"));
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let projects = projects();
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let synth = Synth::new(&projects, 3000, 1);
            (synth.targets(), synth.releases(100))
        })
    };
    assert_eq!(with_threads(1), with_threads(4));
}

#[test]
fn files_follow_the_rank_and_pages_the_files() {
    let projects = projects();
    let list = Synth::new(&projects, 400_000, 1).targets();
    let mut files = BTreeMap::<String, usize>::new();
    for row in list.rows() {
        if let Some(name) = row.path.as_str().strip_prefix("packages/") {
            let name = name.rsplit('/').next().unwrap().split_once('-').unwrap().0;
            *files.entry(name.replace('_', "-")).or_default() += 1;
        }
    }
    assert_eq!(list.rows().len(), 400_000);
    assert!(files.len() > 950, "{}", files.len());
    let of_project = |index| files.get(&format!("project-{index}")).copied().unwrap_or(0);
    let of = |ranks: std::ops::Range<usize>| {
        ranks.clone().map(|rank| of_project(rank * 10)).sum::<usize>() / ranks.len()
    };
    let (top, middle, bottom) = (of(0..5), of(40..60), of(90..100));
    assert!(top > 2 * middle && middle > bottom, "{top} {middle} {bottom}");
    let mut unranked: Vec<usize> =
        (1..1000).filter(|index| index % 10 != 0).map(of_project).collect();
    unranked.sort_unstable();
    assert!(unranked[450] * 20 < bottom, "{} {bottom}", unranked[450]);
    let page = |name: &str| list.get(&format!("simple/{name}/index.html")).unwrap().length;
    assert!(page("project-0") > page("project-500") && page("project-500") > page("project-11"));
}

#[test]
fn a_release_puts_files_and_the_page() {
    let projects = projects();
    let synth = Synth::new(&projects, 2000, 3);
    let (list, changes) = (synth.targets(), synth.releases(1));
    let (pages, files): (Vec<_>, Vec<_>) = (changes.rows().iter())
        .map(|change| change.path().as_str())
        .partition(|path| path.starts_with("simple/"));
    assert_eq!(pages.len(), 1);
    assert!(!files.is_empty());
    assert!(list.get(pages[0]).is_some());
    assert!(files.iter().all(|path| list.get(path).is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn makes_as_many_as_were_asked_for(count in 0_u64..20_000, seed: u64) {
        let projects = projects();
        let synth = Synth::new(&projects, count, seed);
        let list = synth.targets();
        prop_assert_eq!(list.rows().len() as u64, count);
        let changes = synth.releases(200);
        let again = TargetList::from_rows(list.rows().to_vec()).unwrap();
        let new = changes.apply(&again).unwrap();
        prop_assert_eq!(diff(&list, &new), changes);
    }
}

#[test]
fn a_list_that_is_written_in_parts_is_the_same() {
    let projects = projects();
    let synth = Synth::new(&projects, 30_000, 1);
    let folder = tempfile::tempdir().unwrap();
    for memory in [Memory::NONE, Memory::default()] {
        let mut out = Vec::new();
        synth.write(&mut out, memory, folder.path()).unwrap();
        assert!(String::from_utf8(out).unwrap() == text(&synth.targets()), "{memory}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is left");
}
