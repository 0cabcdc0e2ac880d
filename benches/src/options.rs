//! The options of the benchmarks that are programs: `--name value` in any order, then the rest.

/// What is left of a program's arguments.
pub struct Options(Vec<String>);

impl Options {
    /// The arguments of this process; `None` if they ask for help.
    pub fn of_process() -> Option<Self> {
        let all: Vec<String> = std::env::args().skip(1).collect();
        let asks = all.iter().any(|arg| arg == "--help" || arg == "-h");
        (!asks).then_some(Self(all))
    }

    /// Takes an option with its value.
    ///
    /// # Panics
    /// Where it has none.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|arg| arg == name)?;
        let named: Vec<String> = self.0.drain(at..self.0.len().min(at + 2)).collect();
        Some(named.get(1).unwrap_or_else(|| panic!("{name} needs a value")).clone())
    }

    /// Takes an option whose value is a number.
    ///
    /// # Panics
    /// Where it is none.
    pub fn number<N: std::str::FromStr>(&mut self, name: &str) -> Option<N> {
        let text = self.take(name)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, which is no number")))
    }

    /// Takes an option without a value.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|arg| arg != name);
        self.0.len() < before
    }

    /// What stands there without a name, at most so many.
    ///
    /// # Panics
    /// Where there are more.
    pub fn rest(self, most: usize) -> Vec<String> {
        if let Some(unknown) = self.0.get(most) {
            panic!("unknown argument {unknown}; see --help");
        }
        self.0
    }
}
