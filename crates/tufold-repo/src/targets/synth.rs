//! Targets in the shape of PyPI's, made from the names of its projects.
//!
//! A project has a page, `simple/<project>/index.html`, and files at
//! `packages/<2 hex>/<2 hex>/<60 hex>/<file>`. How many files follows from the project's rank in
//! downloads: some six thousand at the top, falling with the square root of the rank, and for the
//! unranked a log-normal draw of which two is the middle. All of it is whole-number arithmetic on
//! one generator per project, so the same seed and count give the same bytes on any machine and
//! any number of threads.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use rayon::prelude::*;

use super::error::quote;
use super::read::{Rows, TARGETS_HEADER, columns, value};
use super::source::Blocks;
use super::write::write_columns;
use super::{ChangeList, LineError, ListError, Progress, Source, Target, TargetList, diff};
use crate::memory::Memory;

mod package;
mod random;
mod sorted;
mod version;

use package::{Package, page};
pub use random::Random;
use random::Stream;
use sorted::Sorter;

/// The header of a list of projects.
const PROJECTS_HEADER: &str = "name\tversion\tmonth\trank";

/// Of so many releases, one is the first of a new project.
const RELEASES_PER_NEW_PROJECT: u64 = 32;

/// Of so many releases, one is instead the removal of a project.
const RELEASES_PER_REMOVAL: u64 = 64;

/// No project has more than one part in so many of all targets, so that a small list is not the
/// files of a single project.
const LARGEST_SHARE: u64 = 32;

/// A project of the index.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    /// The normalised name.
    pub name: Box<str>,
    /// The newest version, empty if there is none.
    pub version: Box<str>,
    /// The year of that version, if known.
    pub year: Option<u16>,
    /// The place in the order of downloads, from 1; `None` far down.
    pub rank: Option<u32>,
}

/// Projects, each name once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Projects(Vec<Project>);

impl Projects {
    /// The projects in the order of their file.
    pub fn rows(&self) -> &[Project] {
        &self.0
    }
}

/// Reads a list of projects: TSV of name, version, month (`YYYY-MM`) and rank. All but the name may
/// be empty.
pub fn read_projects(source: Source<'_>, progress: Progress<'_>) -> Result<Projects, ListError> {
    let (blocks, first) = Blocks::open(source)?;
    let mut projects = Rows::new(blocks.name.clone());
    let parse = |projects: &mut Rows<Project>, line, text: &[u8]| {
        let text = super::read::utf8(text)?;
        if line > 1 {
            projects.push(line, project(text)?);
        } else if text != PROJECTS_HEADER {
            let (found, expected) = (quote(text), PROJECTS_HEADER);
            return Err(LineError::Header { found, expected });
        }
        Ok(())
    };
    blocks.for_each_line(first, &mut projects, parse, |projects| projects.rows.len(), progress)?;
    let Rows { file, rows, lines } = projects;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.par_sort_unstable_by(|&a, &b| rows[a].name.cmp(&rows[b].name).then(a.cmp(&b)));
    match order.windows(2).find(|pair| rows[pair[0]].name == rows[pair[1]].name) {
        None => Ok(Projects(rows)),
        Some(pair) => {
            let (path, first) = (quote(&*rows[pair[0]].name), lines[pair[0]]);
            let problem = LineError::Duplicate { path, first };
            Err(ListError::Line { file, line: lines[pair[1]], problem })
        }
    }
}

fn project(text: &str) -> Result<Project, LineError> {
    let [name, version, month, rank] = columns(text)?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 255 || !name.bytes().all(is_name) {
        return Err(value("name", name, "1 to 255 of a to z, 0 to 9 and -"));
    }
    if version.len() > 255 || version.chars().any(|c| c.is_control() || "/\\".contains(c)) {
        return Err(value("version", version, "a version, or nothing"));
    }
    let year = match month.split_once('-') {
        None if month.is_empty() => None,
        Some((year, number)) if year.len() == 4 && number.len() == 2 => {
            let number = number.parse().ok().filter(|number: &u8| (1..=12).contains(number));
            let year = year.parse().ok().filter(|_| number.is_some());
            Some(year.ok_or_else(|| value("month", month, "YYYY-MM, or nothing"))?)
        }
        _ => return Err(value("month", month, "YYYY-MM, or nothing")),
    };
    let rank = match rank {
        "" => None,
        _ => {
            let number = rank.parse().ok().filter(|&number| number > 0);
            Some(number.ok_or_else(|| value("rank", rank, "a whole number from 1, or nothing"))?)
        }
    };
    Ok(Project { name: name.into(), version: version.into(), year, rank })
}

/// A synthetic index: which projects it has, and how many files of each.
#[derive(Clone, Debug)]
pub struct Synth<'a> {
    projects: &'a [Project],
    seed: u64,
    /// The projects that are in, with their number of files.
    chosen: Vec<(usize, u64)>,
    /// The projects that are not, in the order in which they would come.
    rest: Vec<usize>,
}

impl<'a> Synth<'a> {
    /// An index of `count` targets (none if there is no project). A small one has a sample of the
    /// projects, with the most downloaded one and others from everywhere in the ranking; a large
    /// one has all of them, with more files each.
    pub fn new(projects: &'a Projects, count: u64, seed: u64) -> Self {
        let projects = &*projects.0;
        let files: Vec<u64> = (projects.par_iter().enumerate())
            .map(|(index, project)| {
                package::files(project, Random::new(seed, Stream::Files, index))
            })
            .collect();
        let most = (count / LARGEST_SHARE).max(1);
        // More targets than all projects have: every project gets more, in 1/64 steps.
        let mut scale = 64;
        let scaled =
            |scale: u64| move |files: u64| (files.saturating_mul(scale) / 64).clamp(1, most);
        let total = |scale| files.iter().map(|&f| 1 + u128::from(scaled(scale)(f))).sum::<u128>();
        while total(scale) < count.into() && total(scale) < total(scale * 2) {
            scale += scale.div_ceil(64);
        }
        let mut rest = order(projects, seed);
        let (mut chosen, mut left) = (Vec::new(), count);
        for &index in &rest {
            if left == 0 {
                break;
            }
            let files = scaled(scale)(files[index]).min(left - 1);
            left -= 1 + files;
            chosen.push((index, files));
        }
        rest.drain(..chosen.len());
        // What the cap on large projects left over goes to the first, the most downloaded one.
        if let Some((_, files)) = chosen.first_mut() {
            *files += left;
        }
        Self { projects, seed, chosen, rest }
    }

    /// The targets.
    pub fn targets(&self) -> TargetList {
        let projects = self.chosen.par_iter();
        list(projects.flat_map_iter(|&(index, files)| self.project_targets(index, files)).collect())
    }

    /// Writes the list of [`Synth::targets`] as TSV, a part of it at a time: about `memory` is taken, and what that does not
    /// hold goes to a temporary file in `folder`.
    pub fn write(&self, out: &mut dyn Write, memory: Memory, folder: &Path) -> io::Result<()> {
        writeln!(out, "{TARGETS_HEADER}")?;
        let held = usize::try_from(memory.for_rows()).unwrap_or(usize::MAX);
        let mut sorter = Sorter::new(held, folder.to_owned());
        for chunk in self.chunks() {
            let texts: Vec<io::Result<Vec<u8>>> = chunk
                .par_iter()
                .map(|&(index, files)| {
                    let mut text = Vec::new();
                    let targets = self.project_targets(index, files);
                    targets.iter().try_for_each(|target| write_columns(&mut text, "", target))?;
                    Ok(text)
                })
                .collect();
            texts.into_iter().try_for_each(|text| sorter.add(&text?))?;
        }
        sorter.write(out)
    }

    /// The chosen projects in pieces of some 100,000 targets.
    fn chunks(&self) -> impl Iterator<Item = &[(usize, u64)]> {
        let mut rest = &self.chosen[..];
        std::iter::from_fn(move || {
            let mut targets = 0;
            let many = rest.iter().position(|&(_, files)| {
                targets += 1 + files;
                targets >= 100_000
            });
            let (chunk, after) = rest.split_at(many.map_or(rest.len(), |at| at + 1));
            rest = after;
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    /// The page and the files of one project.
    fn project_targets(&self, index: usize, files: u64) -> Vec<Target> {
        let package = self.package(index, files);
        let page = page(package.name(), &package.files, &mut self.random(Stream::Page, index));
        package.files.into_iter().chain([page]).collect()
    }

    /// The changes that the next `releases` releases make, all in one list. A project is likely to
    /// release as it has files, so mostly the much downloaded ones do: each release puts its files
    /// and the project's page. One in 32 is the first of a new project (while there are any that
    /// the index does not have), and one in 64 is a project that is removed.
    pub fn releases(&self, releases: u64) -> ChangeList {
        let mut random = self.random(Stream::Releases, 0);
        let ends: Vec<u64> = (self.chosen.iter())
            .scan(0, |sum, &(_, files)| {
                *sum += 1 + files;
                Some(*sum)
            })
            .collect();
        let Some(&all) = ends.last() else {
            return ChangeList::default();
        };
        let mut fresh = self.rest.iter();
        let mut touched = BTreeMap::<usize, Touched<'_>>::new();
        for _ in 0..releases {
            let kind = random.below(RELEASES_PER_NEW_PROJECT * RELEASES_PER_REMOVAL);
            let is_removal = kind % RELEASES_PER_REMOVAL == 1;
            let is_new = kind.is_multiple_of(RELEASES_PER_NEW_PROJECT);
            if let Some(&index) = fresh.as_slice().first().filter(|_| is_new) {
                fresh.next();
                let mut package = self.package(index, 0);
                package.first_release(&mut random);
                let page = Some(page(package.name(), &package.files, &mut random));
                touched.insert(index, Touched { old: Vec::new(), package, page });
                continue;
            }
            // Removed are mostly the small; a release is mostly of the large.
            let at = if is_removal {
                random.index(self.chosen.len())
            } else {
                let point = random.below(all);
                ends.partition_point(|&end| end <= point)
            };
            let (index, files) = self.chosen[at];
            let project = touched.entry(index).or_insert_with(|| self.touch(index, files));
            if is_removal {
                project.package.files.clear();
                project.page = None;
            } else {
                project.package.next_release(&mut random);
                let package = &project.package;
                project.page = Some(page(package.name(), &package.files, &mut random));
            }
        }
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for project in touched.into_values() {
            old.extend(project.old);
            new.extend(project.package.files);
            new.extend(project.page);
        }
        diff(&list(old), &list(new))
    }

    fn touch(&self, index: usize, files: u64) -> Touched<'a> {
        let package = self.package(index, files);
        let page = page(package.name(), &package.files, &mut self.random(Stream::Page, index));
        let old = package.files.iter().cloned().chain([page.clone()]).collect();
        Touched { old, package, page: Some(page) }
    }

    fn package(&self, index: usize, files: u64) -> Package<'a> {
        Package::new(&self.projects[index], files, self.random(Stream::Package, index))
    }

    fn random(&self, stream: Stream, index: usize) -> Random {
        Random::new(self.seed, stream, index)
    }
}

/// A project that some release has changed: its targets before, and its state now.
struct Touched<'a> {
    old: Vec<Target>,
    package: Package<'a>,
    page: Option<Target>,
}

/// The order in which projects join an index as it grows. Unranked ones come at random; the ranked
/// ones are spread over them by van der Corput's sequence, so that any beginning of the order has
/// ranks from everywhere, rank 1 first.
fn order(projects: &[Project], seed: u64) -> Vec<usize> {
    let key = |index: usize| match projects[index].rank {
        Some(rank) => u64::from((rank - 1).reverse_bits()) << 32,
        None => Random::new(seed, Stream::Order, index).next(),
    };
    let mut keys: Vec<(u64, usize)> =
        (0..projects.len()).into_par_iter().map(|index| (key(index), index)).collect();
    keys.par_sort_unstable();
    keys.into_iter().map(|(_, index)| index).collect()
}

/// Sorts targets whose paths are known to differ: names are unique, and so are 240 random bits.
fn list(mut rows: Vec<Target>) -> TargetList {
    rows.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
    TargetList(rows)
}

#[cfg(test)]
mod tests;
