//! The files of one project.

use tufold_meta::{Digest, Hashes, TargetPath};

use super::super::Target;
use super::super::read::plain_file;
use super::Project;
use super::random::{Random, exp2};
use super::version::Version;

/// The interpreters that binary wheels are built for.
const PYTHONS: [&str; 5] = ["cp310", "cp311", "cp312", "cp313", "cp314"];

/// The platforms that binary wheels are built for, the commonest first.
const PLATFORMS: [&str; 6] = [
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "win_amd64",
    "macosx_11_0_arm64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "macosx_10_12_x86_64",
    "musllinux_1_2_x86_64",
];

/// The bytes of a page without a file, and of one file's line without its name, which it holds
/// twice beside the 64 hex digits in its address and the 64 of its SHA-256.
const PAGE_BYTES: u64 = 240;
const PAGE_LINE_BYTES: u64 = 230;

/// The length of `packages/<2 hex>/<2 hex>/<60 hex>/`.
const FOLDER_BYTES: usize = 76;

/// One doubling, in the logarithms of [`exp2`].
const ONE: i64 = 1 << 16;

/// How many files a project has in the whole of PyPI, about.
pub(super) fn files(project: &Project, mut random: Random) -> u64 {
    match project.rank {
        // The square root of a ratio, as a ratio of square roots with 12 more bits.
        Some(rank) => {
            let typical = 6000 * (9_u64 << 24).isqrt() / ((8 + u64::from(rank)) << 24).isqrt();
            // Half to twice as many, mostly.
            (typical * exp2((16 << 16) + random.normal(ONE / 2))) >> 16
        }
        None => exp2(ONE * 9 / 8 + random.normal(ONE * 8 / 5)),
    }
}

/// A project with the files that it has now.
#[derive(Clone, Debug)]
pub(super) struct Package<'a> {
    project: &'a Project,
    /// The name as file names have it.
    stem: String,
    newest: Version,
    shape: Shape,
    /// The typical length of its files, as the logarithm that [`exp2`] takes.
    length_log2: i64,
    pub(super) files: Vec<Target>,
}

/// What a release of a project consists of.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Source,
    /// A wheel with this tag, which fits every platform.
    Wheel(&'static str),
    SourceAndWheel(&'static str),
    /// A source archive, and wheels for the newest interpreters and the commonest platforms.
    SourceAndBinaries {
        pythons: usize,
        platforms: usize,
    },
}

impl<'a> Package<'a> {
    /// The project with its newest `files` files. The oldest release may be cut short.
    pub(super) fn new(project: &'a Project, files: u64, mut random: Random) -> Self {
        let shape = Shape::draw(project, &mut random);
        // 2^20 is 1 MiB, 2^15 is 32 KiB. From project to project it is some five times more or less.
        let median_log2 = if matches!(shape, Shape::SourceAndBinaries { .. }) { 20 } else { 15 };
        let length_log2 = ONE * median_log2 + random.normal(ONE * 9 / 4);
        let mut package = Self {
            project,
            stem: project.name.replace('-', "_"),
            newest: Version::new(&project.version),
            shape,
            length_log2,
            files: Vec::new(),
        };
        let mut version = package.newest.clone();
        let mut left = files;
        while left > 0 {
            left -= package.release(&version, left, &mut random);
            version.step_back(left / shape.files(), &mut random);
        }
        package
    }

    pub(super) fn name(&self) -> &'a str {
        &self.project.name
    }

    /// Adds the files of the version that the project is listed with.
    pub(super) fn first_release(&mut self, random: &mut Random) {
        self.release(&self.newest.clone(), u64::MAX, random);
    }

    /// Adds the files of the version after the newest.
    pub(super) fn next_release(&mut self, random: &mut Random) {
        self.newest.step_on(random);
        self.first_release(random);
    }

    /// Adds at most `most` files of `version` and says how many.
    fn release(&mut self, version: &Version, most: u64, random: &mut Random) -> u64 {
        let release = format!("{}-{version}", self.stem);
        let names = self.shape.names(&release);
        let before = self.files.len();
        for name in names.into_iter().take(usize::try_from(most).unwrap_or(usize::MAX)) {
            // The files of one project are about as long as each other.
            let length = exp2(self.length_log2 + random.normal(ONE / 2));
            self.files.push(file(&name, length, random));
        }
        (self.files.len() - before) as u64
    }
}

impl Shape {
    fn draw(project: &Project, random: &mut Random) -> Self {
        let popular = project.rank.is_some();
        let old = project.year.is_some_and(|year| year < 2016);
        let tag = match project.year {
            Some(..2020) => "py2.py3-none-any",
            _ => "py3-none-any",
        };
        let draw = random.below(100);
        match (popular, old) {
            (true, _) if draw < 25 => Self::draw_binaries(random),
            (true, _) if draw < 95 => Self::SourceAndWheel(tag),
            (false, true) if draw < 80 => Self::Source,
            (false, false) if draw < 4 => Self::draw_binaries(random),
            (false, false) if draw < 24 => Self::Source,
            (false, _) if draw < 88 => Self::SourceAndWheel(tag),
            _ => Self::Wheel(tag),
        }
    }

    fn draw_binaries(random: &mut Random) -> Self {
        let pythons = 1 + random.index(PYTHONS.len());
        let platforms = 1 + random.index(PLATFORMS.len());
        Self::SourceAndBinaries { pythons, platforms }
    }

    /// How many files a release has.
    const fn files(self) -> u64 {
        match self {
            Self::Source | Self::Wheel(_) => 1,
            Self::SourceAndWheel(_) => 2,
            Self::SourceAndBinaries { pythons, platforms } => 1 + (pythons * platforms) as u64,
        }
    }

    /// The names of the files of `release`, which is `name-version`.
    fn names(self, release: &str) -> Vec<String> {
        let source = || format!("{release}.tar.gz");
        match self {
            Self::Source => vec![source()],
            Self::Wheel(tag) => vec![format!("{release}-{tag}.whl")],
            Self::SourceAndWheel(tag) => vec![source(), format!("{release}-{tag}.whl")],
            Self::SourceAndBinaries { pythons, platforms } => {
                let mut names = vec![source()];
                for python in &PYTHONS[PYTHONS.len() - pythons..] {
                    for platform in &PLATFORMS[..platforms] {
                        names.push(format!("{release}-{python}-{python}-{platform}.whl"));
                    }
                }
                names
            }
        }
    }
}

/// The page that lists `files`.
pub(super) fn page(name: &str, files: &[Target], random: &mut Random) -> Target {
    let lines = files.iter().map(|file| {
        let name_bytes = file.path.as_str().len() - FOLDER_BYTES;
        PAGE_LINE_BYTES + 2 * name_bytes as u64
    });
    let length = PAGE_BYTES + 2 * name.len() as u64 + lines.sum::<u64>();
    target(&format!("simple/{name}/index.html"), length, random)
}

fn file(name: &str, length: u64, random: &mut Random) -> Target {
    let mut path = String::with_capacity(FOLDER_BYTES + name.len());
    path.push_str("packages/");
    let folder = Digest::from_bytes(random.bytes()).to_hex();
    for (at, &digit) in folder.iter().enumerate() {
        if at == 2 || at == 4 {
            path.push('/');
        }
        path.push(char::from(digit));
    }
    path.push('/');
    path.push_str(name);
    target(&path, length, random)
}

/// Projects are checked as they are read, so that every name makes a path.
fn target(path: &str, length: u64, random: &mut Random) -> Target {
    let hashes = Hashes::sha256_only(Digest::from_bytes(random.bytes()));
    let path = TargetPath::new(path).expect("a checked name and a cleaned version make a path");
    Target { path, file: plain_file(length, hashes) }
}
